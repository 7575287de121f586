//! What conditions can be about.

use crate::bench::histogram::Histogram;
use crate::bench::result::RunResult;
use crate::bench::text;

/// Something that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// A figure of a latency, in microseconds.
    Latency(Kind, Figure),
    /// Messages, deliveries or connections.
    Count(Count),
    /// Messages per second.
    Rate(Rate),
    /// Whether the load was steady: 1 or 0.
    Steady,
}

/// Which latency.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// End to end; acknowledgements or connections when there is no end to end.
    Headline,
    /// `e2e.`
    EndToEnd,
    /// `service.`
    Service,
    /// `ack.`
    Acknowledgement,
    /// `connect.`
    Connect,
    /// `tls.`
    Tls,
    /// `lag.`
    Lag,
}

/// Which figure of a latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// The smallest.
    Min,
    /// The mean.
    Mean,
    /// The largest.
    Max,
    /// The standard deviation.
    StandardDeviation,
    /// The value that so many percent do not exceed.
    Percentile(f64),
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Count {
    /// Messages lost, of the deliveries expected.
    Lost,
    /// Messages delivered again, of those received.
    Duplicate,
    /// Messages delivered late, of those received.
    Reordered,
    /// Messages due and never sent, of those asked for.
    Unsent,
    /// Messages not of this run, of those received.
    Foreign,
    /// Connections that failed, of all.
    ConnectFailed,
    /// Connections lost.
    Disconnects,
    /// Errors of all kinds.
    Errors,
    /// Messages sent, of those asked for.
    Sent,
    /// Messages received, of those expected.
    Received,
    /// Messages acknowledged, of those sent.
    Acknowledged,
}

/// Which rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rate {
    /// `rate`
    Sent,
    /// `received_rate`
    Received,
}

/// The words of the counts, each with the names that are accepted.
pub(super) const COUNTS: [(Count, &[&str]); 11] = [
    (Count::Lost, &["loss", "lost"]),
    (Count::Duplicate, &["duplicate", "duplicates", "dup"]),
    (Count::Reordered, &["reordered", "reorder"]),
    (Count::Unsent, &["unsent"]),
    (Count::Foreign, &["foreign"]),
    (Count::ConnectFailed, &["connect_fail", "connect_failed"]),
    (Count::Disconnects, &["disconnects"]),
    (Count::Errors, &["errors"]),
    (Count::Sent, &["sent"]),
    (Count::Received, &["received"]),
    (Count::Acknowledged, &["acked"]),
];

pub(super) const KINDS: [(Kind, &str); 6] = [
    (Kind::EndToEnd, "e2e"),
    (Kind::Service, "service"),
    (Kind::Acknowledgement, "ack"),
    (Kind::Connect, "connect"),
    (Kind::Tls, "tls"),
    (Kind::Lag, "lag"),
];

impl Metric {
    /// What was measured; `None` when it was not.
    #[must_use]
    pub fn measure(self, result: &RunResult) -> Option<f64> {
        match self {
            Self::Latency(kind, figure) => {
                let histogram = kind.histogram(result);
                (!histogram.is_empty()).then(|| figure.of(histogram))
            }
            Self::Count(count) => Some(count.of(result) as f64),
            Self::Rate(Rate::Sent) => Some(result.rates.sent),
            Self::Rate(Rate::Received) => Some(result.rates.received),
            Self::Steady => result.phases.steady.map(|steady| f64::from(u8::from(steady))),
        }
    }

    /// What a share is a share of; `None` when it makes no sense.
    pub(super) fn whole(self, result: &RunResult) -> Option<f64> {
        let counts = &result.counts;
        let Self::Count(count) = self else { return None };
        let whole = match count {
            Count::Lost | Count::Received => counts.expected,
            Count::Duplicate | Count::Reordered | Count::Foreign => counts.received,
            Count::Unsent | Count::Sent => counts.asked,
            Count::Acknowledged => counts.sent,
            Count::ConnectFailed => counts.connect_ok + counts.connect_failures(),
            Count::Disconnects => counts.connect_ok,
            Count::Errors => return None,
        };
        Some(whole as f64)
    }

    /// The value with its unit.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Latency(..) => format!("{:.2} ms", value / 1000.0),
            // Counts are whole numbers below 2^53.
            Self::Count(_) => text::grouped(value as u64),
            Self::Rate(_) => text::rate(value),
            Self::Steady => if value > 0.0 { "steady" } else { "not steady" }.to_owned(),
        }
    }

    /// Whether a smaller value is the better one.
    #[must_use]
    pub const fn smaller_is_better(self) -> bool {
        !matches!(
            self,
            Self::Rate(_) | Self::Steady | Self::Count(Count::Sent | Count::Received | Count::Acknowledged)
        )
    }
}

impl Kind {
    fn histogram(self, result: &RunResult) -> &Histogram {
        let latency = &result.latency_us;
        match self {
            Self::Headline => latency.headline(),
            Self::EndToEnd => &latency.e2e,
            Self::Service => &latency.service,
            Self::Acknowledgement => &latency.ack,
            Self::Connect => &latency.connect,
            Self::Tls => &latency.tls,
            Self::Lag => &latency.lag,
        }
    }
}

impl Figure {
    fn of(self, histogram: &Histogram) -> f64 {
        match self {
            Self::Min => histogram.min() as f64,
            Self::Mean => histogram.mean(),
            Self::Max => histogram.max() as f64,
            Self::StandardDeviation => histogram.standard_deviation(),
            Self::Percentile(percent) => histogram.percentile(percent) as f64,
        }
    }
}

impl Count {
    fn of(self, result: &RunResult) -> u64 {
        let counts = &result.counts;
        match self {
            Self::Lost => counts.lost,
            Self::Duplicate => counts.duplicate,
            Self::Reordered => counts.reordered,
            Self::Unsent => counts.unsent,
            Self::Foreign => counts.foreign,
            Self::ConnectFailed => counts.connect_failures(),
            Self::Disconnects => counts.disconnects,
            Self::Errors => result.errors.iter().map(|error| error.count).sum(),
            Self::Sent => counts.sent,
            Self::Received => counts.received,
            Self::Acknowledged => counts.acked,
        }
    }
}
