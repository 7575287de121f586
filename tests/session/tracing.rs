//! Every packet as an event, in true order.

use super::support::*;
use culex::packet::{Connack, Disconnect, Packet, PacketType, Qos, ReasonCode};
use culex::session::{Config, Event, Session, Traced};
use culex::time::Time;

fn acknowledged(packet_type: PacketType, number: u16, is_unknown: bool) -> Traced {
    Traced::Acknowledgement {
        packet_type,
        packet_identifier: identifier(number),
        reason: ReasonCode::SUCCESS,
        is_unknown,
    }
}

fn traced(qos: u8, number: u16, payload_length: usize) -> Traced {
    Traced::Publish {
        dup: false,
        qos: Qos::from_number(qos).unwrap(),
        retain: false,
        number,
        topic: Some(text("t")),
        payload_length,
    }
}

#[test]
fn packets_are_traced_both_ways_in_order() {
    let mut session = Session::new(Config { trace: true, ..v5() });
    session.handle_open(Time::ZERO);
    session
        .handle_bytes(Time::ZERO, encode(v5().connect.version, [Packet::Connack(Connack::default())]))
        .unwrap();
    session.publish(Time::ZERO, message(0, "ab")).unwrap();
    session.publish(Time::ZERO, message(1, "abc")).unwrap();
    let answers = [puback(2), puback(9), publish(1, 4, "x")];
    session.handle_bytes(Time::ZERO, encode(v5().connect.version, answers)).unwrap();
    session.disconnect(Time::ZERO, Disconnect::default());
    let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
    let facts: Vec<_> =
        events.iter().filter(|event| matches!(event, Event::Sent(_) | Event::Received(_))).cloned().collect();
    assert_eq!(
        facts,
        [
            Event::Sent(Traced::Connect),
            Event::Received(Traced::Connack { reason: ReasonCode::SUCCESS }),
            Event::Sent(traced(0, 1, 2)),
            Event::Sent(traced(1, 2, 3)),
            Event::Received(acknowledged(PacketType::Puback, 2, false)),
            Event::Received(acknowledged(PacketType::Puback, 9, true)),
            Event::Received(traced(1, 4, 1)),
            Event::Sent(acknowledged(PacketType::Puback, 4, false)),
            Event::Sent(Traced::Disconnect { reason: ReasonCode::SUCCESS }),
        ]
    );
    let message = events.iter().position(|event| matches!(event, Event::Message(_))).unwrap();
    assert!(matches!(events[message - 1], Event::Sent(Traced::Acknowledgement { .. })));
}

#[test]
fn without_the_flag_nothing_is_traced() {
    let mut leash = Leash::connected(v5());
    leash.publish(message(1, "abc")).unwrap();
    leash.receive([puback(1), publish(2, 4, "x")]).unwrap();
    let is_traced = |event: &Event| matches!(event, Event::Sent(_) | Event::Received(_));
    assert!(!leash.events().iter().any(is_traced));
}
