//! The client's driver over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use culex::net::{Client, ClientError, Clock, Endpoint, Stream, Target, dial};
use culex::packet::{Connack, PacketType, Publish, Qos, ReasonCode, Text};
use culex::session::{Config, Event, Session};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[cfg(feature = "srv")]
#[path = "support/name_server.rs"]
mod name_server;

const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

async fn pair() -> (Client, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port };
    let stream = dial(&Target { nodelay: true, ..Target::plain(endpoint) }).await.unwrap();
    assert!(matches!(stream, Stream::Tcp(_)));
    let mut client = Client::new(Session::new(Config::default()), Clock::start());
    client.attach(stream);
    (client, listener.accept().unwrap().0)
}

async fn connected() -> (Client, TcpStream) {
    let (mut client, mut server) = pair().await;
    client.flush().unwrap();
    server.write_all(&CONNACK).unwrap();
    let mut connect = [0; 14];
    server.read_exact(&mut connect).unwrap();
    assert_eq!(connect[0], (PacketType::Connect as u8) << 4);
    client.turn().await.unwrap();
    assert!(matches!(client.session().poll_event(), Some(Event::Connected(Connack { .. }))));
    (client, server)
}

fn message(payload: Vec<u8>, qos: Qos) -> Publish {
    Publish { topic: Text::detached("a"), qos, payload: payload.into(), ..Publish::default() }
}

#[tokio::test]
async fn what_the_server_does_not_read_stays_pending_and_arrives_whole() {
    const LENGTH: usize = 8 << 20;
    let (mut client, mut server) = connected().await;
    let now = client.now();
    client.session().publish(now, message(vec![7; LENGTH], Qos::AtLeastOnce)).unwrap();
    assert!(!client.flush().unwrap(), "sockets hold less than this");
    assert!(client.pending() > 0);

    let reader = std::thread::spawn(move || {
        let mut frame = vec![0; 1 + 4 + 3 + 2 + LENGTH];
        server.read_exact(&mut frame).unwrap();
        assert!(frame[10..].iter().all(|byte| *byte == 7));
        server.write_all(&[0x40, 2, frame[8], frame[9]]).unwrap();
        server
    });
    let event = loop {
        client.turn().await.unwrap();
        if let Some(event) = client.session().poll_event() {
            break event;
        }
    };
    assert!(matches!(event, Event::Acknowledged { reason: ReasonCode::SUCCESS, .. }));
    assert_eq!(client.pending(), 0);
    drop(reader.join().unwrap());
}

#[tokio::test]
async fn messages_before_the_end_are_heard_and_the_end_is_closed() {
    let (mut client, mut server) = connected().await;
    server.write_all(&[0x30, 4, 0, 1, b'a', b'!']).unwrap();
    drop(server);
    let error = loop {
        if let Err(error) = client.turn().await {
            break error;
        }
    };
    assert!(matches!(error, ClientError::Closed), "{error}");
    assert!(!client.is_attached());
    assert!(matches!(client.session().poll_event(), Some(Event::Message(message)) if message.payload == "!"));
}

#[tokio::test]
async fn a_client_that_does_not_read_still_writes() {
    let (mut client, mut server) = connected().await;
    client.set_reading(false);
    server.write_all(&[0x30, 4, 0, 1, b'a', b'!']).unwrap();
    let now = client.now();
    client.session().publish(now, message(b"out".to_vec(), Qos::AtMostOnce)).unwrap();
    assert!(client.flush().unwrap());
    let mut frame = [0; 8];
    server.read_exact(&mut frame).unwrap();
    assert_eq!(&frame[5..], b"out");
    assert!(!matches!(client.session().poll_event(), Some(Event::Message(_))));
    client.set_reading(true);
    while !matches!(client.session().poll_event(), Some(Event::Message(_))) {
        client.turn().await.unwrap();
    }
}

#[tokio::test]
async fn a_fault_of_the_servers_ends_the_transport() {
    let (mut client, mut server) = connected().await;
    server.write_all(&[0xF0, 0]).unwrap();
    let error = client.turn().await.unwrap_err();
    assert!(matches!(error, ClientError::Session(_)), "{error}");
    assert!(!client.is_attached());
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
}

/// SRV records lead to the first broker that takes the connection, the one of lowest priority number first.
#[cfg(feature = "srv")]
#[tokio::test]
async fn brokers_are_found_by_their_srv_records() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // On another address the same port is free, and nobody listens there.
    let records = vec![(1, 0, port, "127.0.0.2"), (2, 0, port, "127.0.0.1"), (3, 0, port, "127.0.0.1")];
    let address = name_server::start("_mqtt._tcp.broker.example", records);
    let target = |domain: &str| Target {
        srv: Some(culex::net::srv::NameServers { addresses: vec![address] }),
        ..Target::plain(Endpoint::Tcp { host: domain.to_owned(), port: 1 })
    };
    let stream = dial(&target("broker.example.")).await.unwrap();
    let (_, peer) = listener.accept().unwrap();
    assert!(matches!(stream, Stream::Tcp(stream) if stream.local_addr().unwrap() == peer));

    let error = dial(&target("nowhere.example.")).await.unwrap_err();
    assert!(culex::net::LookupError::is_in(&error), "{error}");
}

/// An answer that does not fit a datagram is asked for again over TCP.
#[cfg(feature = "srv")]
#[tokio::test]
async fn srv_records_that_were_cut_short_come_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = name_server::start_cutting("_mqtt._tcp.broker.example", vec![(1, 0, port, "127.0.0.1")]);
    let target = Target {
        srv: Some(culex::net::srv::NameServers { addresses: vec![address] }),
        ..Target::plain(Endpoint::Tcp { host: "broker.example.".to_owned(), port: 1 })
    };
    assert!(matches!(dial(&target).await.unwrap(), Stream::Tcp(_)));
    listener.accept().unwrap();
}

/// With TLS the service has another name.
#[cfg(all(feature = "srv", feature = "tls"))]
#[tokio::test]
async fn secure_brokers_are_found_by_records_of_their_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = name_server::start("_secure-mqtt._tcp.broker.example", vec![(1, 0, port, "127.0.0.1")]);
    let settings = culex::net::tls::TlsSettings::default();
    let tls = culex::net::tls::TlsClient::new(&settings, &mut || Ok(String::new())).unwrap();
    let target = Target {
        srv: Some(culex::net::srv::NameServers { addresses: vec![address] }),
        tls: Some(tls),
        ..Target::plain(Endpoint::Tcp { host: "broker.example.".to_owned(), port: 1 })
    };
    let accept = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        first[0]
    });
    assert!(dial(&target).await.is_err(), "nobody shakes hands");
    assert_eq!(accept.join().unwrap(), 22, "a TLS handshake record");
}
