//! Latencies in buckets of three significant digits, which add exactly over threads, seconds and machines.
//!
//! Unit, range and digits are the same for all histograms of schema `bench/1`, so that any two of them add bucket by
//! bucket and percentiles never have to be averaged.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Serialize};
use std::{fmt, io::Read, time::Duration};

/// One hour in microseconds; what takes longer is recorded as this.
pub const HIGHEST_MICROSECONDS: u64 = 3_600_000_000;

const LOWEST_MICROSECONDS: u64 = 1;
const SIGNIFICANT_DIGITS: u8 = 3;

/// The largest histogram of this range has 24,576 buckets of at most nine bytes each.
const INFLATED_BYTES_MAX: usize = 256 * 1024;
const HEADER_BYTES: usize = 40;

/// Durations from 1 µs to [`HIGHEST_MICROSECONDS`], kept with three significant digits.
///
/// Takes about 190 kB of address space, of which only the touched pages cost memory.
#[derive(Clone, PartialEq)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

/// A histogram in its text form (HdrHistogram V2, deflated, base64): a tenth or less of the memory.
///
/// Whether the text can be read is found out by [`Packed::unpack`]; the empty text is the empty histogram.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Packed(String);

/// Why a text is not one of our histograms.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HistogramError {
    /// Not base64.
    #[error("histogram is not base64")]
    NotBase64,
    /// Not HdrHistogram's V2 form, or cut short.
    #[error("histogram is not in HdrHistogram's V2 form")]
    NotV2,
    /// Inflates to more than any histogram of the schema needs.
    #[error("histogram is larger than the schema allows")]
    TooLarge,
    /// Has another unit, range or number of digits, and so does not add to ours.
    #[error("histogram has another range or number of digits than schema bench/1")]
    OtherBuckets,
}

impl Histogram {
    /// Records one duration; parts of a microsecond are cut off.
    pub fn record(&mut self, duration: Duration) {
        self.record_microseconds(u64::try_from(duration.as_micros()).unwrap_or(HIGHEST_MICROSECONDS));
    }

    /// Records one duration in nanoseconds; parts of a microsecond are cut off.
    pub fn record_nanoseconds(&mut self, nanoseconds: u64) {
        self.record_microseconds(nanoseconds / 1000);
    }

    /// Records one duration in microseconds.
    pub fn record_microseconds(&mut self, microseconds: u64) {
        self.0.saturating_record(microseconds.min(HIGHEST_MICROSECONDS));
    }

    /// Records the same duration `count` times.
    pub fn record_many(&mut self, microseconds: u64, count: u64) {
        self.0.saturating_record_n(microseconds.min(HIGHEST_MICROSECONDS), count);
    }

    /// Adds `other` bucket by bucket, as if its values had been recorded here.
    pub fn merge(&mut self, other: &Self) {
        if !other.is_empty() {
            self.0.add(&other.0).expect("all histograms have the same bounds");
        }
    }

    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value in microseconds, to three digits; zero when empty.
    #[must_use]
    pub fn min(&self) -> u64 {
        self.0.min()
    }

    /// The largest value in microseconds, to three digits; zero when empty.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The mean in microseconds; zero when empty.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// The standard deviation in microseconds; zero when empty.
    #[must_use]
    pub fn standard_deviation(&self) -> f64 {
        self.0.stdev()
    }

    /// The value in microseconds that `percent` (0 to 100) of the values do not exceed; zero when empty.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> u64 {
        self.0.value_at_percentile(percent)
    }

    /// How many values are at most `microseconds`, to the precision of the buckets.
    #[must_use]
    pub fn count_up_to(&self, microseconds: u64) -> u64 {
        let last = self.0.highest_equivalent(microseconds);
        let below = self.0.iter_recorded().take_while(|step| step.value_iterated_to() <= last);
        below.map(|step| step.count_at_value()).sum()
    }

    /// Each bucket that is not empty: its highest value in microseconds and how many values are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }

    /// The text form.
    #[must_use]
    pub fn pack(&self) -> Packed {
        if self.is_empty() {
            return Packed::default();
        }
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("writing a histogram of our bounds to memory cannot fail");
        Packed(BASE64_STANDARD.encode(bytes))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        let bounds = hdrhistogram::Histogram::new_with_bounds(
            LOWEST_MICROSECONDS,
            HIGHEST_MICROSECONDS,
            SIGNIFICANT_DIGITS,
        );
        Self(bounds.expect("the bounds are sound"))
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histogram({} values, {} to {} µs)", self.count(), self.min(), self.max())
    }
}

impl Packed {
    /// Takes a text as it was read.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is the empty histogram.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The histogram; its memory is bounded whatever the text says.
    ///
    /// # Errors
    ///
    /// [`HistogramError`] when the text is not a histogram of schema `bench/1`.
    pub fn unpack(&self) -> Result<Histogram, HistogramError> {
        if self.is_empty() {
            return Ok(Histogram::default());
        }
        let bytes = BASE64_STANDARD.decode(&self.0).map_err(|_| HistogramError::NotBase64)?;
        // The library would reserve what the header asks for; so the frame is opened here, with a bound.
        let deflated = bytes.get(8..).ok_or(HistogramError::NotV2)?;
        let mut inflated = Vec::new();
        ZlibDecoder::new(deflated)
            .take(INFLATED_BYTES_MAX as u64 + 1)
            .read_to_end(&mut inflated)
            .map_err(|_| HistogramError::NotV2)?;
        if inflated.len() > INFLATED_BYTES_MAX {
            return Err(HistogramError::TooLarge);
        }
        let announced = inflated.get(4..8).and_then(|field| field.try_into().ok()).map(u32::from_be_bytes);
        if announced.map(|payload| payload as usize + HEADER_BYTES) != Some(inflated.len()) {
            return Err(HistogramError::NotV2);
        }
        let histogram =
            Deserializer::new().deserialize(&mut inflated.as_slice()).map_err(|_| HistogramError::NotV2)?;
        let same_bounds = histogram.low() == LOWEST_MICROSECONDS
            && histogram.high() == HIGHEST_MICROSECONDS
            && histogram.sigfig() == SIGNIFICANT_DIGITS;
        if same_bounds { Ok(Histogram(histogram)) } else { Err(HistogramError::OtherBuckets) }
    }
}

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
