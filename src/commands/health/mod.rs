//! `check health`: connects, subscribes, and sees whether a message of its own comes back, and how fast.

mod report;

use super::link::{Link, Way};
use super::publish::stop_signal;
use super::signals::{Signals, end_by};
use crate::compat::{self, Ending, Failure, debug_lines, health_status};
use crate::flags::{HealthFormat, HealthPlan, Tool};
use crate::net::ClientError;
use crate::packet::{
    Disconnect, ProtocolVersion, Publish, Qos, ReasonCode, RetainHandling, Suback, SubscriptionOptions,
};
use crate::session::{Event, SessionError};
use bytes::Bytes;
use report::{Outcome, Step};
use std::ffi::OsString;
use std::process::ExitCode;
use tokio::time::Instant;
use uuid::Uuid;

/// Runs `check health` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let argv: Vec<OsString> = argv.into_iter().collect();
    let for_nagios = asks_for_nagios(&argv);
    let invocation = match compat::read(Tool::Health, argv) {
        Ok(invocation) => invocation,
        Err(ending) => return unknown(*ending, for_nagios).report(),
    };
    let draft = &invocation.draft;
    let (format, quiet) = (draft.health.format, draft.general.quiet);
    let unusable = |failure: Failure| {
        let ending = Ending { stdout: String::new(), stderr: failure.text, status: failure.status };
        unknown(ending, format == HealthFormat::Nagios).report()
    };
    let unique = Uuid::new_v4().simple().to_string();
    let plan = match HealthPlan::new(draft, &unique, std::process::id()) {
        Ok(plan) => plan,
        Err(error) => return unusable(Failure::of_plan(&error, Tool::Health)),
    };
    let way = match Way::prepare(&plan.client, invocation.caller.face) {
        Ok(way) => way,
        Err(failure) => return unusable(failure),
    };
    let payload = Bytes::from(format!("culex health {unique}"));
    let ended = super::block_on(check(&plan, way, payload));
    match ended.and_then(|ended| ended) {
        Ok(End::Known(outcome)) => {
            let (stdout, stderr) = outcome.render(&plan, format);
            let stderr = if quiet { String::new() } else { stderr };
            Ending { stdout, stderr, status: outcome.status(&plan, format) }.report()
        }
        Ok(End::Signal(number)) => {
            end_by(number);
            ExitCode::FAILURE
        }
        Err(error) => unusable(Failure::of_system(&error)),
    }
}

/// Whether the format is Nagios's, also where the flags cannot be read to their end.
fn asks_for_nagios(argv: &[OsString]) -> bool {
    argv.iter().any(|word| word == "--format=nagios")
        || argv.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "nagios")
}

/// Nothing could be found out; a plugin says so on its standard output.
fn unknown(ending: Ending, for_nagios: bool) -> Ending {
    match (ending.status, for_nagios) {
        // Help and version.
        (0, _) => ending,
        (_, false) => Ending { status: health_status::USAGE, ..ending },
        (_, true) => {
            let first = ending.stderr.lines().next().unwrap_or_default();
            let text = first.strip_prefix("Error: ").unwrap_or(first).replace('|', " ");
            Ending {
                stdout: format!("MQTT UNKNOWN - {text}\n"),
                stderr: String::new(),
                status: health_status::NAGIOS_UNKNOWN,
            }
        }
    }
}

/// How a run ends.
enum End {
    Known(Outcome),
    /// By this signal.
    Signal(i32),
}

async fn check(plan: &HealthPlan, way: Way, payload: Bytes) -> std::io::Result<End> {
    let mut signals = Some(Signals::watch()?);
    let mut checker = Checker {
        plan,
        payload,
        step: Step::Connect,
        began: Instant::now(),
        outcome: Outcome { steps: Vec::new(), fault: None },
        is_back: false,
        is_acknowledged: plan.qos == Qos::AtMostOnce,
    };
    let ended = tokio::select! {
        biased;
        number = stop_signal(&mut signals) => return Ok(End::Signal(number)),
        ended = checker.run(way) => ended,
        () = tokio::time::sleep(plan.timeout) => Err(None),
    };
    if let Err(fault) = ended {
        let timed_out = || {
            let waited = humantime::format_duration(plan.timeout);
            format!("{} did not come within {waited}", checker.step.awaited())
        };
        checker.outcome.fault = Some(fault.unwrap_or_else(timed_out));
    }
    Ok(End::Known(checker.outcome))
}

/// Why it does not go on; `None` is the end of `--timeout`.
type Fault = Option<String>;

struct Checker<'p> {
    plan: &'p HealthPlan,
    payload: Bytes,
    step: Step,
    /// When the present step began.
    began: Instant,
    outcome: Outcome,
    is_back: bool,
    is_acknowledged: bool,
}

