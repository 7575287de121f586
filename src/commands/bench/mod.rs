//! `bench`: loads a broker and measures it.

mod file;
mod progress;
mod sink;

use super::{bench_result, complain};
use crate::bench::embedded::Embedded;
use crate::bench::find::Find;
use crate::bench::plan::{Address, Load, Plan, constant};
use crate::bench::preflight;
use crate::bench::result::{
    EXIT_FAILURE, EXIT_NO_CONNECTION, EXIT_OK, EXIT_USAGE, FindStep, GeneratorStatus, RunResult, Status,
    config_sha256,
};
use crate::bench::run::{self, Live, RunError, Stop};
use crate::bench::sink::{Faults, Sink};
use crate::bench::sys_check::{SysCheck, SysError};
use crate::bench::text;
use crate::bench::threshold::{self, Condition};
use crate::bench::view::prometheus::Endpoint;
use crate::flags::{self, bench::ModeWord};
use anyhow::Context;
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use progress::Progress;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Runs `bench` with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs `bench` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let argv: Vec<OsString> = argv.into_iter().collect();
    if let Some(status) = bench_result::run(&argv) {
        return status;
    }
    match argv.get(1).and_then(|word| word.to_str()) {
        Some("sink") => return subcommand(&bench_result::below(&argv), sink::run).into(),
        Some("file") => return subcommand(&bench_result::below(&argv), file::run).into(),
        _ => {}
    }
    let (flags, config) = match flags::Bench::read(argv) {
        Ok(read) => read,
        Err(error) => return report_usage(&error).into(),
    };
    if flags.generator.version {
        let line = format!("culex-bench {}\n", env!("CARGO_PKG_VERSION"));
        return io::stdout().write_all(line.as_bytes()).map_or(EXIT_FAILURE.into(), |()| ExitCode::SUCCESS);
    }
    let known = match Known::of(&flags) {
        Ok(known) => known,
        Err(text) => {
            complain(&format!("Error: {text}\n"));
            return EXIT_USAGE.into();
        }
    };
    let plan = match flags.plan(run_number(&flags, &config)) {
        Ok(plan) => plan,
        Err(error) => {
            complain(&format!("Error: {error}\n\nTry 'culex-bench --help'.\n"));
            return EXIT_USAGE.into();
        }
    };
    let delivered = measure(plan, &flags, config, &known)
        .and_then(|mut results| bench_result::deliver(&mut results, &flags.output, &flags.gates));
    match delivered {
        Ok(status) => status.into(),
        Err(error) => tell(&error).into(),
    }
}

/// What must be read before the first connection, so that what is wrong with it does not cost a run.
struct Known {
    /// The gates, or the condition of `find`.
    conditions: Vec<Condition>,
    /// This machine's ceiling in messages a second.
    ceiling: Option<f64>,
}

impl Known {
    fn of(flags: &flags::Bench) -> Result<Self, String> {
        flags.gates.regressions()?;
        let mut conditions = flags.gates.conditions()?;
        if let Some(condition) = &flags.condition {
            conditions = threshold::parse(condition).map_err(|error| format!("find: {error}"))?;
        }
        bench_result::check_baseline_files(&flags.gates).map_err(|error| format!("{error:#}"))?;
        let file = flags.generator.calibration.as_deref();
        let ceiling = file.map(bench_result::ceiling).transpose().map_err(|error| format!("{error:#}"))?;
        Ok(Self { conditions, ceiling })
    }
}

/// Says why there is no result; the status to end with.
fn tell(error: &anyhow::Error) -> u8 {
    complain(&format!("Error: {error:#}\n"));
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(RunError::Lookup { .. }), _) | (_, Some(SysError::Io(_))) => EXIT_NO_CONNECTION,
        (Some(RunError::Tls(_)), _) | (_, Some(SysError::Tls(_))) => EXIT_USAGE,
        _ => EXIT_FAILURE,
    }
}

/// Runs a subcommand that has flags of its own; the status to end with.
fn subcommand<F: Parser>(argv: &[OsString], run: fn(&F) -> Result<u8, Ending>) -> u8 {
    let flags = match F::try_parse_from(argv) {
        Ok(flags) => flags,
        Err(error) => return report_usage(&error),
    };
    match run(&flags) {
        Ok(status) => status,
        Err(Ending::Usage(text)) => {
            complain(&format!("Error: {text}\n"));
            EXIT_USAGE
        }
        Err(Ending::Failure(error)) => tell(&error),
    }
}

/// Why a subcommand ends without having done anything.
enum Ending {
    /// What it was told makes no sense.
    Usage(String),
    Failure(anyhow::Error),
}

impl From<anyhow::Error> for Ending {
    fn from(error: anyhow::Error) -> Self {
        Self::Failure(error)
    }
}

