//! `culex broker` as its users see it: streams, statuses, signals.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

const BROKER: &str = env!("CARGO_BIN_EXE_culex-broker");
const CULEX: &str = env!("CARGO_BIN_EXE_culex");

fn exec(command: &[&str]) -> Output {
    Command::new(CULEX).args(["broker", "--exec", "--"]).args(command).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A broker on a free port; ended when dropped.
struct Running {
    child: Child,
    port: u16,
}

impl Running {
    fn start(arguments: &[&str], error: Stdio) -> Self {
        let mut child = Command::new(BROKER)
            .args(["-p", "0"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(error)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().unwrap(), child }
    }

    fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c").unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        stream
    }

    fn signal(&self, number: i32) {
        // SAFETY: plain numbers; the process is our child.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, number) }, 0);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("culex-cli-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn the_commands_status_is_ours() {
    for status in [0, 3, 255] {
        assert_eq!(exec(&["sh", "-c", &format!("exit {status}")]).status.code(), Some(status));
    }
    assert_eq!(exec(&["sh", "-c", "kill -9 $$"]).status.code(), Some(128 + 9));
    assert_eq!(exec(&["sh", "-c", "kill -TERM $$"]).status.code(), Some(128 + 15));
}

#[test]
fn a_command_that_cannot_run_has_the_status_that_env_gives() {
    let missing = exec(&["culex-no-such-command"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).starts_with("Error: Unable to run 'culex-no-such-command'"));
    assert_eq!(exec(&["/"]).status.code(), Some(126));
}

#[test]
fn a_broker_that_cannot_start_is_125() {
    let folder = folder("exec");
    let conf = folder.join("x.conf");
    fs::write(&conf, "nonsense\n").unwrap();
    let output = Command::new(CULEX)
        .args(["broker", "-c", conf.to_str().unwrap(), "--exec", "--", "true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(CULEX).args(["broker", "-p", &port, "--exec", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("Address already in use"), "{}", text(&output.stderr));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_command_finds_the_broker_and_our_programs() {
    let script = "culex --version && echo \"$MQTT_HOST $MQTT_PORT $MQTT_URL\"";
    let output = exec(&["sh", "-c", script]);
    let out = text(&output.stdout);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], format!("culex {}", env!("CARGO_PKG_VERSION")));
    let words: Vec<&str> = lines[1].split(' ').collect();
    let port: u16 = words[1].parse().unwrap();
    assert_eq!(words, ["127.0.0.1", words[1], &format!("mqtt://127.0.0.1:{port}")]);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_message_travels_between_our_programs() {
    let script = "culex pub -t a -m hello -r && culex sub -t a -C 1 -W 20";
    let output = exec(&["sh", "-c", script]);
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("hello\n", Some(0)));
}

#[test]
fn signals_reach_the_command() {
    let mut child = Command::new(CULEX)
        .args([
            "broker",
            "--exec",
            "--",
            "sh",
            "-c",
            "trap 'echo term; exit 7' TERM; echo ready; while :; do sleep 0.01; done",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    // SAFETY: plain numbers; the process is our child.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(lines.next().unwrap().unwrap(), "term");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn sigterm_and_sigint_end_with_status_0() {
    for number in [libc::SIGTERM, libc::SIGINT] {
        let mut broker = Running::start(&["-q"], Stdio::null());
        let mut stream = broker.connect();
        broker.signal(number);
        assert_eq!(broker.child.wait().unwrap().code(), Some(0));
        assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    }
}

#[test]
fn the_log_reads_as_mosquittos() {
    let mut broker = Running::start(&["-v"], Stdio::piped());
    let mut stream = broker.connect();
    let peer = stream.local_addr().unwrap().port();
    stream.write_all(b"\x82\x08\0\x01\0\x03a/#\x01").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    stream.write_all(&[0xE0, 0]).unwrap();
    assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    broker.signal(libc::SIGTERM);
    let mut log = String::new();
    broker.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let port = broker.port;
    let wanted = [
        format!("New connection from 127.0.0.1:{peer} on port {port}."),
        format!("New client connected from 127.0.0.1:{peer} as c (p2, c1, k60)."),
        "No will message specified.".to_owned(),
        "Sending CONNACK to c (0, 0)".to_owned(),
        "Received SUBSCRIBE from c".to_owned(),
        "\ta/# (QoS 1)".to_owned(),
        "c 1 a/#".to_owned(),
        "Sending SUBACK to c".to_owned(),
        "Received DISCONNECT from c".to_owned(),
        "Client c disconnected.".to_owned(),
    ];
    let lines: Vec<&str> = log.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    let found: Vec<&str> =
        lines.iter().copied().filter(|line| wanted.iter().any(|text| text == line)).collect();
    assert_eq!(found, wanted, "{log}");
    assert!(
        log.lines().all(|line| line.split_once(": ").is_some_and(|(time, _)| time.parse::<u64>().is_ok()))
    );
    assert!(lines.last().unwrap().ends_with("terminating"), "{log}");
}

#[test]
fn a_closed_log_does_not_stop_the_broker() {
    let mut broker = Running::start(&["-v"], Stdio::piped());
    drop(broker.child.stderr.take());
    drop(broker.connect());
    drop(broker.connect());
    broker.signal(libc::SIGTERM);
    assert_eq!(broker.child.wait().unwrap().code(), Some(0));
}

/// As of a test that starts the broker with a pipe and never looks at it.
#[test]
fn a_log_that_nobody_reads_does_not_stop_the_broker() {
    let mut broker = Running::start(&["-v"], Stdio::piped());
    // More than a pipe holds.
    (0..500).for_each(|_| drop(broker.connect()));
    broker.connect().write_all(&[0xE0, 0]).unwrap();
    // Whoever reads late gets all of it, also what was written while nothing else happened.
    let mut log = BufReader::new(broker.child.stderr.take().unwrap()).lines();
    let count =
        log.by_ref().filter(|line| line.as_ref().unwrap().contains("New client connected")).take(501).count();
    assert_eq!(count, 501);
    broker.signal(libc::SIGTERM);
    assert!(log.any(|line| line.unwrap().ends_with("terminating")));
    assert_eq!(broker.child.wait().unwrap().code(), Some(0));
}

#[test]
fn configuration_faults_end_the_start_with_status_3() {
    let folder = folder("conf");
    let conf = folder.join("x.conf");
    fs::write(&conf, "# nothing\nmax_keepalive x\n").unwrap();
    let output = Command::new(BROKER).arg("-c").arg(&conf).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let expected = format!("Error: Invalid max_keepalive value (x).\nError found at {}:2.\n", conf.display());
    assert_eq!(text(&output.stderr), expected);

    fs::write(&conf, "max_keepalive 60\n").unwrap();
    let output = Command::new(BROKER).arg("--test-config").arg("-c").arg(&conf).output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(0), "Configuration file is OK.\n")
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_version_names_what_is_built_in() {
    let output = Command::new(BROKER).arg("--version").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let psk = if cfg!(feature = "psk") { "+psk" } else { "-psk" };
    let wanted =
        format!("culex-broker {}\nfeatures: +tls {psk} +websocket +store ", env!("CARGO_PKG_VERSION"));
    assert!(text(&output.stdout).starts_with(&wanted), "{}", text(&output.stdout));
    let output = Command::new(BROKER).arg("-V").output().unwrap();
    assert_eq!(text(&output.stdout), format!("culex-broker {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_flag_is_named() {
    let output = Command::new(BROKER).arg("--foo").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).starts_with("Error: Unknown option '--foo'."), "{}", text(&output.stderr));
    let output = Command::new(CULEX).arg("foo").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("Error: Unknown command 'foo'."));
}

#[test]
fn a_configured_listener_wins_over_the_port_flag() {
    let folder = folder("unix");
    let (conf, socket, port_file) = (folder.join("x.conf"), folder.join("mqtt.sock"), folder.join("port"));
    let text = format!("listener 0 {}\nallow_anonymous true\npid_file {0}.pid\n", socket.display());
    fs::write(&conf, text).unwrap();
    let mut child = Command::new(BROKER)
        .args(["-q", "-p", "1", "--until-eof", "--port-file", port_file.to_str().unwrap(), "-c"])
        .arg(&conf)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    while !port_file.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::yield_now();
    }
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c").unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    let pid_file = folder.join("mqtt.sock.pid");
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), child.id().to_string());
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!socket.exists() && !pid_file.exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_end_of_the_input_is_the_end_with_until_eof_alone() {
    let mut broker = Running::start(&["-q"], Stdio::null());
    drop(broker.child.stdin.take());
    drop(broker.connect());
    let mut broker = Running::start(&["-q", "--until-eof"], Stdio::null());
    drop(broker.connect());
    drop(broker.child.stdin.take());
    assert_eq!(broker.child.wait().unwrap().code(), Some(0));
}

#[test]
fn called_by_another_name_it_is_that_program() {
    let folder = folder("links");
    let link = folder.join("mosquitto_pub");
    std::os::unix::fs::symlink(CULEX, &link).unwrap();
    let output = Command::new(&link).arg("--version").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("mosquitto_pub version"), "{}", text(&output.stdout));
    let broker = Command::new(CULEX).arg0("/usr/sbin/mosquitto").arg("--foo").output().unwrap();
    assert_eq!(broker.status.code(), Some(3));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn out_of_descriptors_it_closes_what_comes_and_serves_on() {
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 30; exec \"$0\" -p 0", BROKER])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let mut broker = Running { port: line.trim().parse().unwrap(), child };
    let connect = |number: u8| {
        let mut stream = TcpStream::connect(("127.0.0.1", broker.port)).unwrap();
        let packet = [b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01", &[b'A' + number][..]].concat();
        let _ = stream.write_all(&packet);
        let is_served = stream.read_exact(&mut [0; 4]).is_ok();
        is_served.then_some(stream)
    };
    let all: Vec<_> = (0..50).map(connect).collect();
    let served: Vec<_> = all.into_iter().flatten().collect();
    assert!((5..30).contains(&served.len()), "{}", served.len());
    for mut stream in served {
        stream.write_all(&[0xE0, 0]).unwrap();
        assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    }
    // A process that another test is starting may hold a copy of our sockets for a moment.
    let again = (0..100_000).find_map(|_| connect(0));
    broker.signal(libc::SIGTERM);
    let mut log = String::new();
    broker.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("too many open files"), "{log}");
    assert!(again.is_some(), "{log}");
}

#[test]
fn listeners_that_nothing_is_left_for_try_again_although_no_connection_ends() {
    let mut broker = Running::start(&[], Stdio::piped());
    let pid = broker.child.id() as i32;
    let limit = |count| {
        let limit = libc::rlimit { rlim_cur: count, rlim_max: 1024 };
        // SAFETY: the limit is valid for the call, and the process is our child.
        assert_eq!(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) }, 0);
    };
    // Fewer than it has already, and no connection that could end.
    limit(3);
    let mut waiting = TcpStream::connect(("127.0.0.1", broker.port)).unwrap();
    waiting.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    waiting.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c").unwrap();
    let mut log = BufReader::new(broker.child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("too many open files") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the log ends");
    }
    limit(100);
    let mut connack = [0; 4];
    waiting.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
}
