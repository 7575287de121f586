//! Messages to the server, within one connection.

use super::support::*;
use bytes::Bytes;
use culex::packet::{
    Disconnect, Packet, PacketError, PacketType, PropertyIdentifier, ProtocolVersion, Publish, PublishRef,
    Qos, ReasonCode, Transmit,
};
use culex::session::{Config, Event, SessionError, TRANSMIT_BYTES};

#[test]
fn qos_0_is_done_when_its_bytes_are_handed_out() {
    for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
        let mut leash = Leash::connected(config(version));
        let id = leash.publish(message(0, "hi")).unwrap();
        assert_eq!(leash.events(), []);
        assert_eq!(leash.sent(), [publish(0, 0, "hi")]);
        assert_eq!(acknowledged(&leash.events()), [(id.get(), ReasonCode::SUCCESS)]);
    }
}

#[test]
fn qos_1_is_done_with_puback_and_qos_2_with_pubcomp() {
    let mut leash = Leash::connected(v5());
    leash.publish(message(1, "one")).unwrap();
    leash.publish(message(2, "two")).unwrap();
    assert_eq!(leash.sent(), [publish(1, 1, "one"), publish(2, 2, "two")]);
    leash.receive([pubrec(2), puback(1)]).unwrap();
    assert_eq!(acknowledged(&leash.events()), [(1, ReasonCode::SUCCESS)]);
    assert_eq!(leash.sent(), [pubrel(2)]);
    leash.receive([pubcomp(2)]).unwrap();
    assert_eq!(acknowledged(&leash.events()), [(2, ReasonCode::SUCCESS)]);
    assert_eq!(leash.session.inflight(), 0);
}

#[test]
fn borrowed_and_owned_messages_make_the_same_bytes() {
    for qos in 0..=2 {
        let mut owned = Leash::connected(v5());
        let mut borrowed = Leash::connected(v5());
        let large = "x".repeat(10_000);
        for payload in ["", "small", &large] {
            let one = owned.publish(message(qos, payload)).unwrap();
            let two = borrowed.session.publish_ref(borrowed.now, &message(qos, payload).as_ref()).unwrap();
            assert_eq!(one, two);
        }
        assert_eq!(owned.sent_bytes(), borrowed.sent_bytes());
    }
}

#[test]
fn numbers_count_every_message_and_request() {
    let mut leash = Leash::connected(v5());
    let filters = vec![(text("f"), Default::default())];
    assert_eq!(leash.session.subscribe(leash.now, Default::default(), filters).unwrap().get(), 1);
    assert_eq!(leash.publish(message(0, "")).unwrap().get(), 2);
    assert_eq!(leash.publish(message(1, "")).unwrap().get(), 3);
    let filters = vec![text("f")];
    assert_eq!(leash.session.unsubscribe(leash.now, Default::default(), filters).unwrap().get(), 4);
    assert_eq!(leash.publish(message(2, "")).unwrap().get(), 5);
}

#[test]
fn the_number_of_a_message_in_flight_is_not_given_again() {
    let mut leash = Leash::connected(Config { acknowledge_qos0: false, ..v5() });
    assert_eq!(leash.publish(message(1, "stuck")).unwrap().get(), 1);
    for expected in (2..=u16::MAX).chain(2..=u16::MAX) {
        assert_eq!(leash.publish(message(0, "")).unwrap().get(), expected);
        leash.session.poll_transmit(&mut Transmit::new());
    }
    leash.receive([puback(1)]).unwrap();
    assert_eq!(leash.publish(message(1, "free")).unwrap().get(), 1);
}

#[test]
fn the_window_opens_with_each_acknowledgement() {
    let mut leash = Leash::connected(Config { inflight_max: 2, ..v5() });
    for payload in ["a", "b", "c", "d"] {
        leash.publish(message(1, payload)).unwrap();
    }
    assert_eq!(leash.sent(), [publish(1, 1, "a"), publish(1, 2, "b")]);
    assert_eq!((leash.session.inflight(), leash.session.waiting()), (2, 2));
    leash.receive([puback(1)]).unwrap();
    assert_eq!(leash.sent(), [publish(1, 3, "c")]);
    leash.receive([puback(2), puback(3)]).unwrap();
    assert_eq!(leash.sent(), [publish(1, 4, "d")]);
}

