//! Quality of Service: PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7, 4.3 and 4.4).

use crate::harness::Lab;
use crate::wire::*;

rules![
    mqtt_4_3_2_4_qos_1_is_acknowledged,
    mqtt_4_3_3_8_qos_2_is_acknowledged_in_four_steps,
    mqtt_4_3_3_10_a_repeated_qos_2_publish_is_delivered_once,
    mqtt_4_3_3_12_an_identifier_is_free_after_pubcomp,
    mqtt_4_3_3_9_an_identifier_is_free_after_an_error_pubrec,
    qos_2_duplicate_is_known_over_a_reconnect,
    mqtt_4_3_3_2_the_server_sends_qos_2_in_four_steps,
    an_unknown_pubrel_is_0x92,
    an_unknown_pubrec_is_answered_0x92,
    unknown_puback_and_pubcomp_change_nothing,
    mqtt_2_2_1_3_identifier_0_is_refused,
    inbound_and_outbound_identifiers_are_apart,
    mqtt_4_4_0_1_unacknowledged_messages_are_sent_again_with_dup_and_in_order,
    mqtt_4_3_3_5_redelivery_goes_on_at_pubrel,
    mqtt_4_4_0_1_nothing_is_sent_again_on_a_living_connection,
    pubrec_with_an_error_frees_the_identifier,
    mqtt_4_4_0_2_puback_with_an_error_ends_the_message,
    acknowledgements_with_reasons_and_properties_are_taken,
    acknowledgement_reasons_that_do_not_exist_are_refused,
    mqtt_3_6_1_1_reserved_flags_of_acknowledgements_are_checked,
    mqtt_4_6_0_4_pubrels_go_in_the_order_of_the_pubrecs,
    mqtt_3_1_dup_on_pubrel_is_taken,
    mqtt_4_3_2_1_an_identifier_in_use_is_not_given_again,
];

fn mqtt_4_3_2_4_qos_1_is_acknowledged(lab: &Lab) {
    for version in [V31, V311, V5] {
        let subscriber = lab.connect(&connect(version, "s"));
        subscriber.subscribe("t", 0);
        let publisher = lab.connect(&connect(version, "p"));
        for id in [1, 2, 65_535, 1] {
            publisher.send(publish(version, "t", "x").qos(1, id).bytes());
            publisher.expect(ack(PUBACK, id));
            subscriber.receive_publish();
        }
        subscriber.vanish();
    }
}

fn mqtt_4_3_3_8_qos_2_is_acknowledged_in_four_steps(lab: &Lab) {
    for version in [V31, V311, V5] {
        let subscriber = lab.connect(&connect(version, "s"));
        subscriber.subscribe("t", 0);
        let publisher = lab.connect(&connect(version, "p"));
        publisher.send(publish(version, "t", "x").qos(2, 5).bytes());
        publisher.expect(ack(PUBREC, 5));
        publisher.send(ack(PUBREL, 5));
        publisher.expect(ack(PUBCOMP, 5));
        subscriber.expect_publish(&publish(version, "t", "x"));
        subscriber.vanish();
    }
}

fn mqtt_4_3_3_10_a_repeated_qos_2_publish_is_delivered_once(lab: &Lab) {
    for version in [V31, V311, V5] {
        let subscriber = lab.connect(&connect(version, "s"));
        subscriber.subscribe("t", 0);
        let publisher = lab.connect(&connect(version, "p"));
        let message = publish(version, "t", "x").qos(2, 5);
        publisher.send(message.bytes());
        publisher.expect_taken(PUBREC, 5);
        publisher.send(message.dup().bytes());
        publisher.expect_taken(PUBREC, 5);
        publisher.send(ack(PUBREL, 5));
        publisher.expect(ack(PUBCOMP, 5));
        subscriber.expect_publish(&publish(version, "t", "x"));
        subscriber.expect_nothing();
        subscriber.vanish();
    }
}

