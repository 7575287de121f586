//! Segments of one run become the result of the whole.
//!
//! Exact, because nothing is merged that does not add: counts, histograms bucket by bucket, seconds, streams. What
//! follows from them is derived again by [`RunResult::conclude`], as one run of the same load would have.

use super::histogram::HistogramError;
use super::result::{
    ErrorCount, Generator, Host, Interval, Phase, Phases, RunResult, Segment, Status, StreamCount, Verdict,
};
use super::threshold::Condition;
use std::collections::BTreeMap;

/// Segments that start further apart than this did not put their load on the broker at the same time.
pub const START_SKEW_NS_MAX: u64 = 1_000_000_000;

/// Why results are not segments of one run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MergeError {
    /// No result at all.
    #[error("nothing to merge")]
    Nothing,
    /// Asked for something else.
    #[error("segment {0} was asked for another load than the first ({1} is not {2})")]
    OtherLoad(usize, String, String),
    /// The same segment twice.
    #[error("segment {0}/{1} is there twice")]
    Twice(u32, u32),
    /// A segment is not there.
    #[error("segment {0}/{1} is missing")]
    Missing(u32, u32),
    /// Segments of different divisions.
    #[error("segments of {0} and of {1} do not belong together")]
    OtherDivision(u32, u32),
    /// Not at the same time.
    #[error("segments started {0} ms apart, {max} ms at most", max = START_SKEW_NS_MAX / 1_000_000)]
    Skew(u64),
    /// What this mode finds out does not add.
    #[error("results of '{0}' do not add")]
    Mode(String),
    /// The published form.
    #[error(
        "result {0} is in the published form, which has no seconds and no streams; merge what --out wrote"
    )]
    Published(usize),
    /// A damaged histogram.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

impl MergeError {
    /// Whether `--force` goes on in spite of it.
    fn is_forcible(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Mode(_) | Self::Histogram(_))
    }
}

/// Merges all segments of one run; `conditions` are checked on the whole.
///
/// With `force`, differences that can be overlooked become warnings in the result, which is marked as forced.
///
/// # Errors
///
/// [`MergeError`] when the parts are not the segments of one run.
pub fn merge(parts: &[RunResult], conditions: &[Condition], force: bool) -> Result<RunResult, MergeError> {
    let mut faults = Vec::new();
    for fault in check(parts) {
        if !force || !fault.is_forcible() {
            return Err(fault);
        }
        faults.push(fault);
    }
    let [first, ..] = parts else { return Err(MergeError::Nothing) };
    let mut whole = RunResult { run: first.run.clone(), tool: first.tool.clone(), ..RunResult::default() };
    whole.run.segment = Segment::default();
    whole.run.clients = parts.iter().map(|part| part.run.clients).sum();
    whole.run.interrupted = parts.iter().any(|part| part.run.interrupted);
    whole.run.crosses_segments &= faults.iter().any(|fault| matches!(fault, MergeError::Missing(..)));
    whole.run.forced |= !faults.is_empty();
    if let Some(earliest) = parts.iter().min_by_key(|part| part.run.started_ns) {
        whole.run.started_ns = earliest.run.started_ns;
        whole.run.started.clone_from(&earliest.run.started);
    }
    whole.host = hosts(parts);
    whole.phases = phases(parts);
    whole.generator = generator(parts);
    whole.clock = clock(parts);
    let asked = parts.iter().filter_map(|part| part.rates.asked);
    whole.rates.asked = asked.reduce(|sum, rate| sum + rate);
    let mut intervals: BTreeMap<(Phase, u32), Interval> = BTreeMap::new();
    let mut streams: BTreeMap<u32, StreamCount> = BTreeMap::new();
    for part in parts {
        whole.counts.merge(&part.counts);
        whole.latency_us.merge(&part.latency_us);
        part.errors.iter().for_each(|error| ErrorCount::merge_into(&mut whole.errors, error));
        for warning in &part.warnings {
            if !whole.warnings.contains(warning) {
                whole.warnings.push(warning.clone());
            }
        }
        add_intervals(&mut intervals, &part.intervals)?;
        for stream in &part.streams {
            let sum = streams.entry(stream.stream).or_default();
            sum.stream = stream.stream;
            sum.merge(stream);
        }
        add_storm(&mut whole, part);
    }
    whole.intervals = intervals.into_values().collect();
    whole.streams = streams.into_values().collect();
    whole.warnings.extend(faults.iter().map(|fault| format!("merged by force: {fault}")));
    whole.verdict = failures(parts);
    whole.conclude(conditions);
    Ok(whole)
}

