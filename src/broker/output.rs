//! What is ready to go out: a list without duplicates, and buffers that travel from one connection to the next.

use super::connection::{Connection, ConnectionId, Ready};
use crate::packet::Transmit;
use std::collections::VecDeque;

/// The connections with something to send, and spare buffers for the next ones.
#[derive(Debug, Default)]
pub(super) struct Output {
    ready: VecDeque<ConnectionId>,
    spare: Vec<Transmit>,
}

/// Buffers kept for reuse, so that idle connections hold none.
const SPARE_MAX: usize = 128;
/// The most room a spare buffer keeps, in bytes.
const SPARE_BYTES_MAX: usize = 64 * 1024;

impl Output {
    /// The buffer of `connection`, which is ready from now on.
    #[inline]
    pub(super) fn to<'c>(&mut self, connection: &'c mut Connection) -> &'c mut Transmit {
        if connection.ready == Ready::Idle {
            self.mark(connection);
        }
        &mut connection.outgoing
    }

    fn mark(&mut self, connection: &mut Connection) {
        connection.ready = Ready::Listed;
        self.ready.push_back(connection.id);
        if connection.outgoing.is_empty()
            && let Some(spare) = self.spare.pop()
        {
            connection.outgoing = spare;
        }
    }

    pub(super) fn next_ready(&mut self) -> Option<ConnectionId> {
        self.ready.pop_front()
    }

    /// Takes a buffer back.
    pub(super) fn recycle(&mut self, mut buffer: Transmit) {
        if self.spare.len() < SPARE_MAX {
            buffer.clear();
            buffer.shrink_to(SPARE_BYTES_MAX);
            self.spare.push(buffer);
        }
    }
}