fn mqtt_4_3_3_12_an_identifier_is_free_after_pubcomp(lab: &Lab) {
    let subscriber = lab.v311("s");
    subscriber.subscribe("t", 0);
    let publisher = lab.v311("p");
    for payload in ["one", "two"] {
        publisher.send(publish(V311, "t", payload).qos(2, 5).bytes());
        publisher.expect(ack(PUBREC, 5));
        publisher.send(ack(PUBREL, 5));
        publisher.expect(ack(PUBCOMP, 5));
        subscriber.expect_publish(&publish(V311, "t", payload));
    }
}

fn mqtt_4_3_3_9_an_identifier_is_free_after_an_error_pubrec(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 0);
    let client = lab.v5("a");
    let refused = publish(V5, "t", b"\xff").properties(&byte(PAYLOAD_FORMAT_INDICATOR, 1));
    client.send(refused.qos(2, 5).bytes());
    client.expect(ack_with(PUBREC, 5, 0x99));
    // No PUBREL is due, and the same number begins another message.
    client.send(publish(V5, "t", "good").qos(2, 5).bytes());
    client.expect(ack(PUBREC, 5));
    client.send(ack(PUBREL, 5));
    client.expect(ack(PUBCOMP, 5));
    subscriber.expect_publish(&publish(V5, "t", "good"));
    client.send(ack(PUBREL, 5));
    client.expect(ack_with(PUBCOMP, 5, 0x92));
}

fn qos_2_duplicate_is_known_over_a_reconnect(lab: &Lab) {
    for version in [V31, V311, V5] {
        let subscriber = lab.connect(&connect(version, "s"));
        subscriber.subscribe("t", 0);
        let id = format!("p{version}");
        let message = publish(version, "t", "x").qos(2, 5);
        let publisher = lab.connect(&durable(version, &id));
        publisher.send(message.bytes());
        publisher.expect_taken(PUBREC, 5);
        publisher.vanish();
        let publisher = lab.connect(&durable(version, &id));
        publisher.send(message.dup().bytes());
        publisher.expect_taken(PUBREC, 5);
        publisher.vanish();
        let publisher = lab.connect(&durable(version, &id));
        publisher.send(ack(PUBREL, 5));
        publisher.expect(ack(PUBCOMP, 5));
        subscriber.expect_publish(&publish(version, "t", "x"));
        subscriber.expect_nothing();
        subscriber.vanish();
    }
}

fn mqtt_4_3_3_2_the_server_sends_qos_2_in_four_steps(lab: &Lab) {
    for version in [V31, V311, V5] {
        let subscriber = lab.connect(&connect(version, "s"));
        subscriber.subscribe("t", 2);
        lab.v311("p").say("t", "x", 2);
        subscriber.expect_publish(&publish(version, "t", "x").qos(2, 1));
        subscriber.send(ack(PUBREC, 1));
        subscriber.expect(ack(PUBREL, 1));
        subscriber.send(ack(PUBCOMP, 1));
        subscriber.expect_nothing();
        subscriber.vanish();
    }
}

fn an_unknown_pubrel_is_0x92(lab: &Lab) {
    let client = lab.v5("a");
    client.send(ack(PUBREL, 9));
    client.expect(ack_with(PUBCOMP, 9, 0x92));
    let old = lab.v311("o");
    old.send(ack(PUBREL, 9));
    old.expect(ack(PUBCOMP, 9));
}

fn an_unknown_pubrec_is_answered_0x92(lab: &Lab) {
    let client = lab.v5("a");
    client.send(ack(PUBREC, 9));
    client.expect(ack_with(PUBREL, 9, 0x92));
    client.expect_nothing();
    // Nothing is owed to a PUBREC that is itself an error.
    client.send(ack_with(PUBREC, 9, 0x80));
    client.expect_nothing();
    let old = lab.v311("o");
    old.send(ack(PUBREC, 9));
    old.expect(ack(PUBREL, 9));
}

fn unknown_puback_and_pubcomp_change_nothing(lab: &Lab) {
    for version in [V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        client.send(ack(PUBACK, 9));
        client.send(ack(PUBCOMP, 9));
        client.expect_nothing();
    }
}

