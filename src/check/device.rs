//! Processes under test.

use super::scenario::{DeviceSpec, StopSpec};
use crate::test_broker::TestBroker;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// How long a device has to end after its signal, unless it is told otherwise.
const STOP_MAX: Duration = Duration::from_secs(3);

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
        }
    }

    /// Starts the process; what it prints goes into the journal.
    pub(super) fn start(&mut self, broker: &TestBroker) -> Result<(), String> {
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            // Its children are stopped with it.
            .process_group(0);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", self.words[0]))?;
        self.stdin = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            tokio::spawn(read_lines(output, broker.clone(), self.name.clone()));
        }
        if let Some(output) = child.stderr.take() {
            tokio::spawn(read_lines(output, broker.clone(), self.name.clone()));
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

    /// It has ended; the next start begins anew.
    pub(super) fn forget(&mut self, broker: &TestBroker, status: ExitStatus) {
        self.child = None;
        self.stdin = None;
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
    pub(super) fn signal(&self, name: &str) -> Result<(), String> {
        let number = signal_number(name)?;
        let Some(id) = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok()) else {
            return Err(format!("{} does not run", self.name));
        };
        // SAFETY: a signal to a group that this process has made; at worst it has ended.
        unsafe { libc::kill(-id, number) };
        Ok(())
    }

    /// Ends it at once.
    pub(super) async fn kill(&mut self, broker: &TestBroker) {
        if self.signal("KILL").is_ok()
            && let Ok(status) = self.ended().await
        {
            self.forget(broker, status);
        }
    }

    /// Ends it as its scenario says; an exit status other than the one that is asked for is an error.
    pub(super) async fn stop(&mut self, broker: &TestBroker) -> Result<(), String> {
        if self.child.is_none() {
            return Ok(());
        }
        let StopSpec { signal, within, exit } = self.spec.stop.clone().unwrap_or_default();
        // It may just have ended by itself.
        self.signal(signal.as_deref().unwrap_or("TERM"))?;
        let within = within.map_or(STOP_MAX, |within| within.0);
        let Ok(ended) = tokio::time::timeout(within, self.ended()).await else {
            self.kill(broker).await;
            return match exit {
                Some(_) => Err(format!("{} has not stopped within {within:?}", self.name)),
                None => Ok(()),
            };
        };
        let status = ended.map_err(|error| error.to_string())?;
        self.forget(broker, status);
        check_exit(&self.name, status, exit)
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
        broker.note(&name, text.trim_end_matches(['\r', '\n']));
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
