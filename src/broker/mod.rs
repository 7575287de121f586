//! The broker without sockets: many connections, one state machine.
//!
//! Bytes, time and commands go in; bytes and events come out. See [`Broker`] for the verbs.

mod accept;
mod acknowledge;
mod alias;
mod authenticate;
mod authorize;
mod change;
mod close;
mod commit;
mod config;
mod connect;
mod connection;
mod deliver;
mod dismiss;
mod encode;
mod event;
mod filters;
mod in_flight;
mod inspect;
mod message;
mod mount;
mod output;
mod publish;
mod queue;
mod random;
mod receive;
mod received;
mod retain;
pub mod retained;
mod route;
mod session;
mod snapshot;
mod statistics;
mod subscribe;
pub mod subscriptions;
mod sys;
mod tell;
#[cfg(test)]
mod tests;
mod timer;
mod transmit;
mod walk;
mod will;

pub use authorize::{Authorizer, Client};
pub use change::{Change, StoredDelivery, StoredSession};
pub use config::{Config, ListenerConfig};
pub use connection::{ConnectionId, ConnectionInfo, Progress};
pub use event::{Authenticated, Authentication, Event, EventMask};
pub use inspect::SessionView;
pub use message::Message;
pub use statistics::Statistics;

use crate::journal::{CloseReason, Fact, Topics};
use crate::packet::ReasonCode;
use crate::time::Time;
use commit::Sealed;
use connection::Connections;
use encode::Frames;
use output::Output;
use random::Random;
use retain::RetainedMessage;
use retained::Retained;
use route::Routes;
use session::Sessions;
use std::collections::VecDeque;
use subscriptions::{SessionKey, Subscriptions};
use sys::Sys;
use timer::{Owner, Timers};

/// All connections, sessions and retained messages of one server, as a pure state machine.
///
/// A peer's fault never comes back as an error: the answer its version knows is queued and the connection marked for
/// closing ([`Progress::Close`]).
///
/// ```
/// use culex::broker::{Broker, Config, ConnectionInfo, Progress};
/// use culex::packet::Transmit;
/// use culex::time::Time;
///
/// let mut broker = Broker::new(Config::default(), Time::ZERO);
/// let id = broker.open(Time::ZERO, ConnectionInfo::default());
/// let connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";
/// broker.handle_bytes(Time::ZERO, id, connect.to_vec().into());
/// let mut transmit = Transmit::new();
/// assert_eq!(broker.poll_ready(), Some(id));
/// assert_eq!(broker.poll_transmit(id, &mut transmit), Progress::Idle);
/// assert_eq!(transmit.len(), 4); // CONNACK
/// ```
#[derive(Debug)]
pub struct Broker {
    config: Config,
    now: Time,
    connections: Connections,
    sessions: Sessions,
    subscriptions: Subscriptions,
    retained: Retained<RetainedMessage>,
    routes: Routes,
    output: Output,
    frames: Frames,
    events: VecDeque<Event>,
    timers: Timers,
    statistics: Statistics,
    random: Random,
    /// Open connections by listener.
    listener_counts: Vec<usize>,
    /// Reused for properties of which something is left out.
    scratch: Vec<u8>,
    is_sweeping: bool,
    is_short_of_memory: bool,
    /// The number of the last change told, and of the last one that is stored.
    sequence: u64,
    committed: u64,
    /// What waits for a commit.
    sealed: Vec<Sealed>,
    deliveries_recorded: u64,
    sys: Sys,
}

impl Broker {
    /// A broker without connections that begins at `now`.
    #[must_use]
    pub fn new(config: Config, now: Time) -> Self {
        let random = Random::new(config.seed);
        let mut broker = Self {
            config,
            now,
            connections: Connections::default(),
            sessions: Sessions::default(),
            subscriptions: Subscriptions::default(),
            retained: Retained::default(),
            routes: Routes::default(),
            output: Output::default(),
            frames: Frames::default(),
            events: VecDeque::new(),
            timers: Timers::default(),
            statistics: Statistics::default(),
            random,
            listener_counts: Vec::new(),
            scratch: Vec::new(),
            is_sweeping: false,
            is_short_of_memory: false,
            sequence: 0,
            committed: 0,
            sealed: Vec::new(),
            deliveries_recorded: 0,
            sys: Sys::default(),
        };
        broker.start_sys();
        broker
    }

