//! The server's driver over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use culex::broker::{Authenticated, Broker, Config, Event, ListenerConfig};
use culex::net::Clock;
use culex::net::server::{Control, ListenAddress, ListenPlan, Listeners, Observer, Server};
use culex::time::Time;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;

struct Silent;

impl Observer for Silent {
    /// Lets everybody in at once.
    fn event(&mut self, now: Time, broker: &mut Broker, event: Event) {
        if let Event::Authenticate { connection, .. } = event {
            broker.handle_authenticated(
                now,
                connection,
                Authenticated::Accept { user_name: None, data: None },
            );
        }
    }

    fn out_of_descriptors(&mut self, _: Time) {}
}

/// A server on a thread of its own.
struct Running {
    control: Control,
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(config: Config, addresses: Vec<ListenAddress>) -> Self {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let plans: Vec<_> = addresses.into_iter().map(ListenPlan::plain).collect();
                let listeners = Listeners::bind(&plans).unwrap();
                let port = listeners.local_addresses().first().map_or(0, |(_, address)| address.port());
                let clock = Clock::start();
                let server = Server::new(Broker::new(config, clock.now()), listeners, clock, Silent);
                sender.send((server.control(), port)).unwrap();
                tokio::spawn(server.run()).await.unwrap();
            });
        });
        let (control, port) = receiver.recv().unwrap();
        Self { control, port, thread: Some(thread) }
    }

    fn on_loopback(config: Config) -> Self {
        Self::start(config, vec![ListenAddress::Loopback { port: 0 }])
    }

    fn connect(&self, client: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        greet(&mut stream, client, 4);
        stream
    }

    /// Returns when the server has ended.
    fn stop(&mut self) {
        self.control.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
    }
}

/// CONNECT with this client identifier, and its CONNACK.
fn greet(stream: &mut (impl Read + Write), client: &str, version: u8) {
    let mut connect = vec![0x10, 0, 0, 4, b'M', b'Q', b'T', b'T', version, 2, 0, 0];
    if version == 5 {
        connect.push(0);
    }
    connect.extend([0, u8::try_from(client.len()).unwrap()]);
    connect.extend(client.as_bytes());
    connect[1] = u8::try_from(connect.len() - 2).unwrap();
    stream.write_all(&connect).unwrap();
    let connack = frame(stream);
    assert_eq!((connack[0], connack[2], connack[3]), (0x20, 0, 0));
}

