//! Adds up what the workers tell, and makes the result of it.

use super::phases::seconds;
use crate::bench::histogram::Histogram;
use crate::bench::machine;
use crate::bench::payload::StampForm;
use crate::bench::plan::{Mode, Plan, Role};
use crate::bench::result::{
    Clock, ClockMode, Generator, Host, Interval, IntervalLatencies, Latencies, Phase, Phases, Run as RunInfo,
    RunResult, Segment, StreamCount, Thread,
};
use crate::bench::result::{Counts, ErrorCount};
use crate::bench::steady::Window;
use crate::bench::verdict;
use crate::bench::worker::shared::{Report, Shared};
use crate::bench::worker::tally::{Outcome, Tally};
use crate::packet::topic::matches;
use std::collections::{BTreeMap, HashSet};

/// Seconds that are kept open for workers that are late to tell.
const OPEN_SECONDS: u32 = 3;

/// From this many clients on their share of the memory means something.
const CLIENTS_TOLD: u32 = 1000;

/// What the coordinator knows of a run.
pub(super) struct Run {
    pub(super) phases: Phases,
    pub(super) clients: u32,
    pub(super) started_ns: u64,
    pub(super) resident_before: u64,
    pub(super) resident: u64,
    pub(super) steal: (u64, u64),
    pub(super) interrupted: bool,
}

/// What the workers have told so far.
#[derive(Default)]
pub(super) struct Collected {
    open: BTreeMap<(u32, Phase), Tally>,
    intervals: Vec<Interval>,
    warm_up_windows: Vec<Window>,
    latencies: Latencies,
    last_second: (u64, u64, u64),
    outcomes: Vec<Outcome>,
}

impl Collected {
    pub(super) fn take(&mut self, report: Report) {
        match report {
            Report::Tally(tally) => {
                let newest = tally.second;
                let key = (tally.second, tally.phase);
                match self.open.get_mut(&key) {
                    Some(open) => open.merge(&tally),
                    None => {
                        self.open.insert(key, *tally);
                    }
                }
                while let Some((&(second, phase), _)) = self.open.first_key_value()
                    && second + OPEN_SECONDS < newest
                {
                    self.close((second, phase));
                }
                if let Some((_, tally)) = self.open.range(..(newest, Phase::Connect)).next_back() {
                    self.last_second = shown(&tally.latency);
                }
            }
            Report::Done(outcome) => self.outcomes.push(*outcome),
        }
    }

    /// When each client of a storm had all it waited for.
    pub(super) fn completion(&self) -> Histogram {
        let mut completion = Histogram::default();
        self.outcomes.iter().for_each(|outcome| completion.merge(&outcome.completion));
        completion
    }

    /// How many workers have ended.
    pub(super) fn done(&self) -> usize {
        self.outcomes.len()
    }

    /// What each whole second of the warm-up brought.
    pub(super) fn warm_up_windows(&self) -> &[Window] {
        &self.warm_up_windows
    }

    /// Median, 99th percentile and maximum of the last whole second in microseconds.
    pub(super) const fn last_second(&self) -> (u64, u64, u64) {
        self.last_second
    }

    /// Adds a second to the totals and keeps its packed form.
    fn close(&mut self, key: (u32, Phase)) {
        let Some(tally) = self.open.remove(&key) else { return };
        if matches!(tally.phase, Phase::Measure | Phase::Drain) {
            let connections = Latencies {
                connect: self.latencies.connect.clone(),
                tls: self.latencies.tls.clone(),
                ..Latencies::default()
            };
            self.latencies.merge(&tally.latency);
            (self.latencies.connect, self.latencies.tls) = (connections.connect, connections.tls);
        }
        self.latencies.connect.merge(&tally.latency.connect);
        self.latencies.tls.merge(&tally.latency.tls);
        if tally.phase == Phase::Warmup {
            let messages = if tally.received > 0 { tally.received } else { tally.sent };
            let p50_us = tally.latency.headline().percentile(50.0);
            self.warm_up_windows.push(Window { messages, p50_us });
        }
        let latency = IntervalLatencies {
            e2e: tally.latency.e2e.pack(),
            service: tally.latency.service.pack(),
            ack: tally.latency.ack.pack(),
            lag: tally.latency.lag.pack(),
            connect: tally.latency.connect.pack(),
        };
        self.intervals.push(Interval {
            phase: tally.phase,
            second: tally.second,
            sent: tally.sent,
            acked: tally.acked,
            received: tally.received,
            connected: tally.connected,
            latency,
            ..Interval::default()
        });
    }

