//! The driver itself.

use super::accept::{Accepted, Acceptor};
use super::connection::Connection;
use super::handshake::{HandshakeFailure, Handshakes, Layers};
use super::listen::{Listeners, Peer};
use super::ready::{ReadyList, Source};
use crate::broker::{self, Authenticated, Broker, Client, ConnectionId, ConnectionInfo, Statistics};
use crate::net::read_block::ReadBlock;
use crate::net::timer::Timer;
#[cfg(feature = "tls")]
use crate::net::tls::TlsServer;
use crate::net::{Clock, Stream};
use crate::packet::{Text, Transmit};
use crate::time::Time;
use slab::Slab;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How many connections one listener gives in one turn.
const ACCEPTS_PER_TURN_MAX: usize = 64;

/// How long a stopping server waits for its last bytes to be taken.
const STOP_MAX: Duration = Duration::from_secs(1);

/// What is told to whoever runs the server.
pub trait Observer {
    /// Something happened in the broker, or it asks for something; `broker` takes the answer.
    fn event(&mut self, now: Time, broker: &mut Broker, event: broker::Event);

    /// There was no descriptor left for a connection, so it was closed at once.
    fn out_of_descriptors(&mut self, now: Time);

    /// A connection was given up before the broker saw it: its PROXY header, TLS or WebSocket handshake failed.
    fn handshake_failed(&mut self, _now: Time, _failure: &HandshakeFailure) {}

    /// Somebody has asked by [`Control::inquire`] how it goes.
    fn inquired(&mut self, _statistics: &Statistics) {}

    /// All events of a turn have been told and nothing has been sent yet: the moment to commit.
    fn settle(&mut self, now: Time, broker: &mut Broker) {
        let _ = (now, broker);
    }

    /// The driver has done everything that was to be done; called after every turn.
    fn turn_over(&mut self) {}
}

#[derive(Debug, Default)]
struct Orders {
    is_stopping: bool,
    configuration: Option<Box<broker::Config>>,
    #[cfg(feature = "tls")]
    tls: Vec<(usize, TlsServer)>,
    answers: Vec<(ConnectionId, Authenticated)>,
    dismissals: Vec<Dismissal>,
    is_inquired: bool,
}

/// Whether a client is to go.
struct Dismissal(Box<dyn Fn(Client<'_>) -> bool + Send>);

impl std::fmt::Debug for Dismissal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dismissal")
    }
}

/// Tells a running server what to do, from any thread.
#[derive(Clone, Debug)]
pub struct Control {
    orders: Arc<(Mutex<Orders>, AtomicBool)>,
    ready: ReadyList,
}

impl Control {
    fn order(&self, change: impl FnOnce(&mut Orders)) {
        let (orders, is_waiting) = &*self.orders;
        change(&mut orders.lock().unwrap_or_else(PoisonError::into_inner));
        is_waiting.store(true, Ordering::Release);
        self.ready.wake_driver();
    }

    /// Ends the server: MQTT 5 clients are told (0x8B), connections closed, the future becomes ready.
    pub fn stop(&self) {
        self.order(|orders| orders.is_stopping = true);
    }

    /// Gives the broker a new configuration; listeners and connections stay.
    pub fn reconfigure(&self, config: broker::Config) {
        self.order(|orders| orders.configuration = Some(Box::new(config)));
    }

    /// Lets the observer tell how it goes; see [`Observer::inquired`].
    pub fn inquire(&self) {
        self.order(|orders| orders.is_inquired = true);
    }

    /// Answers [`broker::Event::Authenticate`] from elsewhere.
    pub fn answer(&self, connection: ConnectionId, verdict: Authenticated) {
        self.order(|orders| orders.answers.push((connection, verdict)));
    }

