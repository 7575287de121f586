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
    /// Print how long the reply took; with --repeat the percentiles of all replies, at the end
    #[arg(long)]
    pub latency: bool,
    /// Wait for this many replies to each request
    #[arg(short = 'C', value_name = "count", default_value = "1")]
    pub replies: Option<u32>,
    /// Send the request this many times, each when the one before has its replies
    #[arg(long = "repeat", value_name = "count", default_value = "1")]
    pub requests: Option<u32>,
}
