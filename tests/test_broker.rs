//! The test broker as its users see it: real sockets, real clients, streams in memory, faults, a clock that is turned.
#![cfg(feature = "test-broker")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use culex::fault::{Action, Match, Rule, Trigger};
use culex::journal::Happening;
use culex::packet::{
    Connect, Packet, PacketType, Properties, Property, PropertyIdentifier, ProtocolVersion, Publish, Qos,
    ReasonCode, Sender, SubscriptionOptions, Text, Will,
};
use culex::test_broker::{Access, Clock, Keep, Player, StartError, TestBroker, WAIT};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn rumqttc_client(broker: &TestBroker, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, broker.host(), broker.port());
    options.set_keep_alive(Duration::from_secs(60));
    AsyncClient::new(options, 100)
}

/// A device that answers each command with its payload; it ends with its connection.
fn spawn_echo(broker: &TestBroker, name: &'static str) -> AsyncClient {
    let (client, mut events) = rumqttc_client(broker, name);
    let answering = client.clone();
    tokio::spawn(async move {
        answering.subscribe(format!("cmd/{name}"), QoS::AtLeastOnce).await.unwrap();
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Incoming::Publish(command)) = event {
                let state = format!("state/{name}");
                answering.publish(state, QoS::AtLeastOnce, false, command.payload).await.unwrap();
            }
        }
    });
    client
}

fn connect(name: &str) -> Connect {
    Connect {
        version: ProtocolVersion::V5,
        client_identifier: Text::try_from(name).unwrap(),
        ..Connect::default()
    }
}

async fn connected(broker: &TestBroker, connect: Connect) -> Player {
    let player = broker.player(connect);
    player.connect(WAIT).await.unwrap();
    player
}

async fn subscribe(player: &Player, filter: &str) {
    let options = SubscriptionOptions { maximum_qos: Qos::ExactlyOnce, ..SubscriptionOptions::default() };
    let filters = vec![(Text::try_from(filter).unwrap(), options)];
    let reasons = player.subscribe(Properties::EMPTY, filters, WAIT).await.unwrap();
    assert_eq!(reasons, [ReasonCode::GRANTED_QOS_2]);
}

fn publish(topic: &str, qos: Qos, payload: &'static str) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: Text::try_from(topic).unwrap(),
        packet_identifier: None,
        properties: Properties::EMPTY,
        payload: payload.into(),
    }
}

fn at(sender: Sender, client: &str, packet_type: PacketType) -> Match {
    Match {
        sender: Some(sender),
        client: Some(client.to_owned()),
        packet_type: Some(packet_type),
        ..Match::default()
    }
}

