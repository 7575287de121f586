//! What a store is told is enough to make the broker anew, and what it promises waits for it.

use super::rig::{Rig, acknowledgement, properties, publish, qos, text};
use crate::broker::{Broker, Change, Config, Event, EventMask};
use crate::packet::{
    Connect, Packet, Property, PropertyIdentifier, ProtocolVersion, Publish, Qos, ReasonCode,
};

fn recording(durable: bool) -> Config {
    let events = EventMask { changes: true, ..EventMask::NONE };
    Config { events, durable, ..Config::default() }
}

fn durable_client(name: &str) -> Connect {
    Connect {
        version: ProtocolVersion::V5,
        client_identifier: text(name),
        clean_start: false,
        properties: properties(&[Property::number(PropertyIdentifier::SessionExpiryInterval, 3600)]),
        ..Connect::default()
    }
}

fn changes(broker: &mut Broker) -> Vec<(u64, Change)> {
    std::iter::from_fn(|| broker.poll_event())
        .filter_map(|event| match event {
            Event::Change { sequence, change } => Some((sequence, change)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_restart_from_the_log_loses_nothing_that_was_acknowledged() {
    let mut rig = Rig::new(recording(false));
    let (peer, _) = rig.connect_as(durable_client("d"));
    rig.subscribe(peer, "t/#", qos(Qos::ExactlyOnce));
    for (number, level) in [(1, Qos::AtLeastOnce), (2, Qos::ExactlyOnce), (3, Qos::AtLeastOnce)] {
        let mut message = publish(level, number, "t/x", &number.to_string());
        message.retain = number == 3;
        rig.send(peer, &Packet::Publish(message));
    }
    rig.packets(peer);
    rig.send(peer, &Packet::Puback(acknowledgement(1, ReasonCode::SUCCESS)));
    rig.send(peer, &Packet::Pubrec(acknowledgement(2, ReasonCode::SUCCESS)));
    rig.packets(peer);

    let log: Vec<Change> = changes(&mut rig.broker).into_iter().map(|(_, change)| change).collect();
    let mut snapshot = Vec::new();
    rig.broker.snapshot(|change| snapshot.push(change));
    assert!(snapshot.len() < log.len(), "{snapshot:?}");
    for told in [log, snapshot] {
        let mut after = Rig::new(recording(false));
        for change in told {
            after.broker.restore(after.now, change);
        }
        goes_on_where_it_ended(after);
    }
}

fn goes_on_where_it_ended(mut after: Rig) {
    let other = after.connect(ProtocolVersion::V311, "p");
    after.send(other, &Packet::Publish(publish(Qos::AtLeastOnce, 9, "t/x", "9")));
    let peer = after.open(ProtocolVersion::V5);
    after.send(peer, &Packet::Connect(Box::new(durable_client("d"))));
    let packets = after.packets(peer);
    assert!(matches!(&packets[0], Packet::Connack(connack) if connack.session_present));
    let third = Publish { dup: true, ..publish(Qos::AtLeastOnce, 3, "t/x", "3") };
    let pubrel = Packet::Pubrel(acknowledgement(2, ReasonCode::SUCCESS));
    let ninth = publish(Qos::AtLeastOnce, 4, "t/x", "9");
    assert_eq!(packets[1..], [pubrel, Packet::Publish(third), Packet::Publish(ninth)]);
    // The client's own QoS 2 publish is still open: a repeated one is not delivered again.
    let again = Publish { dup: true, ..publish(Qos::ExactlyOnce, 2, "t/x", "2") };
    after.send(peer, &Packet::Publish(again));
    assert_eq!(after.packets(peer), [Packet::Pubrec(acknowledgement(2, ReasonCode::SUCCESS))]);
    assert_eq!(after.broker.statistics().retained_messages, 1);
}

#[test]
fn a_session_that_ends_with_its_connection_does_not_come_back() {
    let mut rig = Rig::new(recording(false));
    rig.connect_as(durable_client("d"));
    let brief = Connect { properties: crate::packet::Properties::EMPTY, ..durable_client("d") };
    rig.connect_as(brief);
    let mut after = Rig::new(Config::default());
    for (_, change) in changes(&mut rig.broker) {
        after.broker.restore(after.now, change);
    }
    assert_eq!(after.broker.statistics().sessions, 0);
}

#[test]
fn answers_wait_until_what_they_promise_is_written() {
    let mut rig = Rig::new(recording(true));
    let peer = rig.open(ProtocolVersion::V5);
    rig.send(peer, &Packet::Connect(Box::new(durable_client("d"))));
    assert_eq!(rig.packets(peer), [], "CONNACK tells of a session that is not written yet");
    let written = changes(&mut rig.broker).last().map(|(sequence, _)| *sequence).unwrap();
    rig.broker.handle_committed(rig.now, written);
    assert_eq!(rig.broker.poll_ready(), Some(peer.id));
    assert!(matches!(rig.packets(peer)[..], [Packet::Connack(_)]));

    rig.send(peer, &super::rig::subscribe(1, "t", qos(Qos::AtLeastOnce)));
    assert_eq!(rig.packets(peer), []);
    let subscribed = changes(&mut rig.broker).last().map(|(sequence, _)| *sequence).unwrap();
    rig.send(peer, &Packet::Publish(publish(Qos::AtLeastOnce, 2, "t", "x")));
    assert_eq!(rig.packets(peer), []);
    // A later change does not keep back what an earlier commit sets free.
    rig.broker.handle_committed(rig.now, subscribed);
    assert!(matches!(rig.packets(peer)[..], [Packet::Suback(_)]));
    let published = changes(&mut rig.broker).last().map(|(sequence, _)| *sequence).unwrap();
    rig.broker.handle_committed(rig.now, published);
    assert!(matches!(rig.packets(peer)[..], [Packet::Publish(_), Packet::Puback(_)]));
    // What changes nothing goes out at once.
    rig.send(peer, &Packet::Pingreq);
    assert_eq!(rig.packets(peer), [Packet::Pingresp]);
}
