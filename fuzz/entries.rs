//! What the fuzz targets do with their bytes; `tests/fuzz_entries.rs` runs the same over a small seeded budget.

use bytes::Bytes;
use culex::broker::{self, Broker, ConnectionId, ConnectionInfo, Progress};
use culex::packet::{
    FixedHeader, FrameReader, Packet, PacketError, ProtocolVersion, Sender, Text, Transmit, Verdict, topic,
};
use culex::session::{self, Session};
use culex::time::Time;
use std::time::Duration;

/// An entry takes any bytes and panics when something that must always hold does not.
pub type Entry = fn(&[u8]);

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5];
const SENDERS: [Sender; 2] = [Sender::Client, Sender::Server];

/// Every version and sender: a packet or a fault, and a packet's text.
pub fn decode(data: &[u8]) {
    let block = Bytes::copy_from_slice(data);
    for version in VERSIONS {
        for sender in SENDERS {
            match Packet::decode_one(&block, version, sender) {
                Ok(packet) => assert!(!format!("{packet:?}").is_empty()),
                Err(error) => assert!(error.reason_code().is_error()),
            }
        }
    }
}

/// What was read survives being written and read again.
pub fn decode_encode_decode(data: &[u8]) {
    let block = Bytes::copy_from_slice(data);
    for version in VERSIONS {
        for sender in SENDERS {
            let Ok(packet) = Packet::decode_one(&block, version, sender) else { continue };
            // Our encoder does not repeat a server's mistake: Session Present beside a refusal.
            if matches!(&packet, Packet::Connack(connack) if connack.session_present && connack.reason.0 != 0)
            {
                continue;
            }
            let version = if let Packet::Connect(connect) = &packet { connect.version } else { version };
            let mut out = Vec::new();
            assert_eq!(packet.encode(version, &mut out), Ok(()));
            assert_eq!(Packet::decode_one(&Bytes::from(out), version, sender).as_ref(), Ok(&packet));
        }
    }
}

/// The first byte is the length of the blocks; one block and many give the same frames.
pub fn frame_reader(data: &[u8]) {
    let Some((&length, stream)) = data.split_first() else { return };
    let judge = |header: &FixedHeader| match header.first & 0x0F {
        0b1011 => Verdict::Skip,
        0b1111 if header.remaining_length > 1000 => Verdict::Refuse(PacketError::PacketTooLarge),
        _ => Verdict::Accept,
    };
    let read = |block_length: usize| {
        let mut reader = FrameReader::default();
        let mut frames = Vec::new();
        for block in stream.chunks(block_length) {
            reader.push(Bytes::copy_from_slice(block));
            loop {
                match reader.next_frame(judge) {
                    Ok(Some(frame)) => frames.push(Ok((frame.header, frame.body.to_vec()))),
                    Ok(None) => break,
                    Err(error) => {
                        frames.push(Err(error));
                        return frames;
                    }
                }
            }
            assert!(reader.buffered() <= stream.len());
        }
        frames
    };
    assert_eq!(read(usize::from(length) + 1), read(stream.len().max(1)));
}

/// A filter and a name with a line feed between them, against a model that compares level by level.
pub fn filter_match(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((filter, name)) = text.split_once('\n') else { return };
    if topic::check_filter(filter).is_err() || topic::check_name(name).is_err() {
        return;
    }
    let (filter_levels, levels): (Vec<_>, Vec<_>) = (filter.split('/').collect(), name.split('/').collect());
    let is_hidden = name.starts_with('$') && filter.starts_with(['+', '#']);
    assert_eq!(topic::matches(filter, name), !is_hidden && matches_naively(&filter_levels, &levels));
}

fn matches_naively(filter: &[&str], levels: &[&str]) -> bool {
    match (filter.split_first(), levels.split_first()) {
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((&"+", filter)), Some((_, levels))) => matches_naively(filter, levels),
        (Some((wanted, filter)), Some((level, levels))) => wanted == level && matches_naively(filter, levels),
        _ => false,
    }
}

/// A client's session of each version is told anything by its server.
pub fn session(data: &[u8]) {
    for (version, connack) in
        VERSIONS.into_iter().zip([&[0x20, 2, 0, 0][..], &[0x20, 2, 0, 0], &[0x20, 3, 0, 0, 0]])
    {
        let mut config = session::Config::default();
        config.connect.version = version;
        config.connect.client_identifier = Text::detached("fuzz");
        let mut session = Session::new(config);
        let mut transmit = Transmit::new();
        let mut now = Time::ZERO;
        session.handle_open(now);
        let blocks = std::iter::once(connack)
            .chain(data.chunks(1 + usize::from(data.first().map_or(0, |byte| byte & 63))));
        for block in blocks {
            now = now + Duration::from_millis(10);
            let result = session.handle_bytes(now, Bytes::copy_from_slice(block));
            session.poll_transmit(&mut transmit);
            while session.poll_event().is_some() {}
            transmit.clear();
            if result.is_err() {
                session.handle_closed(now);
                break;
            }
        }
    }
}

/// A broker is told anything by three connections: `connection and kind, length, bytes` over and over.
pub fn broker(data: &[u8]) {
    const CONNECT_5: &[u8] = &[0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'c'];
    const CONNECT_4: &[u8] = &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 60, 0, 1, b'd'];
    const SUBSCRIBE_4: &[u8] = &[0x82, 6, 0, 1, 0, 1, b'#', 2];
    const PUBLISH_QOS_1: &[u8] = &[0x32, 6, 0, 1, b'a', 0, 9, b'x'];
    let mut now = Time::ZERO;
    let mut broker = Broker::new(broker::Config::default(), now);
    let mut connections: [Option<ConnectionId>; 3] = [None; 3];
    let mut rest = data;
    while let [place, length, bytes @ ..] = rest {
        now = now + Duration::from_millis(u64::from(*length) * 10);
        let (bytes, after) = bytes.split_at(bytes.len().min(usize::from(*length)));
        rest = after;
        let slot = &mut connections[usize::from(place % 3)];
        let id = *slot.get_or_insert_with(|| {
            broker.open(now, ConnectionInfo { listener: 0, address: Text::EMPTY, port: 0, identity: None })
        });
        match place >> 4 {
            0 => {
                broker.handle_closed(now, id);
                *slot = None;
            }
            1 => broker.handle_timeout(now),
            2 => broker.handle_bytes(now, id, Bytes::from_static(CONNECT_5)),
            3 => broker.handle_bytes(now, id, Bytes::from_static(CONNECT_4)),
            4 => broker.handle_bytes(now, id, Bytes::from_static(SUBSCRIBE_4)),
            5 => broker.handle_bytes(now, id, Bytes::from_static(PUBLISH_QOS_1)),
            _ => broker.handle_bytes(now, id, Bytes::copy_from_slice(bytes)),
        }
        drain(&mut broker, &mut connections);
    }
}

/// Takes all that is ready, as a socket without end would.
fn drain(broker: &mut Broker, connections: &mut [Option<ConnectionId>; 3]) {
    let mut transmit = Transmit::new();
    while let Some(id) = broker.poll_ready() {
        while broker.poll_transmit(id, &mut transmit) == Progress::More {
            transmit.clear();
        }
        transmit.clear();
        if broker.poll_transmit(id, &mut transmit) == Progress::Close {
            for slot in connections.iter_mut().filter(|slot| **slot == Some(id)) {
                *slot = None;
            }
        }
    }
    while broker.poll_event().is_some() {}
}