#[test]
fn qos_2_occupies_the_window_until_pubcomp_or_a_failed_pubrec() {
    let mut leash = Leash::connected(Config { inflight_max: 1, ..v5() });
    for payload in ["a", "b", "c"] {
        leash.publish(message(2, payload)).unwrap();
    }
    leash.sent();
    leash.receive([pubrec(1)]).unwrap();
    assert_eq!(leash.sent(), [pubrel(1)]);
    leash.receive([pubcomp(1)]).unwrap();
    assert_eq!(leash.sent(), [publish(2, 2, "b")]);
    leash.events();
    leash.receive([acknowledgement(PacketType::Pubrec, 2, ReasonCode::QUOTA_EXCEEDED)]).unwrap();
    assert_eq!(acknowledged(&leash.events()), [(2, ReasonCode::QUOTA_EXCEEDED)]);
    assert_eq!(leash.sent(), [publish(2, 3, "c")], "no PUBREL after a failure");
}

#[test]
fn messages_leave_in_the_order_in_which_they_came() {
    let mut leash = Leash::connected(Config { inflight_max: 1, ..v5() });
    for (qos, payload) in [(1, "a"), (2, "b"), (0, "c"), (1, "d")] {
        leash.publish(message(qos, payload)).unwrap();
    }
    let mut sent = leash.sent();
    leash.receive([puback(1)]).unwrap();
    sent.extend(leash.sent());
    leash.receive([pubrec(2), pubcomp(2)]).unwrap();
    sent.extend(leash.sent());
    let expected =
        [publish(1, 1, "a"), publish(2, 2, "b"), publish(0, 0, "c"), pubrel(2), publish(1, 4, "d")];
    assert_eq!(sent, expected);
}

#[test]
fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    let mut leash = Leash::connected(Config { inflight_max: 1, queue_messages_max: 2, ..v5() });
    for payload in ["a", "b", "c"] {
        leash.publish(message(1, payload)).unwrap();
    }
    assert_eq!(leash.publish(message(1, "d")), Err(SessionError::QueueFull));
    assert_eq!(leash.publish(message(0, "d")), Err(SessionError::QueueFull));
    leash.receive([puback(1)]).unwrap();
    leash.publish(message(1, "d")).unwrap();
}

#[test]
fn the_queue_is_bounded_in_bytes_but_takes_one_message_of_any_size() {
    let mut leash = Leash::connected(Config { inflight_max: 1, queue_bytes_max: 8, ..v5() });
    leash.publish(message(1, "a")).unwrap();
    leash.publish(message(1, "far more than eight bytes")).unwrap();
    assert_eq!(leash.publish(message(1, "b")), Err(SessionError::QueueFull));
    leash.receive([puback(1)]).unwrap();
    leash.publish(message(1, "b")).unwrap();
}

#[test]
fn one_call_hands_out_64_kib_and_one_packet_at_most() {
    let mut leash = Leash::connected(Config { queue_messages_max: 10_000, ..v5() });
    for _ in 0..10_000 {
        leash.publish(message(0, "0123456789")).unwrap();
    }
    let mut calls = 0;
    loop {
        let mut transmit = Transmit::new();
        leash.session.poll_transmit(&mut transmit);
        if transmit.is_empty() {
            break;
        }
        calls += 1;
        assert!(transmit.len() < TRANSMIT_BYTES + 16);
    }
    assert_eq!(calls, 10_000 * 16 / TRANSMIT_BYTES + 1);
    assert_eq!(acknowledged(&leash.events()).len(), 10_000);
}

#[test]
fn a_pubrec_twice_is_answered_twice_and_counts_once() {
    let mut leash = Leash::connected(v5());
    leash.publish(message(2, "a")).unwrap();
    leash.sent();
    leash.receive([pubrec(1), pubrec(1)]).unwrap();
    assert_eq!(leash.sent(), [pubrel(1), pubrel(1)]);
    leash.receive([pubcomp(1), pubcomp(1)]).unwrap();
    assert_eq!(acknowledged(&leash.events()).len(), 1);
}

