//! `proxy`: stands in front of a broker, shows what goes through, and tampers with it by rules.

use super::records::{Records, Sinks};
use super::{block_on, complain, make_file, say};
use crate::check::load::parse;
use crate::compat::check_status;
use crate::fault::Rule;
use crate::fault::spec::RuleSpec;
use crate::flags;
use crate::net::process::{self, Deputy, Request, Signals};
use crate::net::server::{ListenAddress, ListenPlan};
use crate::test_broker::{StartError, TestBroker};
use anyhow::{Context as _, anyhow};
use clap::Parser;
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

/// How long what is on its way may take at the end.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// Runs `proxy` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match flags::Proxy::try_parse_from(argv) {
        Ok(flags) => flags,
        Err(error) => return super::check::report_usage(&error).into(),
    };
    let asked = rules(&flags).and_then(|rules| Ok((rules, listen_plan(&flags.listen)?)));
    let (rules, plan) = match asked {
        Ok(asked) => asked,
        Err(error) => return end(&error, check_status::USAGE),
    };
    match block_on(serve(&flags, rules, plan)).map_err(anyhow::Error::from).flatten() {
        Ok(status) => status.into(),
        Err(error) => {
            let is_usage = matches!(error.downcast_ref(), Some(StartError::Upstream(_)));
            end(&error, if is_usage { check_status::USAGE } else { check_status::ENVIRONMENT })
        }
    }
}

fn end(error: &anyhow::Error, status: u8) -> ExitCode {
    complain(&format!("Error: {error:#}\n"));
    status.into()
}

/// The rules of `--fault` and of the file of `--faults`.
fn rules(flags: &flags::Proxy) -> anyhow::Result<Vec<Rule>> {
    let mut specs: Vec<RuleSpec> = Vec::new();
    for text in &flags.fault {
        specs.push(parse(text).map_err(|error| anyhow!("--fault {text}: {error}"))?);
    }
    if let Some(path) = &flags.faults {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let all: Vec<RuleSpec> = parse(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        specs.extend(all);
    }
    specs.iter().map(|spec| spec.rule().map_err(|text| anyhow!(text))).collect()
}

/// Where to listen: on the loopback address unless a host is named; `*` is every address.
fn listen_plan(text: &str) -> anyhow::Result<ListenPlan> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port = port.parse().map_err(|_| {
        anyhow!("--listen {text}: '{port}' is no port (0 to 65535); give host:port, or a port")
    })?;
    let host = match host.trim_start_matches('[').trim_end_matches(']') {
        "" => Some("127.0.0.1".to_owned()),
        "*" => None,
        host => Some(host.to_owned()),
    };
    Ok(ListenPlan::plain(ListenAddress::Tcp { host, port }))
}

async fn serve(flags: &flags::Proxy, rules: Vec<Rule>, plan: ListenPlan) -> anyhow::Result<u8> {
    let mut signals = Signals::install()?;
    let is_free_port = matches!(plan.address, ListenAddress::Tcp { port: 0, .. });
    let config = crate::broker::Config::default();
    let mut builder = TestBroker::builder()
        .with_listeners(config, vec![plan])
        .in_front_of(&flags.upstream)
        // Nothing of ours goes to the broker behind.
        .observe(std::iter::empty::<String>())
        .seed(flags.seed);
    if let Some(cafile) = &flags.cafile {
        builder = builder.ca_file(cafile);
    }
    for rule in rules {
        builder = builder.fault(rule);
    }
    let broker = builder.start().await?;
    let sinks = Sinks::create(flags.log, flags.journal.as_deref(), flags.pcap.as_deref())?;
    let records = Records::write(&broker, sinks);
    tell_port(flags, &broker, is_free_port)?;
    let status = if flags.command.is_empty() {
        loop {
            match signals.next().await {
                Request::Interrupt | Request::Terminate => break 0,
                _ => {}
            }
        }
    } else {
        let environment = [
            ("MQTT_HOST", broker.host()),
            ("MQTT_PORT", broker.port().to_string()),
            ("MQTT_URL", broker.url()),
        ];
        let name = flags.command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let deputy = Deputy::start(&flags.command, &environment, process::program_folder().as_deref())
            .with_context(|| format!("Unable to run '{name}'"))?;
        process::shell_status(deputy.wait(&mut signals).await?)
    };
    // What the command sent last may lie in its sockets still.
    broker.settled_within(SETTLE_MAX).await;
    records.finish().await?;
    Ok(status)
}

fn tell_port(flags: &flags::Proxy, broker: &TestBroker, is_free_port: bool) -> anyhow::Result<()> {
    let line = format!("{}\n", broker.port());
    if let Some(path) = &flags.port_file {
        make_file(path, line.as_bytes())?;
    }
    if is_free_port && flags.command.is_empty() {
        say(&line);
    }
    Ok(())
}
