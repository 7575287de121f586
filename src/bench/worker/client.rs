//! One client: from its socket to its messages.

use super::core::Core;
use super::sender::Sender;
use super::slow::Slow;
use super::socket::{Encryption, Socket};
use crate::bench::link::{self, Incoming, Splitter};
use crate::bench::plan::{Member, Plan, Role};
use crate::bench::storm::{Attendance, StormKind};
use crate::bench::window::Window;
use crate::packet::{
    Acknowledgement, Connack, Packet, PacketError, PacketIdentifier, PacketType, PropertyIdentifier,
    ProtocolVersion, ReasonCode, Subscribe, SubscriptionOptions, Text, Unsubscribe,
};
use mio::Token;
use std::io;

/// Reads of one turn, so that one flooded client does not keep the others waiting.
const READS_PER_TURN_MAX: usize = 8;

/// A client that does not take what it is told is read from up to this many bytes.
const PENDING_BYTES_MAX: usize = 1 << 20;

const SUBSCRIBE_IDENTIFIER: PacketIdentifier = match PacketIdentifier::new(1) {
    Some(identifier) => identifier,
    None => unreachable!(),
};

/// Where a client stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// Not connecting yet, or not any more.
    Offline,
    /// The socket is on its way.
    Opening,
    /// CONNECT is out.
    Connecting,
    /// SUBSCRIBE is out.
    Subscribing,
    /// Messages travel.
    Ready,
    /// DISCONNECT is out; the server's end is awaited.
    Closing,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Closed,
    Packet(PacketError),
    /// CONNACK said no.
    Refused(ReasonCode),
    /// The server's DISCONNECT.
    Disconnected(ReasonCode),
    Timeout,
}

impl From<PacketError> for Fault {
    fn from(error: PacketError) -> Self {
        Self::Packet(error)
    }
}

impl Fault {
    /// A word for all of its kind.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "refused".to_owned(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset".to_owned(),
                io::ErrorKind::AddrNotAvailable => "no_port".to_owned(),
                io::ErrorKind::TimedOut => "timeout".to_owned(),
                io::ErrorKind::InvalidData => "tls".to_owned(),
                _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                    "no_descriptor".to_owned()
                }
                _ => "io".to_owned(),
            },
            Self::Closed => "closed".to_owned(),
            Self::Packet(_) => "protocol".to_owned(),
            Self::Refused(reason) => format!("rc_{}", reason.0),
            Self::Disconnected(reason) => format!("disconnect_{}", reason.0),
            Self::Timeout => "timeout".to_owned(),
        }
    }

    /// What to tell people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Io(error) => error.to_string(),
            Self::Closed => "the broker closed the connection".to_owned(),
            Self::Packet(error) => format!("the broker broke the protocol: {error}"),
            Self::Refused(reason) => format!("CONNACK with reason {}", reason.0),
            Self::Disconnected(reason) => format!("DISCONNECT with reason {}", reason.0),
            Self::Timeout => "no answer in time".to_owned(),
        }
    }
}

/// Writes what the socket takes; how much that was.
///
/// A plain socket that takes less is full. A layer may take less than there is room for below it, and nobody would tell
/// when it takes more, so it is asked until it says no.
fn write_all(socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match socket.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
        if socket.is_plain() {
            break;
        }
    }
    Ok(written)
}

/// A client of the load.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) member: Member,
    pub(super) stage: Stage,
    pub(super) socket: Option<Socket>,
    splitter: Splitter,
    /// What the socket has not taken.
    pending: Vec<u8>,
    /// When its connection was begun, by the clock.
    pub(super) opened_at: u64,
    /// The second in which it wrote last, for its keep alive.
    last_sent: u32,
    is_ping_unanswered: bool,
    /// Whether it has been counted as connected or failed.
    pub(super) is_settled: bool,
    has_connected: bool,
    pub(super) sender: Option<Box<Sender>>,
    /// What it has seen of the streams it hears: an index of [`Core::checks`].
    pub(super) checks: usize,
    /// QoS 2 messages that were received and not released.
    received: Vec<u16>,
    /// A responder's replies that are not acknowledged yet.
    pub(super) replies: Option<Box<Window>>,
    /// What it waits for in a storm.
    pub(super) attendance: Option<Box<Attendance>>,
    /// Where it reads slowly: how slowly.
    pub(super) slow: Option<Box<Slow>>,
    /// What it keeps of its TLS sessions.
    tls: Option<Encryption>,
    /// Connections that it tried to make since the last one that it had.
    attempts: u32,
}

