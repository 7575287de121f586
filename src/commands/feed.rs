//! What `pub` has still to publish: one message several times, or lines of the standard input.

use super::lines::Lines;
use super::publish_progress::Position;
use crate::compat::Failure;
use crate::flags::LineForm;
use crate::flags::plan::PublishPlan;
use crate::net::Client;
use crate::output::ndjson::Line;
use crate::packet::{Properties, ProtocolVersion, Publish, PublishRef, Qos, ReasonCode, Text, topic};
use crate::session::SessionError;
use bytes::Bytes;
use std::io;

/// How many bytes of messages are made ready before they are written.
pub(super) const TURN_BYTES: usize = 56 * 1024;

/// What is still to be published.
pub(super) enum Feed {
    Payload {
        publish: Publish,
        left: u32,
    },
    Lines(Lines),
    /// Lines that say more than the payload.
    Records(Records),
}

/// Lines that each bring their topic.
pub(super) struct Records {
    lines: Lines,
    form: LineForm,
    /// How many have been read.
    number: u64,
}

impl Feed {
    /// Lines of this form, from the first on.
    pub(super) fn records(lines: Lines, form: LineForm) -> Self {
        Self::Records(Records { lines, form, number: 0 })
    }

    /// How much of it is done where the whole is known; `outstanding` messages and `pending` bytes are on their way.
    pub(super) fn position(&self, repeat: u32, outstanding: u64, pending: usize) -> Option<Position> {
        match self {
            Self::Payload { left, .. } if repeat > 1 => {
                let (whole, left) = (u64::from(repeat), u64::from(*left));
                Some(Position::Messages(whole.saturating_sub(left + outstanding), whole))
            }
            Self::Payload { publish, left: 0 } => {
                let whole = publish.payload.len() as u64;
                Some(Position::Bytes(whole.saturating_sub(pending as u64), whole))
            }
            Self::Payload { .. } => None,
            Self::Lines(lines) | Self::Records(Records { lines, .. }) => {
                lines.position().map(|(done, whole)| Position::Bytes(done, whole))
            }
        }
    }

    /// Reads more lines; never ends when there are none to come. Safe to be dropped while it waits.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(lines) | Self::Records(Records { lines, .. }) if lines.wants_more() => {
                lines.fill().await
            }
            Self::Lines(_) | Self::Records(_) | Self::Payload { .. } => std::future::pending().await,
        }
    }
}

/// What became of lines.
#[derive(Default)]
pub(super) struct Fed {
    pub(super) accepted: u64,
    /// Of QoS 0 and without a connection.
    pub(super) dropped: u64,
}

/// Publishes the lines that are there until the session or the socket wants a pause.
pub(super) fn lines(lines: &mut Lines, client: &mut Client, plan: &mut PublishPlan) -> Result<Fed, Failure> {
    let now = client.now();
    let overhead = plan.topic.len() + plan.properties.as_ref().wire().len() + 16;
    let (mut fed, mut bytes) = (Fed::default(), client.pending());
    while let Some(payload) = lines.peek() {
        if bytes >= TURN_BYTES {
            match client.flush() {
                Ok(true) => bytes = 0,
                // The next turn finds the fault again, or waits for room.
                Ok(false) | Err(_) => break,
            }
        }
        bytes += overhead + payload.len();
        let publish = PublishRef {
            dup: false,
            qos: plan.qos,
            retain: plan.retain,
            topic: &plan.topic,
            packet_identifier: None,
            properties: plan.properties.as_ref(),
            payload,
        };
        match client.session().publish_ref(now, &publish) {
            Ok(_) => {
                fed.accepted += 1;
                lines.consume();
            }
            Err(SessionError::NotConnected) => {
                fed.dropped += 1;
                lines.consume();
            }
            Err(SessionError::QueueFull) => break,
            // The reference drops the flag silently.
            Err(SessionError::NotSupported(ReasonCode::RETAIN_NOT_SUPPORTED)) => plan.retain = false,
            Err(error) => return Err(Failure::of_publish(error, plan.client.version())),
        }
    }
    Ok(fed)
}

impl Records {
    /// Whether the input is at its end and everything handed over.
    pub(super) fn is_finished(&self) -> bool {
        self.lines.is_finished()
    }

    /// As [`lines`]; empty ones are passed over. Returns how many will be acknowledged, also when one is no message.
    pub(super) fn publish(&mut self, client: &mut Client, plan: &PublishPlan) -> (u64, Result<(), Failure>) {
        let now = client.now();
        let mut count = 0;
        while client.pending() < TURN_BYTES
            && let Some(line) = self.lines.peek()
        {
            let parsed = match message(self.form, line, plan) {
                Ok(parsed) => parsed,
                Err(why) => return (count, Err(Failure::of_line(self.number + 1, &why))),
            };
            if let Some(publish) = parsed {
                let is_acknowledged = publish.qos != Qos::AtMostOnce;
                match client.session().publish(now, publish) {
                    Ok(_) => count += u64::from(is_acknowledged),
                    Err(SessionError::QueueFull) => break,
                    Err(error) => return (count, Err(Failure::of_publish(error, plan.client.version()))),
                }
            }
            self.number += 1;
            self.lines.consume();
        }
        (count, Ok(()))
    }
}

/// The message that a line stands for, if it is not empty; what it does not say comes from the options.
///
/// # Errors
///
/// What is wrong with the line.
pub(super) fn message(form: LineForm, line: &[u8], plan: &PublishPlan) -> Result<Option<Publish>, String> {
    let publish = match form {
        LineForm::Payload => of_plan(plan, plan.topic.clone(), line),
        LineForm::Json if line.trim_ascii().is_empty() => return Ok(None),
        LineForm::Json => of_json(line.trim_ascii(), plan)?,
        LineForm::TopicTabPayload if line.is_empty() => return Ok(None),
        LineForm::TopicTabPayload => of_tab_separated(line, plan)?,
    };
    if publish.topic.is_empty() {
        return Err("it names no topic, and -t does not either".to_owned());
    }
    Ok(Some(publish))
}

/// A message in which only topic and payload are not the options'.
fn of_plan(plan: &PublishPlan, topic: Text, payload: &[u8]) -> Publish {
    Publish {
        qos: plan.qos,
        retain: plan.retain,
        topic,
        properties: plan.properties.clone(),
        payload: Bytes::copy_from_slice(payload),
        ..Publish::default()
    }
}

fn of_json(line: &[u8], plan: &PublishPlan) -> Result<Publish, String> {
    let line = Line::parse(line).map_err(|error| error.to_string())?;
    let mut publish = line.into_publish(&plan.topic, plan.qos, plan.retain);
    if publish.properties.is_empty() {
        publish.properties = plan.properties.clone();
    }
    if plan.client.version() != ProtocolVersion::V5 {
        publish.properties = Properties::EMPTY;
    }
    Ok(publish)
}

/// Topic, tab, payload; further tabs belong to the payload, which is taken as it is.
fn of_tab_separated(line: &[u8], plan: &PublishPlan) -> Result<Publish, String> {
    let at = memchr::memchr(b'\t', line).ok_or("it has no tab")?;
    let (name, payload) = (&line[..at], &line[at + 1..]);
    if name.is_empty() {
        return Ok(of_plan(plan, plan.topic.clone(), payload));
    }
    let shown = || String::from_utf8_lossy(name).into_owned();
    let name =
        Text::new(Bytes::copy_from_slice(name)).map_err(|_| format!("topic '{}' is no UTF-8", shown()))?;
    topic::check_name(&name).map_err(|error| format!("topic '{}': {error}", shown()))?;
    Ok(of_plan(plan, name, payload))
}