fn mqtt_2_2_1_3_identifier_0_is_refused(lab: &Lab) {
    let packets = [
        publish(V5, "t", "x").qos(1, 0).bytes(),
        publish(V5, "t", "x").qos(2, 0).bytes(),
        ack(PUBACK, 0),
        ack(PUBREC, 0),
        ack(PUBREL, 0),
        ack(PUBCOMP, 0),
        frame(0x82, b"\0\0\0\0\x01t\0"),
        frame(0xA2, b"\0\0\0\0\x01t"),
    ];
    for packet in packets {
        lab.v5("a").fails(&packet, 0x82);
    }
    lab.v311("a").fails(publish(V311, "t", "x").qos(1, 0).bytes(), 0x82);
}

fn inbound_and_outbound_identifiers_are_apart(lab: &Lab) {
    let client = lab.v311("a");
    client.subscribe("t", 2);
    lab.v311("p").say("t", "out", 2);
    client.expect_publish(&publish(V311, "t", "out").qos(2, 1));
    // The client uses 1 too, in its own direction, while 1 is open in the other.
    client.send(publish(V311, "u", "in").qos(2, 1).bytes());
    client.expect(ack(PUBREC, 1));
    client.send(ack(PUBREC, 1));
    client.expect(ack(PUBREL, 1));
    client.send(ack(PUBREL, 1));
    client.expect(ack(PUBCOMP, 1));
    client.send(ack(PUBCOMP, 1));
    client.expect_nothing();
}

fn mqtt_4_4_0_1_unacknowledged_messages_are_sent_again_with_dup_and_in_order(lab: &Lab) {
    for version in [V31, V311, V5] {
        let publisher = lab.v311("p");
        let id = format!("s{version}");
        let subscriber = lab.connect(&durable(version, &id));
        subscriber.subscribe("t", 2);
        let qos = |number: u16| u8::try_from(number % 2 + 1).unwrap();
        for number in 1..=4 {
            publisher.say("t", &number.to_string(), qos(number));
            assert_eq!(subscriber.receive_publish().id, number);
        }
        // The answers to 2 are on their way when the connection ends.
        subscriber.puback(2);
        subscriber.expect_nothing();
        subscriber.vanish();
        publisher.say("t", "5", 1);
        let subscriber = lab.connect(&durable(version, &id));
        for number in [1, 3, 4] {
            let again = publish(version, "t", number.to_string()).qos(qos(number), number).dup();
            subscriber.expect_publish(&again);
        }
        let new = subscriber.receive_publish();
        assert_eq!((new.payload.as_slice(), new.dup), (&b"5"[..], false));
        subscriber.vanish();
        publisher.vanish();
    }
}

fn mqtt_4_3_3_5_redelivery_goes_on_at_pubrel(lab: &Lab) {
    for version in [V31, V311, V5] {
        let id = format!("s{version}");
        let subscriber = lab.connect(&durable(version, &id));
        subscriber.subscribe("t", 2);
        lab.v311("p").say("t", "x", 2);
        subscriber.receive_publish();
        subscriber.send(ack(PUBREC, 1));
        subscriber.expect(ack(PUBREL, 1));
        subscriber.vanish();
        let subscriber = lab.connect(&durable(version, &id));
        let again = subscriber.receive();
        let dup = if version == V31 { 0x08 } else { 0 };
        assert!(again == ack(PUBREL, 1) || again == ack(PUBREL | dup, 1), "{again:02x?}");
        subscriber.send(ack(PUBCOMP, 1));
        subscriber.expect_nothing();
        subscriber.vanish();
    }
}

fn mqtt_4_4_0_1_nothing_is_sent_again_on_a_living_connection(lab: &Lab) {
    let subscriber = lab.v311("s");
    subscriber.subscribe("t", 1);
    lab.v311("p").say("t", "x", 1);
    subscriber.receive_publish();
    subscriber.expect_nothing();
}

fn pubrec_with_an_error_frees_the_identifier(lab: &Lab) {
    let limited = Connect { properties: two(RECEIVE_MAXIMUM, 1), ..connect(V5, "s") };
    let subscriber = lab.connect(&limited);
    subscriber.subscribe("t", 2);
    let publisher = lab.v5("p");
    publisher.say("t", "one", 2);
    publisher.say("t", "two", 2);
    let first = subscriber.receive_publish();
    subscriber.expect_nothing();
    subscriber.send(ack_with(PUBREC, first.id, 0x83));
    // No PUBREL: the next message takes the place.
    assert_eq!(subscriber.receive_publish().payload, b"two");
    subscriber.expect_nothing();
}

