//! What holds for every packet: decode(encode(p)) = p, and the cuts between blocks change nothing.
//!
//! A failing case is shrunk, prints itself and its seed, and is kept in `tests/codec_properties.proptest-regressions`.
#![allow(clippy::unwrap_used)] // a surprise ends the test

#[path = "support/packets.rs"]
mod packets;

use bytes::Bytes;
use culex::packet::{FrameReader, Packet, ProtocolVersion, Sender, Verdict, topic};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;

fn config() -> ProptestConfig {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/codec_properties.proptest-regressions");
    ProptestConfig {
        cases: 256,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
        ..ProptestConfig::default()
    }
}

fn encode(packet: &Packet, version: ProtocolVersion) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).unwrap();
    out
}

fn stream_of(version: ProtocolVersion, sender: Sender) -> impl Strategy<Value = Vec<Packet>> {
    vec(packets::packet(version, sender), 1..8)
}

fn any_stream() -> impl Strategy<Value = (ProtocolVersion, Sender, Vec<Packet>)> {
    let sides = prop_oneof![Just(Sender::Client), Just(Sender::Server)];
    let versions =
        prop_oneof![Just(ProtocolVersion::V31), Just(ProtocolVersion::V311), Just(ProtocolVersion::V5)];
    (versions, sides)
        .prop_flat_map(|(version, sender)| (Just(version), Just(sender), stream_of(version, sender)))
}

fn levels(topic: &str) -> Vec<&str> {
    topic.split('/').collect()
}

/// The naive model of matching: every filter level against every name level, by recursion.
fn matches_naively(filter: &[&str], name: &[&str]) -> bool {
    match (filter.split_first(), name.split_first()) {
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((&"+", filter)), Some((_, name))) => matches_naively(filter, name),
        (Some((wanted, filter)), Some((level, name))) => wanted == level && matches_naively(filter, name),
        _ => false,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_packet_survives_encoding_and_decoding((version, sender, packet) in packets::any_packet()) {
        let bytes = Bytes::from(encode(&packet, version));
        let decoded = Packet::decode_one(&bytes, version, sender);
        prop_assert_eq!(decoded.as_ref(), Ok(&packet));
        if let Packet::Publish(publish) = &packet {
            prop_assert_eq!(publish.as_ref().packet_length(version), bytes.len());
        }
    }

    #[test]
    fn a_packet_with_a_byte_changed_never_panics_and_what_is_read_survives(
        (version, sender, packet) in packets::any_packet(),
        place in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode(&packet, version);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(decoded) = Packet::decode_one(&Bytes::from(bytes), version, sender) {
            let version = if let Packet::Connect(connect) = &decoded { connect.version } else { version };
            let again = Bytes::from(encode(&decoded, version));
            // What only our encoder puts right is the session flag of a refusal.
            let is_same = match (&decoded, Packet::decode_one(&again, version, sender).unwrap()) {
                (Packet::Connack(connack), Packet::Connack(again)) => {
                    (connack.reason, &connack.properties) == (again.reason, &again.properties)
                }
                (decoded, again) => *decoded == again,
            };
            prop_assert!(is_same, "{:?}", decoded);
        }
    }

    #[test]
    fn blocks_cut_anywhere_give_the_same_packets(
        (version, sender, packets) in any_stream(),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let stream: Vec<u8> = packets.iter().flat_map(|packet| encode(packet, version)).collect();
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        ends.extend([0, stream.len()]);
        ends.sort_unstable();
        let mut reader = FrameReader::default();
        let mut read = Vec::new();
        for ends in ends.windows(2) {
            reader.push(Bytes::copy_from_slice(&stream[ends[0]..ends[1]]));
            while let Some(frame) = reader.next_frame(|_| Verdict::Accept).unwrap() {
                read.push(Packet::decode(&frame, version, sender).unwrap());
            }
        }
        prop_assert_eq!(read, packets);
        prop_assert_eq!(reader.buffered(), 0);
    }

    #[test]
    fn matching_agrees_with_the_naive_model(filter in packets::topic_filter(), name in packets::topic_name()) {
        prop_assert_eq!(topic::check_filter(&filter), Ok(()));
        prop_assert_eq!(topic::check_name(&name), Ok(()));
        let hides = name.starts_with('$') && filter.starts_with(['+', '#']);
        let expected = !hides && matches_naively(&levels(&filter), &levels(&name));
        prop_assert_eq!(topic::matches(&filter, &name), expected, "{} {}", filter, name);
    }
}
