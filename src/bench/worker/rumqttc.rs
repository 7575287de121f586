//! The same load on the client library rumqttc, as a fleet that is built on it would make it: a task for each client's
//! connection and one for what it sends, on one tokio runtime a thread.
//!
//! Schedule, stamps, checks and counts are those of our own engine; what lies between them and the socket is the library's,
//! with its request channel and its batching. A message counts as written when the library says that it went out.

use super::core::Core;
use super::sender::Sender;
use super::settle;
use super::shared::{Report, Shared};
use super::socket::{Encryption, Layering};
use crate::bench::plan::{Address, Member, Mode, Plan, Role};
use crate::bench::window::Flight;
use crate::packet::{
    Connect, FixedHeader, PacketIdentifier, PropertiesRef, PropertyIdentifier, ProtocolVersion, PublishRef,
    Qos, Sender as PacketSender,
};
use ::rumqttc::v5::mqttbytes::v5 as v5_packets;
use ::rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use mio::{Poll, Token, Waker};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};

/// Requests that wait between a client and its connection; what the library's examples take.
const REQUESTS_MAX: usize = 10;

/// How often the worker looks what the coordinator has decided.
const LOOK: Duration = Duration::from_millis(2);

/// Messages that were due before the end are still sent for this long, in nanoseconds.
const GRACE: u64 = 100_000_000;

/// The longest that a sender sleeps at once.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// How long the connections may take to end.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Connections of a worker that are on their way at once.
const OPENING_MAX: usize = 256;

/// The largest packet, in bytes; the library's own limit of 10 KiB is for small devices.
const PACKET_BYTES_MAX: u32 = 256 << 20;

/// A worker before it runs.
pub(crate) struct LibraryWorker {
    shared: Arc<Shared>,
    number: usize,
    members: Vec<(u64, Member)>,
    reports: mpsc::Sender<Report>,
    /// Only there for the waker, which nobody waits for: this worker looks often enough.
    poll: Poll,
}

/// What the tasks of one client share.
struct Peer {
    member: Member,
    checks: usize,
    place: u64,
    sender: RefCell<Option<Box<Sender>>>,
    /// Handed to the library and not written, oldest first.
    accepted: RefCell<VecDeque<Flight>>,
    /// Written and not acknowledged, by packet identifier.
    flights: RefCell<HashMap<u16, Flight>>,
    is_settled: Cell<bool>,
    is_connected: Cell<bool>,
}

/// How far the whole load is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Before,
    Running,
    Over,
}

/// A client's way from one connection to the next.
#[derive(Default)]
struct Trip {
    /// When its connection was begun, by the clock.
    opened_at: u64,
    /// Connections that it tried to make since the last one that it had.
    attempts: u32,
    was_connected: bool,
    is_leaving: bool,
}

/// What a connection's task does next.
enum Next {
    GoOn,
    Pause(Duration),
    End,
}

