//! Both Receive Maximums and both Maximum Packet Sizes (sections 3.1.2.11, 3.2.2.3 and 4.9).

use crate::harness::Lab;
use crate::wire::*;

rules![
    mqtt_3_3_4_7_one_publish_over_the_receive_maximum_is_0x93,
    a_batch_of_qos_1_never_trips_the_receive_maximum,
    pubcomp_and_an_error_pubrec_give_the_place_back,
    an_open_qos_2_publish_sent_again_takes_no_second_place,
    a_reconnect_keeps_what_is_open,
    the_receive_maximum_begins_anew_with_each_connection,
    mqtt_3_3_4_9_the_clients_receive_maximum_is_honoured,
    a_pubrec_keeps_the_place_until_pubcomp,
    qos_0_passes_a_full_window,
    twenty_one_open_qos_2_publishes_of_mqtt_3_1_1_are_all_delivered,
    before_mqtt_5_twenty_are_in_flight,
    mqtt_3_1_2_24_no_packet_larger_than_the_client_takes,
    mqtt_3_1_2_25_a_message_too_large_counts_as_delivered,
    a_packet_over_the_servers_maximum_is_0x95,
];

fn mqtt_3_3_4_7_one_publish_over_the_receive_maximum_is_0x93(lab: &Lab) {
    let client = lab.v5("a");
    for id in 1..=20 {
        client.send(publish(V5, "t", "x").qos(2, id).bytes());
        client.expect_taken(PUBREC, id);
    }
    client.fails(publish(V5, "t", "x").qos(2, 21).bytes(), 0x93);
    let client = lab.v5("a");
    for id in 1..=20 {
        client.send(publish(V5, "t", "x").qos(2, id).bytes());
        client.expect_taken(PUBREC, id);
    }
    client.fails(publish(V5, "t", "x").qos(1, 21).bytes(), 0x93);
}

fn a_batch_of_qos_1_never_trips_the_receive_maximum(lab: &Lab) {
    let client = lab.v5("a");
    let batch: Vec<u8> = (1..=500).flat_map(|id| publish(V5, "t", "x").qos(1, id).bytes()).collect();
    client.send(batch);
    for id in 1..=500 {
        client.expect_taken(PUBACK, id);
    }
    client.expect_nothing();
}

fn pubcomp_and_an_error_pubrec_give_the_place_back(lab: &Lab) {
    let client = lab.v5("a");
    for id in 1..=20 {
        client.send(publish(V5, "t", "x").qos(2, id).bytes());
        client.expect_taken(PUBREC, id);
    }
    client.send(ack(PUBREL, 7));
    client.expect(ack(PUBCOMP, 7));
    let refused = publish(V5, "t", b"\xff").properties(&byte(PAYLOAD_FORMAT_INDICATOR, 1));
    for id in 30..60 {
        client.send(refused.clone().qos(2, id).bytes());
        client.expect(ack_with(PUBREC, id, 0x99));
    }
    client.send(publish(V5, "t", "x").qos(2, 21).bytes());
    client.expect_taken(PUBREC, 21);
    client.fails(publish(V5, "t", "x").qos(2, 22).bytes(), 0x93);
}

fn an_open_qos_2_publish_sent_again_takes_no_second_place(lab: &Lab) {
    let client = lab.v5("a");
    for id in 1..=20 {
        client.send(publish(V5, "t", "x").qos(2, id).bytes());
        client.expect_taken(PUBREC, id);
    }
    client.send(publish(V5, "t", "x").qos(2, 20).dup().bytes());
    client.expect_taken(PUBREC, 20);
    client.expect_nothing();
}

fn a_reconnect_keeps_what_is_open(lab: &Lab) {
    let client = lab.connect(&durable(V5, "a"));
    for id in 1..=20 {
        client.send(publish(V5, "t", "x").qos(2, id).bytes());
        client.expect_taken(PUBREC, id);
    }
    client.vanish();
    let client = lab.connect(&durable(V5, "a"));
    for id in 1..=20 {
        client.send(ack(PUBREL, id));
        client.expect(ack(PUBCOMP, id));
    }
    client.expect_nothing();
}

fn the_receive_maximum_begins_anew_with_each_connection(lab: &Lab) {
    for round in 0..3 {
        let client = lab.connect(&durable(V5, "a"));
        for id in 1..=20 {
            let id = round * 20 + id;
            client.send(publish(V5, "t", "x").qos(2, id).bytes());
            client.expect_taken(PUBREC, id);
        }
        client.vanish();
    }
}

