//! Limits of the configuration, and what abuse costs (broker contract, sections 1 and 5).

use crate::harness::{Client, Lab};
use crate::wire::*;
use std::time::Duration;

rules![
    five_thousand_user_properties_are_taken,
    the_first_packet_may_announce_much_and_costs_nothing,
    many_filters_in_one_packet_are_each_answered,
];

fn five_thousand_user_properties_are_taken(lab: &Lab) {
    let many = Connect { properties: user("n", "v").repeat(5000), ..connect(V5, "a") };
    lab.connect(&many).expect_nothing();
    let subscriber = lab.v5("s");
    subscriber.subscribe("t", 0);
    let message = publish(V5, "t", "x").properties(&user("n", "v").repeat(5000));
    lab.v5("p").publish(&message);
    assert!(subscriber.receive_publish() == message);
}

fn the_first_packet_may_announce_much_and_costs_nothing(lab: &Lab) {
    for first in [0x20, 0x30, 0x3D, 0x40, 0x62, 0x82, 0x90, 0xA2, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0x00] {
        lab.refuses(&[first, 0xFF, 0xFF, 0xFF, 0x7F], &[]);
    }
}

fn many_filters_in_one_packet_are_each_answered(lab: &Lab) {
    let filters: Vec<String> = (0..10_000).map(|number| format!("f/{number}")).collect();
    let entries: Vec<_> = filters.iter().map(|filter| (filter.as_str(), 1)).collect();
    let client = lab.v311("a");
    client.send(subscribe(V311, &entries));
    client.expect(suback(V311, &[1; 10_000]));
    let names: Vec<_> = filters.iter().map(String::as_str).collect();
    client.send(unsubscribe(V311, &names));
    client.expect(unsuback(V311, &[]));
}

/// Stalls the client while `count` messages are published, then counts what has come.
fn received_by_a_slow_reader(lab: &Lab, client: &Client<'_>, size: usize, count: u32) -> usize {
    lab.pure_server(|pure| pure.stall(client.connection, true));
    let publisher = lab.v311("p");
    let other = lab.v311("other");
    other.subscribe("t", 0);
    for _ in 0..count {
        publisher.publish(&publish(V311, "t", vec![b'x'; size]));
        assert_eq!(other.receive_publish().payload.len(), size, "others do not notice");
    }
    lab.pure_server(|pure| pure.stall(client.connection, false));
    let mut received = 0;
    client.send(PINGREQ);
    loop {
        let packet = client.receive();
        if packet == PINGRESP {
            return received;
        }
        received += 1;
    }
}

#[test]
fn a_slow_reader_of_qos_0_is_bounded_by_bytes() {
    let lab = Lab::with(|config| {
        config.max_outgoing_bytes = 100_000;
        config.max_queued_messages = 50;
    });
    let client = lab.v311("slow");
    client.subscribe("t", 0);
    let received = received_by_a_slow_reader(&lab, &client, 1000, 1000);
    assert!((90..=200).contains(&received), "{received}");
    client.expect_nothing();
}

#[test]
fn a_slow_reader_of_qos_1_gets_its_window_and_its_queue() {
    let lab = Lab::with(|config| config.max_queued_messages = 100);
    let client = lab.v311("slow");
    client.subscribe("t", 1);
    let publisher = lab.v311("p");
    lab.pure_server(|pure| pure.stall(client.connection, true));
    for number in 0..1000 {
        publisher.say("t", &number.to_string(), 1);
    }
    lab.pure_server(|pure| pure.stall(client.connection, false));
    for number in 0..120_u16 {
        let message = client.receive_publish();
        assert_eq!((message.payload, message.id), (number.to_string().into_bytes(), number + 1));
        client.puback(message.id);
    }
    client.expect_nothing();
    // It catches up: what comes now is delivered.
    publisher.say("t", "now", 1);
    assert_eq!(client.receive_publish().payload, b"now");
}

#[test]
fn connections_over_the_limit_are_closed_without_a_word() {
    let lab = Lab::with(|config| config.listeners[0].max_connections = 2);
    let (a, b) = (lab.v5("a"), lab.v5("b"));
    let third = lab.open(V5);
    third.expect_end([]);
    a.disconnect();
    lab.v5("c").expect_nothing();
    b.expect_nothing();

    let lab = Lab::with(|config| config.global_max_connections = 1);
    let _a = lab.v5("a");
    lab.open(V5).expect_end([]);
}

#[test]
fn sessions_over_the_limit_are_refused() {
    let lab = Lab::with(|config| config.global_max_clients = 2);
    lab.connect(&durable(V5, "a")).vanish();
    lab.connect(&durable(V311, "b")).vanish();
    let client = lab.open(V5);
    client.send(connect(V5, "c").bytes());
    let answer = client.receive();
    assert!(answer[0] == 0x20 && matches!(answer[3], 0x89 | 0x97), "{answer:02x?}");
    lab.connect(&durable(V5, "a")).expect_nothing();
    let old = lab.open(V311);
    old.send(connect(V311, "d").bytes());
    old.expect_end(connack(false, 3));
}