impl Client {
    pub(super) fn new(plan: &Plan, member: Member, sender: Option<Box<Sender>>, checks: usize) -> Self {
        Self {
            member,
            stage: Stage::Offline,
            socket: None,
            splitter: Splitter::default(),
            pending: Vec::new(),
            opened_at: 0,
            last_sent: 0,
            is_ping_unanswered: false,
            is_settled: false,
            has_connected: false,
            sender,
            checks,
            received: Vec::new(),
            replies: (member.role == Role::Responder).then(|| Box::new(Window::new(0))),
            attendance: plan.attendance(member).map(Box::new),
            slow: Slow::of(plan, member),
            tls: None,
            attempts: 0,
        }
    }

    /// Begins to connect.
    pub(super) fn open(&mut self, core: &mut Core, token: usize) {
        let transport = &core.shared.plan.transport;
        let sources = &transport.sources;
        let source = (!sources.is_empty()).then(|| sources[self.member.client as usize % sources.len()]);
        self.opened_at = core.now();
        self.stage = Stage::Opening;
        core.opening += 1;
        let opened = core
            .shared
            .layering(self.member, &mut self.tls)
            .and_then(|layering| Socket::connect(&core.shared.remote, source, transport, &layering));
        match opened.and_then(|socket| socket.register(&core.registry, Token(token)).map(|()| socket)) {
            Ok(socket) => {
                self.socket = Some(socket);
                let timeout = core.shared.plan.load.connect_timeout.as_secs() + 1;
                core.wheel.put(core.index_of(token), core.second() + timeout);
            }
            Err(error) => self.lost(core, token, &Fault::Io(error)),
        }
    }

    /// The socket can be written to: it is open, or has room again.
    pub(super) fn writable(&mut self, core: &mut Core, token: usize) {
        // Each event says so, whether anybody waits for it or not.
        let is_flushed = self.socket.as_ref().is_none_or(Socket::is_flushed);
        if self.stage != Stage::Opening && self.pending.is_empty() && is_flushed {
            return;
        }
        let result = match (self.stage, &mut self.socket) {
            (Stage::Opening, Some(socket)) => {
                let advanced = socket.advance();
                if let Some((took, is_resumed)) = socket.handshake() {
                    core.shook_hands(took, is_resumed);
                }
                match advanced {
                    Ok(true) => self.send_connect(core),
                    Ok(false) => Ok(()),
                    Err(error) => Err(Fault::Io(error)),
                }
            }
            (_, Some(socket)) => socket.flush().map_err(Fault::Io),
            _ => Ok(()),
        };
        let result = result.and_then(|()| self.write_pending()).and_then(|()| self.turn_to_send(core, token));
        if let Err(fault) = result {
            self.lost(core, token, &fault);
        }
    }

    fn send_connect(&mut self, core: &mut Core) -> Result<(), Fault> {
        let mut connect = core.shared.plan.connect(self.member);
        let version = connect.version;
        // What earlier storms have left is not waited for; before MQTT 5 a session cannot begin anew and be kept.
        connect.clean_start |= self.resumes(core) && version == ProtocolVersion::V5 && !self.has_connected;
        self.stage = Stage::Connecting;
        Packet::Connect(Box::new(connect)).encode(version, &mut core.out)?;
        Ok(())
    }

    /// Reads what there is, answers it, and sends what is due. `is_ended`: the peer has ended its direction.
    pub(super) fn readable(&mut self, core: &mut Core, token: usize, is_ended: bool) {
        if self.stage == Stage::Opening {
            return self.writable(core, token);
        }
        if self.waits_to_read(core, token) {
            return;
        }
        let result = self.read(core, token, is_ended).and_then(|is_short| {
            self.emit(core, token)?;
            let is_answered = !core.out.is_empty();
            self.flush(core)?;
            // A full read is followed by another one, and an answer carries the acknowledgement with it.
            if is_short && !is_answered && core.shared.plan.transport.quickack {
                self.socket.as_ref().inspect(|socket| socket.acknowledge_quickly());
            }
            Ok(())
        });
        if let Err(fault) = result {
            self.lost(core, token, &fault);
        }
    }

