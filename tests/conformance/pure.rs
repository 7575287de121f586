//! The pure broker as a server: its driver here is a few lines, and its clock is turned by the test.

use crate::harness::Server;
use bytes::Bytes;
use culex::broker::{Broker, Config, ConnectionId, ConnectionInfo, Event, Progress};
use culex::packet::Transmit;
use culex::time::Time;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

/// The longest that a test may want to look ahead without the broker standing still.
const TIMEOUTS_MAX: usize = 100_000;

pub(crate) struct Pure {
    pub(crate) broker: Broker,
    pub(crate) now: Time,
    pub(crate) events: VecDeque<Event>,
    connections: Vec<Connection>,
}

struct Connection {
    id: ConnectionId,
    sent: Vec<u8>,
    is_closed: bool,
    /// Does not take what the broker has for it.
    is_stalled: bool,
}

impl Pure {
    pub(crate) fn new(config: Config) -> Self {
        let now = Time::ZERO + Duration::from_secs(1000);
        Self { broker: Broker::new(config, now), now, events: VecDeque::new(), connections: Vec::new() }
    }

    /// Opens a connection that comes by another listener.
    pub(crate) fn open_at(&mut self, info: ConnectionInfo) -> usize {
        let id = self.broker.open(self.now, info);
        self.connections.push(Connection { id, sent: Vec::new(), is_closed: false, is_stalled: false });
        self.pump();
        self.connections.len() - 1
    }

    /// The broker's own name of a connection.
    pub(crate) fn id(&self, connection: usize) -> ConnectionId {
        self.connections[connection].id
    }

    /// Whether the broker has closed this connection, or the client has.
    pub(crate) fn is_closed(&self, connection: usize) -> bool {
        self.connections[connection].is_closed
    }

    /// What has been sent to this client so far, and whether the connection is closed.
    pub(crate) fn take(&mut self, connection: usize) -> (Vec<u8>, bool) {
        let connection = &mut self.connections[connection];
        (std::mem::take(&mut connection.sent), connection.is_closed)
    }

    /// From now on this client takes nothing, until it does again.
    pub(crate) fn stall(&mut self, connection: usize, is_stalled: bool) {
        self.connections[connection].is_stalled = is_stalled;
        self.transmit(connection);
        self.pump();
    }

    /// Lets time pass and the broker act at each of its deadlines.
    pub(crate) fn advance(&mut self, by: Duration) {
        let target = self.now + by;
        for _ in 0..TIMEOUTS_MAX {
            let Some(due) = self.broker.poll_timeout().filter(|due| *due <= target) else {
                self.now = target;
                return;
            };
            self.now = self.now.max(due);
            self.broker.handle_timeout(self.now);
            self.pump();
        }
        panic!("the broker asks for timeouts without end");
    }

    /// Takes what the broker has for its clients and its owner.
    pub(crate) fn pump(&mut self) {
        while let Some(id) = self.broker.poll_ready() {
            let connection = self.connections.iter().rposition(|connection| connection.id == id);
            self.transmit(connection.expect("ready connections are open"));
        }
        while let Some(event) = self.broker.poll_event() {
            self.events.push_back(event);
        }
    }

    fn transmit(&mut self, connection: usize) {
        let connection = &mut self.connections[connection];
        if connection.is_stalled || connection.is_closed {
            return;
        }
        loop {
            let mut transmit = Transmit::default();
            let progress = self.broker.poll_transmit(connection.id, &mut transmit);
            let taken = drain(&mut transmit);
            connection.sent.extend_from_slice(&taken);
            match progress {
                Progress::Idle => return,
                Progress::More => assert!(!taken.is_empty(), "More means that bytes were handed over"),
                Progress::Close => {
                    connection.is_closed = true;
                    return;
                }
            }
        }
    }
}

fn drain(transmit: &mut Transmit) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = transmit.io_slices(&mut slices);
        let start = bytes.len();
        for slice in &slices[..count] {
            bytes.extend_from_slice(slice);
        }
        if bytes.len() == start {
            return bytes;
        }
        let written = bytes.len() - start;
        transmit.advance(written);
    }
}

impl Server for Pure {
    fn open(&mut self) -> usize {
        self.open_at(ConnectionInfo::default())
    }

    fn send(&mut self, connection: usize, bytes: &[u8]) {
        if self.connections[connection].is_closed {
            return;
        }
        let id = self.connections[connection].id;
        self.broker.handle_bytes(self.now, id, Bytes::copy_from_slice(bytes));
        self.pump();
    }

    fn receive(&mut self, connection: usize) -> Option<Vec<u8>> {
        let connection = &mut self.connections[connection];
        if !connection.sent.is_empty() {
            return Some(std::mem::take(&mut connection.sent));
        }
        assert!(connection.is_closed, "something more was expected of the broker");
        None
    }

    fn close(&mut self, connection: usize) {
        let connection = &mut self.connections[connection];
        if !connection.is_closed {
            connection.is_closed = true;
            let id = connection.id;
            self.broker.handle_closed(self.now, id);
            self.pump();
        }
    }

    fn pure(&mut self) -> Option<&mut Pure> {
        Some(self)
    }
}
