//! UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11).

use crate::harness::Lab;
use crate::wire::*;

rules![
    mqtt_3_10_1_1_reserved_flags_are_checked,
    mqtt_3_10_3_1_filters_must_be_well_formed,
    mqtt_3_10_3_2_no_filter_at_all_is_refused,
    mqtt_3_10_4_1_filters_are_compared_character_by_character,
    mqtt_3_10_4_2_no_new_message_after_unsuback,
    mqtt_3_10_4_3_what_is_in_flight_is_completed,
    mqtt_3_10_4_4_unsuback_comes_even_for_nothing,
    mqtt_3_10_4_6_several_filters_count_as_one_packet_each_with_its_code,
    unsubscribing_from_a_group_leaves_it,
];

fn mqtt_3_10_1_1_reserved_flags_are_checked(lab: &Lab) {
    for first in [0xA0, 0xA1, 0xA3, 0xAA] {
        for version in [V311, V5] {
            let mut bytes = unsubscribe(version, &["t"]);
            bytes[0] = first;
            lab.connect(&connect(version, "a")).fails(&bytes, 0x81);
        }
    }
}

fn mqtt_3_10_3_1_filters_must_be_well_formed(lab: &Lab) {
    for filter in ["", "a/#/b", "+a", "$share/g"] {
        lab.v5("a").fails(unsubscribe(V5, &[filter]), 0x81);
        lab.v311("a").fails(unsubscribe(V311, &[filter]), 0x81);
    }
}

fn mqtt_3_10_3_2_no_filter_at_all_is_refused(lab: &Lab) {
    lab.v5("a").fails(unsubscribe(V5, &[]), 0x82);
    lab.v311("a").fails(unsubscribe(V311, &[]), 0x82);
}

fn mqtt_3_10_4_1_filters_are_compared_character_by_character(lab: &Lab) {
    let client = lab.v5("a");
    client.subscribe("a/+", 0);
    client.send(unsubscribe(V5, &["a/b", "a/#", "A/+", "a/+/"]));
    client.expect(unsuback(V5, &[0x11; 4]));
    lab.v5("p").say("a/b", "x", 0);
    client.expect_publish(&publish(V5, "a/b", "x"));
}

fn mqtt_3_10_4_2_no_new_message_after_unsuback(lab: &Lab) {
    for version in [V31, V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        client.subscribe("t", 1);
        client.send(unsubscribe(version, &["t"]));
        client.expect(unsuback(version, &[0]));
        lab.v5("p").say("t", "x", 1);
        client.expect_nothing();
        client.vanish();
    }
}

fn mqtt_3_10_4_3_what_is_in_flight_is_completed(lab: &Lab) {
    let client = lab.v311("a");
    client.subscribe("t", 2);
    lab.v5("p").say("t", "x", 2);
    client.receive_publish();
    client.send(unsubscribe(V311, &["t"]));
    client.expect(unsuback(V311, &[0]));
    client.send(ack(PUBREC, 1));
    client.expect(ack(PUBREL, 1));
    client.send(ack(PUBCOMP, 1));
    client.expect_nothing();
}

fn mqtt_3_10_4_4_unsuback_comes_even_for_nothing(lab: &Lab) {
    for version in [V31, V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        client.send(unsubscribe(version, &["nothing"]));
        client.expect(unsuback(version, &[0x11]));
        client.vanish();
    }
}

fn mqtt_3_10_4_6_several_filters_count_as_one_packet_each_with_its_code(lab: &Lab) {
    let client = lab.v5("a");
    client.subscribe("a", 0);
    client.subscribe("b", 0);
    client.send(unsubscribe(V5, &["b", "c", "a", "a"]));
    client.expect(unsuback(V5, &[0, 0x11, 0, 0x11]));
    lab.v5("p").say("a", "x", 0);
    client.expect_nothing();
}

fn unsubscribing_from_a_group_leaves_it(lab: &Lab) {
    let clients = [lab.v5("a"), lab.v5("b")];
    for client in &clients {
        client.subscribe("$share/g/t", 0);
    }
    clients[0].send(unsubscribe(V5, &["$share/h/t", "t", "$share/g/t"]));
    clients[0].expect(unsuback(V5, &[0x11, 0x11, 0]));
    let publisher = lab.v5("p");
    for _ in 0..3 {
        publisher.say("t", "x", 0);
        clients[1].expect_publish(&publish(V5, "t", "x"));
    }
    clients[0].expect_nothing();
}
