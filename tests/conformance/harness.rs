//! Clients that speak raw bytes, and the two servers they speak to: the pure broker under a clock that the test turns,
//! and the real program over TCP.

use crate::wire::{self, Connect, Publish, V5};
use culex::broker::Config;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// What a server does for the tests; connections are numbered by it.
pub(crate) trait Server {
    fn open(&mut self) -> usize;
    fn send(&mut self, connection: usize, bytes: &[u8]);
    /// Bytes that have come, waiting for some if there are none; `None` once the connection is closed and all is read.
    fn receive(&mut self, connection: usize) -> Option<Vec<u8>>;
    /// Closes the transport without a word.
    fn close(&mut self, connection: usize);
    /// The pure broker, for what only it can do.
    fn pure(&mut self) -> Option<&mut crate::pure::Pure> {
        None
    }
}

/// One server with its clients.
pub(crate) struct Lab {
    server: RefCell<Box<dyn Server>>,
}

impl Lab {
    /// The pure broker with its default configuration, but without `$SYS` topics.
    pub(crate) fn pure() -> Self {
        Self::with(|_| {})
    }

    /// The pure broker with another configuration.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        // `$SYS` would make the broker act every ten seconds of the years that some rules take.
        let mut config = Config { sys_interval: Duration::ZERO, ..Config::default() };
        change(&mut config);
        Self::of(crate::pure::Pure::new(config))
    }

    pub(crate) fn of(server: impl Server + 'static) -> Self {
        Self { server: RefCell::new(Box::new(server)) }
    }

    /// A connection on which nothing has been sent.
    pub(crate) fn open(&self, version: u8) -> Client<'_> {
        let connection = self.server.borrow_mut().open();
        self.adopt(connection, version)
    }

    /// A client on a connection that is open already.
    pub(crate) fn adopt(&self, connection: usize, version: u8) -> Client<'_> {
        Client {
            lab: self,
            connection,
            version,
            inbox: RefCell::default(),
            connack: Vec::new(),
            next: Cell::new(1),
        }
    }

    /// A client that has sent `connect` and was let in.
    pub(crate) fn connect(&self, connect: &Connect) -> Client<'_> {
        let mut client = self.open(connect.version);
        client.send(connect.bytes());
        client.connack = client.receive();
        assert_eq!(client.connack[0], 0x20, "a CONNACK comes first: {:02x?}", client.connack);
        assert_eq!(client.connack[3], 0, "the server refuses: {:02x?}", client.connack);
        client
    }

    /// A clean client of MQTT 5.
    pub(crate) fn v5(&self, id: &str) -> Client<'_> {
        self.connect(&wire::connect(V5, id))
    }

    /// A clean client of MQTT 3.1.1.
    pub(crate) fn v311(&self, id: &str) -> Client<'_> {
        self.connect(&wire::connect(wire::V311, id))
    }

    /// Sends `bytes` on a fresh connection and expects `answer` and the end of the connection.
    #[track_caller]
    pub(crate) fn refuses(&self, bytes: &[u8], answer: &[u8]) {
        let client = self.open(V5);
        client.send(bytes);
        client.expect_end(answer);
    }

    /// Lets time pass; only the pure broker can.
    pub(crate) fn advance(&self, by: Duration) {
        self.pure_server(|pure| pure.advance(by));
    }

    /// Lets seconds pass.
    pub(crate) fn advance_seconds(&self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    /// Does something to the pure broker itself.
    pub(crate) fn pure_server<R>(&self, action: impl FnOnce(&mut crate::pure::Pure) -> R) -> R {
        let mut server = self.server.borrow_mut();
        action(server.pure().expect("this rule is for the pure broker"))
    }
}

/// One connection to the server.
pub(crate) struct Client<'a> {
    lab: &'a Lab,
    pub(crate) connection: usize,
    pub(crate) version: u8,
    inbox: RefCell<Vec<u8>>,
    /// The CONNACK that let it in.
    pub(crate) connack: Vec<u8>,
    next: Cell<u16>,
}

