//! What `pub` sends.

use super::value;
use crate::packet::{Qos, Text};
use bytes::Bytes;
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// Where the payload comes from; exactly one is given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MessageSource {
    /// `-m`: the argument.
    Text(Bytes),
    /// `-n`: an empty payload.
    Null,
    /// `-f`: a file's content.
    File(PathBuf),
    /// `-s`: all of the standard input.
    WholeInput,
    /// `-l`: a message per line of the standard input.
    Lines,
    /// `--json-lines`: a message per line, each a JSON object.
    JsonLines,
    /// `--tsv`: a message per line, topic and payload with a tab between.
    Tsv,
}

/// What a line of the input holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LineForm {
    /// The payload.
    Payload,
    /// A JSON object with payload, topic and the rest.
    Json,
    /// Topic, tab, payload.
    TopicTabPayload,
}

/// The flags of publishing.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Message")]
pub struct Message {
    /// Topic to publish to
    #[arg(short, long, value_name = "topic", value_parser = value::text)]
    pub topic: Option<Text>,
    /// Payload
    #[arg(short, long, value_name = "payload", value_parser = value::elsewhere)]
    pub message: Option<value::Elsewhere>,
    /// Send a file as one message
    #[arg(short, long, value_name = "path", value_parser = value::elsewhere)]
    pub file: Option<value::Elsewhere>,
    /// Send each line of the standard input as a message
    #[arg(short = 'l', long)]
    pub stdin_line: bool,
    /// Send a message without payload
    #[arg(short, long)]
    pub null_message: bool,
    /// Send all of the standard input as one message
    #[arg(short, long)]
    pub stdin_file: bool,
    /// Send each line of the standard input, a JSON object as `sub --json` prints it, as a message; it may name topic,
    /// qos, retain and properties
    #[arg(long)]
    pub json_lines: bool,
    /// Send each line of the standard input as a message: topic, tab, payload; an empty topic is that of `-t`
    #[arg(long)]
    pub tsv: bool,
    /// What the seven flags above chose.
    #[arg(skip)]
    pub source: Option<MessageSource>,
    /// Quality of Service
    #[arg(short, long, value_name = "0|1|2", value_parser = value::qos(), hide_possible_values = true, default_value = "0")]
    pub qos: Option<Qos>,
    /// Let the broker retain the message
    #[arg(short, long)]
    pub retain: bool,
    /// Publish this many times
    #[arg(long, value_name = "count", default_value = "1")]
    pub repeat: Option<u32>,
    /// Seconds between two of them; fractions are allowed
    #[arg(long, value_name = "seconds", value_parser = seconds, default_value = "0")]
    pub repeat_delay: Option<Duration>,
    /// Without a connection keep trying to connect for this long (90s, 5m), also when one is lost, and send again what
    /// was not acknowledged
    #[arg(long, value_name = "duration", value_parser = value::duration)]
    pub retry: Option<Duration>,
    /// Print the packets that would be sent, with what their bytes mean, and send nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Message {
    /// What each line of the input holds; `None` where there are no lines.
    #[must_use]
    pub fn line_form(&self) -> Option<LineForm> {
        match self.source {
            Some(MessageSource::Lines) => Some(LineForm::Payload),
            Some(MessageSource::JsonLines) => Some(LineForm::Json),
            Some(MessageSource::Tsv) => Some(LineForm::TopicTabPayload),
            _ => None,
        }
    }

    /// Whether the lines bring their own topics.
    #[must_use]
    pub fn has_own_topics(&self) -> bool {
        matches!(self.source, Some(MessageSource::JsonLines | MessageSource::Tsv))
    }
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: f64 = value.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