impl Checker<'_> {
    async fn run(&mut self, way: Way) -> Result<(), Fault> {
        let mut link = way.connect(&self.plan.client, compat::Face::Friendly).await.map_err(of_failure)?;
        while self.outcome.steps.len() < 3 {
            self.handle_events(&mut link)?;
            let turn = match link.client.flush() {
                // What is here already has to be looked at first.
                Ok(_) if self.outcome.steps.len() == 3 => Ok(()),
                Ok(_) => link.client.turn().await,
                Err(error) => Err(error),
            };
            if let Err(error) = turn {
                // The broker's last words say more than the end of the connection.
                self.handle_events(&mut link)?;
                return Err(self.of_client(error));
            }
        }
        self.say_goodbye(&mut link).await;
        Ok(())
    }

    /// Whatever becomes of it, the message has come back.
    async fn say_goodbye(&self, link: &mut Link) {
        let now = link.client.now();
        let properties = self.plan.client.disconnect_properties.clone();
        link.client.session().disconnect(now, Disconnect { reason: ReasonCode::SUCCESS, properties });
        while link.client.flush().is_ok_and(|is_written| !is_written) && link.client.turn().await.is_ok() {}
        while let Some(event) = link.client.session().poll_event() {
            tell(&event, link);
        }
        link.client.shutdown();
    }

    fn handle_events(&mut self, link: &mut Link) -> Result<(), Fault> {
        while let Some(event) = link.client.session().poll_event() {
            tell(&event, link);
            match event {
                Event::Connected(_) => {
                    self.finish(Step::Connect);
                    self.subscribe(link)?;
                }
                Event::Refused(connack) => {
                    let version = self.plan.client.version();
                    return Err(of_failure(Failure::of_refusal(&connack, version, Tool::Health)));
                }
                Event::Subscribed(suback) => {
                    self.check_suback(&suback)?;
                    self.finish(Step::Subscribe);
                    self.publish(link)?;
                }
                Event::Message(publish) => {
                    self.is_back |= publish.payload == self.payload;
                    self.finish_round_trip();
                }
                Event::Acknowledged { reason, .. } if reason.is_error() => {
                    return Err(Some(format!("the message was refused: {reason}")));
                }
                Event::Acknowledged { .. } => {
                    self.is_acknowledged = true;
                    self.finish_round_trip();
                }
                Event::Disconnected(disconnect) => {
                    return Err(Some(format!("the broker ended the connection: {}", disconnect.reason)));
                }
                Event::Sent(_)
                | Event::Received(_)
                | Event::Unsubscribed(_)
                | Event::Auth(_)
                | Event::Quiet => {}
            }
        }
        Ok(())
    }

    fn subscribe(&self, link: &mut Link) -> Result<(), Fault> {
        let now = link.client.now();
        // What may be retained there is not ours, and need not come.
        let retain_handling = match self.plan.client.version() {
            ProtocolVersion::V5 => RetainHandling::Never,
            ProtocolVersion::V31 | ProtocolVersion::V311 => RetainHandling::default(),
        };
        let options = SubscriptionOptions {
            maximum_qos: self.plan.qos,
            retain_handling,
            ..SubscriptionOptions::default()
        };
        let filters = vec![(self.plan.topic.clone(), options)];
        let subscribed =
            link.client.session().subscribe(now, self.plan.subscribe_properties.clone(), filters);
        subscribed.map(drop).map_err(of_session)
    }

    fn check_suback(&self, suback: &Suback) -> Result<(), Fault> {
        match suback.reasons.iter().find(|reason| reason.is_error()) {
            Some(reason) => {
                Err(Some(format!("the subscription to {} was denied: {reason}", self.plan.topic)))
            }
            None => Ok(()),
        }
    }

    fn publish(&self, link: &mut Link) -> Result<(), Fault> {
        let publish = Publish {
            qos: self.plan.qos,
            topic: self.plan.topic.clone(),
            properties: self.plan.publish_properties.clone(),
            payload: self.payload.clone(),
            ..Publish::default()
        };
        let now = link.client.now();
        link.client.session().publish(now, publish).map(drop).map_err(of_session)
    }

    fn finish_round_trip(&mut self) {
        if self.step == Step::RoundTrip && self.is_back && self.is_acknowledged {
            self.finish(Step::RoundTrip);
        }
    }

    /// The present step is done, and the next one begins.
    fn finish(&mut self, step: Step) {
        let now = Instant::now();
        self.outcome.steps.push((step, now - self.began));
        self.began = now;
        self.step = match step {
            Step::Connect => Step::Subscribe,
            Step::Subscribe | Step::RoundTrip => Step::RoundTrip,
        };
    }

    fn of_client(&self, error: ClientError) -> Fault {
        match error {
            ClientError::Closed => of_failure(Failure::lost()),
            ClientError::Io(error) => of_failure(Failure::of_transport(&error, compat::Face::Friendly)),
            ClientError::Session(error) => of_failure(Failure::of_session(error, self.step > Step::Connect)),
        }
    }
}

/// Packets of `-d` go to the standard error, away from the outcome.
fn tell(event: &Event, link: &mut Link) {
    let mut line = Vec::new();
    let id = link.client.session().client_identifier().clone();
    match event {
        Event::Sent(packet) => debug_lines::sent(&mut line, &id, packet),
        Event::Received(packet) => debug_lines::received(&mut line, &id, packet),
        _ => return,
    }
    super::complain(&String::from_utf8_lossy(&line));
}

fn of_session(error: SessionError) -> Fault {
    of_failure(Failure::of_session(error, true))
}

/// The words of a failure that other programs print alone.
fn of_failure(failure: Failure) -> Fault {
    let text = failure.text.trim();
    let text = text.strip_prefix("Error: ").unwrap_or(text).trim_end_matches('.');
    Some(text.replace('\n', "; "))
}
