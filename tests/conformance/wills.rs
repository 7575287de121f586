//! Will Messages (sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2).

use crate::harness::{Client, Lab};
use crate::wire::*;
use std::time::Duration;

rules![
    mqtt_3_1_2_8_the_will_is_published_when_the_connection_breaks,
    mqtt_3_1_2_10_the_will_is_gone_after_disconnect,
    a_protocol_error_publishes_the_will,
    mqtt_3_1_2_14_a_will_without_retain_is_not_retained,
    mqtt_3_1_2_15_a_will_with_retain_is_retained,
    the_will_has_its_qos,
    will_properties_are_forwarded_without_the_delay,
    a_takeover_publishes_the_will_at_once,
    a_will_of_mqtt_3_1_1_is_published_at_takeover,
    an_empty_will_clears_a_retained_message,
    the_will_reaches_the_next_connection_of_its_own_client,
    each_connection_has_its_own_will,
];

fn watcher<'a>(lab: &'a Lab) -> Client<'a> {
    let watcher = lab.v5("watcher");
    watcher.subscribe("w", 2);
    watcher
}

fn will() -> Will {
    Will { topic: "w", payload: "gone", ..Will::default() }
}

fn mortal(version: u8, will: Will) -> Connect {
    Connect { will: Some(will), ..connect(version, "mortal") }
}

fn mqtt_3_1_2_8_the_will_is_published_when_the_connection_breaks(lab: &Lab) {
    let watcher = watcher(lab);
    for version in [V31, V311, V5] {
        lab.connect(&mortal(version, will())).vanish();
        watcher.expect_publish(&publish(V5, "w", "gone"));
    }
    watcher.expect_nothing();
}

fn mqtt_3_1_2_10_the_will_is_gone_after_disconnect(lab: &Lab) {
    let watcher = watcher(lab);
    for version in [V31, V311, V5] {
        lab.connect(&mortal(version, will())).disconnect();
    }
    watcher.expect_nothing();
}

fn a_protocol_error_publishes_the_will(lab: &Lab) {
    let watcher = watcher(lab);
    for version in [V31, V311, V5] {
        lab.connect(&mortal(version, will())).fails([0x00, 0], 0x81);
        watcher.expect_publish(&publish(V5, "w", "gone"));
    }
}

fn mqtt_3_1_2_14_a_will_without_retain_is_not_retained(lab: &Lab) {
    let first = watcher(lab);
    lab.connect(&mortal(V5, will())).vanish();
    first.expect_publish(&publish(V5, "w", "gone"));
    watcher(lab).expect_nothing();
}

fn mqtt_3_1_2_15_a_will_with_retain_is_retained(lab: &Lab) {
    let first = watcher(lab);
    lab.connect(&mortal(V5, Will { retain: true, ..will() })).vanish();
    first.expect_publish(&publish(V5, "w", "gone"));
    watcher(lab).expect_publish(&publish(V5, "w", "gone").retain());
}

fn the_will_has_its_qos(lab: &Lab) {
    let watcher = watcher(lab);
    for (qos, id) in [(0, 0), (1, 1), (2, 2)] {
        lab.connect(&mortal(V311, Will { qos, ..will() })).vanish();
        watcher.expect_publish(&publish(V5, "w", "gone").qos(qos, id));
    }
}

fn will_properties_are_forwarded_without_the_delay(lab: &Lab) {
    let watcher = watcher(lab);
    let forwarded = [
        user("a", "b"),
        byte(PAYLOAD_FORMAT_INDICATOR, 1),
        string(CONTENT_TYPE, "text/plain"),
        string(RESPONSE_TOPIC, "r"),
        string(CORRELATION_DATA, "c"),
        user("a", "c"),
    ]
    .concat();
    let properties = [four(WILL_DELAY_INTERVAL, 0), forwarded.clone()].concat();
    lab.connect(&mortal(V5, Will { properties, ..will() })).vanish();
    watcher.expect_publish(&publish(V5, "w", "gone").properties(&forwarded));
}

