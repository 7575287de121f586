//! `rr`: sends a request and prints the reply.

use super::link::{Link, Way};
use super::printer::{printer, wall_time};
use super::publish::{sleep_until, stop_signal};
use super::signals::{Signals, end_by};
use super::source::Source;
use crate::compat::{self, Face, Failure, Fault, Invocation, debug_lines, output_fault, publish_warning};
use crate::flags::plan::RequestPlan;
use crate::flags::{MessageSource, Tool};
use crate::net::ClientError;
use crate::output::{Message, Printer};
use crate::packet::{
    Disconnect, Properties, Property, PropertyIdentifier, ProtocolVersion, Publish, ReasonCode, Suback,
};
use crate::session::{Event, SessionError};
use crate::time::Time;
use bytes::Bytes;
use hdrhistogram::Histogram;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Longer latencies count as this long, in nanoseconds: an hour.
const LATENCY_MAX: u64 = 3_600_000_000_000;

/// Runs `rr` with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs `rr` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let invocation = match compat::read(Tool::Request, argv) {
        Ok(invocation) => invocation,
        Err(ending) => return ending.report(),
    };
    let quiet = invocation.draft.general.quiet;
    let (plan, payload) = match prepare(&invocation) {
        Ok(Some(prepared)) => prepared,
        Ok(None) => return invocation.ending(Fault::TopicMessageAndResponse).report(),
        Err(failure) => return super::end(&failure, quiet),
    };
    let request = Requester::request(plan, payload, invocation.caller.face);
    match super::block_on(request).unwrap_or_else(|error| End::Failed(Failure::of_system(&error))) {
        End::Failed(failure) => super::end(&failure, quiet),
        End::Signal(number) => {
            end_by(number);
            ExitCode::FAILURE
        }
    }
}

/// The payload is read first, then what is missing is noticed, then the rest of the options is judged.
fn prepare(invocation: &Invocation) -> Result<Option<(RequestPlan, Bytes)>, Failure> {
    let draft = &invocation.draft;
    let payload = match &draft.message.source {
        Some(MessageSource::Lines | MessageSource::JsonLines | MessageSource::Tsv) | None => return Ok(None),
        Some(source) => match Source::load(source, invocation.caller.face)? {
            Source::Payload(payload) => payload,
            Source::Lines(_) => return Ok(None),
        },
    };
    let (Some(topic), Some(response_topic)) = (&draft.message.topic, &draft.request.response_topic) else {
        return Ok(None);
    };
    let plan = RequestPlan::new(draft, topic.clone(), response_topic.clone(), std::process::id())
        .map_err(|error| Failure::of_plan(&error, Tool::Request))?;
    Ok(Some((plan, payload)))
}

/// How a run ends.
enum End {
    /// With a text and a status, which is 0 when the reply came.
    Failed(Failure),
    /// By this signal.
    Signal(i32),
}

struct Requester {
    plan: RequestPlan,
    face: Face,
    payload: Bytes,
    link: Link,
    printer: Printer,
    out: Vec<u8>,
    complaints: String,
    deadline: Option<Instant>,
    /// When the request was handed to the session.
    requested: Option<Time>,
    /// Replies that the present request still waits for, and requests that come after it.
    replies_left: u32,
    requests_left: u32,
    /// What replies to the present request bring back, if their makers follow the standard.
    correlation: Option<Bytes>,
    /// With several requests, how long each reply took.
    latencies: Option<Histogram<u64>>,
    is_accepted: bool,
    /// Ended by our DISCONNECT; the status stands.
    leaving: Option<Failure>,
}

impl Requester {
    async fn request(plan: RequestPlan, payload: Bytes, face: Face) -> End {
        let way = match Way::prepare(&plan.client, face) {
            Ok(way) => way,
            Err(failure) => return End::Failed(failure),
        };
        // mosquitto_rr dies of a signal where it stands.
        let mut signals = match face {
            Face::Strict => None,
            Face::Friendly => match Signals::watch() {
                Ok(signals) => Some(signals),
                Err(error) => return End::Failed(Failure::of_system(&error)),
            },
        };
        let link = tokio::select! {
            link = way.connect(&plan.client, face) => link,
            number = stop_signal(&mut signals) => return End::Signal(number),
        };
        match link {
            Ok(link) => Self::new(plan, payload, face, link).run(&mut signals).await,
            Err(failure) => End::Failed(failure),
        }
    }

