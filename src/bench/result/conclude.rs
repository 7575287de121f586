//! From what was counted to what it means: rates, series, gates, verdict.

use super::{
    Generator, GeneratorStatus, Interval, Phase, RunResult, SeriesPoint, Status, StreamCount, Thread,
};
use crate::bench::steady;
use crate::bench::text;
use crate::bench::threshold::{self, Condition, Metric};

/// Exit status: everything held.
pub const EXIT_OK: u8 = 0;
/// Exit status: the run could not be carried out.
pub const EXIT_FAILURE: u8 = 1;
/// Exit status: the command line makes no sense.
pub const EXIT_USAGE: u8 = 2;
/// Exit status: not one connection was accepted.
pub const EXIT_NO_CONNECTION: u8 = 3;
/// Exit status: a gate did not hold.
pub const EXIT_GATE: u8 = 4;
/// Exit status: saturated, or not steady, under `--strict`.
pub const EXIT_UNTRUSTED: u8 = 5;
/// Exit status: the protocol's promises were not kept.
pub const EXIT_VIOLATION: u8 = 6;
/// Exit status: interrupted; the summary is printed and the files are whole.
pub const EXIT_INTERRUPTED: u8 = 130;

/// A thread above this share of its processor may add latency of its own.
const SUSPECT_PERCENT: f64 = 80.0;
/// A thread above this share of its processor is the limit.
const SATURATED_PERCENT: f64 = 95.0;
/// Lag up to this is held against nobody: on a machine that also does something else a thread waits about as long for its
/// processor, and lag and service latency are told apart beside it.
const LAG_FLOOR_MICROSECONDS: u64 = 1000;

/// Messages of which the latest one in a hundred says something about the generator.
const TAIL_MESSAGES: u64 = 500;

impl RunResult {
    /// Derives everything that follows from the counts, the histograms and the gates; doing it again changes nothing.
    ///
    /// What could not be carried out at all (`verdict.status` is [`Status::Error`]) stays so.
    pub fn conclude(&mut self, conditions: &[Condition]) {
        super::SCHEMA.clone_into(&mut self.schema);
        self.sum_streams();
        self.derive_rates();
        let has_tail = self.latency_us.lag.count() >= TAIL_MESSAGES;
        self.generator.conclude(self.latency_us.headline().percentile(50.0), has_tail);
        if !self.intervals.is_empty() {
            self.series = self.intervals.iter().map(point).collect();
        }
        let implied = implied_conditions(conditions);
        self.thresholds.retain(|threshold| threshold.baseline);
        let checked: Vec<_> =
            conditions.iter().chain(&implied).map(|condition| condition.check(self)).collect();
        self.thresholds.splice(0..0, checked);
        self.judge();
    }

    /// Judges whether the last measured seconds were steady, and lets the run fail if not (`--steady`).
    pub fn judge_steady(&mut self) {
        let (from, until) = (self.phases.warmup_s, self.phases.warmup_s + self.phases.measure_s);
        // A second in which the phase changed is a short one, which says nothing about the rate.
        let is_whole = |interval: &&Interval| {
            let second = f64::from(interval.second);
            interval.phase == Phase::Measure && second >= from - 1e-3 && second + 1.0 <= until + 1e-3
        };
        let windows: Vec<_> = self.intervals.iter().filter(is_whole).map(Interval::window).collect();
        let was_steady = self.phases.steady.unwrap_or(true);
        self.phases.steady = Some(was_steady && steady::is_steady(&windows));
        self.run.demands_steady = true;
    }

    /// The counts of deliveries are the sums of the streams', where those are known.
    fn sum_streams(&mut self) {
        if self.streams.is_empty() {
            return;
        }
        let mut sum = StreamCount::default();
        let mut lost = 0_u64;
        for stream in &self.streams {
            sum.merge(stream);
            lost = lost.saturating_add(stream.lost());
        }
        let counts = &mut self.counts;
        counts.expected = sum.expected;
        counts.received = sum.received;
        counts.duplicate = sum.duplicate;
        counts.duplicate_flagged = sum.duplicate_flagged;
        counts.reordered = sum.reordered;
        counts.lost = if self.run.crosses_segments { 0 } else { lost };
    }