/// What speaks against merging.
fn check(parts: &[RunResult]) -> Vec<MergeError> {
    let [first, ..] = parts else { return vec![MergeError::Nothing] };
    let mut faults = Vec::new();
    let mut seen = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        let Segment(number, of) = part.run.segment;
        if matches!(part.run.mode.as_str(), "find" | "calibrate") {
            faults.push(MergeError::Mode(part.run.mode.clone()));
        }
        if part.run.config_sha256 != first.run.config_sha256 {
            let short = |hash: &str| hash.chars().take(12).collect::<String>();
            let (other, own) = (short(&part.run.config_sha256), short(&first.run.config_sha256));
            faults.push(MergeError::OtherLoad(index + 1, other, own));
        }
        if of != first.run.segment.1 {
            faults.push(MergeError::OtherDivision(first.run.segment.1, of));
        }
        if seen.insert(number, ()).is_some() {
            faults.push(MergeError::Twice(number, of));
        }
        if part.intervals.is_empty() && !part.series.is_empty() {
            faults.push(MergeError::Published(index + 1));
        }
    }
    let of = first.run.segment.1;
    // A file may say that there are billions.
    let missing = (0..of).filter(|number| !seen.contains_key(number)).take(8);
    faults.extend(missing.map(|number| MergeError::Missing(number, of)));
    let starts = || parts.iter().map(|part| part.run.started_ns);
    let skew = starts().max().unwrap_or(0).saturating_sub(starts().min().unwrap_or(0));
    if skew > START_SKEW_NS_MAX {
        faults.push(MergeError::Skew(skew / 1_000_000));
    }
    faults
}

/// What a segment could not carry out, the whole could not either.
fn failures(parts: &[RunResult]) -> Verdict {
    let failed = || parts.iter().filter(|part| part.verdict.status == Status::Error);
    let reasons = failed().flat_map(|part| {
        let number = part.run.segment.0;
        part.verdict.reasons.iter().map(move |reason| format!("segment {number}: {reason}"))
    });
    match failed().next() {
        Some(part) => {
            Verdict { status: Status::Error, exit_code: part.verdict.exit_code, reasons: reasons.collect() }
        }
        None => Verdict::default(),
    }
}

/// The machines, each once however many segments ran on it.
fn hosts(parts: &[RunResult]) -> Host {
    let mut seen: Vec<&Host> = Vec::new();
    for part in parts {
        if !seen.iter().any(|host| host.name == part.host.name) {
            seen.push(&part.host);
        }
    }
    let joined = |texts: Vec<&str>| {
        let mut unique = texts;
        unique.dedup();
        unique.join(", ")
    };
    Host {
        name: joined(seen.iter().map(|host| host.name.as_str()).collect()),
        kernel: joined(seen.iter().map(|host| host.kernel.as_str()).collect()),
        cpus: seen.iter().fold(0, |sum, host| sum.saturating_add(host.cpus)),
        calibrated_msgs_per_s: seen.iter().filter_map(|host| host.calibrated_msgs_per_s).reduce(|a, b| a + b),
    }
}