    /// Takes over a new configuration: limits hold from now on, connections and sessions stay.
    pub fn reconfigure(&mut self, now: Time, config: Config) {
        self.advance(now);
        self.config = config;
        // Whether copies are merged is part of a route.
        self.routes = Routes::default();
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What the process has allocated, in bytes, for the `$SYS` topics; they have none of it while it is not told.
    pub fn set_heap_bytes(&mut self, bytes: u64) {
        self.statistics.heap_bytes = bytes;
        self.statistics.heap_bytes_maximum = self.statistics.heap_bytes_maximum.max(bytes);
    }

    /// While memory is short, new connections are closed at once and queues take no more than one message each.
    pub fn set_short_of_memory(&mut self, is_short: bool) {
        self.is_short_of_memory = is_short;
    }

    /// A transport was accepted. Over the limits of connections, it is closed at once without an answer.
    pub fn open(&mut self, now: Time, info: ConnectionInfo) -> ConnectionId {
        self.advance(now);
        let listener = info.listener;
        let limit = self.config.listener(listener).map_or(0, |listener| listener.max_connections);
        let port = self.config.listener(listener).map_or(0, |listener| listener.port);
        let global_limit = self.config.global_max_connections;
        if self.listener_counts.len() <= listener {
            self.listener_counts.resize(listener + 1, 0);
        }
        let is_full = self.is_short_of_memory
            || (limit != 0 && self.listener_counts[listener] >= limit)
            || (global_limit != 0 && self.connections.len() >= global_limit);
        self.listener_counts[listener] += 1;
        self.statistics.connections_opened += 1;
        let (address, peer_port) = (info.address.clone(), info.port);
        let id = self.connections.open(info, now);
        self.tell(Topics::CONNECTIONS, id, || Fact::Opened {
            address,
            port: peer_port,
            listener,
            listener_port: port,
        });
        if is_full {
            self.statistics.connections_refused += 1;
            self.close(id, CloseReason::Refused(ReasonCode::QUOTA_EXCEEDED));
        } else {
            self.arm_connection(id);
        }
        id
    }

    /// Does what is due at `now`: keep alive, connect time-out, session and message expiry, delayed wills.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        while let Some((at, owner)) = self.timers.pop_due(self.now) {
            match owner {
                Owner::Connection(id) => {
                    let is_current =
                        self.connections.get(id).is_some_and(|connection| connection.timer == at);
                    if is_current {
                        self.check_silence(id);
                    }
                }
                Owner::Session(key, serial) => {
                    let session = self.sessions.get(key);
                    if session.is_some_and(|session| session.serial == serial && session.timer == at) {
                        self.session_timeout(key);
                    }
                }
                Owner::Retained => self.sweep_retained(),
                Owner::Sys => self.publish_sys(),
            }
        }
    }

    /// When [`Broker::handle_timeout`] is to be called next; it may turn out that nothing is due then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.first()
    }

    /// The next event, if any.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Counters since the start, and how much there is now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            connections: self.connections.len() as u64,
            sessions: self.sessions.len() as u64,
            subscriptions: self.subscriptions.len() as u64,
            shared_subscriptions: self.subscriptions.shared_len() as u64,
            retained_messages: self.retained.len() as u64,
            ..self.statistics
        }
    }

    /// Time never goes back, whatever the caller's clock does.
    #[inline]
    fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    fn listener_left(&mut self, listener: usize) {
        if let Some(count) = self.listener_counts.get_mut(listener) {
            *count = count.saturating_sub(1);
        }
    }

    /// Sets a connection's next deadline.
    fn arm_connection(&mut self, id: ConnectionId) {
        let connect_timeout = self.config.connect_timeout;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let deadline = match connection.phase {
            connection::Phase::Connected => connection.keep_alive_deadline(),
            _ => connection.last_received + connect_timeout,
        };
        connection.timer = deadline;
        self.timers.arm(deadline, Owner::Connection(id));
        self.compact_timers();
    }

    /// Sets a session's next deadline.
    fn arm_session(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let deadline = session.deadline();
        if session.timer == deadline {
            return;
        }
        session.timer = deadline;
        self.timers.arm(deadline, Owner::Session(key, session.serial));
        self.compact_timers();
    }

    /// Keeps the number of deadlines in proportion to what lives.
    fn compact_timers(&mut self) {
        if self.timers.len() <= 64 + 4 * (self.connections.len() + self.sessions.len()) {
            return;
        }
        let Self { timers, connections, sessions, .. } = self;
        timers.retain(|at, owner| match owner {
            Owner::Connection(id) => connections.get(id).is_some_and(|connection| connection.timer == at),
            Owner::Session(key, serial) => {
                sessions.get(key).is_some_and(|session| session.serial == serial && session.timer == at)
            }
            Owner::Retained | Owner::Sys => true,
        });
    }
}
