//! Our programs and mosquitto's side by side, as whole processes: `cargo bench --bench end_to_end [-- CASE ...]`.
//!
//! Every case runs both programs in turn (A B A B ...) after a round that warms up, counts what arrives at the far end, and
//! prints medians and the median of the pairwise ratios. A run that loses messages says so in its cell. CPU time is the
//! program's own; it says more than wall time on a machine that also runs the other side. `--runs N` sets the number of pairs.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program, not a library"
)]

mod broker;
mod clients;
mod load;
mod process;
mod transport;
mod wire;

use process::Maker;

/// What a case measures, and in what unit its figures are.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// CPU time for one message; smaller is better.
    MicrosecondsOfCpu,
    /// Messages a second of CPU time; more is better.
    PerCpuSecond,
    /// From start to exit; smaller is better.
    Milliseconds,
    Kibibytes,
    /// What something costs; smaller is better.
    Percent,
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::MicrosecondsOfCpu => format!("{value:.3} us CPU"),
            Self::PerCpuSecond if value >= 1e6 => format!("{:.2} M / CPU s", value / 1e6),
            Self::PerCpuSecond => format!("{:.0} k / CPU s", value / 1e3),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Kibibytes => format!("{value:.1} KiB"),
            Self::Percent => format!("{value:.1} %"),
        }
    }

    /// How many times better `ours` is than `theirs`.
    fn gain(self, ours: f64, theirs: f64) -> f64 {
        if matches!(self, Self::PerCpuSecond) { ours / theirs } else { theirs / ours }
    }
}

/// One figure, and the messages a second of wall time where that says something.
pub(crate) struct Sample {
    pub(crate) value: f64,
    pub(crate) per_second: Option<f64>,
    /// How many of the messages did not arrive, in words.
    pub(crate) lost: Option<String>,
}

/// One row of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) run: Box<dyn FnMut(Maker) -> Sample>,
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn cell(unit: Unit, samples: &[Sample]) -> String {
    let value = unit.text(median(samples.iter().map(|sample| sample.value)));
    let rates: Option<Vec<f64>> = samples.iter().map(|sample| sample.per_second).collect();
    let rate = rates.map_or(String::new(), |rates| format!(" ({:.0} k/s)", median(rates.into_iter()) / 1e3));
    let lost = samples.iter().find_map(|sample| sample.lost.as_ref());
    let lost = lost.map_or(String::new(), |lost| format!(", **{lost}**"));
    format!("{value}{rate}{lost}")
}

fn measure(case: &mut Case, runs: usize) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=runs {
        let pair = ((case.run)(Maker::Culex), (case.run)(Maker::Mosquitto));
        if round > 0 || runs == 0 {
            ours.push(pair.0);
            theirs.push(pair.1);
        }
    }
    let gains = ours.iter().zip(&theirs).map(|(ours, theirs)| case.unit.gain(ours.value, theirs.value));
    // Nothing is as many times better as one likes than something.
    let gain = Some(median(gains)).filter(|gain| gain.is_finite() && !matches!(case.unit, Unit::Percent));
    let gain = gain.map_or("-".to_owned(), |gain| format!("{gain:.1}"));
    println!("| {} | {} | {} | {gain} |", case.name, cell(case.unit, &ours), cell(case.unit, &theirs));
}

fn main() {
    let mut runs = 5;
    let mut wanted = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runs" => {
                runs = arguments.next().and_then(|text| text.parse().ok()).expect("--runs takes a number")
            }
            "--bench" => {} // from cargo
            _ => wanted.push(argument),
        }
    }
    let Some(version) = process::mosquitto_version() else {
        eprintln!(
            "skipped: mosquitto and its clients are not installed; scripts/install-peers.sh installs them"
        );
        return;
    };
    process::allow_many_descriptors();
    println!("| work | culex {} | mosquitto {version} | times better |", env!("CARGO_PKG_VERSION"));
    println!("|---|---|---|---|");
    let all = clients::cases().into_iter().chain(broker::cases());
    let is_wanted = |case: &Case| wanted.is_empty() || wanted.iter().any(|word| case.name.contains(word));
    for mut case in all.filter(is_wanted) {
        measure(&mut case, runs);
    }
    let _ = std::fs::remove_file(clients::lines_path());
    transport::clean_up();
}
