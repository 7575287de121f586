//! Packet Identifiers: one counter for all packets of a session, and those that are in use.

use crate::packet::PacketIdentifier;
use rustc_hash::FxHashSet;

/// Identifiers that may be in use at a time, so that a free one is always near.
pub(crate) const IDENTIFIERS_IN_USE_MAX: usize = 60_000;

/// Hands out identifiers in order and never one that is in use [MQTT-2.2.1-4].
#[derive(Debug)]
pub(crate) struct Identifiers {
    next: PacketIdentifier,
    in_use: FxHashSet<PacketIdentifier>,
}

impl Default for Identifiers {
    fn default() -> Self {
        Self { next: PacketIdentifier::FIRST, in_use: FxHashSet::default() }
    }
}

impl Identifiers {
    /// The next free number, without reserving it.
    #[inline]
    pub(crate) fn count(&mut self) -> PacketIdentifier {
        // Ends, because `take` leaves thousands of identifiers free.
        while !self.in_use.is_empty() && self.in_use.contains(&self.next) {
            self.next = self.next.next();
        }
        let number = self.next;
        self.next = number.next();
        number
    }

    /// Reserves the next free identifier; `None` when too many are in use.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<PacketIdentifier> {
        if self.in_use.len() >= IDENTIFIERS_IN_USE_MAX {
            return None;
        }
        let identifier = self.count();
        self.in_use.insert(identifier);
        Some(identifier)
    }

    /// Frees an identifier whose exchange has ended [MQTT-2.2.1-4].
    #[inline]
    pub(crate) fn release(&mut self, identifier: PacketIdentifier) {
        self.in_use.remove(&identifier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_in_use_is_passed_over_until_it_is_released() {
        let mut identifiers = Identifiers::default();
        let first = identifiers.take().unwrap();
        assert_eq!(first.get(), 1);
        for expected in 2..=u16::MAX {
            assert_eq!(identifiers.count().get(), expected);
        }
        assert_eq!(identifiers.count().get(), 2);
        identifiers.release(first);
        for expected in 3..=u16::MAX {
            assert_eq!(identifiers.count().get(), expected);
        }
        assert_eq!(identifiers.count().get(), 1);
    }

    #[test]
    fn identifiers_run_out_before_the_search_for_one_gets_long() {
        let mut identifiers = Identifiers::default();
        for _ in 0..IDENTIFIERS_IN_USE_MAX {
            assert!(identifiers.take().is_some());
        }
        assert_eq!(identifiers.take(), None);
        identifiers.release(PacketIdentifier::FIRST);
        assert!(identifiers.take().is_some());
    }
}
