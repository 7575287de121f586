//! How `sub` prints.

use crate::output::{FormatError, Template};
use clap::{Args, ValueEnum};

/// The flags of printing.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Print the topic before the payload
    #[arg(short, long)]
    pub verbose: bool,
    /// Print by this format: %t topic, %p payload, %j JSON, ...
    #[arg(short = 'F', value_name = "format", value_parser = template)]
    pub format: Option<Template>,
    /// Print no line end after a message
    #[arg(short = 'N')]
    pub no_line_end: bool,
    /// Print each message as one line of JSON with everything; `pub --json-lines` sends it again
    #[arg(long)]
    pub json: bool,
    /// Colour topics and JSON, and indent payloads that are JSON: auto (on a terminal, unless NO_COLOR is set), always,
    /// never
    #[arg(long, value_name = "when", value_enum, default_value = "auto", hide_possible_values = true)]
    pub color: ColorWord,
    /// Print what this filter in jq's language gives for each message, strings as they are: '.temperature'; its input is
    /// the payload, $message the message as --json prints it
    #[arg(long, value_name = "filter")]
    pub jq: Option<String>,
    /// Indent JSON
    #[arg(long)]
    pub pretty: bool,
    /// Print this share of the messages, chosen at random
    #[arg(long, value_name = "percent")]
    pub random_filter: Option<f64>,
    /// Print how many messages arrive each second, not the messages
    #[arg(long)]
    pub message_rate: bool,
    /// Show the latest message of each topic at its own line
    #[arg(short, long)]
    pub watch: bool,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum ColorWord {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

fn template(format: &str) -> Result<Template, FormatError> {
    Template::parse(format)
}