    /// The result of the run, its verdict not yet drawn.
    pub(super) fn into_result(mut self, shared: &Shared, run: &Run) -> RunResult {
        while let Some((&key, _)) = self.open.first_key_value() {
            self.close(key);
        }
        let plan = &shared.plan;
        let mut counts = Counts::default();
        let mut errors = Vec::new();
        let mut streams: BTreeMap<u32, StreamCount> = BTreeMap::new();
        for outcome in &self.outcomes {
            counts.merge(&outcome.counts);
            outcome.errors.iter().for_each(|error| ErrorCount::merge_into(&mut errors, error));
            for (number, count) in &outcome.streams {
                let stream = streams.entry(*number).or_default();
                stream.merge(count);
                stream.stream = *number;
            }
        }
        if plan.message.stamp == StampForm::Off {
            counts.lost = counts.expected.saturating_sub(counts.received);
            streams.clear();
        }
        if plan.load.schedule.is_none() {
            counts.asked = counts.sent;
        }
        let generator = self.generator(&counts, run);
        let unsynced: u64 = self.outcomes.iter().map(|outcome| outcome.unsynced).sum();
        let mut result = RunResult {
            run: info(plan, run),
            host: Host {
                name: machine::host_name(),
                cpus: u32::try_from(machine::processors()).unwrap_or(u32::MAX),
                kernel: machine::kernel(),
                calibrated_msgs_per_s: None,
            },
            phases: run.phases.clone(),
            clock: Clock {
                mode: match plan.mode {
                    Mode::Request => ClockMode::Reflect,
                    _ if shared.peers.is_some() => ClockMode::Estimated,
                    _ => ClockMode::Shared,
                },
                error_us: self.outcomes.iter().map(|all| all.clock_bound).max().unwrap_or(0).div_ceil(1000),
                negative: self.outcomes.iter().map(|outcome| outcome.negative).sum(),
            },
            counts,
            latency_us: self.latencies,
            generator,
            errors,
            packets: self
                .outcomes
                .iter()
                .fold((0, 0), |(out, read), outcome| (out + outcome.packets_out, read + outcome.packets_in)),
            intervals: self.intervals,
            streams: streams.into_values().collect(),
            ..RunResult::default()
        };
        let asked = plan.rate_asked_from(result.phases.warmup_s).map(|rate| rate * plan.rate_share());
        result.rates.asked = asked.filter(|_| result.counts.asked > 0);
        result.warnings = warnings(&result, plan);
        if unsynced > 0 {
            result.warnings.push(format!(
                "the clock behind {} messages was not known, so their latencies are left out. Give its side --sync-clocks \
                 as well",
                crate::bench::text::grouped(unsynced)
            ));
        }
        result
    }

    fn generator(&self, counts: &Counts, run: &Run) -> Generator {
        let nanos: u64 = self.outcomes.iter().map(|outcome| outcome.cpu_nanos).sum();
        let measured = run.phases.measure_s.max(1e-9);
        let threads = self.outcomes.iter().map(|outcome| Thread {
            cpu_pct: (seconds(outcome.cpu_nanos) / measured * 1000.0).round() / 10.0,
            max_turn_us: outcome.turn_max_nanos / 1000,
        });
        let (writes, written) = self.outcomes.iter().fold((0, 0), |(writes, written), outcome| {
            (writes + outcome.writes, written + outcome.messages_written)
        });
        let added = run.resident.saturating_sub(run.resident_before);
        #[allow(clippy::cast_precision_loss)] // shares
        let mut generator = Generator {
            cpu_s: seconds(nanos),
            threads: threads.collect(),
            rss_bytes: run.resident,
            // Threads and buffers would be most of a small fleet's share.
            bytes_per_client: if run.clients >= CLIENTS_TOLD { added / u64::from(run.clients) } else { 0 },
            steal_pct: (run.steal.0 as f64 * 1000.0 / run.steal.1.max(1) as f64).round() / 10.0,
            messages_per_write: (writes > 0)
                .then(|| (written as f64 / writes as f64 * 100.0).round() / 100.0),
            ..Generator::default()
        };
        let mut own_lag = Histogram::default();
        self.outcomes.iter().for_each(|outcome| own_lag.merge(&outcome.own_lag));
        generator.own_lag_p99_us = (!own_lag.is_empty()).then(|| own_lag.percentile(99.0));
        let unsent_own = self.outcomes.iter().map(|outcome| outcome.unsent_own).sum();
        verdict::judge_sending(&mut generator, counts.asked, unsent_own);
        generator
    }
}