    fn new(plan: RequestPlan, payload: Bytes, face: Face, link: Link) -> Self {
        let printer = printer(plan.form.clone(), face)
            .line_end(plan.line_end)
            .pretty(plan.pretty)
            .colored(super::printer::is_colored(plan.color, face));
        let latencies = (plan.latency && plan.requests > 1).then(latencies);
        Self {
            deadline: plan.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            plan,
            face,
            payload,
            link,
            printer,
            out: Vec::new(),
            complaints: String::new(),
            requested: None,
            replies_left: 0,
            requests_left: 0,
            correlation: None,
            latencies,
            is_accepted: false,
            leaving: None,
        }
    }

    /// However it ends, what was measured is told.
    async fn run(&mut self, signals: &mut Option<Signals>) -> End {
        let end = self.go_on(signals).await;
        if let Some(latencies) = &self.latencies {
            self.out.extend_from_slice(percentiles(latencies).as_bytes());
        }
        self.print();
        end
    }

    async fn go_on(&mut self, signals: &mut Option<Signals>) -> End {
        loop {
            let ended = self.handle_events();
            self.print();
            if let Some(failure) = ended {
                return End::Failed(failure);
            }
            match self.link.client.flush() {
                Ok(true) if self.leaving.is_some() && self.link.client.session().is_closing() => {
                    let failure = self.leaving.take().unwrap_or_default();
                    let _ = self.handle_events();
                    self.print();
                    self.link.client.shutdown();
                    return End::Failed(failure);
                }
                Ok(_) => {}
                Err(error) => return End::Failed(self.lost(error)),
            }
            let (deadline, is_leaving) = (self.deadline, self.leaving.is_some());
            tokio::select! {
                biased;
                number = stop_signal(signals) => {
                    self.leave(Failure::default(), ReasonCode::SUCCESS);
                    let _ = self.link.client.flush();
                    let _ = self.handle_events();
                    self.link.client.shutdown();
                    return End::Signal(number);
                }
                () = sleep_until(deadline), if deadline.is_some() && !is_leaving => {
                    if !self.is_accepted {
                        return End::Failed(Failure::timed_out());
                    }
                    // The server is to send the will.
                    self.leave(Failure::timed_out(), ReasonCode::DISCONNECT_WITH_WILL);
                }
                turn = self.link.client.turn() => if let Err(error) = turn {
                    let failure = self.lost(error);
                    self.print();
                    return End::Failed(failure);
                },
            }
        }
    }

    /// Takes what the session reports; a failure when the connection is over.
    fn handle_events(&mut self) -> Option<Failure> {
        while let Some(event) = self.link.client.session().poll_event() {
            match event {
                Event::Connected(_) => self.subscribe(),
                Event::Refused(connack) => {
                    let version = self.plan.client.version();
                    return Some(Failure::of_refusal(&connack, version, Tool::Request));
                }
                Event::Subscribed(suback) => self.handle_suback(&suback),
                Event::Message(publish) => self.handle_message(&publish),
                Event::Acknowledged { id, reason, properties, .. } if reason.is_error() => {
                    let text = properties.as_ref().text(PropertyIdentifier::ReasonString);
                    self.complaints.push_str(&publish_warning(id.get(), reason, text));
                }
                Event::Disconnected(disconnect) => {
                    self.link.client.shutdown();
                    let refused = || Failure::of_disconnect_before_reply(disconnect.reason);
                    return Some(self.leaving.take().unwrap_or_else(refused));
                }
                Event::Sent(packet) => {
                    let id = self.link.client.session().client_identifier().clone();
                    debug_lines::sent(&mut self.out, &id, &packet);
                }
                Event::Received(packet) => {
                    let id = self.link.client.session().client_identifier().clone();
                    debug_lines::received(&mut self.out, &id, &packet);
                }
                Event::Acknowledged { .. } | Event::Unsubscribed(_) | Event::Auth(_) | Event::Quiet => {}
            }
        }
        None
    }

