//! What was counted in one second of a run.

use crate::bench::histogram::{Histogram, HistogramError, Packed};
use crate::bench::steady::Window;
use serde::{Deserialize, Serialize};

/// A part of a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Connecting and subscribing.
    Connect,
    /// Load that is counted, but not in the result.
    Warmup,
    /// What the result is about.
    #[default]
    Measure,
    /// Waiting for what is still under way.
    Drain,
}

/// What was counted in one second of one phase; seconds of different segments add.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Interval {
    /// Which phase; a second in which the phase changes is two intervals.
    pub phase: Phase,
    /// The second since the first due time.
    pub second: u32,
    /// Messages written.
    pub sent: u64,
    /// Messages acknowledged.
    pub acked: u64,
    /// Messages read.
    pub received: u64,
    /// Connections accepted.
    pub connected: u64,
    /// Processor use of the process in percent of one.
    pub cpu_pct: f64,
    /// The latencies of what arrived in this second.
    #[serde(flatten)]
    pub latency: IntervalLatencies,
}

/// The latencies of one second in their text form; what was not measured is empty.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct IntervalLatencies {
    /// From due to read.
    #[serde(skip_serializing_if = "Packed::is_empty")]
    pub e2e: Packed,
    /// From write to read.
    #[serde(skip_serializing_if = "Packed::is_empty")]
    pub service: Packed,
    /// From due to acknowledged.
    #[serde(skip_serializing_if = "Packed::is_empty")]
    pub ack: Packed,
    /// From due to written.
    #[serde(skip_serializing_if = "Packed::is_empty")]
    pub lag: Packed,
    /// From the first SYN to the CONNACK.
    #[serde(skip_serializing_if = "Packed::is_empty")]
    pub connect: Packed,
}

impl IntervalLatencies {
    /// The latency that timelines show: end to end, or else of the acknowledgements, or else of the connections.
    ///
    /// # Errors
    ///
    /// [`HistogramError`] when a text from a file is not a histogram.
    pub fn headline(&self) -> Result<Histogram, HistogramError> {
        let kinds = [&self.e2e, &self.ack, &self.connect];
        kinds.into_iter().find(|packed| !packed.is_empty()).map_or(Ok(Histogram::default()), Packed::unpack)
    }
}

impl IntervalLatencies {
    /// Whether every text is a histogram; what reads files asks once, so that nobody has to again.
    ///
    /// # Errors
    ///
    /// [`HistogramError`] of the first that is not.
    pub fn check(&self) -> Result<(), HistogramError> {
        let Self { e2e, service, ack, lag, connect } = self;
        [e2e, service, ack, lag, connect].into_iter().try_for_each(|packed| packed.unpack().map(|_| ()))
    }
}

impl Interval {
    /// What steadiness is judged by.
    #[must_use]
    pub fn window(&self) -> Window {
        // Texts from files were checked when they were read.
        let latency = self.latency.headline().unwrap_or_default();
        let messages = if self.received > 0 { self.received } else { self.sent };
        Window { messages, p50_us: latency.percentile(50.0) }
    }

    /// Adds what another segment counted in the same second.
    ///
    /// # Errors
    ///
    /// [`HistogramError`] when a text from a file is not a histogram.
    pub fn merge(&mut self, other: &Self) -> Result<(), HistogramError> {
        self.sent = self.sent.saturating_add(other.sent);
        self.acked = self.acked.saturating_add(other.acked);
        self.received = self.received.saturating_add(other.received);
        self.connected = self.connected.saturating_add(other.connected);
        self.cpu_pct += other.cpu_pct;
        let IntervalLatencies { e2e, service, ack, lag, connect } = &mut self.latency;
        let theirs = &other.latency;
        let pairs = [
            (e2e, &theirs.e2e),
            (service, &theirs.service),
            (ack, &theirs.ack),
            (lag, &theirs.lag),
            (connect, &theirs.connect),
        ];
        for (mine, theirs) in pairs {
            if mine.is_empty() {
                mine.clone_from(theirs);
            } else if !theirs.is_empty() {
                let mut sum = mine.unpack()?;
                sum.merge(&theirs.unpack()?);
                *mine = sum.pack();
            }
        }
        Ok(())
    }
}