/// Median, 99th percentile and maximum of what a person watches.
fn shown(latencies: &Latencies) -> (u64, u64, u64) {
    let histogram = latencies.headline();
    (histogram.percentile(50.0), histogram.percentile(99.0), histogram.max())
}

fn info(plan: &Plan, run: &Run) -> RunInfo {
    let delivered = plan.message.qos.min(plan.subscription.options.maximum_qos);
    RunInfo {
        id: format!("{:06x}", plan.run),
        started_ns: run.started_ns,
        segment: Segment(plan.segment.0, plan.segment.1),
        mode: plan.mode.word().to_owned(),
        clients: u64::from(run.clients),
        qos: if plan.mode == Mode::Publish { plan.message.qos as u8 } else { delivered as u8 },
        closed_loop: plan.load.schedule.is_none()
            && plan.mode != Mode::Subscribe
            && plan.mode != Mode::Connect,
        shared: plan.subscription.share.is_some(),
        clean_sessions: plan.identity.connect.clean_start,
        crosses_segments: plan.segment.1 > 1 && crosses_segments(plan),
        interrupted: run.interrupted,
        ..RunInfo::default()
    }
}

/// Whether a subscriber of this segment hears publishers of others.
fn crosses_segments(plan: &Plan) -> bool {
    if plan.mode != Mode::Run {
        return false;
    }
    let whole = Plan { segment: (0, 1), ..plan.clone() };
    let others = whole
        .members()
        .filter(|member| member.role == Role::Publisher && member.index % plan.segment.1 != plan.segment.0);
    let names: HashSet<String> = others.map(|member| whole.topic(member)).collect();
    let own = plan.members().filter(|member| member.role == Role::Subscriber);
    let filters: HashSet<String> = own.flat_map(|member| plan.filters(member)).collect();
    let is_plain = |filter: &String| !filter.contains(['+', '#']);
    filters.iter().any(|filter| {
        if is_plain(filter) { names.contains(filter) } else { names.iter().any(|name| matches(filter, name)) }
    })
}

fn warnings(result: &RunResult, plan: &Plan) -> Vec<String> {
    let mut warnings = Vec::new();
    let latencies = result.latency_us.headline();
    let is_idle = result.generator.threads.iter().all(|thread| thread.cpu_pct < 50.0);
    if is_idle && (verdict::shows_nagle(latencies) || verdict::shows_nagle(&result.latency_us.ack)) {
        warnings.push(
            "latencies cluster at 40 to 45 ms while both ends idle: Nagle's algorithm on the broker's side waits for \
             delayed acknowledgements. Turn it off there (mosquitto: set_tcp_nodelay true)"
                .to_owned(),
        );
    }
    if plan.mode == Mode::Run && plan.message.stamp == StampForm::Off {
        let is_small = plan.message.payload.bytes_min() < StampForm::Short.bytes();
        let (why, remedy) = match is_small {
            true => ("the payload has no room for a stamp (8 bytes)", "--size 16 or --stamp property"),
            false => ("messages carry no stamp", "--stamp property, in MQTT 5, or --size without --stamp"),
        };
        warnings.push(format!("{why}, so latency, duplicates and order are not measured. Try {remedy}"));
    }
    warnings
}
