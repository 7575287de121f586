//! The table of vectors against the codec: bytes -> packet or fault and its Reason Code, packet -> bytes, and every packet
//! cut at every byte.

#![allow(clippy::unwrap_used)] // a surprise ends the test

#[path = "support/notation.rs"]
mod notation;
#[path = "support/vectors.rs"]
mod vectors;

use bytes::Bytes;
use culex::packet::{
    Frame, FrameReader, Packet, PacketError, PacketType, ProtocolVersion, Sender, Verdict,
    put_variable_byte_integer,
};
use notation::notation;
use std::collections::HashSet;
use vectors::{Expected, Vector, hex, lines, load};

/// Packets up to this length are cut at every byte; the few longer ones only differ in their filling.
const CUT_BYTES_MAX: usize = 600;

fn decode(vector: &Vector, bytes: &[u8]) -> Result<Packet, PacketError> {
    Packet::decode_one(&Bytes::copy_from_slice(bytes), vector.version, vector.sender)
}

fn outcome(result: &Result<Packet, PacketError>) -> Expected {
    match result {
        Ok(packet) => Expected::Packet(notation(packet)),
        Err(error) => Expected::Error(format!("{error:?}"), error.reason_code().0),
    }
}

/// Fails with many messages at once, because a broken check breaks many rows; `VECTORS_SHOWN` tells how many.
fn assert_none(faults: &[String]) {
    let shown_max = std::env::var("VECTORS_SHOWN").map_or(40, |number| number.parse().unwrap());
    let shown: Vec<_> = faults.iter().take(shown_max).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} rows fail:\n{}", faults.len(), shown.join("\n"));
}

#[test]
fn the_table_is_large_and_every_row_has_a_name_of_its_own() {
    let lines = lines();
    let names: HashSet<_> = lines.iter().filter_map(|(_, line)| line.split(" | ").next()).collect();
    assert_eq!(names.len(), lines.len());
    assert!(names.len() >= 800, "{} rows", names.len());
}

#[test]
fn bytes_become_the_packet_or_the_fault_of_their_row() {
    let mut faults = Vec::new();
    for vector in load() {
        let result = outcome(&decode(&vector, &vector.bytes));
        if result != vector.expected {
            faults.push(format!(
                "{} {}\n    {result:?} instead of\n    {:?}",
                vector.name, vector.requirement, vector.expected
            ));
        }
    }
    assert_none(&faults);
}

#[test]
fn packets_become_the_bytes_of_their_row() {
    let mut faults = Vec::new();
    for vector in load() {
        let Ok(packet) = decode(&vector, &vector.bytes) else { continue };
        let mut out = b"before".to_vec();
        let result = packet.encode(vector.version, &mut out);
        if result != Ok(()) || out[6..] != vector.canonical {
            faults.push(format!("{} {}: {result:?} {}", vector.name, vector.requirement, hex(&out[6..])));
        }
    }
    assert_none(&faults);
}

#[test]
fn what_the_encoder_writes_decodes_to_itself() {
    for vector in load() {
        if vector.canonical == vector.bytes {
            continue;
        }
        let packet =
            decode(&vector, &vector.canonical).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        let mut out = Vec::new();
        packet.encode(vector.version, &mut out).unwrap();
        assert_eq!(hex(&out), hex(&vector.canonical), "{}", vector.name);
    }
}

#[test]
fn a_packet_that_has_not_wholly_arrived_is_waited_for() {
    for vector in load() {
        if decode(&vector, &vector.bytes).is_err() || vector.bytes.len() > CUT_BYTES_MAX {
            continue;
        }
        for cut in 0..vector.bytes.len() {
            let mut reader = FrameReader::default();
            reader.push(Bytes::copy_from_slice(&vector.bytes[..cut]));
            assert!(
                reader.next_frame(|_| Verdict::Accept).unwrap().is_none(),
                "{} cut at {cut}",
                vector.name
            );
            assert_eq!(reader.buffered(), cut);
            reader.push(Bytes::copy_from_slice(&vector.bytes[cut..]));
            let frame = reader.next_frame(|_| Verdict::Accept).unwrap().unwrap();
            let packet = Packet::decode(&frame, vector.version, vector.sender);
            assert_eq!(outcome(&packet), vector.expected, "{} cut at {cut}", vector.name);
            assert!(reader.next_frame(|_| Verdict::Accept).unwrap().is_none());
            assert_eq!(reader.buffered(), 0);
        }
    }
}

#[test]
fn a_body_cut_at_any_byte_is_a_fault_or_a_shorter_packet_of_the_same_type() {
    let mut faults = Vec::new();
    for vector in load() {
        let Ok(whole) = decode(&vector, &vector.bytes) else { continue };
        if vector.bytes.len() > CUT_BYTES_MAX {
            continue;
        }
        let body = body_of(&vector.bytes);
        for cut in 0..body.len() {
            let mut shorter = vec![vector.bytes[0]];
            put_variable_byte_integer(&mut shorter, u32::try_from(cut).unwrap());
            shorter.extend_from_slice(&body[..cut]);
            let result = decode(&vector, &shorter);
            if !is_right_when_cut(&whole, &vector, body, cut, &result) {
                faults.push(format!("{} cut at {cut}: {result:?}", vector.name));
            }
        }
    }
    assert_none(&faults);
}