/// One whole packet.
fn frame(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = vec![0; 2];
    stream.read_exact(&mut bytes).unwrap();
    let (mut length, mut shift) = (usize::from(bytes[1] & 127), 7);
    while bytes[bytes.len() - 1] & 128 != 0 {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
        length |= usize::from(byte[0] & 127) << shift;
        shift += 7;
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    stream.read_exact(&mut bytes[start..]).unwrap();
    bytes
}

fn subscribe(stream: &mut (impl Read + Write), qos: u8) {
    stream.write_all(&[0x82, 6, 0, 1, 0, 1, b't', qos]).unwrap();
    assert_eq!(frame(stream), [0x90, 3, 0, 1, qos]);
}

/// Comes back once the server has handled all that was sent before.
fn settle(stream: &mut (impl Read + Write)) {
    stream.write_all(&[0xC0, 0]).unwrap();
    assert_eq!(frame(stream), [0xD0, 0]);
}

fn publish(qos: u8, identifier: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, b't'];
    if qos > 0 {
        body.extend(identifier.to_be_bytes());
    }
    body.extend(payload);
    let mut packet = vec![0x30 | qos << 1];
    let mut length = body.len();
    while length > 127 {
        packet.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend(body);
    packet
}

#[test]
fn a_message_reaches_every_one_of_many_connections() {
    let server = Running::on_loopback(Config::default());
    let mut receivers: Vec<_> = (0..300).map(|n| server.connect(&format!("r{n}"))).collect();
    receivers.iter_mut().for_each(|stream| subscribe(stream, 0));
    let mut sender = server.connect("s");
    sender.write_all(&publish(0, 0, b"to all")).unwrap();
    for stream in &mut receivers {
        assert_eq!(frame(stream)[5..], *b"to all");
    }
}

#[test]
fn a_reader_that_stalls_and_goes_on_loses_nothing_and_holds_up_nobody() {
    const MESSAGES: u16 = 400;
    let config = Config { max_queued_messages: 0, max_inflight_messages: 0, ..Config::default() };
    let server = Running::on_loopback(config);
    let mut stalled = server.connect("stalled");
    subscribe(&mut stalled, 1);
    let mut lively = server.connect("lively");
    subscribe(&mut lively, 0);
    let mut sender = server.connect("sender");
    // Far more than the sockets between them hold.
    for number in 1..=MESSAGES {
        let payload: Vec<u8> = number.to_be_bytes().repeat(16 * 1024);
        sender.write_all(&publish(1, number, &payload)).unwrap();
        assert_eq!(frame(&mut sender)[2..4], number.to_be_bytes());
        assert_eq!(frame(&mut lively)[7..9], number.to_be_bytes());
    }
    for number in 1..=MESSAGES {
        let packet = frame(&mut stalled);
        let body = &packet[packet.len() - 32 * 1024..];
        assert!(body.chunks(2).all(|pair| pair == number.to_be_bytes()), "message {number}");
        let identifier = &packet[packet.len() - 32 * 1024 - 2..][..2];
        stalled.write_all(&[0x40, 2, identifier[0], identifier[1]]).unwrap();
    }
}

#[test]
fn a_client_that_closes_inside_a_packet_has_its_will_published() {
    let server = Running::on_loopback(Config::default());
    let mut receiver = server.connect("receiver");
    subscribe(&mut receiver, 0);
    let mut dying = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let connect = b"\x10\x15\x00\x04MQTT\x04\x06\x00\x00\x00\x01d\x00\x01t\x00\x03bye";
    dying.write_all(connect).unwrap();
    assert_eq!(frame(&mut dying), [0x20, 2, 0, 0]);
    dying.write_all(&publish(0, 0, b"whole")).unwrap();
    dying.write_all(&publish(0, 0, b"cut short")[..7]).unwrap();
    drop(dying);
    assert_eq!(frame(&mut receiver)[5..], *b"whole");
    assert_eq!(frame(&mut receiver)[5..], *b"bye");
}

#[test]
fn messages_sent_just_before_the_end_arrive() {
    let server = Running::on_loopback(Config::default());
    let mut receiver = server.connect("receiver");
    subscribe(&mut receiver, 0);
    let mut sender = server.connect("sender");
    let many: Vec<u8> = (0..1000u16).flat_map(|n| publish(0, 0, &n.to_be_bytes())).collect();
    sender.write_all(&many).unwrap();
    sender.write_all(&[0xE0, 0]).unwrap();
    drop(sender);
    for number in 0..1000u16 {
        assert_eq!(frame(&mut receiver)[5..], number.to_be_bytes());
    }
}

#[test]
fn a_stop_tells_mqtt_5_clients_and_ends_although_connections_are_open() {
    let mut server = Running::on_loopback(Config::default());
    let mut five = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    greet(&mut five, "five", 5);
    let mut four = server.connect("four");
    let mut silent = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    settle(&mut four);
    server.stop();
    let goodbye = frame(&mut five);
    assert_eq!((goodbye[0], goodbye[2]), (0xE0, 0x8B));
    for stream in [&mut five, &mut four, &mut silent] {
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    }
}

#[test]
fn a_refused_client_sees_why_before_the_end() {
    let server = Running::on_loopback(Config::default());
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    greet(&mut stream, "x", 5);
    // More arrives behind the fault: it must not cost the client the explanation.
    let mut bytes = vec![0x20, 2, 0, 0];
    bytes.extend(publish(0, 0, &[0; 100_000]));
    stream.write_all(&bytes).unwrap();
    let goodbye = frame(&mut stream);
    assert_eq!((goodbye[0], goodbye[2]), (0xE0, 0x82));
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn connections_over_the_limit_are_closed_and_a_free_place_is_taken_again() {
    let listener = ListenerConfig { max_connections: 1, ..ListenerConfig::default() };
    let server = Running::on_loopback(Config { listeners: vec![listener], ..Config::default() });
    let mut first = server.connect("first");
    let mut second = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    assert_eq!(second.read(&mut [0; 8]).unwrap(), 0);
    first.write_all(&[0xE0, 0]).unwrap();
    assert_eq!(first.read(&mut [0; 8]).unwrap(), 0);
    drop(server.connect("third"));
}

#[test]
fn unix_sockets_serve_like_any_other_and_vanish_with_the_server() {
    let path: PathBuf = std::env::temp_dir().join(format!("culex-server-{}.sock", std::process::id()));
    let mut server = Running::start(Config::default(), vec![ListenAddress::Unix(path.clone())]);
    let mut receiver = UnixStream::connect(&path).unwrap();
    greet(&mut receiver, "receiver", 4);
    subscribe(&mut receiver, 2);
    let mut sender = UnixStream::connect(&path).unwrap();
    greet(&mut sender, "sender", 4);
    sender.write_all(&publish(0, 0, &[7; 200_000])).unwrap();
    assert!(frame(&mut receiver).ends_with(&[7; 200_000]));
    server.stop();
    assert!(!path.exists());
}

#[test]
fn an_answer_that_an_observer_gives_at_once_goes_out_in_the_same_turn() {
    let listener = ListenerConfig { authenticate: true, ..ListenerConfig::default() };
    let running = Running::on_loopback(Config { listeners: vec![listener], ..Config::default() });
    let mut stream = TcpStream::connect(("127.0.0.1", running.port)).unwrap();
    // Nothing else wakes the server: it would never answer otherwise.
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    stream.write_all(b"\x10\x11\0\x04MQTT\x04\x82\0\0\0\x02me\0\x01u").unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
}