fn mqtt_3_3_4_9_the_clients_receive_maximum_is_honoured(lab: &Lab) {
    for maximum in [1, 2, 7] {
        let limited = Connect { properties: two(RECEIVE_MAXIMUM, maximum), ..connect(V5, "s") };
        let client = lab.connect(&limited);
        client.subscribe("t", 2);
        let publisher = lab.v5("p");
        for number in 0..20_u8 {
            publisher.say("t", &number.to_string(), number % 2 + 1);
        }
        let mut open = Vec::new();
        for number in 0..20_u8 {
            if open.len() == usize::from(maximum) {
                client.expect_nothing();
                let (id, qos) = open.remove(0);
                if qos == 1 {
                    client.puback(id);
                } else {
                    client.send(ack(PUBREC, id));
                    client.expect(ack(PUBREL, id));
                    client.send(ack(PUBCOMP, id));
                }
            }
            let message = client.receive_publish();
            assert_eq!(message.payload, number.to_string().as_bytes());
            open.push((message.id, message.qos));
        }
        client.vanish();
    }
}

fn a_pubrec_keeps_the_place_until_pubcomp(lab: &Lab) {
    let limited = Connect { properties: two(RECEIVE_MAXIMUM, 1), ..connect(V5, "s") };
    let client = lab.connect(&limited);
    client.subscribe("t", 2);
    let publisher = lab.v5("p");
    publisher.say("t", "1", 2);
    publisher.say("t", "2", 2);
    let first = client.receive_publish();
    client.send(ack(PUBREC, first.id));
    client.expect(ack(PUBREL, first.id));
    client.expect_nothing();
    client.send(ack(PUBCOMP, first.id));
    assert_eq!(client.receive_publish().payload, b"2");
}

fn qos_0_passes_a_full_window(lab: &Lab) {
    let limited = Connect { properties: two(RECEIVE_MAXIMUM, 1), ..connect(V5, "s") };
    let client = lab.connect(&limited);
    client.subscribe("t", 1);
    client.subscribe("other", 0);
    let publisher = lab.v5("p");
    publisher.say("t", "1", 1);
    publisher.say("t", "2", 1);
    client.receive_publish();
    publisher.say("other", "0", 0);
    assert_eq!(client.receive_publish().payload, b"0");
}

fn twenty_one_open_qos_2_publishes_of_mqtt_3_1_1_are_all_delivered(lab: &Lab) {
    for version in [V31, V311] {
        let subscriber = lab.connect(&connect(version, "s"));
        subscriber.subscribe("t", 0);
        let client = lab.connect(&connect(version, "a"));
        let batch: Vec<u8> =
            (1..=300).flat_map(|id| publish(version, "t", id.to_string()).qos(2, id).bytes()).collect();
        client.send(batch);
        for id in 1..=300 {
            client.expect(ack(PUBREC, id));
        }
        for id in 1..=300 {
            client.send(ack(PUBREL, id));
            client.expect(ack(PUBCOMP, id));
            assert_eq!(subscriber.receive_publish().payload, id.to_string().as_bytes());
        }
        subscriber.expect_nothing();
        subscriber.vanish();
    }
}

fn before_mqtt_5_twenty_are_in_flight(lab: &Lab) {
    let client = lab.v311("s");
    client.subscribe("t", 1);
    let publisher = lab.v311("p");
    for number in 1..=30 {
        publisher.say("t", &number.to_string(), 1);
    }
    for id in 1..=20 {
        assert_eq!(client.receive_publish().id, id);
    }
    client.expect_nothing();
    // Out of order is fine; each PUBACK lets one more come.
    for (acknowledged, next) in [(5, 21), (1, 22), (20, 23)] {
        client.puback(acknowledged);
        assert_eq!(client.receive_publish().payload, next.to_string().as_bytes());
        client.expect_nothing();
    }
}

fn mqtt_3_1_2_24_no_packet_larger_than_the_client_takes(lab: &Lab) {
    let small = Connect { properties: four(MAXIMUM_PACKET_SIZE, 30), ..connect(V5, "s") };
    let client = lab.connect(&small);
    client.subscribe("t", 1);
    let publisher = lab.v5("p");
    // 30 bytes: 2 of header, 3 of topic, 2 of identifier, 1 of properties, 22 of payload.
    for (qos, length) in [(0, 24), (1, 22)] {
        publisher.publish(&Publish { qos, ..publish(V5, "t", vec![b'x'; length]) });
        assert_eq!(client.receive().len(), 30);
        publisher.publish(&Publish { qos, ..publish(V5, "t", vec![b'x'; length + 1]) });
    }
    client.expect_nothing();
}

