//! A session on a leash: packets in, packets and events out, both as values.

use bytes::Bytes;
use culex::packet::{
    Acknowledgement, Connack, FrameReader, Packet, PacketIdentifier, PacketType, Properties, Property,
    PropertyIdentifier, ProtocolVersion, Publish, Qos, ReasonCode, Sender, Text, Transmit, Verdict,
};
use culex::session::{Config, Event, PublishId, Session, SessionError};
use culex::time::Time;
use std::io::IoSlice;
use std::time::Duration;

pub(crate) struct Leash {
    pub(crate) session: Session,
    pub(crate) now: Time,
    version: ProtocolVersion,
}

impl Leash {
    /// A session with a transport, whose CONNECT has been taken.
    pub(crate) fn open(config: Config) -> Self {
        let version = config.connect.version;
        let mut leash = Self { session: Session::new(config), now: Time::ZERO, version };
        leash.session.handle_open(leash.now);
        assert!(matches!(leash.sent()[..], [Packet::Connect(_)]));
        leash
    }

    /// A session that is connected; its `Connected` event has been taken.
    pub(crate) fn connected(config: Config) -> Self {
        let mut leash = Self::open(config);
        leash.accept(Connack::default());
        leash
    }

    /// A session connected by a server with these limits.
    pub(crate) fn limited(config: Config, limits: &[(PropertyIdentifier, u32)]) -> Self {
        let mut leash = Self::open(config);
        leash.accept(connack(limits));
        leash
    }

    /// Answers CONNECT.
    pub(crate) fn accept(&mut self, connack: Connack) {
        self.receive([Packet::Connack(connack)]).unwrap();
        assert!(matches!(self.session.poll_event(), Some(Event::Connected(_))));
    }

    /// Loses the transport and gets a new one; CONNECT and all events have been taken.
    pub(crate) fn reopen(&mut self) {
        self.events();
        self.session.handle_closed(self.now);
        self.session.handle_open(self.now);
        assert!(matches!(self.sent()[..], [Packet::Connect(_)]));
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    pub(crate) fn receive(&mut self, packets: impl IntoIterator<Item = Packet>) -> Result<(), SessionError> {
        self.receive_bytes(encode(self.version, packets))
    }

    pub(crate) fn receive_bytes(&mut self, bytes: impl Into<Bytes>) -> Result<(), SessionError> {
        self.session.handle_bytes(self.now, bytes.into())
    }

    /// Everything that is ready to be written.
    pub(crate) fn sent(&mut self) -> Vec<Packet> {
        decode(self.version, Sender::Client, self.sent_bytes())
    }

    pub(crate) fn sent_bytes(&mut self) -> Bytes {
        let mut all = Vec::new();
        loop {
            let mut transmit = Transmit::new();
            self.session.poll_transmit(&mut transmit);
            if transmit.is_empty() {
                return all.into();
            }
            let mut slices = [IoSlice::new(&[]); 64];
            let used = transmit.io_slices(&mut slices);
            assert_eq!(slices[..used].iter().map(|slice| slice.len()).sum::<usize>(), transmit.len());
            slices[..used].iter().for_each(|slice| all.extend_from_slice(slice));
        }
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    pub(crate) fn publish(&mut self, publish: Publish) -> Result<PublishId, SessionError> {
        self.session.publish(self.now, publish)
    }
}

pub(crate) fn encode(version: ProtocolVersion, packets: impl IntoIterator<Item = Packet>) -> Bytes {
    let mut bytes = Vec::new();
    for packet in packets {
        packet.encode(version, &mut bytes).unwrap();
    }
    bytes.into()
}

pub(crate) fn decode(version: ProtocolVersion, sender: Sender, bytes: Bytes) -> Vec<Packet> {
    let mut reader = FrameReader::default();
    let mut packets = Vec::new();
    reader.push(bytes);
    while let Some(frame) = reader.next_frame(|_| Verdict::Accept).unwrap() {
        packets.push(Packet::decode(&frame, version, sender).unwrap());
    }
    assert_eq!(reader.buffered(), 0, "whole packets are sent");
    packets
}

pub(crate) fn config(version: ProtocolVersion) -> Config {
    let mut config = Config::default();
    config.connect.version = version;
    config.connect.client_identifier = text("client");
    config
}

pub(crate) fn v5() -> Config {
    config(ProtocolVersion::V5)
}

/// MQTT 5 with Clean Start 0.
pub(crate) fn durable() -> Config {
    let mut config = v5();
    config.connect.clean_start = false;
    config
}

pub(crate) fn numbers(entries: &[(PropertyIdentifier, u32)]) -> Properties {
    let mut properties = Properties::EMPTY;
    for &(identifier, number) in entries {
        properties.push(Property::number(identifier, number)).unwrap();
    }
    properties
}

pub(crate) fn connack(limits: &[(PropertyIdentifier, u32)]) -> Connack {
    Connack { properties: numbers(limits), ..Connack::default() }
}

pub(crate) fn session_present() -> Connack {
    Connack { session_present: true, ..Connack::default() }
}

pub(crate) fn text(text: &str) -> Text {
    Text::try_from(text).unwrap()
}

pub(crate) fn identifier(number: u16) -> PacketIdentifier {
    PacketIdentifier::new(number).unwrap()
}

/// A message as the application makes it.
pub(crate) fn message(qos: u8, payload: &str) -> Publish {
    Publish {
        qos: Qos::from_number(qos).unwrap(),
        topic: text("t"),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        ..Publish::default()
    }
}

/// A PUBLISH as it stands on the wire.
pub(crate) fn publish(qos: u8, number: u16, payload: &str) -> Packet {
    Packet::Publish(Publish { packet_identifier: PacketIdentifier::new(number), ..message(qos, payload) })
}

pub(crate) fn dup(packet: Packet) -> Packet {
    match packet {
        Packet::Publish(publish) => Packet::Publish(Publish { dup: true, ..publish }),
        other => other,
    }
}

pub(crate) fn acknowledgement(packet_type: PacketType, number: u16, reason: ReasonCode) -> Packet {
    let packet = Acknowledgement::new(identifier(number), reason);
    match packet_type {
        PacketType::Puback => Packet::Puback(packet),
        PacketType::Pubrec => Packet::Pubrec(packet),
        PacketType::Pubrel => Packet::Pubrel(packet),
        PacketType::Pubcomp => Packet::Pubcomp(packet),
        other => panic!("{other:?} is no acknowledgement"),
    }
}

pub(crate) fn puback(number: u16) -> Packet {
    acknowledgement(PacketType::Puback, number, ReasonCode::SUCCESS)
}

pub(crate) fn pubrec(number: u16) -> Packet {
    acknowledgement(PacketType::Pubrec, number, ReasonCode::SUCCESS)
}

pub(crate) fn pubrel(number: u16) -> Packet {
    acknowledgement(PacketType::Pubrel, number, ReasonCode::SUCCESS)
}

pub(crate) fn pubcomp(number: u16) -> Packet {
    acknowledgement(PacketType::Pubcomp, number, ReasonCode::SUCCESS)
}

/// Numbers and codes of the acknowledged messages among `events`.
pub(crate) fn acknowledged(events: &[Event]) -> Vec<(u16, ReasonCode)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Acknowledged { id, reason, .. } => Some((id.get(), *reason)),
            _ => None,
        })
        .collect()
}

/// Payloads of the messages among `events`.
pub(crate) fn delivered(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Message(publish) => Some(String::from_utf8_lossy(&publish.payload).into_owned()),
            _ => None,
        })
        .collect()
}
