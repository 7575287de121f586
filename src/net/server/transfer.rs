//! What moves over a connection: one read a turn, what the broker has for it, and its end.

use super::connection::{Blocked, Connection};
use super::driver::{Observer, Server};
use crate::broker::{ConnectionId, Progress};
use crate::net::client::{SHORT_READ_BYTES, write_once};
use crate::time::Time;
use std::task::{Context, Poll};
use std::time::Duration;

/// How often a connection is written to in one turn before the others have theirs.
const WRITES_PER_TURN_MAX: usize = 4;

/// How often the rest of a connection that cannot be written to any more is read.
const LAST_READS_MAX: usize = 16;

/// How long a connection that is over may take to get its last bytes out and to be closed by its peer.
///
/// Dropping it at once while the peer's bytes still come in would reset it, and our last packet might not be seen.
const CLOSING_MAX: Duration = Duration::from_secs(5);

impl<O: Observer> Server<O> {
    /// A connection's socket woke: goes on writing where that was stuck, reads once.
    pub(super) fn serve(&mut self, key: usize, now: Time) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        connection.waker.is_taken();
        if connection.blocked.is_some() {
            self.unblock(key, now);
        }
        self.read(key, now);
        if let Some(connection) = self.connections.get(key)
            && connection.has_more
            && connection.blocked.is_none()
        {
            self.transmit(connection.id, now);
        }
    }

    fn read(&mut self, key: usize, now: Time) {
        let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.may_read())
        else {
            return;
        };
        if self.broker.awaits_verdict(connection.id) {
            // The socket holds it; the verdict lists the connection again.
            return;
        }
        let context = &mut Context::from_waker(connection.waker.waker());
        let Poll::Ready(read) = self.block.poll_read(&mut connection.stream, context) else {
            return;
        };
        let Some(bytes) = read.ok().filter(|bytes| !bytes.is_empty()) else {
            return self.drop_connection(key, now);
        };
        // A read that did not fill its block has emptied the socket: this only registers the waker.
        if connection.stream.poll_read_ready(context).is_ready() {
            connection.waker.again();
        }
        if connection.closing_until.is_some() {
            return;
        }
        connection.count_read(bytes.len());
        if bytes.len() < SHORT_READ_BYTES && !connection.owes_acknowledgement {
            connection.owes_acknowledgement = true;
            self.unanswered.push(key);
        }
        self.broker.handle_bytes(now, connection.id, bytes);
    }

    /// Writes to every connection that the broker has something for.
    pub(super) fn transmit_all(&mut self, now: Time) {
        while let Some(id) = self.broker.poll_ready() {
            self.transmit(id, now);
        }
    }

    fn transmit(&mut self, id: ConnectionId, now: Time) {
        let key = self.keys.get(id.index()).copied().unwrap_or(usize::MAX);
        let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.is_served_as(id))
        else {
            return;
        };
        if let Some(blocked) = &mut connection.blocked {
            connection.has_more = true;
            if self.broker.is_closing(id) {
                // Its last packet goes behind what is stuck, and then the time is limited.
                self.broker.poll_transmit(id, &mut blocked.transmit);
                self.forgotten(key, now);
            }
            return;
        }
        connection.has_more = false;
        for _ in 0..WRITES_PER_TURN_MAX {
            let progress = self.broker.poll_transmit(id, &mut self.transmit);
            if !self.transmit.is_empty() {
                connection.owes_acknowledgement = false;
                match write_once(&mut connection.stream, &mut self.transmit) {
                    Ok(true) => {}
                    Ok(false) => return self.block(key, progress, now),
                    Err(_) => return self.hear_out(key, now),
                }
            }
            match progress {
                Progress::Idle => return,
                Progress::More => {}
                Progress::Close => {
                    self.forgotten(key, now);
                    return self.end_if_forgotten(key, now);
                }
            }
        }
        connection.has_more = true;
        connection.waker.again();
    }

    /// The socket took less than there was: the rest is kept and the broker asked for no more until it is out.
    fn block(&mut self, key: usize, progress: Progress, now: Time) {
        let connection = &mut self.connections[key];
        let mut blocked = Box::<Blocked>::default();
        blocked.transmit.append(&mut self.transmit);
        connection.has_more = progress == Progress::More;
        connection.blocked = Some(blocked);
        if progress == Progress::Close {
            self.forgotten(key, now);
        }
        self.unblock(key, now);
    }

    /// Writes what is stuck, as far as it goes; registers for the next chance when it does not go all the way.
    fn unblock(&mut self, key: usize, now: Time) {
        let Connection { stream, waker, blocked, .. } = &mut self.connections[key];
        let Some(stuck) = blocked else {
            return;
        };
        let context = &mut Context::from_waker(waker.waker());
        while stream.poll_write_ready(context).is_ready() {
            match write_once(stream, &mut stuck.transmit) {
                Ok(true) if stuck.transmit.is_empty() => {
                    *blocked = None;
                    // Reading may have been held back meanwhile, and the broker not been asked.
                    waker.again();
                    return self.end_if_forgotten(key, now);
                }
                Ok(_) => {}
                Err(_) => return self.hear_out(key, now),
            }
        }
    }

    /// The peer reads no more; what it sent before it left still counts.
    fn hear_out(&mut self, key: usize, now: Time) {
        self.transmit.clear();
        let connection = &mut self.connections[key];
        if connection.closing_until.is_none() {
            for _ in 0..LAST_READS_MAX {
                match self.block.try_read(&mut connection.stream) {
                    Ok(bytes) if !bytes.is_empty() => self.broker.handle_bytes(now, connection.id, bytes),
                    _ => break,
                }
            }
        }
        self.drop_connection(key, now);
    }

    /// The broker has closed a connection and forgotten it.
    fn forgotten(&mut self, key: usize, now: Time) {
        let until = now + CLOSING_MAX;
        self.connections[key].closing_until = Some(until);
        self.closing.push_back((until, key));
    }

    /// All bytes of a connection are out: if the broker has forgotten it, the peer sees the end.
    fn end_if_forgotten(&mut self, key: usize, now: Time) {
        let connection = &mut self.connections[key];
        if connection.closing_until.is_none() {
            return;
        }
        connection.stream.shutdown_write(&mut Context::from_waker(connection.waker.waker()));
        connection.waker.again();
        if self.stop_until.is_some() {
            self.discard(key, now);
        }
    }

    /// Drops a connection that is over, with what has arrived for it: unread bytes would reset it.
    fn discard(&mut self, key: usize, now: Time) {
        let stream = &mut self.connections[key].stream;
        let unread = std::iter::repeat_with(|| self.block.try_read(stream)).take(LAST_READS_MAX);
        unread.take_while(|read| read.as_ref().is_ok_and(|bytes| !bytes.is_empty())).count();
        self.drop_connection(key, now);
    }

    /// The connection is gone.
    pub(super) fn drop_connection(&mut self, key: usize, now: Time) {
        let Some(connection) = self.connections.try_remove(key) else {
            return;
        };
        self.acceptor.is_relieved();
        if connection.closing_until.is_none() {
            self.broker.handle_closed(now, connection.id);
        }
    }

    /// Drops connections whose peers did not close them in time.
    pub(super) fn drop_overdue(&mut self, now: Time) {
        while let Some(&(until, key)) = self.closing.front().filter(|(until, _)| *until <= now) {
            self.closing.pop_front();
            // The key may belong to another connection by now.
            if self.connections.get(key).is_some_and(|connection| connection.closing_until == Some(until)) {
                self.drop_connection(key, now);
            }
        }
    }

    /// Acknowledges the short reads of this turn that nothing was written after.
    pub(super) fn acknowledge_unanswered(&mut self) {
        for key in self.unanswered.drain(..) {
            if let Some(connection) = self.connections.get_mut(key)
                && std::mem::take(&mut connection.owes_acknowledgement)
            {
                connection.stream.acknowledge_quickly();
            }
        }
    }
}
