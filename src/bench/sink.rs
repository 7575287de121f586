//! A broker that only answers and counts: the far end of `calibrate`, and in tests one that makes faults on purpose.
//!
//! It delivers each message to every subscription that matches, remembers nothing, and its counts are the truth that
//! printed figures are compared with.

use super::link::{PACKET_BYTES_MAX, Splitter};
use crate::packet::{
    Acknowledgement, Connack, FixedHeader, Frame, Packet, PacketError, PacketIdentifier, PacketType,
    PropertiesRef, ProtocolVersion, PublishRef, Qos, ReasonCode, Sender, Suback, topic,
};
use bytes::Bytes;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// A client that does not read is read from until this many bytes wait for it.
const PENDING_BYTES_MAX: usize = 4 << 20;

/// What goes wrong on purpose, counted over all deliveries from the first on; 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Every n-th delivery is lost.
    pub drop_every: u64,
    /// Every n-th delivery comes twice.
    pub duplicate_every: u64,
    /// Every n-th delivery comes behind the one that follows it.
    pub swap_every: u64,
}

/// What a [`Sink`] has seen and done.
#[derive(Debug, Default)]
pub struct SinkCounts {
    /// CONNECT packets accepted.
    pub connections: AtomicU64,
    /// Filters subscribed to.
    pub subscriptions: AtomicU64,
    /// PUBLISH packets received.
    pub published: AtomicU64,
    /// PUBLISH packets sent.
    pub delivered: AtomicU64,
    /// Deliveries lost on purpose.
    pub dropped: AtomicU64,
    /// Deliveries made twice on purpose.
    pub duplicated: AtomicU64,
    /// Deliveries made late on purpose.
    pub swapped: AtomicU64,
}

/// A sink that serves until this is dropped.
#[derive(Debug)]
pub struct Sink {
    port: u16,
    counts: Arc<SinkCounts>,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When no port, poll or thread is to be had.
    pub fn start(faults: Faults) -> io::Result<Self> {
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let port = listener.local_addr()?.port();
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (counts, stop) = (Arc::<SinkCounts>::default(), Arc::<AtomicBool>::default());
        let mut server = Server {
            poll,
            listener,
            peers: Slab::new(),
            subscriptions: Vec::new(),
            counts: counts.clone(),
            faults,
            deliveries: 0,
            held: None,
            block: vec![0; 64 << 10],
        };
        let is_stopping = stop.clone();
        let thread = thread::Builder::new().name("sink".to_owned()).spawn(move || {
            // A poll that fails ends the sink; its clients see their connections end.
            let _ = server.serve(&is_stopping);
        })?;
        Ok(Self { port, counts, stop, waker, thread: Some(thread) })
    }

