//! A load on a broker: one publisher, many subscribers, a bound on what is under way, every delivery counted.

use crate::{
    transport::{Stream, Transport},
    wire::{self, Input},
};
use mio::{Events, Interest, Poll, Token};
use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

/// Without a packet for so long, the load has stalled.
const STALL: Duration = Duration::from_secs(5);

/// What to send. The window bounds the messages that have not reached the slowest subscriber, so that no queue limit of a
/// broker is hit and its drop policy is not what is measured.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) qos: u8,
    pub(crate) subscribers: usize,
    pub(crate) messages: u64,
    pub(crate) window: u64,
    /// Sessions stay when their clients leave, so that a broker that persists has something to persist.
    pub(crate) is_durable: bool,
    pub(crate) transport: Transport,
}

struct Connection {
    stream: Stream,
    input: Input,
    output: Vec<u8>,
    received: u64,
    acknowledged: u64,
}

/// Opens a connection and waits for its CONNACK.
pub(crate) fn connect(port: u16, identifier: &str, transport: Transport, is_clean: bool) -> Stream {
    let mut stream = Stream::open(port, transport);
    stream.write_all(&wire::connect(identifier, is_clean)).unwrap();
    stream.flush().unwrap();
    expect(&mut stream, 2);
    stream
}

/// A subscriber of the load's topic that never reads what comes.
pub(crate) fn stalled(port: u16, qos: u8) -> Stream {
    let mut stream = connect(port, "stalled", Transport::Tcp, true);
    stream.write_all(&wire::subscribe(qos)).unwrap();
    expect(&mut stream, 9);
    stream
}

/// Blocks until one packet of `kind` has come.
fn expect(stream: &mut impl Read, kind: u8) {
    let mut input = Input::default();
    loop {
        if let Some(packet) = input.next() {
            let refused = matches!(kind, 2 | 9) && packet.body.last() >= Some(&0x80)
                || kind == 2 && packet.body[1] != 0;
            assert!(
                packet.kind == kind && !refused,
                "refused: packet type {} {:?}",
                packet.kind,
                packet.body
            );
            return;
        }
        assert!(input.fill(stream).unwrap() > 0, "the broker closed the connection");
    }
}

impl Connection {
    fn open(port: u16, identifier: &str, load: Load, is_subscriber: bool, poll: &Poll, token: usize) -> Self {
        let mut stream = connect(port, identifier, load.transport, !load.is_durable);
        if is_subscriber {
            stream.write_all(&wire::subscribe(load.qos)).unwrap();
            stream.flush().unwrap();
            expect(&mut stream, 9);
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        stream.register(poll.registry(), Token(token), interest);
        Self { stream, input: Input::default(), output: Vec::new(), received: 0, acknowledged: 0 }
    }

    /// Reads all there is, counts it, and writes the answers.
    fn take(&mut self) {
        loop {
            match self.input.fill(&mut self.stream) {
                Ok(0) => panic!("the broker closed a connection"),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
            while let Some(packet) = self.input.next() {
                match packet.kind {
                    3 => {
                        assert_eq!(packet.payload(), wire::numbered(self.received), "lost or out of order");
                        self.received += 1;
                    }
                    4 | 7 => self.acknowledged += 1,
                    _ => {}
                }
                if let Some(answer) = packet.answer() {
                    self.output.extend(answer);
                }
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        let mut written = 0;
        while written < self.output.len() {
            match self.stream.write(&self.output[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.output.drain(..written);
        match self.stream.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("{error}"),
            _ => {}
        }
    }
}

/// Runs the load to its end and returns the wall time from the first PUBLISH to the last delivery.
pub(crate) fn run(port: u16, load: Load) -> Duration {
    let mut poll = Poll::new().unwrap();
    let name = std::process::id();
    let mut subscribers: Vec<Connection> = (0..load.subscribers)
        .map(|index| Connection::open(port, &format!("sub-{name}-{index}"), load, true, &poll, index))
        .collect();
    let mut publisher = Connection::open(port, &format!("pub-{name}"), load, false, &poll, load.subscribers);
    let mut events = Events::with_capacity(256);
    let mut sent = 0;
    let begin = Instant::now();
    let mut last_event = begin;
    loop {
        let seen = subscribers.iter().map(|subscriber| subscriber.received).min().unwrap_or(0);
        if seen == load.messages && (load.qos == 0 || publisher.acknowledged == load.messages) {
            return begin.elapsed();
        }
        let under_way = if load.qos == 0 { sent - seen } else { sent - seen.min(publisher.acknowledged) };
        let free = (load.window - under_way).min(load.messages - sent);
        if publisher.output.len() < 1 << 16 {
            for number in sent..sent + free {
                let identifier = u16::try_from(number % 60_000 + 1).unwrap();
                wire::publish(&mut publisher.output, load.qos, identifier, wire::numbered(number));
            }
            sent += free;
        }
        publisher.flush();
        poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
        if !events.is_empty() {
            last_event = Instant::now();
        }
        assert!(last_event.elapsed() < STALL, "stalled: sent {sent}, seen {seen} of {}", load.messages);
        for event in &events {
            let Token(index) = event.token();
            subscribers.get_mut(index).unwrap_or(&mut publisher).take();
        }
    }
}
