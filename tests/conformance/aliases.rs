//! Topic Aliases both ways (section 3.3.2.3.4).

use crate::harness::{Client, Lab};
use crate::wire::*;

rules![
    mqtt_3_3_2_12_an_alias_stands_for_its_topic,
    mqtt_3_3_2_8_alias_0_is_0x82,
    mqtt_3_3_2_9_an_alias_above_the_maximum_is_0x94,
    an_alias_that_was_never_set_is_0x82,
    an_alias_can_be_given_another_topic,
    mqtt_3_3_2_7_aliases_end_with_their_connection,
    the_publishers_alias_is_not_forwarded,
    mqtt_3_1_2_26_the_server_uses_aliases_up_to_the_clients_maximum,
    mqtt_3_1_2_27_without_a_maximum_the_server_uses_none,
    the_servers_aliases_begin_anew_with_each_connection,
    an_alias_also_works_in_qos_2,
];

fn aliased(topic: &str, alias: u16, payload: &str) -> Publish {
    publish(V5, topic, payload).properties(&two(TOPIC_ALIAS, alias))
}

fn watcher<'a>(lab: &'a Lab) -> Client<'a> {
    let watcher = lab.v5("watcher");
    watcher.subscribe("#", 2);
    watcher
}

fn mqtt_3_3_2_12_an_alias_stands_for_its_topic(lab: &Lab) {
    let watcher = watcher(lab);
    let client = lab.v5("a");
    for alias in 1..=10 {
        let topic = format!("t{alias}");
        client.send(aliased(&topic, alias, "first").bytes());
        watcher.expect_publish(&publish(V5, &topic, "first"));
    }
    for alias in 1..=10 {
        client.send(aliased("", alias, "again").bytes());
        watcher.expect_publish(&publish(V5, &format!("t{alias}"), "again"));
    }
}

fn mqtt_3_3_2_8_alias_0_is_0x82(lab: &Lab) {
    lab.v5("a").fails(aliased("t", 0, "x").bytes(), 0x82);
    lab.v5("a").fails(aliased("", 0, "x").bytes(), 0x82);
}

fn mqtt_3_3_2_9_an_alias_above_the_maximum_is_0x94(lab: &Lab) {
    lab.v5("a").fails(aliased("t", 11, "x").bytes(), 0x94);
    lab.v5("a").fails(aliased("", 65_535, "x").bytes(), 0x94);
}

fn an_alias_that_was_never_set_is_0x82(lab: &Lab) {
    lab.v5("a").fails(aliased("", 3, "x").bytes(), 0x82);
}

fn an_alias_can_be_given_another_topic(lab: &Lab) {
    let watcher = watcher(lab);
    let client = lab.v5("a");
    for topic in ["one", "two"] {
        client.send(aliased(topic, 1, "x").bytes());
        watcher.expect_publish(&publish(V5, topic, "x"));
        client.send(aliased("", 1, "y").bytes());
        watcher.expect_publish(&publish(V5, topic, "y"));
    }
}

fn mqtt_3_3_2_7_aliases_end_with_their_connection(lab: &Lab) {
    let client = lab.connect(&durable(V5, "a"));
    client.send(aliased("t", 1, "x").bytes());
    client.expect_nothing();
    client.vanish();
    lab.connect(&durable(V5, "a")).fails(aliased("", 1, "x").bytes(), 0x82);
}

fn the_publishers_alias_is_not_forwarded(lab: &Lab) {
    let watcher = watcher(lab);
    let wire = [user("a", "b"), two(TOPIC_ALIAS, 1), user("c", "d")].concat();
    let forwarded = [user("a", "b"), user("c", "d")].concat();
    let client = lab.v5("a");
    for (topic, id) in [("t", 1), ("", 2)] {
        for qos in 0..=2 {
            client.send(publish(V5, topic, "x").properties(&wire).qos(qos, id).bytes());
            let message = watcher.receive_publish();
            assert_eq!((message.topic.as_str(), message.properties), ("t", forwarded.clone()));
        }
    }
}

