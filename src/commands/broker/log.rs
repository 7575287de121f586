//! The broker's log: lines gathered during a turn, then written at once.

use super::log_pipe::Pipe;
use crate::compat::mosquitto_conf::{LogDestination, LogPlan, LogTypes};
use crate::journal::Entry;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// The lines that wait for the end of the turn are written earlier from here on, in bytes.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// How long lines wait before a reader that was behind is looked for again.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// How often that is done at the end.
const FINISH_TRIES_MAX: usize = 50;

#[derive(Debug)]
struct Inner {
    plan: LogPlan,
    outputs: Vec<Sink>,
    gathered: String,
}

#[derive(Debug)]
enum Sink {
    Stream(Pipe),
    File(File),
}

/// The log, shared between the server and those who look after it.
#[derive(Clone, Debug)]
pub(super) struct Log {
    inner: Arc<Mutex<Inner>>,
    /// Told when lines wait for a reader.
    stuck: Arc<Notify>,
}

impl Log {
    /// Opens the destinations of `plan`.
    pub(super) fn open(plan: LogPlan) -> io::Result<Self> {
        let inner = Inner { outputs: open_all(&plan)?, plan, gathered: String::new() };
        Ok(Self { inner: Arc::new(Mutex::new(inner)), stuck: Arc::default() })
    }

    /// Opens the files anew, so that they can be moved away.
    pub(super) fn reopen(&self) -> io::Result<()> {
        let plan = self.lock().plan.clone();
        self.go_on_with(plan)
    }

    /// Goes on with another plan; its files are opened anew.
    pub(super) fn go_on_with(&self, plan: LogPlan) -> io::Result<()> {
        let outputs = open_all(&plan)?;
        let mut inner = self.lock();
        inner.flush();
        inner.plan = plan;
        inner.outputs = outputs;
        Ok(())
    }

    /// Gathers what `write` appends, if this kind is wanted; each line of it begins with the time.
    pub(super) fn gather(&self, kind: LogTypes, write: impl FnOnce(&mut String)) {
        self.gather_about(kind, None, write);
    }

    /// As [`Log::gather`], about the connection of `entry`.
    pub(super) fn gather_entry(&self, kind: LogTypes, entry: &Entry, write: impl FnOnce(&mut String)) {
        self.gather_about(kind, Some(entry), write);
    }

    fn gather_about(&self, kind: LogTypes, entry: Option<&Entry>, write: impl FnOnce(&mut String)) {
        let mut inner = self.lock();
        if inner.outputs.is_empty() || !inner.plan.types.contains(kind) {
            return;
        }
        let Inner { plan, gathered, .. } = &mut *inner;
        if plan.is_json {
            let mut text = String::new();
            write(&mut text);
            text.lines().for_each(|message| write_json(gathered, kind, entry, message));
        } else {
            write_timestamp(gathered, plan);
            let start = gathered.len();
            write(gathered);
            if let Some(at) = gathered[start..].find('\n') {
                let second = gathered.split_off(start + at + 1);
                write_timestamp(gathered, plan);
                gathered.push_str(&second);
            }
            gathered.push('\n');
        }
        if gathered.len() >= GATHERED_BYTES_MAX {
            inner.flush();
        }
    }

    /// Writes one line of this kind now, if it is wanted.
    pub(super) fn line(&self, kind: LogTypes, text: &str) {
        for line in text.lines() {
            self.gather(kind, |gathered| gathered.push_str(line));
        }
        self.flush();
    }

    /// Writes what was gathered.
    pub(super) fn flush(&self) {
        let mut inner = self.lock();
        inner.flush();
        if inner.is_stuck() {
            self.stuck.notify_one();
        }
    }

    /// Brings lines that wait to their reader, whenever it reads; without end.
    pub(super) async fn bring_late_lines(self) {
        loop {
            self.stuck.notified().await;
            while self.goes_on() {
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }

    /// Gives a reader that is behind a last chance.
    pub(super) async fn finish(&self) {
        for _ in 0..FINISH_TRIES_MAX {
            if !self.goes_on() {
                return;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Writes lines that wait; whether some still do.
    fn goes_on(&self) -> bool {
        let mut inner = self.lock();
        inner.streams().for_each(Pipe::go_on);
        inner.is_stuck()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn flush(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let bytes = self.gathered.as_bytes();
        for output in &mut self.outputs {
            match output {
                Sink::Stream(stream) => stream.write(bytes),
                // A log that cannot be written (a full disk) must not stop the broker.
                Sink::File(file) => drop(file.write_all(bytes)),
            }
        }
        self.gathered.clear();
    }

    fn streams(&mut self) -> impl Iterator<Item = &mut Pipe> {
        self.outputs.iter_mut().filter_map(|output| match output {
            Sink::Stream(stream) => Some(stream),
            Sink::File(_) => None,
        })
    }

    fn is_stuck(&mut self) -> bool {
        self.streams().any(|stream| stream.is_stuck())
    }
}

fn open_all(plan: &LogPlan) -> io::Result<Vec<Sink>> {
    let open = |destination: &LogDestination| match destination {
        LogDestination::StandardError => Pipe::new(io::stderr()).map(Sink::Stream),
        LogDestination::StandardOutput => Pipe::new(io::stdout()).map(Sink::Stream),
        LogDestination::File(path) => OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map(Sink::File)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    };
    plan.destinations.iter().map(open).collect()
}

/// One object on a line: time, type, message, and where it concerns one, connection and client.
fn write_json(line: &mut String, kind: LogTypes, entry: Option<&Entry>, message: &str) {
    let mut object = serde_json::Map::new();
    // Milliseconds are what people compare by.
    let now = jiff::Timestamp::now();
    let time = now.round(jiff::Unit::Millisecond).unwrap_or(now);
    object.insert("time".to_owned(), time.to_string().into());
    object.insert("type".to_owned(), kind.name().into());
    object.insert("message".to_owned(), message.into());
    if let Some(entry) = entry.filter(|entry| entry.connection > 0) {
        object.insert("connection".to_owned(), entry.connection.into());
        if !entry.client_identifier.is_empty() {
            object.insert("client".to_owned(), entry.client_identifier.as_str().into());
        }
    }
    // Writing to a string does not fail.
    let _ = writeln!(line, "{}", serde_json::Value::from(object));
}

fn write_timestamp(line: &mut String, plan: &LogPlan) {
    if !plan.has_timestamp {
        return;
    }
    // Writing to a string fails only for a format that strftime does not know; the line is more than its time.
    let _ = match &plan.timestamp_format {
        Some(format) => {
            let written = write!(line, "{}", jiff::Zoned::now().strftime(format));
            line.push_str(": ");
            written
        }
        None => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            write!(line, "{}: ", since.as_secs())
        }
    };
}