fn mqtt_4_4_0_2_puback_with_an_error_ends_the_message(lab: &Lab) {
    let subscriber = lab.connect(&durable(V5, "s"));
    subscriber.subscribe("t", 1);
    lab.v5("p").say("t", "x", 1);
    subscriber.receive_publish();
    subscriber.send(ack_with(PUBACK, 1, 0x97));
    subscriber.expect_nothing();
    subscriber.vanish();
    lab.connect(&durable(V5, "s")).expect_nothing();
}

fn acknowledgements_with_reasons_and_properties_are_taken(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 2);
    lab.v5("p").say("t", "x", 2);
    subscriber.receive_publish();
    let wire = [string(REASON_STRING, "fine"), user("a", "b")].concat();
    let full = |first, reason| frame(first, &[vec![0, 1, reason], properties(&wire)].concat());
    subscriber.send(full(PUBREC, 0));
    subscriber.expect(ack(PUBREL, 1));
    subscriber.send(full(PUBCOMP, 0));
    subscriber.expect_nothing();
}

fn acknowledgement_reasons_that_do_not_exist_are_refused(lab: &Lab) {
    for (first, reason) in [(PUBACK, 1), (PUBACK, 0x92), (PUBREC, 0x92), (PUBREL, 0x10), (PUBCOMP, 0x10)] {
        lab.v5("a").fails(ack_with(first, 1, reason), 0x82);
    }
}

fn mqtt_3_6_1_1_reserved_flags_of_acknowledgements_are_checked(lab: &Lab) {
    for first in [0x41, 0x48, 0x52, 0x60, 0x61, 0x63, 0x6A, 0x7F] {
        lab.v5("a").fails(ack(first, 1), 0x81);
        lab.v311("a").fails(ack(first, 1), 0x81);
    }
}

fn mqtt_4_6_0_4_pubrels_go_in_the_order_of_the_pubrecs(lab: &Lab) {
    let subscriber = lab.v311("s");
    subscriber.subscribe("t", 2);
    let publisher = lab.v311("p");
    for number in 1..=5 {
        publisher.say("t", "x", 2);
        assert_eq!(subscriber.receive_publish().id, number);
    }
    let order = [3, 1, 5, 2, 4];
    subscriber.send(order.map(|id| ack(PUBREC, id)).concat());
    for id in order {
        subscriber.expect(ack(PUBREL, id));
    }
}

fn mqtt_3_1_dup_on_pubrel_is_taken(lab: &Lab) {
    let client = lab.connect(&connect(V31, "a"));
    client.send(publish(V31, "t", "x").qos(2, 1).bytes());
    client.expect(ack(PUBREC, 1));
    client.send(ack(PUBREL | 8, 1));
    client.expect(ack(PUBCOMP, 1));
}

fn mqtt_4_3_2_1_an_identifier_in_use_is_not_given_again(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 1);
    let publisher = lab.v5("p");
    // 1 stays unacknowledged while the numbers come round.
    publisher.say("t", "first", 1);
    assert_eq!(subscriber.receive_publish().id, 1);
    for expected in 2..=30 {
        publisher.say("t", "x", 1);
        assert_eq!(subscriber.receive_publish().id, expected);
        subscriber.puback(expected);
    }
    subscriber.expect_nothing();
}

#[test]
fn mqtt_2_2_1_4_numbers_that_are_in_use_are_passed_over_when_they_come_round() {
    let lab = Lab::pure();
    let subscriber = lab.v311("s");
    subscriber.subscribe("t", 1);
    let publisher = lab.v311("p");
    publisher.say("t", "first", 1);
    assert_eq!(subscriber.receive_publish().id, 1);
    let message = publish(V311, "t", "x").qos(1, 1).bytes();
    for expected in 2..=65_535 {
        publisher.send(&message);
        publisher.expect(ack(PUBACK, 1));
        assert_eq!(subscriber.receive_publish().id, expected);
        subscriber.puback(expected);
    }
    publisher.send(&message);
    assert_eq!(subscriber.receive_publish().id, 2, "1 still waits for its PUBACK");
}