impl LibraryWorker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        number: usize,
        members: &[(u64, Member)],
        reports: mpsc::Sender<Report>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(0))?;
        Ok((Self { shared, number, members: members.to_vec(), reports, poll }, waker))
    }

    /// Runs until the coordinator says that it is over.
    pub(crate) fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.drive())
    }

    async fn drive(self) -> io::Result<()> {
        let Self { shared, number, members, reports, poll } = self;
        let mut core = Core::new(shared.clone(), poll.registry().try_clone()?, reports, number);
        let parts = settle::parts(&mut core, &members);
        let core = Rc::new(RefCell::new(core));
        let opening = Rc::new(Semaphore::new(OPENING_MAX));
        let (tell, stage) = watch::channel(Stage::Before);
        let peers: Vec<Rc<Peer>> = parts
            .into_iter()
            .zip(&members)
            .map(|((member, sender, checks), (place, _))| {
                Rc::new(Peer {
                    member,
                    checks,
                    place: *place,
                    sender: RefCell::new(sender),
                    accepted: RefCell::default(),
                    flights: RefCell::default(),
                    is_settled: Cell::new(false),
                    is_connected: Cell::new(false),
                })
            })
            .collect();
        let is_v5 = shared.plan.identity.connect.version == ProtocolVersion::V5;
        let mut tasks = JoinSet::new();
        for peer in &peers {
            let (peer, core, opening, stage) = (peer.clone(), core.clone(), opening.clone(), stage.clone());
            if is_v5 {
                tasks.spawn_local(v5::live(peer, core, opening, stage));
            } else {
                tasks.spawn_local(v4::live(peer, core, opening, stage));
            }
        }
        while !shared.close.load(Relaxed) {
            let start_at = shared.start_at.load(Relaxed);
            let wait = start_at.saturating_sub(shared.clock.now().as_nanos());
            let is_near = wait > 0 && u128::from(wait) < LOOK.as_nanos();
            tokio::time::sleep(if is_near { Duration::from_nanos(wait) } else { LOOK }).await;
            let core = &mut *core.borrow_mut();
            core.refresh();
            if core.look_at_shared() {
                for sender in peers.iter().map(|peer| &peer.sender) {
                    if let Some(sender) = &mut *sender.borrow_mut() {
                        sender.start(&shared.plan);
                        core.sending += 1;
                    }
                }
                let _ = tell.send(Stage::Running);
            }
            core.turn_tally();
            core.publish_gauge();
        }
        // Nobody listens when all connections are gone.
        let _ = tell.send(Stage::Over);
        let ends = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(CLOSE_WAIT, ends).await;
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
        settle_all(&mut core.borrow_mut(), &peers);
        Ok(())
    }
}

/// Adds up what all clients have counted, and ends.
fn settle_all(core: &mut Core, peers: &[Rc<Peer>]) {
    core.refresh();
    core.turn_tally();
    for peer in peers {
        let from = core.measure_from;
        let left = peer.accepted.borrow().iter().filter(|flight| flight.due >= from).count() as u64;
        if let Some(sender) = &mut *peer.sender.borrow_mut() {
            sender.is_held |= left > 0 || !peer.is_connected.get();
            settle::sender(core, sender, left);
        }
    }
    settle::checks(core);
    core.publish_gauge();
    core.hand_in();
}

/// What a client does next.
enum Turn {
    /// Nothing any more.
    Done,
    /// Wait so many nanoseconds.
    Wait(u64),
    /// Hand this to the library: topic, payload.
    Publish(String, Vec<u8>),
}

impl Peer {
    /// When it may connect, by the clock.
    fn open_at(&self, shared: &Shared) -> u64 {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let offset = shared.plan.load.connect_rate.map_or(0, |rate| (self.place as f64 / rate * 1e9) as u64);
        shared.connect_from.saturating_add(offset)
    }

    /// Takes the next message, if one is due.
    fn turn_to_send(&self, core: &mut Core) -> Turn {
        let shared = core.shared.clone();
        core.refresh();
        let now = core.since_start();
        let mut sender = self.sender.borrow_mut();
        let Some(sender) = sender.as_mut() else { return Turn::Done };
        let due = if core.is_closed_loop && sender.next_due == 0 { now } else { sender.next_due };
        let is_over = due == u64::MAX || due >= core.load_end || now > core.load_end.saturating_add(GRACE);
        if is_over || shared.close.load(Relaxed) {
            if !std::mem::replace(&mut sender.is_done, true) {
                core.sending -= 1;
            }
            return Turn::Done;
        }
        if due > now {
            return Turn::Wait(due - now);
        }
        if due >= core.measure_from {
            core.mark_first_measured(sender.stream, sender.sequence);
            if !core.is_closed_loop {
                core.outcome.own_lag.record_nanoseconds(now - due.max(sender.free_from));
            }
        }
        self.accepted.borrow_mut().push_back(Flight { sequence: sender.sequence, due, is_released: false });
        let stamp = core.stamp(sender.stream, sender.sequence, due);
        let identifier =
            (shared.plan.message.qos != Qos::AtMostOnce).then(|| PacketIdentifier::new(1)).flatten();
        core.out.clear();
        sender.encode(&shared.plan, &stamp, identifier, false, &mut core.out);
        let parts = take_apart(&core.out, core.version);
        core.bytes_out += core.out.len() as u64;
        core.out.clear();
        sender.advance(&shared.plan);
        parts.map_or(Turn::Done, |(topic, payload)| Turn::Publish(topic, payload))
    }

