//! The interval log of HdrHistogram, version 1.2, which its tools and plotters read.
//!
//! Values are microseconds; the divisor of the maxima makes them milliseconds, as the tools expect.

use crate::bench::histogram::Packed;
use crate::bench::result::{Interval, RunResult};
use std::io::{self, Write};

/// Writes one line for each second and latency of the measured phases, tagged with the latency's name.
///
/// # Errors
///
/// When `out` fails, or a histogram that was not checked is damaged.
pub fn write(results: &[RunResult], mut out: impl Write) -> io::Result<()> {
    let start = results.first().map_or(0.0, |result| result.run.started_ns as f64 / 1e9);
    writeln!(out, "#[Histogram log format version 1.2]")?;
    writeln!(out, "#[StartTime: {start:.3} (seconds since epoch)]")?;
    writeln!(out, "#[MaxValueDivisor: 1000.0]")?;
    writeln!(
        out,
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
    )?;
    for result in results {
        let offset = result.run.started_ns as f64 / 1e9 - start;
        for interval in result.intervals.iter().filter(|interval| interval.is_measured()) {
            write_interval(interval, offset, &mut out)?;
        }
    }
    out.flush()
}

fn write_interval(interval: &Interval, offset: f64, out: &mut impl Write) -> io::Result<()> {
    let latency = &interval.latency;
    let kinds: [(&str, &Packed); 5] = [
        ("e2e", &latency.e2e),
        ("service", &latency.service),
        ("ack", &latency.ack),
        ("connect", &latency.connect),
        ("lag", &latency.lag),
    ];
    for (tag, packed) in kinds.into_iter().filter(|(_, packed)| !packed.is_empty()) {
        let max = packed.unpack().map_err(io::Error::other)?.max();
        let begin = offset + f64::from(interval.second);
        writeln!(out, "Tag={tag},{begin:.3},1.000,{:.3},{}", max as f64 / 1000.0, packed.text())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::histogram::Histogram;
    use crate::bench::result::sample;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_library_that_defines_the_form_reads_it() {
        let result = sample::run();
        let mut out = Vec::new();
        write(std::slice::from_ref(&result), &mut out).unwrap();
        let mut sum = Histogram::default();
        let mut seconds = 0;
        for entry in IntervalLogIterator::new(&out).map(Result::unwrap) {
            if let LogEntry::Interval(interval) = entry {
                assert_eq!(interval.tag().unwrap().as_str(), "e2e");
                sum.merge(&Packed::new(interval.encoded_histogram().to_owned()).unpack().unwrap());
                seconds += 1;
            }
        }
        assert_eq!((seconds, sum.count()), (30, 1500));
    }
}
