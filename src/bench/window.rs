//! Messages of QoS 1 and 2 on their way: at most a window of them, each under its Packet Identifier.

use crate::packet::PacketIdentifier;

/// A message that is not acknowledged yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flight {
    /// Its number in its stream.
    pub sequence: u64,
    /// When it was due, in nanoseconds from the start of the load.
    pub due: u64,
    /// PUBREC has come, PUBCOMP has not.
    pub is_released: bool,
}

/// The messages in flight of one client; grows with what is in flight, up to its limit.
#[derive(Debug)]
pub struct Window {
    /// Slot `n` belongs to identifier `n + 1`.
    slots: Vec<Option<Flight>>,
    free: Vec<u16>,
    limit: u16,
}

impl Window {
    /// An empty window of at most `limit` messages; 0 stands for all 65,535 identifiers.
    #[must_use]
    pub const fn new(limit: u16) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), limit: if limit == 0 { u16::MAX } else { limit } }
    }

    /// Lets the server's Receive Maximum narrow the window [MQTT-3.3.4-9].
    pub const fn narrow(&mut self, receive_maximum: u16) {
        if receive_maximum < self.limit && receive_maximum > 0 {
            self.limit = receive_maximum;
        }
    }

    /// How many are in flight.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether another one must wait.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.len() >= usize::from(self.limit)
    }

    /// Takes an identifier for `flight`; `None` when the window is full.
    #[inline]
    pub fn open(&mut self, flight: Flight) -> Option<PacketIdentifier> {
        if self.is_full() {
            return None;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                u16::try_from(self.slots.len() - 1).ok()?
            }
        };
        self.slots[usize::from(slot)] = Some(flight);
        PacketIdentifier::new(slot + 1)
    }

    /// PUBREC has come: true when the identifier was in flight, so that PUBREL follows.
    pub fn release(&mut self, identifier: PacketIdentifier) -> bool {
        match self.slots.get_mut(usize::from(identifier.get() - 1)) {
            Some(Some(flight)) => {
                flight.is_released = true;
                true
            }
            _ => false,
        }
    }

    /// The last acknowledgement has come; `None` for an identifier that was not in flight.
    #[inline]
    pub fn close(&mut self, identifier: PacketIdentifier) -> Option<Flight> {
        let slot = identifier.get() - 1;
        let flight = self.slots.get_mut(usize::from(slot))?.take()?;
        self.free.push(slot);
        Some(flight)
    }

    /// What is in flight with its identifiers, oldest message first: what a resumed session sends again.
    #[must_use]
    pub fn in_order(&self) -> Vec<(PacketIdentifier, Flight)> {
        let identifiers = (1..=u16::MAX).filter_map(PacketIdentifier::new);
        let mut all: Vec<_> = identifiers
            .zip(&self.slots)
            .filter_map(|(identifier, slot)| slot.map(|flight| (identifier, flight)))
            .collect();
        all.sort_by_key(|(_, flight)| flight.sequence);
        all
    }

    /// The session is gone: forgets all and returns how many there were.
    pub fn clear(&mut self) -> usize {
        let count = self.len();
        self.slots.clear();
        self.free.clear();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(sequence: u64) -> Flight {
        Flight { sequence, ..Flight::default() }
    }

    #[test]
    fn full_window_opens_again_with_an_acknowledgement() {
        let mut window = Window::new(2);
        let first = window.open(flight(0)).unwrap();
        let second = window.open(flight(1)).unwrap();
        assert_ne!(first, second);
        assert_eq!(window.open(flight(2)), None);
        assert_eq!(window.close(first), Some(flight(0)));
        assert_eq!(window.close(first), None, "acknowledged twice");
        let third = window.open(flight(2)).unwrap();
        assert!(window.release(third));
        assert_eq!(
            window.in_order(),
            [(second, flight(1)), (third, Flight { is_released: true, ..flight(2) })]
        );
        assert_eq!(window.clear(), 2);
        assert!(window.is_empty());
    }

    #[test]
    fn every_identifier_is_used_and_no_other() {
        let mut window = Window::new(0);
        let opened = (0..).map_while(|sequence| window.open(flight(sequence))).count();
        assert_eq!(opened, 65_535);
        assert!(!Window::new(5).release(PacketIdentifier::new(65_535).unwrap()), "a stranger");
    }

    #[test]
    fn server_narrows_the_window_and_never_widens_it() {
        let mut window = Window::new(20);
        window.narrow(30);
        window.narrow(1);
        assert!(window.open(flight(0)).is_some() && window.is_full());
    }
}
