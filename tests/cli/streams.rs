//! The standard streams of the clients, where a file in their place would show nothing: pipes that fill up, close, or
//! never end.

use super::broker::Player;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

const SUB: &str = env!("CARGO_BIN_EXE_culex-sub");
const PUB: &str = env!("CARGO_BIN_EXE_culex-pub");

/// A listener and its port.
fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

fn start(program: &str, port: &str, args: &[&str]) -> Child {
    Command::new(program)
        .args(["-h", "127.0.0.1", "-p", port])
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn player(listener: TcpListener) -> Player {
    Player::new(listener, mpsc::channel().0)
}

fn script(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Section 15, 16: stdout closed ends it at once and quietly, also while idle.
#[test]
fn a_closed_output_ends_an_idle_sub() {
    let (listener, port) = listen();
    let mut child = start(SUB, &port, &["-t", "a"]);
    let broker = thread::spawn(move || {
        let mut player = player(listener);
        player.play(&script(&[
            "expect CONNECT",
            "connack 0",
            "expect SUBSCRIBE",
            "suback 0",
            "publish 0 - a x",
        ]))?;
        Ok::<_, String>(player.seen)
    });
    let mut line = [0; 2];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut line).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
    assert_eq!(broker.join().unwrap().unwrap().last().map(String::as_str), Some("DISCONNECT 0"));
}

/// Section 15, 16: with nobody at the output from the beginning.
#[test]
fn a_closed_output_ends_a_busy_sub() {
    let (listener, port) = listen();
    let mut child = start(SUB, &port, &["-t", "a"]);
    drop(child.stdout.take());
    let mut player = player(listener);
    let steps = ["expect CONNECT", "connack 0", "expect SUBSCRIBE", "suback 0", "publish 0 - a x"];
    // It may be gone before the first message.
    let _ = player.play(&script(&steps));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}

/// A message that cannot be written is told; the reference's status is 0, ours is not.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_sub_with_the_systems_text() {
    for (face, status) in [(&[][..], 1), (&["--strict"], 0)] {
        let (listener, port) = listen();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let child = Command::new(SUB)
            .args(face)
            .args(["-h", "127.0.0.1", "-p", &port, "-t", "a"])
            .env_clear()
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut player = player(listener);
        let steps = ["expect CONNECT", "connack 0", "expect SUBSCRIBE", "suback 0", "publish 0 - a x"];
        player.play(&script(&steps)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "Error: No space left on device\n");
    }
}

/// Keep alive goes on while the output is blocked, and what was held back arrives whole afterwards.
#[test]
fn a_blocked_output_does_not_stop_keep_alive() {
    const COUNT: usize = 300;
    let (listener, port) = listen();
    let mut child = start(SUB, &port, &["-t", "a", "-k", "5", "-C", &COUNT.to_string()]);
    let payload = "x".repeat(10_000);
    let publish = format!("publish 0 - a {payload}");
    let (pinged, ping) = mpsc::channel();
    let broker = thread::spawn(move || {
        let mut player = player(listener);
        player.advance(&script(&["expect CONNECT", "connack 0", "expect SUBSCRIBE", "suback 0"]))?;
        let mut sender = player.sender();
        // More than pipe, sockets and the program's own buffer take, from a thread of its own because it blocks.
        let sending = thread::spawn(move || {
            (0..COUNT).try_for_each(|_| sender.advance(std::slice::from_ref(&publish)))
        });
        player.advance(&script(&["expect PINGREQ"]))?;
        pinged.send(()).unwrap();
        sending.join().unwrap()?;
        player.play(&[])?;
        Ok::<_, String>(player.seen)
    });
    ping.recv().unwrap();
    let mut printed = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut printed).unwrap();
    assert_eq!(printed.len(), COUNT * (payload.len() + 1));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let seen = broker.join().unwrap().unwrap();
    assert_eq!(seen.last().map(String::as_str), Some("DISCONNECT 0"));
}

/// Lines are published as they come, not when the input ends.
#[test]
fn a_line_is_published_while_the_input_stays_open() {
    let (listener, port) = listen();
    let mut child = start(PUB, &port, &["-t", "a", "-l"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut player = player(listener);
    player.advance(&script(&["expect CONNECT", "connack 0"])).unwrap();
    stdin.write_all(b"one\ntw").unwrap();
    player.advance(&script(&["expect PUBLISH"])).unwrap();
    stdin.write_all(b"o\n").unwrap();
    player.advance(&script(&["expect PUBLISH"])).unwrap();
    drop(stdin);
    player.play(&[]).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(
        player.seen[1..],
        ["PUBLISH d0 q0 r0 'a' 'one'", "PUBLISH d0 q0 r0 'a' 'two'", "DISCONNECT 0"]
    );
}

/// Section 11: after a signal what is printed still waits for its reader; a second one leaves at once.
#[test]
fn a_second_signal_does_not_wait_for_the_reader() {
    const PAYLOAD_BYTES: usize = 1_000_000;
    let (listener, port) = listen();
    let mut child = start(SUB, &port, &["-t", "a", "-q", "1"]);
    let terminate = || {
        let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    let message = format!("publish 1 - a {}", "x".repeat(PAYLOAD_BYTES));
    let steps = ["expect CONNECT", "connack 0", "expect SUBSCRIBE", "suback 1", &message, "expect PUBACK"];
    let mut player = player(listener);
    player.advance(&script(&steps)).unwrap();
    terminate();
    player.advance(&script(&["expect DISCONNECT"])).unwrap();
    terminate();
    let mut stdout = child.stdout.take().unwrap();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait().unwrap()));
    let status = end.recv_timeout(std::time::Duration::from_secs(20)).expect("it waits for its reader");
    assert_eq!(status.code(), Some(0));
    let mut printed = Vec::new();
    stdout.read_to_end(&mut printed).unwrap();
    assert!(printed.len() < PAYLOAD_BYTES, "the pipe takes it all, so the test shows nothing");
}
