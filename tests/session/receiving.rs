//! Messages from the server, and answers to them.

use super::support::*;
use bytes::Bytes;
use culex::packet::{
    Disconnect, Packet, PacketError, PacketType, PropertyIdentifier, ProtocolVersion, ReasonCode,
};
use culex::session::{Config, Event, Offered, SessionError};

#[test]
fn each_quality_of_service_is_answered_as_the_standard_says() {
    for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
        let mut leash = Leash::connected(config(version));
        leash.receive([publish(0, 0, "zero"), publish(1, 5, "one"), publish(2, 6, "two")]).unwrap();
        assert_eq!(leash.sent(), [puback(5), pubrec(6)]);
        assert_eq!(delivered(&leash.events()), ["zero", "one"], "QoS 2 waits for PUBREL");
        leash.receive([pubrel(6)]).unwrap();
        assert_eq!(leash.sent(), [pubcomp(6)]);
        assert_eq!(delivered(&leash.events()), ["two"]);
    }
}

#[test]
fn a_repeated_qos_2_message_is_answered_and_not_delivered_again() {
    let mut leash = Leash::connected(v5());
    leash.receive([publish(2, 6, "two"), dup(publish(2, 6, "two")), pubrel(6)]).unwrap();
    assert_eq!(leash.sent(), [pubrec(6), pubrec(6), pubcomp(6)]);
    assert_eq!(delivered(&leash.events()), ["two"]);
    leash.receive([publish(2, 6, "next"), pubrel(6)]).unwrap();
    assert_eq!(delivered(&leash.events()), ["next"], "after PUBREL the identifier is free again");
}

#[test]
fn a_message_that_was_paused_at_is_acknowledged_alone() {
    let mut leash = Leash::connected(Config { pause_at_messages: true, ..v5() });
    leash.receive([publish(1, 5, "one"), publish(1, 6, "two"), publish(0, 0, "three")]).unwrap();
    assert_eq!(leash.sent(), [puback(5)]);
    assert_eq!(delivered(&leash.events()), ["one"]);
    assert_eq!(leash.session.handle_rest(leash.now), Ok(true));
    assert_eq!(leash.sent(), [puback(6)]);
    assert_eq!(delivered(&leash.events()), ["two"]);
    // Whoever leaves here has not taken the third.
    leash.session.disconnect(leash.now, Disconnect::default());
    leash.sent();
    assert_eq!(leash.session.handle_rest(leash.now), Ok(false));
    assert_eq!(leash.events(), []);
}

#[test]
fn a_block_that_arrives_during_a_pause_is_handled_behind_the_rest() {
    let mut leash = Leash::connected(Config { pause_at_messages: true, ..v5() });
    leash.receive([publish(0, 0, "one"), publish(0, 0, "two"), publish(0, 0, "three")]).unwrap();
    leash.receive([publish(0, 0, "four"), publish(0, 0, "five")]).unwrap();
    assert_eq!(delivered(&leash.events()), ["one", "two", "three", "four"]);
    assert_eq!(leash.session.handle_rest(leash.now), Ok(true));
    assert_eq!(delivered(&leash.events()), ["five"]);
}

#[test]
fn a_repeated_qos_1_message_is_delivered_again() {
    let mut leash = Leash::connected(v5());
    leash.receive([publish(1, 6, "one"), dup(publish(1, 6, "one"))]).unwrap();
    assert_eq!(delivered(&leash.events()), ["one", "one"]);
}

#[test]
fn an_unknown_pubrel_is_answered_with_the_code_that_the_version_has() {
    let mut leash = Leash::connected(v5());
    leash.receive([pubrel(9)]).unwrap();
    let not_found = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
    assert_eq!(leash.sent(), [acknowledgement(PacketType::Pubcomp, 9, not_found)]);
    let mut leash = Leash::connected(config(ProtocolVersion::V311));
    leash.receive([pubrel(9)]).unwrap();
    assert_eq!(leash.sent(), [pubcomp(9)]);
    assert_eq!(leash.events(), []);
}

#[test]
fn more_unreleased_messages_than_our_receive_maximum_are_a_fault() {
    let mut config = v5();
    config.connect.properties = numbers(&[(PropertyIdentifier::ReceiveMaximum, 2)]);
    let mut leash = Leash::connected(config);
    leash.receive([publish(2, 1, "a"), publish(2, 2, "b"), dup(publish(2, 2, "b"))]).unwrap();
    leash.receive([pubrel(1), publish(2, 3, "c")]).unwrap();
    leash.sent();
    assert_eq!(leash.receive([publish(2, 4, "d")]), Err(SessionError::ReceiveMaximumExceeded));
    let reason = ReasonCode::RECEIVE_MAXIMUM_EXCEEDED;
    assert_eq!(leash.sent(), [Packet::Disconnect(Disconnect { reason, ..Disconnect::default() })]);
}

#[test]
fn a_tolerance_lets_a_server_exceed_our_receive_maximum_so_far_and_no_further() {
    let mut config = Config { receive_excess_max: 1, ..v5() };
    config.connect.properties = numbers(&[(PropertyIdentifier::ReceiveMaximum, 2)]);
    let mut leash = Leash::connected(config);
    leash.receive([publish(2, 1, "a"), publish(2, 2, "b"), publish(2, 3, "c")]).unwrap();
    assert_eq!(leash.sent(), [pubrec(1), pubrec(2), pubrec(3)]);
    assert_eq!(leash.receive([publish(2, 4, "d")]), Err(SessionError::ReceiveMaximumExceeded));
}