    fn subscribe(&mut self) {
        self.is_accepted = true;
        let client = &mut self.link.client;
        let now = client.now();
        let properties = match self.plan.client.version() {
            ProtocolVersion::V5 => self.plan.subscribe_properties.clone(),
            ProtocolVersion::V31 | ProtocolVersion::V311 => Properties::EMPTY,
        };
        let filters = vec![(self.plan.response_topic.clone(), self.plan.options)];
        match client.session().subscribe(now, properties, filters) {
            Ok(_) => {}
            Err(SessionError::NotSupported(reason)) => self.denied(reason),
            Err(error) => self.leave(Failure::of_session(error, true), ReasonCode::SUCCESS),
        }
    }

    fn handle_suback(&mut self, suback: &Suback) {
        match suback.reasons.iter().find(|reason| reason.is_error()) {
            Some(reason) => self.denied(*reason),
            None => {
                self.requests_left = self.plan.requests;
                self.publish();
            }
        }
    }

    fn denied(&mut self, reason: ReasonCode) {
        let status = u8::from(self.face == Face::Friendly);
        self.leave(Failure::of_denied_response(reason, status), ReasonCode::SUCCESS);
    }

    /// Sends the request. Under mosquitto's name whatever arrives on the response topic from now on, or before, is the
    /// reply; else see [`Requester::is_reply`].
    fn publish(&mut self) {
        self.requests_left -= 1;
        self.replies_left = self.plan.replies;
        let mut properties = self.plan.properties.clone();
        if self.face == Face::Friendly && self.plan.client.version() == ProtocolVersion::V5 {
            let own = properties.as_ref().binary(PropertyIdentifier::CorrelationData);
            self.correlation = Some(match own {
                Some(own) => Bytes::copy_from_slice(own),
                None => {
                    // As text, because a responder may be a shell, which can hand no other bytes back.
                    let made = Bytes::from(uuid::Uuid::new_v4().simple().to_string());
                    // A few bytes more are too many only where the request cannot be sent anyway, which says so.
                    let property = Property::binary(PropertyIdentifier::CorrelationData, &made);
                    let _ = properties.push(property);
                    made
                }
            });
        }
        let publish = Publish {
            qos: self.plan.qos,
            topic: self.plan.topic.clone(),
            properties,
            payload: self.payload.clone(),
            ..Publish::default()
        };
        let client = &mut self.link.client;
        let now = client.now();
        self.requested = Some(now);
        if let Err(error) = client.session().publish(now, publish) {
            let failure = Failure::of_publish(error, self.plan.client.version());
            self.leave(failure, ReasonCode::SUCCESS);
        }
    }

    /// Whether a message may be the reply to the present request: not one from before it, nor a retained one, nor one
    /// that brings back what another request sent. A reply that brings back nothing is taken.
    fn is_reply(&self, publish: &Publish) -> bool {
        if self.face == Face::Strict {
            return !(self.plan.no_retain && publish.retain);
        }
        let theirs = publish.properties.as_ref().binary(PropertyIdentifier::CorrelationData);
        let is_foreign =
            theirs.is_some_and(|theirs| self.correlation.as_ref().is_some_and(|own| own != theirs));
        self.requested.is_some() && !publish.retain && !is_foreign
    }

