//! Processes under test.

use super::group::{Group, keep_together};
use super::scenario::{DeviceSpec, StopSpec};
use crate::test_broker::TestBroker;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;

/// How long a device has to end after its signal, unless it is told otherwise.
const STOP_MAX: Duration = Duration::from_secs(3);

/// How long what a device has printed and sent may take to arrive once it has ended.
const READ_OUT_MAX: Duration = Duration::from_secs(1);

/// The longest line of output that the journal holds, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A device and its process, if it runs.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) spec: DeviceSpec,
    name: String,
    words: Vec<String>,
    environment: Vec<(String, String)>,
    folder: std::path::PathBuf,
    child: Option<Child>,
    stdin: Option<ChildStdin>,
    /// Those who read what it prints.
    readers: JoinSet<()>,
    /// Its process and their children, as long as one of them may be there.
    group: Option<Group>,
    /// Whether the scenario has sent it a signal that it may have ended by.
    is_signalled: bool,
}

/// How a device was stopped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Stopped {
    InTime,
    /// It had to be killed, though nobody said how much time it has; what to say about that.
    Killed(String),
}

impl Device {
    pub(super) fn new(
        name: &str,
        spec: &DeviceSpec,
        words: Vec<String>,
        environment: Vec<(String, String)>,
        folder: &Path,
    ) -> Self {
        let folder = spec.dir.as_ref().map_or_else(|| folder.to_owned(), |dir| folder.join(dir));
        Self {
            spec: spec.clone(),
            name: name.to_owned(),
            words,
            environment,
            folder,
            child: None,
            stdin: None,
            readers: JoinSet::new(),
            group: None,
            is_signalled: false,
        }
    }

    /// Starts the process; what it prints goes into the journal.
    pub(super) fn start(&mut self, broker: &TestBroker) -> Result<(), String> {
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        if !folder.is_dir() {
            return Err(format!("dir: there is no folder {}", folder.display()));
        }
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Its children are stopped with it.
        keep_together(&mut command);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", self.words[0]))?;
        self.stdin = child.stdin.take();
        self.group = Group::of(&child);
        self.is_signalled = false;
        self.readers.detach_all();
        if let Some(output) = child.stdout.take() {
            self.readers.spawn(read_lines(output, broker.clone(), self.name.clone()));
        }
        if let Some(output) = child.stderr.take() {
            self.readers.spawn(read_lines(output, broker.clone(), self.name.clone()));
        }
        broker.note(&self.name, "started");
        self.child = Some(child);
        Ok(())
    }