    /// The library has taken a message, which may have had to wait.
    fn handed_over(&self, core: &mut Core) {
        core.refresh();
        if let Some(sender) = &mut *self.sender.borrow_mut() {
            sender.free_from = core.since_start();
        }
    }

    /// The library can take nothing any more.
    fn gone(&self, core: &mut Core) {
        if let Some(sender) = &mut *self.sender.borrow_mut() {
            sender.is_held = true;
            if !std::mem::replace(&mut sender.is_done, true) && core.is_started() {
                core.sending -= 1;
            }
        }
    }

    fn connected(&self, core: &mut Core, is_ready: bool) {
        self.is_connected.set(true);
        if is_ready {
            self.settle(core, true);
        }
    }

    fn subscribed(&self, core: &mut Core, refused: usize) {
        for _ in 0..refused {
            core.outcome.error("subscription_refused", || "SUBACK with a failure".to_owned());
        }
        self.settle(core, true);
    }

    /// The library has acknowledged it already, so it goes on as if there was nothing to acknowledge.
    fn received(&self, core: &mut Core, topic: &str, payload: &[u8], dup: bool, retain: bool) {
        let publish = PublishRef {
            dup,
            qos: Qos::AtMostOnce,
            retain,
            topic,
            packet_identifier: None,
            properties: PropertiesRef::EMPTY,
            payload,
        };
        core.outcome.packets_in += 1;
        core.bytes_in += publish.packet_length(core.version) as u64;
        core.judge(self.checks, &publish);
    }

    fn acknowledged(&self, core: &mut Core, identifier: u16) {
        if let Some(flight) = self.flights.borrow_mut().remove(&identifier) {
            core.acknowledge(flight.due);
        }
    }

    fn written(&self, core: &mut Core, identifier: u16) {
        if identifier != 0 && self.flights.borrow().contains_key(&identifier) {
            // Sent again.
            core.outcome.packets_out += 1;
            return;
        }
        let Some(flight) = self.accepted.borrow_mut().pop_front() else { return };
        if identifier != 0 {
            self.flights.borrow_mut().insert(identifier, flight);
        }
        let mut sender = self.sender.borrow_mut();
        let Some(sender) = sender.as_mut() else { return };
        let shared = core.shared.clone();
        let now = core.since_start();
        if let Some(rings) = &shared.written {
            rings.put(sender.stream, flight.sequence, now);
        }
        let receivers = match sender.topic_of(&shared.plan, flight.sequence) {
            Some(topic) => core.receivers_of(&topic),
            None => sender.receivers,
        };
        let is_measured = flight.due >= core.measure_from;
        if is_measured {
            sender.asked += 1;
            sender.sent += 1;
            sender.expected += u64::from(receivers);
            if !core.is_closed_loop {
                core.tally_of(true).latency.lag.record_nanoseconds(now.saturating_sub(flight.due));
            }
        }
        core.expected += u64::from(receivers);
        core.tally_of(is_measured).sent += 1;
        core.count_batch(1);
    }

    fn settle(&self, core: &mut Core, is_ready: bool) {
        if !self.is_settled.replace(true) {
            *(if is_ready { &mut core.ready } else { &mut core.failed }) += 1;
        }
    }

