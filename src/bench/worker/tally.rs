//! What a worker counts: in each second, and over the whole run.

use crate::bench::histogram::Histogram;
use crate::bench::result::{Counts, ErrorCount, Latencies, Phase, StreamCount};
use std::collections::BTreeMap;

/// What happened in one second of one phase.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) phase: Phase,
    pub(crate) second: u32,
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    pub(crate) received: u64,
    pub(crate) connected: u64,
    pub(crate) latency: Latencies,
}

impl Tally {
    pub(crate) fn new(phase: Phase, second: u32) -> Self {
        Self { phase, second, ..Self::default() }
    }

    /// Adds what another worker counted in the same second.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acked += other.acked;
        self.received += other.received;
        self.connected += other.connected;
        self.latency.merge(&other.latency);
    }
}

/// What came of a worker's part of the run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Measured, connections excepted.
    pub(crate) counts: Counts,
    pub(crate) streams: BTreeMap<u32, StreamCount>,
    pub(crate) errors: Vec<ErrorCount>,
    /// PUBLISH packets written and read in all phases.
    pub(crate) packets_out: u64,
    pub(crate) packets_in: u64,
    /// Writes that held a measured message, and the messages in them.
    pub(crate) writes: u64,
    pub(crate) messages_written: u64,
    /// Processor time of the thread in the measured phase, in nanoseconds.
    pub(crate) cpu_nanos: u64,
    /// The longest turn of the loop in the measured phase, in nanoseconds.
    pub(crate) turn_max_nanos: u64,
    /// Messages of the warm-up that were read after it.
    pub(crate) late_warm_up: Tally,
    /// When each client of a storm had all it waited for, from the start of the storm.
    pub(crate) completion: Histogram,
    /// Latencies below zero.
    pub(crate) negative: u64,
    /// The widest bound of the error of another clock, in nanoseconds.
    pub(crate) clock_bound: u64,
    /// Messages whose sender's clock was not known.
    pub(crate) unsynced: u64,
    /// Lags of measured messages, from when the broker let them go.
    pub(crate) own_lag: Histogram,
    /// Measured messages that were never sent though nothing but this worker held them up.
    pub(crate) unsent_own: u64,
}

impl Outcome {
    /// Notes one more of a kind of error; the first gives the example.
    pub(crate) fn error(&mut self, kind: &str, example: impl FnOnce() -> String) {
        match self.errors.iter_mut().find(|error| error.kind == kind) {
            Some(error) => error.count += 1,
            None => self.errors.push(ErrorCount { kind: kind.to_owned(), count: 1, example: example() }),
        }
    }
}
