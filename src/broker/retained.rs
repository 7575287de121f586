//! Retained messages by topic (MQTT 5, section 3.3.1.3).
//!
//! One ordered map of whole topics is the tree: a topic comes before everything below it, and what lies below a level
//! lies together, so that a filter with wildcards skips from one candidate to the next and never recurses.

use crate::packet::Text;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

/// What is retained, at most one message a topic [MQTT-3.3.1-5]; expiry is the caller's.
#[derive(Clone, Debug)]
pub struct Retained<T> {
    by_topic: BTreeMap<Text, T>,
}

impl<T> Default for Retained<T> {
    fn default() -> Self {
        Self { by_topic: BTreeMap::new() }
    }
}

impl<T> Retained<T> {
    /// Retains `message` on `topic`, a well-formed Topic Name, and returns what it replaces.
    ///
    /// The topic is kept as it comes: it must not share a large read block ([`Text::detached`]).
    pub fn set(&mut self, topic: Text, message: T) -> Option<T> {
        self.by_topic.insert(topic, message)
    }

    /// Forgets what is retained on `topic` [MQTT-3.3.1-6], and returns it.
    pub fn clear(&mut self, topic: &str) -> Option<T> {
        self.by_topic.remove(topic)
    }

    /// What is retained on exactly this topic.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&T> {
        self.by_topic.get(topic)
    }

    /// How many messages are retained.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// Whether nothing is retained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    /// Everything retained, in the byte order of the topics.
    pub fn iter(&self) -> btree_map::Iter<'_, Text, T> {
        self.by_topic.iter()
    }

    /// What matches `filter`, a well-formed Topic Filter without `$share/NAME/`, in the byte order of the topics: a
    /// parent before its children. Topics that begin with `$` are not matched by a leading wildcard [MQTT-4.7.2-1].
    #[must_use]
    pub fn matching<'a>(&'a self, filter: &'a str) -> Matching<'a, T> {
        Matching { retained: self, filter, rest: None, seek: Seek::Start }
    }

    /// As [`Retained::matching`], but only topics behind `topic`; all of them when it is empty.
    #[must_use]
    pub fn matching_behind<'a>(&'a self, filter: &'a str, topic: &str) -> Matching<'a, T> {
        if topic.is_empty() {
            return self.matching(filter);
        }
        let behind = (Bound::Excluded(topic), Bound::Unbounded);
        let rest = Some(self.by_topic.range::<str, _>(behind));
        Matching { retained: self, filter, rest, seek: Seek::Next }
    }
}

impl<'a, T> IntoIterator for &'a Retained<T> {
    type Item = (&'a Text, &'a T);
    type IntoIter = btree_map::Iter<'a, Text, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Walks the retained messages that match a filter; see [`Retained::matching`].
#[derive(Debug)]
pub struct Matching<'a, T> {
    retained: &'a Retained<T>,
    filter: &'a str,
    /// Neighbours of the last match, which often match too.
    rest: Option<btree_map::Range<'a, Text, T>>,
    seek: Seek,
}

/// Where the walk goes on.
#[derive(Debug)]
enum Seek {
    /// At the first topic that the filter could match.
    Start,
    /// With the neighbour of the topic before.
    Next,
    /// At this text or behind it.
    To(String),
    /// Nowhere.
    End,
}

impl<'a, T> Iterator for Matching<'a, T> {
    type Item = (&'a Text, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((topic, message)) = self.candidate() {
            match compare(self.filter, topic) {
                Comparison::Match => return Some((topic, message)),
                Comparison::Miss(seek) => self.seek = seek,
            }
        }
        self.seek = Seek::End;
        None
    }
}

impl<'a, T> Matching<'a, T> {
    /// The next topic to be compared.
    fn candidate(&mut self) -> Option<(&'a Text, &'a T)> {
        match std::mem::replace(&mut self.seek, Seek::Next) {
            Seek::Start => {
                let literal = self.filter.find(['+', '#']).unwrap_or(self.filter.len());
                // `sport/#` begins at `sport`, which comes before everything below it.
                self.jump(self.filter[..literal].trim_end_matches('/'));
            }
            Seek::Next => {}
            Seek::To(text) => self.jump(&text),
            Seek::End => self.rest = None,
        }
        self.rest.as_mut()?.next()
    }

    fn jump(&mut self, text: &str) {
        let from = (Bound::Included(text), Bound::Unbounded);
        self.rest = Some(self.retained.by_topic.range::<str, _>(from));
    }
}

enum Comparison {
    Match,
    /// No match; the walk may go on from there without passing over one.
    Miss(Seek),
}

/// Compares level by level; on a miss finds the next place in byte order where a match could lie.
///
/// That place is always behind `topic`, so the walk ends.
fn compare(filter: &str, topic: &str) -> Comparison {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        // '%' is the character behind '$'.
        return Comparison::Miss(Seek::To("%".to_owned()));
    }
    let mut levels = topic.split('/');
    // How many bytes of `topic` are settled, and where the last level that `+` took ends.
    let mut settled = 0;
    let mut single_end = None;
    for wanted in filter.split('/') {
        if wanted == "#" {
            return Comparison::Match;
        }
        let Some(level) = levels.next() else {
            // The topic is a parent of what is looked for, which follows it.
            return Comparison::Miss(Seek::Next);
        };
        if wanted == "+" {
            single_end = Some(settled + level.len());
        } else if wanted != level {
            return Comparison::Miss(ahead(topic, &topic[..settled], wanted, single_end));
        }
        settled += level.len() + 1;
    }
    match levels.next() {
        None => Comparison::Match,
        Some(_) => Comparison::Miss(behind(topic, single_end)),
    }
}

/// `topic` has another level than `wanted` below `parent`: what is wanted lies ahead of it, or has been passed.
fn ahead(topic: &str, parent: &str, wanted: &str, single_end: Option<usize>) -> Seek {
    let mut target = [parent, wanted].concat();
    if topic < target.as_str() {
        return Seek::To(target);
    }
    // `a b` lies between `a` and `a/b`.
    target.push('/');
    if topic < target.as_str() { Seek::To(target) } else { behind(topic, single_end) }
}

/// Nothing more can match until the level that the last `+` took changes.
fn behind(topic: &str, single_end: Option<usize>) -> Seek {
    match single_end {
        // '0' is the character behind '/', so this is behind everything below that level.
        Some(end) => Seek::To([&topic[..end], "0"].concat()),
        None => Seek::End,
    }
}

#[cfg(test)]
mod tests;
