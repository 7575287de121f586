//! From one connection to the next.

use super::support::*;
use culex::packet::{Connack, Packet, PacketType, PropertyIdentifier, ProtocolVersion, ReasonCode};
use culex::session::{Config, SessionError};

/// Three messages in flight: QoS 1, QoS 2 without PUBREC, QoS 2 with PUBREC; one waits.
fn interrupted(config: Config) -> Leash {
    let mut leash = Leash::connected(Config { inflight_max: 3, ..config });
    for (qos, payload) in [(1, "a"), (2, "b"), (2, "c"), (1, "d")] {
        leash.publish(message(qos, payload)).unwrap();
    }
    leash.receive([pubrec(3)]).unwrap();
    leash.sent();
    leash.reopen();
    assert_eq!(leash.sent(), [], "nothing before CONNACK");
    leash
}

#[test]
fn a_kept_session_repeats_in_order_with_dup() {
    let mut leash = interrupted(durable());
    leash.accept(session_present());
    assert_eq!(leash.sent(), [dup(publish(1, 1, "a")), dup(publish(2, 2, "b")), pubrel(3)]);
    leash.receive([puback(1), pubcomp(3), pubrec(2)]).unwrap();
    assert_eq!(leash.sent(), [pubrel(2), publish(1, 4, "d")]);
    leash.receive([pubcomp(2), puback(4)]).unwrap();
    let done: Vec<_> = acknowledged(&leash.events()).into_iter().map(|(number, _)| number).collect();
    assert_eq!(done, [1, 3, 2, 4]);
}

#[test]
fn a_lost_session_starts_afresh_and_does_not_repeat_what_the_server_took() {
    for config in [durable(), v5(), config(ProtocolVersion::V311)] {
        let mut leash = interrupted(config);
        leash.accept(Connack::default());
        assert_eq!(acknowledged(&leash.events()), [(3, ReasonCode::SUCCESS)]);
        assert_eq!(leash.sent(), [publish(1, 1, "a"), publish(2, 2, "b"), publish(1, 4, "d")]);
    }
}

#[test]
fn version_3_1_has_no_session_present_and_trusts_its_own_request() {
    let mut config = config(ProtocolVersion::V31);
    config.connect.clean_start = false;
    let mut leash = interrupted(config.clone());
    leash.accept(Connack::default());
    assert_eq!(leash.sent(), [dup(publish(1, 1, "a")), dup(publish(2, 2, "b")), pubrel(3)]);
    config.connect.clean_start = true;
    let mut leash = interrupted(config);
    leash.accept(Connack::default());
    assert_eq!(leash.sent(), [publish(1, 1, "a"), publish(2, 2, "b"), publish(1, 4, "d")]);
}

#[test]
fn repetitions_respect_a_smaller_window_of_the_next_server() {
    let mut leash = Leash::connected(Config { inflight_max: 3, ..durable() });
    for payload in ["a", "b", "c"] {
        leash.publish(message(1, payload)).unwrap();
    }
    leash.sent();
    leash.reopen();
    let narrow = connack(&[(PropertyIdentifier::ReceiveMaximum, 1)]);
    leash.accept(Connack { session_present: true, ..narrow });
    for (number, payload) in [(1, "a"), (2, "b"), (3, "c")] {
        assert_eq!(leash.sent(), [dup(publish(1, number, payload))]);
        leash.receive([puback(number)]).unwrap();
    }
}

#[test]
fn received_qos_2_messages_survive_with_the_session_only() {
    for (connack, expected) in [(session_present(), vec!["two"]), (Connack::default(), vec![])] {
        let mut leash = Leash::connected(durable());
        leash.receive([publish(2, 6, "two")]).unwrap();
        leash.reopen();
        leash.accept(connack);
        leash.receive([pubrel(6)]).unwrap();
        assert_eq!(delivered(&leash.events()), expected);
        let [Packet::Pubcomp(pubcomp)] = &leash.sent()[..] else { panic!("no PUBCOMP") };
        assert_eq!(pubcomp.reason == ReasonCode::SUCCESS, !expected.is_empty());
    }
}

#[test]
fn a_message_repeated_over_a_kept_session_is_delivered_once() {
    let mut leash = Leash::connected(durable());
    leash.receive([publish(2, 6, "two")]).unwrap();
    leash.reopen();
    leash.accept(session_present());
    leash.receive([dup(publish(2, 6, "two")), pubrel(6)]).unwrap();
    assert_eq!(delivered(&leash.events()), ["two"]);
}

#[test]
fn a_completed_message_whose_pubcomp_was_lost_counts_as_delivered() {
    let mut leash = Leash::connected(durable());
    leash.publish(message(2, "a")).unwrap();
    leash.receive([pubrec(1)]).unwrap();
    leash.reopen();
    leash.accept(session_present());
    let not_found = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
    leash.receive([acknowledgement(PacketType::Pubcomp, 1, not_found)]).unwrap();
    assert_eq!(acknowledged(&leash.events()), [(1, ReasonCode::SUCCESS)]);
}

#[test]
fn messages_taken_while_offline_are_sent_in_order_later() {
    let mut leash = Leash::connected(v5());
    leash.session.handle_closed(leash.now);
    for (qos, payload) in [(1, "a"), (0, "b"), (2, "c")] {
        leash.publish(message(qos, payload)).unwrap();
    }
    leash.reopen();
    leash.accept(Connack::default());
    assert_eq!(leash.sent(), [publish(1, 1, "a"), publish(0, 0, "b"), publish(2, 3, "c")]);
}

#[test]
fn qos_0_that_nobody_took_is_not_lost_with_the_connection() {
    let mut leash = Leash::connected(v5());
    for payload in ["a", "b"] {
        leash.publish(message(0, payload)).unwrap();
    }
    leash.publish(message(1, "c")).unwrap();
    leash.reopen();
    leash.accept(Connack::default());
    assert_eq!(leash.sent(), [publish(1, 3, "c"), publish(0, 0, "a"), publish(0, 0, "b")]);
    assert_eq!(acknowledged(&leash.events()), [(1, ReasonCode::SUCCESS), (2, ReasonCode::SUCCESS)]);
}

#[test]
fn qos_0_is_dropped_while_offline_on_request() {
    let mut leash = Leash::connected(Config { drop_qos0_while_offline: true, ..v5() });
    leash.publish(message(0, "a")).unwrap();
    leash.session.handle_closed(leash.now);
    assert_eq!(leash.publish(message(0, "b")), Err(SessionError::NotConnected));
    leash.publish(message(1, "c")).unwrap();
    leash.reopen();
    leash.accept(Connack::default());
    assert_eq!(leash.sent(), [publish(1, 2, "c")]);
}

#[test]
fn half_a_packet_of_the_old_connection_is_forgotten() {
    let mut leash = Leash::connected(v5());
    leash.receive_bytes(vec![0x30, 10, 0]).unwrap();
    leash.reopen();
    leash.accept(Connack::default());
    leash.receive([publish(0, 0, "whole")]).unwrap();
    assert_eq!(delivered(&leash.events()), ["whole"]);
}
