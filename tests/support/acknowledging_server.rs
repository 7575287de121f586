//! A server for one publisher that writes each message down before it answers, and is cut off as often as asked.
//!
//! The payload of each message is its number. The server keeps no queue and has no subscribers, so that what it wrote
//! down is all that can be said about a delivery.

use super::reserved_port::ReservedPort;
use culex::packet::{
    Acknowledgement, Connack, FrameReader, Packet, PacketIdentifier, ProtocolVersion, Qos, ReasonCode,
    Sender, Verdict,
};
use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// What the server is to live through.
pub(crate) struct Fate {
    /// After so many PUBLISH packets, over all connections, the present connection is cut; in order.
    pub(crate) cuts: Vec<usize>,
    /// Whether the session outlives the connection.
    pub(crate) keeps_session: bool,
}

/// What the server wrote down.
#[derive(Default)]
pub(crate) struct Record {
    /// Numbers in the order of their delivery; at QoS 2 a packet of the same exchange is no second one.
    pub(crate) delivered: Vec<u32>,
    /// Those whose acknowledgement (PUBACK or PUBREC) was handed to the system.
    pub(crate) acknowledged: HashSet<u32>,
    /// Those whose PUBREC the client has seen, because it answered with PUBREL.
    pub(crate) released: HashSet<u32>,
    /// Those that were sent in a PUBLISH after that.
    pub(crate) sent_after_release: Vec<u32>,
    /// How often the client came.
    pub(crate) connections: usize,
    /// PUBLISH packets of all connections.
    pub(crate) publishes: usize,
    /// QoS 2 exchanges by identifier, until PUBREL.
    open: HashMap<PacketIdentifier, u32>,
    /// Every number by its QoS 2 identifier, also those of sessions that are gone.
    numbers: HashMap<PacketIdentifier, u32>,
}

pub(crate) struct AcknowledgingServer {
    pub(crate) port: u16,
    thread: JoinHandle<io::Result<Record>>,
}

/// How a connection ended.
enum End {
    /// By DISCONNECT: the client is done.
    Done,
    /// By us, or by a client that will come back.
    Cut,
}

impl AcknowledgingServer {
    pub(crate) fn start(fate: Fate) -> Self {
        let reserved = ReservedPort::take();
        let (port, listener) = (reserved.port, reserved.listen());
        Self { port, thread: thread::spawn(move || serve(&reserved, listener, &fate)) }
    }

    /// What was written down, when the client has left in order.
    pub(crate) fn record(self) -> Record {
        self.thread.join().unwrap().unwrap()
    }
}

fn serve(reserved: &ReservedPort, mut listener: TcpListener, fate: &Fate) -> io::Result<Record> {
    let mut record = Record::default();
    let mut cuts = fate.cuts.iter().copied().enumerate();
    loop {
        let cut = cuts.next();
        let (stream, _) = listener.accept()?;
        record.connections += 1;
        let end = Connection::new(stream, record, fate).run(cut.map(|(_, at)| at))?;
        record = match end {
            (End::Done, record) => return Ok(record),
            (End::Cut, record) => record,
        };
        // Every other time the whole server dies, and the next one refuses once before it is up.
        if cut.is_some_and(|(number, _)| number % 2 == 1) {
            drop(listener);
            listener = reserved.listen();
            drop(listener.accept()?);
        }
    }
}

struct Connection<'f> {
    stream: TcpStream,
    reader: FrameReader,
    record: Record,
    fate: &'f Fate,
    /// Answers that are not written yet, and whom they acknowledge.
    answers: Vec<u8>,
    answered: Vec<u32>,
}

impl<'f> Connection<'f> {
    fn new(stream: TcpStream, record: Record, fate: &'f Fate) -> Self {
        let (reader, answers, answered) = (FrameReader::default(), Vec::new(), Vec::new());
        Self { stream, reader, record, fate, answers, answered }
    }

    fn run(mut self, cut_at: Option<usize>) -> io::Result<(End, Record)> {
        loop {
            let mut block = vec![0; 64 * 1024];
            let count = match self.stream.read(&mut block) {
                Ok(0) | Err(_) => return Ok((End::Cut, self.record)),
                Ok(count) => count,
            };
            block.truncate(count);
            self.reader.push(block.into());
            while let Some(packet) = self.next_packet()? {
                if matches!(packet, Packet::Disconnect(_)) {
                    return Ok((End::Done, self.record));
                }
                self.handle(&packet);
                if cut_at == Some(self.record.publishes) {
                    // Some of the cuts lose the answers to what was just written down.
                    if self.record.connections.is_multiple_of(2) {
                        self.flush()?;
                    }
                    return Ok((End::Cut, self.record));
                }
            }
            self.flush()?;
        }
    }

    fn next_packet(&mut self) -> io::Result<Option<Packet>> {
        let frame = self.reader.next_frame(|_| Verdict::Accept).map_err(io::Error::other)?;
        let packet = frame.map(|frame| Packet::decode(&frame, ProtocolVersion::V311, Sender::Client));
        packet.transpose().map_err(io::Error::other)
    }

    fn handle(&mut self, packet: &Packet) {
        match packet {
            Packet::Connect(connect) => {
                let session_present = self.fate.keeps_session && self.record.connections > 1;
                assert_eq!(connect.clean_start, !self.fate.keeps_session);
                if !session_present {
                    self.record.open.clear();
                }
                self.answer(&Packet::Connack(Connack { session_present, ..Connack::default() }));
            }
            Packet::Publish(publish) => {
                self.record.publishes += 1;
                let number = std::str::from_utf8(&publish.payload).unwrap().parse().unwrap();
                match (publish.qos, publish.packet_identifier) {
                    (Qos::AtLeastOnce, Some(id)) => {
                        self.record.delivered.push(number);
                        self.answer(&Packet::Puback(Acknowledgement::new(id, ReasonCode::SUCCESS)));
                    }
                    (Qos::ExactlyOnce, Some(id)) => self.handle_exactly_once(id, number),
                    _ => panic!("a message of QoS 0 was not asked for"),
                }
                self.answered.push(number);
            }
            Packet::Pubrel(pubrel) => {
                let id = pubrel.packet_identifier;
                self.record.open.remove(&id);
                self.record.released.extend(self.record.numbers.get(&id));
                self.answer(&Packet::Pubcomp(Acknowledgement::new(id, ReasonCode::SUCCESS)));
            }
            Packet::Pingreq => self.answer(&Packet::Pingresp),
            other => panic!("{other:?} was not asked for"),
        }
    }

    fn handle_exactly_once(&mut self, id: PacketIdentifier, number: u32) {
        if self.record.released.contains(&number) {
            self.record.sent_after_release.push(number);
        }
        self.record.numbers.insert(id, number);
        match self.record.open.insert(id, number) {
            None => self.record.delivered.push(number),
            Some(open) => assert_eq!(open, number, "{id:?} stands for two messages at once"),
        }
        self.answer(&Packet::Pubrec(Acknowledgement::new(id, ReasonCode::SUCCESS)));
    }

    fn answer(&mut self, packet: &Packet) {
        packet.encode(ProtocolVersion::V311, &mut self.answers).unwrap();
    }

    fn flush(&mut self) -> io::Result<()> {
        // A client that is gone will ask again.
        if self.stream.write_all(&self.answers).is_ok() {
            self.record.acknowledged.extend(self.answered.drain(..));
        }
        self.answers.clear();
        self.answered.clear();
        Ok(())
    }
}
