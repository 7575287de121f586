//! Runs one case and compares what it says with what happened.

use super::broker::Player;
use super::case::Case;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

/// A guard against a program that hangs; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which programs are run.
pub(crate) enum Programs {
    Ours,
    System,
}

impl Programs {
    pub(crate) const fn ours() -> Self {
        Self::Ours
    }

    /// Those of the system, if they are of the version that the cases were compared with.
    pub(crate) fn of_the_system() -> Option<Self> {
        let output = Command::new("mosquitto_pub").arg("--version").output().ok()?;
        output.stdout.starts_with(b"mosquitto_pub version 2.0.11 ").then_some(Self::System)
    }

    /// The program called `name`, in `folder` under that name, since the name decides how it behaves.
    fn named(&self, name: &str, folder: &Path) -> PathBuf {
        match self {
            Self::System => PathBuf::from(name),
            Self::Ours => {
                let program = match name.rsplit(['_', '-']).next().unwrap() {
                    "pub" => env!("CARGO_BIN_EXE_culex-pub"),
                    "sub" => env!("CARGO_BIN_EXE_culex-sub"),
                    "rr" => env!("CARGO_BIN_EXE_culex-rr"),
                    "record" | "replay" | "check" | "culex" => env!("CARGO_BIN_EXE_culex"),
                    // Finds the others on its path.
                    "sh" => {
                        for other in [
                            "culex-pub",
                            "culex-sub",
                            "culex-rr",
                            "culex-record",
                            "culex-replay",
                            "culex-check",
                        ] {
                            self.named(other, folder);
                        }
                        return PathBuf::from("/bin/sh");
                    }
                    other => panic!("no program is called {other}"),
                };
                let link = folder.join(name);
                // Programs that run before may have made it.
                let _ = std::os::unix::fs::symlink(program, &link);
                link
            }
        }
    }
}

/// A working folder of its own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("culex-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("bin")).unwrap();
        fs::create_dir_all(path.join("work")).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Our broker, on a port of its own; it ends with the case.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_culex-broker"));
        let mut child =
            command.args(["-p", "0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn run(case: &Case, programs: &Programs) -> Result<(), String> {
    let folder = Folder::new();
    let work = folder.0.join("work");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = case.with_culex_broker.then(Server::start);
    let port = server.as_ref().map_or(listener.local_addr().unwrap().port(), |server| server.port);
    let known = |text: &str| {
        let text = text.replace("$PORT", &port.to_string()).replace("$DIR", work.to_str().unwrap());
        text.replace("$TLS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls"))
    };
    for (name, content) in &case.files {
        let path = work.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, known_bytes(content, &known)).unwrap();
    }
    let prepare = |program: &str, args: &[Vec<u8>]| {
        let mut command = Command::new(programs.named(program, &folder.0.join("bin")));
        command.args(args.iter().map(|word| OsString::from_vec(known_bytes(word, &known))));
        let path = format!("{}:{}", folder.0.join("bin").display(), env::var("PATH").unwrap());
        command.current_dir(&work).env_clear().env("PATH", path).env("TZ", "UTC");
        command
    };
    for line in &case.before {
        let program = String::from_utf8(line[0].clone()).unwrap();
        let output = prepare(&program, &line[1..]).stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            return Err(format!("before: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
    }
    let mut command = prepare(&case.program, &case.args);
    command.envs(case.env.iter().map(|(name, value)| (name, known(value))));
    match &case.stdin {
        None => command.stdin(Stdio::null()),
        Some(input) => {
            let path = folder.0.join("stdin");
            fs::write(&path, known_bytes(input, &known)).unwrap();
            command.stdin(File::open(path).unwrap())
        }
    };
    let (stdout, stderr) = (folder.0.join("stdout"), folder.0.join("stderr"));
    command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
    let (signal, signalled) = mpsc::channel();
    // Without a script nobody listens, and a connection is refused.
    let script = case.broker.clone().unwrap_or_else(|| vec!["refuse".to_owned()]);
    let mut player = Player::new(listener, signal);
    if case.broker.is_none() {
        player.play(&script).unwrap();
    }
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", case.program))?;
    let pid = child.id();
    let broker = thread::spawn(move || (player.play(&script), player.seen));
    let watch = watch(pid, case.signal.clone(), signalled);
    let status = child.wait().unwrap();
    drop(watch);
    let (played, seen) = match case.broker {
        Some(_) => join(broker, port),
        None => (Ok(()), Vec::new()),
    };
    let known = |line: &String| known(line).replace("$PID", &pid.to_string());
    let mut complaint = played.err().unwrap_or_default();
    let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    if status != case.status {
        complaint += &format!("status: expected {}, got {status}\n", case.status);
    }
    for (what, expected, path) in [("stdout", &case.stdout, &stdout), ("stderr", &case.stderr, &stderr)] {
        let expected: Vec<_> = expected.iter().map(known).collect();
        let got = fs::read(path).unwrap();
        let got = String::from_utf8_lossy(&got).into_owned();
        complaint += &compare(what, &expected, &lines(&got, what == "stderr"));
    }
    if let Some(expected) = &case.seen {
        complaint += &compare("seen", &expected.iter().map(known).collect::<Vec<_>>(), &seen);
    }
    if complaint.is_empty() { Ok(()) } else { Err(complaint) }
}

/// The broker's thread ends with its script; one that still waits for a connection is given a last one.
fn join(
    broker: thread::JoinHandle<(Result<(), String>, Vec<String>)>,
    port: u16,
) -> (Result<(), String>, Vec<String>) {
    if !broker.is_finished() {
        let _ = std::net::TcpStream::connect(("127.0.0.1", port));
    }
    broker.join().unwrap()
}

/// Sends the signal of the case when the broker says so, and ends a program that hangs.
fn watch(pid: u32, signal: Option<String>, signalled: mpsc::Receiver<()>) -> mpsc::Sender<()> {
    let (stop, stopped) = mpsc::channel::<()>();
    thread::spawn(move || {
        let kill = |signal: &str| {
            let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
        };
        if let Some(signal) = signal
            && signalled.recv_timeout(PATIENCE).is_ok()
        {
            kill(&signal);
        }
        if stopped.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = writeln!(std::io::stderr(), "process {pid} hangs and is killed");
            kill("KILL");
        }
    });
    stop
}

/// The lines of a text; one that lacks its line end says so. The number of empty lines before the hint is not looked at
/// on the standard error.
fn lines(text: &str, is_stderr: bool) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if !text.is_empty() && !text.ends_with('\n') {
        lines.last_mut().unwrap().push_str("\\c");
    }
    if is_stderr {
        lines.retain(|line| !line.is_empty());
    }
    lines
}

fn compare(what: &str, expected: &[String], got: &[String]) -> String {
    if matches(expected, got) {
        return String::new();
    }
    format!("{what}: expected\n  | {}\ngot\n  | {}\n", expected.join("\n  | "), got.join("\n  | "))
}

/// Whether the lines are the same; `...` stands for any number of them.
fn matches(expected: &[String], got: &[String]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=got.len()).any(|skipped| matches(rest, &got[skipped..]))
        }
        Some((first, rest)) => got.first() == Some(first) && matches(rest, &got[1..]),
    }
}

/// Replaces the variables in bytes that need not be text.
fn known_bytes(bytes: &[u8], known: &impl Fn(&str) -> String) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => known(text).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}
