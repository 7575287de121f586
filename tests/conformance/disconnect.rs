//! DISCONNECT (section 3.14).

use crate::harness::Lab;
use crate::wire::*;

rules![
    disconnect_ends_the_connection_in_all_its_forms,
    mqtt_3_14_1_1_reserved_flags_are_checked,
    session_expiry_from_zero_to_more_is_0x82,
    reasons_that_a_client_does_not_have_are_refused,
    mqtt_3_14_4_3_no_will_after_a_normal_disconnect,
    disconnect_with_will_publishes_it,
    packets_behind_a_disconnect_are_ignored,
    a_body_before_mqtt_5_is_refused,
    packets_that_only_a_server_sends_are_0x82,
    type_0_and_auth_before_mqtt_5_are_refused,
];

fn disconnect_ends_the_connection_in_all_its_forms(lab: &Lab) {
    for bytes in [
        DISCONNECT.to_vec(),
        disconnect(0),
        vec![0xE0, 2, 0, 0],
        disconnect_with(0, &[string(REASON_STRING, "done"), user("a", "b")].concat()),
        disconnect(0x04),
        disconnect(0x80),
    ] {
        let client = lab.v5("a");
        client.send(bytes);
        client.expect_end([]);
    }
    lab.v311("a").disconnect();
    lab.connect(&connect(V31, "a")).disconnect();
}

fn mqtt_3_14_1_1_reserved_flags_are_checked(lab: &Lab) {
    for first in [0xE1, 0xE2, 0xE8, 0xEF] {
        lab.v5("a").fails([first, 0], 0x81);
        lab.v311("a").fails([first, 0], 0x81);
    }
}

fn session_expiry_from_zero_to_more_is_0x82(lab: &Lab) {
    lab.v5("a").fails(disconnect_with(0, &four(SESSION_EXPIRY_INTERVAL, 10)), 0x82);
    let zero = Connect { properties: four(SESSION_EXPIRY_INTERVAL, 0), ..connect(V5, "a") };
    lab.connect(&zero).fails(disconnect_with(0, &four(SESSION_EXPIRY_INTERVAL, u32::MAX)), 0x82);
    // 0 again is no change, and from something to anything is allowed.
    let client = lab.v5("a");
    client.send(disconnect_with(0, &four(SESSION_EXPIRY_INTERVAL, 0)));
    client.expect_end([]);
    let client = lab.connect(&durable(V5, "a"));
    client.send(disconnect_with(0, &four(SESSION_EXPIRY_INTERVAL, 10)));
    client.expect_end([]);
    assert_eq!(lab.connect(&durable(V5, "a")).connack[2], 1);
}

fn reasons_that_a_client_does_not_have_are_refused(lab: &Lab) {
    for reason in [0x01, 0x8D, 0x8E, 0x9D, 0xA2, 0xFF] {
        lab.v5("a").fails(disconnect(reason), 0x82);
    }
}

fn watched(lab: &Lab) -> crate::harness::Client<'_> {
    let watcher = lab.v5("watcher");
    watcher.subscribe("w", 0);
    watcher
}

fn with_will(id: &str) -> Connect {
    Connect { will: Some(Will { topic: "w", payload: "gone", ..Will::default() }), ..connect(V5, id) }
}

fn mqtt_3_14_4_3_no_will_after_a_normal_disconnect(lab: &Lab) {
    let watcher = watched(lab);
    lab.connect(&with_will("a")).disconnect();
    let client = lab.connect(&with_will("b"));
    client.send(vec![0xE0, 2, 0, 0]);
    client.expect_end([]);
    watcher.expect_nothing();
}

fn disconnect_with_will_publishes_it(lab: &Lab) {
    let watcher = watched(lab);
    for reason in [0x04, 0x80, 0x81, 0x98] {
        let client = lab.connect(&with_will("a"));
        client.send(disconnect(reason));
        client.expect_end([]);
        watcher.expect_publish(&publish(V5, "w", "gone"));
    }
}

fn packets_behind_a_disconnect_are_ignored(lab: &Lab) {
    let watcher = watched(lab);
    let client = lab.v5("a");
    client.send([&DISCONNECT[..], &publish(V5, "w", "late").bytes(), &PINGREQ].concat());
    client.expect_end([]);
    watcher.expect_nothing();
}

fn a_body_before_mqtt_5_is_refused(lab: &Lab) {
    let watcher = watched(lab);
    let client = lab.connect(&Connect { version: V311, ..with_will("a") });
    client.fails(disconnect(0), 0x81);
    watcher.expect_publish(&publish(V5, "w", "gone"));
}

fn packets_that_only_a_server_sends_are_0x82(lab: &Lab) {
    for packet in [connack(false, 0), suback(V5, &[0]), unsuback(V5, &[0]), PINGRESP.to_vec()] {
        lab.v5("a").fails(&packet, 0x82);
        lab.v311("a").fails(&packet, 0x82);
    }
}

fn type_0_and_auth_before_mqtt_5_are_refused(lab: &Lab) {
    lab.v5("a").fails([0x00, 0], 0x81);
    lab.v311("a").fails([0x00, 0], 0x81);
    lab.v311("a").fails([0xF0, 0], 0x81);
}
