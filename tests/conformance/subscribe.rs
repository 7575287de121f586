//! SUBSCRIBE and SUBACK (sections 3.8 and 3.9).

use crate::harness::Lab;
use crate::wire::*;

rules![
    mqtt_3_8_1_1_reserved_flags_are_checked,
    mqtt_3_8_3_1_filters_must_be_utf_8,
    mqtt_3_8_3_2_no_filter_at_all_is_refused,
    mqtt_3_8_3_5_reserved_option_bits_are_refused,
    maximum_qos_3_and_retain_handling_3_are_refused,
    mqtt_3_8_3_3_no_local_keeps_own_messages_back,
    mqtt_3_8_3_4_no_local_on_a_shared_filter_is_0x82,
    mqtt_3_8_4_3_the_same_filter_replaces_the_subscription,
    mqtt_3_8_4_6_each_filter_has_its_code_in_order,
    mqtt_3_8_4_8_the_granted_qos_is_the_limit,
    subscription_identifier_0_and_two_of_them_are_refused,
    a_replaced_subscription_has_the_new_identifier,
    subscription_identifiers_outlive_the_connection,
    mqtt_2_2_1_6_suback_and_unsuback_have_the_identifier_of_their_packet,
    malformed_filters_are_refused,
    messages_after_the_suback_are_delivered,
    mqtt_3_1_dup_on_subscribe_is_taken,
];

fn mqtt_3_8_1_1_reserved_flags_are_checked(lab: &Lab) {
    for first in [0x80, 0x81, 0x83, 0x86, 0x8A] {
        let mut bytes = subscribe(V5, &[("t", 0)]);
        bytes[0] = first;
        lab.v5("a").fails(&bytes, 0x81);
        let mut bytes = subscribe(V311, &[("t", 0)]);
        bytes[0] = first;
        lab.v311("a").fails(&bytes, 0x81);
    }
}

fn mqtt_3_8_3_1_filters_must_be_utf_8(lab: &Lab) {
    for bad in [&b"\xff"[..], b"\xc1\x81", b"\xed\xbf\xbf", b"a\0", b"a\x1f", b"\xc2\x80", b"\xef\xb7\x90"] {
        let body = [b"\0\x01\0", &binary(bad)[..], b"\0"].concat();
        lab.v5("a").fails(frame(0x82, &body), 0x81);
    }
}

fn mqtt_3_8_3_2_no_filter_at_all_is_refused(lab: &Lab) {
    lab.v5("a").fails(subscribe(V5, &[]), 0x82);
    lab.v311("a").fails(subscribe(V311, &[]), 0x82);
}

fn mqtt_3_8_3_5_reserved_option_bits_are_refused(lab: &Lab) {
    for options in [0x40, 0x80, 0xC0] {
        lab.v5("a").fails(subscribe(V5, &[("t", options)]), 0x81);
    }
    // Before MQTT 5 everything but the QoS is reserved.
    for options in [0x04, 0x08, 0x10, 0x80] {
        lab.v311("a").fails(subscribe(V311, &[("t", options)]), 0x81);
    }
}

fn maximum_qos_3_and_retain_handling_3_are_refused(lab: &Lab) {
    lab.v5("a").fails(subscribe(V5, &[("t", 0x03)]), 0x82);
    lab.v5("a").fails(subscribe(V5, &[("t", 0x30)]), 0x82);
    lab.v311("a").fails(subscribe(V311, &[("t", 0x03)]), 0x82);
}

fn mqtt_3_8_3_3_no_local_keeps_own_messages_back(lab: &Lab) {
    let client = lab.v5("a");
    client.subscribe("t", 0x04);
    client.say("t", "mine", 0);
    lab.v5("b").say("t", "other", 0);
    client.expect_publish(&publish(V5, "t", "other"));
    client.expect_nothing();
    // A second subscription of the same client without No Local wants them.
    client.subscribe("#", 0);
    client.send(publish(V5, "t", "mine").bytes());
    client.expect_publish(&publish(V5, "t", "mine"));
    client.expect_nothing();
}

fn mqtt_3_8_3_4_no_local_on_a_shared_filter_is_0x82(lab: &Lab) {
    lab.v5("a").fails(subscribe(V5, &[("$share/g/t", 0x04)]), 0x82);
}

