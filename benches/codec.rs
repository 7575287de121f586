//! The codec against rumqttc's, in one run: nanoseconds a packet, read from and written to one block of many.
//!
//! `cargo bench --bench codec`. Ours is read through [`FrameReader`], strictly (UTF-8, forbidden characters, topic,
//! flags, properties), as the broker reads it; theirs through its own `Packet::read`.
#![allow(missing_docs, clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use culex::packet::{
    Acknowledgement, FrameReader, PacketIdentifier, PacketType, Properties, Property, PropertyIdentifier,
    ProtocolVersion, PublishRef, Qos, ReasonCode, Sender, Verdict,
};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use std::hint::black_box;

const PACKETS: usize = 1000;
const PAYLOAD: &[u8] = b"sixteen bytes...";

struct Case {
    name: &'static str,
    version: ProtocolVersion,
    qos: Qos,
    properties: Properties,
}

fn cases() -> [Case; 3] {
    let mut properties = Properties::default();
    properties.push(Property::number(PropertyIdentifier::MessageExpiryInterval, 60)).unwrap();
    properties.push(Property::text(PropertyIdentifier::ContentType, "text/plain")).unwrap();
    properties.push(Property::user("unit", "C")).unwrap();
    let plain = Properties::EMPTY;
    [
        Case {
            name: "publish q0",
            version: ProtocolVersion::V311,
            qos: Qos::AtMostOnce,
            properties: plain.clone(),
        },
        Case { name: "publish q1", version: ProtocolVersion::V311, qos: Qos::AtLeastOnce, properties: plain },
        Case {
            name: "publish q1 v5 properties",
            version: ProtocolVersion::V5,
            qos: Qos::AtLeastOnce,
            properties,
        },
    ]
}

impl Case {
    fn publish(&self) -> PublishRef<'_> {
        PublishRef {
            dup: false,
            qos: self.qos,
            retain: false,
            topic: "bench",
            packet_identifier: (self.qos != Qos::AtMostOnce).then_some(PacketIdentifier::FIRST),
            properties: self.properties.as_ref(),
            payload: PAYLOAD,
        }
    }

    fn block(&self) -> Bytes {
        let mut block = Vec::new();
        for _ in 0..PACKETS {
            self.publish().encode(self.version, &mut block).unwrap();
        }
        Bytes::from(block)
    }
}

fn read_publishes(block: &Bytes, version: ProtocolVersion) {
    let mut reader = FrameReader::default();
    reader.push(block.clone());
    while let Some(frame) = reader.next_frame(|_| Verdict::Accept).unwrap() {
        frame.header.check(version, Sender::Client).unwrap();
        black_box(PublishRef::decode(&frame.header, frame.body, version, Sender::Client).unwrap());
    }
}

fn read_theirs(block: &mut BytesMut, version: ProtocolVersion) {
    while !block.is_empty() {
        match version {
            ProtocolVersion::V5 => drop(black_box(v5::Packet::read(block, None).unwrap())),
            _ => drop(black_box(v4::Packet::read(block, usize::MAX).unwrap())),
        }
    }
}

fn decode(criterion: &mut Criterion) {
    for case in cases() {
        let mut group = criterion.benchmark_group(format!("decode {}", case.name));
        group.throughput(Throughput::Elements(PACKETS as u64));
        let block = case.block();
        group.bench_function("culex", |bencher| bencher.iter(|| read_publishes(&block, case.version)));
        group.bench_function("rumqttc", |bencher| {
            let setup = || BytesMut::from(&block[..]);
            bencher.iter_batched(
                setup,
                |mut block| read_theirs(&mut block, case.version),
                BatchSize::SmallInput,
            );
        });
    }
}

fn encode(criterion: &mut Criterion) {
    for case in cases() {
        let mut group = criterion.benchmark_group(format!("encode {}", case.name));
        group.throughput(Throughput::Elements(PACKETS as u64));
        let publish = case.publish();
        let mut out = Vec::with_capacity(case.block().len());
        group.bench_function("culex", |bencher| {
            bencher.iter(|| {
                out.clear();
                for _ in 0..PACKETS {
                    black_box(&publish).encode(case.version, &mut out).unwrap();
                }
                black_box(out.len())
            });
        });
        let mut block = BytesMut::from(&case.block()[..]);
        let mut theirs = BytesMut::with_capacity(block.len());
        if case.version == ProtocolVersion::V5 {
            let packet = v5::Packet::read(&mut block, None).unwrap();
            group.bench_function("rumqttc", |bencher| {
                bencher.iter(|| {
                    theirs.clear();
                    for _ in 0..PACKETS {
                        black_box(&packet).write(&mut theirs, None).unwrap();
                    }
                    black_box(theirs.len())
                });
            });
        } else {
            let packet = v4::Packet::read(&mut block, usize::MAX).unwrap();
            group.bench_function("rumqttc", |bencher| {
                bencher.iter(|| {
                    theirs.clear();
                    for _ in 0..PACKETS {
                        black_box(&packet).write(&mut theirs, usize::MAX).unwrap();
                    }
                    black_box(theirs.len())
                });
            });
        }
    }
}

fn puback(criterion: &mut Criterion) {
    let version = ProtocolVersion::V311;
    let packet = Acknowledgement::new(PacketIdentifier::FIRST, ReasonCode::SUCCESS);
    let mut block = Vec::new();
    for _ in 0..PACKETS {
        packet.encode(PacketType::Puback, version, &mut block);
    }
    let block = Bytes::from(block);
    let mut group = criterion.benchmark_group("decode puback");
    group.throughput(Throughput::Elements(PACKETS as u64));
    group.bench_function("culex", |bencher| {
        bencher.iter(|| {
            let mut reader = FrameReader::default();
            reader.push(block.clone());
            while let Some(frame) = reader.next_frame(|_| Verdict::Accept).unwrap() {
                frame.header.check(version, Sender::Client).unwrap();
                let decoded =
                    Acknowledgement::decode(frame.header.packet_type, frame.block, frame.body, version)
                        .unwrap();
                black_box(decoded);
            }
        });
    });
    group.bench_function("rumqttc", |bencher| {
        let setup = || BytesMut::from(&block[..]);
        bencher.iter_batched(setup, |mut block| read_theirs(&mut block, version), BatchSize::SmallInput);
    });
    group.finish();

    let mut group = criterion.benchmark_group("encode puback");
    group.throughput(Throughput::Elements(PACKETS as u64));
    let mut out = Vec::with_capacity(block.len());
    group.bench_function("culex", |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..PACKETS {
                black_box(&packet).encode(PacketType::Puback, version, &mut out);
            }
            black_box(out.len())
        });
    });
    let theirs = v4::Packet::PubAck(v4::PubAck::new(1));
    let mut buffer = BytesMut::with_capacity(block.len());
    group.bench_function("rumqttc", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            for _ in 0..PACKETS {
                black_box(&theirs).write(&mut buffer, usize::MAX).unwrap();
            }
            black_box(buffer.len())
        });
    });
    group.finish();
}

criterion_group!(codec, decode, encode, puback);
criterion_main!(codec);
