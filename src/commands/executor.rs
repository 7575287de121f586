//! `sub --exec`: a command for each message, so many at a time.

use crate::net::process;
use crate::packet::{PropertyIdentifier, PropertyValue, Publish, Text};
use std::collections::VecDeque;
use std::io;
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::task::JoinSet;

/// Messages that wait for a command until no more are read from the broker; what one read has brought comes on top.
const WAITING_MAX: usize = 64;

/// What became of the command for one message.
struct Ended {
    topic: Text,
    result: io::Result<ExitStatus>,
}

/// Commands that run, and messages that wait for theirs.
pub(super) struct Executor {
    command: String,
    jobs: usize,
    waiting: VecDeque<Publish>,
    running: JoinSet<Ended>,
    count: u64,
    failed: u64,
}

impl Executor {
    pub(super) fn new(command: String, jobs: usize) -> Self {
        Self { command, jobs, waiting: VecDeque::new(), running: JoinSet::new(), count: 0, failed: 0 }
    }

    /// Runs the command for `publish`, now or when one of those before it has ended.
    pub(super) fn take(&mut self, publish: Publish) {
        self.waiting.push_back(publish);
        self.start();
    }

    /// Whether nothing runs and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Whether no more messages are to be read.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Waits until a command has ended, and starts the next one; what is to be said of it. Never comes while none runs.
    ///
    /// Safe to be dropped while it waits.
    pub(super) async fn ended(&mut self) -> Option<String> {
        match self.running.join_next().await {
            Some(ended) => {
                self.start();
                self.judge(ended)
            }
            None => std::future::pending().await,
        }
    }

    /// Lets messages that wait go without a command; how many those are.
    pub(super) fn give_up(&mut self) -> usize {
        let count = self.waiting.len();
        self.waiting.clear();
        count
    }

    /// How many commands failed, of how many.
    pub(super) const fn failed(&self) -> Option<(u64, u64)> {
        if self.failed > 0 { Some((self.failed, self.count)) } else { None }
    }

    fn start(&mut self) {
        while self.running.len() < self.jobs
            && let Some(publish) = self.waiting.pop_front()
        {
            self.count += 1;
            let command = command(&self.command, &publish);
            self.running.spawn(run(command, publish));
        }
    }

    fn judge(&mut self, ended: Result<Ended, tokio::task::JoinError>) -> Option<String> {
        let Ok(Ended { topic, result }) = ended else {
            self.failed += 1;
            return None;
        };
        let why = match result {
            Ok(status) if status.success() => return None,
            Ok(status) => format!("ended with status {}", process::shell_status(status)),
            Err(error) => format!("could not be run: {error}"),
        };
        self.failed += 1;
        Some(format!("Warning: The command for {topic} {why}.\n"))
    }
}

async fn run(mut command: Command, publish: Publish) -> Ended {
    let result = async {
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A command that does not read its input has no fault.
            let _ = input.write_all(&publish.payload).await;
        }
        child.wait().await
    };
    Ended { result: result.await, topic: publish.topic }
}

/// The shell command with the message in its environment.
fn command(text: &str, publish: &Publish) -> Command {
    let mut command = process::shell(text);
    command.stdin(Stdio::piped());
    let topic: &str = &publish.topic;
    command.env("MQTT_TOPIC", topic).env("MQTT_QOS", (publish.qos as u8).to_string());
    command.env("MQTT_RETAIN", u8::from(publish.retain).to_string());
    command.env("MQTT_DUP", u8::from(publish.dup).to_string());
    let (mut user, mut identifiers) = (Vec::new(), Vec::new());
    for property in publish.properties.as_ref() {
        let name = format!("MQTT_{}", property.identifier.name().replace('-', "_").to_uppercase());
        match property.value {
            PropertyValue::Pair(name, value) => user.push(format!("{name}={value}")),
            PropertyValue::Number(number)
                if property.identifier == PropertyIdentifier::SubscriptionIdentifier =>
            {
                identifiers.push(number.to_string());
            }
            PropertyValue::Number(number) => drop(command.env(name, number.to_string())),
            PropertyValue::Text(text) => drop(command.env(name, text)),
            // Binary data may hold a zero, which ends a variable.
            PropertyValue::Binary(bytes) => {
                if let Ok(text) = std::str::from_utf8(bytes)
                    && !text.contains('\0')
                {
                    command.env(&name, text);
                }
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                command.env(format!("{name}_HEX"), digits);
            }
        }
    }
    if !user.is_empty() {
        command.env("MQTT_USER_PROPERTIES", user.join("\n"));
    }
    if !identifiers.is_empty() {
        command.env("MQTT_SUBSCRIPTION_IDENTIFIERS", identifiers.join(" "));
    }
    command
}
