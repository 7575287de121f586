//! Sessions that outlive connections: resumption, expiry, takeover, wills (sections 3.1.2, 3.1.3, 4.1, 4.4).

use super::rig::{Peer, Rig, acknowledgement, properties, publish, qos, text};
use crate::broker::Config;
use crate::packet::{
    Connack, Connect, Disconnect, Packet, Property, PropertyIdentifier, ProtocolVersion, Publish, Qos,
    ReasonCode, Will,
};
use bytes::Bytes;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A client of MQTT 5 with a Session Expiry Interval in seconds.
fn durable(name: &str, clean_start: bool, seconds: u32) -> Connect {
    Connect {
        version: ProtocolVersion::V5,
        client_identifier: text(name),
        clean_start,
        properties: properties(&[Property::number(PropertyIdentifier::SessionExpiryInterval, seconds)]),
        ..Connect::default()
    }
}

fn will(delay: u32) -> Option<Will> {
    let delay = Property::number(PropertyIdentifier::WillDelayInterval, delay);
    Some(Will {
        topic: text("will"),
        payload: Bytes::from_static(b"gone"),
        qos: Qos::AtMostOnce,
        retain: false,
        properties: properties(&[delay]),
    })
}

fn open_again(rig: &mut Rig, connect: Connect) -> (Peer, Vec<Packet>) {
    let peer = rig.open(connect.version);
    rig.send(peer, &Packet::Connect(Box::new(connect)));
    let packets = rig.packets(peer);
    (peer, packets)
}

#[test]
fn unacknowledged_messages_come_again_with_dup_and_in_order() {
    let mut rig = Rig::new(Config::default());
    let (peer, connack) = rig.connect_as(durable("d", true, 60));
    assert!(!connack.session_present);
    rig.subscribe(peer, "t", qos(Qos::ExactlyOnce));
    let publisher = rig.connect(ProtocolVersion::V5, "p");
    for (number, level) in [(1, Qos::AtLeastOnce), (2, Qos::ExactlyOnce), (3, Qos::ExactlyOnce)] {
        rig.send(publisher, &Packet::Publish(publish(level, number, "t", &number.to_string())));
    }
    assert_eq!(rig.packets(peer).len(), 3);
    rig.send(peer, &Packet::Pubrec(acknowledgement(2, ReasonCode::SUCCESS)));
    rig.broker.handle_closed(rig.now, peer.id);
    rig.send(publisher, &Packet::Publish(publish(Qos::AtLeastOnce, 4, "t", "4")));
    rig.send(publisher, &Packet::Publish(publish(Qos::AtMostOnce, 0, "t", "lost")));

    let (_, packets) = open_again(&mut rig, durable("d", false, 60));
    let again = |level, number: u16, dup| {
        Packet::Publish(Publish { dup, ..publish(level, number, "t", &number.to_string()) })
    };
    let Packet::Connack(Connack { session_present: true, .. }) = packets[0] else {
        panic!("{packets:?}");
    };
    let pubrel = Packet::Pubrel(acknowledgement(2, ReasonCode::SUCCESS));
    let expected = [
        again(Qos::AtLeastOnce, 1, true),
        pubrel,
        again(Qos::ExactlyOnce, 3, true),
        again(Qos::AtLeastOnce, 4, false),
    ];
    assert_eq!(packets[1..], expected);
}

#[test]
fn a_session_ends_at_its_expiry_and_not_before() {
    let mut rig = Rig::new(Config::default());
    for (silence, is_kept) in [(10 * SECOND - Duration::from_nanos(1), true), (10 * SECOND, false)] {
        let (peer, _) = rig.connect_as(durable("d", true, 10));
        rig.broker.handle_closed(rig.now, peer.id);
        rig.pass(silence);
        let (_, connack) = rig.connect_as(durable("d", false, 10));
        assert_eq!(connack.session_present, is_kept, "after {silence:?}");
    }
}

#[test]
fn disconnect_may_change_the_expiry_but_not_from_zero() {
    let mut rig = Rig::new(Config::default());
    let seconds = |seconds| Disconnect {
        reason: ReasonCode::SUCCESS,
        properties: properties(&[Property::number(PropertyIdentifier::SessionExpiryInterval, seconds)]),
    };
    let (peer, _) = rig.connect_as(durable("d", true, 10));
    rig.send(peer, &Packet::Disconnect(seconds(0)));
    assert_eq!(rig.take(peer), (vec![], true));
    assert_eq!(rig.broker.statistics().sessions, 0);
    let (peer, _) = rig.connect_as(durable("d", true, 0));
    rig.send(peer, &Packet::Disconnect(seconds(5)));
    let refused = Disconnect { reason: ReasonCode::PROTOCOL_ERROR, ..Disconnect::default() };
    assert_eq!(rig.take(peer), (vec![Packet::Disconnect(refused)], true));
}

#[test]
fn a_will_waits_out_its_delay_unless_the_session_ends_or_goes_on() {
    let mut rig = Rig::new(Config::default());
    let watcher = rig.connect(ProtocolVersion::V5, "w");
    rig.subscribe(watcher, "will", qos(Qos::AtMostOnce));
    rig.send(watcher, &Packet::Pingreq);
    let gone = Packet::Publish(publish(Qos::AtMostOnce, 0, "will", "gone"));
    rig.packets(watcher);

    let mut with_will = |expiry: u32, passes: Duration, comes_back: bool| {
        let (peer, _) = rig.connect_as(Connect { will: will(20), ..durable("d", true, expiry) });
        rig.broker.handle_closed(rig.now, peer.id);
        let at_once = rig.packets(watcher).len();
        rig.send(watcher, &Packet::Pingreq);
        rig.pass(passes);
        if comes_back {
            rig.connect_as(durable("d", false, expiry));
        }
        rig.pass(20 * SECOND);
        let later = rig.packets(watcher).iter().filter(|packet| **packet == gone).count();
        (at_once, later)
    };
    assert_eq!(with_will(0, SECOND, false), (1, 0), "the session ends with the connection");
    assert_eq!(with_will(10, SECOND, false), (0, 1), "the session ends before the delay");
    assert_eq!(with_will(100, SECOND, false), (0, 1), "the delay passes");
    assert_eq!(with_will(100, SECOND, true), (0, 0), "the client is back in time");
}

#[test]
fn the_older_connection_is_told_and_its_will_published() {
    let mut rig = Rig::new(Config::default());
    let watcher = rig.connect(ProtocolVersion::V311, "w");
    rig.subscribe(watcher, "will", qos(Qos::AtMostOnce));
    for (delay, clean_start, wills) in [(0, false, 1), (5, false, 0), (5, true, 1)] {
        let (older, _) = rig.connect_as(Connect { will: will(delay), ..durable("d", true, 60) });
        rig.connect_as(durable("d", clean_start, 60));
        let told = Disconnect { reason: ReasonCode::SESSION_TAKEN_OVER, ..Disconnect::default() };
        assert_eq!(rig.take(older), (vec![Packet::Disconnect(told)], true));
        assert_eq!(rig.packets(watcher).len(), wills, "delay {delay}, clean start {clean_start}");
    }
}