    fn derive_rates(&mut self) {
        let seconds = self.phases.measure_s;
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        self.rates.sent = per_second(self.counts.sent);
        self.rates.received = per_second(self.counts.received);
        let generator = &mut self.generator;
        let messages = self.counts.sent.saturating_add(self.counts.received);
        generator.cpu_s_per_million =
            if messages > 0 { generator.cpu_s / messages as f64 * 1e6 } else { 0.0 };
        if generator.lag_p99_us == 0 {
            generator.lag_p99_us = self.latency_us.lag.percentile(99.0);
        }
    }

    fn judge(&mut self) {
        if self.verdict.status == Status::Error {
            return;
        }
        self.verdict = super::Verdict::default();
        let counts = &self.counts;
        if counts.connect_ok == 0 && counts.connect_failures() > 0 {
            self.verdict.status = Status::Error;
            self.verdict.exit_code = EXIT_NO_CONNECTION;
            self.verdict
                .reasons
                .push(format!("not one connection was accepted: {}", self.connect_failure_text()));
            return;
        }
        let violations = self.violations();
        let mut gates: Vec<_> =
            self.thresholds.iter().filter(|threshold| !threshold.pass).map(broken).collect();
        if let Some(storm) = &self.storm
            && let Some(length) = storm.unfinished_s
        {
            let (served, clients) = (text::grouped(storm.served), text::grouped(storm.clients));
            let length = text::seconds(length);
            gates.push(format!("the storm was not over after {length}: {served} of {clients} were served"));
        }
        let not_steady = self.phases.steady == Some(false);
        let (strict, demands_steady) = (self.run.strict, self.run.demands_steady);
        let untrusted = (strict && self.generator.status != GeneratorStatus::Ok)
            || ((strict || demands_steady) && not_steady);
        let verdict = &mut self.verdict;
        verdict.exit_code = match () {
            () if self.run.interrupted => EXIT_INTERRUPTED,
            () if !violations.is_empty() => EXIT_VIOLATION,
            () if !gates.is_empty() => EXIT_GATE,
            () if untrusted => EXIT_UNTRUSTED,
            () => EXIT_OK,
        };
        verdict.status = match self.generator.status {
            _ if !violations.is_empty() || !gates.is_empty() => Status::Fail,
            GeneratorStatus::Saturated => Status::Saturated,
            GeneratorStatus::Suspect => Status::Suspect,
            GeneratorStatus::Ok if untrusted => Status::Fail,
            GeneratorStatus::Ok => Status::Pass,
        };
        let absent = self.run.clients.saturating_sub(self.counts.connect_ok);
        if absent > 0 && verdict.status == Status::Pass {
            verdict.status = Status::Suspect;
        }
        verdict.reasons.extend(violations);
        verdict.reasons.extend(gates);
        if absent > 0 {
            let (absent, clients) = (text::grouped(absent), text::grouped(self.run.clients));
            verdict.reasons.push(format!("{absent} of {clients} clients never connected"));
        }
        verdict.reasons.extend(self.generator.reason.clone());
        if not_steady {
            verdict
                .reasons
                .push("throughput or median latency was still moving. Try a longer --warmup".into());
        }
        if self.run.interrupted {
            verdict.reasons.push("interrupted: the figures are of the time until then".into());
        }
    }

    /// What the protocol promises and was not kept.
    fn violations(&self) -> Vec<String> {
        let (counts, run) = (&self.counts, &self.run);
        let allowed = |kind: &str| run.allowed.iter().any(|word| word == kind);
        let sessions_lost = run.clean_sessions && counts.disconnects > 0;
        let mut found = Vec::new();
        if run.qos >= 1 && counts.lost > 0 && !sessions_lost && !allowed("loss") {
            let (lost, expected) = (text::grouped(counts.lost), text::grouped(counts.expected));
            found.push(format!("{lost} of {expected} deliveries were lost at QoS {}", run.qos));
        }
        if run.qos == 2 && counts.duplicate > 0 && !sessions_lost && !allowed("duplicate") {
            found.push(format!("{} messages were delivered twice at QoS 2", text::grouped(counts.duplicate)));
        }
        if counts.reordered > 0 && !run.shared && !allowed("reorder") {
            found.push(format!(
                "{} messages overtook others of their stream",
                text::grouped(counts.reordered)
            ));
        }
        found
    }

