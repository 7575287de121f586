//! Deadlines: one a connection or session at a time, stale ones dropped when they come up.

use super::connection::ConnectionId;
use super::subscriptions::SessionKey;
use crate::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Owner {
    Connection(ConnectionId),
    /// With the session's serial number.
    Session(SessionKey, u32),
    /// Expired retained messages are cleared away.
    Retained,
    /// The `$SYS` topics are published.
    Sys,
}

/// A heap of deadlines. The owner remembers the one that counts; others are stale.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, Owner)>>,
}

impl Timers {
    pub(super) fn arm(&mut self, at: Time, owner: Owner) {
        if at < Time::MAX {
            self.heap.push(Reverse((at, owner)));
        }
    }

    pub(super) fn first(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one deadline that is due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(Time, Owner)> {
        if self.first()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Forgets stale deadlines, so that the heap stays in proportion to what lives.
    pub(super) fn retain(&mut self, is_valid: impl Fn(Time, Owner) -> bool) {
        self.heap.retain(|Reverse((at, owner))| is_valid(*at, *owner));
    }
}
