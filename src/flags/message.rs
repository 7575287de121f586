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
    /// What the six flags above chose.
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
}

impl Message {
    /// Whether each line of the input is a JSON object.
    #[must_use]
    pub fn json_lines(&self) -> bool {
        self.source == Some(MessageSource::JsonLines)
    }
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: f64 = value.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
