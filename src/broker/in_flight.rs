//! What was sent to a client at QoS 1 and 2 and is not acknowledged, in order (MQTT 5, sections 4.3 and 4.4).

use super::message::Message;
use crate::packet::{PacketIdentifier, Qos};
use std::collections::VecDeque;
use std::sync::Arc;

/// Where a delivery comes from, when that has to be known later: shared by all deliveries of one subscription.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Origin {
    /// Subscription Identifiers that go with the message.
    pub(super) identifiers: Vec<u32>,
    /// `$share/NAME/FILTER`, when the message was taken by a shared subscription.
    pub(super) shared_filter: Option<Arc<str>>,
}

/// One message for one client.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    pub(super) origin: Option<Arc<Origin>>,
    /// Its number in the change log; 0 when it is not told there.
    pub(super) number: u64,
    pub(super) qos: Qos,
    pub(super) retain: bool,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// PUBLISH was sent or is to be sent; PUBACK or PUBREC has not come.
    Publish,
    /// PUBREC has come and PUBREL was sent or is to be sent; PUBCOMP has not come.
    Pubrel,
}

/// A delivery with its Packet Identifier.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Gone once PUBREC has come.
    pub(super) message: Option<Arc<Message>>,
    pub(super) origin: Option<Arc<Origin>>,
    /// Its number in the change log; 0 when it is not told there.
    pub(super) number: u64,
    pub(super) identifier: PacketIdentifier,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) stage: Stage,
    /// Sent over an earlier connection.
    pub(super) is_repeated: bool,
}

/// The in-flight window of one session.
#[derive(Debug)]
pub(super) struct InFlight {
    entries: VecDeque<Entry>,
    /// How many of `entries`, from the front, were sent over the present connection.
    sent: usize,
    next: PacketIdentifier,
    /// Identifiers have come round to one that was still in use, so that `entries` are not in their order any more.
    has_lapped: bool,
    /// Payload bytes of the messages held.
    bytes: usize,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { entries: VecDeque::new(), sent: 0, next: PacketIdentifier::FIRST, has_lapped: false, bytes: 0 }
    }
}

/// What an acknowledgement found.
#[derive(Debug)]
pub(super) enum Found {
    /// The delivery with this number, which has now ended.
    Ended(u64),
    /// The delivery with this number goes on with PUBREL.
    GoesOn(u64),
    /// There is none.
    Unknown,
}

