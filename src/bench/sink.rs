//! A broker that only answers and counts: the far end of `calibrate`, and in tests one that makes faults on purpose.
//!
//! It delivers each message to every subscription that matches, remembers nothing, and its counts are the truth that
//! printed figures are compared with.

use super::link::{PACKET_BYTES_MAX, Splitter};
use crate::packet::{
    Acknowledgement, Connack, FixedHeader, Frame, Packet, PacketError, PacketIdentifier, PacketType,
    PropertiesRef, ProtocolVersion, PublishRef, Qos, ReasonCode, Sender, Suback, Unsuback, topic,
};
use bytes::Bytes;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Reads of one turn, so that a client that never stops does not keep the others waiting.
const READS_PER_TURN_MAX: u32 = 16;

/// While more bytes than this wait for a client that reads slowly, nobody's messages are read: who publishes waits, and
/// nothing is lost. (What one read brings may go above it.)
const PENDING_BYTES_MAX: usize = 4 << 20;

/// As [`PENDING_BYTES_MAX`], for payloads that are delivered later on purpose.
const DELAYED_BYTES_MAX: usize = 64 << 20;

/// What goes wrong on purpose, counted over all deliveries from the first on; 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Every n-th delivery is lost.
    pub drop_every: u64,
    /// Every n-th delivery comes twice.
    pub duplicate_every: u64,
    /// Every n-th delivery comes behind the one that follows it.
    pub swap_every: u64,
    /// At every n-th message that is published the sink stands still, as a stopped process does.
    pub stall_every: u64,
    /// For how long.
    pub stall_for: Duration,
    /// Every delivery is made this much later.
    pub delay: Duration,
    /// Small packets wait until the ones before them are acknowledged (Nagle's algorithm).
    pub nagle: bool,
}

/// What a [`Sink`] has seen and done.
#[derive(Debug, Default)]
pub struct SinkCounts {
    /// Sockets accepted.
    pub accepted: AtomicU64,
    /// CONNECT packets accepted.
    pub connections: AtomicU64,
    /// Filters subscribed to.
    pub subscriptions: AtomicU64,
    /// Filters unsubscribed from.
    pub unsubscribed: AtomicU64,
    /// PUBLISH packets received.
    pub published: AtomicU64,
    /// PUBLISH packets sent.
    pub delivered: AtomicU64,
    /// Deliveries lost on purpose.
    pub dropped: AtomicU64,
    /// Deliveries made twice on purpose.
    pub duplicated: AtomicU64,
    /// Deliveries made behind the next one on purpose.
    pub swapped: AtomicU64,
    /// How often it stood still.
    pub stalled: AtomicU64,
    /// Sockets whose connection has ended.
    pub left: AtomicU64,
}

impl SinkCounts {
    /// All of them by name, as they stand.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("connections", &self.connections),
            ("subscriptions", &self.subscriptions),
            ("unsubscribed", &self.unsubscribed),
            ("published", &self.published),
            ("delivered", &self.delivered),
            ("dropped", &self.dropped),
            ("duplicated", &self.duplicated),
            ("swapped", &self.swapped),
            ("stalled", &self.stalled),
        ]
        .map(|(name, count)| (name, count.load(Relaxed)))
    }
}

/// A sink that serves until this is dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
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
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), faults)
    }

    /// As [`Sink::start`], at this address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// As [`Sink::start`].
    pub fn start_at(address: SocketAddr, faults: Faults) -> io::Result<Self> {
        let mut listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (counts, stop) = (Arc::<SinkCounts>::default(), Arc::<AtomicBool>::default());
        let mut server = Server::new(poll, listener, counts.clone(), faults, stop.clone());
        let thread = thread::Builder::new().name("sink".to_owned()).spawn(move || {
            // A poll that fails ends the sink; its clients see their connections end.
            let _ = server.serve();
        })?;
        Ok(Self { address, counts, stop, waker, thread: Some(thread) })
    }

    /// Its TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
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
            thread.thread().unpark();
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
    /// It has published something.
    publishes: bool,
}

