//! `bench`: loads a broker and measures it.

use super::{bench_result, complain};
use crate::bench::embedded::Embedded;
use crate::bench::plan::{Address, Plan};
use crate::bench::preflight;
use crate::bench::result::{EXIT_FAILURE, EXIT_USAGE, config_sha256};
use crate::bench::run::{self, Stop};
use crate::bench::text;
use crate::bench::threshold::Condition;
use crate::flags;
use clap::Parser;
use clap::error::ErrorKind;
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
    let flags = match flags::Bench::try_parse_from(argv) {
        Ok(flags) => flags,
        Err(error) => return report_usage(&error).into(),
    };
    if flags.generator.version {
        let line = format!("culex-bench {}\n", env!("CARGO_PKG_VERSION"));
        return io::stdout().write_all(line.as_bytes()).map_or(EXIT_FAILURE.into(), |()| ExitCode::SUCCESS);
    }
    let conditions = match flags.gates.regressions().and(flags.gates.conditions()) {
        Ok(conditions) => conditions,
        Err(text) => {
            complain(&format!("Error: {text}\n"));
            return EXIT_USAGE.into();
        }
    };
    let run_number = uuid::Uuid::new_v4().as_fields().0;
    let plan = match flags.plan(run_number) {
        Ok(plan) => plan,
        Err(error) => {
            complain(&format!("Error: {error}\n\nTry 'culex-bench --help'.\n"));
            return EXIT_USAGE.into();
        }
    };
    match measure(plan, &flags, &conditions) {
        Ok(status) => status.into(),
        Err(error) => {
            complain(&format!("Error: {error:#}\n"));
            EXIT_FAILURE.into()
        }
    }
}

fn measure(mut plan: Plan, flags: &flags::Bench, conditions: &[Condition]) -> anyhow::Result<u8> {
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
    if let Some(broker) = &broker {
        plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), broker.port());
    }
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, flag.clone())?;
    }
    let config = describe(flags);
    let started = jiff::Timestamp::now().to_string();
    let mut result = run::run(plan, &Stop::of(flag), &mut |_| {})?;
    drop(broker);
    result.run.started = started;
    result.run.title = title;
    result.run.config_sha256 = config_sha256(&config);
    result.run.config = config;
    result.run.strict = flags.generator.strict;
    result.run.allowed.clone_from(&flags.generator.allow);
    result.conclude(conditions);
    bench_result::deliver(std::slice::from_mut(&mut result), &flags.output, &flags.gates)
}

/// The load in one line.
fn title(plan: &Plan, is_embedded: bool) -> String {
    use crate::bench::plan::Mode;
    let place = match &plan.transport.address {
        _ if is_embedded => "an embedded broker".to_owned(),
        Address::Tcp(host, port) => format!("mqtt://{host}:{port}"),
        Address::Unix(path) => format!("{}", path.display()),
    };
    let version = match plan.identity.connect.version {
        crate::packet::ProtocolVersion::V31 => "3.1",
        crate::packet::ProtocolVersion::V311 => "3.1.1",
        crate::packet::ProtocolVersion::V5 => "5",
    };
    let (publishers, subscribers) =
        (text::grouped(plan.publishers.into()), text::grouped(plan.subscribers.into()));
    let who = match plan.mode {
        Mode::Run => format!("{publishers} publishers to {subscribers} subscribers"),
        Mode::Publish => format!("{publishers} publishers"),
        Mode::Subscribe => format!("{subscribers} subscribers"),
        Mode::Connect => format!("{publishers} connections"),
        Mode::Request => format!("{publishers} requesters to {subscribers} responders"),
    };
    let mut title = format!("bench {}  {place}  MQTT {version}  {who}", plan.mode.word());
    if plan.mode != Mode::Connect {
        title.push_str(&format!("  QoS {}", plan.message.qos as u8));
    }
    if matches!(plan.mode, Mode::Run | Mode::Publish | Mode::Request) {
        let size = plan.message.payload.bytes_typical(&crate::bench::template::Context::default());
        title.push_str(&match plan.rate_asked() {
            Some(rate) => format!("  {size} B  open loop {:.0}/s", rate),
            None => format!("  {size} B  closed loop"),
        });
    }
    title
}

/// What was asked for, as result files keep it.
fn describe(flags: &flags::Bench) -> serde_json::Value {
    serde_json::json!({ "flags": format!("{flags:?}") })
}

/// Prints help, version or what is wrong with the flags; the status to end with.
fn report_usage(error: &clap::Error) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return 0;
    }
    complain(&format!("Error: {error}").replacen("Error: error: ", "Error: ", 1));
    EXIT_USAGE
}
