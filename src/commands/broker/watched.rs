//! A broker that is watched: `--record`, `--pcap`, `--junit`, `--assert` and `--control`.

use super::plan::Plan;
use super::{end_of_input, environment, run_command, tell_port};
use crate::check::control::Control;
use crate::commands::complain;
use crate::commands::records::{Records, Sinks};
use crate::compat::broker_status::ASSERTION_FAILED;
use crate::flags::{Assertion, LogFormat};
use crate::net::process::{Request, Signals};
use crate::net::tls::CaFile;
use crate::test_broker::TestBroker;
use anyhow::{Context as _, bail};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};

/// How long the broker has to settle before assertions are looked at.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Serves until it is told to stop or the command has ended, and looks whether all was as it must be.
pub(super) async fn serve(plan: Plan) -> anyhow::Result<u8> {
    refuse_what_is_not_there(&plan)?;
    for warning in &plan.settings.warnings {
        complain(&format!("Warning: {warning}\n"));
    }
    let mut signals = Signals::install()?;
    let users = plan.users.clone();
    let known: Vec<(String, String)> = plan
        .flags
        .user
        .iter()
        .filter_map(|user| user.split_once(':'))
        .map(|(name, password)| (name.to_owned(), password.to_owned()))
        .collect();
    let mut config = plan.settings.broker.clone();
    // Passwords are judged at once here; an exchange of several steps is refused as a method that is not there.
    config.authentication_methods.clear();
    let builder = TestBroker::builder()
        .with_listeners(config, plan.settings.listeners.clone())
        .judge(std::sync::Arc::new(move |request| users.judge_at_once(request, &known)));
    let broker = builder.start().await?;
    let sinks = Sinks::create(plan.flags.verbose, plan.flags.record.as_deref(), plan.flags.pcap.as_deref())?;
    let records = Records::write(&broker, sinks);
    let ca_file = plan.ephemeral.as_ref().map(|ephemeral| CaFile::write(&ephemeral.ca_pem)).transpose()?;
    let addresses: Vec<(usize, SocketAddr)> =
        broker.addresses().iter().map(|address| (address.plan, address.socket)).collect();
    let mut environment = environment::environment(&plan, &addresses, ca_file.as_ref().map(CaFile::path));
    let control = plan.flags.control.as_deref().map(|address| bind(address, &broker)).transpose()?;
    if let Some(control) = &control {
        environment.push(("CULEX_CONTROL", control.address.clone()));
    }
    tell_port(&plan, &addresses, &environment)?;
    let status = if plan.flags.exec {
        run_command(&plan, &environment, &mut signals).await?
    } else {
        wait(&plan, &mut signals).await;
        0
    };
    broker.settled_within(SETTLE_MAX).await;
    let findings = findings(&plan.flags.assert, &broker);
    records.finish().await?;
    if let Some(path) = &plan.flags.junit {
        let text = junit(&plan, status, &findings)?;
        fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    let complaints: Vec<&String> = findings.iter().flat_map(|(_, complaints)| complaints).collect();
    for complaint in &complaints {
        complain(&format!("Error: {complaint}\n"));
    }
    Ok(if status == 0 && !complaints.is_empty() { ASSERTION_FAILED } else { status })
}

/// Waits for the signal to stop, or for the end of the standard input.
async fn wait(plan: &Plan, signals: &mut Signals) {
    let mut input = std::pin::pin!(end_of_input(plan.flags.until_eof));
    loop {
        tokio::select! {
            request = signals.next() => match request {
                Request::Interrupt | Request::Terminate => return,
                _ => {}
            },
            () = &mut input => return,
        }
    }
}

/// What a broker that is watched cannot do is an error, not left out.
fn refuse_what_is_not_there(plan: &Plan) -> anyhow::Result<()> {
    let settings = &plan.settings;
    let refused = [
        (settings.store.is_some(), "persistence"),
        (settings.pid_file.is_some(), "pid_file"),
        (settings.user.is_some(), "user"),
        (settings.memory_limit != 0, "memory_limit"),
        (plan.flags.log_format == LogFormat::Json, "--log-format json"),
    ];
    match refused.iter().find(|(is_asked_for, _)| *is_asked_for) {
        Some((_, what)) => bail!("--record, --pcap, --junit, --assert and --control do not go with {what}"),
        None => Ok(()),
    }
}

/// A control socket; its file, if it has one, is gone when this is.
struct ControlSocket {
    address: String,
    path: Option<PathBuf>,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // It may have been cleared away.
        let _ = self.path.as_ref().map(fs::remove_file);
    }
}

/// Listens on `address` and holds a conversation with each peer.
fn bind(address: &str, broker: &TestBroker) -> anyhow::Result<ControlSocket> {
    let broker = broker.clone();
    if address.contains('/') {
        let path = PathBuf::from(address);
        let listener = UnixListener::bind(&path).with_context(|| format!("--control {address}"))?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let control = Control::new(broker.clone(), Path::new("."));
                let (requests, answers) = stream.into_split();
                tokio::spawn(control.converse(requests, answers));
            }
        });
        return Ok(ControlSocket { address: address.to_owned(), path: Some(path) });
    }
    let listener = std::net::TcpListener::bind(address).with_context(|| format!("--control {address}"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A hint; without it answers are slower.
            let _ = stream.set_nodelay(true);
            let control = Control::new(broker.clone(), Path::new("."));
            let (requests, answers) = stream.into_split();
            tokio::spawn(control.converse(requests, answers));
        }
    });
    Ok(ControlSocket { address: bound.to_string(), path: None })
}

/// Each assertion, and what is wrong about it.
fn findings(assertions: &[Assertion], broker: &TestBroker) -> Vec<(Assertion, Vec<String>)> {
    let look = |assertion: &Assertion| match assertion {
        Assertion::NoProtocolErrors => broker.protocol_errors(),
        Assertion::RetainedEmpty => broker.left_retained(),
        Assertion::AllAcknowledged => broker.unacknowledged(),
    };
    assertions.iter().map(|assertion| (*assertion, look(assertion))).collect()
}

fn junit(plan: &Plan, status: u8, findings: &[(Assertion, Vec<String>)]) -> anyhow::Result<String> {
    let mut suite = TestSuite::new("culex-broker");
    if plan.flags.exec {
        let words: Vec<_> = plan.flags.command.iter().map(|word| word.to_string_lossy()).collect();
        let outcome = if status == 0 {
            TestCaseStatus::success()
        } else {
            failure(&format!("the command ended with status {status}"))
        };
        suite.add_test_case(TestCase::new(words.join(" "), outcome));
    }
    for (assertion, complaints) in findings {
        let outcome =
            if complaints.is_empty() { TestCaseStatus::success() } else { failure(&complaints.join("\n")) };
        suite.add_test_case(TestCase::new(assertion.word(), outcome));
    }
    let mut report = Report::new("culex-broker");
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

fn failure(text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(text.lines().next().unwrap_or_default());
    status.set_description(text);
    status
}
