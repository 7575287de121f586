//! `proxy`: stands in front of a broker, shows what goes through, and tampers with it by rules.

use super::records::Records;
use super::{block_on, complain, make_file, say};
use crate::check::load::parse;
use crate::compat::check_status;
use crate::fault::spec::RuleSpec;
use crate::flags;
use crate::net::process::{self, Deputy, Request, Signals};
use crate::net::server::{ListenAddress, ListenPlan};
use crate::test_broker::TestBroker;
use anyhow::{Context as _, anyhow};
use clap::Parser;
use std::ffi::OsString;
use std::fs::{self, File};
use std::process::ExitCode;

/// Runs `proxy` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match flags::Proxy::try_parse_from(argv) {
        Ok(flags) => flags,
        Err(error) => return super::check::report_usage(&error).into(),
    };
    let rules = match rules(&flags) {
        Ok(rules) => rules,
        Err(error) => {
            complain(&format!("Error: {error:#}\n"));
            return check_status::USAGE.into();
        }
    };
    match block_on(serve(&flags, rules)).map_err(anyhow::Error::from).flatten() {
        Ok(status) => status.into(),
        Err(error) => {
            complain(&format!("Error: {error:#}\n"));
            check_status::ENVIRONMENT.into()
        }
    }
}

/// The rules of `--fault` and of the file of `--faults`.
fn rules(flags: &flags::Proxy) -> anyhow::Result<Vec<crate::fault::Rule>> {
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

/// Where to listen.
fn listen_plan(text: &str) -> anyhow::Result<ListenPlan> {
    if let Ok(port) = text.parse::<u16>() {
        let host = Some("127.0.0.1".to_owned());
        return Ok(ListenPlan::plain(ListenAddress::Tcp { host, port }));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| anyhow!("--listen {text}: give host:port"))?;
    let port = port.parse().map_err(|_| anyhow!("--listen {text}: the port is no number up to 65535"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = (!host.is_empty() && host != "*").then(|| host.to_owned());
    Ok(ListenPlan::plain(ListenAddress::Tcp { host, port }))
}

async fn serve(flags: &flags::Proxy, rules: Vec<crate::fault::Rule>) -> anyhow::Result<u8> {
    let mut signals = Signals::install()?;
    let plan = listen_plan(&flags.listen)?;
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
    let journal = flags.journal.as_ref();
    let journal =
        journal.map(|path| File::create(path).with_context(|| path.display().to_string())).transpose()?;
    let records = Records::write(&broker, flags.log, journal);
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
