//! Malformed packets: the whole table of vectors into the broker, cut streams, and random bytes (sections 1.5, 2 and 4.13).

use crate::harness::Lab;
use crate::vectors::{Expected, Vector, load};
use crate::wire::*;
use culex::packet::{ProtocolVersion, Sender};

rules![
    a_remaining_length_of_five_bytes_is_refused,
    mqtt_1_5_5_1_an_overlong_remaining_length_is_refused_in_mqtt_5,
    packets_may_be_cut_at_every_byte,
    several_packets_may_come_in_one_read,
    a_fault_ends_the_connection_and_what_follows_is_not_read,
];

fn a_remaining_length_of_five_bytes_is_refused(lab: &Lab) {
    for first in [0x30, 0x40, 0x82, 0xC0, 0xE0] {
        lab.v5("a").fails([first, 0x80, 0x80, 0x80, 0x80, 0x01], 0x81);
        lab.v311("a").fails([first, 0xFF, 0xFF, 0xFF, 0xFF], 0x81);
    }
}

fn mqtt_1_5_5_1_an_overlong_remaining_length_is_refused_in_mqtt_5(lab: &Lab) {
    lab.v5("a").fails([0xC0, 0x80, 0x00], 0x81);
    let mut bytes = publish(V5, "t", "x").bytes();
    bytes.splice(1..2, [bytes[1] | 0x80, 0x00]);
    lab.v5("a").fails(&bytes, 0x81);
}

/// Everything that one client may say in a row, and what it hears.
fn conversation(version: u8) -> (Vec<u8>, Vec<u8>) {
    let said = [
        subscribe(version, &[("t/#", 1)]),
        publish(version, "t/1", "hello").qos(1, 7).bytes(),
        PINGREQ.to_vec(),
        ack(PUBACK, 1),
        publish(version, "u", "x").qos(2, 8).bytes(),
        ack(PUBREL, 8),
        unsubscribe(version, &["t/#"]),
        DISCONNECT.to_vec(),
    ];
    let nobody = if version == V5 { ack_with(PUBREC, 8, 0x10) } else { ack(PUBREC, 8) };
    let heard = [
        suback(version, &[1]),
        publish(version, "t/1", "hello").qos(1, 1).bytes(),
        ack(PUBACK, 7),
        PINGRESP.to_vec(),
        nobody,
        ack(PUBCOMP, 8),
        unsuback(version, &[0]),
    ];
    (said.concat(), heard.concat())
}

fn packets_may_be_cut_at_every_byte(lab: &Lab) {
    for version in [V31, V311, V5] {
        let (said, heard) = conversation(version);
        for cut in 1..said.len() {
            let client = lab.connect(&connect(version, "a"));
            client.send(&said[..cut]);
            client.send(&said[cut..]);
            client.expect_end(&heard);
        }
    }
}

fn several_packets_may_come_in_one_read(lab: &Lab) {
    for version in [V31, V311, V5] {
        let (said, heard) = conversation(version);
        let client = lab.connect(&connect(version, "a"));
        client.send(&said);
        client.expect_end(&heard);
        let client = lab.connect(&connect(version, "a"));
        said.iter().for_each(|byte| client.send([*byte]));
        client.expect_end(&heard);
    }
}

fn a_fault_ends_the_connection_and_what_follows_is_not_read(lab: &Lab) {
    let watcher = lab.v5("watcher");
    watcher.subscribe("t", 0);
    let client = lab.v5("a");
    let before = publish(V5, "t", "before");
    client.send([before.bytes(), vec![0x00, 0], publish(V5, "t", "after").bytes()].concat());
    client.expect_disconnect(0x81);
    watcher.expect_publish(&before);
    watcher.expect_nothing();
}

const fn level(version: ProtocolVersion) -> u8 {
    match version {
        ProtocolVersion::V31 => V31,
        ProtocolVersion::V311 => V311,
        ProtocolVersion::V5 => V5,
    }
}