fn measure(
    mut plan: Plan,
    flags: &flags::Bench,
    config: serde_json::Value,
    known: &Known,
) -> anyhow::Result<Vec<RunResult>> {
    let is_embedded = flags.connection.embedded;
    let limits = preflight::prepare(&plan, is_embedded);
    let found = preflight::check(&plan, is_embedded, limits);
    let title = title(&plan, is_embedded);
    if !flags.generator.quiet {
        complain(&format!("{title}\n"));
        found.lines.iter().for_each(|line| complain(&format!("  {line}\n")));
    }
    for problem in &found.problems {
        complain(&format!("Warning: {problem}\n"));
    }
    let broker = if is_embedded { Some(Embedded::start()?) } else { None };
    let is_calibrating = flags.mode == ModeWord::Calibrate;
    let sink = if is_calibrating { Some(Sink::start(Faults::default())?) } else { None };
    if let Some(port) = broker.as_ref().map(Embedded::port).or(sink.as_ref().map(Sink::port)) {
        plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), port);
    }
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, flag.clone())?;
    }
    let endpoint = flags.generator.prometheus.map(Endpoint::start).transpose();
    let endpoint = endpoint.context("serving --prometheus")?;
    if let Some(endpoint) = &endpoint {
        complain(&format!("  metrics at http://{}/metrics\n", endpoint.address()));
    }
    let attempt = Attempt { flags, config, title, stop: Stop::of(flag), endpoint, ceiling: known.ceiling };
    let results = match &flags.condition {
        Some(_) => vec![find(&attempt, &plan, &known.conditions)?],
        None => attempt.repeat(&plan, &known.conditions)?,
    };
    drop((broker, sink));
    Ok(results)
}

/// What all runs of one command have in common.
struct Attempt<'a> {
    flags: &'a flags::Bench,
    config: serde_json::Value,
    title: String,
    stop: Stop,
    endpoint: Option<Endpoint>,
    ceiling: Option<f64>,
}

impl Attempt<'_> {
    /// Runs `plan` as often as asked for, until one run is interrupted or finds no broker.
    fn repeat(&self, plan: &Plan, conditions: &[Condition]) -> anyhow::Result<Vec<RunResult>> {
        let mut results = Vec::new();
        for number in 0..self.flags.load.repeat {
            // Messages of the run before are foreign to this one.
            let run = (plan.run + number) & 0xFF_FFFF;
            let result = self.run(Plan { run, ..plan.clone() }, conditions)?;
            let is_last = result.run.interrupted || result.verdict.status == Status::Error;
            results.push(result);
            if is_last {
                break;
            }
        }
        Ok(results)
    }

    /// Runs `plan` and judges it by `conditions`.
    fn run(&self, plan: Plan, conditions: &[Condition]) -> anyhow::Result<RunResult> {
        let started = jiff::Timestamp::now().to_string();
        let generator = &self.flags.generator;
        let check = generator.check_sys.then(|| SysCheck::start(&plan)).transpose()?;
        let mut progress = Progress::new(generator.progress, generator.quiet);
        let mut show = |live: &Live| {
            progress.iter_mut().for_each(|progress| progress.show(live));
            self.endpoint.iter().for_each(|endpoint| endpoint.show(live.snapshot()));
        };
        let measured = run::run(plan, &self.stop, &mut show);
        progress.iter().for_each(Progress::finish);
        let mut result = measured?;
        if let Some(check) = check {
            result.cross_check = Some(check.finish(result.packets.0, result.packets.1)?);
        }
        result.run.started = started;
        result.run.title.clone_from(&self.title);
        result.run.config_sha256 = config_sha256(&self.config);
        result.run.config.clone_from(&self.config);
        if self.flags.mode == ModeWord::Reflect {
            "reflect".clone_into(&mut result.run.mode);
        }
        result.run.strict = self.flags.generator.strict;
        result.run.allowed.clone_from(&self.flags.generator.allow);
        if self.flags.mode == ModeWord::Calibrate {
            "calibrate".clone_into(&mut result.run.mode);
        }
        result.host.calibrated_msgs_per_s = self.ceiling;
        result.conclude(conditions);
        if self.flags.mode == ModeWord::Calibrate {
            result.host.calibrated_msgs_per_s = Some(result.rates.sent);
        }
        Ok(result)
    }
}

/// Looks for the highest rate at which `conditions` hold; the result is that of the last run in which it did.
fn find(attempt: &Attempt<'_>, plan: &Plan, conditions: &[Condition]) -> anyhow::Result<RunResult> {
    let mut find = Find::from(plan.rate_asked().unwrap_or(1000.0).max(1.0));
    let (mut steps, mut last_good, mut last) = (Vec::new(), None, RunResult::default());
    while let Some(rate) = find.next() {
        let step = Plan {
            load: Load { schedule: Some(constant(rate, plan.publishers)), ..plan.load.clone() },
            // Messages of the step before are foreign to this one.
            run: (plan.run + u32::try_from(steps.len()).unwrap_or_default()) & 0xFF_FFFF,
            ..plan.clone()
        };
        last = attempt.run(step, conditions)?;
        if last.run.interrupted || last.verdict.status == Status::Error {
            break;
        }
        let holds = last.verdict.exit_code == EXIT_OK && last.generator.status != GeneratorStatus::Saturated;
        steps.push(step_of(rate, &last, holds));
        find.take(holds);
        if !attempt.flags.generator.quiet {
            let word = if holds { "holds" } else { "does not hold" };
            complain(&format!("  {}/s {word}\n", text::grouped(last.rates.asked.unwrap_or(rate) as u64)));
        }
        if holds {
            last_good = Some(last.clone());
        }
    }
    let mut result = last_good.filter(|_| find.found().is_some()).unwrap_or(last);
    "find".clone_into(&mut result.run.mode);
    result.find = steps;
    Ok(result)
}