fn a_takeover_publishes_the_will_at_once(lab: &Lab) {
    let watcher = watcher(lab);
    let _old = lab.connect(&mortal(V5, will()));
    let _new = lab.v5("mortal");
    watcher.expect_publish(&publish(V5, "w", "gone"));
    // A delay does not help when the new connection begins another session.
    let delayed = Will { properties: four(WILL_DELAY_INTERVAL, 1000), ..will() };
    let kept = Connect { properties: four(SESSION_EXPIRY_INTERVAL, 5000), ..mortal(V5, delayed) };
    let _old = lab.connect(&kept);
    let _new = lab.v5("mortal");
    watcher.expect_publish(&publish(V5, "w", "gone"));
}

fn a_will_of_mqtt_3_1_1_is_published_at_takeover(lab: &Lab) {
    let watcher = watcher(lab);
    for is_clean in [true, false] {
        let _old = lab.connect(&Connect { is_clean, ..mortal(V311, will()) });
        let _new = lab.connect(&Connect { is_clean, ..connect(V311, "mortal") });
        watcher.expect_publish(&publish(V5, "w", "gone"));
    }
}

fn an_empty_will_clears_a_retained_message(lab: &Lab) {
    lab.v5("p").publish(&publish(V5, "w", "old").retain());
    let first = lab.v5("first");
    first.subscribe("w", 0);
    first.receive_publish();
    lab.connect(&mortal(V5, Will { retain: true, payload: "", ..will() })).vanish();
    first.expect_publish(&publish(V5, "w", ""));
    watcher(lab).expect_nothing();
}

fn the_will_reaches_the_next_connection_of_its_own_client(lab: &Lab) {
    let kept = Connect { is_clean: false, ..mortal(V311, Will { qos: 1, ..will() }) };
    let client = lab.connect(&kept);
    client.subscribe("w", 1);
    let watcher = watcher(lab);
    client.vanish();
    watcher.expect_publish(&publish(V5, "w", "gone").qos(1, 1));
    lab.connect(&kept).expect_publish(&publish(V311, "w", "gone").qos(1, 1));
}

fn each_connection_has_its_own_will(lab: &Lab) {
    let watcher = watcher(lab);
    lab.connect(&Connect { is_clean: false, ..mortal(V311, will()) }).disconnect();
    // The next connection of the session has none.
    lab.connect(&Connect { is_clean: false, ..connect(V311, "mortal") }).vanish();
    watcher.expect_nothing();
}

fn delayed(delay: u32, expiry: u32) -> Connect {
    let will = Will { properties: four(WILL_DELAY_INTERVAL, delay), ..will() };
    Connect { properties: four(SESSION_EXPIRY_INTERVAL, expiry), ..mortal(V5, will) }
}

/// How many milliseconds after the connection broke the will comes.
fn comes_after(connect: &Connect, expected: u64) {
    let lab = Lab::pure();
    let watcher = watcher(&lab);
    lab.connect(connect).vanish();
    if expected > 0 {
        lab.advance(Duration::from_millis(expected - 1));
        watcher.expect_nothing();
        lab.advance(Duration::from_millis(2));
    }
    watcher.expect_publish(&publish(V5, "w", "gone"));
    watcher.expect_nothing();
}

#[test]
fn mqtt_3_1_3_9_the_will_is_delayed_and_never_early() {
    comes_after(&delayed(0, 100), 0);
    comes_after(&delayed(1, 100), 1000);
    comes_after(&delayed(30, 100), 30_000);
    comes_after(&delayed(30, u32::MAX), 30_000);
}

#[test]
fn the_end_of_the_session_ends_the_delay() {
    comes_after(&delayed(30, 10), 10_000);
    comes_after(&delayed(30, 0), 0);
}

#[test]
fn mqtt_3_1_3_9_a_reconnect_within_the_delay_keeps_the_will_back() {
    let lab = Lab::pure();
    let watcher = watcher(&lab);
    let again = Connect { is_clean: false, ..delayed(30, 100) };
    lab.connect(&again).vanish();
    lab.advance_seconds(29);
    let back = lab.connect(&again);
    lab.advance_seconds(100);
    watcher.expect_nothing();
    // A takeover that resumes the session keeps it back too.
    let back_again = lab.connect(&again);
    back.expect_disconnect(0x8E);
    lab.advance_seconds(100);
    watcher.expect_nothing();
    back_again.disconnect();
    lab.advance_seconds(100);
    watcher.expect_nothing();
}