/// A message on its way to the client with this key.
#[derive(Debug)]
struct Delivery {
    key: usize,
    qos: Qos,
    topic: String,
    payload: Vec<u8>,
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
    held: Option<Delivery>,
    /// Clients that are read from again without waiting.
    again: Vec<usize>,
    /// Too much waits for somebody.
    is_full: bool,
    /// Clients that are read from when that is over.
    waiting: Vec<usize>,
    /// Deliveries that are made later, and when.
    delayed: VecDeque<(Instant, Delivery)>,
    delayed_bytes: usize,
    stop: Arc<AtomicBool>,
    block: Vec<u8>,
}

impl Server {
    fn new(
        poll: Poll,
        listener: TcpListener,
        counts: Arc<SinkCounts>,
        faults: Faults,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            poll,
            listener,
            peers: Slab::new(),
            subscriptions: Vec::new(),
            counts,
            faults,
            deliveries: 0,
            held: None,
            again: Vec::new(),
            is_full: false,
            waiting: Vec::new(),
            delayed: VecDeque::new(),
            delayed_bytes: 0,
            stop,
            block: vec![0; 64 << 10],
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while !self.stop.load(Relaxed) {
            let next = self.delayed.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            // Rounded up: the poll counts in milliseconds, and one too early would only come to nothing.
            let timeout = next.map(|wait| wait.max(Duration::from_micros(1)));
            self.step(&mut events, timeout)?;
        }
        Ok(())
    }