/// What one rate brought.
fn step_of(rate: f64, result: &RunResult, pass: bool) -> FindStep {
    let latencies = result.latency_us.headline();
    FindStep {
        rate,
        sent: result.rates.sent,
        p50_us: latencies.percentile(50.0),
        p99_us: latencies.percentile(99.0),
        lost: result.counts.lost,
        pass,
        reason: if pass {
            String::new()
        } else {
            result.verdict.reasons.first().cloned().unwrap_or_default()
        },
    }
}

/// The number of the run: by chance, or for the segments of one load by what was asked for.
fn run_number(flags: &flags::Bench, config: &serde_json::Value) -> u32 {
    if flags.generator.segment.is_none() && std::env::var_os("BENCH_SEGMENTS").is_none() {
        return uuid::Uuid::new_v4().as_fields().0;
    }
    let digits = config_sha256(config);
    u32::from_str_radix(&digits[..6], 16).unwrap_or_default()
}

/// The load in one line.
fn title(plan: &Plan, is_embedded: bool) -> String {
    use crate::bench::plan::Mode;
    let place = match &plan.transport.address {
        _ if is_embedded => "an embedded broker".to_owned(),
        Address::Tcp(host, port) => {
            let layers = &plan.transport.layers;
            let scheme = match (layers.websocket.is_some(), layers.tls.is_some()) {
                (false, false) => "mqtt",
                (false, true) => "mqtts",
                (true, false) => "ws",
                (true, true) => "wss",
            };
            format!("{scheme}://{host}:{port}")
        }
        Address::Unix(path) => format!("{}", path.display()),
    };
    let version = match plan.identity.connect.version {
        crate::packet::ProtocolVersion::V31 => "3.1",
        crate::packet::ProtocolVersion::V311 => "3.1.1",
        crate::packet::ProtocolVersion::V5 => "5",
    };
    let (publishers, subscribers) =
        (text::grouped(plan.publishers.into()), text::grouped(plan.subscribers.into()));
    let is_reflecting = plan.mode == Mode::Request && plan.publishers == 0;
    let who = match plan.mode {
        Mode::Run => format!("{publishers} publishers to {subscribers} subscribers"),
        Mode::Publish => format!("{publishers} publishers"),
        Mode::Subscribe => format!("{subscribers} subscribers"),
        Mode::Connect => format!("{publishers} connections"),
        Mode::Request if is_reflecting => format!("{subscribers} responders"),
        Mode::Request => format!("{publishers} requesters to {subscribers} responders"),
    };
    let word = match plan.storm {
        Some(kind) => format!("storm of {}", kind.word()),
        None if is_reflecting => "reflect".to_owned(),
        None => plan.mode.word().to_owned(),
    };
    let mut title = format!("bench {word}  {place}  MQTT {version}  {who}");
    if plan.mode != Mode::Connect {
        title.push_str(&format!("  QoS {}", plan.message.qos as u8));
    }
    if matches!(plan.mode, Mode::Run | Mode::Publish | Mode::Request) && !is_reflecting {
        let size = plan.message.payload.bytes_typical(&crate::bench::template::Context::default());
        title.push_str(&match plan.rate_asked() {
            Some(rate) => format!("  {size} B  open loop {}", text::rate(rate)),
            None => format!("  {size} B  closed loop"),
        });
    }
    title
}

/// Prints help, version or what is wrong with the flags; the status to end with.
fn report_usage(error: &clap::Error) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return 0;
    }
    complain(&format!("Error: {error}").replacen("Error: error: ", "Error: ", 1));
    if let Some(ContextValue::String(letter)) = error.get(ContextKind::InvalidArg)
        && let Some((_, reading)) = OTHER_LETTERS.iter().find(|(known, _)| letter == known)
    {
        complain(&format!("\n{reading}\n"));
    }
    EXIT_USAGE
}

/// Letters that mean one thing to mosquitto's clients and another to other load generators.
const OTHER_LETTERS: [(&str, &str); 5] = [
    ("-C", "-C counts messages elsewhere, or keeps sessions: here --messages (-L) and --no-clean say which."),
    ("-S", "-S is a lookup of SRV records elsewhere, or TLS: here --tls, and -h names the broker."),
    (
        "-l",
        "-l reads lines of the standard input elsewhere, or loops for ever: here --lines FILE and --duration (-W).",
    ),
    ("-n", "-n is an empty message elsewhere, or a number: here --size 0, --clients (-c) and --start-index."),
    ("-d", "-d prints packets elsewhere, or spreads the load: here culex-sub -d, and --segment i/n."),
];