    /// Its TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it has counted.
    #[must_use]
    pub fn counts(&self) -> &SinkCounts {
        &self.counts
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // A sink that has ended cannot be woken, and need not be.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Peer {
    socket: TcpStream,
    splitter: Splitter,
    out: Vec<u8>,
    version: ProtocolVersion,
    next_identifier: PacketIdentifier,
}

#[derive(Debug)]
struct Server {
    poll: Poll,
    listener: TcpListener,
    peers: Slab<Peer>,
    /// Filter, QoS and client of each subscription.
    subscriptions: Vec<(String, Qos, usize)>,
    counts: Arc<SinkCounts>,
    faults: Faults,
    deliveries: u64,
    /// A delivery that waits for the next one: its client, and the message.
    held: Option<(usize, Qos, String, Vec<u8>)>,
    block: Vec<u8>,
}

impl Server {
    fn serve(&mut self, is_stopping: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while !is_stopping.load(Relaxed) {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Token(key) => self.turn(key),
                }
            }
            // What was delivered to others goes out once a turn.
            let waiting: Vec<usize> =
                self.peers.iter().filter(|(_, peer)| !peer.out.is_empty()).map(|(key, _)| key).collect();
            waiting.into_iter().for_each(|key| self.write(key));
        }
        Ok(())
    }

    fn accept(&mut self) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            let entry = self.peers.vacant_entry();
            let interest = Interest::READABLE | Interest::WRITABLE;
            // Without these the connection is of no use, and closing it says so.
            let is_set = socket.set_nodelay(true).is_ok()
                && self.poll.registry().register(&mut socket, Token(entry.key()), interest).is_ok();
            if is_set {
                entry.insert(Peer {
                    socket,
                    splitter: Splitter::default(),
                    out: Vec::new(),
                    version: ProtocolVersion::V311,
                    next_identifier: FIRST,
                });
            }
        }
    }

    fn turn(&mut self, key: usize) {
        self.write(key);
        let mut block = std::mem::take(&mut self.block);
        while let Some(peer) = self.peers.get_mut(key) {
            if peer.out.len() > PENDING_BYTES_MAX {
                break;
            }
            let read = match peer.socket.read(&mut block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Ok(0) | Err(_) => {
                    self.close(key);
                    break;
                }
                Ok(read) => read,
            };
            let mut splitter = std::mem::take(&mut peer.splitter);
            let taken = splitter.take(&block[..read], |header, packet| self.handle(key, header, packet));
            match (taken, self.peers.get_mut(key)) {
                (Ok(()), Some(peer)) => peer.splitter = splitter,
                _ => {
                    self.close(key);
                    break;
                }
            }
            self.write(key);
        }
        self.block = block;
    }

    fn close(&mut self, key: usize) {
        if self.peers.contains(key) {
            self.peers.remove(key);
            self.subscriptions.retain(|(_, _, client)| *client != key);
            self.held.take_if(|(client, ..)| *client == key);
        }
    }

    fn write(&mut self, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let mut written = 0;
        while written < peer.out.len() {
            match peer.socket.write(&peer.out[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.close(key),
            }
        }
        peer.out.drain(..written);
    }

    fn handle(&mut self, key: usize, header: &FixedHeader, packet: &[u8]) -> Result<(), PacketError> {
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        let version = peer.version;
        let body = &packet[usize::from(header.header_length)..];
        match header.packet_type {
            PacketType::Publish => {
                let publish = PublishRef::decode(header, body, version, Sender::Client)?;
                self.counts.published.fetch_add(1, Relaxed);
                if let Some(identifier) = publish.packet_identifier {
                    let exactly_once = publish.qos == Qos::ExactlyOnce;
                    let kind = if exactly_once { PacketType::Pubrec } else { PacketType::Puback };
                    answer(kind, identifier, version, &mut peer.out);
                }
                self.deliver(&publish);
                Ok(())
            }
            PacketType::Pubrel | PacketType::Pubrec => {
                let [high, low, ..] = *body else { return Err(PacketError::Truncated) };
                let identifier = PacketIdentifier::new(u16::from_be_bytes([high, low]));
                let identifier = identifier.ok_or(PacketError::ZeroIdentifier)?;
                let is_release = header.packet_type == PacketType::Pubrel;
                let kind = if is_release { PacketType::Pubcomp } else { PacketType::Pubrel };
                answer(kind, identifier, version, &mut peer.out);
                Ok(())
            }
            PacketType::Puback | PacketType::Pubcomp => Ok(()),
            _ => self.handle_rare(key, header, packet),
        }
    }

    fn handle_rare(&mut self, key: usize, header: &FixedHeader, packet: &[u8]) -> Result<(), PacketError> {
        let block = Bytes::copy_from_slice(packet);
        let body = &block[usize::from(header.header_length)..];
        let frame = Frame { header: *header, body, block: &block, is_skipped: false };
        let peer = &mut self.peers[key];
        let answer = match Packet::decode(&frame, peer.version, Sender::Client)? {
            Packet::Connect(connect) => {
                peer.version = connect.version;
                self.counts.connections.fetch_add(1, Relaxed);
                Packet::Connack(Connack::default())
            }
            Packet::Subscribe(subscribe) => {
                let mut reasons = Vec::new();
                for (filter, options) in &subscribe.filters {
                    self.subscriptions.push((filter.to_string(), options.maximum_qos, key));
                    self.counts.subscriptions.fetch_add(1, Relaxed);
                    reasons.push(ReasonCode(options.maximum_qos as u8));
                }
                let properties = crate::packet::Properties::EMPTY;
                Packet::Suback(Suback { packet_identifier: subscribe.packet_identifier, properties, reasons })
            }
            Packet::Pingreq => Packet::Pingresp,
            // DISCONNECT, and what a load does not send, end the connection.
            _ => return Err(PacketError::UnexpectedPacket),
        };
        let (version, out) = (peer.version, &mut peer.out);
        answer.encode(version, out)
    }

    fn deliver(&mut self, publish: &PublishRef<'_>) {
        let matching: Vec<(Qos, usize)> = self
            .subscriptions
            .iter()
            .filter(|(filter, ..)| topic::matches(filter, publish.topic))
            .map(|(_, qos, key)| (publish.qos.min(*qos), *key))
            .collect();
        for (qos, key) in matching {
            self.deliveries += 1;
            let number = self.deliveries;
            let is_due = |every: u64| every > 0 && number.is_multiple_of(every);
            if is_due(self.faults.drop_every) {
                self.counts.dropped.fetch_add(1, Relaxed);
                continue;
            }
            if is_due(self.faults.swap_every) && self.held.is_none() {
                self.held = Some((key, qos, publish.topic.to_owned(), publish.payload.to_vec()));
                continue;
            }
            self.send(key, qos, publish.topic, publish.payload);
            if is_due(self.faults.duplicate_every) {
                self.counts.duplicated.fetch_add(1, Relaxed);
                self.send(key, qos, publish.topic, publish.payload);
            }
            if let Some((_, qos, topic, payload)) = self.held.take_if(|(held, ..)| *held == key) {
                self.counts.swapped.fetch_add(1, Relaxed);
                self.send(key, qos, &topic, &payload);
            }
        }
    }

    fn send(&mut self, key: usize, qos: Qos, topic: &str, payload: &[u8]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let identifier = peer.next_identifier;
        let publish = PublishRef {
            dup: false,
            qos,
            retain: false,
            topic,
            packet_identifier: (qos != Qos::AtMostOnce).then_some(identifier),
            properties: PropertiesRef::EMPTY,
            payload,
        };
        if publish.packet_length(peer.version) <= PACKET_BYTES_MAX
            && publish.encode(peer.version, &mut peer.out).is_ok()
        {
            peer.next_identifier = identifier.next();
            self.counts.delivered.fetch_add(1, Relaxed);
        }
    }
}

const FIRST: PacketIdentifier = match PacketIdentifier::new(1) {
    Some(identifier) => identifier,
    None => unreachable!(),
};

fn answer(kind: PacketType, identifier: PacketIdentifier, version: ProtocolVersion, out: &mut Vec<u8>) {
    Acknowledgement::new(identifier, ReasonCode::SUCCESS).encode(kind, version, out);
}