    /// Reads until the socket is empty; whether the last read was a short one.
    fn read(&mut self, core: &mut Core, token: usize, is_ended: bool) -> Result<bool, Fault> {
        let mut block = std::mem::take(&mut core.block);
        let mut outcome = Ok(false);
        let is_plain = self.socket.as_ref().is_some_and(Socket::is_plain);
        for turn in 0.. {
            if turn == READS_PER_TURN_MAX || self.pending.len() > PENDING_BYTES_MAX {
                core.again.push(token);
                break;
            }
            let most = self.read_bytes(core, block.len());
            let Some(socket) = &mut self.socket else { break };
            let length = match socket.read(&mut block[..most]) {
                Ok(0) => {
                    outcome = Err(Fault::Closed);
                    break;
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    outcome = Err(Fault::Io(error));
                    break;
                }
            };
            core.refresh();
            let is_short = length < most;
            let before = core.outcome.packets_in;
            outcome = self.take(core, &block[..length]).map(|()| is_short);
            if most < block.len() {
                self.has_read(core, token, core.outcome.packets_in - before);
                break;
            }
            // Less than there was room for: the socket is empty, unless its end is there as well.
            if outcome.is_err() || (is_short && !is_ended && is_plain) {
                break;
            }
        }
        core.block = block;
        outcome
    }

    fn take(&mut self, core: &mut Core, block: &[u8]) -> Result<(), Fault> {
        core.bytes_in += block.len() as u64;
        let version = core.version;
        let mut splitter = std::mem::take(&mut self.splitter);
        let taken = splitter.take(block, |header, packet| {
            let incoming = link::decode(header, packet, version)?;
            self.handle(core, incoming)
        });
        self.splitter = splitter;
        taken
    }

    fn handle(&mut self, core: &mut Core, incoming: Incoming<'_>) -> Result<(), Fault> {
        match incoming {
            Incoming::Publish(publish) => {
                self.receive(core, &publish);
                Ok(())
            }
            Incoming::Acknowledgement(kind, identifier, reason) => {
                self.acknowledged(core, kind, identifier, reason);
                Ok(())
            }
            Incoming::Connack(connack) => self.connected(core, &connack),
            Incoming::Suback(suback) => {
                if self.attend_suback(core, &suback) {
                    return Ok(());
                }
                for reason in suback.reasons.iter().filter(|reason| reason.is_error()) {
                    core.outcome.error("subscription_refused", || format!("SUBACK with reason {}", reason.0));
                }
                self.ready(core);
                Ok(())
            }
            Incoming::Pingresp => {
                self.is_ping_unanswered = false;
                Ok(())
            }
            Incoming::Disconnect(reason) => Err(Fault::Disconnected(reason)),
            Incoming::Unsuback(_) => Ok(()),
        }
    }

    fn connected(&mut self, core: &mut Core, connack: &Connack) -> Result<(), Fault> {
        if self.stage != Stage::Connecting {
            return Err(Fault::Packet(PacketError::UnexpectedPacket));
        }
        if connack.reason != ReasonCode::SUCCESS {
            return Err(Fault::Refused(connack.reason));
        }
        let now = core.now();
        core.opening -= 1;
        core.connected(now - self.opened_at, self.has_connected);
        self.attempts = 0;
        let is_back = std::mem::replace(&mut self.has_connected, true);
        self.is_ping_unanswered = false;
        let limits = connack.properties.as_ref();
        if let Some(sender) = &mut self.sender {
            if let Some(maximum) = limits.number(PropertyIdentifier::ReceiveMaximum) {
                sender.window.narrow(u16::try_from(maximum).unwrap_or(u16::MAX));
            }
            self.go_on(core, connack.session_present);
        }
        if core.keep_alive > 0 {
            let second = core.second() + u64::from(core.keep_alive);
            let index = core.current;
            core.wheel.put(index, second);
        }
        let resumes = self.resumes(core);
        // Before MQTT 3.1.1 nobody says whether it is.
        let is_kept = connack.session_present || (is_back && core.version == ProtocolVersion::V31);
        if resumes && is_back && !is_kept {
            core.outcome
                .error("session_lost", || "the broker did not keep a session that it should".to_owned());
        }
        let has_subscribed = if resumes { is_kept && is_back } else { connack.session_present };
        if (self.member.role.subscribes() || resumes) && !has_subscribed {
            self.stage = Stage::Subscribing;
            return self.subscribe(core);
        }
        self.ready(core);
        Ok(())
    }

    /// Whether it comes back to its session in a storm.
    fn resumes(&self, core: &Core) -> bool {
        core.shared.plan.storm == Some(StormKind::Resume) && self.member.role == Role::Idle
    }

