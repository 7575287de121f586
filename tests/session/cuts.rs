//! The server's bytes cut at every place: events and answers stay the same.

use super::support::*;
use bytes::Bytes;
use culex::packet::{
    Connack, Disconnect, Packet, Properties, PropertyIdentifier, ProtocolVersion, ReasonCode, Suback,
};
use culex::session::Event;

/// A whole conversation of a server's.
fn stream(version: ProtocolVersion) -> Bytes {
    let suback = Suback {
        packet_identifier: identifier(1),
        properties: Properties::EMPTY,
        reasons: vec![ReasonCode(1)],
    };
    let mut packets = vec![
        Packet::Suback(suback),
        publish(0, 0, "zero"),
        publish(1, 300, "one"),
        publish(2, 2, &"two".repeat(60)),
        puback(2),
        pubrec(3),
        pubrel(2),
        pubcomp(3),
        Packet::Pingresp,
        publish(0, 0, ""),
    ];
    if version == ProtocolVersion::V5 {
        packets.push(Packet::Disconnect(Disconnect {
            reason: ReasonCode::SERVER_SHUTTING_DOWN,
            properties: Properties::EMPTY,
        }));
    }
    encode(version, packets)
}

fn prepared(version: ProtocolVersion) -> Leash {
    let mut leash = Leash::open(config(version));
    let limits: &[_] =
        if version == ProtocolVersion::V5 { &[(PropertyIdentifier::ReceiveMaximum, 9)] } else { &[] };
    leash.accept(Connack { properties: numbers(limits), ..Connack::default() });
    leash.session.subscribe(leash.now, Properties::EMPTY, vec![(text("t"), Default::default())]).unwrap();
    leash.publish(message(1, "mine")).unwrap();
    leash.publish(message(2, "mine too")).unwrap();
    leash.sent();
    leash
}

fn outcome(version: ProtocolVersion, blocks: &[&[u8]]) -> (Vec<Event>, Vec<Packet>) {
    let mut leash = prepared(version);
    for block in blocks {
        leash.receive_bytes(Bytes::copy_from_slice(block)).unwrap();
    }
    (leash.events(), leash.sent())
}

#[test]
fn a_stream_cut_anywhere_means_the_same() {
    for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
        let stream = stream(version);
        let whole = outcome(version, &[&stream]);
        assert!(whole.0.len() >= 7);
        for cut in 0..=stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(outcome(version, &[head, tail]), whole, "cut at {cut}");
        }
        for length in 1..8 {
            let blocks: Vec<_> = stream.chunks(length).collect();
            assert_eq!(outcome(version, &blocks), whole, "blocks of {length}");
        }
    }
}

#[test]
fn a_connection_lost_at_any_byte_loses_no_acknowledgement() {
    let version = ProtocolVersion::V5;
    let stream = stream(version);
    for cut in 0..=stream.len() {
        let mut leash = prepared(version);
        leash.receive_bytes(stream.slice(..cut)).unwrap();
        let mut done = acknowledged(&leash.events());
        leash.reopen();
        leash.accept(Connack::default());
        done.extend(acknowledged(&leash.events()));
        for packet in leash.sent() {
            match packet {
                Packet::Publish(publish) if publish.qos == culex::packet::Qos::AtLeastOnce => {
                    leash.receive([puback(2)]).unwrap();
                }
                Packet::Publish(_) => leash.receive([pubrec(3), pubcomp(3)]).unwrap(),
                other => panic!("unexpected {other:?}"),
            }
        }
        done.extend(acknowledged(&leash.events()));
        done.sort_unstable();
        assert_eq!(done, [(2, ReasonCode::SUCCESS), (3, ReasonCode::SUCCESS)], "cut at {cut}");
    }
}

#[test]
fn connack_itself_may_come_in_pieces() {
    let connack =
        encode(ProtocolVersion::V5, [Packet::Connack(connack(&[(PropertyIdentifier::MaximumQos, 1)]))]);
    for cut in 0..connack.len() {
        let mut leash = Leash::open(v5());
        leash.receive_bytes(connack.slice(..cut)).unwrap();
        assert!(!leash.session.is_connected());
        leash.receive_bytes(connack.slice(cut..)).unwrap();
        assert!(leash.session.is_connected(), "cut at {cut}");
    }
}