fn mqtt_3_1_2_25_a_message_too_large_counts_as_delivered(lab: &Lab) {
    let small = Connect {
        properties: [four(MAXIMUM_PACKET_SIZE, 30), two(RECEIVE_MAXIMUM, 1)].concat(),
        ..connect(V5, "s")
    };
    let client = lab.connect(&small);
    client.subscribe("t", 1);
    let publisher = lab.v5("p");
    for _ in 0..5 {
        publisher.publish(&publish(V5, "t", [b'x'; 100]).qos(1, 0));
    }
    publisher.say("t", "fits", 1);
    assert_eq!(client.receive_publish().payload, b"fits");
    // The client's own size limit does not end anything for others.
    let other = lab.v5("o");
    other.subscribe("t", 0);
    publisher.publish(&publish(V5, "t", [b'x'; 100]));
    assert_eq!(other.receive_publish().payload.len(), 100);
}

fn a_packet_over_the_servers_maximum_is_0x95(lab: &Lab) {
    // 2,000,001 bytes are announced: 4 of header, the rest of body.
    let body = 2_000_001 - 5;
    let client = lab.v5("a");
    let head: Vec<u8> = [vec![0x30], variable(body)].concat();
    assert_eq!(head.len(), 4, "so the packet has {} bytes", body + 4);
    client.send(publish(V5, "t", vec![b'x'; body - 4]).bytes());
    client.expect_nothing();
    // The length alone is enough: no byte of the body is sent.
    client.fails([vec![0x30], variable(body + 1)].concat(), 0x95);
}

#[test]
fn max_inflight_messages_is_the_window_and_what_is_told() {
    let lab = Lab::with(|config| config.max_inflight_messages = 3);
    let client = lab.v5("a");
    let told = two(RECEIVE_MAXIMUM, 3);
    assert!(client.connack.windows(3).any(|window| window == told));
    for id in 1..=3 {
        client.send(publish(V5, "t", "x").qos(2, id).bytes());
        client.expect_taken(PUBREC, id);
    }
    client.fails(publish(V5, "t", "x").qos(2, 4).bytes(), 0x93);
    let subscriber = lab.v311("s");
    subscriber.subscribe("t", 1);
    let publisher = lab.v5("p");
    for _ in 0..5 {
        publisher.say("t", "x", 1);
    }
    for _ in 0..3 {
        subscriber.receive_publish();
    }
    subscriber.expect_nothing();
}

#[test]
fn an_acknowledgement_over_10000_bytes_is_refused_before_it_is_read() {
    let lab = Lab::pure();
    for first in [PUBACK, PUBREC, PUBREL, PUBCOMP, 0xE0] {
        for version in [V311, V5] {
            lab.connect(&connect(version, "a")).fails([vec![first], variable(10_000)].concat(), 0x95);
        }
    }
}

#[test]
fn a_payload_over_the_message_size_limit_is_swallowed_and_0x83() {
    let lab = Lab::with(|config| config.message_size_limit = 100);
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 2);
    let client = lab.v5("a");
    for (qos, first) in [(1, PUBACK), (2, PUBREC)] {
        client.send(publish(V5, "t", [b'x'; 101]).qos(qos, 9).bytes());
        client.expect(ack_with(first, 9, 0x83));
    }
    client.send(publish(V5, "t", [b'x'; 101]).bytes());
    client.expect_nothing();
    subscriber.expect_nothing();
    client.say("t", &"x".repeat(100), 0);
    assert_eq!(subscriber.receive_publish().payload.len(), 100);
    let old = lab.v311("o");
    old.send(publish(V311, "t", [b'x'; 101]).qos(1, 9).bytes());
    old.expect(ack(PUBACK, 9));
    subscriber.expect_nothing();
}

#[test]
fn every_identifier_of_a_3_1_1_client_may_be_open() {
    let lab = Lab::pure();
    let subscriber = lab.v311("s");
    subscriber.subscribe("t", 0);
    let client = lab.v311("a");
    for id in 1..=65_535 {
        client.send(publish(V311, "t", "x").qos(2, id).bytes());
        client.expect(ack(PUBREC, id));
        subscriber.receive_publish();
    }
    // Each is known: sent again, nothing is delivered.
    for id in [1, 30_000, 65_535] {
        client.send(publish(V311, "t", "x").qos(2, id).dup().bytes());
        client.expect(ack(PUBREC, id));
    }
    subscriber.expect_nothing();
}
