//! Slow readers, full queues, large packets: what is bounded, and what the others notice (contract section 5).

use super::rig::{Peer, Rig, acknowledgement, identifier, properties, publish, qos, text};
use crate::broker::{Config, ConnectionInfo, ListenerConfig};
use crate::packet::{
    Connect, Disconnect, Packet, Property, PropertyIdentifier, ProtocolVersion, Publish, Qos, ReasonCode,
};
use bytes::Bytes;
use std::time::Duration;

fn payloads(packets: &[Packet]) -> Vec<String> {
    let payload = |packet: &Packet| match packet {
        Packet::Publish(publish) => Some(String::from_utf8(publish.payload.to_vec()).unwrap()),
        _ => None,
    };
    packets.iter().filter_map(payload).collect()
}

fn publish_many(rig: &mut Rig, peer: Peer, level: Qos, count: u16) {
    for number in 1..=count {
        rig.send(peer, &Packet::Publish(publish(level, number, "t", &number.to_string())));
        if level == Qos::ExactlyOnce {
            rig.send(peer, &Packet::Pubrel(acknowledgement(number, ReasonCode::SUCCESS)));
        }
    }
}

#[test]
fn each_listener_has_a_maximum_qos_and_a_topic_alias_maximum_of_its_own() {
    let strict =
        ListenerConfig { maximum_qos: Qos::AtMostOnce, max_topic_alias: 0, ..ListenerConfig::default() };
    let listeners = vec![ListenerConfig::default(), strict];
    let mut rig = Rig::new(Config { listeners, ..Config::default() });
    let version = ProtocolVersion::V5;
    for (listener, highest, aliases) in [(0, None, Some(10)), (1, Some(0), None)] {
        let info = ConnectionInfo { listener, ..ConnectionInfo::default() };
        let peer = Peer { id: rig.broker.open(rig.now, info), version };
        rig.send(peer, &Packet::Connect(Box::new(Connect { version, ..Connect::default() })));
        let packets = rig.packets(peer);
        let Packet::Connack(connack) = &packets[0] else { panic!("{packets:?}") };
        let told = connack.properties.as_ref();
        assert_eq!(told.number(PropertyIdentifier::MaximumQos), highest);
        assert_eq!(told.number(PropertyIdentifier::TopicAliasMaximum), aliases);
        rig.send(peer, &Packet::Publish(publish(Qos::AtLeastOnce, 1, "t", "x")));
        assert_eq!(rig.take(peer).1, highest.is_some(), "listener {listener}");
    }
}

#[test]
fn twenty_are_in_flight_then_the_queue_fills_then_messages_are_dropped() {
    let mut rig = Rig::new(Config { max_queued_messages: 10, ..Config::default() });
    let reader = rig.connect(ProtocolVersion::V311, "r");
    rig.subscribe(reader, "t", qos(Qos::AtLeastOnce));
    let writer = rig.connect(ProtocolVersion::V311, "w");
    publish_many(&mut rig, writer, Qos::AtLeastOnce, 40);
    assert_eq!(payloads(&rig.packets(reader)).len(), 20);
    assert_eq!(rig.packets(writer).len(), 40, "the writer notices nothing");
    assert_eq!(rig.broker.statistics().messages_dropped, 10);
    for number in 1..=20 {
        rig.send(reader, &Packet::Puback(acknowledgement(number, ReasonCode::SUCCESS)));
    }
    let expected: Vec<_> = (21..=30).map(|number| number.to_string()).collect();
    assert_eq!(payloads(&rig.packets(reader)), expected);
}

#[test]
fn a_reader_that_takes_nothing_gets_a_bounded_amount_of_qos_0_in_order() {
    let config = Config { max_outgoing_bytes: 100, max_queued_messages: 5, ..Config::default() };
    let mut rig = Rig::new(config);
    let reader = rig.connect(ProtocolVersion::V5, "r");
    rig.subscribe(reader, "t", qos(Qos::AtMostOnce));
    let writer = rig.connect(ProtocolVersion::V5, "w");
    rig.send(reader, &Packet::Pingreq);
    while rig.broker.poll_ready().is_some() {}
    publish_many(&mut rig, writer, Qos::AtMostOnce, 1000);
    let got = payloads(&rig.packets(reader));
    let expected: Vec<_> = (1..=got.len()).map(|number| number.to_string()).collect();
    assert_eq!(got, expected);
    assert!(got.len() < 30, "{} messages", got.len());
    assert_eq!(rig.broker.statistics().messages_dropped, 1000 - got.len() as u64);
}

