//! Packet Identifiers of QoS 2 PUBLISHes whose PUBREL has not come: a repeated one is not delivered again [MQTT-4.3.3-10].

use crate::packet::PacketIdentifier;

/// The open QoS 2 identifiers of one client; at most 65,535, four bytes each.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// By ascending identifier, each with whether it came over the present connection.
    open: Vec<(PacketIdentifier, bool)>,
    /// How many came over the present connection, which is what the Receive Maximum counts.
    counted: usize,
}

impl Received {
    /// Opens `identifier`; false when it was open already.
    pub(super) fn open(&mut self, identifier: PacketIdentifier) -> bool {
        // Identifiers go up, so the end is looked at first.
        let found = match self.open.last() {
            Some(last) if last.0 < identifier => Err(self.open.len()),
            None => Err(0),
            _ => self.open.binary_search_by_key(&identifier, |entry| entry.0),
        };
        match found {
            Ok(place) => {
                self.counted += usize::from(!std::mem::replace(&mut self.open[place].1, true));
                false
            }
            Err(place) => {
                self.open.insert(place, (identifier, true));
                self.counted += 1;
                true
            }
        }
    }

    pub(super) fn contains(&self, identifier: PacketIdentifier) -> bool {
        self.open.binary_search_by_key(&identifier, |entry| entry.0).is_ok()
    }

    /// Closes `identifier`; false when it was not open.
    pub(super) fn close(&mut self, identifier: PacketIdentifier) -> bool {
        let Ok(place) = self.open.binary_search_by_key(&identifier, |entry| entry.0) else {
            return false;
        };
        self.counted -= usize::from(self.open.remove(place).1);
        true
    }

    /// How many QoS 2 PUBLISHes of the present connection are open.
    #[inline]
    pub(super) const fn counted(&self) -> usize {
        self.counted
    }

    /// A new connection: its Receive Maximum starts anew [MQTT 5, section 4.9].
    pub(super) fn restart_count(&mut self) {
        self.counted = 0;
        for entry in &mut self.open {
            entry.1 = false;
        }
    }

    /// All that are open.
    pub(super) fn identifiers(&self) -> impl Iterator<Item = PacketIdentifier> {
        self.open.iter().map(|entry| entry.0)
    }

    /// Puts back what a store remembers.
    pub(super) fn restore(&mut self, identifier: PacketIdentifier) {
        if let Err(place) = self.open.binary_search_by_key(&identifier, |entry| entry.0) {
            self.open.insert(place, (identifier, false));
        }
    }

    /// Gives the buffer back while nothing is open.
    pub(super) fn release(&mut self) {
        if self.open.is_empty() {
            self.open = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(number: u16) -> PacketIdentifier {
        PacketIdentifier::new(number).unwrap()
    }

    #[test]
    fn an_identifier_is_open_from_its_publish_to_its_release() {
        let mut received = Received::default();
        for number in [5, 65_535, 1, 3] {
            assert!(received.open(identifier(number)));
            assert!(!received.open(identifier(number)), "{number} is open already");
        }
        assert_eq!(received.counted(), 4);
        assert!(received.close(identifier(3)));
        assert!(!received.close(identifier(3)));
        assert_eq!(received.counted(), 3);
    }

    #[test]
    fn what_an_earlier_connection_opened_does_not_count_until_it_is_repeated() {
        let mut received = Received::default();
        received.open(identifier(1));
        received.open(identifier(2));
        received.restart_count();
        assert_eq!(received.counted(), 0);
        assert!(!received.open(identifier(2)));
        assert_eq!(received.counted(), 1);
        assert!(received.close(identifier(1)));
        assert_eq!(received.counted(), 1);
    }
}
