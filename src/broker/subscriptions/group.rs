//! Shared subscriptions: groups of sessions that take turns (MQTT 5, section 4.8.2).

use super::{SessionKey, Subscriber, Subscription, index};
use slab::Slab;
use std::sync::Arc;

/// Names a group while it has a member.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GroupKey(u32);

/// The sessions that share one filter under one name.
#[derive(Debug)]
pub struct Group {
    /// `$share/NAME/FILTER`.
    filter: Arc<str>,
    /// In the order in which they joined.
    members: Vec<Subscriber>,
    /// The place of the member whose turn is next; below the number of members.
    next: usize,
}

impl Group {
    /// `$share/NAME/FILTER`, which no other group has.
    #[must_use]
    pub const fn filter(&self) -> &Arc<str> {
        &self.filter
    }

    /// Every member once: first the one whose turn it is, then the others in the order in which they joined.
    ///
    /// The message goes to the first that can take it; [`super::Subscriptions::advance`] then ends its turn.
    pub fn rotation(&self) -> impl Iterator<Item = &Subscriber> {
        let (later, first) = self.members.split_at(self.next);
        first.iter().chain(later)
    }

    /// The members in the order in which they joined; never empty.
    #[must_use]
    pub fn members(&self) -> &[Subscriber] {
        &self.members
    }

    fn place(&self, session: SessionKey) -> Option<usize> {
        self.members.iter().position(|member| member.session == session)
    }
}

/// All groups of all filters.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Slab<Group>,
    members_count: usize,
}

impl Groups {
    pub(super) fn get(&self, key: GroupKey) -> Option<&Group> {
        self.groups.get(key.0 as usize)
    }

    pub(super) const fn members_count(&self) -> usize {
        self.members_count
    }

    /// The group with that whole filter among `keys`, those of one filter proper.
    pub(super) fn find(&self, keys: &[GroupKey], filter: &str) -> Option<GroupKey> {
        keys.iter().copied().find(|key| *self.groups[key.0 as usize].filter == *filter)
    }

    pub(super) fn insert(&mut self, filter: &str) -> GroupKey {
        let group = Group { filter: filter.into(), members: Vec::new(), next: 0 };
        GroupKey(index(self.groups.insert(group)))
    }

    /// Adds a member at the end, or replaces its options; returns whether it was a member.
    pub(super) fn join(&mut self, key: GroupKey, subscriber: Subscriber) -> bool {
        let group = &mut self.groups[key.0 as usize];
        if let Some(place) = group.place(subscriber.session) {
            group.members[place] = subscriber;
            return true;
        }
        group.members.push(subscriber);
        self.members_count += 1;
        false
    }

    /// Takes a member out, and a group without members out of `keys`; returns whether it was a member.
    pub(super) fn leave(&mut self, keys: &mut Vec<GroupKey>, share_name: &str, session: SessionKey) -> bool {
        let Some(key) = self.find(keys, share_name) else {
            return false;
        };
        let group = &mut self.groups[key.0 as usize];
        let Some(place) = group.place(session) else {
            return false;
        };
        group.members.remove(place);
        self.members_count -= 1;
        if place < group.next {
            group.next -= 1;
        }
        if group.next == group.members.len() {
            group.next = 0;
        }
        if group.members.is_empty() {
            self.groups.remove(key.0 as usize);
            keys.retain(|&other| other != key);
        }
        true
    }

    pub(super) fn member(&self, key: GroupKey, session: SessionKey) -> Option<Subscription> {
        let group = self.get(key)?;
        Some(group.members[group.place(session)?].subscription)
    }

    pub(super) fn advance(&mut self, key: GroupKey, session: SessionKey) {
        if let Some(group) = self.groups.get_mut(key.0 as usize)
            && let Some(place) = group.place(session)
        {
            group.next = (place + 1) % group.members.len();
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.groups.len()
    }
}
