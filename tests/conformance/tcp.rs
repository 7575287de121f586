//! The real program as a server, over TCP on a free port.

use crate::harness::{Lab, Server};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A lost answer fails the test and does not hang it.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Tcp {
    port: u16,
    broker: Child,
    pub(crate) connections: Vec<TcpStream>,
}

impl Tcp {
    /// `culex broker --exec` reports the port that was bound, and lives as long as its command's input is open.
    fn start() -> Self {
        Self::start_with(&[], "$MQTT_PORT")
    }

    /// With more flags; the port stands at the front of what the shell makes of `port`.
    pub(crate) fn start_with(flags: &[&str], port: &str) -> Self {
        let script = format!("port=\"{port}\"; echo \"${{port%%/*}}\"; exec cat");
        let mut broker = Command::new(env!("CARGO_BIN_EXE_culex"))
            .arg("broker")
            .args(flags)
            .args(["--exec", "--", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(broker.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("culex broker --exec exports MQTT_PORT");
        Self { port, broker, connections: Vec::new() }
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        // The broker gives clients that stay a second to read its DISCONNECT.
        self.connections.clear();
        drop(self.broker.stdin.take());
        let status = self.broker.wait().unwrap();
        if !std::thread::panicking() {
            assert!(status.success(), "the broker ended with {status}");
        }
    }
}

impl Server for Tcp {
    fn open(&mut self) -> usize {
        let connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        connection.set_nodelay(true).unwrap();
        connection.set_read_timeout(Some(DEADLINE)).unwrap();
        self.connections.push(connection);
        self.connections.len() - 1
    }

    fn send(&mut self, connection: usize, bytes: &[u8]) {
        // The broker may have closed already; the test then sees the end when it reads.
        let _ = self.connections[connection].write_all(bytes);
    }

    fn receive(&mut self, connection: usize) -> Option<Vec<u8>> {
        let mut block = vec![0; 65_536];
        match self.connections[connection].read(&mut block) {
            Ok(0) => None,
            Ok(count) => Some(block[..count].to_vec()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("something more was expected of the broker: {error}"),
        }
    }

    fn close(&mut self, connection: usize) {
        // The broker's own end tells that it has seen ours, so that what the test does next comes later.
        let _ = self.connections[connection].shutdown(Shutdown::Write);
        while self.receive(connection).is_some() {}
    }
}

#[test]
fn every_rule_holds_over_tcp() {
    for (section, rules) in crate::sections() {
        for (name, rule) in rules {
            println!("{section}::{name}");
            rule(&Lab::of(Tcp::start()));
        }
    }
}
