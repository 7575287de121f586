//! PUBLISH and what is forwarded of it (section 3.3).

use crate::harness::Lab;
use crate::wire::*;

rules![
    mqtt_3_3_1_2_dup_with_qos_0_is_refused,
    mqtt_3_3_1_3_dup_is_not_forwarded,
    mqtt_3_3_1_4_qos_3_is_refused,
    mqtt_3_3_1_12_retain_is_not_forwarded_to_established_subscriptions,
    mqtt_3_3_1_13_retain_as_published_forwards_it,
    mqtt_3_3_2_1_an_empty_topic_without_alias_is_refused,
    mqtt_3_3_2_2_a_topic_with_wildcards_is_refused,
    mqtt_3_3_2_4_payload_format_is_forwarded,
    payload_that_is_not_the_utf_8_it_claims_is_0x99,
    mqtt_3_3_2_14_response_topic_with_wildcards_is_refused,
    mqtt_3_3_2_17_user_properties_keep_their_order,
    forwarded_properties_keep_the_publishers_order,
    mqtt_3_3_4_6_a_client_must_not_send_a_subscription_identifier,
    mqtt_3_3_4_2_one_copy_with_the_highest_qos_and_all_identifiers,
    mqtt_3_8_4_8_qos_is_the_lower_of_both,
    nobody_who_subscribes_is_0x10,
    mqtt_3_3_2_3_every_matching_subscription_is_served,
    mqtt_4_6_0_6_order_of_one_topic_is_kept,
    publishing_to_sys_is_refused,
    messages_cross_the_versions_without_their_properties,
    an_empty_payload_and_a_large_one_arrive_whole,
    a_client_that_publishes_to_itself_sees_qos_1_before_its_puback,
    a_client_that_publishes_to_itself_sees_pubrec_before_the_qos_2_message,
    identifiers_count_from_1_for_each_client,
];

fn mqtt_3_3_1_2_dup_with_qos_0_is_refused(lab: &Lab) {
    lab.v5("a").fails(publish(V5, "t", "x").dup().bytes(), 0x81);
    lab.v311("a").fails(publish(V311, "t", "x").dup().bytes(), 0x81);
}

fn mqtt_3_3_1_3_dup_is_not_forwarded(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 1);
    let publisher = lab.v5("p");
    publisher.send(publish(V5, "t", "x").qos(1, 9).dup().bytes());
    subscriber.expect_publish(&publish(V5, "t", "x").qos(1, 1));
}

fn mqtt_3_3_1_4_qos_3_is_refused(lab: &Lab) {
    for first in [0x36, 0x3E] {
        let mut bytes = publish(V5, "t", "x").qos(1, 1).bytes();
        bytes[0] = first;
        lab.v5("a").fails(&bytes, 0x81);
        lab.v311("a").fails(&bytes, 0x81);
    }
}

fn mqtt_3_3_1_12_retain_is_not_forwarded_to_established_subscriptions(lab: &Lab) {
    for version in [V31, V311, V5] {
        let topic = format!("t{version}");
        let subscriber = lab.connect(&connect(version, "s"));
        subscriber.subscribe(&topic, 0);
        lab.v5("p").publish(&publish(V5, &topic, "x").retain());
        subscriber.expect_publish(&publish(version, &topic, "x"));
        subscriber.vanish();
    }
}

fn mqtt_3_3_1_13_retain_as_published_forwards_it(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 0x08);
    let publisher = lab.v5("p");
    publisher.publish(&publish(V5, "t", "x").retain());
    subscriber.expect_publish(&publish(V5, "t", "x").retain());
    publisher.publish(&publish(V5, "t", "x"));
    subscriber.expect_publish(&publish(V5, "t", "x"));
}

fn mqtt_3_3_2_1_an_empty_topic_without_alias_is_refused(lab: &Lab) {
    lab.v5("a").fails(publish(V5, "", "x").bytes(), 0x82);
    lab.v311("a").fails(publish(V311, "", "x").bytes(), 0x82);
}

