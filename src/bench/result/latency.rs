//! The latencies of a run: whole histograms, written with the figures that people look for.

use crate::bench::histogram::{Histogram, Packed};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The latencies of the measured phase; what was not measured is empty and not written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Latencies {
    /// From the time a message was due to the time it was read.
    #[serde(with = "figures", skip_serializing_if = "Histogram::is_empty")]
    #[cfg_attr(test, schemars(with = "figures::Written"))]
    pub e2e: Histogram,
    /// From the time a message was written to the time it was read.
    #[serde(with = "figures", skip_serializing_if = "Histogram::is_empty")]
    #[cfg_attr(test, schemars(with = "figures::Written"))]
    pub service: Histogram,
    /// From the time a message was due to its PUBACK or PUBCOMP.
    #[serde(with = "figures", skip_serializing_if = "Histogram::is_empty")]
    #[cfg_attr(test, schemars(with = "figures::Written"))]
    pub ack: Histogram,
    /// From the first SYN to the CONNACK.
    #[serde(with = "figures", skip_serializing_if = "Histogram::is_empty")]
    #[cfg_attr(test, schemars(with = "figures::Written"))]
    pub connect: Histogram,
    /// The TLS handshake within it.
    #[serde(with = "figures", skip_serializing_if = "Histogram::is_empty")]
    #[cfg_attr(test, schemars(with = "figures::Written"))]
    pub tls: Histogram,
    /// From the time a message was due to the time it was written.
    #[serde(with = "figures", skip_serializing_if = "Histogram::is_empty")]
    #[cfg_attr(test, schemars(with = "figures::Written"))]
    pub lag: Histogram,
}

impl Latencies {
    /// Adds what another thread or segment recorded.
    pub fn merge(&mut self, other: &Self) {
        self.e2e.merge(&other.e2e);
        self.service.merge(&other.service);
        self.ack.merge(&other.ack);
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.lag.merge(&other.lag);
    }

    /// The latency that a run is about: end to end, or else of the acknowledgements, or else of the connections.
    #[must_use]
    pub fn headline(&self) -> &Histogram {
        [&self.e2e, &self.ack].into_iter().find(|histogram| !histogram.is_empty()).unwrap_or(&self.connect)
    }
}

/// How a histogram is written: figures for people and scripts, and the text that everything is read from again.
mod figures {
    use super::{Deserialize, Deserializer, Histogram, Packed, Serialize, Serializer};
    use serde::de::Error as _;

    #[derive(Serialize)]
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    pub(super) struct Written {
        count: u64,
        min: u64,
        mean: f64,
        stdev: f64,
        p50: u64,
        p90: u64,
        p99: u64,
        p99_9: u64,
        p99_99: u64,
        max: u64,
        hdr: Packed,
    }

    #[derive(Deserialize)]
    struct Read {
        hdr: Packed,
    }

    pub(super) fn serialize<S: Serializer>(histogram: &Histogram, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        Written {
            count: histogram.count(),
            min: histogram.min(),
            mean: rounded(histogram.mean()),
            stdev: rounded(histogram.standard_deviation()),
            p50: histogram.percentile(50.0),
            p90: histogram.percentile(90.0),
            p99: histogram.percentile(99.0),
            p99_9: histogram.percentile(99.9),
            p99_99: histogram.percentile(99.99),
            max: histogram.max(),
            hdr: histogram.pack(),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Histogram, D::Error> {
        Read::deserialize(deserializer)?.hdr.unpack().map_err(D::Error::custom)
    }
}
