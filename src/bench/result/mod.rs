//! What a run found out, in the form of schema `bench/1`.
//!
//! The schema is additive: a later version may say more, and a reader passes over what it does not know. Integers are
//! counted, histograms are kept whole, and everything else (rates, percentiles, series, verdict) is derived from them by
//! [`RunResult::conclude`], so that merged segments say what one run of the same load would have said.

mod conclude;
mod counts;
pub mod file;
mod interval;
mod latency;
#[cfg(test)]
pub(crate) mod sample;

pub use conclude::{
    EXIT_FAILURE, EXIT_GATE, EXIT_INTERRUPTED, EXIT_NO_CONNECTION, EXIT_OK, EXIT_UNTRUSTED, EXIT_USAGE,
    EXIT_VIOLATION,
};
pub use counts::{Counts, ErrorCount, StreamCount};
pub use interval::{Interval, IntervalLatencies, Phase};
pub use latency::Latencies;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The name and version of the form.
pub const SCHEMA: &str = "bench/1";

/// One run, one segment of a run, or several of them merged.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RunResult {
    /// [`SCHEMA`].
    pub schema: String,
    /// The program that measured.
    pub tool: Tool,
    /// What was asked for.
    pub run: Run,
    /// Where it ran.
    pub host: Host,
    /// What came of it.
    pub verdict: Verdict,
    /// How long each phase took.
    pub phases: Phases,
    /// What was counted in the measured phase, connecting excepted.
    pub counts: Counts,
    /// Messages per second in the measured phase.
    pub rates: Rates,
    /// Latencies of the measured phase in microseconds, each with its full histogram.
    pub latency_us: Latencies,
    /// How the two ends of a message share their time.
    pub clock: Clock,
    /// Whether the generator itself was the limit.
    pub generator: Generator,
    /// The gates and how they came out.
    pub thresholds: Vec<Threshold>,
    /// One point a second, for timelines.
    pub series: Vec<SeriesPoint>,
    /// What went wrong, by kind.
    pub errors: Vec<ErrorCount>,
    /// What the reader should know before trusting a figure, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the broker's own counters say, with `--check-sys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_check: Option<CrossCheck>,
    /// The steps of `find`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub find: Vec<FindStep>,
    /// How the system came back, in `storm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm: Option<Storm>,
    /// PUBLISH packets written and read in the whole run, the warm-up's and repeated ones among them; never written.
    #[serde(skip)]
    pub packets: (u64, u64),
    /// What was counted in each second; only in the private file.
    #[serde(skip)]
    pub intervals: Vec<Interval>,
    /// What became of each stream; only in the private file.
    #[serde(skip)]
    pub streams: Vec<StreamCount>,
}

/// The program that measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Tool {
    /// `culex-bench`.
    pub name: String,
    /// The version of the package.
    pub version: String,
}

