//! One accepted connection as the driver sees it.

use super::ready::SourceWaker;
use crate::broker::ConnectionId;
use crate::net::Stream;
use crate::packet::Transmit;
use crate::time::Time;

/// How much is read from a connection whose peer does not take what we write, in bytes.
///
/// A peer that sends without ever reading makes us owe it acknowledgements without end. One that writes a lot before
/// it reads is to be served, so this is far above what sockets hold.
const READ_WHILE_BLOCKED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the driver keeps for a connection; idle, it holds no buffer.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) stream: Stream,
    pub(super) waker: SourceWaker,
    /// The broker has more to send than it had a chance to.
    pub(super) has_more: bool,
    /// What the transport did not take.
    pub(super) blocked: Option<Box<Blocked>>,
    /// Set once the broker has forgotten it: what is left goes out and the peer's end is awaited, but no longer.
    pub(super) closing_until: Option<Time>,
    /// A short read of this turn has not been answered by a write.
    pub(super) owes_acknowledgement: bool,
}

/// The state of a connection after a short write.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    pub(super) transmit: Transmit,
    /// Bytes read since.
    read: usize,
}

impl Connection {
    /// Counts bytes read; they are limited while the peer does not read.
    pub(super) fn count_read(&mut self, bytes: usize) {
        if let Some(blocked) = &mut self.blocked {
            blocked.read = blocked.read.saturating_add(bytes);
        }
    }

    /// Whether the broker knows it by this name.
    pub(super) fn is_served_as(&self, id: ConnectionId) -> bool {
        self.id == id && self.closing_until.is_none()
    }

    /// Whether the driver may read from it now.
    pub(super) fn may_read(&self) -> bool {
        self.blocked.as_ref().is_none_or(|blocked| blocked.read < READ_WHILE_BLOCKED_BYTES_MAX)
    }
}