fn body_of(bytes: &[u8]) -> &[u8] {
    let length_bytes = bytes[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    &bytes[1 + length_bytes..]
}

/// Which packets may end early, and what the others say.
fn is_right_when_cut(
    whole: &Packet,
    vector: &Vector,
    body: &[u8],
    cut: usize,
    result: &Result<Packet, PacketError>,
) -> bool {
    let is_v5 = vector.version == ProtocolVersion::V5;
    let in_list = || matches!(result, Err(PacketError::Truncated | PacketError::EmptyList));
    match (whole, result) {
        (Packet::Publish(whole), Ok(Packet::Publish(cut_packet))) => {
            body.len() - cut <= whole.payload.len()
                && cut_packet.payload == whole.payload[..whole.payload.len() - (body.len() - cut)]
                && cut_packet.topic == whole.topic
                && cut_packet.properties == whole.properties
        }
        (Packet::Publish(whole), Err(error)) => {
            body.len() - cut > whole.payload.len() && *error == PacketError::Truncated
        }
        (Packet::Puback(_) | Packet::Pubrec(_) | Packet::Pubrel(_) | Packet::Pubcomp(_), Ok(_)) => {
            is_v5 && matches!(cut, 2 | 3)
        }
        (Packet::Disconnect(_), Ok(_)) => is_v5 && cut < 2,
        (Packet::Auth(_), Ok(_)) => cut == 0 && vector.sender == Sender::Server,
        (Packet::Auth(_), Err(error)) if cut == 0 => *error == PacketError::ReasonCode,
        (Packet::Connect(_), Ok(Packet::Connect(connect))) => {
            connect.version == ProtocolVersion::V31
                && (connect.user_name.is_none() || connect.password.is_none())
        }
        (Packet::Suback(whole), Ok(Packet::Suback(shorter))) => whole.reasons.starts_with(&shorter.reasons),
        (Packet::Unsuback(whole), Ok(Packet::Unsuback(shorter))) => {
            whole.reasons.starts_with(&shorter.reasons)
        }
        (Packet::Subscribe(whole), Ok(Packet::Subscribe(shorter))) => {
            whole.filters.starts_with(&shorter.filters)
        }
        (Packet::Unsubscribe(whole), Ok(Packet::Unsubscribe(shorter))) => {
            whole.filters.starts_with(&shorter.filters)
        }
        (Packet::Suback(_) | Packet::Unsuback(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_), Err(_)) => {
            in_list()
        }
        // An older server's refusal is the one CONNACK that may lack its Property Length.
        (Packet::Connack(_), Ok(_)) => is_v5 && cut == 2 && body[1] == 1,
        (_, Err(error)) => *error == PacketError::Truncated,
        _ => false,
    }
}

#[test]
fn the_row_of_each_good_packet_gives_the_same_in_one_block_with_others() {
    let vectors: Vec<_> = load()
        .into_iter()
        .filter(|vector| vector.version == ProtocolVersion::V5 && vector.sender == Sender::Client)
        .filter(|vector| vector.bytes.len() < CUT_BYTES_MAX && decode(vector, &vector.bytes).is_ok())
        .collect();
    let stream: Vec<u8> = vectors.iter().flat_map(|vector| vector.bytes.clone()).collect();
    for block_length in [1, 2, 3, 7, 64, 1000, stream.len()] {
        let mut reader = FrameReader::default();
        let mut expected = vectors.iter();
        for block in stream.chunks(block_length) {
            reader.push(Bytes::copy_from_slice(block));
            while let Some(frame) = reader.next_frame(|_| Verdict::Accept).unwrap() {
                let vector = expected.next().unwrap();
                let packet = Packet::decode(&frame, vector.version, vector.sender);
                assert_eq!(outcome(&packet), vector.expected, "{} in blocks of {block_length}", vector.name);
            }
        }
        assert!(expected.next().is_none());
    }
}

#[test]
fn a_skipped_frame_keeps_what_answers_it_and_the_next_packet_is_whole() {
    let stream = [&[0x32, 9, 0, 1, b'a', 0, 7, b'w', b'x', b'y', b'z'][..], &[0xC0, 0]].concat();
    for block_length in 1..=stream.len() {
        let mut reader = FrameReader::default();
        let mut seen = Vec::new();
        for block in stream.chunks(block_length) {
            reader.push(Bytes::copy_from_slice(block));
            let judge = |header: &culex::packet::FixedHeader| match header.packet_type {
                PacketType::Publish => Verdict::Skip,
                _ => Verdict::Accept,
            };
            while let Some(Frame { header, body, is_skipped, .. }) = reader.next_frame(judge).unwrap() {
                seen.push((header.first, body.to_vec(), is_skipped));
            }
        }
        let kept = vec![0, 1, b'a', 0, 7];
        assert_eq!(seen, [(0x32, kept, true), (0xC0, vec![], false)], "blocks of {block_length}");
    }
}