impl Client<'_> {
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        self.lab.server.borrow_mut().send(self.connection, bytes.as_ref());
    }

    /// Reads until `enough`; false when the connection ended before.
    fn fill(&self, enough: impl Fn(&[u8]) -> bool) -> bool {
        while !enough(&self.inbox.borrow()) {
            match self.lab.server.borrow_mut().receive(self.connection) {
                Some(bytes) => self.inbox.borrow_mut().extend(bytes),
                None => return false,
            }
        }
        true
    }

    /// The next whole packet.
    #[track_caller]
    pub(crate) fn receive(&self) -> Vec<u8> {
        let whole = self.fill(|inbox| wire::header(inbox).is_some());
        let mut inbox = self.inbox.borrow_mut();
        assert!(whole, "a packet was expected, then the connection ended with {inbox:02x?}");
        let length = wire::header(&inbox).map_or(0, |(length, _)| length);
        inbox.drain(..length).collect()
    }

    /// The next packet, which must be a PUBLISH.
    #[track_caller]
    pub(crate) fn receive_publish(&self) -> Publish {
        Publish::parse(self.version, &self.receive())
    }

    /// The next bytes are exactly these.
    #[track_caller]
    pub(crate) fn expect(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let packet_or_all = |inbox: &[u8]| inbox.len() >= bytes.len() || !bytes.starts_with(inbox);
        self.fill(packet_or_all);
        let mut inbox = self.inbox.borrow_mut();
        let length = bytes.len().min(inbox.len());
        assert_eq!(Hex(&inbox[..length]), Hex(bytes), "then came {:?}", Hex(&inbox[length..]));
        inbox.drain(..length);
    }

    /// The next packet is this PUBLISH.
    #[track_caller]
    pub(crate) fn expect_publish(&self, publish: &Publish) {
        assert_eq!(self.receive_publish(), *publish);
    }

    /// Nothing has been sent to this connected client: the answer to a PINGREQ is the next to come.
    #[track_caller]
    pub(crate) fn expect_nothing(&self) {
        self.send(wire::PINGREQ);
        self.expect(wire::PINGRESP);
    }

    /// Exactly these bytes come, then the server closes.
    #[track_caller]
    pub(crate) fn expect_end(&self, bytes: impl AsRef<[u8]>) {
        assert!(!self.fill(|_| false));
        assert_eq!(Hex(&self.inbox.borrow()), Hex(bytes.as_ref()), "the last bytes before the end");
    }

    /// Everything that the pure broker has sent so far, and whether it has closed the connection.
    pub(crate) fn all_and_is_closed(&self) -> (Vec<u8>, bool) {
        let (bytes, is_closed) = self.lab.pure_server(|pure| pure.take(self.connection));
        let mut all = self.inbox.take();
        all.extend(bytes);
        (all, is_closed)
    }

    /// The server closes the connection: MQTT 5 is told the reason, older versions are not.
    #[track_caller]
    pub(crate) fn expect_disconnect(&self, reason: u8) {
        if self.version == V5 {
            self.expect_end(wire::disconnect(reason));
        } else {
            self.expect_end([]);
        }
    }

    /// The server ends the connection of this client with this reason after it has sent `bytes`.
    #[track_caller]
    pub(crate) fn fails(&self, bytes: impl AsRef<[u8]>, reason: u8) {
        self.send(bytes);
        self.expect_disconnect(reason);
    }

    /// Subscribes to one filter; all is granted.
    #[track_caller]
    pub(crate) fn subscribe(&self, filter: &str, options: u8) {
        self.send(wire::subscribe(self.version, &[(filter, options)]));
        self.expect(wire::suback(self.version, &[options & 3]));
    }

    /// Subscribes to one filter with a Subscription Identifier.
    #[track_caller]
    pub(crate) fn subscribe_as(&self, identifier: usize, filter: &str, options: u8) {
        let wire = wire::number(wire::SUBSCRIPTION_IDENTIFIER, identifier);
        self.send(wire::subscribe_with(self.version, &wire, &[(filter, options)]));
        self.expect(wire::suback(self.version, &[options & 3]));
    }

    /// Publishes and waits until the server has taken the message.
    #[track_caller]
    pub(crate) fn publish(&self, publish: &Publish) {
        let id = self.next.get();
        self.next.set(id + 1);
        let publish = Publish { version: self.version, id, ..publish.clone() };
        self.send(publish.bytes());
        match publish.qos {
            0 => self.expect_nothing(),
            1 => self.expect_taken(wire::PUBACK, id),
            _ => {
                self.expect_taken(wire::PUBREC, id);
                self.send(wire::ack(wire::PUBREL, id));
                self.expect_taken(wire::PUBCOMP, id);
            }
        }
    }

    /// The next packet acknowledges `id`, with whatever success.
    #[track_caller]
    pub(crate) fn expect_taken(&self, first: u8, id: u16) {
        let packet = self.receive();
        assert_eq!((packet[0], &packet[2..4]), (first, &id.to_be_bytes()[..]), "{packet:02x?}");
        assert!(packet.get(4).is_none_or(|reason| *reason < 0x80), "{packet:02x?}");
    }

    /// Publishes a short text.
    #[track_caller]
    pub(crate) fn say(&self, topic: &str, payload: &str, qos: u8) {
        self.publish(&Publish { qos, ..wire::publish(self.version, topic, payload) });
    }

    /// Acknowledges a QoS 1 PUBLISH.
    pub(crate) fn puback(&self, id: u16) {
        self.send(wire::ack(wire::PUBACK, id));
    }

    /// The transport goes away without a DISCONNECT.
    pub(crate) fn vanish(self) {
        self.lab.server.borrow_mut().close(self.connection);
    }

    /// A clean end: DISCONNECT, and the server closes.
    #[track_caller]
    pub(crate) fn disconnect(self) {
        self.send(wire::DISCONNECT);
        self.expect_end([]);
    }
}

/// Bytes that a failed assertion shows in hexadecimal.
#[derive(PartialEq)]
struct Hex<'a>(&'a [u8]);

impl std::fmt::Debug for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x} ")?;
        }
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
