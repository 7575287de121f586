//! Running the real program: signals, logs, the background, limits, and peers that mean harm.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod program;

use program::{BROKER, Folder, Program, connect_packet, read_packet, text};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const PINGREQ: [u8; 2] = [0xC0, 0];
const PINGRESP: [u8; 2] = [0xD0, 0];

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut length = body.len();
    let mut bytes = vec![first];
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        bytes.push(more | (length % 128) as u8);
        length /= 128;
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// A PUBLISH of MQTT 5 at QoS 0, or at QoS 1 with an identifier.
fn publish(topic: &str, payload: &[u8], identifier: Option<u16>) -> Vec<u8> {
    let mut body = [&[0, topic.len() as u8], topic.as_bytes()].concat();
    body.extend(identifier.iter().flat_map(|identifier| identifier.to_be_bytes()));
    body.push(0);
    body.extend(payload);
    packet(if identifier.is_some() { 0x32 } else { 0x30 }, &body)
}

fn subscribe(stream: &mut TcpStream, filter: &str, qos: u8) {
    let body = [&[0, 1, 0, 0, filter.len() as u8], filter.as_bytes(), &[qos]].concat();
    stream.write_all(&packet(0x82, &body)).unwrap();
    assert_eq!(read_packet(stream).unwrap()[0], 0x90);
}

/// The broker answers this client still.
#[track_caller]
fn is_served(stream: &mut TcpStream) {
    stream.write_all(&PINGREQ).unwrap();
    assert_eq!(read_packet(stream).unwrap(), PINGRESP);
}

/// Memory of a process, in KiB.
fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn signals_ask_for_counters_and_a_new_log() {
    let folder = Folder::new("signals");
    let log = folder.0.join("log");
    let configuration = format!("log_dest file {}\nlog_dest stderr\n", log.display());
    let mut broker = Program::configured(&folder, &configuration);
    let (mut client, _) = broker.connect("a", None);
    subscribe(&mut client, "t", 0);
    broker.signal(libc::SIGUSR1);
    broker.wait_for("1 connections, 1 sessions, 1 subscriptions, 0 retained messages;");
    fs::rename(&log, folder.0.join("old")).unwrap();
    broker.signal(libc::SIGUSR2);
    while !log.exists() {
        is_served(&mut client);
    }
    broker.signal(libc::SIGUSR1);
    broker.wait_for("1 connections");
    assert!(fs::read_to_string(&log).unwrap().contains("1 connections"));
    is_served(&mut client);

    // After a reload it is the file that the configuration names now.
    let other = folder.0.join("other");
    folder.file("broker.conf", format!("log_dest file {}\nlog_dest stderr\n", other.display()));
    broker.signal(libc::SIGHUP);
    while !other.exists() {
        is_served(&mut client);
    }
    fs::remove_file(&other).unwrap();
    fs::remove_file(&log).unwrap();
    broker.signal(libc::SIGUSR2);
    while !other.exists() {
        is_served(&mut client);
    }
    assert!(!log.exists());
}

#[test]
fn log_lines_can_be_json() {
    let broker = Program::start(&["-v", "--log-format", "json"]);
    drop(broker.connect("a \"quoted\" name", None));
    let mut bad = broker.open();
    bad.write_all(b"\xF0\0").unwrap();
    assert_eq!(read_packet(&mut bad), None);
    let log = broker.stop();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let connected =
        lines.iter().find(|line| line["message"].as_str().unwrap().starts_with("New client connected"));
    let connected = connected.unwrap_or_else(|| panic!("{log}"));
    assert_eq!((connected["type"].as_str(), connected["connection"].as_u64()), (Some("notice"), Some(1)));
    assert_eq!(connected["client"], "a \"quoted\" name");
    let time: jiff::Timestamp = connected["time"].as_str().unwrap().parse().unwrap();
    assert!(time > jiff::Timestamp::UNIX_EPOCH);
    assert!(
        lines
            .iter()
            .any(|line| line["type"] == "debug" && line["message"].as_str().unwrap().contains("CONNACK"))
    );
}

