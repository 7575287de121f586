//! A client that is a socket and the packets over it.

use bytes::Bytes;
use culex::packet::{
    Acknowledgement, Connect, FrameReader, Packet, PacketIdentifier, Properties, Property,
    PropertyIdentifier, ProtocolVersion, Publish, Qos, ReasonCode, Sender, Subscribe, SubscriptionOptions,
    Text, Verdict,
};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) struct Client {
    stream: TcpStream,
    reader: FrameReader,
    received: VecDeque<Packet>,
}

impl Client {
    /// Connects; the CONNACK has been taken. Returns whether a session went on.
    pub(crate) fn connect(port: u16, connect: Connect) -> (Self, bool) {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut client = Self { stream, reader: FrameReader::default(), received: VecDeque::new() };
        client.send(&Packet::Connect(Box::new(connect)));
        match client.next() {
            Packet::Connack(connack) if connack.reason == ReasonCode::SUCCESS => {
                (client, connack.session_present)
            }
            other => panic!("no CONNACK but {other:?}"),
        }
    }

    /// A session that outlives its connections.
    pub(crate) fn durable(port: u16, name: &str) -> (Self, bool) {
        Self::connect(port, durable(name))
    }

    pub(crate) fn clean(port: u16, name: &str) -> Self {
        Self::connect(port, Connect { clean_start: true, properties: Properties::EMPTY, ..durable(name) }).0
    }

    pub(crate) fn send(&mut self, packet: &Packet) {
        let mut bytes = Vec::new();
        packet.encode(ProtocolVersion::V5, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next packet; `None` when the connection is over.
    pub(crate) fn try_next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.received.pop_front() {
                return Some(packet);
            }
            let mut block = vec![0; 65_536];
            let count = self.stream.read(&mut block).ok().filter(|count| *count > 0)?;
            block.truncate(count);
            self.reader.push(Bytes::from(block));
            while let Some(frame) = self.reader.next_frame(|_| Verdict::Accept).unwrap() {
                let packet = Packet::decode(&frame, ProtocolVersion::V5, Sender::Server).unwrap();
                self.received.push_back(packet);
            }
        }
    }

    pub(crate) fn next(&mut self) -> Packet {
        self.try_next().expect("the connection is open")
    }

    pub(crate) fn expect(&mut self, packet: &Packet) {
        assert_eq!(self.next(), *packet);
    }

    pub(crate) fn subscribe(&mut self, filter: &str, maximum_qos: Qos) {
        let options = SubscriptionOptions { maximum_qos, ..SubscriptionOptions::default() };
        self.send(&Packet::Subscribe(Subscribe {
            packet_identifier: identifier(1),
            properties: Properties::EMPTY,
            filters: vec![(text(filter), options)],
        }));
        assert!(matches!(self.next(), Packet::Suback(_)));
    }

    /// Publishes and waits until the broker has taken it over.
    pub(crate) fn publish(&mut self, publish: Publish) {
        let number = publish.packet_identifier.map_or(0, PacketIdentifier::get);
        let qos = publish.qos;
        self.send(&Packet::Publish(publish));
        match qos {
            Qos::AtMostOnce => self.ping(),
            Qos::AtLeastOnce => assert!(matches!(self.next(), Packet::Puback(_))),
            Qos::ExactlyOnce => {
                assert!(matches!(self.next(), Packet::Pubrec(_)));
                self.send(&Packet::Pubrel(acknowledgement(number)));
                self.expect(&Packet::Pubcomp(acknowledgement(number)));
            }
        }
    }

    /// Returns when the broker has handled everything that was sent.
    pub(crate) fn ping(&mut self) {
        self.send(&Packet::Pingreq);
        self.expect(&Packet::Pingresp);
    }
}

pub(crate) fn durable(name: &str) -> Connect {
    let mut properties = Properties::default();
    properties.push(Property::number(PropertyIdentifier::SessionExpiryInterval, 3600)).unwrap();
    Connect {
        version: ProtocolVersion::V5,
        client_identifier: text(name),
        clean_start: false,
        properties,
        ..Connect::default()
    }
}

pub(crate) fn text(text: &str) -> Text {
    Text::try_from(text).unwrap()
}

pub(crate) fn identifier(number: u16) -> PacketIdentifier {
    PacketIdentifier::new(number).unwrap()
}

pub(crate) fn acknowledgement(number: u16) -> Acknowledgement {
    Acknowledgement::new(identifier(number), ReasonCode::SUCCESS)
}

pub(crate) fn message(qos: Qos, number: u16, topic: &str, payload: &str) -> Publish {
    Publish {
        qos,
        topic: text(topic),
        packet_identifier: (qos != Qos::AtMostOnce).then(|| identifier(number)),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        ..Publish::default()
    }
}