    /// Ends the connections of all clients that `is_dismissed` names, once; see [`Broker::dismiss`].
    pub fn dismiss(&self, is_dismissed: impl Fn(Client<'_>) -> bool + Send + 'static) {
        self.order(|orders| orders.dismissals.push(Dismissal(Box::new(is_dismissed))));
    }

    /// Accepts the connections of listener `plan`, if it speaks TLS, with other certificates from now on.
    #[cfg(feature = "tls")]
    pub fn replace_tls(&self, plan: usize, tls: TlsServer) {
        self.order(|orders| orders.tls.push((plan, tls)));
    }

    fn take(&self) -> Option<Orders> {
        let (orders, is_waiting) = &*self.orders;
        if !is_waiting.swap(false, Ordering::Acquire) {
            return None;
        }
        Some(std::mem::take(&mut *orders.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A broker with its listeners and connections.
#[derive(Debug)]
pub struct Server<O> {
    pub(super) broker: Broker,
    clock: Clock,
    observer: O,
    pub(super) acceptor: Acceptor,
    handshakes: Handshakes,
    pub(super) connections: Slab<Connection>,
    /// The key in `connections` of each of the broker's connections, by their index.
    pub(super) keys: Vec<usize>,
    ready: ReadyList,
    /// What became ready, while it is being handled.
    batch: Vec<Source>,
    pub(super) block: ReadBlock,
    pub(super) transmit: Transmit,
    timer: Timer,
    /// Connections whose short read of this turn may have to be acknowledged by hand.
    pub(super) unanswered: Vec<usize>,
    /// Deadlines of closing connections in order, each with its key.
    pub(super) closing: VecDeque<(Time, usize)>,
    control: Control,
    /// When a stopping server gives up on its last bytes.
    pub(super) stop_until: Option<Time>,
}

impl<O: Observer> Server<O> {
    /// Serves `listeners` with `broker`; `clock` is the one whose time `broker` was made with.
    pub fn new(broker: Broker, listeners: Listeners, clock: Clock, observer: O) -> Self {
        let ready = ReadyList::default();
        Self {
            broker,
            clock,
            observer,
            acceptor: Acceptor::new(listeners, &ready),
            handshakes: Handshakes::new(&ready),
            connections: Slab::new(),
            keys: Vec::new(),
            batch: Vec::new(),
            block: ReadBlock::default(),
            transmit: Transmit::new(),
            timer: Timer::default(),
            unanswered: Vec::new(),
            closing: VecDeque::new(),
            control: Control { orders: Arc::default(), ready: ready.clone() },
            ready,
            stop_until: None,
        }
    }

    /// A handle to stop and reconfigure it with.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Everything that is to be done now; true when the server has ended.
    fn turn(&mut self, driver: &Waker) -> bool {
        let mut batch = std::mem::take(&mut self.batch);
        self.ready.take(&mut batch, driver);
        let now = self.clock.now();
        if let Some(orders) = self.control.take() {
            self.obey(orders, now);
        }
        for source in batch.drain(..) {
            match source {
                Source::Listener(index) => self.accept(index, now),
                Source::Connection(key) => self.serve(key as usize, now),
                Source::Handshakes => self.welcome(now),
            }
        }
        self.batch = batch;
        if self.broker.poll_timeout().is_some_and(|due| due <= now) {
            self.broker.handle_timeout(now);
        }
        // First, because an answer that is given at once has bytes to send.
        self.tell_events(now);
        self.observer.settle(now, &mut self.broker);
        self.transmit_all(now);
        self.acknowledge_unanswered();
        // What was sent has facts of its own.
        self.tell_events(now);
        self.observer.turn_over();
        self.drop_overdue(now);
        self.acceptor.handle_timeout(now);
        self.stop_until.is_some_and(|until| self.connections.is_empty() || until <= now)
    }

    fn tell_events(&mut self, now: Time) {
        while let Some(event) = self.broker.poll_event() {
            self.observer.event(now, &mut self.broker, event);
        }
    }

    fn obey(&mut self, orders: Orders, now: Time) {
        if let Some(config) = orders.configuration {
            self.broker.reconfigure(now, *config);
        }
        #[cfg(feature = "tls")]
        for (plan, tls) in &orders.tls {
            self.acceptor.replace_tls(*plan, tls);
        }
        if orders.is_inquired {
            self.observer.inquired(&self.broker.statistics());
        }
        for (connection, verdict) in orders.answers {
            self.broker.handle_authenticated(now, connection, verdict);
            self.read_on(connection);
        }
        for Dismissal(is_dismissed) in orders.dismissals {
            self.broker.dismiss(now, &is_dismissed);
        }
        if orders.is_stopping && self.stop_until.is_none() {
            self.stop_until = Some(now + STOP_MAX);
            self.acceptor.stop();
            self.handshakes.stop();
            self.broker.stop(now);
        }
    }

    /// Lists a connection whose bytes were left in its socket.
    fn read_on(&self, id: ConnectionId) {
        let key = self.keys.get(id.index()).copied().unwrap_or(usize::MAX);
        if let Some(connection) = self.connections.get(key) {
            connection.waker.again();
        }
    }

    fn accept(&mut self, index: u32, now: Time) {
        self.acceptor.is_taken(index);
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            match self.acceptor.accept(index, now) {
                Accepted::Stream(plan, stream, peer) => self.open(plan, stream, peer, None, now),
                Accepted::Below(layers, plan, stream, peer) => self.shake(layers, plan, stream, peer, now),
                Accepted::Refused => self.observer.out_of_descriptors(now),
                Accepted::Exhausted => return self.observer.out_of_descriptors(now),
                Accepted::Broken => {}
                Accepted::Nothing => return,
            }
        }
        self.acceptor.again(index);
    }

    /// Begins the handshakes of a connection.
    fn shake(&mut self, layers: Layers, plan: usize, stream: Stream, peer: Peer, now: Time) {
        let timeout = self.broker.config().connect_timeout;
        if !self.handshakes.begin(plan, stream, peer, layers, timeout) {
            let error = std::io::Error::other("too many handshakes are under way");
            self.observer.handshake_failed(now, &HandshakeFailure { listener: plan, peer, error });
        }
    }

    /// Takes the connections that are through with their handshakes.
    fn welcome(&mut self, now: Time) {
        self.handshakes.is_taken();
        while let Some(ended) = self.handshakes.poll_next() {
            match ended {
                Ok(arrival) if self.stop_until.is_none() => {
                    self.open(arrival.plan, arrival.stream, arrival.peer, arrival.identity, now);
                }
                Ok(_) => {}
                Err(failure) => {
                    self.acceptor.is_relieved();
                    self.observer.handshake_failed(now, &failure);
                }
            }
        }
    }

    fn open(&mut self, plan: usize, stream: Stream, peer: Peer, identity: Option<Text>, now: Time) {
        let info = ConnectionInfo {
            listener: plan,
            address: peer.map_or(Text::EMPTY, |peer| Text::detached(&peer.ip().to_string())),
            port: peer.map_or(0, |peer| peer.port()),
            identity,
        };
        let id = self.broker.open(now, info);
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        // There are fewer descriptors than that.
        let source = Source::Connection(u32::try_from(key).unwrap_or(u32::MAX));
        let waker = self.ready.source(source);
        // Its first packet has often come with it.
        waker.again();
        entry.insert(Connection {
            id,
            stream,
            waker,
            has_more: false,
            blocked: None,
            closing_until: None,
            owes_acknowledgement: false,
        });
        if self.keys.len() <= id.index() {
            self.keys.resize(id.index() + 1, usize::MAX);
        }
        self.keys[id.index()] = key;
    }

    /// Serves until it is told to stop.
    ///
    /// It is to be spawned as a task of a current-thread runtime, not run inside `block_on`: a task is woken without a
    /// system call.
    pub async fn run(mut self) {
        // The turns bound themselves; the runtime's budget would only cut them short.
        tokio::task::unconstrained(poll_fn(|context| self.poll(context))).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.turn(context.waker()) {
            return Poll::Ready(());
        }
        let closing = self.closing.front().map(|(until, _)| *until);
        let due = [self.broker.poll_timeout(), closing, self.acceptor.poll_timeout(), self.stop_until];
        if self.timer.poll(context, &self.clock, due.into_iter().flatten().min()).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
