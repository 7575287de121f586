//! A broker with clients that are nothing but a version and a connection.

use crate::broker::{Broker, Config, ConnectionId, ConnectionInfo, Progress};
use crate::packet::{
    Acknowledgement, Connack, Connect, FixedHeader, Packet, PacketIdentifier, Properties, Property,
    ProtocolVersion, Publish, Qos, ReasonCode, Sender, Subscribe, SubscriptionOptions, Text, Transmit,
};
use crate::time::Time;
use bytes::Bytes;
use std::io::IoSlice;
use std::time::Duration;

pub(super) struct Rig {
    pub(super) broker: Broker,
    pub(super) now: Time,
}

/// One client's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) id: ConnectionId,
    pub(super) version: ProtocolVersion,
}

impl Rig {
    pub(super) fn new(config: Config) -> Self {
        Self { broker: Broker::new(config, Time::ZERO), now: Time::ZERO }
    }

    /// Lets time pass and the broker do what is due at each deadline on the way.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.broker.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.broker.handle_timeout(self.now);
        }
        self.now = end;
        self.broker.handle_timeout(end);
    }

    pub(super) fn open(&mut self, version: ProtocolVersion) -> Peer {
        Peer { id: self.broker.open(self.now, ConnectionInfo::default()), version }
    }

    pub(super) fn send_bytes(&mut self, peer: Peer, bytes: &[u8]) {
        self.broker.handle_bytes(self.now, peer.id, Bytes::copy_from_slice(bytes));
    }

    pub(super) fn send(&mut self, peer: Peer, packet: &Packet) {
        let mut bytes = Vec::new();
        packet.encode(peer.version, &mut bytes).unwrap();
        self.send_bytes(peer, &bytes);
    }

    /// Takes everything that waits for `peer`: packets, and whether the connection is closed after them.
    pub(super) fn take(&mut self, peer: Peer) -> (Vec<Packet>, bool) {
        let (bytes, is_closed) = self.take_bytes(peer);
        let mut packets = Vec::new();
        let mut rest = Bytes::from(bytes);
        while !rest.is_empty() {
            let header = FixedHeader::decode(&rest).unwrap().unwrap();
            let packet = rest.split_to(header.packet_length());
            packets.push(Packet::decode_one(&packet, peer.version, Sender::Server).unwrap());
        }
        (packets, is_closed)
    }

    pub(super) fn take_bytes(&mut self, peer: Peer) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        loop {
            let mut transmit = Transmit::new();
            let progress = self.broker.poll_transmit(peer.id, &mut transmit);
            let mut slices = [IoSlice::new(&[]); 64];
            while !transmit.is_empty() {
                let used = transmit.io_slices(&mut slices);
                let chunk: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
                slices = [IoSlice::new(&[]); 64];
                transmit.advance(chunk.len());
                bytes.extend(chunk);
            }
            match progress {
                Progress::More => {}
                Progress::Idle => return (bytes, false),
                Progress::Close => return (bytes, true),
            }
        }
    }

    /// The packets that wait, on a connection that stays open.
    pub(super) fn packets(&mut self, peer: Peer) -> Vec<Packet> {
        let (packets, is_closed) = self.take(peer);
        assert!(!is_closed, "the connection was closed after {packets:?}");
        packets
    }

    pub(super) fn connect_as(&mut self, connect: Connect) -> (Peer, Connack) {
        let peer = self.open(connect.version);
        self.send(peer, &Packet::Connect(Box::new(connect)));
        let mut packets = self.packets(peer);
        let Packet::Connack(connack) = packets.remove(0) else {
            panic!("no CONNACK but {packets:?}");
        };
        // What follows CONNACK at once is left to be taken by `left`.
        assert_eq!(connack.reason, ReasonCode::SUCCESS);
        assert!(packets.is_empty(), "behind CONNACK came {packets:?}");
        (peer, connack)
    }

    /// A clean client.
    pub(super) fn connect(&mut self, version: ProtocolVersion, client_identifier: &str) -> Peer {
        self.connect_as(Connect { version, client_identifier: text(client_identifier), ..Connect::default() })
            .0
    }

    pub(super) fn subscribe(&mut self, peer: Peer, filter: &str, options: SubscriptionOptions) {
        self.send(peer, &subscribe(1, filter, options));
        let packets = self.packets(peer);
        assert!(matches!(packets[0], Packet::Suback(_)), "{packets:?}");
        assert_eq!(packets.len(), 1, "{packets:?}");
    }
}

pub(super) fn text(value: &str) -> Text {
    Text::detached(value)
}

pub(super) fn identifier(number: u16) -> PacketIdentifier {
    PacketIdentifier::new(number).unwrap()
}

pub(super) fn qos(maximum_qos: Qos) -> SubscriptionOptions {
    SubscriptionOptions { maximum_qos, ..SubscriptionOptions::default() }
}

pub(super) fn subscribe(number: u16, filter: &str, options: SubscriptionOptions) -> Packet {
    Packet::Subscribe(Subscribe {
        packet_identifier: identifier(number),
        properties: Properties::EMPTY,
        filters: vec![(text(filter), options)],
    })
}

pub(super) fn publish(qos: Qos, number: u16, topic: &str, payload: &str) -> Publish {
    Publish {
        qos,
        packet_identifier: PacketIdentifier::new(number).filter(|_| qos != Qos::AtMostOnce),
        topic: text(topic),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        ..Publish::default()
    }
}

pub(super) fn acknowledgement(number: u16, reason: ReasonCode) -> Acknowledgement {
    Acknowledgement::new(identifier(number), reason)
}

pub(super) fn properties(list: &[Property<'_>]) -> Properties {
    let mut properties = Properties::EMPTY;
    for property in list {
        properties.push(*property).unwrap();
    }
    properties
}
