//! Clients that never stop, and clients that never read.

use super::*;
use crate::packet::{Connect, Properties, Subscribe, SubscriptionOptions, Text};
use std::net::TcpStream as Blocking;

/// A sink that takes a step when it is told to.
struct Stepper {
    server: Server,
    events: Events,
    address: SocketAddr,
}

impl Stepper {
    fn start() -> Self {
        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let poll = Poll::new().unwrap();
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).unwrap();
        let server = Server::new(poll, listener, Arc::default(), Faults::default(), Arc::default());
        Self { server, events: Events::with_capacity(64), address }
    }

    fn step(&mut self) {
        self.server.step(&mut self.events, Some(Duration::ZERO)).unwrap();
    }

    /// A client that has sent CONNECT and `packet`, and whose answers have been read.
    fn client(&mut self, packet: Option<Packet>) -> Blocking {
        let mut client = Blocking::connect(self.address).unwrap();
        let before = self.count(|counts| &counts.connections);
        let mut bytes = Vec::new();
        let connect = Connect { version: ProtocolVersion::V311, ..Connect::default() };
        Packet::Connect(Box::new(connect)).encode(ProtocolVersion::V311, &mut bytes).unwrap();
        let answered = 4 + if packet.is_some() { 5 } else { 0 };
        packet.iter().for_each(|packet| packet.encode(ProtocolVersion::V311, &mut bytes).unwrap());
        client.write_all(&bytes).unwrap();
        while self.count(|counts| &counts.connections) == before {
            self.step();
        }
        self.step();
        client.read_exact(&mut vec![0; answered]).unwrap();
        client.set_nonblocking(true).unwrap();
        client
    }

    fn count(&self, counter: fn(&SinkCounts) -> &AtomicU64) -> u64 {
        counter(&self.server.counts).load(Relaxed)
    }
}

fn publish(payload: usize) -> Vec<u8> {
    let payload = vec![0; payload];
    let publish = PublishRef {
        dup: false,
        qos: Qos::AtMostOnce,
        retain: false,
        topic: "a",
        packet_identifier: None,
        properties: PropertiesRef::EMPTY,
        payload: &payload,
    };
    let mut bytes = Vec::new();
    publish.encode(ProtocolVersion::V311, &mut bytes).unwrap();
    bytes
}

fn subscribe() -> Packet {
    Packet::Subscribe(Subscribe {
        packet_identifier: FIRST,
        properties: Properties::EMPTY,
        filters: vec![(Text::new("a").unwrap(), SubscriptionOptions::default())],
    })
}

#[test]
fn client_that_never_stops_does_not_keep_others_waiting() {
    let mut sink = Stepper::start();
    let mut restless = sink.client(None);
    // So small that a turn cannot read all that waits.
    sink.server.block = vec![0; 64];
    let message = publish(28);
    restless.write_all(&message.repeat(100)).unwrap();
    let key = sink.server.peers.iter().map(|(key, _)| key).next().unwrap();
    sink.server.turn(key);
    let taken = sink.count(|counts| &counts.published);
    assert!(0 < taken && taken < 100, "{taken} in one turn");
    assert_eq!(sink.server.again, [key], "it goes on when the others had their turn");
    while sink.count(|counts| &counts.published) < 100 {
        sink.step();
    }
}

#[test]
fn publishers_wait_for_a_subscriber_that_does_not_read_and_nothing_is_lost() {
    let mut sink = Stepper::start();
    let mut subscriber = sink.client(Some(subscribe()));
    let mut publisher = sink.client(None);
    let message = publish(60_000);
    let (mut sent, mut rest) = (0_u64, 0);
    let mut idle = 0;
    // Until nothing moves any more.
    while idle < 100 {
        let before = (sent, rest, sink.count(|counts| &counts.published));
        while let Ok(count) = publisher.write(&message[rest..]) {
            rest = (rest + count) % message.len();
            sent += u64::from(rest == 0);
        }
        sink.step();
        let most = sink.server.peers.iter().map(|(_, peer)| peer.out.len()).max().unwrap();
        assert!(most <= PENDING_BYTES_MAX + 2 * (64 << 10), "{most} bytes wait");
        idle = if before == (sent, rest, sink.count(|counts| &counts.published)) { idle + 1 } else { 0 };
    }
    assert!(sink.server.is_full && sent > sink.count(|counts| &counts.published));
    // It reads again, and all comes.
    let (mut read, mut block) = (0, vec![0; 1 << 16]);
    while read < sent as usize * message.len() {
        read += subscriber.read(&mut block).unwrap_or(0);
        sink.step();
    }
    assert_eq!(sink.count(|counts| &counts.published), sent);
    assert_eq!(sink.count(|counts| &counts.delivered), sent);
}
