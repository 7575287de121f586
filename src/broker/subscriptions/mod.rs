//! All subscriptions of the broker: which sessions a Topic Name reaches (MQTT 5, sections 3.8, 4.7 and 4.8.2).
//!
//! A filter without wildcards is found by one look-up of the whole topic, so the usual broker never walks a tree.
//! Filters with wildcards also hang in a tree of their levels.

mod group;
mod tree;

pub use group::{Group, GroupKey};

use crate::packet::SubscriptionOptions;
use crate::packet::topic::SharedFilter;
use group::Groups;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxBuildHasher;
use slab::Slab;
use std::hash::BuildHasher;
use tree::{NodeIndex, Tree, Walk};

/// Names a session of the broker; small, given again after its session has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey(pub u32);

/// What a session asked for beside the filter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Subscription {
    /// Maximum QoS, No Local, Retain As Published, Retain Handling.
    pub options: SubscriptionOptions,
    /// Goes with every message that is sent for this subscription [MQTT-3.3.4-3].
    pub identifier: Option<u32>,
}

/// One session's subscription to one filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subscriber {
    /// Who subscribed.
    pub session: SessionKey,
    /// With which options.
    pub subscription: Subscription,
}

/// Names a filter while something subscribes to it.
type FilterIndex = u32;

/// A filter, without `$share/NAME/`, and who subscribes to it.
#[derive(Debug)]
struct Filter {
    text: Box<str>,
    /// Where the filter ends in the tree; `None` without wildcards.
    node: Option<NodeIndex>,
    /// In the order of their sessions, each once.
    subscribers: Vec<Subscriber>,
    /// Shared subscriptions, in the order in which the groups came to be.
    groups: Vec<GroupKey>,
}

/// The subscriptions of all sessions.
#[derive(Debug, Default)]
pub struct Subscriptions {
    filters: Slab<Filter>,
    by_text: HashTable<FilterIndex>,
    tree: Tree,
    groups: Groups,
    plain_count: usize,
    generation: u64,
}

/// What a topic matched. Reused from call to call, so that matching allocates nothing once it has grown.
#[derive(Debug, Default)]
pub struct Matches {
    subscribers: Vec<Subscriber>,
    groups: Vec<GroupKey>,
    filters: Vec<FilterIndex>,
    walk: Walk,
}

impl Matches {
    /// The subscriptions that are not shared, by ascending session.
    ///
    /// A session that matches through several filters stands there several times in a row, the most specific filter
    /// first: the filter without wildcards, then level by level a literal one before `+` before `#`.
    #[must_use]
    pub fn subscribers(&self) -> &[Subscriber] {
        &self.subscribers
    }

    /// The shared subscriptions, each of which takes the message once; in the order of their filters as above.
    ///
    /// The keys hold as long as [`Subscriptions::generation`] does not change.
    #[must_use]
    pub fn groups(&self) -> &[GroupKey] {
        &self.groups
    }

    /// Whether nobody subscribes to the topic.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty() && self.groups.is_empty()
    }
}

impl Subscriptions {
    /// Adds a subscription, or replaces the one that `session` has to the very same filter [MQTT-3.8.4-3].
    ///
    /// `filter` is well-formed ([`crate::packet::topic::check_filter`]); `$share/NAME/FILTER` joins the group NAME of
    /// FILTER [MQTT-4.8.2-4]. Returns whether the subscription existed.
    pub fn subscribe(&mut self, session: SessionKey, filter: &str, subscription: Subscription) -> bool {
        self.generation += 1;
        let (is_shared, proper) = split(filter);
        let index = self.filter_or_insert(proper);
        let subscriber = Subscriber { session, subscription };
        if !is_shared {
            let existed = put(&mut self.filters[index as usize].subscribers, subscriber);
            self.plain_count += usize::from(!existed);
            return existed;
        }
        let keys = &mut self.filters[index as usize].groups;
        let key = match self.groups.find(keys, filter) {
            Some(key) => key,
            None => {
                let key = self.groups.insert(filter);
                keys.push(key);
                key
            }
        };
        self.groups.join(key, subscriber)
    }

    /// Ends the subscription of `session` to exactly this filter; false when it did not exist [MQTT-3.10.4-1].
    pub fn unsubscribe(&mut self, session: SessionKey, filter: &str) -> bool {
        let (is_shared, proper) = split(filter);
        let Some(index) = self.find(proper) else {
            return false;
        };
        let entry = &mut self.filters[index as usize];
        let existed = if is_shared {
            self.groups.leave(&mut entry.groups, filter, session)
        } else {
            let existed = take(&mut entry.subscribers, session);
            self.plain_count -= usize::from(existed);
            existed
        };
        if existed {
            self.generation += 1;
            self.prune(index);
        }
        existed
    }

