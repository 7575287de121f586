//! `check expect` and `check none`: one expectation, and perhaps a command that sets it off.

use super::super::{block_on, say};
use super::complain;
use crate::check::expectation::{Compiled, compile};
use crate::check::group::{Group, keep_together};
use crate::check::scenario::{CommandSpec, ExpectSpec, JsonSpec};
use crate::compat::check_status;
use crate::flags::{CheckBroker, ExpectFlags, MessageMatch, NoneFlags};
use crate::net::process::{self, Request, Signals};
use crate::test_broker::{StartError, TestBroker, describe, timeline};
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::future::Future;
use std::io::IsTerminal;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a command may go on behind the verdict before it is ended.
const LINGER_MAX: Duration = Duration::from_secs(5);

/// Why there is no success.
struct Miss {
    status: u8,
    text: String,
}

impl Miss {
    fn failed(text: impl Into<String>) -> Self {
        Self { status: check_status::FAILED, text: text.into() }
    }

    fn broken(text: impl Into<String>) -> Self {
        Self { status: check_status::ENVIRONMENT, text: text.into() }
    }

    fn usage(text: impl Into<String>) -> Self {
        Self { status: check_status::USAGE, text: text.into() }
    }
}

pub(super) fn expect(flags: &ExpectFlags) -> u8 {
    if flags.broker.embedded && flags.command.is_empty() {
        complain(
            "Error: --embedded: nobody knows this broker but the command behind --, and there is none.\n",
        );
        return check_status::USAGE;
    }
    conclude(&flags.broker, async {
        let (compiled, broker) = begin(&flags.message, &flags.broker).await?;
        let begun = broker.elapsed();
        let mut command = start(&flags.command, &broker)?;
        let found = tokio::select! {
            found = compiled.find(&broker, flags.within, flags.count) => match found {
                Ok(record) => Ok(record),
                Err(text) => Err(match (compiled.trouble(), sighted(&broker).await) {
                    (Some(trouble), _) => Miss::broken(trouble),
                    (None, Err(blind)) => blind,
                    (None, Ok(())) => Miss::failed(text),
                }),
            },
            miss = failed_command(&mut command) => Err(miss),
        };
        let ended =
            end(command, &broker, flags.within.saturating_sub(broker.elapsed().saturating_sub(begun))).await;
        let record = tell(&flags.broker, &broker, found)?;
        ended?;
        let after = Duration::from_nanos(record.time.as_nanos()).saturating_sub(begun);
        Ok(format!("ok: {} after {} ms\n", describe(&record), after.as_millis()))
    })
}

pub(super) fn none(flags: &NoneFlags) -> u8 {
    conclude(&flags.broker, async {
        let (compiled, broker) = begin(&flags.message, &flags.broker).await?;
        let mut command = start(&flags.command, &broker)?;
        let looked = tokio::select! {
            found = compiled.find(&broker, flags.window, 1) => found,
            miss = failed_command(&mut command) => return Err(miss),
        };
        let ended = match looked {
            // It is not over as long as the command may set something off.
            Err(_) => end(command, &broker, Duration::MAX).await,
            Ok(_) => end(command, &broker, Duration::ZERO).await,
        };
        if flags.broker.embedded {
            broker.settled_within(LINGER_MAX).await;
        }
        let sight = sighted(&broker).await;
        let found = compiled.find(&broker, Duration::ZERO, 1).await;
        let verdict = match found {
            Ok(record) => Err(Miss::failed(format!("a message came that must not: {}", describe(&record)))),
            Err(_) => compiled.trouble().map_or(sight, |trouble| Err(Miss::broken(trouble))),
        };
        tell(&flags.broker, &broker, verdict)?;
        ended?;
        Ok(format!("ok: no message on {} for {:?}\n", flags.message.topic, flags.window))
    })
}

/// Runs a check, unless a signal ends it, and says how it went.
fn conclude(flags: &CheckBroker, check: impl Future<Output = Result<String, Miss>>) -> u8 {
    let ran = block_on(async {
        let mut signals = match Signals::install() {
            Ok(signals) => signals,
            Err(error) => return Err(Miss::broken(error.to_string())),
        };
        let interrupted = async {
            loop {
                match signals.next().await {
                    Request::Interrupt => return check_status::INTERRUPTED,
                    Request::Terminate => return check_status::TERMINATED,
                    Request::HangUp => return check_status::HUNG_UP,
                    _ => {}
                }
            }
        };
        tokio::select! {
            result = check => result,
            status = interrupted => Err(Miss { status, text: "interrupted".to_owned() }),
        }
    });
    match ran.unwrap_or_else(|error| Err(Miss::broken(error.to_string()))) {
        Ok(text) => {
            if !flags.quiet {
                say(&text);
            }
            0
        }
        Err(miss) => {
            complain(&format!("Error: {}\n", miss.text));
            miss.status
        }
    }
}

/// Sees that nothing came only because nothing can be seen.
async fn sighted(broker: &TestBroker) -> Result<(), Miss> {
    broker.check_observer(LINGER_MAX).await.map_err(Miss::broken)
}

