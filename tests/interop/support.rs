//! Brokers and programs as child processes: started on free ports, ready when they say so, always reaped.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A listener gives up after so many seconds, so that a lost message fails a test and does not hang it.
pub(crate) const DEADLINE_SECONDS: &str = "30";

/// A child process that does not outlive its test.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.0.wait().unwrap()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A running broker.
pub(crate) struct Broker {
    pub(crate) port: u16,
    _process: Process,
    _stdin: Option<ChildStdin>,
}

impl Broker {
    /// Ours, through `broker --exec`: the command reports the port that was bound, and lives as long as its input is open.
    pub(crate) fn ours() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_culex"))
            .args(["broker", "--exec", "--", "sh", "-c", "echo \"$MQTT_PORT\"; cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let stdin = child.stdin.take();
        let process = Process(child);
        let port = line.trim().parse().expect("culex broker --exec exports MQTT_PORT");
        Self { port, _process: process, _stdin: stdin }
    }

    /// Ours with these lines of configuration for its one listener.
    pub(crate) fn ours_with(options: &str) -> Self {
        let file = scratch("culex.conf");
        fs::write(&file, options).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_culex"))
            .args(["broker", "-p", "0", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the broker prints its port");
        Self { port, _process: Process(child), _stdin: None }
    }

    /// Debian's mosquitto as it comes.
    pub(crate) fn mosquitto() -> Option<Self> {
        Self::mosquitto_with("")
    }

    /// Debian's mosquitto with these lines of configuration for its one listener; it cannot bind port 0, so a port that
    /// was taken in between is tried again.
    pub(crate) fn mosquitto_with(options: &str) -> Option<Self> {
        let program = program("mosquitto")?;
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let file = scratch("mosquitto.conf");
            let text = format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\nuser root\n{options}"
            );
            fs::write(&file, text).unwrap();
            let mut child = Command::new(&program)
                .arg("-c")
                .arg(&file)
                .stderr(Stdio::piped())
                .stdin(Stdio::null())
                .spawn()
                .unwrap();
            let mut log = BufReader::new(child.stderr.take().unwrap());
            let process = Process(child);
            let mut line = String::new();
            while log.read_line(&mut line).unwrap() > 0 && !line.contains(" running") {
                line.clear();
            }
            if !line.is_empty() {
                // What it logs later has somewhere to go, or it would stop when the pipe is full.
                std::thread::spawn(move || io::copy(&mut log, &mut io::sink()));
                return Some(Self { port, _process: process, _stdin: None });
            }
        }
        panic!("mosquitto did not start");
    }
}

/// A path of its own for a file of a test.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{count}-{name}", std::process::id()))
}

/// Where `scripts/install-peers.sh` puts the peers that have no system package.
fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

/// The path of a program of the system.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    found(name, folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// A Python that has paho-mqtt and aiomqtt.
pub(crate) fn python() -> Option<Command> {
    let own = peers().join("venv/bin/python");
    let python = if own.exists() { own } else { PathBuf::from("python3") };
    let probe =
        Command::new(&python).args(["-c", "import paho.mqtt, aiomqtt"]).stderr(Stdio::null()).status();
    let works = probe.is_ok_and(|status| status.success());
    found("paho-mqtt and aiomqtt", works.then_some(python)).map(Command::new)
}

/// A Node.js that finds npm's `mqtt`.
pub(crate) fn node() -> Option<Command> {
    let modules = peers().join("node_modules");
    let mut probe = Command::new("node");
    probe.args(["-e", "require('mqtt')"]).env("NODE_PATH", &modules).stderr(Stdio::null());
    let works = probe.status().is_ok_and(|status| status.success());
    found("npm's mqtt", works.then_some("node")).map(|node| {
        let mut command = Command::new(node);
        command.env("NODE_PATH", &modules);
        command
    })
}