    /// Waits for at most `timeout`, and does what there is to do.
    fn step(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.again.is_empty() { timeout } else { Some(Duration::ZERO) };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept(),
                WAKER => {}
                Token(key) => self.turn(key),
            }
        }
        std::mem::take(&mut self.again).into_iter().for_each(|key| self.turn(key));
        self.send_delayed();
        // What was delivered to others goes out once a turn.
        let waiting: Vec<usize> =
            self.peers.iter().filter(|(_, peer)| !peer.out.is_empty()).map(|(key, _)| key).collect();
        waiting.into_iter().for_each(|key| self.write(key));
        self.is_full = self.delayed_bytes > DELAYED_BYTES_MAX
            || self.peers.iter().any(|(_, peer)| peer.out.len() > PENDING_BYTES_MAX);
        if !self.is_full {
            self.again.append(&mut self.waiting);
        }
        Ok(())
    }

    fn accept(&mut self) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            let entry = self.peers.vacant_entry();
            let interest = Interest::READABLE | Interest::WRITABLE;
            // Without these the connection is of no use, and closing it says so.
            let is_set = socket.set_nodelay(!self.faults.nagle).is_ok()
                && self.poll.registry().register(&mut socket, Token(entry.key()), interest).is_ok();
            if is_set {
                self.counts.accepted.fetch_add(1, Relaxed);
                entry.insert(Peer {
                    socket,
                    splitter: Splitter::default(),
                    out: Vec::new(),
                    version: ProtocolVersion::V311,
                    next_identifier: FIRST,
                    publishes: false,
                });
            }
        }
    }

    fn turn(&mut self, key: usize) {
        self.write(key);
        let mut block = std::mem::take(&mut self.block);
        let mut reads = 0;
        while let Some(peer) = self.peers.get_mut(key) {
            if self.is_full && peer.publishes || peer.out.len() > PENDING_BYTES_MAX {
                self.waiting.push(key);
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
            reads += 1;
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
            if reads == READS_PER_TURN_MAX {
                // The others have their turn before this one goes on.
                self.again.push(key);
                break;
            }
        }
        self.block = block;
    }

    fn close(&mut self, key: usize) {
        if self.peers.contains(key) {
            self.peers.remove(key);
            self.subscriptions.retain(|(_, _, client)| *client != key);
            self.held.take_if(|held| held.key == key);
            self.delayed.retain(|(_, delivery)| delivery.key != key);
            self.delayed_bytes = self.delayed.iter().map(|(_, delivery)| delivery.payload.len()).sum();
            // The next client may be given the same key.
            self.again.retain(|again| *again != key);
            self.waiting.retain(|waiting| *waiting != key);
            self.counts.left.fetch_add(1, Relaxed);
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
                let number = self.counts.published.fetch_add(1, Relaxed) + 1;
                if is_nth(number, self.faults.stall_every) {
                    self.stand_still();
                }
                let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
                peer.publishes = true;
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
            Packet::Unsubscribe(unsubscribe) => {
                let is_named = |filter: &str| unsubscribe.filters.iter().any(|named| **named == *filter);
                self.subscriptions.retain(|(filter, _, client)| *client != key || !is_named(filter));
                let count = unsubscribe.filters.len();
                self.counts.unsubscribed.fetch_add(count as u64, Relaxed);
                Packet::Unsuback(Unsuback {
                    packet_identifier: unsubscribe.packet_identifier,
                    properties: crate::packet::Properties::EMPTY,
                    reasons: vec![ReasonCode::SUCCESS; count],
                })
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
            if is_nth(number, self.faults.drop_every) {
                self.counts.dropped.fetch_add(1, Relaxed);
                continue;
            }
            let delivery =
                || Delivery { key, qos, topic: publish.topic.to_owned(), payload: publish.payload.to_vec() };
            if is_nth(number, self.faults.swap_every) && self.held.is_none() {
                self.held = Some(delivery());
                continue;
            }
            self.send(key, qos, publish.topic, publish.payload);
            if is_nth(number, self.faults.duplicate_every) {
                self.counts.duplicated.fetch_add(1, Relaxed);
                self.send(key, qos, publish.topic, publish.payload);
            }
            if let Some(held) = self.held.take_if(|held| held.key == key) {
                self.counts.swapped.fetch_add(1, Relaxed);
                self.send(key, qos.min(held.qos), &held.topic, &held.payload);
            }
        }
    }

    /// Delivers now, or later if that is asked for.
    fn send(&mut self, key: usize, qos: Qos, topic: &str, payload: &[u8]) {
        if self.faults.delay.is_zero() {
            self.send_now(key, qos, topic, payload);
        } else {
            let delivery = Delivery { key, qos, topic: topic.to_owned(), payload: payload.to_vec() };
            self.delayed_bytes += payload.len();
            self.is_full |= self.delayed_bytes > DELAYED_BYTES_MAX;
            self.delayed.push_back((Instant::now() + self.faults.delay, delivery));
        }
    }

    fn send_delayed(&mut self) {
        let now = Instant::now();
        while self.delayed.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, delivery)) = self.delayed.pop_front() else { return };
            self.delayed_bytes -= delivery.payload.len();
            self.send_now(delivery.key, delivery.qos, &delivery.topic, &delivery.payload);
        }
    }

    fn send_now(&mut self, key: usize, qos: Qos, topic: &str, payload: &[u8]) {
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
            self.is_full |= peer.out.len() > PENDING_BYTES_MAX;
            peer.next_identifier = identifier.next();
            self.counts.delivered.fetch_add(1, Relaxed);
        }
    }

    /// Does nothing at all for a while, not even accept connections.
    fn stand_still(&self) {
        self.counts.stalled.fetch_add(1, Relaxed);
        let end = Instant::now() + self.faults.stall_for;
        while !self.stop.load(Relaxed) {
            let Some(rest) = end.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) else {
                return;
            };
            thread::park_timeout(rest);
        }
    }
}

/// Whether `number` is one of every so many; none is for 0.
const fn is_nth(number: u64, every: u64) -> bool {
    every > 0 && number.is_multiple_of(every)
}

const FIRST: PacketIdentifier = match PacketIdentifier::new(1) {
    Some(identifier) => identifier,
    None => unreachable!(),
};

fn answer(kind: PacketType, identifier: PacketIdentifier, version: ProtocolVersion, out: &mut Vec<u8>) {
    Acknowledgement::new(identifier, ReasonCode::SUCCESS).encode(kind, version, out);
}

#[cfg(test)]
mod tests;