/// Segments run beside each other, so that each phase takes as long as the longest.
fn phases(parts: &[RunResult]) -> Phases {
    let longest = |of: fn(&Phases) -> f64| parts.iter().map(|part| of(&part.phases)).fold(0.0, f64::max);
    let steady: Vec<_> = parts.iter().filter_map(|part| part.phases.steady).collect();
    Phases {
        connect_s: longest(|phases| phases.connect_s),
        subscribe_s: longest(|phases| phases.subscribe_s),
        warmup_s: longest(|phases| phases.warmup_s),
        measure_s: longest(|phases| phases.measure_s),
        drain_s: longest(|phases| phases.drain_s),
        steady: (!steady.is_empty()).then(|| steady.iter().all(|is_steady| *is_steady)),
        steady_after_s: parts.iter().filter_map(|part| part.phases.steady_after_s).reduce(f64::max),
    }
}

fn generator(parts: &[RunResult]) -> Generator {
    let mut whole = Generator::default();
    let (mut writes, mut written, mut bytes, mut clients) = (0.0, 0.0, 0.0, 0.0);
    for part in parts {
        let one = &part.generator;
        whole.cpu_s += one.cpu_s;
        whole.threads.extend(one.threads.iter().cloned());
        whole.rss_bytes = whole.rss_bytes.saturating_add(one.rss_bytes);
        whole.steal_pct = whole.steal_pct.max(one.steal_pct);
        bytes += one.bytes_per_client as f64 * part.run.clients as f64;
        clients += part.run.clients as f64;
        if let Some(messages) = one.messages_per_write.filter(|messages| *messages > 0.0) {
            written += part.counts.sent as f64;
            writes += part.counts.sent as f64 / messages;
        }
        if part.latency_us.lag.is_empty() {
            whole.lag_p99_us = whole.lag_p99_us.max(one.lag_p99_us);
        }
        whole.own_lag_p99_us = whole.own_lag_p99_us.max(one.own_lag_p99_us);
        if one.status > whole.status {
            whole.status = one.status;
            let number = part.run.segment.0;
            whole.reason = one.reason.as_ref().map(|reason| format!("segment {number}: {reason}"));
        }
    }
    // Between zero and the largest of the parts.
    whole.bytes_per_client = if clients > 0.0 { (bytes / clients) as u64 } else { 0 };
    whole.messages_per_write = (writes > 0.0).then_some(written / writes);
    whole
}

fn clock(parts: &[RunResult]) -> super::result::Clock {
    let mut whole = super::result::Clock::default();
    for part in parts {
        if part.clock.mode != super::result::ClockMode::Shared {
            whole.mode = part.clock.mode;
        }
        whole.error_us = whole.error_us.max(part.clock.error_us);
        whole.negative = whole.negative.saturating_add(part.clock.negative);
    }
    whole
}

fn add_intervals(
    sum: &mut BTreeMap<(Phase, u32), Interval>,
    intervals: &[Interval],
) -> Result<(), HistogramError> {
    for interval in intervals {
        match sum.entry((interval.phase, interval.second)) {
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().merge(interval)?,
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(interval.clone());
            }
        }
    }
    Ok(())
}

/// The whole is back when its last segment is.
fn add_storm(whole: &mut RunResult, part: &RunResult) {
    let Some(theirs) = &part.storm else { return };
    let Some(ours) = &mut whole.storm else {
        whole.storm = Some(theirs.clone());
        return;
    };
    let later =
        |ours: Option<f64>, theirs: Option<f64>| ours.zip(theirs).map(|(ours, theirs)| ours.max(theirs));
    ours.clients = ours.clients.saturating_add(theirs.clients);
    ours.served = ours.served.saturating_add(theirs.served);
    ours.awaited = ours.awaited.saturating_add(theirs.awaited);
    ours.unfinished_s = ours.unfinished_s.into_iter().chain(theirs.unfinished_s).reduce(f64::max);
    ours.recovered_s = later(ours.recovered_s, theirs.recovered_s);
    ours.drained_s = later(ours.drained_s, theirs.drained_s);
    for (name, figure) in &theirs.figures {
        let mine = ours.figures.entry(name.clone()).or_insert(0.0);
        *mine = if name.ends_with("per second") { *mine + *figure } else { mine.max(*figure) };
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
