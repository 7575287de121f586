//! Mount points: clients of one listener live below a topic that they do not see.

use super::rig::{Peer, Rig, publish, qos, text};
use crate::broker::{Config, ConnectionInfo, ListenerConfig};
use crate::packet::{Connect, Packet, ProtocolVersion, Publish, Qos, Will};
use bytes::Bytes;

fn rig() -> Rig {
    let mounted = ListenerConfig { mount_point: Some(text("below/")), ..ListenerConfig::default() };
    Rig::new(Config { listeners: vec![ListenerConfig::default(), mounted], ..Config::default() })
}

fn connect_below(rig: &mut Rig, connect: Connect) -> Peer {
    let info = ConnectionInfo { listener: 1, ..ConnectionInfo::default() };
    let peer = Peer { id: rig.broker.open(rig.now, info), version: connect.version };
    rig.send(peer, &Packet::Connect(Box::new(connect)));
    rig.packets(peer);
    peer
}

fn topics(packets: &[Packet]) -> Vec<&str> {
    let topic = |packet| match packet {
        &Packet::Publish(Publish { ref topic, .. }) => Some(&**topic),
        _ => None,
    };
    packets.iter().filter_map(topic).collect()
}

#[test]
fn topics_gain_and_lose_the_mount_point_at_the_listener() {
    for level in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        let mut rig = rig();
        let outside = rig.connect(ProtocolVersion::V5, "outside");
        rig.subscribe(outside, "#", qos(level));
        let client_identifier = text("inside");
        let inside = connect_below(&mut rig, Connect { client_identifier, ..Connect::default() });
        rig.subscribe(inside, "a/#", qos(level));
        rig.subscribe(inside, "$share/g/shared", qos(level));
        for topic in ["below/a/1", "a/2", "below/shared"] {
            rig.send(outside, &Packet::Publish(publish(level, 1, topic, "x")));
        }
        rig.send(inside, &Packet::Publish(publish(level, 1, "a/3", "x")));
        assert_eq!(topics(&rig.packets(inside)), ["a/1", "shared", "a/3"]);
        assert_eq!(topics(&rig.packets(outside)), ["below/a/1", "a/2", "below/shared", "below/a/3"]);
    }
}

#[test]
fn retained_messages_and_wills_are_mounted_too() {
    let mut rig = rig();
    let outside = rig.connect(ProtocolVersion::V311, "outside");
    rig.subscribe(outside, "#", qos(Qos::AtMostOnce));
    let will = Will {
        topic: text("will"),
        payload: Bytes::from_static(b"gone"),
        qos: Qos::AtMostOnce,
        retain: true,
        properties: crate::packet::Properties::EMPTY,
    };
    let client_identifier = text("inside");
    let first = Connect { client_identifier, will: Some(will), ..Connect::default() };
    let inside = connect_below(&mut rig, first);
    rig.broker.handle_closed(rig.now, inside.id);
    assert_eq!(topics(&rig.packets(outside)), ["below/will"]);
    let client_identifier = text("later");
    let later = connect_below(&mut rig, Connect { client_identifier, ..Connect::default() });
    rig.send(later, &super::rig::subscribe(1, "+", qos(Qos::AtMostOnce)));
    assert_eq!(topics(&rig.packets(later)), ["will"]);
}