fn mqtt_3_8_4_3_the_same_filter_replaces_the_subscription(lab: &Lab) {
    for version in [V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        client.subscribe("t", 2);
        client.subscribe("t", 0);
        lab.v5("p").say("t", "x", 2);
        client.expect_publish(&publish(version, "t", "x"));
        client.expect_nothing();
        client.vanish();
    }
}

fn mqtt_3_8_4_6_each_filter_has_its_code_in_order(lab: &Lab) {
    for version in [V31, V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        client.send(subscribe(version, &[("a", 2), ("b/#", 0), ("+", 1), ("a", 1)]));
        client.expect(suback(version, &[2, 0, 1, 1]));
        client.vanish();
    }
}

fn mqtt_3_8_4_8_the_granted_qos_is_the_limit(lab: &Lab) {
    let client = lab.v311("a");
    client.subscribe("t", 1);
    lab.v311("p").say("t", "x", 2);
    client.expect_publish(&publish(V311, "t", "x").qos(1, 1));
}

fn subscription_identifier_0_and_two_of_them_are_refused(lab: &Lab) {
    let zero = number(SUBSCRIPTION_IDENTIFIER, 0);
    lab.v5("a").fails(subscribe_with(V5, &zero, &[("t", 0)]), 0x82);
    let two = number(SUBSCRIPTION_IDENTIFIER, 1).repeat(2);
    lab.v5("a").fails(subscribe_with(V5, &two, &[("t", 0)]), 0x82);
    let largest = number(SUBSCRIPTION_IDENTIFIER, 268_435_455);
    let client = lab.v5("a");
    client.send(subscribe_with(V5, &largest, &[("t", 0)]));
    client.expect(suback(V5, &[0]));
    lab.v5("p").say("t", "x", 0);
    client.expect_publish(&publish(V5, "t", "x").properties(&largest));
}

fn a_replaced_subscription_has_the_new_identifier(lab: &Lab) {
    let client = lab.v5("a");
    client.subscribe_as(1, "t", 0);
    client.subscribe_as(2, "t", 0);
    lab.v5("p").say("t", "x", 0);
    client.expect_publish(&publish(V5, "t", "x").properties(&number(SUBSCRIPTION_IDENTIFIER, 2)));
    client.subscribe("t", 0);
    lab.v5("p").say("t", "x", 0);
    client.expect_publish(&publish(V5, "t", "x"));
}

fn subscription_identifiers_outlive_the_connection(lab: &Lab) {
    let client = lab.connect(&durable(V5, "a"));
    client.subscribe_as(5, "t", 1);
    client.vanish();
    lab.v5("p").say("t", "x", 1);
    let client = lab.connect(&durable(V5, "a"));
    client.expect_publish(&publish(V5, "t", "x").qos(1, 1).properties(&number(SUBSCRIPTION_IDENTIFIER, 5)));
}

fn mqtt_2_2_1_6_suback_and_unsuback_have_the_identifier_of_their_packet(lab: &Lab) {
    let client = lab.v5("a");
    for id in [1_u16, 2, 256, 65_535] {
        let with_id = |mut packet: Vec<u8>| {
            packet[2..4].copy_from_slice(&id.to_be_bytes());
            packet
        };
        client.send(with_id(subscribe(V5, &[("t", 0)])));
        client.expect(with_id(suback(V5, &[0])));
        client.send(with_id(unsubscribe(V5, &["t"])));
        client.expect(with_id(unsuback(V5, &[0])));
    }
}

fn malformed_filters_are_refused(lab: &Lab) {
    for filter in ["", "#/a", "a#", "+a", "a/+b", "a/#/b", "a/b#"] {
        let client = lab.v5("a");
        client.send(subscribe(V5, &[(filter, 0)]));
        client.expect_disconnect(0x81);
        lab.v311("a").fails(subscribe(V311, &[(filter, 0)]), 0x81);
    }
}

fn messages_after_the_suback_are_delivered(lab: &Lab) {
    let subscriber = lab.v311("s");
    let publisher = lab.v311("p");
    publisher.say("t", "before", 1);
    subscriber.subscribe("t", 1);
    publisher.say("t", "after", 1);
    subscriber.expect_publish(&publish(V311, "t", "after").qos(1, 1));
}

fn mqtt_3_1_dup_on_subscribe_is_taken(lab: &Lab) {
    let client = lab.connect(&connect(V31, "a"));
    let mut bytes = subscribe(V31, &[("t", 1)]);
    bytes[0] |= 8;
    client.send(bytes);
    client.expect(suback(V31, &[1]));
}