fn mqtt_3_3_2_2_a_topic_with_wildcards_is_refused(lab: &Lab) {
    for topic in ["+", "#", "a/+", "a/#", "a+"] {
        lab.v5("a").fails(publish(V5, topic, "x").bytes(), 0x81);
        lab.v311("a").fails(publish(V311, topic, "x").bytes(), 0x81);
    }
}

fn mqtt_3_3_2_4_payload_format_is_forwarded(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 0);
    for format in [0, 1] {
        let message = publish(V5, "t", "grün").properties(&byte(PAYLOAD_FORMAT_INDICATOR, format));
        lab.v5("p").publish(&message);
        subscriber.expect_publish(&message);
    }
    lab.v5("p").fails(publish(V5, "t", "x").properties(&byte(PAYLOAD_FORMAT_INDICATOR, 2)).bytes(), 0x82);
}

fn payload_that_is_not_the_utf_8_it_claims_is_0x99(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 2);
    let bad = publish(V5, "t", b"\xff\xfe").properties(&byte(PAYLOAD_FORMAT_INDICATOR, 1));
    let publisher = lab.v5("p");
    publisher.send(bad.clone().qos(1, 1).bytes());
    publisher.expect(ack_with(PUBACK, 1, 0x99));
    publisher.send(bad.clone().qos(2, 2).bytes());
    publisher.expect(ack_with(PUBREC, 2, 0x99));
    publisher.fails(bad.bytes(), 0x99);
    subscriber.expect_nothing();
    // Not announced as UTF-8, any byte may stand in it.
    let plain = publish(V5, "t", b"\xff\xfe");
    lab.v5("p").publish(&plain);
    subscriber.expect_publish(&plain);
}

fn mqtt_3_3_2_14_response_topic_with_wildcards_is_refused(lab: &Lab) {
    for topic in ["a/+", "#", ""] {
        lab.v5("a").fails(publish(V5, "t", "x").properties(&string(RESPONSE_TOPIC, topic)).bytes(), 0x82);
    }
}

fn mqtt_3_3_2_17_user_properties_keep_their_order(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 0);
    let wire = [user("b", "1"), user("a", "2"), user("b", "1"), user("", "")].concat();
    let message = publish(V5, "t", "x").properties(&wire);
    lab.v5("p").publish(&message);
    subscriber.expect_publish(&message);
}

fn forwarded_properties_keep_the_publishers_order(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 1);
    let parts = [
        user("a", "b"),
        string(CORRELATION_DATA, [0, 255]),
        string(CONTENT_TYPE, "text/plain"),
        byte(PAYLOAD_FORMAT_INDICATOR, 1),
        user("c", "d"),
        string(RESPONSE_TOPIC, "answers"),
        four(MESSAGE_EXPIRY_INTERVAL, 1000),
    ];
    for turn in 0..parts.len() {
        let wire = [&parts[turn..], &parts[..turn]].concat().concat();
        let message = publish(V5, "t", "x").properties(&wire);
        lab.v5("p").publish(&message);
        subscriber.expect_publish(&message);
    }
}

fn mqtt_3_3_4_6_a_client_must_not_send_a_subscription_identifier(lab: &Lab) {
    lab.v5("a").fails(publish(V5, "t", "x").properties(&number(SUBSCRIPTION_IDENTIFIER, 1)).bytes(), 0x82);
}

fn mqtt_3_3_4_2_one_copy_with_the_highest_qos_and_all_identifiers(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe_as(7, "a/b", 0);
    subscriber.subscribe_as(300_000, "a/#", 2);
    subscriber.subscribe_as(1, "+/b", 1);
    subscriber.subscribe("#", 0);
    lab.v5("p").send(publish(V5, "a/b", "x").qos(2, 1).bytes());
    let message = subscriber.receive_publish();
    assert_eq!((message.qos, message.id), (2, 1));
    let identifiers = [7, 300_000, 1].map(|identifier| number(SUBSCRIPTION_IDENTIFIER, identifier));
    assert_eq!(message.properties, identifiers.concat());
    subscriber.expect_nothing();
}