impl Default for Tool {
    fn default() -> Self {
        Self { name: "culex-bench".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// What was asked for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // each is a fact about the load
pub struct Run {
    /// The run's name, the same in every segment.
    pub id: String,
    /// When the first connection was attempted, RFC 3339.
    pub started: String,
    /// Nanoseconds from the start of 1970 to the first due time, by the wall clock; what merging checks the skew of.
    pub started_ns: u64,
    /// Which segment of how many; `[0, 1]` is the whole.
    pub segment: Segment,
    /// The options by their long names, defaults among them; secrets, the segment and where results go left out.
    pub config: Value,
    /// [`config_sha256`] of `config`: segments merge when they agree.
    pub config_sha256: String,
    /// `run`, `pub`, `sub`, `conn`, `rr`, `reflect`, `storm`, `find` or `calibrate`.
    pub mode: String,
    /// The load in one line, as the summary and the report show it.
    pub title: String,
    /// Clients of this segment.
    pub clients: u64,
    /// The QoS at which messages are delivered: the lower of the publishers' and the subscribers'.
    pub qos: u8,
    /// Whether a message is only sent once the last one was acknowledged, which hides stalls from latencies.
    pub closed_loop: bool,
    /// Whether messages go to one member of a group, where order is nobody's promise.
    pub shared: bool,
    /// Whether a lost connection loses its session, and what was under way with it.
    pub clean_sessions: bool,
    /// Kinds of violation that the user allowed: `loss`, `duplicate`, `reorder`.
    pub allowed: Vec<String>,
    /// Whether a suspect or saturated generator, or a load that was not steady, fails the run (`--strict`).
    pub strict: bool,
    /// Whether a load that was not steady fails the run (`--steady`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub demands_steady: bool,
    /// Whether the run was interrupted; what was measured until then stands.
    pub interrupted: bool,
    /// Whether receivers of this segment get messages from publishers of others, so that what is lost is only known once
    /// all segments are merged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub crosses_segments: bool,
    /// Merged in spite of a difference between the segments (`--force`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
}

/// Which segment of how many.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Segment(pub u32, pub u32);

impl Default for Segment {
    fn default() -> Self {
        Self(0, 1)
    }
}

/// Where it ran.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Host {
    /// The name of the machine; several are joined with commas.
    pub name: String,
    /// Processors that the program may use.
    pub cpus: u32,
    /// Name and release of the kernel.
    pub kernel: String,
    /// What this machine reaches against the built-in sink, by `bench calibrate`.
    pub calibrated_msgs_per_s: Option<f64>,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything held.
    #[default]
    Pass,
    /// A gate did not hold, or what the protocol promises was not kept.
    Fail,
    /// The generator was near its limit: the latencies may be its own.
    Suspect,
    /// The generator was the limit: the rates are lower bounds.
    Saturated,
    /// The run could not be carried out.
    Error,
}

/// What came of a run, why, and the program's exit status for it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Verdict {
    /// The word.
    pub status: Status,
    /// Each reason in one line, with the next thing to try.
    pub reasons: Vec<String>,
    /// 0 ok, 1 runtime failure, 2 usage, 3 no connection at all, 4 a gate, 5 saturated or not steady under `--strict`,
    /// 6 protocol violation, 130 interrupted.
    pub exit_code: u8,
}

/// How long each phase took, in seconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Phases {
    /// From the first attempt to the last CONNACK.
    pub connect_s: f64,
    /// Until the last SUBACK.
    pub subscribe_s: f64,
    /// Counted, but not in the result.
    pub warmup_s: f64,
    /// What the result is about.
    pub measure_s: f64,
    /// Waiting for what was still under way.
    pub drain_s: f64,
    /// Whether throughput and median latency had stopped moving; `None` when nobody looked.
    pub steady: Option<bool>,
    /// Seconds of load until that was so.
    pub steady_after_s: Option<f64>,
}

/// Messages per second in the measured phase.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Rates {
    /// By the schedule; `None` when the load is "as fast as it goes".
    pub asked: Option<f64>,
    /// Written to sockets.
    pub sent: f64,
    /// Read from sockets.
    pub received: f64,
}

/// How the two ends of a message share their time.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ClockMode {
    /// One process, one monotonic clock.
    #[default]
    Shared,
    /// Round trips: the far side sends back what it got.
    Reflect,
    /// Two clocks, whose offset was estimated.
    Estimated,
}

/// The clock, and how far to trust it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Clock {
    /// Which.
    pub mode: ClockMode,
    /// Bound of the error in microseconds; zero with one clock.
    pub error_us: u64,
    /// Latencies that came out below zero; not in the histograms, or, with an estimated offset, as zero.
    pub negative: u64,
}

/// Whether the generator itself was the limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GeneratorStatus {
    /// It had time to spare.
    #[default]
    Ok,
    /// A thread was above 80 %, or its own lag at the 99th percentile above 1 ms and a tenth of the median latency.
    Suspect,
    /// A thread was above 95 %, or less than 99 % of what was asked was sent though the sockets would have taken it.
    Saturated,
}

/// What the generator itself used.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Generator {
    /// Processor seconds of the process in the measured phase.
    pub cpu_s: f64,
    /// The same per million messages sent and received.
    pub cpu_s_per_million: f64,
    /// Each thread.
    pub threads: Vec<Thread>,
    /// How late the latest one in a hundred messages was written, in microseconds after it was due.
    pub lag_p99_us: u64,
    /// The same without the time for which the broker held messages up: the window was closed, or the socket full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_lag_p99_us: Option<u64>,
    /// Resident memory at the end of the measured phase.
    pub rss_bytes: u64,
    /// What a client added to it.
    pub bytes_per_client: u64,
    /// Share of the time that the machine's host took away.
    pub steal_pct: f64,
    /// Messages in one write, on average; what is due at once goes out at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_write: Option<f64>,
    /// The verdict.
    pub status: GeneratorStatus,
    /// The reason for a status that is not `ok`, and what to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One thread of the generator.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Thread {
    /// Share of one processor in the measured phase, in percent.
    pub cpu_pct: f64,
    /// The longest turn of its event loop, in microseconds.
    pub max_turn_us: u64,
}

