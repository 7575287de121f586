//! Shared subscriptions (section 4.8.2 and contract section 2).

use super::rig::{Peer, Rig, acknowledgement, properties, publish, qos, text};
use crate::broker::Config;
use crate::packet::{Connect, Packet, Property, PropertyIdentifier, ProtocolVersion, Qos, ReasonCode};
use std::time::Duration;

fn member(rig: &mut Rig, name: &str, property: Property<'_>, level: Qos) -> Peer {
    let (peer, _) = rig.connect_as(Connect {
        version: ProtocolVersion::V5,
        client_identifier: text(name),
        properties: properties(&[property]),
        ..Connect::default()
    });
    rig.subscribe(peer, "$share/g/t", qos(level));
    peer
}

fn expiry(seconds: u32) -> Property<'static> {
    Property::number(PropertyIdentifier::SessionExpiryInterval, seconds)
}

fn count(packets: &[Packet]) -> usize {
    packets.iter().filter(|packet| matches!(packet, Packet::Publish(_))).count()
}

#[test]
fn each_message_goes_to_one_member_in_turn() {
    let mut rig = Rig::new(Config::default());
    let members = ["a", "b", "c"].map(|name| member(&mut rig, name, expiry(0), Qos::AtMostOnce));
    let writer = rig.connect(ProtocolVersion::V311, "w");
    for _ in 0..6 {
        rig.send(writer, &Packet::Publish(publish(Qos::AtMostOnce, 0, "t", "x")));
    }
    assert_eq!(members.map(|peer| count(&rig.packets(peer))), [2, 2, 2]);
}

#[test]
fn a_member_whose_packets_must_be_small_is_passed_over() {
    let mut rig = Rig::new(Config::default());
    let small = Property::number(PropertyIdentifier::MaximumPacketSize, 30);
    let small = member(&mut rig, "small", small, Qos::AtLeastOnce);
    let large = member(&mut rig, "large", expiry(0), Qos::AtLeastOnce);
    let writer = rig.connect(ProtocolVersion::V311, "w");
    for _ in 0..3 {
        let message = publish(Qos::AtLeastOnce, 1, "t", &"x".repeat(40));
        rig.send(writer, &Packet::Publish(message));
    }
    assert_eq!([small, large].map(|peer| count(&rig.packets(peer))), [0, 3]);
}

#[test]
fn what_a_session_left_unacknowledged_goes_on_when_it_ends_but_not_qos_2() {
    let mut rig = Rig::new(Config::default());
    let first = member(&mut rig, "first", expiry(10), Qos::ExactlyOnce);
    let writer = rig.connect(ProtocolVersion::V311, "w");
    for (number, level) in [(1, Qos::AtLeastOnce), (2, Qos::ExactlyOnce), (3, Qos::AtLeastOnce)] {
        rig.send(writer, &Packet::Publish(publish(level, number, "t", &number.to_string())));
    }
    assert_eq!(count(&rig.packets(first)), 3);
    rig.send(first, &Packet::Puback(acknowledgement(1, ReasonCode::SUCCESS)));
    let second = member(&mut rig, "second", expiry(0), Qos::ExactlyOnce);
    rig.broker.handle_closed(rig.now, first.id);
    assert_eq!(count(&rig.packets(second)), 0, "the session may come back");
    rig.pass(Duration::from_secs(10));
    let expected = publish(Qos::AtLeastOnce, 1, "t", "3");
    assert_eq!(rig.packets(second), [Packet::Publish(expected)]);
}
