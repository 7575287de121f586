//! Messages of QoS 1 and 2 on their way to the server, in the order in which they were first sent.

use crate::packet::{PacketIdentifier, Publish, ReasonCode};
use std::collections::VecDeque;

/// How far the exchange has come.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// PUBLISH waits for its PUBACK or PUBREC.
    Published(Publish),
    /// PUBREC came with this code, PUBREL waits for its PUBCOMP; the message itself is the server's now.
    Released(ReasonCode),
}

/// One message in flight.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) identifier: PacketIdentifier,
    pub(super) stage: Stage,
    /// The server may have seen it in this session, so that a repetition says DUP.
    pub(super) is_repeated: bool,
}

/// The messages in flight: those sent on this connection, then those still to be sent again on it.
///
/// What was sent on this connection occupies the server's Receive Maximum, so its number is the used-up window.
#[derive(Debug, Default)]
pub(super) struct Inflight {
    entries: VecDeque<Entry>,
    sent: usize,
}

impl Inflight {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many were sent on this connection.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// The first one that is to be sent again.
    pub(super) fn unsent(&self) -> Option<&Entry> {
        self.entries.get(self.sent)
    }

    /// Notes that [`Inflight::unsent`] has been sent.
    pub(super) fn mark_sent(&mut self) {
        if let Some(entry) = self.entries.get_mut(self.sent) {
            entry.is_repeated = true;
            self.sent += 1;
        }
    }

    /// Drops [`Inflight::unsent`] without sending it.
    pub(super) fn discard_unsent(&mut self) -> Option<Entry> {
        self.entries.remove(self.sent)
    }

    /// Adds a message that is being sent; nothing may be left to be sent again.
    pub(super) fn push_sent(&mut self, identifier: PacketIdentifier, publish: Publish) {
        debug_assert_eq!(self.sent, self.entries.len(), "repetitions go first");
        self.entries.push_back(Entry { identifier, stage: Stage::Published(publish), is_repeated: true });
        self.sent += 1;
    }

    /// Where the message with this identifier stands, if it is in flight.
    pub(super) fn position(&self, identifier: PacketIdentifier) -> Option<usize> {
        let front = self.entries.front()?.identifier.get();
        if front == identifier.get() {
            return Some(0);
        }
        // Identifiers rise from the front on, unless the counter has overtaken a message that is stuck.
        let distance = |entry: &Entry| entry.identifier.get().wrapping_sub(front);
        let wanted = identifier.get().wrapping_sub(front);
        self.entries
            .binary_search_by_key(&wanted, distance)
            .ok()
            .or_else(|| self.entries.iter().position(|entry| entry.identifier == identifier))
    }

    pub(super) fn get_mut(&mut self, position: usize) -> Option<&mut Entry> {
        self.entries.get_mut(position)
    }

    pub(super) fn remove(&mut self, position: usize) -> Option<Entry> {
        if position < self.sent {
            self.sent -= 1;
        }
        self.entries.remove(position)
    }

    /// The connection is gone: everything is to be sent again on the next one.
    pub(super) fn connection_lost(&mut self) {
        self.sent = 0;
    }

    /// The server has forgotten the session: what it took over with a PUBREC is done and returned, the rest starts
    /// afresh, without DUP.
    pub(super) fn session_lost(&mut self) -> VecDeque<Entry> {
        let (done, fresh): (VecDeque<_>, _) =
            self.entries.drain(..).partition(|entry| matches!(entry.stage, Stage::Released(_)));
        self.entries = fresh;
        for entry in &mut self.entries {
            entry.is_repeated = false;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(number: u16) -> PacketIdentifier {
        PacketIdentifier::new(number).unwrap()
    }

    fn with(numbers: impl IntoIterator<Item = u16>) -> Inflight {
        let mut inflight = Inflight::default();
        for number in numbers {
            inflight.push_sent(identifier(number), Publish::default());
        }
        inflight
    }

    #[test]
    fn every_message_is_found_even_when_the_counter_has_overtaken_a_stuck_one() {
        for numbers in
            [vec![1, 2, 5, 9], vec![65_530, 65_535, 1, 4], vec![5, 60_000, 2, 4, 6, 7, 60_001, 3, 8]]
        {
            let inflight = with(numbers.clone());
            for (place, &number) in numbers.iter().enumerate() {
                assert_eq!(inflight.position(identifier(number)), Some(place), "{number} in {numbers:?}");
            }
            assert_eq!(inflight.position(identifier(10)), None);
        }
    }

    #[test]
    fn removing_keeps_the_border_between_sent_and_unsent() {
        let mut inflight = with([1, 2, 3]);
        inflight.connection_lost();
        inflight.mark_sent();
        inflight.remove(0);
        assert_eq!(inflight.sent(), 0);
        assert_eq!(inflight.unsent().map(|entry| entry.identifier.get()), Some(2));
        inflight.mark_sent();
        inflight.remove(1);
        assert_eq!((inflight.sent(), inflight.len()), (1, 1));
        assert!(inflight.unsent().is_none());
    }

    #[test]
    fn a_lost_session_finishes_what_the_server_took_over() {
        let mut inflight = with([1, 2, 3]);
        inflight.get_mut(1).unwrap().stage = Stage::Released(ReasonCode::SUCCESS);
        inflight.connection_lost();
        let done = inflight.session_lost();
        assert_eq!(done.iter().map(|entry| entry.identifier.get()).collect::<Vec<_>>(), [2]);
        assert_eq!(inflight.len(), 2);
        assert!(!inflight.unsent().unwrap().is_repeated);
    }
}