    /// The reasons of the connections that failed, most frequent first.
    #[must_use]
    pub fn connect_failure_text(&self) -> String {
        let mut reasons: Vec<_> = self.counts.connect_fail.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons: Vec<_> = reasons
            .into_iter()
            .map(|(reason, count)| format!("{reason} {}", text::grouped(*count)))
            .collect();
        reasons.join(", ")
    }
}

/// Gates on anything imply that everything due was sent: else a latency is that of the messages that were easy to send.
fn implied_conditions(conditions: &[Condition]) -> Vec<Condition> {
    let unsent = Metric::Count(threshold::Count::Unsent);
    if conditions.is_empty() || conditions.iter().any(|condition| condition.metric == unsent) {
        return Vec::new();
    }
    threshold::parse("unsent=0").expect("the text is a condition")
}

fn broken(threshold: &super::Threshold) -> String {
    format!("{} does not hold: {}", threshold.expr, threshold.text)
}

fn point(interval: &Interval) -> SeriesPoint {
    // Texts from files were checked when they were read.
    let latency = interval.latency.headline().unwrap_or_default();
    SeriesPoint {
        t: f64::from(interval.second),
        phase: interval.phase,
        sent: interval.sent,
        received: interval.received,
        p50: latency.percentile(50.0),
        p99: latency.percentile(99.0),
        max: latency.max(),
        cpu_pct: (interval.cpu_pct * 10.0).round() / 10.0,
    }
}

impl Generator {
    /// Raises the status when the figures ask for it; what the engine found itself stays.
    ///
    /// `has_tail`: enough messages were sent for their 99th percentile to be more than an accident.
    fn conclude(&mut self, median_microseconds: u64, has_tail: bool) {
        let busiest = self.threads.iter().map(|thread: &Thread| thread.cpu_pct).fold(0.0, f64::max);
        let own_lag = self.own_lag_p99_us.unwrap_or(self.lag_p99_us);
        let lag_limit = LAG_FLOOR_MICROSECONDS.max(median_microseconds / 10);
        let (status, reason) = if busiest > SATURATED_PERCENT {
            let reason = format!(
                "the generator ran at {busiest:.0} % of its core; rates are a lower bound. Try --threads or --segment"
            );
            (GeneratorStatus::Saturated, reason)
        } else if busiest > SUSPECT_PERCENT {
            let reason = format!(
                "the generator ran at {busiest:.0} % of its core; latencies may be its own. Try --threads or --segment"
            );
            (GeneratorStatus::Suspect, reason)
        } else if has_tail && own_lag > lag_limit && median_microseconds > 0 {
            let lag = text::latency(own_lag as f64);
            let reason = format!(
                "one in a hundred messages was written {lag} after it could have been or later, for want of a processor: latencies \
                 from the due time hold that as well, service latencies do not. Try a quieter machine or a lower --rate"
            );
            (GeneratorStatus::Suspect, reason)
        } else {
            return;
        };
        if status > self.status {
            self.status = status;
            self.reason = Some(reason);
        }
    }
}

impl Interval {
    /// Whether the interval belongs to the result.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.phase == Phase::Measure
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorCount;
    use super::*;

    fn run() -> RunResult {
        let mut result = RunResult::default();
        result.counts.connect_ok = 2;
        result.counts.sent = 100;
        result.counts.expected = 100;
        result.counts.received = 100;
        result.phases.measure_s = 2.0;
        result
    }

    fn concluded(change: impl FnOnce(&mut RunResult), conditions: &str) -> (Status, u8) {
        let mut result = run();
        change(&mut result);
        let conditions =
            if conditions.is_empty() { Vec::new() } else { threshold::parse(conditions).unwrap() };
        result.conclude(&conditions);
        let first = result.clone();
        result.conclude(&conditions);
        assert_eq!(first, result, "concluding twice changes nothing");
        assert_eq!(result.verdict.status == Status::Pass, result.verdict.reasons.is_empty());
        (result.verdict.status, result.verdict.exit_code)
    }

    #[test]
    fn each_ending_has_its_status() {
        assert_eq!(concluded(|_| (), ""), (Status::Pass, EXIT_OK));
        assert_eq!(concluded(|_| (), "loss=0"), (Status::Pass, EXIT_OK));
        assert_eq!(concluded(|_| (), "p99<1s"), (Status::Fail, EXIT_GATE));
        assert_eq!(concluded(|run| run.counts.unsent = 1, "loss=0"), (Status::Fail, EXIT_GATE));
        assert_eq!(concluded(|run| run.counts.unsent = 1, "loss=0,unsent<2"), (Status::Pass, EXIT_OK));
        let unreachable = |run: &mut RunResult| {
            run.counts.connect_ok = 0;
            run.counts.connect_fail.insert("refused".into(), 3);
        };
        assert_eq!(concluded(unreachable, "loss=0"), (Status::Error, EXIT_NO_CONNECTION));
    }

