//! What `sub` shows of a message: printed, counted for a rate, or at the line of its topic.

use super::link::Random;
use crate::compat::{Face, output_fault};
use crate::flags::ColorWord;
use crate::flags::plan::SubscribePlan;
use crate::output::{Filter, Form, InvalidJson, LocalTime, Message, Printer, WallTime};
use crate::packet::{PublishRef, Text};
use std::io::{IsTerminal, Write};
use std::time::SystemTime;

/// Shows messages in the way that the options ask for.
pub(super) struct Display {
    printer: Printer,
    /// The share of messages that is shown.
    chance: Option<(f64, Random)>,
    /// With `-w`, the topics seen, in the order of their lines.
    watched: Option<Vec<Text>>,
    faults: Vec<crate::output::Fault>,
    /// Printed in place of the message.
    filter: Option<Filter>,
    names_topic: bool,
    line_end: bool,
    /// Payloads are printed as they are.
    is_raw: bool,
}

impl Display {
    /// Ready for the first message; with `-w` the screen is cleared.
    pub(super) fn new(plan: &SubscribePlan, face: Face, out: &mut Vec<u8>) -> Self {
        let printer = printer(plan.form.clone(), face)
            .line_end(plan.line_end)
            .pretty(plan.pretty)
            .colored(is_colored(plan.color, face));
        if let Some(host) = &plan.watch {
            let _ = writeln!(out, "\x1b[2J\x1b[1;1HBroker: {host}");
        }
        let chance = plan.random_filter.map(|percent| (share(percent, face), Random::from_system()));
        Self {
            printer,
            chance,
            watched: plan.watch.as_ref().map(|_| Vec::new()),
            faults: Vec::new(),
            // Compiled when the options were read, and so again.
            filter: plan.jq.as_deref().and_then(|text| Filter::parse(text).ok()),
            names_topic: matches!(plan.form, Form::TopicAndPayload),
            line_end: plan.line_end,
            is_raw: matches!(plan.form, Form::Payload | Form::TopicAndPayload)
                && !is_colored(plan.color, face)
                && plan.watch.is_none()
                && plan.jq.is_none(),
        }
    }

    /// Whether chance lets the next message be shown.
    #[inline]
    pub(super) fn is_chosen(&mut self) -> bool {
        self.chance.as_mut().is_none_or(|(share, random)| random.fraction() < *share)
    }

    /// Whether a payload is printed as it is, in a place that [`Display::show_around`] tells.
    pub(super) const fn is_raw(&self) -> bool {
        self.is_raw
    }

    /// As [`Display::show`] without the payload, which is not empty: where it belongs in `out`.
    pub(super) fn show_around(&mut self, topic: &str, out: &mut Vec<u8>) -> Option<usize> {
        if !self.is_chosen() {
            return None;
        }
        if self.names_topic {
            out.extend_from_slice(topic.as_bytes());
            out.push(b' ');
        }
        let place = out.len();
        if self.line_end {
            out.push(b'\n');
        }
        Some(place)
    }

    /// Shows `publish`, or lets it pass if chance has it so; what cannot be printed is named in `complaints`.
    #[inline]
    pub(super) fn show(&mut self, publish: &PublishRef<'_>, out: &mut Vec<u8>, complaints: &mut String) {
        if !self.is_chosen() {
            return;
        }
        if let Some(filter) = &mut self.filter {
            return print_filtered(filter, publish, self.names_topic, out, complaints);
        }
        let received = if self.printer.needs_time() { wall_time() } else { WallTime::default() };
        let message = Message { publish: *publish, received };
        match &mut self.watched {
            None => self.printer.print(&message, out, &mut self.faults),
            Some(topics) => {
                let position = topics.iter().position(|topic| *topic == publish.topic);
                let position = position.unwrap_or_else(|| {
                    topics.push(Text::detached(publish.topic));
                    topics.len() - 1
                });
                // The first line names the broker; the cursor rests below the last topic.
                let _ = write!(out, "\x1b[{};1H", position + 2);
                self.printer.print(&message, out, &mut self.faults);
                let _ = writeln!(out, "\x1b[{};1H", topics.len() + 1);
            }
        }
        if self.faults.is_empty() {
            return;
        }
        for fault in self.faults.drain(..) {
            complaints.push_str(&output_fault(fault, publish.topic));
        }
    }
}

/// Prints what the filter gives, each output behind the topic if that is asked for.
fn print_filtered(
    filter: &mut Filter,
    publish: &PublishRef<'_>,
    names_topic: bool,
    out: &mut Vec<u8>,
    complaints: &mut String,
) {
    let mut lines = Vec::new();
    let result = filter.print(&Message { publish: *publish, received: wall_time() }, &mut lines);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if names_topic {
            out.extend_from_slice(publish.topic.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    if let Err(error) = result {
        complaints.push_str(&format!("Error: --jq on topic {}: {error}.\n", publish.topic));
    }
}

/// Prints in `form` as `face` does.
pub(super) fn printer(form: Form, face: Face) -> Printer {
    // The system's zone is a file, which the forms without local time need not read.
    let local = match form {
        Form::Payload | Form::TopicAndPayload | Form::Json => LocalTime::utc(),
        Form::Template(_) => LocalTime::system(),
    };
    Printer::new(form, local).invalid_json(match face {
        Face::Strict => InvalidJson::Omit,
        Face::Friendly => InvalidJson::Wrap,
    })
}

/// Whether output is coloured: on a terminal, unless `NO_COLOR` is set or the terminal is a dumb one.
pub(super) fn is_colored(word: ColorWord, face: Face) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = || std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    match word {
        ColorWord::Always => true,
        ColorWord::Never => false,
        ColorWord::Auto => {
            face == Face::Friendly && std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb()
        }
    }
}

/// The share that a percentage means: mosquitto's code takes it for a per-mille figure.
fn share(percent: f64, face: Face) -> f64 {
    match face {
        Face::Strict => percent / 1000.0,
        Face::Friendly => percent / 100.0,
    }
}

pub(super) fn wall_time() -> WallTime {
    SystemTime::now().into()
}
