//! Clients of our own: the one behind `publish`, an observer, and those that a scenario plays.

use crate::packet::{
    Connack, Disconnect, PacketIdentifier, Properties, Publish, ReasonCode, Suback, SubscriptionOptions,
    Text, Transmit,
};
use crate::session::{Config, Event, PublishId, Session, SessionError};
use crate::time::Time;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Slices looked at in one go.
const SLICES_MAX: usize = 16;

/// Names an actor of one broker.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ActorId(pub(super) u64);

/// What an actor has been told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Told {
    /// CONNACK let it in.
    Connected(Connack),
    /// CONNACK refused it.
    Refused(Connack),
    /// A message came.
    Message(Publish),
    /// A message of its own is done.
    Acknowledged(PublishId, ReasonCode),
    /// SUBACK came.
    Subscribed(Suback),
    /// UNSUBACK came.
    Unsubscribed(PacketIdentifier),
    /// All that the server had before it was asked has come.
    Quiet,
    /// The server ended the connection with this DISCONNECT.
    Disconnected(Disconnect),
    /// The connection is gone.
    Closed(Option<String>),
}

/// One client, with at most one connection.
#[derive(Debug)]
pub(super) struct Actor {
    session: Session,
    /// The line that carries it.
    pub(super) line: Option<u64>,
    pub(super) told: VecDeque<Told>,
    transmit: Transmit,
    fault: Option<SessionError>,
}

impl Actor {
    pub(super) fn new(config: Config) -> Self {
        Self {
            session: Session::new(config),
            line: None,
            told: VecDeque::new(),
            transmit: Transmit::new(),
            fault: None,
        }
    }

    pub(super) fn open(&mut self, now: Time, line: u64) {
        self.line = Some(line);
        self.fault = None;
        // What the connection before was told is of no use to whoever waits for this one.
        self.told.retain(|told| matches!(told, Told::Message(_) | Told::Acknowledged(..)));
        self.session.handle_open(now);
    }

    pub(super) fn publish(&mut self, now: Time, publish: Publish) -> Result<PublishId, SessionError> {
        self.session.publish(now, publish)
    }

    pub(super) fn subscribe(
        &mut self,
        now: Time,
        properties: Properties,
        filters: Vec<(Text, SubscriptionOptions)>,
    ) -> Result<PacketIdentifier, SessionError> {
        self.session.subscribe(now, properties, filters)
    }

    pub(super) fn unsubscribe(
        &mut self,
        now: Time,
        filters: Vec<Text>,
    ) -> Result<PacketIdentifier, SessionError> {
        self.session.unsubscribe(now, Properties::EMPTY, filters)
    }

    pub(super) fn disconnect(&mut self, now: Time, disconnect: Disconnect) {
        self.session.disconnect(now, disconnect);
    }

    /// Asks the server for a sign that all it had for us before has come.
    pub(super) fn fence(&mut self, now: Time) -> Result<(), SessionError> {
        self.session.fence(now)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    /// Whether its last packet has been taken and the connection is to be closed.
    pub(super) fn is_leaving(&self) -> bool {
        self.line.is_some() && (self.session.is_closing() || self.fault.is_some())
    }

    pub(super) fn handle_bytes(&mut self, now: Time, bytes: Bytes) {
        if let Err(error) = self.session.handle_bytes(now, bytes) {
            self.fault = Some(error);
        }
        self.drain();
    }

    pub(super) fn handle_closed(&mut self, now: Time) {
        if self.line.take().is_some() {
            self.session.handle_closed(now);
            self.drain();
            let fault = self.fault.take().map(|error| error.to_string());
            self.told.push_back(Told::Closed(fault));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.line.and_then(|_| self.session.poll_timeout())
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        if let Err(error) = self.session.handle_timeout(now) {
            self.fault = Some(error);
        }
        self.drain();
    }

    /// What it has to say now.
    pub(super) fn poll_bytes(&mut self) -> Bytes {
        self.session.poll_transmit(&mut self.transmit);
        self.drain();
        take_bytes(&mut self.transmit)
    }

    fn drain(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.told.push_back(match event {
                Event::Connected(connack) => Told::Connected(connack),
                Event::Refused(connack) => Told::Refused(connack),
                Event::Message(publish) => Told::Message(publish),
                Event::Acknowledged { id, reason, .. } => Told::Acknowledged(id, reason),
                Event::Subscribed(suback) => Told::Subscribed(suback),
                Event::Unsubscribed(unsuback) => Told::Unsubscribed(unsuback.packet_identifier),
                Event::Disconnected(disconnect) => Told::Disconnected(disconnect),
                Event::Quiet => Told::Quiet,
                Event::Auth(_) | Event::Sent(_) | Event::Received(_) => continue,
            });
        }
    }
}

/// All that waits in `transmit`, in one block.
pub(super) fn take_bytes(transmit: &mut Transmit) -> Bytes {
    let mut bytes = Vec::with_capacity(transmit.len());
    while !transmit.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let used = transmit.io_slices(&mut slices);
        let mut count = 0;
        for slice in &slices[..used] {
            bytes.extend_from_slice(slice);
            count += slice.len();
        }
        transmit.advance(count);
    }
    bytes.into()
}
