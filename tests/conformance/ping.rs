//! PINGREQ, PINGRESP and Keep Alive (sections 3.1.2.10, 3.12 and 3.13).

use crate::harness::Lab;
use crate::wire::*;
use std::time::Duration;

rules![
    mqtt_3_12_4_1_pingreq_is_answered,
    pingreq_with_a_body_or_flags_is_refused,
    several_pingreqs_in_one_read_are_each_answered,
];

fn mqtt_3_12_4_1_pingreq_is_answered(lab: &Lab) {
    for version in [V31, V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        client.send(PINGREQ);
        client.expect(PINGRESP);
        client.vanish();
    }
}

fn pingreq_with_a_body_or_flags_is_refused(lab: &Lab) {
    for version in [V311, V5] {
        lab.connect(&connect(version, "a")).fails([0xC0, 1, 0], 0x81);
        lab.connect(&connect(version, "a")).fails([0xC1, 0], 0x81);
    }
}

fn several_pingreqs_in_one_read_are_each_answered(lab: &Lab) {
    let client = lab.v5("a");
    client.send(PINGREQ.repeat(100));
    client.expect(PINGRESP.repeat(100));
}

fn kept_alive(version: u8, keep_alive: u16) -> Connect {
    Connect { keep_alive, ..connect(version, "a") }
}

#[test]
fn mqtt_3_1_2_22_silence_of_one_and_a_half_keep_alive_ends_the_connection() {
    for version in [V31, V311, V5] {
        for keep_alive in [1, 2, 60, 65_535] {
            let lab = Lab::pure();
            let client = lab.connect(&kept_alive(version, keep_alive));
            let limit = Duration::from_secs(keep_alive.into()) * 3 / 2;
            lab.advance(limit - Duration::from_millis(1));
            assert!(!lab.pure_server(|pure| pure.is_closed(client.connection)), "{keep_alive} is early");
            lab.advance(Duration::from_millis(2));
            client.expect_disconnect(0x8D);
        }
    }
}

#[test]
fn any_packet_puts_the_end_off() {
    let lab = Lab::pure();
    let client = lab.connect(&kept_alive(V5, 10));
    let packets = [
        PINGREQ.to_vec(),
        publish(V5, "t", "x").bytes(),
        subscribe(V5, &[("u", 0)]),
        ack(PUBACK, 9),
        vec![0x30],
    ];
    for packet in &packets[..4] {
        lab.advance(Duration::from_millis(14_900));
        client.send(packet);
    }
    client.expect(PINGRESP);
    client.expect(suback(V5, &[0]));
    lab.advance(Duration::from_millis(14_900));
    client.expect_nothing();
    lab.advance(Duration::from_millis(15_001));
    client.expect_disconnect(0x8D);
}

#[test]
fn what_the_server_sends_does_not_put_the_end_off() {
    let lab = Lab::pure();
    let client = lab.connect(&kept_alive(V311, 10));
    client.subscribe("t", 0);
    let publisher = lab.v311("p");
    for _ in 0..3 {
        lab.advance(Duration::from_millis(4_900));
        publisher.say("t", "x", 0);
        client.receive_publish();
    }
    lab.advance(Duration::from_millis(301));
    client.expect_end([]);
}

#[test]
fn keep_alive_0_never_ends() {
    let lab = Lab::pure();
    let client = lab.connect(&kept_alive(V5, 0));
    lab.advance(Duration::from_secs(1_000_000));
    client.expect_nothing();
}

#[test]
fn the_server_keep_alive_is_what_counts() {
    let lab = Lab::with(|config| config.max_keepalive = 10);
    let client = lab.connect(&kept_alive(V5, 0));
    lab.advance(Duration::from_millis(15_001));
    client.expect_disconnect(0x8D);
}