    /// The connection has ended, or never came to be.
    fn lost(&self, core: &mut Core, kind: &str, text: &str, trip: &mut Trip) -> Next {
        if self.is_connected.replace(false) {
            core.outcome.counts.disconnects += 1;
            core.lost_connections += 1;
            core.outcome.error(&format!("disconnect_{kind}"), || text.to_owned());
        } else {
            *core.outcome.counts.connect_fail.entry(kind.to_owned()).or_default() += 1;
            core.outcome.error(&format!("connect_{kind}"), || text.to_owned());
        }
        self.settle(core, false);
        let Some(backoff) = core.shared.plan.load.reconnect else {
            self.gone(core);
            return Next::End;
        };
        let pause = backoff.pause(trip.attempts, u64::from(self.member.client) + 1);
        trip.attempts = trip.attempts.saturating_add(1);
        Next::Pause(Duration::from_nanos(pause))
    }

    /// The filters that it subscribes to, as they stand in its packet.
    fn filters(&self, plan: &Plan) -> Vec<String> {
        let share = plan.share(self.member);
        let shared = |filter| match &share {
            Some(share) => format!("$share/{share}/{filter}"),
            None => filter,
        };
        plan.filters(self.member).into_iter().map(shared).collect()
    }
}

/// Topic and payload of an encoded PUBLISH.
fn take_apart(packet: &[u8], version: ProtocolVersion) -> Option<(String, Vec<u8>)> {
    let header = FixedHeader::decode(packet).ok()??;
    let body = &packet[usize::from(header.header_length)..];
    let publish = PublishRef::decode(&header, body, version, PacketSender::Client).ok()?;
    Some((publish.topic.to_owned(), publish.payload.to_vec()))
}

fn kind_of(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset",
        io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof => "closed",
        io::ErrorKind::TimedOut => "timeout",
        _ => "io",
    }
}

fn network(plan: &Plan) -> NetworkOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(plan.transport.nodelay);
    network.set_connection_timeout(plan.load.connect_timeout.as_secs().max(1));
    network
}

/// TLS as our own engine sets it up, if it is asked for.
fn encrypted(layering: &Layering) -> Option<Transport> {
    match layering.tls.as_ref()? {
        Encryption::Certificates(config) => {
            Some(Transport::tls_with_config(TlsConfiguration::Rustls(config.clone())))
        }
        // Refused with the flags.
        #[cfg(feature = "psk")]
        Encryption::PreSharedKey(_) => None,
    }
}

fn target(shared: &Shared) -> (String, u16) {
    match &shared.plan.transport.address {
        Address::Tcp(host, port) => (host.clone(), *port),
        // Refused with the flags.
        Address::Unix(path) => (path.display().to_string(), 0),
    }
}

fn configure_v4(
    mut options: ::rumqttc::MqttOptions,
    network: NetworkOptions,
    connect: &Connect,
    plan: &Plan,
) -> (::rumqttc::AsyncClient, ::rumqttc::EventLoop) {
    options.set_clean_session(connect.clean_start);
    options.set_max_packet_size(PACKET_BYTES_MAX as usize, PACKET_BYTES_MAX as usize);
    if plan.message.window > 0 {
        options.set_inflight(plan.message.window);
    }
    let (client, mut events) = ::rumqttc::AsyncClient::new(options, REQUESTS_MAX);
    events.set_network_options(network);
    (client, events)
}

fn configure_v5(
    mut options: ::rumqttc::v5::MqttOptions,
    network: NetworkOptions,
    connect: &Connect,
    plan: &Plan,
) -> (::rumqttc::v5::AsyncClient, ::rumqttc::v5::EventLoop) {
    options.set_clean_start(connect.clean_start);
    options.set_max_packet_size(Some(PACKET_BYTES_MAX));
    options.set_network_options(network);
    options.set_session_expiry_interval(
        connect.properties.as_ref().number(PropertyIdentifier::SessionExpiryInterval),
    );
    if plan.message.window > 0 {
        options.set_outgoing_inflight_upper_limit(plan.message.window);
    }
    ::rumqttc::v5::AsyncClient::new(options, REQUESTS_MAX)
}

fn filter_v4(path: String, qos: ::rumqttc::QoS, _: &Plan) -> ::rumqttc::SubscribeFilter {
    ::rumqttc::SubscribeFilter::new(path, qos)
}

