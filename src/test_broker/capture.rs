//! What packets went where, as a capture file that Wireshark and tshark open: pcap with nanoseconds, raw IPv4.
//!
//! The broker sees packets and no frames, so the TCP connections round them are made up: every client is on 127.0.0.1, and the
//! broker on its port 1883, by which the readers know MQTT. TLS and WebSocket are taken off.

use crate::journal::{Happening, Record};
use crate::packet::Sender;
use crate::time::Time;
use etherparse::PacketBuilder;
use rustc_hash::FxHashMap;

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

/// The port by which readers know MQTT.
const BROKER_PORT: u16 = 1883;

/// The first of the ports that systems give to clients.
const CLIENT_PORTS: u16 = 49152;

/// Payload of one made-up segment, in bytes: what an IPv4 packet has room for, less its headers.
const SEGMENT_BYTES: usize = 65_000;

/// The magic number of a file whose times are nanoseconds, the format's version 2.4, no time zone, the longest packet, and
/// IP without a link layer.
const FILE_HEADER: [u32; 6] = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 0x0004_0000, 101];

/// One made-up connection.
#[derive(Clone, Copy, Debug)]
struct Flow {
    client_port: u16,
    /// Where the client's bytes and the broker's have come to.
    sequences: [u32; 2],
}

/// Writes a capture, record after record.
#[derive(Debug, Default)]
pub struct Capture {
    flows: FxHashMap<u64, Flow>,
}

/// The capture of all these records.
#[must_use]
pub fn capture<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<u8> {
    let mut file = Capture::header();
    let mut capture = Capture::default();
    for record in records {
        capture.append(record, &mut file);
    }
    file
}

impl Capture {
    /// What a file begins with.
    #[must_use]
    pub fn header() -> Vec<u8> {
        FILE_HEADER.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Appends what `record` put on its connection; most records put nothing there. Times count from the journal's beginning.
    /// A packet stands there as it arrived, whatever a rule did to it, and one that a rule made stands beside it.
    pub fn append(&mut self, record: &Record, file: &mut Vec<u8>) {
        let connection = record.connection;
        match &record.happening {
            Happening::Opened { peer, .. } => {
                let port = peer.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
                let mut flow = Flow::new(connection, port);
                flow.open(record, file);
                self.flows.insert(connection, flow);
            }
            Happening::Packet { sender, bytes, .. } | Happening::Malformed { sender, bytes, .. } => {
                // The beginning of a long journal may be forgotten.
                let flow = self.flows.entry(connection).or_insert_with(|| Flow::new(connection, None));
                flow.send(record, *sender, bytes, file);
            }
            Happening::Closed { by, .. } => {
                if let Some(mut flow) = self.flows.remove(&connection) {
                    flow.close(record, by.unwrap_or(Sender::Server), file);
                }
            }
            _ => {}
        }
    }
}

/// What one segment is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Opens,
    Accepts,
    Carries,
    Ends,
}

impl Flow {
    fn new(connection: u64, port: Option<u16>) -> Self {
        let ports = u64::from(u16::MAX - CLIENT_PORTS) + 1;
        #[allow(clippy::cast_possible_truncation)] // less than `ports`
        let client_port =
            port.filter(|port| *port != 0).unwrap_or(CLIENT_PORTS + (connection % ports) as u16);
        Self { client_port, sequences: [0, 0] }
    }

    fn open(&mut self, record: &Record, file: &mut Vec<u8>) {
        self.segment(record, Sender::Client, Role::Opens, &[], file);
        self.segment(record, Sender::Server, Role::Accepts, &[], file);
        self.segment(record, Sender::Client, Role::Carries, &[], file);
    }

    fn send(&mut self, record: &Record, sender: Sender, bytes: &[u8], file: &mut Vec<u8>) {
        for part in bytes.chunks(SEGMENT_BYTES) {
            self.segment(record, sender, Role::Carries, part, file);
        }
    }

    fn close(&mut self, record: &Record, by: Sender, file: &mut Vec<u8>) {
        let other = if by == Sender::Client { Sender::Server } else { Sender::Client };
        self.segment(record, by, Role::Ends, &[], file);
        self.segment(record, other, Role::Ends, &[], file);
        self.segment(record, by, Role::Carries, &[], file);
    }