#[test]
fn acknowledgements_for_nothing_are_passed_over() {
    let mut leash = Leash::connected(v5());
    leash.receive([puback(7), pubcomp(8), pubrec(9)]).unwrap();
    let not_found = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
    assert_eq!(leash.sent(), [acknowledgement(PacketType::Pubrel, 9, not_found)]);
    assert_eq!(leash.events(), []);

    let mut leash = Leash::connected(config(ProtocolVersion::V311));
    leash.receive([pubrec(9)]).unwrap();
    assert_eq!(leash.sent(), [pubrel(9)]);
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_a_fault() {
    for (qos, answers) in [
        (1, vec![pubrec(1)]),
        (1, vec![pubcomp(1)]),
        (2, vec![puback(1)]),
        (2, vec![pubcomp(1)]),
        (2, vec![pubrec(1), puback(1)]),
    ] {
        let mut leash = Leash::connected(v5());
        leash.publish(message(qos, "a")).unwrap();
        leash.sent();
        assert_eq!(leash.receive(answers), Err(SessionError::AcknowledgementMismatch));
        let reason = ReasonCode::PROTOCOL_ERROR;
        let last = leash.sent().pop();
        assert_eq!(last, Some(Packet::Disconnect(Disconnect { reason, ..Disconnect::default() })));
    }
}

#[test]
fn code_and_properties_of_the_acknowledgement_are_reported() {
    let mut leash = Leash::connected(v5());
    let id = leash.publish(message(1, "a")).unwrap();
    let mut properties = culex::packet::Properties::EMPTY;
    properties.push(culex::packet::Property::user("why", "because")).unwrap();
    let Packet::Puback(mut puback) = acknowledgement(PacketType::Puback, 1, ReasonCode::NOT_AUTHORIZED)
    else {
        unreachable!()
    };
    puback.properties = properties.clone();
    leash.receive([Packet::Puback(puback)]).unwrap();
    let reason = ReasonCode::NOT_AUTHORIZED;
    let qos = Qos::AtLeastOnce;
    assert_eq!(leash.events(), [Event::Acknowledged { id, qos, reason, properties }]);
}

#[test]
fn malformed_messages_are_refused_before_they_are_queued() {
    let topic = |name: &str| Publish { topic: text(name), ..message(1, "") };
    let mut leash = Leash::connected(v5());
    let invalid = |error| Err(SessionError::Invalid(error));
    assert_eq!(leash.publish(topic("a/+")), invalid(PacketError::TopicName));
    assert_eq!(leash.publish(topic("")), invalid(PacketError::EmptyTopicName));
    let with = |entries: &[_]| Publish { properties: numbers(entries), ..message(0, "") };
    let subscription = with(&[(PropertyIdentifier::SubscriptionIdentifier, 1)]);
    assert_eq!(leash.publish(subscription), invalid(PacketError::PropertyFromWrongSide));
    let indicator = with(&[(PropertyIdentifier::PayloadFormatIndicator, 2)]);
    assert_eq!(leash.publish(indicator), invalid(PacketError::PropertyValue));
    let expiry = with(&[(PropertyIdentifier::MessageExpiryInterval, 2)]);
    leash.publish(expiry.clone()).unwrap();
    let mut old = Leash::connected(config(ProtocolVersion::V311));
    assert_eq!(old.publish(expiry), invalid(PacketError::PropertyNotAllowed));
    let owned = message(0, "");
    let borrowed = PublishRef { topic: "a\u{1}", ..owned.as_ref() };
    assert_eq!(leash.session.publish_ref(leash.now, &borrowed), invalid(PacketError::ForbiddenCharacter));
}

#[test]
fn a_large_payload_is_shared_and_not_copied() {
    let mut leash = Leash::connected(v5());
    let payload = Bytes::from(vec![b'x'; 1 << 20]);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        leash
            .publish(Publish { qos, topic: text("t"), payload: payload.clone(), ..Publish::default() })
            .unwrap();
        let mut transmit = Transmit::new();
        leash.session.poll_transmit(&mut transmit);
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let used = transmit.io_slices(&mut slices);
        assert_eq!(used, 2);
        assert_eq!(slices[1].as_ptr(), payload.as_ptr());
    }
}