fn filter_v5(path: String, qos: ::rumqttc::v5::mqttbytes::QoS, plan: &Plan) -> v5_packets::Filter {
    let mut filter = v5_packets::Filter::new(path, qos);
    if plan.mode == Mode::Run {
        // What earlier runs retained is none of this run's business.
        filter.retain_forward_rule = v5_packets::RetainForwardRule::Never;
    }
    filter
}

/// The two modules of the library are alike, but their types are not the same.
macro_rules! engine {
    ($name:ident, $library:path, $packets:path, $qos:path, $configure:ident, $filter:ident) => {
        mod $name {
            use super::*;
            use $library as library;
            use $packets as packets;
            use $qos as Level;

            const fn level(qos: Qos) -> Level {
                match qos {
                    Qos::AtMostOnce => Level::AtMostOnce,
                    Qos::AtLeastOnce => Level::AtLeastOnce,
                    Qos::ExactlyOnce => Level::ExactlyOnce,
                }
            }

            /// One client, from its first connection to its last.
            pub(super) async fn live(
                peer: Rc<Peer>,
                core: Rc<RefCell<Core>>,
                opening: Rc<Semaphore>,
                mut stage: watch::Receiver<Stage>,
            ) {
                let shared = core.borrow().shared.clone();
                let wait = peer.open_at(&shared).saturating_sub(shared.clock.now().as_nanos());
                tokio::time::sleep(Duration::from_nanos(wait)).await;
                let connect = shared.plan.connect(peer.member);
                let (host, port) = target(&shared);
                let mut options =
                    library::MqttOptions::new(connect.client_identifier.to_string(), host, port);
                if let Some(user) = &connect.user_name {
                    let password = connect.password.as_deref().unwrap_or_default();
                    options.set_credentials(user.to_string(), String::from_utf8_lossy(password));
                }
                options.set_keep_alive(Duration::from_secs(connect.keep_alive.into()));
                let mut trip = Trip::default();
                match shared.layering(peer.member, &mut None) {
                    Ok(layering) => {
                        encrypted(&layering).into_iter().for_each(|transport| {
                            options.set_transport(transport);
                        });
                    }
                    Err(error) => {
                        peer.lost(&mut core.borrow_mut(), "io", &error.to_string(), &mut trip);
                        return;
                    }
                }
                let (client, mut events) = $configure(options, network(&shared.plan), &connect, &shared.plan);
                let mut permit = opening.acquire().await.ok();
                trip.opened_at = shared.clock.now().as_nanos();
                if peer.member.role == Role::Publisher {
                    let (peer, core, client) = (peer.clone(), core.clone(), client.clone());
                    tokio::task::spawn_local(send(peer, core, client, stage.clone()));
                }
                loop {
                    let event = {
                        // Dropped while it connects, the library would begin anew each time.
                        let mut poll = std::pin::pin!(events.poll());
                        loop {
                            tokio::select! {
                                biased;
                                event = &mut poll => break event,
                                _ = stage.wait_for(|stage| *stage == Stage::Over), if !trip.is_leaving => {
                                    trip.is_leaving = true;
                                    if !peer.is_connected.get() || client.try_disconnect().is_err() {
                                        return;
                                    }
                                }
                            }
                        }
                    };
                    let next = handle(&peer, &mut core.borrow_mut(), &client, event, &mut trip);
                    if peer.is_connected.get() {
                        drop(permit.take());
                    }
                    match next {
                        Next::GoOn => {}
                        Next::End => return,
                        Next::Pause(pause) => {
                            drop(permit.take());
                            tokio::time::sleep(pause).await;
                            trip.opened_at = shared.clock.now().as_nanos();
                        }
                    }
                }
            }

            fn handle(
                peer: &Peer,
                core: &mut Core,
                client: &library::AsyncClient,
                event: Result<library::Event, library::ConnectionError>,
                trip: &mut Trip,
            ) -> Next {
                use library::Event::{Incoming, Outgoing};
                use packets::Packet;
                core.refresh();
                match event {
                    Ok(Incoming(Packet::ConnAck(connack))) => {
                        trip.attempts = 0;
                        let was_connected = std::mem::replace(&mut trip.was_connected, true);
                        core.connected(core.now().saturating_sub(trip.opened_at), was_connected);
                        let is_kept = was_connected && connack.session_present;
                        let subscribes = peer.member.role == Role::Subscriber && !is_kept;
                        if subscribes {
                            let shared = core.shared.clone();
                            let at = level(shared.plan.subscription.options.maximum_qos);
                            let filters = peer.filters(&shared.plan).into_iter();
                            // Nothing else has been asked of it, so its channel has room.
                            let _ = client
                                .try_subscribe_many(filters.map(|path| $filter(path, at, &shared.plan)));
                        }
                        peer.connected(core, !subscribes);
                    }
                    Ok(Incoming(Packet::SubAck(suback))) => {
                        let is_refused = |code: &&packets::SubscribeReasonCode| {
                            !matches!(code, packets::SubscribeReasonCode::Success(_))
                        };
                        peer.subscribed(core, suback.return_codes.iter().filter(is_refused).count());
                    }
                    Ok(Incoming(Packet::Publish(publish))) => {
                        // Bytes in one module of the library, a text in the other.
                        let Ok(topic) = std::str::from_utf8(publish.topic.as_ref()) else {
                            return Next::GoOn;
                        };
                        let (dup, retain) = (publish.dup, publish.retain);
                        peer.received(core, topic, &publish.payload, dup, retain);
                    }
                    Ok(Incoming(Packet::PubAck(puback))) => peer.acknowledged(core, puback.pkid),
                    Ok(Incoming(Packet::PubComp(pubcomp))) => peer.acknowledged(core, pubcomp.pkid),
                    Ok(Outgoing(::rumqttc::Outgoing::Publish(identifier))) => peer.written(core, identifier),
                    Ok(Outgoing(::rumqttc::Outgoing::Disconnect)) if trip.is_leaving => return Next::End,
                    Ok(_) => {}
                    Err(_) if trip.is_leaving => return Next::End,
                    Err(error) => {
                        let kind = match &error {
                            library::ConnectionError::Io(error) => kind_of(error).to_owned(),
                            library::ConnectionError::Tls(_) => "tls".to_owned(),
                            library::ConnectionError::ConnectionRefused(code) => {
                                format!("refused_{code:?}").to_lowercase()
                            }
                            _ => "library".to_owned(),
                        };
                        return peer.lost(core, &kind, &error.to_string(), trip);
                    }
                }
                Next::GoOn
            }

            /// Sends what is due.
            async fn send(
                peer: Rc<Peer>,
                core: Rc<RefCell<Core>>,
                client: library::AsyncClient,
                mut stage: watch::Receiver<Stage>,
            ) {
                if stage.wait_for(|stage| *stage != Stage::Before).await.is_err() {
                    return;
                }
                let (at, retain) = {
                    let core = core.borrow();
                    let message = &core.shared.plan.message;
                    (level(message.qos), message.retain)
                };
                loop {
                    let turn = peer.turn_to_send(&mut core.borrow_mut());
                    match turn {
                        Turn::Done => return,
                        // The end may come nearer meanwhile.
                        Turn::Wait(nanos) => {
                            tokio::time::sleep(Duration::from_nanos(nanos).min(WAIT_MAX)).await
                        }
                        Turn::Publish(topic, payload) => {
                            if client.publish(topic, at, retain, payload).await.is_err() {
                                return peer.gone(&mut core.borrow_mut());
                            }
                            peer.handed_over(&mut core.borrow_mut());
                        }
                    }
                }
            }
        }
    };
}

engine!(v4, ::rumqttc, ::rumqttc, ::rumqttc::QoS, configure_v4, filter_v4);
engine!(
    v5,
    ::rumqttc::v5,
    ::rumqttc::v5::mqttbytes::v5,
    ::rumqttc::v5::mqttbytes::QoS,
    configure_v5,
    filter_v5
);