#[test]
fn a_clean_start_within_the_delay_publishes_it() {
    let lab = Lab::pure();
    let watcher = watcher(&lab);
    lab.connect(&delayed(30, 100)).vanish();
    watcher.expect_nothing();
    let _new = lab.v5("mortal");
    watcher.expect_publish(&publish(V5, "w", "gone"));
}

#[test]
fn disconnect_with_will_keeps_the_delay() {
    let lab = Lab::pure();
    let watcher = watcher(&lab);
    let client = lab.connect(&delayed(30, 100));
    client.send(disconnect(0x04));
    client.expect_end([]);
    lab.advance(Duration::from_millis(29_999));
    watcher.expect_nothing();
    lab.advance(Duration::from_millis(2));
    watcher.expect_publish(&publish(V5, "w", "gone"));
}

#[test]
fn a_session_ended_by_disconnect_with_will_publishes_it_at_once() {
    let lab = Lab::pure();
    let watcher = watcher(&lab);
    let client = lab.connect(&delayed(30, 100));
    client.send(disconnect_with(0x04, &four(SESSION_EXPIRY_INTERVAL, 0)));
    client.expect_end([]);
    watcher.expect_publish(&publish(V5, "w", "gone"));
}

#[test]
fn keep_alive_publishes_the_will() {
    let lab = Lab::pure();
    let watcher = watcher(&lab);
    let client = lab.connect(&Connect { keep_alive: 2, ..mortal(V5, will()) });
    lab.advance(Duration::from_millis(2999));
    watcher.expect_nothing();
    lab.advance(Duration::from_millis(2));
    watcher.expect_publish(&publish(V5, "w", "gone"));
    client.expect_disconnect(0x8D);
}

#[test]
fn the_expiry_of_a_will_counts_from_its_publication() {
    let lab = Lab::pure();
    let away = lab.connect(&durable(V5, "away"));
    away.subscribe("w", 1);
    away.vanish();
    let properties = [four(WILL_DELAY_INTERVAL, 30), four(MESSAGE_EXPIRY_INTERVAL, 10)].concat();
    let will = Will { qos: 1, properties, ..will() };
    lab.connect(&Connect { will: Some(will), ..delayed(30, 100) }).vanish();
    lab.advance_seconds(35);
    let back = lab.connect(&durable(V5, "away"));
    let left = back.receive_publish().properties;
    assert_eq!(left, four(MESSAGE_EXPIRY_INTERVAL, 5));
}

#[test]
fn mqtt_3_2_2_13_retained_wills_need_retained_messages_to_be_available() {
    let lab = Lab::with(|config| config.retain_available = false);
    let will = Will { retain: true, ..will() };
    lab.refuses(&mortal(V5, will).bytes(), &refusal(0x9A));
}

#[test]
fn a_stopping_server_publishes_wills_to_who_is_still_there() {
    let lab = Lab::pure();
    let watcher = watcher(&lab);
    watcher.subscribe("+", 0);
    let leave = |topic, delay, expiry| {
        let will = Will { topic, properties: four(WILL_DELAY_INTERVAL, delay), ..will() };
        lab.connect(&Connect {
            will: Some(will),
            properties: four(SESSION_EXPIRY_INTERVAL, expiry),
            ..connect(V5, topic)
        })
    };
    let _clients = [leave("now", 0, 60), leave("ended", 60, 0), leave("later", 60, 60)];
    lab.pure_server(|pure| {
        let now = pure.now;
        pure.broker.stop(now);
        pure.pump();
    });
    assert_eq!(watcher.receive_publish().topic, "now");
    assert_eq!(watcher.receive_publish().topic, "ended");
    watcher.expect_disconnect(0x8B);
}
