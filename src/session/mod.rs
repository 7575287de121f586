//! A client's side of MQTT: one session over one connection after another, without a socket or a clock.
//!
//! [`Session`] takes bytes, time and commands, and gives bytes ([`Session::poll_transmit`]), events
//! ([`Session::poll_event`]) and a deadline ([`Session::poll_timeout`]). What is in flight, what waits to be sent and
//! what has been received at QoS 2 survive a lost connection; the next [`Session::handle_open`] goes on from there.

pub(crate) mod alias;
mod config;
mod error;
mod event;
pub(crate) mod identifiers;
mod inflight;
mod publish;
mod receive;
mod requests;
mod timer;

pub use config::{Config, ServerLimits};
pub use error::SessionError;
pub use event::{Event, Offered, PublishId, Traced};

use crate::packet::{
    Auth, Disconnect, FrameReader, Packet, PacketError, Place, Properties, PropertyIdentifier,
    ProtocolVersion, Qos, ReasonCode, Text, Transmit,
};
use crate::time::Time;
use alias::{IncomingAliases, OutgoingAliases};
use identifiers::Identifiers;
use inflight::Inflight;
use publish::Waiting;
use receive::Received;
use std::collections::VecDeque;
use timer::{Due, KeepAlive};

/// Packets are made ready until this many bytes wait to be taken by [`Session::poll_transmit`].
pub const TRANSMIT_BYTES: usize = 64 << 10;

/// The most that answers to a server which does not read may pile up to, in bytes.
const READY_BYTES_MAX: usize = 1 << 20;

const PINGREQ: [u8; 2] = [0xC0, 0];

/// Where the session stands with its server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// There is no transport.
    Offline,
    /// CONNECT is out, CONNACK is not in.
    Connecting,
    /// Messages travel.
    Connected,
    /// The last packet has been made ready or has been received; whatever else arrives is ignored.
    Closing,
}

/// A client's side of one session, over one connection after another.
///
/// Commands never wait: they queue, or return an error. Every method that takes `now` must be given a time that is not
/// before the one given last. Events are to be taken after every call, since they are kept until then.
#[derive(Debug)]
pub struct Session {
    config: Config,
    state: State,
    now: Time,
    client_identifier: Text,
    limits: ServerLimits,
    reader: FrameReader,
    /// Whether the reader holds more of its block.
    is_paused: bool,
    ready: Transmit,
    events: VecDeque<Event>,
    identifiers: Identifiers,
    inflight: Inflight,
    waiting: Waiting,
    requests: Vec<requests::Request>,
    received: Received,
    /// Messages of QoS 1 and 2 stay with the server from now on.
    leaves_messages: bool,
    incoming_aliases: IncomingAliases,
    outgoing_aliases: OutgoingAliases,
    keep_alive: KeepAlive,
    /// Whether the owner waits for [`Event::Quiet`].
    is_fenced: bool,
    /// Whether a message or an acknowledgement has come since the last PINGREQ of that wait.
    has_heard: bool,
    connack_deadline: Option<Time>,
    /// To be sent as soon as nothing else can be.
    disconnect: Option<Disconnect>,
    /// A CONNECT that could not be encoded, reported at the next opportunity.
    failure: Option<SessionError>,
    /// QoS 0 messages whose bytes are in `ready`.
    unhanded: VecDeque<PublishId>,
    /// Our own limits, as CONNECT names them.
    topic_alias_maximum: u16,
    receive_maximum: u16,
    packet_bytes_max: usize,
}