#[test]
fn what_an_earlier_connection_left_unreleased_does_not_occupy_the_receive_maximum() {
    let mut config = durable();
    config.connect.properties = numbers(&[(PropertyIdentifier::ReceiveMaximum, 2)]);
    let mut leash = Leash::connected(config);
    leash.receive([publish(2, 1, "a"), publish(2, 2, "b")]).unwrap();
    leash.reopen();
    leash.accept(session_present());
    leash.receive([dup(publish(2, 2, "b")), publish(2, 3, "c")]).unwrap();
    assert_eq!(leash.receive([publish(2, 4, "d")]), Err(SessionError::ReceiveMaximumExceeded));
}

#[test]
fn unreleased_messages_are_bounded_in_bytes() {
    let mut leash = Leash::connected(Config { receive_bytes_max: 10, ..v5() });
    leash.receive([publish(2, 1, "one message of any length fits")]).unwrap();
    assert_eq!(leash.receive([publish(2, 2, "b")]), Err(SessionError::ReceiveQuotaExceeded));
}

#[test]
fn a_packet_above_our_maximum_is_refused_by_its_fixed_header() {
    let mut config = v5();
    config.connect.properties = numbers(&[(PropertyIdentifier::MaximumPacketSize, 100)]);
    for config in [config, Config { packet_bytes_max: 100, ..v5() }] {
        let mut leash = Leash::connected(config);
        leash.receive([publish(0, 0, &"x".repeat(100 - 6))]).unwrap();
        let error = SessionError::Packet(PacketError::PacketTooLarge);
        assert_eq!(leash.receive_bytes(vec![0x30, 99]), Err(error));
        let reason = ReasonCode::PACKET_TOO_LARGE;
        assert_eq!(leash.sent(), [Packet::Disconnect(Disconnect { reason, ..Disconnect::default() })]);
    }
}

#[test]
fn malformed_bytes_are_a_fault_with_their_reason_and_the_rest_is_ignored() {
    for (bytes, error) in [
        (&[0x00, 0][..], PacketError::UnknownPacketType),
        (&[0x36, 4, 0, 1, b'a', 0], PacketError::QosThree),
        (&[0x82, 0], PacketError::UnexpectedPacket),
        (&[0x32, 5, 0, 1, b'a', 0, 0], PacketError::ZeroIdentifier),
        (&[0xD0, 1, 0], PacketError::TrailingBytes),
    ] {
        let mut leash = Leash::connected(v5());
        assert_eq!(leash.receive_bytes(bytes.to_vec()), Err(SessionError::Packet(error)));
        assert!(matches!(leash.sent()[..], [Packet::Disconnect(_)]));
        leash.receive([publish(1, 1, "late")]).unwrap();
        assert_eq!((leash.sent(), leash.events()), (vec![], vec![]));
    }
}

#[test]
fn messages_can_be_taken_while_they_borrow_from_the_block() {
    let mut leash = Leash::connected(v5());
    let block =
        encode(ProtocolVersion::V5, [publish(0, 0, "a"), publish(1, 1, "b"), publish(2, 2, "c"), pubrel(2)]);
    let mut taken = Vec::new();
    let mut take = |publish: &culex::packet::PublishRef<'_>| {
        taken.push(publish.payload.to_vec());
        Offered::Taken
    };
    leash.session.handle_bytes_with(leash.now, block, &mut take).unwrap();
    assert_eq!(taken, [b"a", b"b", b"c"]);
    assert_eq!(leash.events(), []);
    assert_eq!(leash.sent(), [puback(1), pubrec(2), pubcomp(2)]);
}

#[test]
fn nothing_behind_the_last_message_taken_is_acknowledged_before_the_owner_goes_on() {
    let mut leash = Leash::connected(v5());
    let block = encode(ProtocolVersion::V5, [publish(1, 1, "a"), publish(1, 2, "b"), publish(1, 3, "c")]);
    let mut left = 2;
    let take = |_: &culex::packet::PublishRef<'_>| {
        left -= 1;
        if left == 0 { Offered::TakenAndPause } else { Offered::Taken }
    };
    leash.session.handle_bytes_with(leash.now, block, take).unwrap();
    assert_eq!(leash.sent(), [puback(1), puback(2)]);
    assert_eq!(leash.session.handle_rest(leash.now), Ok(false));
    assert!(matches!(leash.events()[..], [Event::Message(_)]));
    assert_eq!(leash.sent(), [puback(3)]);
}

#[test]
fn a_message_that_is_not_taken_keeps_its_place_among_the_events() {
    let mut leash = Leash::connected(v5());
    leash.publish(message(1, "mine")).unwrap();
    let block = encode(ProtocolVersion::V5, [publish(0, 0, "a"), puback(1), publish(0, 0, "b")]);
    let mut offered = 0;
    let decline_first = |_: &culex::packet::PublishRef<'_>| {
        offered += 1;
        if offered > 1 { Offered::Taken } else { Offered::Declined }
    };
    leash.session.handle_bytes_with(leash.now, block, decline_first).unwrap();
    let events = leash.events();
    assert!(matches!(events[..], [Event::Message(_), Event::Acknowledged { .. }, Event::Message(_)]));
    assert_eq!(offered, 1, "behind an event nothing is offered");
}

#[test]
fn answers_to_a_server_that_does_not_read_are_bounded() {
    let mut leash = Leash::connected(v5());
    let block = encode(ProtocolVersion::V5, std::iter::repeat_n(publish(1, 1, ""), 8_000));
    let mut blocks = 0;
    let error = loop {
        if let Err(error) = leash.session.handle_bytes(leash.now, Bytes::clone(&block)) {
            break error;
        }
        leash.events();
        blocks += 1;
        assert!(blocks < 1_000, "no bound");
    };
    assert_eq!(error, SessionError::ServerNotReading);
}
