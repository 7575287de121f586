//! Retained messages (sections 3.3.1.3 and 3.8.3.1).

use crate::harness::{Client, Lab};
use crate::wire::*;

rules![
    mqtt_3_3_1_5_the_last_message_is_retained,
    mqtt_3_3_1_6_an_empty_payload_clears_it,
    mqtt_3_3_1_7_the_clearing_message_is_not_retained,
    mqtt_3_3_1_8_a_message_without_retain_changes_nothing,
    retained_messages_keep_their_qos_up_to_the_subscription,
    parents_come_before_children,
    wildcards_find_what_they_match,
    dollar_topics_are_not_found_by_wildcards,
    mqtt_3_3_1_9_handling_0_sends_at_every_subscribe,
    mqtt_3_3_1_10_handling_1_sends_only_to_new_subscriptions,
    mqtt_3_3_1_11_handling_2_never_sends,
    retained_messages_have_the_subscription_identifier,
    retained_messages_keep_their_properties,
    retained_messages_come_after_the_suback,
    each_filter_of_a_subscribe_brings_its_own,
    the_publisher_may_go_away,
    setting_with_qos_1_and_2_retains,
    every_retained_message_arrives_however_many_there_are,
    no_local_does_not_hold_retained_messages_back,
];

fn retain(lab: &Lab, topic: &str, payload: &str, qos: u8) {
    let publisher = lab.v5("retainer");
    publisher.publish(&Publish { qos, ..publish(V5, topic, payload).retain() });
    publisher.disconnect();
}

/// Subscribes without waiting for anything but the SUBACK.
fn newcomer<'a>(lab: &'a Lab, id: &str, filter: &str, options: u8) -> Client<'a> {
    let client = lab.v5(id);
    client.subscribe(filter, options);
    client
}

fn mqtt_3_3_1_5_the_last_message_is_retained(lab: &Lab) {
    retain(lab, "t", "old", 0);
    retain(lab, "t", "new", 0);
    for version in [V31, V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        client.subscribe("t", 0);
        client.expect_publish(&publish(version, "t", "new").retain());
        client.expect_nothing();
        client.vanish();
    }
}

fn mqtt_3_3_1_6_an_empty_payload_clears_it(lab: &Lab) {
    for qos in 0..=2 {
        retain(lab, "t", "x", qos);
        retain(lab, "t", "", qos);
        newcomer(lab, "a", "#", 2).expect_nothing();
    }
}

fn mqtt_3_3_1_7_the_clearing_message_is_not_retained(lab: &Lab) {
    let here = newcomer(lab, "here", "t", 0);
    retain(lab, "t", "", 0);
    // Who is subscribed sees it as any message.
    here.expect_publish(&publish(V5, "t", ""));
    newcomer(lab, "a", "t", 0).expect_nothing();
}

fn mqtt_3_3_1_8_a_message_without_retain_changes_nothing(lab: &Lab) {
    retain(lab, "t", "kept", 0);
    lab.v5("p").say("t", "passing", 0);
    lab.v5("p").say("t", "", 0);
    newcomer(lab, "a", "t", 0).expect_publish(&publish(V5, "t", "kept").retain());
}

fn retained_messages_keep_their_qos_up_to_the_subscription(lab: &Lab) {
    for published in 0..=2_u8 {
        retain(lab, "t", "x", published);
        for granted in 0..=2 {
            let client = newcomer(lab, "a", "t", granted);
            let qos = published.min(granted);
            client.expect_publish(&publish(V5, "t", "x").qos(qos, u16::from(qos > 0)).retain());
            client.vanish();
        }
    }
}

fn parents_come_before_children(lab: &Lab) {
    for topic in ["a/b/c", "a", "a/b", "a/a/a", "b", "a/b/a"] {
        retain(lab, topic, "x", 0);
    }
    let client = newcomer(lab, "c", "#", 0);
    let topics: Vec<_> = (0..6).map(|_| client.receive_publish().topic).collect();
    let place = |topic: &str| topics.iter().position(|other| other == topic).unwrap();
    assert!(place("a") < place("a/b") && place("a/b") < place("a/b/c") && place("a") < place("a/a/a"));
    client.expect_nothing();
}

fn wildcards_find_what_they_match(lab: &Lab) {
    for topic in ["a", "a/b", "a/b/c", "/a", "b/b"] {
        retain(lab, topic, "x", 0);
    }
    let finds = |filter: &str, expected: &[&str]| {
        let client = newcomer(lab, "c", filter, 0);
        let mut topics: Vec<_> = expected.iter().map(|_| client.receive_publish().topic).collect();
        topics.sort();
        assert_eq!(topics, expected);
        client.expect_nothing();
        client.vanish();
    };
    finds("a/#", &["a", "a/b", "a/b/c"]);
    finds("+", &["a"]);
    finds("+/b", &["a/b", "b/b"]);
    finds("+/+", &["/a", "a/b", "b/b"]);
    finds("a/b", &["a/b"]);
    finds("a/+/c", &["a/b/c"]);
    finds("c/#", &[]);
}

fn dollar_topics_are_not_found_by_wildcards(lab: &Lab) {
    retain(lab, "$mine/x", "x", 0);
    newcomer(lab, "a", "#", 0).expect_nothing();
    newcomer(lab, "b", "+/x", 0).expect_nothing();
    newcomer(lab, "c", "$mine/#", 0).expect_publish(&publish(V5, "$mine/x", "x").retain());
}

fn mqtt_3_3_1_9_handling_0_sends_at_every_subscribe(lab: &Lab) {
    retain(lab, "t", "x", 0);
    for version in [V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        for _ in 0..2 {
            client.subscribe("t", 0);
            client.expect_publish(&publish(version, "t", "x").retain());
        }
        client.vanish();
    }
}