#[test]
fn one_unacknowledged_publish_too_many_ends_an_mqtt_5_connection_only() {
    let mut rig = Rig::new(Config::default());
    let modern = rig.connect(ProtocolVersion::V5, "five");
    let older = rig.connect(ProtocolVersion::V311, "three");
    for number in 1..=21 {
        let message = Packet::Publish(publish(Qos::ExactlyOnce, number, "t", "x"));
        rig.send(modern, &message);
        rig.send(older, &message);
    }
    let (packets, is_closed) = rig.take(modern);
    let told = Disconnect { reason: ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, ..Disconnect::default() };
    assert_eq!(packets.last(), Some(&Packet::Disconnect(told)));
    assert!(is_closed);
    assert_eq!(rig.packets(older).len(), 21);
}

#[test]
fn a_payload_over_the_limit_is_swallowed_and_answered() {
    let config = Config { message_size_limit: 10, ..Config::default() };
    for (version, reason) in [
        (ProtocolVersion::V311, ReasonCode::SUCCESS),
        (ProtocolVersion::V5, ReasonCode::IMPLEMENTATION_SPECIFIC),
    ] {
        for length in [11, 100_000] {
            let mut rig = Rig::new(config.clone());
            let peer = rig.connect(version, "c");
            rig.subscribe(peer, "#", qos(Qos::AtMostOnce));
            let message = publish(Qos::AtLeastOnce, 7, "t", &"x".repeat(length));
            let mut bytes = Vec::new();
            Packet::Publish(message).encode(version, &mut bytes).unwrap();
            bytes.extend([0xC0, 0]);
            for block in bytes.chunks(1000) {
                rig.send_bytes(peer, block);
            }
            let expected = [Packet::Puback(acknowledgement(7, reason)), Packet::Pingresp];
            assert_eq!(rig.packets(peer), expected, "{length} bytes");
        }
    }
}

#[test]
fn a_client_is_sent_nothing_over_its_maximum_packet_size() {
    let mut rig = Rig::new(Config::default());
    let maximum = properties(&[Property::number(PropertyIdentifier::MaximumPacketSize, 50)]);
    let (reader, _) = rig.connect_as(Connect {
        version: ProtocolVersion::V5,
        client_identifier: text("r"),
        properties: maximum,
        ..Connect::default()
    });
    rig.subscribe(reader, "t", qos(Qos::AtLeastOnce));
    let writer = rig.connect(ProtocolVersion::V311, "w");
    for payload in ["x".repeat(60), "fits".to_owned()] {
        rig.send(writer, &Packet::Publish(publish(Qos::AtLeastOnce, 1, "t", &payload)));
    }
    let expected =
        Publish { packet_identifier: Some(identifier(1)), ..publish(Qos::AtLeastOnce, 1, "t", "fits") };
    assert_eq!(rig.packets(reader), [Packet::Publish(expected)]);
}

#[test]
fn a_large_payload_arrives_whole_at_all_and_is_shared() {
    let mut rig = Rig::new(Config::default());
    let readers: Vec<_> =
        (0..3).map(|number| rig.connect(ProtocolVersion::V5, &format!("r{number}"))).collect();
    for (reader, level) in readers.iter().zip([Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce]) {
        rig.subscribe(*reader, "t", qos(level));
    }
    let payload = Bytes::from(vec![7; 300_000]);
    let writer = rig.connect(ProtocolVersion::V5, "w");
    let message = Publish { payload: payload.clone(), ..publish(Qos::ExactlyOnce, 1, "t", "") };
    rig.send(writer, &Packet::Publish(message));
    for reader in readers {
        let packets = rig.packets(reader);
        assert!(matches!(&packets[..], [Packet::Publish(publish)] if publish.payload == payload));
    }
}

#[test]
fn sys_topics_are_published_at_their_interval() {
    let sys_interval = Duration::from_secs(10);
    let mut rig = Rig::new(Config { sys_interval, ..Config::default() });
    let peer = rig.connect(ProtocolVersion::V5, "c");
    rig.subscribe(peer, "$SYS/broker/clients/connected", qos(Qos::AtMostOnce));
    rig.pass(sys_interval);
    assert_eq!(payloads(&rig.packets(peer)), ["1"]);
}
