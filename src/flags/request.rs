//! What `rr` adds to the flags of `pub` and `sub`.

use super::value;
use crate::packet::Text;
use clap::Args;

/// The flags of a request.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Request")]
pub struct Request {
    /// Topic on which the reply is expected
    #[arg(short = 'e', value_name = "topic", value_parser = value::text)]
    pub response_topic: Option<Text>,
    /// Print how long the reply took
    #[arg(long)]
    pub latency: bool,
}