/// What happened, for those who want to see it.
fn tell<T>(flags: &CheckBroker, broker: &TestBroker, verdict: Result<T, Miss>) -> Result<T, Miss> {
    if flags.verbose {
        complain(&timeline(&broker.journal()));
    }
    verdict
}

async fn begin(message: &MessageMatch, flags: &CheckBroker) -> Result<(Compiled, TestBroker), Miss> {
    let spec = specify(message).map_err(Miss::usage)?;
    let compiled = compile(&spec).map_err(Miss::usage)?;
    if message.from.is_some() && !flags.embedded {
        return Err(Miss::usage("--from: who published is known with --embedded only"));
    }
    let builder = TestBroker::builder();
    let builder = if flags.embedded {
        builder
    } else {
        let builder = builder.in_front_of(url(flags)).observe([compiled.filter()]);
        match &flags.cafile {
            Some(cafile) => builder.ca_file(cafile),
            None => builder,
        }
    };
    let broker = builder.start().await.map_err(|error| match error {
        StartError::Upstream(wrong) => Miss::usage(wrong.to_string()),
        other => Miss::broken(other.to_string()),
    })?;
    Ok((compiled, broker))
}

fn url(flags: &CheckBroker) -> String {
    match &flags.url {
        Some(url) => url.clone(),
        None => {
            let host = flags.host.as_deref().unwrap_or("localhost");
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let scheme = if flags.cafile.is_some() { "mqtts" } else { "mqtt" };
            let port = flags.port.unwrap_or(if flags.cafile.is_some() { 8883 } else { 1883 });
            format!("{scheme}://{host}:{port}")
        }
    }
}

/// The flags in the words of a scenario.
fn specify(flags: &MessageMatch) -> Result<ExpectSpec, String> {
    let has_json = flags.json.is_some() || flags.json_subset.is_some() || flags.json_schema.is_some();
    let json = has_json.then(|| JsonSpec {
        equals: flags.json.clone(),
        subset: flags.json_subset.clone(),
        schema: flags.json_schema.clone().map(Value::String),
    });
    let mut props = std::collections::BTreeMap::new();
    let mut users = Map::new();
    for (name, value) in &flags.prop {
        match name.strip_prefix("user.") {
            Some(key) => drop(users.insert(key.to_owned(), json!(value))),
            None => drop(props.insert(name.clone(), json!(value))),
        }
    }
    if !users.is_empty() {
        props.insert("user".to_owned(), Value::Object(users));
    }
    let decode = flags.decode.as_ref().map(|form| match form.strip_prefix("cmd:") {
        Some(command) => json!({"cmd": command}),
        None => json!(form),
    });
    Ok(ExpectSpec {
        topic: Some(flags.topic.clone()),
        text: flags.text.clone(),
        regex: flags.regex.clone(),
        hex: flags.hex.clone(),
        empty: flags.empty.then_some(true),
        json,
        at: flags.at.iter().cloned().collect(),
        decode,
        qos: flags.qos,
        retain: flags.retain,
        from: flags.from.clone(),
        props,
        cmd: None::<CommandSpec>,
        ..ExpectSpec::default()
    })
}

/// The command; what it leaves running ends with it.
struct Started {
    child: Child,
    group: Option<Group>,
}

/// Starts the command, which finds the broker in its environment.
fn start(words: &[OsString], broker: &TestBroker) -> Result<Option<Started>, Miss> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(None);
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(crate::check::environment(broker));
    keep_together(&mut command);
    // In a group of its own it may not read from the terminal; it would be stopped and not told.
    if std::io::stdin().is_terminal() {
        command.stdin(Stdio::null());
    }
    let name = program.to_string_lossy();
    let child = command.spawn().map_err(|error| Miss::broken(format!("Unable to run '{name}': {error}")))?;
    let group = Group::of(&child);
    Ok(Some(Started { child, group }))
}

/// Ends when the command has failed; never when it has not.
async fn failed_command(command: &mut Option<Started>) -> Miss {
    let Some(command) = command else {
        return std::future::pending().await;
    };
    match command.child.wait().await {
        Ok(status) if status.success() => std::future::pending().await,
        Ok(status) => Miss::failed(said(status)),
        Err(error) => Miss::broken(error.to_string()),
    }
}

fn said(status: ExitStatus) -> String {
    format!("the command ended with status {}", process::shell_status(status))
}

/// Waits for the command's end for as long as `within`, then ends it; one that failed by itself fails the check.
async fn end(command: Option<Started>, broker: &TestBroker, within: Duration) -> Result<(), Miss> {
    let Some(Started { mut child, group }) = command else {
        return Ok(());
    };
    let within = within.min(Duration::from_secs(365 * 24 * 3600));
    match tokio::time::timeout(within, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(Miss::failed(said(status))),
        Ok(Err(error)) => Err(Miss::broken(error.to_string())),
        Err(_) => {
            broker.note("command", "is ended");
            group.as_ref().map(|group| group.signal(libc::SIGTERM));
            if tokio::time::timeout(LINGER_MAX, child.wait()).await.is_err() {
                // It has had its time; dropped, it is killed.
                let _ = child.kill().await;
            }
            Ok(())
        }
    }
}