fn mqtt_3_8_4_8_qos_is_the_lower_of_both(lab: &Lab) {
    let publisher = lab.v311("p");
    for granted in 0..=2 {
        let subscriber = lab.v311("s");
        subscriber.subscribe("t", granted);
        for published in 0..=2 {
            publisher.say("t", "x", published);
            assert_eq!(subscriber.receive_publish().qos, granted.min(published));
        }
        subscriber.vanish();
    }
}

fn nobody_who_subscribes_is_0x10(lab: &Lab) {
    let publisher = lab.v5("p");
    publisher.send(publish(V5, "t", "x").qos(1, 1).bytes());
    publisher.expect(ack_with(PUBACK, 1, 0x10));
    publisher.send(publish(V5, "t", "x").qos(2, 2).bytes());
    publisher.expect(ack_with(PUBREC, 2, 0x10));
    publisher.send(ack(PUBREL, 2));
    publisher.expect(ack(PUBCOMP, 2));
    publisher.send(publish(V5, "t", "x").qos(1, 3).retain().bytes());
    publisher.expect(ack_with(PUBACK, 3, 0x10));
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 0);
    publisher.send(publish(V5, "t", "x").qos(1, 4).bytes());
    publisher.expect(ack(PUBACK, 4));
    let old = lab.v311("o");
    old.send(publish(V311, "nobody", "x").qos(1, 1).bytes());
    old.expect(ack(PUBACK, 1));
}

fn mqtt_3_3_2_3_every_matching_subscription_is_served(lab: &Lab) {
    let clients: Vec<_> = (0..5).map(|number| lab.v311(&format!("s{number}"))).collect();
    for (client, filter) in clients.iter().zip(["a/b", "a/+", "#", "a/#", "b"]) {
        client.subscribe(filter, 0);
    }
    lab.v311("p").say("a/b", "x", 0);
    for client in &clients[..4] {
        client.expect_publish(&publish(V311, "a/b", "x"));
    }
    clients[4].expect_nothing();
}

fn mqtt_4_6_0_6_order_of_one_topic_is_kept(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 2);
    let publisher = lab.v5("p");
    let mut batch = Vec::new();
    for number in 0..15_u16 {
        let qos = u8::try_from(number % 2 + 1).unwrap();
        batch.extend(publish(V5, "t", number.to_string()).qos(qos, number + 1).bytes());
    }
    publisher.send(batch);
    for number in 0..15 {
        assert_eq!(subscriber.receive_publish().payload, number.to_string().as_bytes());
    }
}

fn publishing_to_sys_is_refused(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("$SYS/mine/#", 0);
    let publisher = lab.v5("p");
    publisher.send(publish(V5, "$SYS/mine/x", "x").bytes());
    publisher.expect_nothing();
    publisher.send(publish(V5, "$SYS/mine/x", "x").qos(1, 1).bytes());
    assert_eq!(publisher.receive()[..4], [PUBACK, 3, 0, 1]);
    subscriber.expect_nothing();
    // Other topics that begin with `$` are ordinary.
    subscriber.subscribe("$mine", 0);
    publisher.say("$mine", "x", 0);
    subscriber.expect_publish(&publish(V5, "$mine", "x"));
}

fn messages_cross_the_versions_without_their_properties(lab: &Lab) {
    let subscribers = [V31, V311, V5].map(|version| lab.connect(&connect(version, &format!("s{version}"))));
    for subscriber in &subscribers {
        subscriber.subscribe("t", 1);
    }
    let message = publish(V5, "t", "x").properties(&user("a", "b")).qos(1, 1);
    lab.v5("p").publish(&message);
    for subscriber in &subscribers {
        let properties = if subscriber.version == V5 { user("a", "b") } else { Vec::new() };
        subscriber.expect_publish(&Publish { version: subscriber.version, properties, ..message.clone() });
        subscriber.puback(1);
    }
    lab.v311("old").say("t", "y", 0);
    for subscriber in &subscribers {
        subscriber.expect_publish(&publish(subscriber.version, "t", "y"));
    }
}