/// A gate and how it came out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Threshold {
    /// As it was written.
    pub expr: String,
    /// What was measured, in the unit of the expression; `None` when nothing was.
    pub value: Option<f64>,
    /// Whether it held.
    pub pass: bool,
    /// Whether it compares with an earlier run (`--baseline`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub baseline: bool,
    /// The measured value with its unit, as the summary prints it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// One second of the run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct SeriesPoint {
    /// Seconds since the first due time, at the start of the second; below zero never.
    pub t: f64,
    /// Which phase the second belongs to.
    pub phase: Phase,
    /// Messages written.
    pub sent: u64,
    /// Messages read.
    pub received: u64,
    /// Median latency in microseconds, end to end, or of the acknowledgements when nothing is received.
    pub p50: u64,
    /// 99th percentile of the same.
    pub p99: u64,
    /// Largest of the same.
    pub max: u64,
    /// Processor use of the process, in percent of one.
    pub cpu_pct: f64,
}

/// The broker's own counters beside ours.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CrossCheck {
    /// PUBLISH packets that we wrote while the broker counted.
    pub sent: u64,
    /// PUBLISH packets that the broker says it received, other clients' excluded as far as they are known.
    pub broker_received: Option<u64>,
    /// PUBLISH packets that we read while the broker counted.
    pub received: u64,
    /// PUBLISH packets that the broker says it sent.
    pub broker_sent: Option<u64>,
    /// Whether both agree to 0.1 %.
    pub agrees: bool,
}

/// One rate that `find` tried.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct FindStep {
    /// Messages per second asked for.
    pub rate: f64,
    /// Messages per second sent.
    pub sent: f64,
    /// Median latency in microseconds.
    pub p50_us: u64,
    /// 99th percentile of it.
    pub p99_us: u64,
    /// Messages lost.
    pub lost: u64,
    /// Whether the conditions held.
    pub pass: bool,
    /// The first reason why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How the system came back, in `storm`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Storm {
    /// `reconnect`, `retain`, `subscribe`, `will` or `resume`.
    pub kind: String,
    /// Clients that took part in one storm.
    pub clients: u64,
    /// Of those, how many have all they waited for: their connection, answers or messages; of wills, how many came.
    pub served: u64,
    /// Answers or messages that they waited for, all together.
    #[serde(skip_serializing_if = "is_zero")]
    pub awaited: u64,
    /// Seconds from the start of the storm until 99 % were served again; `None` when that never was.
    pub recovered_s: Option<f64>,
    /// Seconds from the start of the storm until nothing was waiting any more; `None` when that never was.
    pub drained_s: Option<f64>,
    /// Seconds after which a storm that was not over was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished_s: Option<f64>,
    /// Other figures of this kind of storm.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The SHA-256 of a configuration in hexadecimal; the order of its keys does not matter.
#[must_use]
pub fn config_sha256(config: &Value) -> String {
    let mut canonical = String::new();
    write_canonical(config, &mut canonical);
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(canonical.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Writes JSON with sorted keys and without blanks.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                out.push_str(if index == 0 { "{" } else { "," });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_canonical(value, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_of_a_configuration_does_not_depend_on_the_order_of_its_keys() {
        let one = json!({"rate": 5, "nested": {"a": [1, {}], "b": null}});
        let other = json!({"nested": {"b": null, "a": [1, {}]}, "rate": 5});
        assert_eq!(config_sha256(&one), config_sha256(&other));
        assert_ne!(config_sha256(&one), config_sha256(&json!({"rate": 6})));
        assert_eq!(
            config_sha256(&json!({})),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    /// Made anew by `CULEX_REGENERATE=1 cargo test --lib published_schema`.
    #[test]
    fn published_schema_is_that_of_the_types() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bench.schema.json");
        let mut schema = schemars::schema_for!(RunResult);
        schema.insert("title".to_owned(), json!("The result of culex-bench, schema bench/1"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("CULEX_REGENERATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
    }

    #[test]
    fn results_keep_the_published_schema_and_others_do_not() {
        let schema: Value = serde_json::from_str(include_str!("../../../docs/bench.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        for result in [RunResult::default(), sample::run()] {
            let value = serde_json::to_value(&result).unwrap();
            let faults: Vec<String> = schema.iter_errors(&value).map(|fault| fault.to_string()).collect();
            assert_eq!(faults, [""; 0]);
        }
        let mut wrong = serde_json::to_value(RunResult::default()).unwrap();
        wrong["counts"]["sent"] = json!("many");
        assert!(!schema.is_valid(&wrong));
    }

    #[test]
    fn a_reader_passes_over_what_it_does_not_know() {
        let text = r#"{"schema":"bench/1","later":{"x":1},"counts":{"sent":3,"later":4}}"#;
        let result: RunResult = serde_json::from_str(text).unwrap();
        assert_eq!(result.counts.sent, 3);
    }
}