    /// Whether it ever was connected.
    pub(super) const fn has_connected(&self) -> bool {
        self.has_connected
    }

    /// Sends again what the resumed session has not acknowledged; without one it is lost.
    fn go_on(&mut self, core: &mut Core, is_resumed: bool) {
        let Some(sender) = &mut self.sender else { return };
        if !is_resumed {
            sender.window.clear();
            return;
        }
        for (identifier, flight) in sender.window.in_order() {
            if flight.is_released {
                let pubrel = Acknowledgement::new(identifier, ReasonCode::SUCCESS);
                pubrel.encode(PacketType::Pubrel, core.version, &mut core.out);
                continue;
            }
            let stamp = core.stamp(sender.stream, flight.sequence, flight.due);
            sender.encode(&core.shared.plan, &stamp, Some(identifier), true, &mut core.out);
            core.outcome.packets_out += 1;
        }
    }

    pub(super) fn subscribe(&self, core: &mut Core) -> Result<(), Fault> {
        let plan = &core.shared.plan;
        let options = plan.subscription.options;
        let filters = self.subscribed(plan).into_iter();
        let filters =
            filters.map(|filter| Text::new(filter).map(|filter| (filter, SubscriptionOptions { ..options })));
        let subscribe = Subscribe {
            packet_identifier: SUBSCRIBE_IDENTIFIER,
            properties: plan.subscription.properties.clone(),
            filters: filters.collect::<Result<_, _>>()?,
        };
        Packet::Subscribe(subscribe).encode(core.version, &mut core.out)?;
        Ok(())
    }

    fn ready(&mut self, core: &mut Core) {
        if matches!(self.stage, Stage::Connecting | Stage::Subscribing) {
            self.stage = Stage::Ready;
            if !self.is_settled {
                self.is_settled = true;
                core.ready += 1;
            }
        }
    }

    /// Takes its subscriptions back, where that is asked for; the answer is not waited for.
    fn unsubscribe(&self, core: &mut Core) {
        let shared = core.shared.clone();
        let Some(properties) = &shared.plan.subscription.unsubscribe else { return };
        let filters = self.subscribed(&shared.plan).into_iter().filter_map(|filter| Text::new(filter).ok());
        let filters: Vec<Text> = filters.collect();
        if self.member.role.subscribes() && !filters.is_empty() {
            let (packet_identifier, properties) = (SUBSCRIBE_IDENTIFIER, properties.clone());
            let unsubscribe = Packet::Unsubscribe(Unsubscribe { packet_identifier, properties, filters });
            // Its filters were in the SUBSCRIBE, so they fit.
            let _ = unsubscribe.encode(core.version, &mut core.out);
        }
    }

    /// The filters that it subscribes to, as they stand in its packets.
    fn subscribed(&self, plan: &Plan) -> Vec<String> {
        let filters = match self.member.role {
            Role::Requester => vec![Plan::response_topic(&plan.topic(self.member))],
            _ => plan.filters(self.member),
        };
        let share = if self.member.role == Role::Subscriber { plan.share(self.member) } else { None };
        let shared = |filter| match &share {
            Some(share) => format!("$share/{share}/{filter}"),
            None => filter,
        };
        filters.into_iter().map(shared).collect()
    }

    /// Sends what is due and writes it.
    pub(super) fn turn_to_send(&mut self, core: &mut Core, token: usize) -> Result<(), Fault> {
        self.emit(core, token)?;
        self.flush(core)
    }

    /// Nothing can be sent until the broker lets it.
    pub(super) const fn hold(&mut self) {
        if let Some(sender) = &mut self.sender {
            sender.is_held = true;
        }
    }

    /// Whether something still waits for the socket.
    pub(super) const fn is_blocked(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes what is in the shared buffer; what the socket does not take stays with the client.
    pub(super) fn flush(&mut self, core: &mut Core) -> Result<(), Fault> {
        if core.out.is_empty() {
            return Ok(());
        }
        #[allow(clippy::cast_possible_truncation)] // seconds of a run
        {
            self.last_sent = core.second() as u32;
        }
        core.bytes_out += core.out.len() as u64;
        let written = match &mut self.socket {
            Some(socket) if self.pending.is_empty() => match write_all(socket, &core.out) {
                Ok(written) => written,
                Err(error) => {
                    core.out.clear();
                    return Err(Fault::Io(error));
                }
            },
            _ => 0,
        };
        if written < core.out.len() {
            self.pending.extend_from_slice(&core.out[written..]);
        }
        core.out.clear();
        Ok(())
    }

    /// Writes what the socket did not take before.
    fn write_pending(&mut self) -> Result<(), Fault> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        if self.pending.is_empty() || self.stage == Stage::Opening {
            return Ok(());
        }
        let written = write_all(socket, &self.pending).map_err(Fault::Io)?;
        if written == self.pending.len() {
            // An idle connection keeps no buffer.
            self.pending = Vec::new();
        } else {
            self.pending.drain(..written);
        }
        Ok(())
    }