fn an_empty_payload_and_a_large_one_arrive_whole(lab: &Lab) {
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 0);
    for length in [0, 1, 4095, 4096, 100_000, 1_900_000] {
        let payload: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0]).collect();
        let message = publish(V5, "t", payload);
        lab.v5("p").publish(&message);
        assert!(subscriber.receive_publish() == message, "{length}");
    }
}

fn a_client_that_publishes_to_itself_sees_qos_1_before_its_puback(lab: &Lab) {
    let client = lab.v311("a");
    client.subscribe("t", 1);
    client.send(publish(V311, "t", "x").qos(1, 77).bytes());
    client.expect_publish(&publish(V311, "t", "x").qos(1, 1));
    client.expect(ack(PUBACK, 77));
}

fn a_client_that_publishes_to_itself_sees_pubrec_before_the_qos_2_message(lab: &Lab) {
    let client = lab.v311("a");
    client.subscribe("t", 2);
    client.send(publish(V311, "t", "x").qos(2, 77).bytes());
    client.expect(ack(PUBREC, 77));
    client.send(ack(PUBREL, 77));
    let mut packets = [client.receive(), client.receive()];
    packets.sort();
    assert_eq!(packets[0], publish(V311, "t", "x").qos(2, 1).bytes());
    assert_eq!(packets[1], ack(PUBCOMP, 77));
}

fn identifiers_count_from_1_for_each_client(lab: &Lab) {
    let subscribers = [lab.v5("a"), lab.v311("b")];
    let publisher = lab.v5("p");
    for subscriber in &subscribers {
        subscriber.subscribe("t", 1);
    }
    for expected in 1..=3 {
        publisher.say("t", "x", 1);
        for subscriber in &subscribers {
            assert_eq!(subscriber.receive_publish().id, expected);
            subscriber.puback(expected);
        }
    }
}

#[test]
fn mqtt_3_3_4_5_allow_duplicate_messages_gives_a_copy_for_each_subscription() {
    let lab = Lab::with(|config| config.allow_duplicate_messages = true);
    let subscriber = lab.v5("s");
    subscriber.subscribe_as(1, "a/b", 0);
    subscriber.subscribe_as(2, "a/#", 1);
    lab.v5("p").say("a/b", "x", 1);
    let mut copies = [subscriber.receive_publish(), subscriber.receive_publish()];
    copies.sort_by_key(|copy| copy.qos);
    assert_eq!(copies[0].properties, number(SUBSCRIPTION_IDENTIFIER, 1));
    assert_eq!((copies[1].qos, copies[1].properties.clone()), (1, number(SUBSCRIPTION_IDENTIFIER, 2)));
    subscriber.expect_nothing();
}

#[test]
fn upgrade_outgoing_qos_delivers_with_the_qos_of_the_subscription() {
    let lab = Lab::with(|config| config.upgrade_outgoing_qos = true);
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 2);
    lab.v5("p").say("t", "x", 0);
    assert_eq!(subscriber.receive_publish().qos, 2);
}

#[test]
fn mqtt_3_2_2_11_qos_above_the_maximum_is_0x9b() {
    let lab = Lab::with(|config| config.listeners[0].maximum_qos = culex::packet::Qos::AtLeastOnce);
    let client = lab.v5("a");
    client.subscribe("t", 1);
    client.fails(publish(V5, "t", "x").qos(2, 1).bytes(), 0x9B);
    lab.v311("a").fails(publish(V311, "t", "x").qos(2, 1).bytes(), 0x9B);
    let client = lab.v5("a");
    client.send(subscribe(V5, &[("t", 2)]));
    client.expect(suback(V5, &[1]));
    let will = Some(Will { topic: "w", qos: 2, ..Will::default() });
    lab.refuses(&Connect { will, ..connect(V5, "b") }.bytes(), &refusal(0x9B));
}
