//! What users see of messages: the plain forms, format templates read once, JSON byte for byte as cJSON prints it.
//!
//! A [`Printer`] is made once and appends every message to the caller's buffer; it writes nowhere itself.

mod annotate;
mod color;
mod filter;
mod json;
mod local_time;
mod message_json;
pub mod ndjson;
mod number;
mod render;
mod reprint;
mod template;

pub use annotate::annotate;
pub use filter::{Filter, FilterError};
pub use local_time::{LocalTime, WallTime, ZoneError};
pub use template::{FormatError, Template};

use crate::packet::PublishRef;

/// A message as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The packet, its topic resolved when it came by alias only.
    pub publish: PublishRef<'a>,
    /// When it arrived; looked at only where [`Printer::needs_time`].
    pub received: WallTime,
}

/// How a message is printed.
#[derive(Clone, Debug)]
pub enum Form {
    /// The payload; nothing at all when it is empty.
    Payload,
    /// Topic, space, payload; `(null)` for an empty one.
    TopicAndPayload,
    /// A format of the user's.
    Template(Template),
    /// A line of JSON with everything, see [`ndjson`].
    Json,
}

/// What `%J` does with a payload that is not JSON.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum InvalidJson {
    /// Prints nothing for the specifier and reports [`Fault::NotJson`], as mosquitto does.
    #[default]
    Omit,
    /// Prints the payload as a string beside `"encoding":"utf-8"`, or in base64 beside `"encoding":"base64"`.
    Wrap,
}

/// A specifier that could not be printed; the rest of the format was.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// `%J`: the payload is not JSON.
    NotJson,
    /// `%f`: the payload is not four bytes long.
    NotFloat,
    /// `%d`: the payload is not eight bytes long.
    NotDouble,
}

/// Prints messages in one form.
#[derive(Debug)]
pub struct Printer {
    form: Form,
    line_end: bool,
    pretty: bool,
    invalid_json: InvalidJson,
    is_colored: bool,
    local: LocalTime,
}

impl Printer {
    /// Prints in `form` with a line feed after each message; time is shown as `local` has it, which for [`Form::Json`]
    /// must be [`LocalTime::utc`].
    #[must_use]
    pub fn new(form: Form, local: LocalTime) -> Self {
        Self {
            form,
            line_end: true,
            pretty: false,
            invalid_json: InvalidJson::Omit,
            is_colored: false,
            local,
        }
    }

    /// Whether a line feed follows each message; true unless said otherwise.
    #[must_use]
    pub fn line_end(mut self, line_end: bool) -> Self {
        self.line_end = line_end;
        self
    }

    /// Whether `%j` and `%J` print over several lines, indented with tabs; false unless said otherwise.
    #[must_use]
    pub fn pretty(mut self, pretty: bool) -> Self {
        self.pretty = pretty;
        self
    }

    /// What `%J` does with a payload that is not JSON; [`InvalidJson::Omit`] unless said otherwise.
    #[must_use]
    pub fn invalid_json(mut self, invalid_json: InvalidJson) -> Self {
        self.invalid_json = invalid_json;
        self
    }

    /// Whether topics and JSON are coloured, and payloads that are JSON indented, for a terminal; false unless said
    /// otherwise. Formats of the user's stay as they are.
    #[must_use]
    pub fn colored(mut self, is_colored: bool) -> Self {
        self.is_colored = is_colored;
        self
    }

    /// Whether [`Message::received`] shows in the output, so that the caller can save asking the clock.
    #[must_use]
    pub fn needs_time(&self) -> bool {
        match &self.form {
            Form::Payload | Form::TopicAndPayload => false,
            Form::Template(template) => template.needs_time(),
            Form::Json => true,
        }
    }

    /// Appends `message` to `out`; what could not be printed is appended to `faults`, at most one a specifier.
    #[inline]
    pub fn print(&mut self, message: &Message<'_>, out: &mut Vec<u8>, faults: &mut Vec<Fault>) {
        let PublishRef { topic, payload, .. } = message.publish;
        if self.is_colored && !matches!(self.form, Form::Template(_)) {
            return self.print_colored(message, out);
        }
        match &self.form {
            Form::Payload => {
                if payload.is_empty() {
                    return;
                }
                out.reserve(payload.len() + 1);
                out.extend_from_slice(payload);
            }
            Form::TopicAndPayload => {
                if payload.is_empty() {
                    self.print_null(topic, out);
                    return;
                }
                out.reserve(topic.len() + payload.len() + 2);
                out.extend_from_slice(topic.as_bytes());
                out.push(b' ');
                out.extend_from_slice(payload);
            }
            // A line of its own, whatever `line_end` says.
            Form::Json => return ndjson::put_line(message, &mut self.local, out),
            Form::Template(template) => {
                let json = message_json::Style { pretty: self.pretty, invalid: self.invalid_json };
                render::render(template, message, &mut self.local, json, out, faults);
            }
        }
        if self.line_end {
            out.push(b'\n');
        }
    }

    #[cold]
    fn print_colored(&mut self, message: &Message<'_>, out: &mut Vec<u8>) {
        let PublishRef { topic, payload, .. } = message.publish;
        match self.form {
            Form::Json => {
                let mut line = Vec::new();
                ndjson::put_line(message, &mut self.local, &mut line);
                return color::put_json(&line, None, out);
            }
            Form::Payload if payload.is_empty() => return,
            Form::TopicAndPayload => {
                color::paint(topic.as_bytes(), color::TOPIC, out);
                out.push(b' ');
            }
            Form::Payload | Form::Template(_) => {}
        }
        if payload.is_empty() {
            out.extend_from_slice(b"(null)");
        } else if !color::put_payload(payload, out) {
            out.extend_from_slice(payload);
        }
        if self.line_end {
            out.push(b'\n');
        }
    }

    /// An empty payload beside its topic: mosquitto prints the whole line or, without line feeds, nothing.
    fn print_null(&self, topic: &str, out: &mut Vec<u8>) {
        if self.line_end {
            out.extend_from_slice(topic.as_bytes());
            out.extend_from_slice(b" (null)\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{PropertiesRef, Qos};

    fn print(form: Form, line_end: bool, payload: &[u8]) -> Vec<u8> {
        let publish = PublishRef {
            dup: false,
            qos: Qos::AtMostOnce,
            retain: false,
            topic: "a/b",
            packet_identifier: None,
            properties: PropertiesRef::EMPTY,
            payload,
        };
        let message = Message { publish, received: WallTime::default() };
        let mut out = Vec::new();
        let mut printer = Printer::new(form, LocalTime::utc()).line_end(line_end);
        printer.print(&message, &mut out, &mut Vec::new());
        out
    }

    #[test]
    fn plain_form_prints_the_payload_and_nothing_for_an_empty_one() {
        assert_eq!(print(Form::Payload, true, b"x\0\xFF"), b"x\0\xFF\n");
        assert_eq!(print(Form::Payload, false, b"x"), b"x");
        assert_eq!(print(Form::Payload, true, b""), b"");
    }

    #[test]
    fn verbose_form_names_the_topic_and_null() {
        assert_eq!(print(Form::TopicAndPayload, true, b"x"), b"a/b x\n");
        assert_eq!(print(Form::TopicAndPayload, false, b"x"), b"a/b x");
        assert_eq!(print(Form::TopicAndPayload, true, b""), b"a/b (null)\n");
        assert_eq!(print(Form::TopicAndPayload, false, b""), b"");
    }
}
