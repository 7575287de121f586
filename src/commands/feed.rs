//! What `pub` has still to publish: one message several times, or lines of the standard input.

use super::lines::Lines;
use super::pace::Pace;
use super::publish_progress::Position;
use crate::compat::{Failure, properties_warning};
use crate::flags::plan::PublishPlan;
use crate::flags::{LineForm, Speed};
use crate::net::Client;
use crate::output::{WallTime, ndjson::Line};
use crate::packet::{Properties, ProtocolVersion, Publish, PublishRef, Qos, ReasonCode, Text, topic};
use crate::session::SessionError;
use bytes::Bytes;
use std::io;
use tokio::time::Instant;

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
    /// When each is due, in a recording.
    pace: Option<Pace>,
    /// Read, and not due yet or waiting for room.
    held: Option<(Publish, Option<Instant>)>,
    /// It has been said that properties are lost.
    has_warned: bool,
}

/// What a line says.
pub(super) struct Reading {
    pub(super) publish: Publish,
    /// When it was recorded.
    pub(super) time: Option<WallTime>,
    /// Its properties, where the version spoken has none.
    pub(super) lost: Properties,
}

impl Feed {
    /// Lines of this form, from the first on; at that speed if they are a recording.
    pub(super) fn records(lines: Lines, form: LineForm, speed: Option<Speed>) -> Self {
        let pace = speed.map(Pace::new);
        Self::Records(Records { lines, form, number: 0, pace, held: None, has_warned: false })
    }

    /// When the next message may be published, if that is what is waited for.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Records(records) => records.held.as_ref().and_then(|(_, due)| *due),
            Self::Lines(_) | Self::Payload { .. } => None,
        }
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
        self.held.is_none() && self.lines.is_finished()
    }

    /// As [`lines`]; empty ones are passed over. Returns how many will be acknowledged, also when one is no message.
    pub(super) fn publish(&mut self, client: &mut Client, plan: &PublishPlan) -> (u64, Result<(), Failure>) {
        let now = client.now();
        let mut count = 0;
        while client.pending() < TURN_BYTES {
            let (publish, due) = match self.next(plan) {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(failure) => return (count, Err(failure)),
            };
            if due.is_some_and(|due| due > Instant::now()) {
                self.held = Some((publish, due));
                break;
            }
            match client.session().publish(now, publish.clone()) {
                Ok(_) => count += u64::from(publish.qos != Qos::AtMostOnce),
                Err(SessionError::QueueFull) => {
                    // There is room when something is acknowledged, whatever the time.
                    self.held = Some((publish, None));
                    break;
                }
                Err(error) => return (count, Err(Failure::of_publish(error, plan.client.version()))),
            }
        }
        (count, Ok(()))
    }

    /// The next message and when it is due; `None` when no whole line is there.
    fn next(&mut self, plan: &PublishPlan) -> Result<Option<(Publish, Option<Instant>)>, Failure> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        while let Some(line) = self.lines.peek() {
            self.number += 1;
            let reading =
                message(self.form, line, plan).map_err(|why| Failure::of_line(self.number, &why))?;
            self.lines.consume();
            let Some(Reading { publish, time, lost }) = reading else { continue };
            if !lost.is_empty() && !self.has_warned && !plan.client.quiet {
                self.has_warned = true;
                super::complain(&properties_warning(self.number, &lost, plan.client.version()));
            }
            let due = self.pace.as_mut().map(|pace| pace.due(time, Instant::now()));
            return Ok(Some((publish, due)));
        }
        Ok(None)
    }
}

/// The message that a line stands for, if it is not empty; what it does not say comes from the options.
///
/// # Errors
///
/// What is wrong with the line.
pub(super) fn message(form: LineForm, line: &[u8], plan: &PublishPlan) -> Result<Option<Reading>, String> {
    let untimed = |publish| Reading { publish, time: None, lost: Properties::EMPTY };
    let reading = match form {
        LineForm::Payload => untimed(of_plan(plan, plan.topic.clone(), line)),
        LineForm::Json if line.trim_ascii().is_empty() => return Ok(None),
        LineForm::Json => of_json(line.trim_ascii(), plan)?,
        LineForm::TopicTabPayload if line.is_empty() => return Ok(None),
        LineForm::TopicTabPayload => untimed(of_tab_separated(line, plan)?),
    };
    if reading.publish.topic.is_empty() {
        return Err("it names no topic, and -t does not either".to_owned());
    }
    Ok(Some(reading))
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

fn of_json(line: &[u8], plan: &PublishPlan) -> Result<Reading, String> {
    let read = match &plan.replay {
        Some(_) => Line::parse_timed(line),
        None => Line::parse(line).map(|line| (line, None)),
    };
    let (line, time) = read.map_err(|error| error.to_string())?;
    let mut publish = line.into_publish(&plan.topic, plan.qos, plan.retain);
    let mut maps = plan.replay.iter().flat_map(|replay| &replay.maps);
    if let Some(name) = maps.find_map(|map| map.apply(&publish.topic)) {
        publish.topic = name?;
    }
    let mut lost = Properties::EMPTY;
    if plan.client.version() != ProtocolVersion::V5 {
        lost = std::mem::take(&mut publish.properties);
    } else if publish.properties.is_empty() {
        publish.properties = plan.properties.clone();
    }
    Ok(Reading { publish, time, lost })
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