    /// Its exit status, once it has ended by itself; never before.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.child {
            Some(child) => child.wait().await,
            None => std::future::pending().await,
        }
    }

    pub(super) const fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// Waits until all that it has printed is in the journal; children of its that live on may print for ever.
    pub(super) async fn read_out(&mut self) {
        let all = async { while self.readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(READ_OUT_MAX, all).await;
    }

    /// It has ended: what it printed and sent is seen to its end, and the next start begins anew.
    pub(super) async fn finish(&mut self, broker: &TestBroker, status: ExitStatus) {
        self.child = None;
        self.stdin = None;
        self.read_out().await;
        // Whoever does not read any more, a broker that stands still, is not waited for.
        let _ = broker.read_out_within(READ_OUT_MAX).await;
        broker.note(&self.name, &format!("ended with {}", words(status)));
    }

    /// Sends a line to its standard input.
    pub(super) async fn send(&mut self, line: &str) -> Result<(), String> {
        let Some(stdin) = &mut self.stdin else {
            return Err(format!("{} does not run", self.name));
        };
        stdin.write_all(format!("{line}\n").as_bytes()).await.map_err(|error| error.to_string())
    }

    /// Sends a signal to it and its children.
    pub(super) fn signal(&mut self, name: &str) -> Result<(), String> {
        let number = signal_number(name)?;
        let Some(group) = self.group.as_ref().filter(|_| self.child.is_some()) else {
            return Err(format!("{} does not run", self.name));
        };
        group.signal(number);
        self.is_signalled = true;
        Ok(())
    }

    /// Ends it at once.
    pub(super) async fn kill(&mut self, broker: &TestBroker) {
        if self.signal("KILL").is_ok()
            && let Ok(status) = self.ended().await
        {
            self.group = None;
            self.finish(broker, status).await;
        }
    }

    /// Ends it, and what it has left running, as its scenario says: an exit status other than the one that is asked for is an
    /// error, and so is one other than 0 of a device that has ended by itself, and a time that is not kept.
    pub(super) async fn stop(&mut self, broker: &TestBroker) -> Result<Stopped, String> {
        let StopSpec { signal, within, exit } = self.spec.stop.clone().unwrap_or_default();
        let is_limited = within.is_some() || exit.is_some();
        let within = within.map_or(STOP_MAX, |within| within.0);
        let Some(child) = &mut self.child else {
            return Ok(Stopped::InTime);
        };
        let before = child.try_wait().map_err(|error| error.to_string())?;
        if let Some(status) = before {
            self.finish(broker, status).await;
            self.end_rest(signal.as_deref(), within).await;
            let wanted = exit.or((!self.is_signalled).then_some(0));
            return match wanted.filter(|wanted| status.code() != Some(*wanted)) {
                None => Ok(Stopped::InTime),
                Some(wanted) => Err(format!(
                    "{} ended by itself with {}, must be status {wanted}; a step 'device: {{ exit: ... }}' or \
                     'stop: {{ exit: ... }}' says what is right",
                    self.name,
                    words(status)
                )),
            };
        }
        self.signal(signal.as_deref().unwrap_or("TERM"))?;
        let begun = tokio::time::Instant::now();
        let Ok(ended) = tokio::time::timeout(within, self.ended()).await else {
            self.kill(broker).await;
            let text = format!("{} has not stopped within {within:?} and was killed", self.name);
            return if is_limited { Err(text) } else { Ok(Stopped::Killed(text)) };
        };
        let status = ended.map_err(|error| error.to_string())?;
        self.finish(broker, status).await;
        if let Some(group) = self.group.take() {
            group.end(within.saturating_sub(begun.elapsed())).await;
        }
        check_exit(&self.name, status, exit).map(|()| Stopped::InTime)
    }

    /// Ends what it has left running.
    async fn end_rest(&mut self, signal: Option<&str>, within: Duration) {
        if let Some(group) = self.group.take() {
            let number = signal_number(signal.unwrap_or("TERM")).unwrap_or(libc::SIGTERM);
            if group.signal(number) {
                group.end(within).await;
            }
        }
    }
}

/// Whether an exit status is the one that is asked for.
pub(super) fn check_exit(name: &str, status: ExitStatus, wanted: Option<i32>) -> Result<(), String> {
    match wanted {
        Some(wanted) if status.code() != Some(wanted) => {
            Err(format!("{name} ended with {}, not with status {wanted}", words(status)))
        }
        _ => Ok(()),
    }
}

/// An exit status for people.
pub(super) fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".to_owned(),
    }
}

async fn read_lines(output: impl AsyncRead + Unpin, broker: TestBroker, name: String) {
    use tokio::io::AsyncReadExt;
    let mut reader = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        broker.output(&name, text.trim_end_matches(['\r', '\n']));
    }
}

pub(super) fn signal_number(name: &str) -> Result<i32, String> {
    Ok(match name.trim_start_matches("SIG") {
        "TERM" => libc::SIGTERM,
        "INT" => libc::SIGINT,
        "HUP" => libc::SIGHUP,
        "KILL" => libc::SIGKILL,
        "QUIT" => libc::SIGQUIT,
        "USR1" => libc::SIGUSR1,
        "USR2" => libc::SIGUSR2,
        "STOP" => libc::SIGSTOP,
        "CONT" => libc::SIGCONT,
        other => return Err(format!("there is no signal '{other}'")),
    })
}
