//! `persistence true`: the program is killed, by SIGKILL and at any moment, and started again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod client;

use client::{Client, acknowledgement, durable, message, text};
use culex::packet::{
    Connect, Disconnect, Packet, PacketIdentifier, Properties, Property, PropertyIdentifier, Publish, Qos,
    Will,
};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

const BROKER: &str = env!("CARGO_BIN_EXE_culex-broker");

/// A folder with a configuration and a store, gone at the end of the test.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("culex-persistence-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let location = path.display();
        let lines = format!("allow_anonymous true\npersistence true\npersistence_location {location}\n");
        fs::write(path.join("broker.conf"), lines).unwrap();
        Self(path)
    }

    fn with(self, lines: &str) -> Self {
        let file = self.0.join("broker.conf");
        let text = fs::read_to_string(&file).unwrap() + lines;
        fs::write(file, text).unwrap();
        self
    }

    fn store(&self) -> PathBuf {
        self.0.join("culex.db")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(BROKER);
        command.args(["-p", "0", "-c"]).arg(self.0.join("broker.conf"));
        command
    }

    /// Starts the broker, which must succeed.
    fn start(&self) -> Running {
        Running::of(self.command())
    }

    /// Starts the broker, which must fail; what it says.
    fn refuses(&self) -> String {
        let output = self.command().stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A broker that runs; killed when dropped.
struct Running {
    child: Child,
    port: u16,
    log: BufReader<ChildStderr>,
}

impl Running {
    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let port = line.trim().parse().unwrap_or_else(|_| {
            let mut said = String::new();
            log.read_to_string(&mut said).unwrap();
            panic!("no port but {said}");
        });
        Self { child, port, log }
    }

    /// As `kill -9`; what the broker has said.
    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut said = String::new();
        self.log.read_to_string(&mut said).unwrap();
        said
    }

    /// Ends it in order.
    fn stop(mut self) {
        // SAFETY: plain numbers; the process is our child.
        assert_eq!(unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) }, 0);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    /// Reads the log until a line holds `wanted`.
    fn says(&mut self, wanted: &str) {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the broker never said {wanted:?}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dup(publish: Publish) -> Packet {
    Packet::Publish(Publish { dup: true, ..publish })
}

#[test]
fn everything_that_was_acknowledged_survives_a_kill() {
    let home = Home::new("everything");
    let broker = home.start();
    let (mut subscriber, _) = Client::durable(broker.port, "subscriber");
    subscriber.subscribe("t/#", Qos::ExactlyOnce);
    let will = Will {
        topic: text("t/will"),
        payload: "gone".into(),
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: Properties::EMPTY,
    };
    let (_mourned, _) = Client::connect(broker.port, Connect { will: Some(will), ..durable("mourned") });
    let mut publisher = Client::clean(broker.port, "publisher");
    for (number, qos) in [(1, Qos::AtLeastOnce), (2, Qos::ExactlyOnce), (3, Qos::AtLeastOnce)] {
        publisher.publish(message(qos, number, "t/x", &number.to_string()));
        subscriber.expect(&Packet::Publish(message(qos, number, "t/x", &number.to_string())));
    }
    publisher.publish(Publish { retain: true, ..message(Qos::AtLeastOnce, 4, "kept", "retained") });
    subscriber.send(&Packet::Puback(acknowledgement(1)));
    subscriber.send(&Packet::Pubrec(acknowledgement(2)));
    subscriber.expect(&Packet::Pubrel(acknowledgement(2)));
    // The subscriber's own QoS 2 message is routed, and its PUBREL still to come.
    subscriber.send(&Packet::Publish(message(Qos::ExactlyOnce, 7, "other", "open")));
    assert!(matches!(subscriber.next(), Packet::Pubrec(_)));
    broker.kill();

    let broker = home.start();
    let mut publisher = Client::clean(broker.port, "publisher");
    publisher.publish(message(Qos::AtLeastOnce, 1, "t/x", "after"));
    let (mut subscriber, is_present) = Client::durable(broker.port, "subscriber");
    assert!(is_present);
    subscriber.expect(&Packet::Pubrel(acknowledgement(2)));
    subscriber.expect(&dup(message(Qos::AtLeastOnce, 3, "t/x", "3")));
    subscriber.expect(&Packet::Publish(message(Qos::AtLeastOnce, 4, "t/will", "gone")));
    subscriber.expect(&Packet::Publish(message(Qos::AtLeastOnce, 5, "t/x", "after")));
    subscriber.send(&dup(message(Qos::ExactlyOnce, 7, "t/x", "open")));
    subscriber.expect(&Packet::Pubrec(acknowledgement(7)));
    subscriber.ping();
    subscriber.subscribe("kept", Qos::AtMostOnce);
    subscriber.expect(&Packet::Publish(Publish {
        retain: true,
        ..message(Qos::AtMostOnce, 0, "kept", "retained")
    }));
}

/// A client that says to `topic` that it is gone.
fn mortal(port: u16, name: &str, is_durable: bool, delay: u32) -> Client {
    let mut properties = Properties::default();
    if delay > 0 {
        properties.push(Property::number(PropertyIdentifier::WillDelayInterval, delay)).unwrap();
    }
    let (topic, payload) = (text(name), "gone".into());
    let will = Will { topic, payload, qos: Qos::AtLeastOnce, retain: true, properties };
    let connect = Connect { will: Some(will), ..durable(name) };
    let transient = || Connect { clean_start: true, properties: Properties::EMPTY, ..connect.clone() };
    Client::connect(port, if is_durable { connect } else { transient() }).0
}

#[test]
fn every_will_survives_a_kill_and_only_delayed_ones_a_stop() {
    let home = Home::new("wills");
    let broker = home.start();
    let _mortals = [mortal(broker.port, "transient", false, 0), mortal(broker.port, "durable", true, 0)];
    let mut polite = mortal(broker.port, "polite", false, 0);
    polite.send(&Packet::Disconnect(Disconnect::default()));
    assert_eq!(polite.try_next(), None);
    broker.kill();
    // Twice, so that it is not the start that remembers them.
    home.start().kill();
    let broker = home.start();
    let mut watcher = Client::clean(broker.port, "watcher");
    watcher.subscribe("+", Qos::AtMostOnce);
    let mut topics = BTreeSet::new();
    while topics.len() < 2 {
        let Packet::Publish(publish) = watcher.next() else { continue };
        topics.insert(publish.topic.to_string());
    }
    assert_eq!(topics, ["durable", "transient"].map(str::to_owned).into());

    let _mortals = [mortal(broker.port, "at once", false, 0), mortal(broker.port, "later", true, 1)];
    broker.stop();
    let broker = home.start();
    // The one was published by the broker that stopped, and is retained; the other by the next, when its time has come.
    let mut watcher = Client::clean(broker.port, "watcher");
    watcher.subscribe("at once", Qos::AtMostOnce);
    assert!(matches!(watcher.next(), Packet::Publish(publish) if publish.retain));
    watcher.subscribe("later", Qos::AtMostOnce);
    assert!(matches!(watcher.next(), Packet::Publish(publish) if &*publish.topic == "later"));
}

#[test]
fn nothing_comes_back_that_had_ended() {
    let home = Home::new("ended");
    let broker = home.start();
    let (mut client, _) = Client::durable(broker.port, "c");
    client.subscribe("t", Qos::AtLeastOnce);
    let mut publisher = Client::clean(broker.port, "p");
    publisher.publish(Publish { retain: true, ..message(Qos::AtLeastOnce, 1, "t", "1") });
    client.expect(&Packet::Publish(message(Qos::AtLeastOnce, 1, "t", "1")));
    client.send(&Packet::Puback(acknowledgement(1)));
    client.ping();
    publisher.publish(Publish { retain: true, ..message(Qos::AtLeastOnce, 2, "t", "") });
    client.expect(&Packet::Publish(message(Qos::AtLeastOnce, 2, "t", "")));
    client.send(&Packet::Puback(acknowledgement(2)));
    client.ping();
    drop(Client::durable(broker.port, "ended"));
    Client::clean(broker.port, "ended").ping();
    broker.kill();

    let broker = home.start();
    let (mut client, is_present) = Client::durable(broker.port, "c");
    assert!(is_present);
    client.ping();
    client.subscribe("t", Qos::AtLeastOnce);
    client.ping();
    assert!(!Client::durable(broker.port, "ended").1);
    broker.stop();
    assert!(Client::durable(home.start().port, "c").1, "a stop in order forgets nothing either");
}

/// Reads acknowledgements until the connection ends.
fn acknowledged(mut publisher: Client) -> BTreeSet<u16> {
    let mut numbers = BTreeSet::new();
    while let Some(packet) = publisher.try_next() {
        if let Packet::Puback(puback) = packet {
            numbers.insert(puback.packet_identifier.get());
        }
    }
    numbers
}

#[test]
fn what_was_acknowledged_before_a_kill_in_full_flight_is_delivered_after_it() {
    for sync in [false, true] {
        let home = Home::new(if sync { "flight-sync" } else { "flight" })
            .with(&format!("max_queued_messages 0\nmax_inflight_messages 500\npersistence_sync {sync}\n"));
        let mut wanted = BTreeSet::new();
        drop(subscribed(&home));
        for round in 0..5_u16 {
            let broker = home.start();
            let mut publisher = Client::clean(broker.port, "p");
            for number in 1..=300 {
                let payload = format!("{}", round * 1000 + number);
                publisher.send(&Packet::Publish(message(Qos::AtLeastOnce, number, "t", &payload)));
            }
            // Some are acknowledged and some are not: that is the moment.
            for _ in 0..=round * 40 {
                let Packet::Puback(puback) = publisher.next() else { panic!("no PUBACK") };
                wanted.insert(round * 1000 + puback.packet_identifier.get());
            }
            broker.kill();
            wanted.extend(acknowledged(publisher).into_iter().map(|number| round * 1000 + number));
        }
        let broker = home.start();
        let (mut subscriber, is_present) = Client::durable(broker.port, "s");
        assert!(is_present);
        let mut last = 0;
        while let Some(first) = wanted.first().copied() {
            let Packet::Publish(publish) = subscriber.next() else { panic!("no PUBLISH") };
            let number: u16 = std::str::from_utf8(&publish.payload).unwrap().parse().unwrap();
            assert!(number > last, "{number} behind {last}");
            assert!(number <= first, "{first} was acknowledged and is lost");
            last = number;
            wanted.remove(&number);
            let identifier = publish.packet_identifier.map_or(0, PacketIdentifier::get);
            subscriber.send(&Packet::Puback(acknowledgement(identifier)));
        }
    }
}

/// A subscriber `s` to everything; the broker that it met is killed.
fn subscribed(home: &Home) -> Client {
    let broker = home.start();
    let (mut subscriber, _) = Client::durable(broker.port, "s");
    subscriber.subscribe("#", Qos::AtLeastOnce);
    broker.kill();
    subscriber
}

#[test]
fn a_long_log_is_written_anew_and_says_the_same() {
    let home =
        Home::new("long").with("max_queued_messages 0\nmax_inflight_messages 1000\nmax_packet_size 0\n");
    let broker = home.start();
    let mut publisher = Client::clean(broker.port, "p");
    let large = "x".repeat(200_000);
    for number in 1..=100 {
        publisher.publish(Publish { retain: true, ..message(Qos::AtLeastOnce, number, "large", &large) });
    }
    let store = fs::metadata(home.store()).unwrap();
    assert_eq!(store.permissions().mode() & 0o077, 0, "other people's messages are nobody's business");
    let length = store.len();
    assert!(length < 10_000_000, "20 MB of replaced messages take {length} bytes");
    publisher.publish(Publish { retain: true, ..message(Qos::AtLeastOnce, 101, "large", "last") });
    broker.kill();
    let broker = home.start();
    let mut client = Client::clean(broker.port, "c");
    client.subscribe("large", Qos::AtMostOnce);
    client.expect(&Packet::Publish(Publish { retain: true, ..message(Qos::AtMostOnce, 0, "large", "last") }));
}

/// A store with three retained messages, each in a frame of its own.
fn three_retained(home: &Home) {
    let broker = home.start();
    let mut publisher = Client::clean(broker.port, "p");
    for (number, topic) in [(1, "one"), (2, "two"), (3, "three")] {
        publisher.publish(Publish { retain: true, ..message(Qos::AtLeastOnce, number, topic, topic) });
    }
    broker.kill();
}

fn retained(broker: &Running) -> BTreeSet<String> {
    let mut client = Client::clean(broker.port, "reader");
    client.subscribe("+", Qos::AtMostOnce);
    client.send(&Packet::Pingreq);
    let mut topics = BTreeSet::new();
    while let Packet::Publish(publish) = client.next() {
        topics.insert(publish.topic.to_string());
    }
    topics
}

#[test]
fn a_damaged_part_is_named_and_the_rest_is_believed() {
    let home = Home::new("bit");
    three_retained(&home);
    let mut bytes = fs::read(home.store()).unwrap();
    let place = bytes.windows(6).position(|window| window == b"twotwo" || window[..3] == *b"two").unwrap();
    bytes[place] ^= 1;
    fs::write(home.store(), &bytes).unwrap();
    let broker = home.start();
    assert_eq!(retained(&broker), ["one", "three"].map(str::to_owned).into());
    let said = broker.kill();
    assert!(said.contains("culex.db") && said.contains("damaged and left out"), "{said}");
    let copy = home.0.join("culex.db.damaged");
    assert_eq!(fs::read(copy).unwrap(), bytes, "what was there is kept");
    let broker = home.start();
    assert_eq!(retained(&broker), ["one", "three"].map(str::to_owned).into());
    assert!(!broker.kill().contains("left out"), "the new store is whole");
}

#[test]
fn a_torn_end_is_told_and_not_believed() {
    let home = Home::new("torn");
    three_retained(&home);
    let bytes = fs::read(home.store()).unwrap();
    fs::write(home.store(), &bytes[..bytes.len() - 1]).unwrap();
    let broker = home.start();
    assert_eq!(retained(&broker), ["one", "two"].map(str::to_owned).into());
    let said = broker.kill();
    assert!(said.contains("were not completely written"), "{said}");
}

#[test]
fn what_is_no_store_of_ours_is_refused_and_left_as_it_is() {
    let home = Home::new("foreign");
    for (content, wanted) in [
        (&b"\x00\xB5\x00mosquitto db\0\0\0\0"[..], "is a database of mosquitto"),
        (b"my diary, first page", "is not a store"),
        (b"culex store\r\n\x1a\0\x02later version", "is not a store"),
        (b"x", "is not a store"),
    ] {
        fs::write(home.store(), content).unwrap();
        let said = home.refuses();
        assert!(said.contains("culex.db") && said.contains(wanted), "{said}");
        assert_eq!(fs::read(home.store()).unwrap(), content);
    }
    fs::remove_file(home.store()).unwrap();
    let _running = home.start();
    let said = home.refuses();
    assert!(said.contains("is in use by another process"), "{said}");
    let elsewhere = Home::new("nowhere").with("persistence_location /nonexistent/folder\n");
    let said = elsewhere.refuses();
    assert!(said.contains("/nonexistent/folder/culex.db: No such file"), "{said}");
}

#[test]
fn a_full_disk_keeps_back_acknowledgements_and_nothing_else() {
    let home = Home::new("full");
    let mut command = Command::new("sh");
    // A file may not grow beyond 8 blocks of 512 bytes or 1 KiB; without the trap the signal would end the broker.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
    command.args(["-c", script, "sh", BROKER, "-p", "0", "-c"]).arg(home.0.join("broker.conf"));
    let mut broker = Running::of(command);
    let mut publisher = Client::clean(broker.port, "p");
    let small = Publish { retain: true, ..message(Qos::AtLeastOnce, 1, "small", "fits") };
    publisher.publish(small);
    let large = Publish { retain: true, ..message(Qos::AtLeastOnce, 2, "large", &"x".repeat(20_000)) };
    publisher.send(&Packet::Publish(large));
    broker.says("Unable to write");
    // Who promises nothing durable goes on.
    let mut other = Client::clean(broker.port, "other");
    other.ping();
    other.publish(message(Qos::AtMostOnce, 0, "t", "x"));
    broker.kill();
    assert_eq!(acknowledged(publisher), BTreeSet::new(), "the large one is not on the disk");
    let broker = home.start();
    assert_eq!(retained(&broker), ["small".to_owned()].into());
}