impl Session {
    /// A session without a connection; [`Config::check`] tells beforehand whether its CONNECT can be sent.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let short = |identifier, default| {
            config.property(identifier).map_or(default, |value| u16::try_from(value).unwrap_or(u16::MAX))
        };
        let topic_alias_maximum = short(PropertyIdentifier::TopicAliasMaximum, 0);
        let receive_maximum = short(PropertyIdentifier::ReceiveMaximum, u16::MAX);
        let own_maximum = config.property(PropertyIdentifier::MaximumPacketSize).unwrap_or(u32::MAX);
        let packet_bytes_max = config.packet_bytes_max.min(own_maximum as usize);
        Self {
            client_identifier: config.connect.client_identifier.clone(),
            config,
            state: State::Offline,
            now: Time::ZERO,
            limits: ServerLimits::default(),
            reader: FrameReader::default(),
            is_paused: false,
            ready: Transmit::new(),
            events: VecDeque::new(),
            identifiers: Identifiers::default(),
            inflight: Inflight::default(),
            waiting: Waiting::default(),
            requests: Vec::new(),
            received: Received::default(),
            leaves_messages: false,
            incoming_aliases: IncomingAliases::default(),
            outgoing_aliases: OutgoingAliases::default(),
            keep_alive: KeepAlive::new(),
            is_fenced: false,
            has_heard: false,
            connack_deadline: None,
            disconnect: None,
            failure: None,
            unhanded: VecDeque::new(),
            topic_alias_maximum,
            receive_maximum,
            packet_bytes_max,
        }
    }

    /// A transport is up: makes CONNECT ready, with the identifier that the server assigned, if it did.
    pub fn handle_open(&mut self, now: Time) {
        self.handle_closed(now);
        let mut connect = self.config.connect.clone();
        connect.client_identifier = self.client_identifier.clone();
        let packet = Packet::Connect(Box::new(connect));
        let encoded = match self.config.check() {
            Ok(()) => self.ready.write(|out| packet.encode(self.config.connect.version, out)),
            Err(error) => Err(error),
        };
        self.failure = encoded.err().map(SessionError::Invalid);
        if self.failure.is_some() {
            self.state = State::Closing;
            return;
        }
        self.state = State::Connecting;
        self.connack_deadline = self.config.connack_timeout.map(|timeout| now + timeout);
        self.trace(|| Event::Sent(Traced::Connect));
    }

    /// The transport is gone: what was sent and not acknowledged will be sent again, requests are forgotten.
    pub fn handle_closed(&mut self, now: Time) {
        self.now = now;
        self.state = State::Offline;
        self.keep_unhanded();
        self.reader = FrameReader::default();
        self.is_paused = false;
        self.ready.clear();
        self.inflight.connection_lost();
        self.received.connection_lost();
        for request in self.requests.drain(..) {
            self.identifiers.release(request.identifier);
        }
        self.incoming_aliases.clear();
        self.outgoing_aliases.clear();
        self.keep_alive.stop();
        self.is_fenced = false;
        self.connack_deadline = None;
        self.disconnect = None;
        self.failure = None;
    }

    /// Does what is due at `now`: a PINGREQ after one Keep Alive of silence [MQTT-3.1.2-20].
    ///
    /// # Errors
    ///
    /// [`SessionError::PingTimeout`], [`SessionError::ConnackTimeout`] when the server did not answer in time;
    /// [`SessionError::Invalid`] when CONNECT could not be made. The transport is then to be closed.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), SessionError> {
        self.now = now;
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        if self.connack_deadline.is_some_and(|deadline| now >= deadline) {
            self.close();
            return Err(SessionError::ConnackTimeout);
        }
        match self.keep_alive.due(now) {
            Due::Nothing => Ok(()),
            Due::Pingreq => {
                self.send_pingreq();
                Ok(())
            }
            Due::PingTimeout => {
                self.close();
                Err(SessionError::PingTimeout)
            }
        }
    }

    /// When [`Session::handle_timeout`] is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.failure.is_some() {
            return Some(self.now);
        }
        match (self.connack_deadline, self.keep_alive.deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Appends what is ready to be written, in whole packets.
    ///
    /// Messages are added until 64 KiB are reached, so one large packet and the answers to what was just received may
    /// exceed that. Call it again once those bytes are written.
    pub fn poll_transmit(&mut self, transmit: &mut Transmit) {
        self.pump();
        if self.ready.is_empty() {
            return;
        }
        transmit.append(&mut self.ready);
        if self.config.acknowledge_qos0 {
            let handed = self.unhanded.drain(..).map(|id| Event::Acknowledged {
                id,
                qos: Qos::AtMostOnce,
                reason: ReasonCode::SUCCESS,
                properties: Properties::EMPTY,
            });
            self.events.extend(handed);
        } else {
            self.unhanded.clear();
        }
    }

    /// The next event.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether [`Session::poll_event`] has something.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Tells whether somebody reads from the transport: while nobody does (because the output is full), PINGREQs go
    /// out but the server's silence does not end the connection.
    pub fn set_reading(&mut self, now: Time, is_reading: bool) {
        self.keep_alive.set_reading(now, is_reading);
    }

    /// Asks whether the server has anything more to say: [`Event::Quiet`] comes once a PINGREQ was answered with nothing
    /// before the answer, neither a message nor an acknowledgement.
    ///
    /// A server answers in order, so what it had for us before is here then, such as the retained messages of a
    /// subscription that it has acknowledged. The end of the connection ends the question.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotConnected`].
    pub fn fence(&mut self, now: Time) -> Result<(), SessionError> {
        if self.state != State::Connected {
            return Err(SessionError::NotConnected);
        }
        self.now = now;
        self.is_fenced = true;
        // The answer to one that is under way may have been written before what comes now.
        self.has_heard = self.keep_alive.is_awaiting();
        if !self.has_heard {
            self.send_pingreq();
        }
        Ok(())
    }

    fn send_pingreq(&mut self) {
        self.ready.put(&PINGREQ);
        self.keep_alive.pingreq_sent(self.now);
        self.trace(|| Event::Sent(Traced::Pingreq));
    }

    /// From now on leaves messages of QoS 1 and 2 with the server: they are neither acknowledged nor reported, so that
    /// the session's next connection gets them.
    pub const fn leave_messages(&mut self) {
        self.leaves_messages = true;
    }

    /// A step of an extended authentication, or a re-authentication (MQTT 5, section 4.12).
    ///
    /// # Errors
    ///
    /// [`SessionError::NotConnected`]; [`SessionError::Invalid`] before MQTT 5, without an Authentication Method in
    /// CONNECT [MQTT-4.12.0-6], or for properties that do not belong in AUTH.
    pub fn authenticate(&mut self, now: Time, auth: Auth) -> Result<(), SessionError> {
        if !matches!(self.state, State::Connecting | State::Connected) {
            return Err(SessionError::NotConnected);
        }
        if !self.has_authentication_method() {
            return Err(SessionError::Invalid(PacketError::MissingAuthenticationMethod));
        }
        auth.properties.check(Place::Auth).map_err(SessionError::Invalid)?;
        let reason = auth.reason;
        self.write(now, &Packet::Auth(auth))?;
        self.trace(|| Event::Sent(Traced::Auth { reason }));
        Ok(())
    }

    /// Ends the connection: DISCONNECT goes out behind everything that can be sent without waiting for the server.
    ///
    /// Messages in flight or waiting stay with the session and go on with the next connection.
    pub fn disconnect(&mut self, now: Time, disconnect: Disconnect) {
        self.now = now;
        match self.state {
            State::Connecting | State::Connected => self.disconnect = Some(disconnect),
            State::Offline | State::Closing => {}
        }
        self.pump();
    }

    /// The Client Identifier: ours, or the one that the server assigned.
    #[must_use]
    pub fn client_identifier(&self) -> &Text {
        &self.client_identifier
    }

    /// What the server allows; the defaults of the standard while there is no connection.
    #[must_use]
    pub const fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// What the session was made with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether CONNACK has come and the connection has not ended since.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Whether the last packet of this connection has been made ready or received: write what is ready, then close.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.state == State::Closing
    }

    /// Bytes that wait for [`Session::poll_transmit`]. Stop reading from the transport while they exceed
    /// [`TRANSMIT_BYTES`], so that answers do not pile up.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.ready.len()
    }

    /// How many messages of QoS 1 and 2 are sent and not yet acknowledged, on this connection or the last.
    #[must_use]
    pub fn inflight(&self) -> usize {
        self.inflight.len()
    }

    /// How many messages were accepted and not yet sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn version(&self) -> ProtocolVersion {
        self.config.connect.version
    }

    fn has_authentication_method(&self) -> bool {
        let properties = self.config.connect.properties.as_ref();
        properties.find(PropertyIdentifier::AuthenticationMethod).is_some()
    }

    /// Makes a packet ready that carries no message.
    fn write(&mut self, now: Time, packet: &Packet) -> Result<(), SessionError> {
        let version = self.version();
        let before = self.ready.len();
        if before > READY_BYTES_MAX {
            return Err(SessionError::QueueFull);
        }
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).map_err(SessionError::Invalid)?;
        if self.limits.maximum_packet_size.is_some_and(|maximum| bytes.len() > maximum as usize) {
            return Err(SessionError::TooLargeForServer);
        }
        self.ready.put(&bytes);
        self.now = now;
        self.keep_alive.sent(now);
        Ok(())
    }

    /// Makes DISCONNECT ready and lets nothing follow it [MQTT-3.14.4-2].
    fn write_disconnect(&mut self, disconnect: Disconnect) {
        let reason = disconnect.reason;
        let now = self.now;
        let own = Packet::Disconnect(disconnect);
        if self.write(now, &own).is_err() {
            // What the caller added does not belong in DISCONNECT or is too large for the server.
            let bare = Disconnect { reason, ..Disconnect::default() };
            let _ = self.write(now, &Packet::Disconnect(bare));
        }
        self.trace(|| Event::Sent(Traced::Disconnect { reason }));
        self.close();
    }

    /// The server broke the rules: tells it why where the version can, and ends the connection.
    #[cold]
    fn fault(&mut self, error: SessionError) -> SessionError {
        match error.reason_code() {
            Some(reason) if self.version() == ProtocolVersion::V5 && self.state == State::Connected => {
                self.write_disconnect(Disconnect { reason, ..Disconnect::default() });
            }
            _ => self.close(),
        }
        error
    }

    fn close(&mut self) {
        self.state = State::Closing;
        self.disconnect = None;
        self.keep_alive.stop();
        self.connack_deadline = None;
    }

    #[inline]
    fn trace(&mut self, event: impl FnOnce() -> Event) {
        if self.config.trace {
            self.events.push_back(event());
        }
    }
}