    fn segment(&mut self, record: &Record, sender: Sender, role: Role, payload: &[u8], file: &mut Vec<u8>) {
        let (ports, from, to) = match sender {
            Sender::Client => ((self.client_port, BROKER_PORT), 0, 1),
            Sender::Server => ((BROKER_PORT, self.client_port), 1, 0),
        };
        let builder = PacketBuilder::ipv4(LOOPBACK, LOOPBACK, 64);
        let builder = builder.tcp(ports.0, ports.1, self.sequences[from], u16::MAX);
        let builder = match role {
            Role::Opens => builder.syn(),
            Role::Accepts => builder.syn().ack(self.sequences[to]),
            Role::Carries if payload.is_empty() => builder.ack(self.sequences[to]),
            Role::Carries => builder.psh().ack(self.sequences[to]),
            Role::Ends => builder.fin().ack(self.sequences[to]),
        };
        let mut packet = Vec::with_capacity(builder.size(payload.len()));
        if builder.write(&mut packet, payload).is_err() {
            // Only a payload beyond `SEGMENT_BYTES` could be.
            return;
        }
        #[allow(clippy::cast_possible_truncation)] // segments are bounded, and TCP's numbers wrap
        let [length, counted] =
            [packet.len() as u32, payload.len() as u32 + u32::from(role != Role::Carries)];
        self.sequences[from] = self.sequences[from].wrapping_add(counted);
        let since = record.time.since(Time::ZERO);
        let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        for word in [seconds, since.subsec_nanos(), length, length] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Fate, Journal};
    use crate::packet::{ProtocolVersion, Text};
    use bytes::Bytes;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    /// What a reader makes of a file: for each port, the bytes sent from it. Every number and checksum is looked at.
    fn streams(mut file: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(word(file, 0), 0xa1b2_3c4d);
        file = &file[24..];
        let mut streams: Vec<(u16, Vec<u8>)> = Vec::new();
        let mut next: FxHashMap<u16, u32> = FxHashMap::default();
        while !file.is_empty() {
            let length = word(file, 8) as usize;
            let packet = SlicedPacket::from_ip(&file[16..16 + length]).unwrap();
            let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) = (&packet.net, &packet.transport)
            else {
                panic!("neither IPv4 nor TCP: {packet:?}");
            };
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            let sum = tcp.to_header().calc_checksum_ipv4(&header, tcp.payload()).unwrap();
            assert_eq!(tcp.checksum(), sum);
            let port = tcp.source_port();
            let counted = u32::try_from(tcp.payload().len()).unwrap() + u32::from(tcp.syn() || tcp.fin());
            let expected = next.entry(port).or_default();
            assert_eq!(tcp.sequence_number(), *expected, "from port {port}");
            *expected += counted;
            if !tcp.payload().is_empty() {
                match streams.iter_mut().find(|(name, _)| *name == port) {
                    Some((_, stream)) => stream.extend(tcp.payload()),
                    None => streams.push((port, tcp.payload().to_vec())),
                }
            }
            file = &file[16 + length..];
        }
        streams
    }

    #[test]
    fn each_side_of_a_connection_is_a_stream_of_its_packets() {
        let mut journal = Journal::default();
        let mut say = |happening| {
            journal.push(Time::from_nanos(7), 3, &Text::EMPTY, happening);
        };
        let packet = |sender, bytes: &[u8]| Happening::Packet {
            sender,
            version: ProtocolVersion::V5,
            bytes: Bytes::copy_from_slice(bytes),
            fate: Fate::Passed,
        };
        let long = vec![0x5a; 2 * SEGMENT_BYTES + 1];
        say(Happening::Opened { peer: Text::detached("127.0.0.1:40000"), listener: Text::detached("tcp") });
        say(packet(Sender::Client, &[0xc0, 0]));
        say(packet(Sender::Server, &[0xd0, 0]));
        say(packet(Sender::Client, &long));
        say(Happening::Closed { by: None, disconnect: None });
        let file = capture(journal.iter().map(AsRef::as_ref));
        let client = [&[0xc0, 0], &long[..]].concat();
        assert_eq!(streams(&file), [(40000, client), (BROKER_PORT, vec![0xd0, 0])]);
    }

    #[test]
    fn a_connection_whose_beginning_is_forgotten_has_a_port() {
        let record = Record {
            sequence: 9,
            time: Time::ZERO,
            connection: u64::MAX,
            client_identifier: Text::EMPTY,
            happening: Happening::Packet {
                sender: Sender::Client,
                version: ProtocolVersion::V311,
                bytes: Bytes::from_static(&[0xe0, 0]),
                fate: Fate::Stopped,
            },
        };
        let file = capture([&record]);
        assert!(streams(&file)[0].0 >= CLIENT_PORTS);
    }
}
