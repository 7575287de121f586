//! The broker as a process, for tests that need what only the program has: files, signals, listeners.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const BROKER: &str = env!("CARGO_BIN_EXE_culex-broker");
pub(crate) const CULEX: &str = env!("CARGO_BIN_EXE_culex");

/// A lost answer fails the test and does not hang it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder under the system's temporary one that goes away with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("culex-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A broker on a free port; ended when dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    /// What `--print-env json` told.
    pub(crate) environment: serde_json::Map<String, serde_json::Value>,
    log: BufReader<ChildStderr>,
    /// What has been read of the log.
    pub(crate) seen: String,
}

impl Program {
    /// Starts `culex-broker` with these arguments on a free port.
    pub(crate) fn start<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Self {
        let mut child = Command::new(BROKER)
            .args(["-p", "0", "--print-env", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let Ok(environment) = serde_json::from_str(&line) else {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            panic!("the broker does not start: {text}");
        };
        Self { child, environment, log, seen: String::new() }
    }

    /// Starts it with this configuration.
    pub(crate) fn configured(folder: &Folder, configuration: &str) -> Self {
        let file = folder.file("broker.conf", configuration);
        Self::start(&[Path::new("-c"), &file])
    }

    pub(crate) fn variable(&self, name: &str) -> &str {
        self.environment
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_else(|| panic!("{name} is not told"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.variable("MQTT_PORT").parse().unwrap()
    }

    /// A connection to the first plain listener.
    pub(crate) fn open(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a CONNECT of MQTT 5 and reads the reason code of the CONNACK; `None` when the connection just ends.
    pub(crate) fn connect(&self, id: &str, user: Option<(&str, &str)>) -> (TcpStream, Option<u8>) {
        let mut stream = self.open();
        stream.write_all(&connect_packet(id, user)).unwrap();
        let packet = read_packet(&mut stream);
        let reason = packet.map(|packet| {
            assert_eq!(packet[0], 0x20, "{packet:02x?}");
            packet[3]
        });
        (stream, reason)
    }

    pub(crate) fn signal(&self, number: i32) {
        // SAFETY: plain numbers; the process is our child.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, number) }, 0);
    }

    /// Reads the log until a line that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            if self.log.read_line(&mut line).unwrap() == 0 {
                panic!("the log ends without '{text}':\n{}", self.seen);
            }
            self.seen.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ends the broker; the whole log.
    pub(crate) fn stop(mut self) -> String {
        self.signal(libc::SIGTERM);
        self.log.read_to_string(&mut self.seen).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.seen);
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn field(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A CONNECT of MQTT 5 with clean start.
pub(crate) fn connect_packet(id: &str, user: Option<(&str, &str)>) -> Vec<u8> {
    let flags = if user.is_some() { 0xC2 } else { 0x02 };
    let mut body = [b"\x00\x04MQTT\x05", &[flags, 0, 60, 0][..], &field(id.as_bytes())].concat();
    if let Some((name, password)) = user {
        body.extend(field(name.as_bytes()));
        body.extend(field(password.as_bytes()));
    }
    assert!(body.len() < 128);
    [&[0x10, body.len() as u8][..], &body].concat()
}

/// The next whole packet; `None` at the end of the connection.
pub(crate) fn read_packet(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut packet = vec![0; 2];
    if stream.read_exact(&mut packet).is_err() {
        return None;
    }
    let mut length = usize::from(packet[1] & 0x7F);
    let mut shift = 0;
    while packet[packet.len() - 1] & 0x80 != 0 {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        packet.push(byte[0]);
        shift += 7;
        length |= usize::from(byte[0] & 0x7F) << shift;
    }
    let head = packet.len();
    packet.resize(head + length, 0);
    stream.read_exact(&mut packet[head..]).ok()?;
    Some(packet)
}

/// Runs `culex` with these arguments.
pub(crate) fn culex<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Output {
    Command::new(CULEX).args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