/// Passes on what was found; a peer that is missing is said, and is a failure where `CULEX_REQUIRE_PEERS=1` is set.
fn found<T>(name: &str, peer: Option<T>) -> Option<T> {
    if peer.is_none() {
        let required = env::var_os("CULEX_REQUIRE_PEERS").is_some_and(|value| value == *OsStr::new("1"));
        assert!(!required, "{name} is required here and not installed: scripts/install-peers.sh");
        // Not through `println!`, which the test harness keeps to itself when a test passes.
        let _ =
            writeln!(io::stderr(), "skipped: {name} is not installed; scripts/install-peers.sh installs it");
    }
    peer
}

/// The path of a script beside this file.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// Runs a script that checks by itself what it sees of the broker.
pub(crate) fn run_script(mut interpreter: Command, name: &str, port: u16) {
    let output = interpreter
        .arg(script(name))
        .env("MQTT_HOST", "127.0.0.1")
        .env("MQTT_PORT", port.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{text}", output.status);
}

/// Starts a command whose standard output is read line by line.
pub(crate) fn start(command: &mut Command) -> (Process, Lines) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines(BufReader::new(child.stdout.take().unwrap()));
    (Process(child), lines)
}

/// What a child prints.
pub(crate) struct Lines(BufReader<ChildStdout>);

impl Lines {
    /// The next line, without its end.
    pub(crate) fn next(&mut self) -> String {
        let mut line = String::new();
        assert!(
            self.0.read_line(&mut line).unwrap() > 0,
            "the program ended, or gave up, before it printed this line"
        );
        line.trim_end_matches('\n').to_owned()
    }

    /// All that follows.
    pub(crate) fn rest(mut self) -> Vec<String> {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Whose program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Maker {
    Culex,
    Mosquitto,
}

/// A publisher and a subscriber at one broker.
pub(crate) struct Programs {
    pub(crate) broker: Maker,
    pub(crate) publisher: Maker,
    pub(crate) subscriber: Maker,
    pub(crate) port: u16,
    pub(crate) version: &'static str,
}

impl Programs {
    fn command(&self, maker: Maker, verb: &str) -> Command {
        let mut command = match maker {
            Maker::Culex => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_culex"));
                command.arg(verb);
                command
            }
            Maker::Mosquitto => Command::new(format!("mosquitto_{verb}")),
        };
        for variable in ["MQTT_URL", "MQTT_HOST", "MQTT_PORT"] {
            command.env_remove(variable);
        }
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-V", self.version]);
        command
    }

    /// Publishes and waits for the program's end; lines of `stdin` are for `-l`.
    pub(crate) fn publish(&self, arguments: &[&str], stdin: &str) {
        let mut child =
            self.command(self.publisher, "pub").args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "{:?} pub {arguments:?}: {status}", self.publisher);
    }

    /// Subscribes in the foreground; what was printed.
    pub(crate) fn subscribe(&self, arguments: &[&str]) -> Vec<String> {
        let (mut process, lines) = self.start_subscriber(arguments);
        let printed = lines.rest();
        let status = process.0.wait().unwrap();
        assert!(status.success(), "{:?} sub {arguments:?}: {status}, printed {printed:?}", self.subscriber);
        printed
    }

    /// Starts a subscriber and returns when its subscription is accepted: it also subscribes to a retained message, which
    /// comes after the SUBACK. It leaves after `count` messages more.
    pub(crate) fn listen(&self, count: usize, arguments: &[&str]) -> (Process, Lines) {
        let ready = format!("ready/{}", scratch("").file_name().unwrap().to_str().unwrap());
        self.publish(&["-q", "1", "-r", "-t", &ready, "-m", "ready"], "");
        let count = (count + 1).to_string();
        let mut all = vec!["-C", &count, "-t", &ready];
        all.extend(arguments);
        let (process, mut lines) = self.start_subscriber(&all);
        let first = lines.next();
        assert!(first.contains("ready"), "{first}");
        (process, lines)
    }

    fn start_subscriber(&self, arguments: &[&str]) -> (Process, Lines) {
        start(self.command(self.subscriber, "sub").args(["-W", DEADLINE_SECONDS]).args(arguments))
    }
}