#[test]
fn in_the_background_the_command_returns_when_the_broker_accepts() {
    let folder = Folder::new("daemon");
    let pid_file = folder.0.join("pid");
    let configuration = folder.file("broker.conf", format!("pid_file {}\n", pid_file.display()));
    let script = format!(
        "eval \"$('{BROKER}' -d -q -p 0 --print-env sh -c '{}')\" && echo \"$MQTT_PORT\"",
        configuration.display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let port: u16 =
        text(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&connect_packet("a", None)).unwrap();
    assert_eq!(read_packet(&mut stream).unwrap()[3], 0);
    let process: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    // SAFETY: plain numbers; the process is the broker that was started above.
    assert_eq!(unsafe { libc::kill(process, libc::SIGTERM) }, 0);
    assert_eq!(read_packet(&mut stream), Some(vec![0xE0, 1, 0x8B]));
    assert_eq!(read_packet(&mut stream), None);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(BROKER).args(["-d", "-p", &port]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Address already in use"), "{}", text(&output.stderr));
}

#[test]
fn flags_set_limits_without_a_file() {
    let flags = [
        "--max-connections",
        "2",
        "--max-inflight-messages",
        "7",
        "--max-packet-size",
        "1000",
        "--max-keepalive",
        "9",
        "--max-qos",
        "1",
        "--max-queued-messages",
        "3",
        "--reason-strings",
        "--response-information",
        "replies/",
    ];
    let broker = Program::start(&flags);
    let mut stream = broker.open();
    let connect = [b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x02\x19\x01\x00\x01a".as_slice()].concat();
    stream.write_all(&connect).unwrap();
    let connack = read_packet(&mut stream).unwrap();
    let has = |property: &[u8]| connack.windows(property.len()).any(|window| window == property);
    for property in
        [&b"\x13\x00\x09"[..], b"\x21\x00\x07", b"\x27\x00\x00\x03\xe8", b"\x24\x01", b"\x1a\x00\x08replies/"]
    {
        assert!(has(property), "{property:02x?} in {connack:02x?}");
    }
    stream.write_all(&publish("t", b"x", None)).unwrap();
    is_served(&mut stream);
    let (_second, reason) = broker.connect("b", None);
    assert_eq!(reason, Some(0));
    assert_eq!(broker.connect("c", None).1, None, "a third connection is closed without a word");
    stream.write_all(&publish("$SYS/x", b"x", Some(1))).unwrap();
    let refused = read_packet(&mut stream).unwrap();
    assert!(refused[4] >= 0x80 && text(&refused).len() > 8, "with a reason in words: {refused:02x?}");

    for wrong in [
        ["--max-packet-size", "19"],
        ["--max-qos", "3"],
        ["--max-keepalive", "65536"],
        ["--log-format", "xml"],
    ] {
        let output = Command::new(BROKER).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{wrong:?}");
        assert!(text(&output.stderr).contains(wrong[0]), "{}", text(&output.stderr));
    }
}

#[test]
fn a_limit_holds_after_a_reload_and_connections_stay() {
    let folder = Folder::new("limits");
    let mut broker = Program::configured(&folder, "max_connections -1\n");
    let (mut first, _) = broker.connect("a", None);
    folder.file("broker.conf", "max_connections 1\nmax_packet_size 100\n");
    broker.signal(libc::SIGHUP);
    broker.wait_for("Reloading config.");
    while broker.connect("b", None).1.is_some() {}
    is_served(&mut first);
    first.write_all(&publish("t", &[b'x'; 200], None)).unwrap();
    assert_eq!(read_packet(&mut first), Some(vec![0xE0, 1, 0x95]));

    folder.file("broker.conf", "max_connections nonsense\n");
    broker.signal(libc::SIGHUP);
    let line = broker.wait_for("Invalid max_connections value");
    assert!(line.contains("Error: "), "{line}");
}

#[test]
fn a_slow_reader_is_bounded_told_once_and_nobodys_trouble() {
    let folder = Folder::new("slow");
    let mut broker = Program::configured(&folder, "max_queued_messages 50\nsys_interval 1\n");
    let (mut slow, _) = broker.connect("slow", None);
    subscribe(&mut slow, "t", 1);
    let (mut quick, _) = broker.connect("quick", None);
    subscribe(&mut quick, "q", 0);
    subscribe(&mut quick, "$SYS/broker/publish/messages/dropped", 0);
    let before = resident(broker.child.id());
    let payload = vec![b'x'; 20_000];
    let (mut publisher, _) = broker.connect("publisher", None);
    for number in 1..=2000_u16 {
        publisher.write_all(&publish("t", &payload, Some(number))).unwrap();
        let mut answer = read_packet(&mut publisher).unwrap();
        assert_eq!(answer.remove(0), 0x40, "every message is answered");
    }
    publisher.write_all(&publish("q", b"now", None)).unwrap();
    loop {
        let packet = read_packet(&mut quick).unwrap();
        if packet.ends_with(b"now") {
            break;
        }
    }
    let grown = resident(broker.child.id()).saturating_sub(before);
    assert!(grown < 20_000, "40 MB were published, 50 messages wait, and {grown} KiB more are held");
    broker.wait_for("Outgoing messages are being dropped for client slow.");
    loop {
        let packet = read_packet(&mut quick).unwrap();
        if text(&packet).contains("dropped") {
            break;
        }
    }
    let log = broker.stop();
    assert_eq!(log.matches("being dropped").count(), 1, "{log}");
}

#[test]
fn huge_announcements_and_many_properties_cost_little() {
    let folder = Folder::new("huge");
    let broker = Program::configured(&folder, "message_size_limit 1000\nmax_packet_size 0\n");
    let before = resident(broker.child.id());
    // First packets that announce 256 MB and are no CONNECT, or a CONNECT over 100,000 bytes.
    let huge: Vec<_> = (0..14_u8)
        .map(|number| {
            let mut stream = broker.open();
            stream.write_all(&[if number % 2 == 0 { 0x30 } else { 0x10 }, 0xFF, 0xFF, 0xFF, 0x7F]).unwrap();
            let _ = stream.write_all(&[b'x'; 10_000]);
            stream
        })
        .collect();
    for mut stream in huge {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.first().is_none_or(|first| *first == 0x20), "{rest:02x?}");
    }
    // A payload over the limit is swallowed without a buffer, and the connection lives.
    let (mut client, _) = broker.connect("a", None);
    let large = publish("t", &vec![b'x'; 30_000_000], Some(5));
    client.write_all(&large).unwrap();
    let answer = read_packet(&mut client).unwrap();
    assert!(answer.starts_with(&[0x40]) && answer[4] >= 0x80, "{answer:02x?}");
    is_served(&mut client);
    let property = [0x26, 0, 1, b'k', 0, 1, b'v'];
    let properties = property.repeat(5000);
    let mut body = b"\x00\x04MQTT\x05\x02\x00\x3c".to_vec();
    let length = properties.len();
    body.extend([0x80 | (length % 128) as u8, 0x80 | (length / 128 % 128) as u8, (length / 16_384) as u8]);
    body.extend(&properties);
    body.extend(b"\x00\x01p");
    let mut many = broker.open();
    many.write_all(&packet(0x10, &body)).unwrap();
    assert_eq!(read_packet(&mut many).unwrap()[3], 0);
    let grown = resident(broker.child.id()).saturating_sub(before);
    assert!(grown < 20_000, "{grown} KiB more are held");
}

#[test]
fn a_memory_limit_closes_what_is_new_and_says_so() {
    let folder = Folder::new("memory");
    // No more lines than fit into the pipe that nobody reads.
    let mut broker = Program::configured(&folder, "memory_limit 1000000\nsys_interval 1\nlog_type error\n");
    broker.wait_for("The memory limit is reached");
    assert_eq!(broker.connect("a", None).1, None);
    // Without it, they are let in again.
    folder.file("broker.conf", "sys_interval 1\nlog_type error\n");
    broker.signal(libc::SIGHUP);
    while broker.connect("a", None).1 != Some(0) {}
}

#[test]
fn thousands_of_connections_come_and_go_without_growth() {
    let broker = Program::start(&["-q"]);
    let round = || {
        for number in 0..500 {
            let (mut stream, reason) = broker.connect(&format!("c{}", number % 7), None);
            assert_eq!(reason, Some(0));
            stream.write_all(&[0xE0, 0]).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
    };
    round();
    let before = resident(broker.child.id());
    (0..4).for_each(|_| round());
    let grown = resident(broker.child.id()).saturating_sub(before);
    assert!(grown < 1000, "{grown} KiB more are held");
}

#[test]
fn a_user_without_rights_is_no_matter_and_an_unknown_one_is() {
    // SAFETY: gives a plain number.
    let is_root = unsafe { libc::geteuid() } == 0;
    let folder = Folder::new("user");
    let mut broker = Program::configured(&folder, "user nobody\n");
    let (mut client, reason) = broker.connect("a", None);
    assert_eq!(reason, Some(0));
    is_served(&mut client);
    if is_root {
        let status = fs::read_to_string(format!("/proc/{}/status", broker.child.id())).unwrap();
        let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
        assert!(ids.split_whitespace().all(|id| id != "0"), "{ids}");
        let file = folder.file("broker.conf", "user culex-no-such-user\n");
        let output = Command::new(BROKER).args(["-p", "0", "-c"]).arg(file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("culex-no-such-user"), "{}", text(&output.stderr));
    }
    let _ = broker.child.kill();
}

#[test]
fn what_cannot_be_opened_ends_the_start_with_its_name() {
    let folder = Folder::new("unopened");
    for (configuration, name) in [
        ("log_dest file /nonexistent/log\n", "/nonexistent/log"),
        ("pid_file /nonexistent/pid\n", "/nonexistent/pid"),
        ("listener 0 /nonexistent/socket\n", "/nonexistent/socket"),
        ("include_dir /nonexistent/conf.d\n", "/nonexistent/conf.d"),
        ("listener 1 192.0.2.1\n", "192.0.2.1:1"),
        ("bind_interface no-such-interface\n", "localhost"),
        ("certfile /nonexistent/c\nkeyfile /nonexistent/k\n", "/nonexistent/c"),
        ("persistence true\npersistence_location /nonexistent/\n", "/nonexistent/culex.db"),
    ] {
        let file = folder.file("broker.conf", configuration);
        let mut child = Command::new(BROKER)
            .args(["-p", "0", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut error = String::new();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert!(matches!(child.wait().unwrap().code(), Some(1 | 3)), "{configuration}{error}");
        assert!(error.contains(name), "{configuration}{error}");
        assert_eq!(error.matches("(os error").count(), 1, "said once: {error}");
    }
}