#[test]
fn subscriptions_over_the_limit_are_0x97() {
    let lab = Lab::with(|config| config.max_subscriptions = 2);
    let client = lab.v5("a");
    client.send(subscribe(V5, &[("a", 0), ("b", 0), ("c", 0), ("a", 1)]));
    client.expect(suback(V5, &[0, 0, 0x97, 1]));
    let old = lab.v311("b");
    old.send(subscribe(V311, &[("a", 0), ("b", 0), ("c", 0)]));
    old.expect(suback(V311, &[0, 0, 0x80]));
}

#[test]
fn max_packet_size_is_told_and_kept() {
    let lab = Lab::with(|config| config.max_packet_size = 100);
    let client = lab.v5("a");
    let told = four(MAXIMUM_PACKET_SIZE, 100);
    assert!(client.connack.windows(5).any(|window| window == told));
    client.send(publish(V5, "t", [b'x'; 94]).bytes());
    client.expect_nothing();
    client.fails([0x30, 99], 0x95);
    lab.v311("a").fails([0x30, 99], 0x95);
}

#[test]
fn max_inflight_bytes_holds_messages_back_but_one() {
    let lab = Lab::with(|config| config.max_inflight_bytes = 150);
    let client = lab.v311("s");
    client.subscribe("t", 1);
    let publisher = lab.v311("p");
    for length in [1000, 100, 100, 100] {
        publisher.publish(&publish(V311, "t", vec![b'x'; length]).qos(1, 0));
    }
    assert_eq!(client.receive_publish().payload.len(), 1000, "one may always be in flight");
    client.expect_nothing();
    client.puback(1);
    // As mosquitto has it, the one that passes the limit is still sent.
    assert_eq!(client.receive_publish().payload.len(), 100);
    assert_eq!(client.receive_publish().payload.len(), 100);
    client.expect_nothing();
    client.puback(2);
    assert_eq!(client.receive_publish().payload.len(), 100);
}

#[test]
fn mqtt_3_1_2_29_reason_strings_only_where_wanted_and_where_they_fit() {
    let lab = Lab::with(|config| config.reason_strings = true);
    let has_reason = |packet: &[u8]| packet.len() > 5 && packet.contains(&REASON_STRING);
    let client = lab.v5("a");
    client.send(ack(PUBREL, 9));
    let told = client.receive();
    assert_eq!(told[..5], [PUBCOMP, told[1], 0, 9, 0x92]);
    assert!(has_reason(&told), "{told:02x?}");
    for properties in [four(MAXIMUM_PACKET_SIZE, 20), byte(REQUEST_PROBLEM_INFORMATION, 0)] {
        let client = lab.connect(&Connect { properties, ..connect(V5, "b") });
        client.send(ack(PUBREL, 9));
        client.expect(ack_with(PUBCOMP, 9, 0x92));
    }
}

#[test]
fn stopping_tells_clients_of_mqtt_5() {
    let lab = Lab::pure();
    let client = lab.v5("a");
    let old = lab.v311("b");
    let silent = lab.open(V5);
    lab.pure_server(|pure| {
        let now = pure.now;
        pure.broker.stop(now);
        pure.pump();
    });
    client.expect_disconnect(0x8B);
    old.expect_end([]);
    silent.expect_end([]);
}

#[test]
fn ten_thousand_clients_come_and_go_and_nothing_stays() {
    let lab = Lab::pure();
    for number in 0..10_000 {
        let client = lab.v311(&format!("c{number}"));
        client.subscribe("t", 1);
        client.vanish();
    }
    lab.pure_server(|pure| {
        pure.advance(Duration::from_secs(1));
        let statistics = pure.broker.statistics();
        assert_eq!(statistics.subscriptions, 0, "{statistics:?}");
    });
    assert!(lab.pure_server(|pure| pure.broker.poll_timeout().is_none_or(|due| due > pure.now)));
}

#[test]
fn answers_that_are_never_read_are_bounded() {
    for (packet, count) in [(PINGREQ.repeat(100_000), 60), (ack(PUBREL, 1).repeat(10_000), 60)] {
        let lab = Lab::with(|config| config.reason_strings = true);
        let client = lab.v5("a");
        lab.pure_server(|pure| pure.stall(client.connection, true));
        for _ in 0..count {
            client.send(&packet);
        }
        lab.pure_server(|pure| pure.stall(client.connection, false));
        let (bytes, is_closed) = client.all_and_is_closed();
        assert!(is_closed && bytes.len() < 10_000_000, "{} bytes waited", bytes.len());
    }
}

#[test]
fn a_large_payload_over_the_limit_is_answered_without_having_been_read_in() {
    let lab = Lab::with(|config| config.message_size_limit = 1000);
    let watcher = lab.v311("w");
    watcher.subscribe("#", 0);
    for (version, reason) in [(V5, Some(0x83)), (V311, None)] {
        let client = lab.connect(&connect(version, "a"));
        for (qos, first) in [(1, PUBACK), (2, PUBREC)] {
            let answer = reason.map_or_else(|| ack(first, 7), |reason| ack_with(first, 7, reason));
            let bytes = publish(version, "t", vec![b'x'; 500_000]).qos(qos, 7).bytes();
            client.send(&bytes);
            client.expect(&answer);
            // In pieces, too.
            bytes.chunks(1000).for_each(|piece| client.send(piece));
            client.expect(if reason.is_none() && qos == 2 { ack(first, 7) } else { answer });
        }
        client.send(publish(version, "t", vec![b'x'; 500_000]).bytes());
        client.expect_nothing();
        client.vanish();
    }
    watcher.expect_nothing();
}
