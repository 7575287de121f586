//! Acknowledgements that promise durability wait until the store has written what they promise.

use super::Broker;
use super::change::Change;
use super::connection::{ConnectionId, Ready};
use super::event::Event;
use crate::packet::Transmit;
use crate::time::Time;

/// Bytes that wait for a commit.
#[derive(Debug)]
pub(super) struct Sealed {
    id: ConnectionId,
    promise: u64,
    bytes: Transmit,
}

impl Broker {
    /// Numbers a change and tells it.
    pub(super) fn push_change(&mut self, change: Change) -> u64 {
        self.sequence += 1;
        self.events.push_back(Event::Change { sequence: self.sequence, change });
        self.sequence
    }

    /// The store has written every change up to `sequence`; what promised them may go out.
    pub fn handle_committed(&mut self, now: Time, sequence: u64) {
        self.advance(now);
        self.committed = self.committed.max(sequence);
        let committed = self.committed;
        let mut waiting = Vec::new();
        for sealed in std::mem::take(&mut self.sealed) {
            if sealed.promise > committed {
                waiting.push(sealed);
            } else if let Some(connection) = self.connections.get_mut(sealed.id) {
                connection.details.sealed_count -= 1;
                let mut bytes = sealed.bytes;
                connection.details.released.append(&mut bytes);
                connection.ready = Ready::Idle;
                self.output.to(connection);
            }
        }
        self.sealed = waiting;
    }

    /// Whether what waits for this connection promises something that is not written yet.
    #[inline]
    pub(super) fn must_wait(&self, promise: u64) -> bool {
        self.config.durable && promise > self.committed
    }

    /// Puts what waits for a connection aside until its promise is written.
    #[cold]
    pub(super) fn seal(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let bytes = std::mem::take(&mut connection.outgoing);
        connection.details.sealed_count += 1;
        self.sealed.push(Sealed { id, promise: connection.promise, bytes });
    }

    /// A client's own bytes caused changes: its answers wait for them.
    #[inline]
    pub(super) fn promise(&mut self, id: ConnectionId, sequence_before: u64) {
        if self.sequence != sequence_before
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.promise = self.sequence;
        }
    }
}