/// What the broker does with a bad packet, as the contract has it; `None` where the table does not tell.
fn answer_to_bad(vector: &Vector, error: &str, code: u8) -> Option<Vec<u8>> {
    let is_connect = vector.bytes.first().is_some_and(|first| first >> 4 == 1);
    if !is_connect {
        return Some(if vector.version == ProtocolVersion::V5 { disconnect(code) } else { Vec::new() });
    }
    if error.starts_with("ProtocolVersion") {
        let is_known_apart = error.contains("known_apart: true");
        return Some(if is_known_apart { connack(false, 1) } else { refusal(0x84) });
    }
    let names_version = |at: usize, version: u8| vector.bytes.get(at) == Some(&version);
    match error {
        "EmptyClientIdentifier" => Some(connack(false, 2)),
        "ProtocolName" => Some(Vec::new()),
        // Where the Protocol Version could be read as 5, a CONNACK has the code; older ones are closed.
        _ if vector.bytes.get(4..8) == Some(b"MQTT") && names_version(8, V5) => Some(refusal(code)),
        _ if vector.bytes.get(4..8) == Some(b"MQTT") && names_version(8, V311) => Some(Vec::new()),
        _ => None,
    }
}

#[test]
fn every_bad_vector_ends_in_its_reason_code_or_a_close() {
    let mut faults = Vec::new();
    for vector in load() {
        let Expected::Error(error, code) = &vector.expected else { continue };
        // Faults that only the decoder of one whole packet sees: the broker would wait for the rest.
        let is_whole = header(&vector.bytes).is_some_and(|(length, _)| length == vector.bytes.len());
        let is_unframed = error == "VariableByteInteger" || error == "UnknownPacketType";
        if vector.sender == Sender::Server || (!is_whole && !is_unframed) {
            continue;
        }
        let is_connect = vector.bytes.first().is_some_and(|first| first >> 4 == 1);
        let lab = Lab::pure();
        let client = if is_connect {
            lab.open(level(vector.version))
        } else {
            lab.connect(&connect(level(vector.version), "a"))
        };
        client.send(&vector.bytes);
        let got = client.all_and_is_closed();
        let expected = answer_to_bad(&vector, error, *code);
        if !got.1 || expected.as_ref().is_some_and(|expected| *expected != got.0) {
            faults.push(format!("{} {error} {code:02x}: {got:02x?} instead of {expected:02x?}", vector.name));
        }
    }
    assert!(faults.is_empty(), "{} of the table fail:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_good_vector_is_malformed_to_the_broker() {
    let mut faults = Vec::new();
    for vector in load() {
        let Expected::Packet(packet) = &vector.expected else { continue };
        if vector.sender == Sender::Server || packet.starts_with("CONNECT") {
            continue;
        }
        let lab = Lab::pure();
        let client = lab.connect(&connect(level(vector.version), "a"));
        client.send(&vector.bytes);
        let (bytes, is_closed) = client.all_and_is_closed();
        let is_end = packet.starts_with("DISCONNECT") || packet.starts_with("AUTH");
        if is_closed && !is_end && (bytes.ends_with(&[0xE0, 1, 0x81]) || level(vector.version) != V5) {
            faults.push(format!("{} {packet}: {bytes:02x?}", vector.name));
        }
    }
    assert!(faults.is_empty(), "{} of the table fail:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn good_packets_with_random_bytes_changed_never_panic_and_others_live_on() {
    for seed in 1..=60_u64 {
        println!("seed {seed}");
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % bound
        };
        let lab = Lab::pure();
        let witness = lab.v5("witness");
        witness.subscribe("witness", 0);
        for round in 0..30 {
            let version = [V31, V311, V5][below(3)];
            let mut bytes = [connect(version, "a").bytes(), conversation(version).0].concat();
            for _ in 0..below(4) {
                let at = below(bytes.len());
                bytes[at] = below(256).to_le_bytes()[0];
            }
            let client = lab.open(version);
            let cut = below(bytes.len());
            client.send(&bytes[..cut]);
            client.send(&bytes[cut..]);
            if round % 2 == 0 {
                client.vanish();
            }
            lab.advance_seconds(1);
        }
        lab.v311("p").say("witness", "alive", 0);
        witness.expect_publish(&publish(V5, "witness", "alive"));
    }
}