    /// What the wheel found due: a keep alive, or a connection that takes too long.
    pub(super) fn tick(&mut self, core: &mut Core, token: usize) {
        let second = core.second();
        match self.stage {
            Stage::Opening | Stage::Connecting | Stage::Subscribing => {
                let timeout = core.shared.plan.load.connect_timeout;
                let waited = core.now().saturating_sub(self.opened_at);
                if u128::from(waited) >= timeout.as_nanos() {
                    self.lost(core, token, &Fault::Timeout);
                }
            }
            Stage::Ready if core.keep_alive > 0 => {
                let quiet_until = u64::from(self.last_sent) + u64::from(core.keep_alive);
                if quiet_until > second {
                    core.wheel.put(core.index_of(token), quiet_until);
                } else if self.is_ping_unanswered {
                    self.lost(core, token, &Fault::Timeout);
                } else {
                    self.is_ping_unanswered = true;
                    core.out.extend_from_slice(&[0xC0, 0]);
                    core.wheel.put(core.index_of(token), second + u64::from(core.keep_alive));
                    if let Err(fault) = self.flush(core) {
                        self.lost(core, token, &fault);
                    }
                }
            }
            Stage::Offline | Stage::Ready | Stage::Closing => {}
        }
    }

    /// Ends the connection in order, and at the last time with all that the load has left in the broker.
    pub(super) fn close(&mut self, core: &mut Core, is_last: bool) {
        if self.stage == Stage::Ready || self.stage == Stage::Subscribing {
            if is_last {
                self.unsubscribe(core);
            }
            let disconnect = Packet::Disconnect(Self::farewell(core, is_last));
            // A bare DISCONNECT can always be encoded.
            let _ = disconnect.encode(core.version, &mut core.out);
            let _ = self.flush(core);
            self.stage = Stage::Closing;
            if let Some(socket) = &mut self.socket
                && self.pending.is_empty()
            {
                socket.shutdown();
            }
        } else {
            self.drop_socket();
        }
    }

    /// Ends the connection as a dying process does, without DISCONNECT.
    pub(super) fn drop_socket(&mut self) {
        self.stage = Stage::Offline;
        self.socket = None;
        self.pending = Vec::new();
        self.splitter.clear();
    }

    /// The connection has ended, or never came to be.
    pub(super) fn lost(&mut self, core: &mut Core, token: usize, fault: &Fault) {
        core.out.clear();
        let stage = self.stage;
        self.drop_socket();
        if stage != Stage::Closing {
            self.hold();
        }
        match stage {
            Stage::Offline | Stage::Closing => return,
            Stage::Opening | Stage::Connecting => {
                core.opening -= 1;
                *core.outcome.counts.connect_fail.entry(fault.kind()).or_default() += 1;
                core.outcome.error(&format!("connect_{}", fault.kind()), || fault.text());
            }
            Stage::Subscribing | Stage::Ready => {
                core.outcome.counts.disconnects += 1;
                core.lost_connections += 1;
                core.outcome.error(&format!("disconnect_{}", fault.kind()), || fault.text());
            }
        }
        if !self.is_settled {
            self.is_settled = true;
            core.failed += 1;
        }
        core.schedule_reconnect(token, self.attempts, u64::from(self.member.client) + 1);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Whether a QoS 2 message with this identifier was received before and not released; remembers it.
    pub(super) fn is_known(&mut self, identifier: PacketIdentifier) -> bool {
        let is_known = self.received.contains(&identifier.get());
        if !is_known {
            self.received.push(identifier.get());
        }
        is_known
    }

    /// PUBREL has come.
    pub(super) fn forget(&mut self, identifier: PacketIdentifier) {
        if let Some(at) = self.received.iter().position(|known| *known == identifier.get()) {
            self.received.swap_remove(at);
        }
    }
}