    fn handle_message(&mut self, publish: &Publish) {
        if self.leaving.is_some() || !self.is_reply(publish) {
            return;
        }
        let latency = self.requested.map(|requested| self.link.client.now().since(requested));
        let mut faults = Vec::new();
        let message = Message { publish: publish.as_ref(), received: wall_time() };
        self.printer.print(&message, &mut self.out, &mut faults);
        self.complaints.extend(faults.into_iter().map(|fault| output_fault(fault, &publish.topic)));
        if let Some(latency) = latency.filter(|_| self.plan.latency) {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_MAX);
            match &mut self.latencies {
                Some(latencies) => latencies.saturating_record(nanos),
                None => self.out.extend_from_slice(latency_line(latency).as_bytes()),
            }
        }
        self.replies_left = self.replies_left.saturating_sub(1);
        if self.replies_left > 0 {
            return;
        }
        if self.requests_left > 0 {
            return self.publish();
        }
        self.leave(Failure::default(), ReasonCode::SUCCESS);
    }

    /// Says DISCONNECT; `failure` is how the program ends then.
    fn leave(&mut self, failure: Failure, reason: ReasonCode) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(failure);
        let now = self.link.client.now();
        let reason = match self.plan.client.version() {
            ProtocolVersion::V5 => reason,
            ProtocolVersion::V31 | ProtocolVersion::V311 => ReasonCode::SUCCESS,
        };
        let properties = self.plan.client.disconnect_properties.clone();
        self.link.client.session().disconnect(now, Disconnect { reason, properties });
    }

    fn lost(&mut self, error: ClientError) -> Failure {
        let ended = self.handle_events();
        if let Some(failure) = self.leaving.take().or(ended) {
            return failure;
        }
        match error {
            ClientError::Closed => Failure::lost(),
            ClientError::Io(error) => Failure::of_transport(&error, self.face),
            ClientError::Session(error) => Failure::of_session(error, self.is_accepted),
        }
    }

    fn print(&mut self) {
        if !self.complaints.is_empty() {
            if !self.plan.client.quiet {
                super::complain(&self.complaints);
            }
            self.complaints.clear();
        }
        if !self.out.is_empty() {
            let _ = io::stdout().write_all(&self.out);
            let _ = io::stdout().flush();
            self.out.clear();
        }
    }
}

/// `--latency` as the reference prints it: the unit grows with the time, and from a second on there is none.
fn latency_line(latency: Duration) -> String {
    let nanos = latency.as_nanos();
    #[allow(clippy::cast_precision_loss)] // below a second, so exact
    match nanos {
        0..1_000 => format!("Latency: {nanos}ns\n"),
        1_000..1_000_000 => format!("Latency: {:.6}µs\n", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("Latency: {:.6}ms\n", nanos as f64 / 1e6),
        _ => format!("Latency: {}.{:09}\n", latency.as_secs(), latency.subsec_nanos()),
    }
}

/// Room for the latencies of any number of replies.
fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("the bounds are in order")
}

/// The latencies of many replies in one line, to three digits; nothing without a reply.
fn percentiles(latencies: &Histogram<u64>) -> String {
    if latencies.is_empty() {
        return String::new();
    }
    let at = |percent: f64| {
        let nanos = latencies.highest_equivalent(latencies.value_at_quantile(percent / 100.0));
        format!("{:.3}ms", Duration::from_nanos(nanos).as_secs_f64() * 1e3)
    };
    let count = latencies.len();
    let [min, p50, p90, p99, max] = [0.0, 50.0, 90.0, 99.0, 100.0].map(at);
    format!("Latency: {count} replies, min {min}, p50 {p50}, p90 {p90}, p99 {p99}, max {max}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let mut latencies = latencies();
        assert_eq!(percentiles(&latencies), "");
        latencies.saturating_record(1_500_000);
        assert_eq!(
            percentiles(&latencies),
            "Latency: 1 replies, min 1.500ms, p50 1.500ms, p90 1.500ms, p99 1.500ms, max 1.500ms\n"
        );
        (1..100).for_each(|ten| latencies.saturating_record(1_500_000 + ten * 100_000));
        let text = percentiles(&latencies);
        assert!(text.starts_with("Latency: 100 replies, min 1.500ms, p50 6.4"), "{text}");
        assert!(text.contains("p90 10.4") && text.contains("p99 11.3"), "{text}");
    }

    #[test]
    fn latency_changes_its_unit_at_each_thousand() {
        for (nanos, text) in [
            (999, "999ns"),
            (1_000, "1.000000µs"),
            (999_999, "999.999000µs"),
            (10_271_290, "10.271290ms"),
            (1_000_000_000, "1.000000000"),
            (61_000_000_007, "61.000000007"),
        ] {
            assert_eq!(latency_line(Duration::from_nanos(nanos)), format!("Latency: {text}\n"));
        }
    }
}
