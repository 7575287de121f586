//! The flags of the broker that only answers and counts.

use super::value;
use crate::bench::sink::Faults;
use clap::Parser;
use std::net::SocketAddr;
use std::time::Duration;

/// Serve as a broker that only answers, delivers and counts, and makes faults on purpose
///
/// Prints where it listens, and when it ends (by a signal, or with --once) what it has seen and done, exactly: what a
/// load generator prints can be compared with it. It remembers nothing: no sessions, no retained messages, no wills.
#[derive(Clone, Debug, Parser)]
#[command(name = "culex-bench sink", disable_version_flag = true)]
pub struct BenchSink {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "address", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Lose every n-th delivery
    #[arg(long, value_name = "n", default_value_t = 0)]
    pub drop_every: u64,
    /// Make every n-th delivery twice
    #[arg(long, value_name = "n", default_value_t = 0)]
    pub duplicate_every: u64,
    /// Make every n-th delivery behind the next one
    #[arg(long, value_name = "n", default_value_t = 0)]
    pub swap_every: u64,
    /// Stand still at every n-th message that is published, for --stall-for
    #[arg(long, value_name = "n", default_value_t = 0, requires = "stall_for")]
    pub stall_every: u64,
    /// How long to stand still
    #[arg(long, value_name = "duration", value_parser = value::duration, requires = "stall_every")]
    pub stall_for: Option<Duration>,
    /// Make every delivery this much later
    #[arg(long, value_name = "duration", value_parser = value::duration, default_value = "0")]
    pub delay: Duration,
    /// Let the kernel gather small packets (Nagle's algorithm)
    #[arg(long)]
    pub no_nodelay: bool,
    /// End when the last client has left
    #[arg(long)]
    pub once: bool,
    /// Print the counts as a line of JSON
    #[arg(long)]
    pub json: bool,
}

impl BenchSink {
    /// What is to go wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults {
            drop_every: self.drop_every,
            duplicate_every: self.duplicate_every,
            swap_every: self.swap_every,
            stall_every: self.stall_every,
            stall_for: self.stall_for.unwrap_or_default(),
            delay: self.delay,
            nagle: self.no_nodelay,
        }
    }
}