    /// Ends the subscriptions of `session` to `filters`: its session has ended.
    pub fn remove_session<'a>(&mut self, session: SessionKey, filters: impl IntoIterator<Item = &'a str>) {
        for filter in filters {
            self.unsubscribe(session, filter);
        }
    }

    /// The subscription of `session` to exactly this filter.
    #[must_use]
    pub fn find_subscription(&self, session: SessionKey, filter: &str) -> Option<Subscription> {
        let (is_shared, proper) = split(filter);
        let entry = &self.filters[self.find(proper)? as usize];
        if is_shared {
            return self.groups.member(self.groups.find(&entry.groups, filter)?, session);
        }
        find(&entry.subscribers, session).ok().map(|at| entry.subscribers[at].subscription)
    }

    /// Finds everything that matches `topic`, a well-formed Topic Name, and puts it into `matches`.
    ///
    /// A filter that begins with a wildcard does not match a topic that begins with `$` [MQTT-4.7.2-1].
    #[inline]
    pub fn matching(&self, topic: &str, matches: &mut Matches) {
        matches.subscribers.clear();
        matches.groups.clear();
        if self.tree.is_empty() {
            if let Some(index) = self.find(topic) {
                self.collect(index, matches);
            }
            return;
        }
        let mut filters = std::mem::take(&mut matches.filters);
        filters.clear();
        filters.extend(self.find(topic));
        self.tree.matching(topic, &mut matches.walk, &mut filters);
        for &index in &filters {
            self.collect(index, matches);
        }
        if filters.len() > 1 {
            // Each filter's list is ascending, so this merges runs; stable, so the order of the filters stays.
            matches.subscribers.sort_by_key(|subscriber| subscriber.session);
        }
        matches.filters = filters;
    }

    #[inline]
    fn collect(&self, index: FilterIndex, matches: &mut Matches) {
        let filter = &self.filters[index as usize];
        matches.subscribers.extend_from_slice(&filter.subscribers);
        matches.groups.extend_from_slice(&filter.groups);
    }

    /// The members of a shared subscription; `None` when the key is of an older generation and its group has gone.
    #[must_use]
    pub fn group(&self, key: GroupKey) -> Option<&Group> {
        self.groups.get(key)
    }

    /// Makes the member behind `session` the first of the next [`Group::rotation`].
    pub fn advance(&mut self, key: GroupKey, session: SessionKey) {
        self.groups.advance(key, session);
    }

    /// Changes with every change of the subscriptions, so that what [`Subscriptions::matching`] found may be kept.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How many subscriptions there are, shared ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain_count + self.shared_len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of the subscriptions are shared.
    #[must_use]
    pub const fn shared_len(&self) -> usize {
        self.groups.members_count()
    }

    #[inline]
    fn find(&self, filter: &str) -> Option<FilterIndex> {
        let same = |&index: &FilterIndex| *self.filters[index as usize].text == *filter;
        self.by_text.find(hash(filter), same).copied()
    }

    fn filter_or_insert(&mut self, text: &str) -> FilterIndex {
        let filters = &mut self.filters;
        let rehash = |index: &FilterIndex, filters: &Slab<Filter>| hash(&filters[*index as usize].text);
        let same = |index: &FilterIndex| *filters[*index as usize].text == *text;
        match self.by_text.entry(hash(text), same, |index| rehash(index, filters)) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(place) => {
                let index = index(filters.vacant_key());
                let node = text.contains(['+', '#']).then(|| self.tree.insert(text, index));
                filters.insert(Filter {
                    text: text.into(),
                    node,
                    subscribers: Vec::new(),
                    groups: Vec::new(),
                });
                place.insert(index);
                index
            }
        }
    }

    /// Forgets a filter to which nothing subscribes any more.
    fn prune(&mut self, index: FilterIndex) {
        let filter = &self.filters[index as usize];
        if !filter.subscribers.is_empty() || !filter.groups.is_empty() {
            return;
        }
        if let Ok(entry) = self.by_text.find_entry(hash(&filter.text), |&other| other == index) {
            entry.remove();
        }
        if let Some(node) = filter.node {
            self.tree.remove(node, index);
        }
        self.filters.remove(index as usize);
    }
}

/// Whether the filter is a shared one, and the filter proper.
fn split(filter: &str) -> (bool, &str) {
    match SharedFilter::split(filter) {
        Ok(Some(shared)) => (true, shared.filter),
        _ => (false, filter),
    }
}

#[inline]
fn hash(text: &str) -> u64 {
    FxBuildHasher.hash_one(text)
}

/// Keys of a slab as they are kept: four bytes are enough for more entries than memory can hold.
fn index(key: usize) -> u32 {
    u32::try_from(key).expect("four billion filters do not fit into memory")
}

fn find(subscribers: &[Subscriber], session: SessionKey) -> Result<usize, usize> {
    // Sessions mostly subscribe in the order of their keys, so the end is looked at first.
    match subscribers.last() {
        Some(last) if last.session < session => Err(subscribers.len()),
        _ => subscribers.binary_search_by_key(&session, |subscriber| subscriber.session),
    }
}

/// Puts or replaces; returns whether the session was there.
fn put(subscribers: &mut Vec<Subscriber>, subscriber: Subscriber) -> bool {
    match find(subscribers, subscriber.session) {
        Ok(at) => {
            subscribers[at] = subscriber;
            true
        }
        Err(at) => {
            if subscribers.is_empty() {
                // Most filters have one subscriber; the first growth would take four places.
                subscribers.reserve_exact(1);
            }
            subscribers.insert(at, subscriber);
            false
        }
    }
}

/// Takes out; returns whether the session was there.
fn take(subscribers: &mut Vec<Subscriber>, session: SessionKey) -> bool {
    let found = find(subscribers, session);
    if let Ok(at) = found {
        subscribers.remove(at);
    }
    found.is_ok()
}

#[cfg(test)]
mod tests;
