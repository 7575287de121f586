//! What the broker's core costs a message, without sockets: bytes in, routing, bytes out.

use bytes::Bytes;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use culex::broker::{Broker, Config, ConnectionId, ConnectionInfo, Progress};
use culex::packet::{
    Acknowledgement, Connect, FixedHeader, Packet, PacketIdentifier, Publish, Qos, ReasonCode, Subscribe,
    SubscriptionOptions, Text, Transmit,
};
use culex::time::Time;
use std::hint::black_box;
use std::io::IoSlice;
use std::time::Duration;

struct Bench {
    broker: Broker,
    transmit: Transmit,
}

impl Bench {
    fn new() -> Self {
        Self { broker: Broker::new(Config::default(), Time::ZERO), transmit: Transmit::new() }
    }

    fn send(&mut self, id: ConnectionId, packets: &[Packet]) {
        let block = encode(packets);
        self.broker.handle_bytes(Time::ZERO, id, block);
    }

    fn connect(&mut self, name: &str) -> ConnectionId {
        let id = self.broker.open(Time::ZERO, ConnectionInfo::default());
        let client_identifier = Text::try_from(name).expect("a name");
        let connect = Connect { client_identifier, ..Connect::default() };
        self.send(id, &[Packet::Connect(Box::new(connect))]);
        self.drain(|_, _| ());
        id
    }

    fn subscribe(&mut self, id: ConnectionId, maximum_qos: Qos) {
        let options = SubscriptionOptions { maximum_qos, ..SubscriptionOptions::default() };
        let subscribe = Subscribe {
            packet_identifier: PacketIdentifier::FIRST,
            properties: culex::packet::Properties::EMPTY,
            filters: vec![(Text::try_from("bench/topic").expect("a filter"), options)],
        };
        self.send(id, &[Packet::Subscribe(subscribe)]);
        self.drain(|_, _| ());
    }

    /// Takes what waits, as the server's loop does; returns whether there was anything.
    fn drain(&mut self, mut take: impl FnMut(ConnectionId, &[u8])) -> bool {
        let mut any = false;
        while let Some(id) = self.broker.poll_ready() {
            any = true;
            while self.broker.poll_transmit(id, &mut self.transmit) == Progress::More {
                self.write(id, &mut take);
            }
            self.write(id, &mut take);
        }
        any
    }

    fn write(&mut self, id: ConnectionId, take: &mut impl FnMut(ConnectionId, &[u8])) {
        let mut slices = [IoSlice::new(&[]); 4];
        let used = self.transmit.io_slices(&mut slices);
        for slice in &slices[..used] {
            take(id, slice);
        }
        self.transmit.clear();
    }
}

fn encode(packets: &[Packet]) -> Bytes {
    let mut out = Vec::new();
    for packet in packets {
        packet.encode(culex::packet::ProtocolVersion::V311, &mut out).expect("a packet");
    }
    Bytes::from(out)
}

fn publishes(qos: Qos, count: u16) -> Bytes {
    let packets: Vec<_> = (1..=count)
        .map(|number| {
            Packet::Publish(Publish {
                qos,
                topic: Text::try_from("bench/topic").expect("a topic"),
                packet_identifier: PacketIdentifier::new(number).filter(|_| qos != Qos::AtMostOnce),
                payload: Bytes::from_static(b"0123456789abcdef"),
                ..Publish::default()
            })
        })
        .collect();
    encode(&packets)
}

/// The acknowledgements that a client sends for what it was sent, until nothing is left to say.
fn answer(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(header) = FixedHeader::decode(rest).expect("a packet") {
        let body = &rest[usize::from(header.header_length)..header.packet_length()];
        let put = |kind, at: usize, out: &mut Vec<u8>| {
            let number = u16::from_be_bytes([body[at], body[at + 1]]);
            let identifier = PacketIdentifier::new(number).expect("an identifier");
            let version = culex::packet::ProtocolVersion::V311;
            Acknowledgement::new(identifier, ReasonCode::SUCCESS).encode(kind, version, out);
        };
        use culex::packet::PacketType;
        match (header.packet_type, header.first & 0b110) {
            (PacketType::Publish, 0b010) => put(PacketType::Puback, 13, out),
            (PacketType::Publish, 0b100) => put(PacketType::Pubrec, 13, out),
            (PacketType::Pubrec, _) => put(PacketType::Pubrel, 0, out),
            (PacketType::Pubrel, _) => put(PacketType::Pubcomp, 0, out),
            _ => {}
        }
        rest = &rest[header.packet_length()..];
    }
}

/// One round: a block of publishes in, everything acknowledged both ways.
fn round(bench: &mut Bench, publisher: ConnectionId, block: &Bytes) {
    bench.broker.handle_bytes(Time::ZERO, publisher, block.clone());
    let mut answers: Vec<(ConnectionId, Vec<u8>)> = Vec::new();
    loop {
        let more = bench.drain(|id, bytes| {
            let mut out = Vec::new();
            answer(bytes, &mut out);
            if !out.is_empty() {
                answers.push((id, out));
            }
        });
        if !more {
            return;
        }
        for (id, bytes) in answers.drain(..) {
            bench.broker.handle_bytes(Time::ZERO, id, Bytes::from(bytes));
        }
    }
}

/// CPU time of the process, because other work on the machine must not show.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, start: Duration) -> Duration {
        cpu_time().saturating_sub(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "the CPU clock of one's own process exists");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn routes(criterion: &mut Criterion<CpuTime>) {
    for (name, qos, window, receivers) in [
        ("one to one, QoS 0", Qos::AtMostOnce, 800, 1_u64),
        ("one to one, QoS 1", Qos::AtLeastOnce, 80, 1),
        ("one to one, QoS 2", Qos::ExactlyOnce, 18, 1),
        ("one to 100, QoS 0", Qos::AtMostOnce, 100, 100),
        ("one to 100, QoS 1", Qos::AtLeastOnce, 18, 100),
    ] {
        let mut bench = Bench::new();
        let publisher = bench.connect("publisher");
        for number in 0..receivers {
            let subscriber = bench.connect(&format!("subscriber-{number}"));
            bench.subscribe(subscriber, qos);
        }
        let block = publishes(qos, window);
        let mut group = criterion.benchmark_group("broker");
        group.throughput(Throughput::Elements(u64::from(window) * receivers));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                if qos == Qos::AtMostOnce {
                    bench.broker.handle_bytes(Time::ZERO, publisher, block.clone());
                    bench.drain(|_, bytes| {
                        black_box(bytes.len());
                    });
                } else {
                    round(&mut bench, publisher, &block);
                }
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = routes
}
criterion_main!(benches);