fn mqtt_3_3_1_10_handling_1_sends_only_to_new_subscriptions(lab: &Lab) {
    retain(lab, "t", "x", 0);
    let client = newcomer(lab, "a", "t", 0x10);
    client.expect_publish(&publish(V5, "t", "x").retain());
    client.subscribe("t", 0x11);
    client.expect_nothing();
    // After UNSUBSCRIBE it is new again, and another filter is new whatever it matches.
    client.send(unsubscribe(V5, &["t"]));
    client.expect(unsuback(V5, &[0]));
    for filter in ["t", "#"] {
        client.subscribe(filter, 0x10);
        client.expect_publish(&publish(V5, "t", "x").retain());
    }
}

fn mqtt_3_3_1_11_handling_2_never_sends(lab: &Lab) {
    retain(lab, "t", "x", 0);
    newcomer(lab, "a", "t", 0x20).expect_nothing();
}

fn retained_messages_have_the_subscription_identifier(lab: &Lab) {
    retain(lab, "t", "x", 1);
    let client = lab.v5("a");
    client.subscribe_as(77, "#", 0);
    client.expect_publish(&publish(V5, "t", "x").retain().properties(&number(SUBSCRIPTION_IDENTIFIER, 77)));
}

fn retained_messages_keep_their_properties(lab: &Lab) {
    let wire = [user("a", "b"), string(CONTENT_TYPE, "text"), user("c", "d")].concat();
    let message = publish(V5, "t", "x").retain().properties(&wire);
    lab.v5("p").publish(&message);
    newcomer(lab, "a", "t", 0).expect_publish(&message);
}

fn retained_messages_come_after_the_suback(lab: &Lab) {
    retain(lab, "t", "x", 0);
    let client = lab.v5("a");
    client.send(subscribe(V5, &[("t", 0), ("none", 1)]));
    client.expect(suback(V5, &[0, 1]));
    client.expect_publish(&publish(V5, "t", "x").retain());
}

fn each_filter_of_a_subscribe_brings_its_own(lab: &Lab) {
    retain(lab, "a/b", "x", 0);
    let client = lab.v311("a");
    client.send(subscribe(V311, &[("a/b", 0), ("a/#", 0)]));
    client.expect(suback(V311, &[0, 0]));
    for _ in 0..2 {
        client.expect_publish(&publish(V311, "a/b", "x").retain());
    }
    client.expect_nothing();
}

fn the_publisher_may_go_away(lab: &Lab) {
    let publisher = lab.v311("p");
    publisher.publish(&publish(V311, "t", "x").retain());
    publisher.vanish();
    newcomer(lab, "a", "t", 0).expect_publish(&publish(V5, "t", "x").retain());
}

fn setting_with_qos_1_and_2_retains(lab: &Lab) {
    for qos in [1, 2] {
        for version in [V311, V5] {
            let publisher = lab.connect(&connect(version, "p"));
            let payload = format!("{version} {qos}");
            publisher.publish(&Publish { qos, ..publish(version, "t", &payload).retain() });
            let client = newcomer(lab, "a", "t", 0);
            client.expect_publish(&publish(V5, "t", &payload).retain());
            client.vanish();
        }
    }
}

fn every_retained_message_arrives_however_many_there_are(lab: &Lab) {
    const COUNT: u16 = 5000;
    let publisher = lab.v311("p");
    let batch: Vec<u8> = (0..COUNT)
        .flat_map(|number| publish(V311, &format!("t/{number:04}"), [b'x'; 200]).retain().bytes())
        .collect();
    publisher.send(batch);
    publisher.expect_nothing();
    let qos_1: Vec<u8> = (0..COUNT)
        .flat_map(|number| publish(V311, &format!("u/{number:04}"), "x").qos(1, number + 1).retain().bytes())
        .collect();
    publisher.send(qos_1);
    for id in 1..=COUNT {
        publisher.expect(ack(PUBACK, id));
    }
    let client = lab.v311("a");
    client.subscribe("t/#", 0);
    for number in 0..COUNT {
        assert_eq!(client.receive_publish().topic, format!("t/{number:04}"));
    }
    client.expect_nothing();
    client.subscribe("u/#", 1);
    for number in 0..COUNT {
        let message = client.receive_publish();
        assert_eq!((message.topic, message.retain), (format!("u/{number:04}"), true));
        client.puback(message.id);
    }
    client.expect_nothing();
}

fn no_local_does_not_hold_retained_messages_back(lab: &Lab) {
    let client = lab.v5("a");
    client.publish(&publish(V5, "t", "mine").retain());
    client.subscribe("t", 0x04);
    // The standard speaks of messages that are forwarded; a retained one is kept back or given as others do.
    client.send(PINGREQ);
    let first = client.receive();
    if first != PINGRESP {
        assert_eq!(first, publish(V5, "t", "mine").retain().bytes());
        client.expect(PINGRESP);
    }
}

#[test]
fn mqtt_3_2_2_14_without_retained_messages_they_are_0x9a() {
    let lab = Lab::with(|config| config.retain_available = false);
    let client = lab.v5("a");
    client.fails(publish(V5, "t", "x").retain().bytes(), 0x9A);
    lab.v311("a").fails(publish(V311, "t", "x").retain().bytes(), 0x9A);
}

#[test]
fn the_number_of_retained_messages_can_be_limited() {
    let lab = Lab::with(|config| config.max_retained_messages = 2);
    for topic in ["a", "b", "c"] {
        lab.v5("p").send(publish(V5, topic, "x").retain().bytes());
    }
    let client = newcomer(&lab, "s", "#", 0);
    for topic in ["a", "b"] {
        client.expect_publish(&publish(V5, topic, "x").retain());
    }
    client.expect_nothing();
}
