//! What every program has.

use super::value::{self, Elsewhere};
use clap::Args;

/// The flags that are not about MQTT.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "General")]
pub struct General {
    /// Read options from this file, one a line, in place of the default file
    #[arg(short = 'o', value_name = "file", value_parser = value::elsewhere)]
    pub options_file: Option<Elsewhere>,
    /// Print each packet that is sent and received
    #[arg(short, long)]
    pub debug: bool,
    /// Print no error at run time
    #[arg(long)]
    pub quiet: bool,
    /// Speak exactly as mosquitto's programs do; must be the first argument
    #[arg(long)]
    pub strict: bool,
    /// Print this help
    #[arg(long)]
    pub help: bool,
    /// Print the version
    #[arg(long)]
    pub version: bool,
}