impl InFlight {
    /// Whether entries from an earlier connection have not been sent again yet.
    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.entries.len()
    }

    /// Appends a delivery that is being sent now, and gives it an identifier; `None` when all 65,535 are taken.
    #[inline]
    pub(super) fn push(&mut self, delivery: Delivery) -> Option<PacketIdentifier> {
        let identifier = self.free_identifier()?;
        self.bytes += delivery.message.bytes();
        self.entries.push_back(Entry {
            message: Some(delivery.message),
            origin: delivery.origin,
            number: delivery.number,
            identifier,
            qos: delivery.qos,
            retain: delivery.retain,
            stage: Stage::Publish,
            is_repeated: false,
        });
        self.sent += 1;
        Some(identifier)
    }

    #[inline]
    fn free_identifier(&mut self) -> Option<PacketIdentifier> {
        if self.entries.len() >= usize::from(u16::MAX) {
            return None;
        }
        if self.entries.is_empty() {
            self.has_lapped = false;
        }
        loop {
            let identifier = self.next;
            self.next = identifier.next();
            if self.is_free(identifier) {
                return Some(identifier);
            }
            self.has_lapped = true;
        }
    }

    fn is_free(&self, identifier: PacketIdentifier) -> bool {
        // Given one after another, the next that could be in use is that of the oldest entry; then no search is needed,
        // however large the window.
        let is_oldest = |first: &Entry| first.identifier == identifier;
        if self.has_lapped {
            self.place(identifier).is_none()
        } else {
            !self.entries.front().is_some_and(is_oldest)
        }
    }

    #[inline]
    fn place(&self, identifier: PacketIdentifier) -> Option<usize> {
        // Acknowledgements come in order, so the first is nearly always the one.
        self.entries.iter().position(|entry| entry.identifier == identifier)
    }

    fn remove(&mut self, place: usize) -> Option<Entry> {
        let entry = if place == 0 { self.entries.pop_front() } else { self.entries.remove(place) }?;
        if place < self.sent {
            self.sent -= 1;
        }
        self.bytes -= entry.message.as_ref().map_or(0, |message| message.bytes());
        Some(entry)
    }

    /// PUBACK: ends a QoS 1 delivery.
    #[inline]
    pub(super) fn puback(&mut self, identifier: PacketIdentifier) -> Option<Entry> {
        let place = self.place(identifier)?;
        if self.entries[place].qos != Qos::AtLeastOnce {
            return None;
        }
        self.remove(place)
    }

    /// PUBREC: the message is the client's now; with an error the delivery ends [MQTT-4.3.3-4].
    pub(super) fn pubrec(&mut self, identifier: PacketIdentifier, is_error: bool) -> Found {
        let Some(place) = self.place(identifier) else {
            return Found::Unknown;
        };
        let entry = &mut self.entries[place];
        if entry.qos != Qos::ExactlyOnce {
            return Found::Unknown;
        }
        if is_error {
            return self.remove(place).map_or(Found::Unknown, |entry| Found::Ended(entry.number));
        }
        if let Some(message) = entry.message.take() {
            self.bytes -= message.bytes();
        }
        entry.origin = None;
        entry.stage = Stage::Pubrel;
        Found::GoesOn(entry.number)
    }

    /// PUBCOMP: ends a QoS 2 delivery.
    pub(super) fn pubcomp(&mut self, identifier: PacketIdentifier) -> Option<Entry> {
        let place = self.place(identifier)?;
        if self.entries[place].stage != Stage::Pubrel {
            return None;
        }
        self.remove(place)
    }

    /// A new connection: everything is to be sent again [MQTT-4.4.0-1].
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
        for entry in &mut self.entries {
            entry.is_repeated = true;
        }
    }

    /// The next entry to be sent again, if any; it counts as sent afterwards.
    pub(super) fn send_next(&mut self) -> Option<Entry> {
        let entry = self.entries.get(self.sent)?.clone();
        self.sent += 1;
        Some(entry)
    }

    /// Whether another PUBLISH fits into the client's window.
    #[inline]
    pub(super) fn has_room(&self, window: u16, bytes_max: usize) -> bool {
        self.entries.len() < usize::from(window)
            && (bytes_max == 0 || self.bytes < bytes_max || self.entries.is_empty())
    }

    /// Whether the next entry that was sent before fits into the client's window again.
    pub(super) fn may_resend(&self, window: u16) -> bool {
        self.has_unsent() && self.sent < usize::from(window)
    }

    /// Forgets a delivery that this client can never take.
    pub(super) fn abandon(&mut self, identifier: PacketIdentifier) {
        if let Some(place) = self.place(identifier) {
            self.remove(place);
        }
    }

    /// Puts back what a store remembers; it is sent with the next connection.
    pub(super) fn restore(&mut self, entry: Entry) {
        self.next = entry.identifier.next();
        // In which order they were given is not remembered.
        self.has_lapped = true;
        self.bytes += entry.message.as_ref().map_or(0, |message| message.bytes());
        self.entries.push_back(entry);
    }

    /// Puts back that PUBREC had come for the delivery with this number.
    pub(super) fn restore_release(&mut self, number: u64) {
        let identifier =
            self.entries.iter().find(|entry| entry.number == number).map(|entry| entry.identifier);
        if let Some(identifier) = identifier {
            self.pubrec(identifier, false);
        }
    }

    /// Puts back that the delivery with this number had ended.
    pub(super) fn restore_end(&mut self, number: u64) {
        if let Some(place) = self.entries.iter().position(|entry| entry.number == number) {
            self.remove(place);
        }
    }

    /// Everything in flight, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Takes everything out: the session has ended.
    pub(super) fn drain(&mut self) -> VecDeque<Entry> {
        self.sent = 0;
        self.bytes = 0;
        std::mem::take(&mut self.entries)
    }

    /// Gives the buffer back while nothing is in flight.
    pub(super) fn release(&mut self) {
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{PropertiesRef, Text};
    use crate::time::Time;
    use bytes::Bytes;
    use std::collections::BTreeSet;

    fn delivery() -> Delivery {
        let (topic, payload) = (Text::detached("t"), Bytes::new());
        let message = Message::new(topic, payload, PropertiesRef::EMPTY, Qos::AtLeastOnce, false, Time::MAX);
        Delivery { message: Arc::new(message), origin: None, number: 0, qos: Qos::AtLeastOnce, retain: false }
    }

    /// Acknowledged in any order, round after round; some are left open for long, and now and then everything ends.
    #[test]
    fn an_identifier_in_use_is_never_given_again() {
        let mut in_flight = InFlight::default();
        let mut open: Vec<PacketIdentifier> = Vec::new();
        let mut random = 1_u32;
        for step in 0..400_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let chance = (random >> 16) as usize;
            if open.len() < 20 {
                let identifier = in_flight.push(delivery()).unwrap();
                assert!(!open.contains(&identifier), "{identifier:?} at step {step}");
                open.push(identifier);
            } else {
                // The oldest few are rarely the one.
                let place = if chance.is_multiple_of(1009) { chance % 20 } else { 3 + chance % 17 };
                assert!(in_flight.puback(open.remove(place)).is_some());
            }
            if chance == 1 {
                open.drain(..).for_each(|identifier| assert!(in_flight.puback(identifier).is_some()));
            }
        }
    }

    /// Three that are left open are not side by side, although the last is as far from the first as if they were.
    #[test]
    fn what_was_left_open_is_passed_over_in_every_round() {
        let mut in_flight = InFlight::default();
        let mut open = BTreeSet::new();
        for message in 1..=200_000_u32 {
            let identifier = in_flight.push(delivery()).unwrap();
            assert!(open.insert(identifier), "{identifier:?} is in use, message {message}");
            let is_left_open = message == 2 || message == 9 || (message > 65_535 && identifier.get() == 4);
            if !is_left_open {
                open.remove(&identifier);
                in_flight.puback(identifier);
            }
        }
        let left: Vec<_> = open.iter().map(|identifier| identifier.get()).collect();
        assert_eq!(left, [2, 4, 9]);
    }
}