    #[test]
    fn a_violation_depends_on_the_qos_and_on_what_is_allowed() {
        let lost = |qos, allowed: &[&str]| {
            let allowed: Vec<_> = allowed.iter().map(|word| (*word).to_owned()).collect();
            concluded(|run| (run.counts.lost, run.run.qos, run.run.allowed) = (1, qos, allowed), "")
        };
        assert_eq!(lost(0, &[]), (Status::Pass, EXIT_OK));
        assert_eq!(lost(1, &[]), (Status::Fail, EXIT_VIOLATION));
        assert_eq!(lost(1, &["loss"]), (Status::Pass, EXIT_OK));
        let twice = |qos| concluded(|run| (run.counts.duplicate, run.run.qos) = (1, qos), "");
        assert_eq!((twice(1), twice(2)), ((Status::Pass, EXIT_OK), (Status::Fail, EXIT_VIOLATION)));
        let overtaken = |shared| concluded(|run| (run.counts.reordered, run.run.shared) = (1, shared), "");
        assert_eq!((overtaken(true).1, overtaken(false).1), (EXIT_OK, EXIT_VIOLATION));
    }

    #[test]
    fn a_busy_generator_is_told() {
        let busy = |cpu_pct, strict| {
            let threads = vec![Thread { cpu_pct, max_turn_us: 0 }];
            concluded(|run| (run.generator.threads, run.run.strict) = (threads, strict), "")
        };
        assert_eq!(busy(79.0, true), (Status::Pass, EXIT_OK));
        assert_eq!(busy(81.0, false), (Status::Suspect, EXIT_OK));
        assert_eq!(busy(96.0, false), (Status::Saturated, EXIT_OK));
        assert_eq!(busy(96.0, true), (Status::Saturated, EXIT_UNTRUSTED));
        let late = |median, microseconds| {
            concluded(
                |run| {
                    run.latency_us.e2e.record_microseconds(median);
                    (0..TAIL_MESSAGES).for_each(|_| run.latency_us.lag.record_microseconds(microseconds));
                },
                "",
            )
        };
        assert_eq!((late(300, 990).0, late(300, 1100).0), (Status::Pass, Status::Suspect));
        assert_eq!((late(20_000, 1900).0, late(20_000, 2300).0), (Status::Pass, Status::Suspect));
    }

    #[test]
    fn lag_that_the_broker_makes_is_not_held_against_the_generator() {
        let late = |own| {
            concluded(
                |run| {
                    run.latency_us.e2e.record_microseconds(20_000);
                    (0..TAIL_MESSAGES).for_each(|_| run.latency_us.lag.record_microseconds(1_700_000));
                    run.generator.own_lag_p99_us = Some(own);
                },
                "",
            )
        };
        assert_eq!((late(1900).0, late(2300).0), (Status::Pass, Status::Suspect));
    }

    #[test]
    fn streams_decide_about_deliveries() {
        let mut result = run();
        result.streams = vec![
            StreamCount { stream: 0, sent: 10, expected: 10, received: 9, ..StreamCount::default() },
            StreamCount {
                stream: 1,
                sent: 10,
                expected: 10,
                received: 10,
                duplicate: 2,
                ..StreamCount::default()
            },
        ];
        result.conclude(&[]);
        assert_eq!((result.counts.expected, result.counts.lost, result.counts.duplicate), (20, 1, 2));
        result.run.crosses_segments = true;
        result.conclude(&[]);
        assert_eq!(result.counts.lost, 0, "whose deliveries are counted elsewhere");
    }

    #[test]
    fn errors_of_one_kind_add() {
        let error = |kind: &str| ErrorCount { kind: kind.into(), count: 2, example: "x".into() };
        let mut all = vec![error("a")];
        ErrorCount::merge_into(&mut all, &error("a"));
        ErrorCount::merge_into(&mut all, &error("b"));
        assert_eq!(all.iter().map(|error| error.count).collect::<Vec<_>>(), [4, 2]);
    }
}