fn mqtt_3_1_2_26_the_server_uses_aliases_up_to_the_clients_maximum(lab: &Lab) {
    let client = lab.connect(&Connect { properties: two(TOPIC_ALIAS_MAXIMUM, 2), ..connect(V5, "s") });
    client.subscribe("#", 0);
    let publisher = lab.v5("p");
    let hears = |topic: &str, expected: Publish| {
        publisher.say(topic, "x", 0);
        client.expect_publish(&expected);
    };
    hears("one", aliased("one", 1, "x"));
    hears("two", aliased("two", 2, "x"));
    hears("one", aliased("", 1, "x"));
    hears("three", publish(V5, "three", "x"));
    hears("two", aliased("", 2, "x"));
    hears("three", publish(V5, "three", "x"));
}

fn mqtt_3_1_2_27_without_a_maximum_the_server_uses_none(lab: &Lab) {
    for properties in [Vec::new(), two(TOPIC_ALIAS_MAXIMUM, 0)] {
        let client = lab.connect(&Connect { properties, ..connect(V5, "s") });
        client.subscribe("t", 0);
        for _ in 0..2 {
            lab.v5("p").say("t", "x", 0);
            client.expect_publish(&publish(V5, "t", "x"));
        }
    }
}

fn the_servers_aliases_begin_anew_with_each_connection(lab: &Lab) {
    let properties = [two(TOPIC_ALIAS_MAXIMUM, 5), four(SESSION_EXPIRY_INTERVAL, 100)].concat();
    let again = Connect { is_clean: false, properties, ..connect(V5, "s") };
    let client = lab.connect(&again);
    client.subscribe("t", 1);
    let publisher = lab.v5("p");
    publisher.say("t", "1", 1);
    client.expect_publish(&aliased("t", 1, "1").qos(1, 1));
    publisher.say("t", "2", 1);
    client.expect_publish(&aliased("", 1, "2").qos(1, 2));
    client.vanish();
    // What is sent again must not rely on an alias of the old connection.
    let client = lab.connect(&again);
    client.expect_publish(&aliased("t", 1, "1").qos(1, 1).dup());
    client.expect_publish(&aliased("", 1, "2").qos(1, 2).dup());
}

fn an_alias_also_works_in_qos_2(lab: &Lab) {
    let watcher = watcher(lab);
    let client = lab.v5("a");
    client.send([aliased("t", 1, "1").qos(2, 1).bytes(), aliased("", 1, "2").qos(2, 2).bytes()].concat());
    client.expect(ack(PUBREC, 1));
    client.expect(ack(PUBREC, 2));
    // Sent again, the alias is the same.
    client.send(aliased("", 1, "2").qos(2, 2).dup().bytes());
    client.expect_taken(PUBREC, 2);
    for payload in ["1", "2"] {
        let message = watcher.receive_publish();
        assert_eq!((message.topic.as_str(), message.payload.as_slice()), ("t", payload.as_bytes()));
    }
    watcher.expect_nothing();
}

#[test]
fn max_topic_alias_is_told_and_0_forbids_them() {
    let lab = Lab::with(|config| config.listeners[0].max_topic_alias = 0);
    let client = lab.v5("a");
    let forbidden = two(TOPIC_ALIAS_MAXIMUM, 10);
    assert!(!client.connack.windows(3).any(|window| window == forbidden));
    client.fails(aliased("t", 1, "x").bytes(), 0x94);
}

#[test]
fn max_topic_alias_broker_limits_our_own() {
    let lab = Lab::with(|config| config.max_topic_alias_broker = 1);
    let client = lab.connect(&Connect { properties: two(TOPIC_ALIAS_MAXIMUM, 100), ..connect(V5, "s") });
    client.subscribe("#", 0);
    for (topic, expected) in [("one", aliased("one", 1, "x")), ("two", publish(V5, "two", "x"))] {
        lab.v5("p").say(topic, "x", 0);
        client.expect_publish(&expected);
    }
}
