//! What goes out: which connections are ready, and their bytes.

use super::Broker;
use super::connection::{ConnectionId, Phase, Progress, Ready};
use super::session::Session;
use crate::packet::{Packet, Transmit};

/// Queued messages are added to what goes out in one call until it holds this many bytes.
const TRANSMIT_BYTES: usize = 64 * 1024;

impl Broker {
    /// The next connection with something to send or to be closed; each is told once until its
    /// [`Broker::poll_transmit`].
    pub fn poll_ready(&mut self) -> Option<ConnectionId> {
        loop {
            let id = self.output.next_ready()?;
            if let Some(connection) = self.connections.get_mut(id) {
                connection.ready = Ready::Told;
                return Some(id);
            }
        }
    }

    /// Whether what waits for connection `id` is the last, and [`Progress::Close`] comes with it.
    #[must_use]
    pub fn is_closing(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_none_or(|connection| connection.phase == Phase::Closing)
    }

    /// Appends what waits for connection `id` to `transmit`, swapping buffers when that is empty.
    ///
    /// Ask when [`Broker::poll_ready`] named the connection, and after [`Progress::More`] once the bytes before were
    /// taken by the socket. A connection that is not asked for keeps a bounded amount.
    pub fn poll_transmit(&mut self, id: ConnectionId, transmit: &mut Transmit) -> Progress {
        let Some(connection) = self.connections.get_mut(id) else {
            return Progress::Close;
        };
        let before = transmit.len();
        let promise = connection.promise;
        connection.answer_bytes = 0;
        if self.config.durable {
            transmit.append(&mut connection.details.released);
            if !connection.outgoing.is_empty() && self.must_wait(promise) {
                self.seal(id);
            }
        }
        let Some(connection) = self.connections.get_mut(id) else {
            return Progress::Close;
        };
        transmit.append(&mut connection.outgoing);
        let key = connection.session;
        let has_more = self.sessions.get(key).is_some_and(Session::has_more) && self.refill(id, transmit);
        self.statistics.bytes_sent += (transmit.len() - before) as u64;
        let Some(connection) = self.connections.get_mut(id) else {
            return Progress::Close;
        };
        let buffer = std::mem::take(&mut connection.outgoing);
        connection.ready = if has_more { Ready::Told } else { Ready::Idle };
        let is_closing = connection.phase == Phase::Closing && connection.details.sealed_count == 0;
        self.output.recycle(buffer);
        if is_closing {
            self.forget(id);
            return Progress::Close;
        }
        if has_more { Progress::More } else { Progress::Idle }
    }

    /// Adds queued messages; returns whether more could go once these are out.
    fn refill(&mut self, id: ConnectionId, transmit: &mut Transmit) -> bool {
        loop {
            let Some(connection) = self.connections.get_mut(id) else {
                return false;
            };
            // Nothing is to be put on the ready list by what is handed out right here.
            connection.ready = Ready::Told;
            let key = connection.session;
            if transmit.len() >= TRANSMIT_BYTES {
                return self.may_send_next(key);
            }
            self.pump(key);
            let Some(connection) = self.connections.get_mut(id) else {
                return false;
            };
            if connection.outgoing.is_empty() {
                return false;
            }
            let promise = connection.promise;
            if self.must_wait(promise) {
                self.seal(id);
                return false;
            }
            if let Some(connection) = self.connections.get_mut(id) {
                transmit.append(&mut connection.outgoing);
            }
        }
    }

    /// Queues a packet for one connection; false when it exceeds the client's Maximum Packet Size and was not sent.
    pub(super) fn send_packet(&mut self, id: ConnectionId, packet: &Packet) -> bool {
        let Some(connection) = self.connections.get_mut(id) else {
            return false;
        };
        let version = connection.version;
        let mut bytes = Vec::new();
        // What cannot be encoded (a field over 65,535 bytes) cannot be sent either.
        if packet.encode(version, &mut bytes).is_err() || bytes.len() > connection.packet_bytes_max as usize {
            return false;
        }
        connection.answer_bytes += bytes.len();
        self.output.to(connection).put(&bytes);
        self.statistics.packets_sent += 1;
        true
    }
}
