//! QoS 0, 1 and 2 from one client to another, and to itself (section 4.3).

use super::rig::{Rig, acknowledgement, publish, qos};
use crate::broker::Config;
use crate::packet::{Packet, ProtocolVersion, Qos, ReasonCode};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5];

#[test]
fn a_message_arrives_with_the_lower_of_both_qos_and_without_retain() {
    for version in VERSIONS {
        for published in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            for granted in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
                let mut rig = Rig::new(Config::default());
                let subscriber = rig.connect(version, "s");
                let publisher = rig.connect(ProtocolVersion::V311, "p");
                rig.subscribe(subscriber, "a/+", qos(granted));
                let mut message = publish(published, 7, "a/b", "hi");
                message.retain = true;
                rig.send(publisher, &Packet::Publish(message));
                let expected = publish(published.min(granted), 1, "a/b", "hi");
                assert_eq!(rig.packets(subscriber), [Packet::Publish(expected)]);
            }
        }
    }
}

#[test]
fn a_client_sees_its_own_message_before_puback_but_after_pubrec() {
    let mut rig = Rig::new(Config::default());
    let peer = rig.connect(ProtocolVersion::V5, "self");
    rig.subscribe(peer, "#", qos(Qos::ExactlyOnce));
    rig.send(peer, &Packet::Publish(publish(Qos::AtLeastOnce, 9, "a", "1")));
    let success = |number| acknowledgement(number, ReasonCode::SUCCESS);
    let one = Packet::Publish(publish(Qos::AtLeastOnce, 1, "a", "1"));
    assert_eq!(rig.packets(peer), [one, Packet::Puback(success(9))]);
    rig.send(peer, &Packet::Publish(publish(Qos::ExactlyOnce, 10, "a", "2")));
    let two = Packet::Publish(publish(Qos::ExactlyOnce, 2, "a", "2"));
    assert_eq!(rig.packets(peer), [Packet::Pubrec(success(10)), two]);
    rig.send(peer, &Packet::Pubrel(success(10)));
    rig.send(peer, &Packet::Pubrec(success(2)));
    assert_eq!(rig.packets(peer), [Packet::Pubcomp(success(10)), Packet::Pubrel(success(2))]);
    rig.send(peer, &Packet::Pubcomp(success(2)));
    assert_eq!(rig.packets(peer), []);
}

#[test]
fn nobody_subscribes_is_told_to_mqtt_5_alone() {
    let mut rig = Rig::new(Config::default());
    for (version, expected) in [
        (ProtocolVersion::V311, ReasonCode::SUCCESS),
        (ProtocolVersion::V5, ReasonCode::NO_MATCHING_SUBSCRIBERS),
    ] {
        let peer = rig.connect(version, "p");
        rig.send(peer, &Packet::Publish(publish(Qos::AtLeastOnce, 1, "a", "1")));
        rig.send(peer, &Packet::Publish(publish(Qos::ExactlyOnce, 2, "a", "1")));
        assert_eq!(
            rig.packets(peer),
            [Packet::Puback(acknowledgement(1, expected)), Packet::Pubrec(acknowledgement(2, expected))]
        );
    }
}

#[test]
fn a_repeated_qos_2_publish_is_delivered_once() {
    let mut rig = Rig::new(Config::default());
    let peer = rig.connect(ProtocolVersion::V311, "self");
    rig.subscribe(peer, "a", qos(Qos::AtMostOnce));
    let message = publish(Qos::ExactlyOnce, 3, "a", "x");
    rig.send(peer, &Packet::Publish(message.clone()));
    assert_eq!(rig.packets(peer).len(), 2);
    let repeated = crate::packet::Publish { dup: true, ..message };
    rig.send(peer, &Packet::Publish(repeated));
    assert_eq!(rig.packets(peer), [Packet::Pubrec(acknowledgement(3, ReasonCode::SUCCESS))]);
}
