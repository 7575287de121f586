//! The client's driver over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use culex::net::{Client, ClientError, Clock, Endpoint, Stream, Target, dial};
use culex::packet::{Connack, PacketType, Publish, Qos, ReasonCode, Text};
use culex::session::{Config, Event, Session};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

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