#[tokio::test]
async fn a_device_is_commanded_and_answers() {
    let broker = TestBroker::start().await;
    let _device = spawn_echo(&broker, "lamp");
    broker.client("lamp").subscribed("cmd/lamp").await;
    let delivery = broker.publish("cmd/lamp").payload(r#"{"on":true,"level":7}"#).qos(1).await;
    assert_eq!(delivery.reason(), ReasonCode::SUCCESS);
    delivery.acked_by("lamp").await;
    let state = broker.expect("state/{id}").json_subset(r#"{"on":true}"#).qos(1).one().await;
    assert_eq!((state.publisher(), state.captures()["id"].as_str()), ("lamp", Some("lamp")));
    broker.expect("error/#").none_when_settled().await;
    broker.assert_clean();
}

#[tokio::test]
async fn a_miss_names_the_nearest_message_and_each_difference() {
    let broker = TestBroker::start().await;
    let player = connected(&broker, connect("lamp")).await;
    player.publish(publish("state/lamp", Qos::AtLeastOnce, r#"{"on":false,"level":7}"#), WAIT).await.unwrap();
    let missed = broker
        .expect("state/lamp")
        .since_start()
        .json_subset(r#"{"on":true}"#)
        .retain(true)
        .within(Duration::from_millis(1))
        .try_one()
        .await
        .unwrap_err();
    for part in [
        "nearest: lamp publishes state/lamp",
        "/on: is false, must be true",
        "retain: is false, must be true",
    ] {
        assert!(missed.contains(part), "{missed}");
    }
}

/// What mission, contract and paho's issue 76 ask for: a lost PUBACK, told by the resent message.
#[tokio::test]
async fn a_lost_puback_makes_the_client_send_again_with_dup() {
    let broker = TestBroker::start().await;
    let rule = Rule {
        trigger: Trigger { nth: Some(1), ..Trigger::default() },
        ..Rule::new(at(Sender::Server, "dev", PacketType::Puback), Action::Drop)
    };
    let fault = broker.fault(rule);
    let player = connected(&broker, Connect { clean_start: false, ..durable("dev") }).await;
    player.send(publish("a", Qos::AtLeastOnce, "once")).unwrap();
    fault.fired(1).await;
    player.kill();
    player.connect(WAIT).await.unwrap();
    let is_again = |happening: &Happening| matches!(happening.packet(), Some(Packet::Publish(publish)) if publish.dup && publish.payload == "once");
    broker.wait_for(1, WAIT, |record| is_again(&record.happening)).await.unwrap();
    broker.settled().await;
    assert_eq!(fault.hits(), 1);
}

fn durable(name: &str) -> Connect {
    let mut connect = connect(name);
    connect.clean_start = false;
    let interval = Property::number(PropertyIdentifier::SessionExpiryInterval, 3600);
    connect.properties.push(interval).unwrap();
    connect
}

#[tokio::test]
async fn a_connack_can_have_every_code_and_every_limit() {
    for code in [0x80, 0x84, 0x85, 0x86, 0x87, 0x88, 0x8a, 0x95, 0x97, 0x9c, 0x9d, 0x9f] {
        let broker = TestBroker::start().await;
        let rule = Rule::new(at(Sender::Server, "*", PacketType::Connack), Action::Reason(ReasonCode(code)));
        let _fault = broker.fault(rule);
        let refused = broker.player(connect("dev")).connect(WAIT).await.unwrap_err();
        assert!(refused.to_string().contains(&format!("0x{code:02x}")), "{refused}");
    }
}

#[tokio::test]
async fn held_packets_go_on_when_they_are_released_or_the_rule_is_gone() {
    let broker = TestBroker::start().await;
    let receiver = connected(&broker, connect("receiver")).await;
    subscribe(&receiver, "a").await;
    let hold = broker.fault(Rule::new(at(Sender::Server, "receiver", PacketType::Publish), Action::Hold));
    broker.publish("a").payload("1").await;
    broker.publish("a").payload("2").await;
    assert!(!broker.is_settled());
    assert!(receiver.take_messages().is_empty());
    assert_eq!(hold.release(), 2);
    assert_eq!(payloads(&receiver), ["1", "2"]);
    broker.publish("a").payload("3").await;
    assert!(receiver.take_messages().is_empty());
    drop(hold);
    assert_eq!(payloads(&receiver), ["3"]);
}

fn payloads(player: &Player) -> Vec<String> {
    let messages = player.take_messages();
    messages.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
}

#[tokio::test]
async fn packets_are_swapped_duplicated_truncated_corrupted_and_lost() {
    let broker = TestBroker::start().await;
    let receiver = connected(&broker, connect("receiver")).await;
    subscribe(&receiver, "#").await;
    let only = |topic: &str| Match {
        topic: Some(topic.to_owned()),
        ..at(Sender::Server, "receiver", PacketType::Publish)
    };
    let once = |matching, action| Rule {
        trigger: Trigger { times: Some(1), ..Trigger::default() },
        ..Rule::new(matching, action)
    };
    for rule in [
        once(only("swap"), Action::Swap),
        once(only("cut"), Action::Truncate(2)),
        once(only("bad"), Action::Corrupt),
        once(only("lost"), Action::Drop),
        once(only("twice"), Action::Duplicate),
    ] {
        broker.fault(rule).keep();
    }
    for topic in ["swap", "after", "cut", "bad", "lost", "twice"] {
        broker.publish(topic).payload(topic).await;
    }
    let mut found = payloads(&receiver);
    let bad = found.remove(3);
    assert_eq!(found, ["after", "swap", "cu", "twice", "twice"]);
    assert_ne!(bad, "bad");
}

#[tokio::test]
async fn a_publish_is_cut_at_every_byte_and_never_counted() {
    let broker = TestBroker::start().await;
    let packet = b"\x32\x0a\x00\x01a\x00\x07\x00hello";
    let length = packet.len() - 1;
    for after in 0..length {
        let name = format!("dev-{after}");
        let rule =
            Rule::new(at(Sender::Client, &name, PacketType::Publish), Action::Cut { after, reset: false });
        let fault = broker.fault(rule);
        let player = connected(&broker, connect(&name)).await;
        player.send(publish("a", Qos::AtLeastOnce, "hello")).unwrap();
        fault.fired(1).await;
        broker.client(&name).disconnected().await;
    }
    broker.expect("a").since_start().none_when_settled().await;
}

#[tokio::test]
async fn a_silent_line_is_half_open_until_the_keep_alive_ends_it() {
    let broker = TestBroker::builder().clock(Clock::manual()).start().await.unwrap();
    let watcher = connected(&broker, connect("watcher")).await;
    subscribe(&watcher, "will/#").await;
    let mut leaving = connect("dev");
    leaving.keep_alive = 10;
    leaving.will = Some(Will {
        topic: Text::try_from("will/dev").unwrap(),
        payload: "gone".into(),
        qos: Qos::AtMostOnce,
        retain: false,
        properties: Properties::EMPTY,
    });
    let player = connected(&broker, leaving).await;
    let silence = Rule::new(at(Sender::Client, "dev", PacketType::Publish), Action::Silence);
    broker.fault(silence).keep();
    player.send(publish("a", Qos::AtMostOnce, "x")).unwrap();
    assert!(player.is_connected());
    broker.advance(Duration::from_secs(14));
    assert!(watcher.take_messages().is_empty());
    broker.advance(Duration::from_secs(2));
    assert_eq!(payloads(&watcher), ["gone"]);
    broker.expect("a").since_start().none_when_settled().await;
}

#[tokio::test]
async fn an_hour_passes_in_no_time() {
    let broker = TestBroker::builder().clock(Clock::manual()).start().await.unwrap();
    let player = connected(&broker, durable("dev")).await;
    subscribe(&player, "a").await;
    player.kill();
    assert_eq!(broker.sessions().len(), 1);
    broker.publish("a").payload("x").qos(1).await;
    assert_eq!(broker.queue_len("dev"), 1);
    broker.advance(Duration::from_secs(3599));
    assert_eq!(broker.sessions().len(), 1);
    broker.advance(Duration::from_secs(2));
    assert_eq!(broker.sessions().len(), 0);
    // Keep alive goes on by itself: our own clients follow the same clock.
    let stays = connected(&broker, connect("stays")).await;
    broker.advance(Duration::from_secs(3600));
    assert!(stays.is_connected());
}

#[tokio::test]
async fn a_restart_keeps_what_it_is_told_to() {
    for (keep, is_kept) in [(Keep::ALL, true), (Keep::NOTHING, false)] {
        let broker = TestBroker::start().await;
        let port = broker.port();
        let player = connected(&broker, durable("dev")).await;
        subscribe(&player, "a").await;
        broker.publish("kept").payload("x").retain(true).await;
        broker.stop().await.unwrap();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        broker.resume_from_stop(keep).await.unwrap();
        assert_eq!(broker.port(), port);
        let connack = player.connect(WAIT).await.unwrap();
        assert_eq!(connack.session_present, is_kept);
        assert_eq!(broker.retained("#").len(), usize::from(is_kept));
        let (client, mut events) = rumqttc_client(&broker, "late");
        tokio::spawn(async move { while events.poll().await.is_ok() {} });
        broker.client("late").connected().await;
        drop(client);
    }
}

/// Section 3.1, rule 8: with paused time, whoever waits for an answer must not be told that an hour has passed.
#[tokio::test(start_paused = true)]
async fn a_stream_in_memory_answers_before_the_write_is_over() {
    let broker = TestBroker::start().await;
    let mut stream = broker.connect_stream();
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a").await.unwrap();
    let mut connack = [0; 4];
    let read = tokio::time::timeout(Duration::from_secs(3600), stream.read_exact(&mut connack)).await;
    read.expect("no time goes by").unwrap();
    assert_eq!(connack, *b"\x20\x02\x00\x00");
    broker.client("a").connected().await;
    drop(stream);
    broker.client("a").disconnected().await;
}

#[tokio::test]
async fn listeners_of_every_kind_take_clients() {
    let folder = std::env::temp_dir().join(format!("culex-test-broker-{}", std::process::id()));
    let broker = TestBroker::builder().ws().tls_ephemeral().unix(&folder).start().await.unwrap();
    for kind in ["tcp", "tls", "ws", "wss"] {
        assert!(broker.url_of(kind).is_some(), "{kind}");
    }
    assert!(broker.ca_file().unwrap().exists());
    let mut unix = tokio::net::UnixStream::connect(&folder).await.unwrap();
    unix.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01u").await.unwrap();
    broker.client("u").connected().await;
    let ca = broker.ca_file().unwrap().to_owned();
    drop(unix);
    drop(broker);
    // The broker's thread ends on its own; its last handle took the file with it.
    assert!(!ca.exists());
}

#[tokio::test]
async fn users_and_rights_are_judged_but_for_the_test_itself() {
    let broker = TestBroker::builder()
        .users([("lamp", "s3cret")])
        .acl(|_, user, access, topic| user == Some("lamp") && (access != Access::Publish || topic == "ok"))
        .start()
        .await
        .unwrap();
    let refused = broker.player(connect("x")).connect(WAIT).await.unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
    let mut known = connect("y");
    known.user_name = Some(Text::try_from("lamp").unwrap());
    known.password = Some("s3cret".into());
    let player = connected(&broker, known).await;
    let denied = player.publish(publish("no", Qos::AtLeastOnce, "x"), WAIT).await.unwrap();
    assert_eq!(denied, ReasonCode::NOT_AUTHORIZED);
    broker.publish("anything").payload("x").qos(1).await;
    assert!(!format!("{:?}", broker.journal()).contains("s3cret"));
}

#[tokio::test]
async fn a_proxy_sees_and_tampers_with_what_goes_to_another_broker() {
    let behind = TestBroker::start().await;
    let front = TestBroker::in_front_of(&behind.url()).await.unwrap();
    let _device = spawn_echo(&front, "lamp");
    front.client("lamp").subscribed("cmd/lamp").await;
    let rule = Rule {
        trigger: Trigger { nth: Some(1), ..Trigger::default() },
        ..Rule::new(at(Sender::Server, "lamp", PacketType::Publish), Action::Truncate(1))
    };
    let fault = front.fault(rule);
    front.publish("cmd/lamp").payload("on").qos(1).await;
    let state = front.expect("state/lamp").one().await;
    assert_eq!(state.payload(), "o");
    assert_eq!(fault.hits(), 1);
    assert_eq!(behind.expect("state/lamp").since_start().one().await.publisher(), "lamp");
}

/// A broker may send a message once for each subscription that matches; it is one message all the same.
#[tokio::test]
async fn in_front_overlapping_filters_see_each_message_once() {
    for versions in [[ProtocolVersion::V5], [ProtocolVersion::V311]] {
        let behind = TestBroker::builder().versions(&versions).start().await.unwrap();
        let front = TestBroker::builder().in_front_of(behind.url()).observe(["a/+", "+/b", "a/b", "end"]);
        let front = front.start().await.unwrap();
        for topic in ["a/b", "a/c", "x/b"] {
            front.publish(topic).payload(topic).qos(1).await;
        }
        front.publish("end").await;
        front.expect("end").one().await;
        let journal = front.journal();
        let seen: Vec<&str> =
            journal.iter().filter_map(|record| Some(record.happening.message()?.topic.as_str())).collect();
        assert_eq!(seen, ["a/b", "a/c", "x/b", "end"], "{versions:?}");
    }
}

/// A proxy that was stopped sees again once it is started.
#[tokio::test]
async fn in_front_the_observer_comes_back_with_the_proxy() {
    let behind = TestBroker::start().await;
    let front = TestBroker::in_front_of(&behind.url()).await.unwrap();
    front.stop().await.unwrap();
    assert!(front.is_stopped());
    front.resume_from_stop(Keep::ALL).await.unwrap();
    assert!(matches!(front.resume_from_stop(Keep::ALL).await, Err(StartError::Running)));
    front.publish("a").qos(1).await;
    assert_eq!(front.expect("a").one().await.topic(), "a");
}

/// Nobody sees nothing and calls it silence.
#[tokio::test]
#[should_panic(expected = "our observer at the broker behind sees nothing any more")]
async fn in_front_of_a_broker_that_is_gone_silence_is_no_proof() {
    let behind = TestBroker::start().await;
    let front = TestBroker::in_front_of(&behind.url()).await.unwrap();
    behind.stop().await.unwrap();
    front.expect("error/#").within(Duration::from_millis(1)).none().await;
}

/// What came between a command and the answer that was expected first is not passed over; the answer itself is.
#[tokio::test]
async fn none_looks_from_the_last_command_past_what_was_expected() {
    let broker = TestBroker::start().await;
    broker.publish("cmd").await;
    let lamp = connected(&broker, connect("lamp")).await;
    lamp.publish(publish("state", Qos::AtLeastOnce, "on"), WAIT).await.unwrap();
    broker.expect("state").one().await;
    broker.expect("state").none_when_settled().await;
    broker.publish("cmd").await;
    lamp.publish(publish("error", Qos::AtLeastOnce, "x"), WAIT).await.unwrap();
    lamp.publish(publish("state", Qos::AtLeastOnce, "on"), WAIT).await.unwrap();
    broker.expect("state").one().await;
    let missed = tokio::spawn(async move { broker.expect("error").none_when_settled().await }).await;
    assert!(missed.is_err());
}

/// What the library cannot know in front of another broker, it does not call well.
#[tokio::test]
async fn in_front_what_nobody_knows_is_not_called_clean() {
    let behind = TestBroker::start().await;
    let front = TestBroker::in_front_of(&behind.url()).await.unwrap();
    let (one, other) = (front.clone(), front);
    assert!(tokio::spawn(async move { one.expect("a").none_when_settled().await }).await.is_err());
    assert!(tokio::spawn(async move { other.assert_clean() }).await.is_err());
}

#[tokio::test]
async fn a_subscription_of_before_a_restart_is_none() {
    let broker = TestBroker::start().await;
    let _lamp = spawn_echo(&broker, "lamp");
    broker.client("lamp").subscribed("cmd/lamp").await;
    broker.restart(Keep::NOTHING).await.unwrap();
    let handle = broker.client("nobody-again").within(Duration::from_millis(1));
    assert!(tokio::spawn(async move { handle.connected().await }).await.is_err());
    let seen =
        broker.with_journal(|journal| journal.iter().any(|record| record.happening == Happening::Stopped));
    assert!(seen);
    let handle = broker.client("lamp").within(Duration::from_millis(1));
    assert!(tokio::spawn(async move { handle.subscribed("cmd/lamp").await }).await.is_err());
}

/// A failed wait says where the test waits, and leaves the journal behind.
#[tokio::test]
async fn a_failed_wait_names_its_place_and_keeps_the_journal() {
    let folder = std::env::temp_dir().join(format!("culex-wait-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let broker = TestBroker::builder().artifacts(&folder).start().await.unwrap();
    let failed = tokio::spawn(async move { broker.expect("never").within(Duration::ZERO).one().await }).await;
    let text = *failed.unwrap_err().into_panic().downcast::<String>().unwrap();
    assert!(text.contains("at tests/test_broker.rs:"), "{text}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

/// A rule that is kept does not keep the broker.
#[tokio::test]
async fn a_kept_rule_ends_with_its_broker() {
    let broker = TestBroker::start().await;
    broker.fault(Rule::new(at(Sender::Client, "x", PacketType::Publish), Action::Drop)).keep();
    let address = (broker.host(), broker.port());
    drop(broker);
    // It ends on its own thread.
    while tokio::net::TcpStream::connect(address.clone()).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_broker_that_is_stopped_twice_remembers_all_the_same() {
    let broker = TestBroker::start().await;
    broker.publish("a").payload("x").retain(true).qos(1).await;
    broker.stop().await.unwrap();
    broker.stop().await.unwrap();
    broker.resume_from_stop(Keep::ALL).await.unwrap();
    assert_eq!(broker.retained("a").len(), 1);
}

/// Before the first byte, TLS handshake included: refused, reset, and never answered.
#[tokio::test]
async fn a_connection_can_be_refused_reset_or_left_waiting() {
    let accept = |action| Rule { ..Rule::new(Match { is_accept: true, ..Match::default() }, action) };
    let broker = TestBroker::builder().tls_ephemeral().start().await.unwrap();
    let tls_port: u16 = broker.url_of("tls").unwrap().rsplit(':').next().unwrap().parse().unwrap();
    for port in [broker.port(), tls_port] {
        let mut block = [0; 16];
        let closed = broker.fault(accept(Action::Close));
        let mut stream = tokio::net::TcpStream::connect((broker.host(), port)).await.unwrap();
        assert_eq!(stream.read(&mut block).await.unwrap(), 0);
        drop(closed);
        let reset = broker.fault(accept(Action::Reset));
        // The reset may come while the client is still connecting.
        let read = async |block: &mut [u8]| {
            tokio::net::TcpStream::connect((broker.host(), port)).await?.read(block).await
        };
        let error = read(&mut block).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        drop(reset);
        let silent = broker.fault(accept(Action::Silence));
        let mut stream = tokio::net::TcpStream::connect((broker.host(), port)).await.unwrap();
        stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a").await.unwrap();
        silent.fired(1).await;
        assert!(tokio::time::timeout(Duration::from_millis(20), stream.read(&mut block)).await.is_err());
    }
}

/// Section 3.1, rule 3: what a snapshot test compares is the same in every run.
#[tokio::test]
async fn a_journal_snapshot_has_no_times_ports_or_assigned_identifiers() {
    let run = async || {
        let broker = TestBroker::start().await;
        let player = connected(&broker, connect("")).await;
        player.publish(publish("a", Qos::AtLeastOnce, "x"), WAIT).await.unwrap();
        broker.journal_snapshot()
    };
    let (first, second) = (run().await, run().await);
    assert_eq!(first, second);
    assert!(first.contains("-> PUBLISH 1 a (QoS 1) \"x\""), "{first}");
}

#[test]
fn a_test_that_panics_leaves_the_journal_behind() {
    let folder = std::env::temp_dir().join(format!("culex-artifacts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let inside = folder.clone();
    let ended = std::thread::spawn(move || {
        let builder = TestBroker::builder().artifacts(inside);
        let broker = culex::test_broker::blocking::TestBroker::start_with(builder).unwrap();
        broker.mark("before the end");
        panic!("as this test wants it");
    });
    assert!(ended.join().is_err());
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert!(std::fs::read_to_string(&files[0]).unwrap().contains("before the end"));
    std::fs::remove_dir_all(folder).unwrap();
}
