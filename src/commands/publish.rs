//! `pub`: sends one message, once or several times, or one a line.

use super::feed::{self, Feed};
use super::lines::Lines;
use super::link::{Link, Way};
use super::publish_progress::Progress;
use super::signals::{Asked, Signals, end_by};
use super::source::Source;
use crate::compat::{self, Face, Failure, Fault, Invocation, debug_lines, is_of_tls, publish_warning};
use crate::flags::plan::PublishPlan;
use crate::flags::{LineForm, Tool};
use crate::net::ClientError;
use crate::packet::{Disconnect, PropertyIdentifier, Publish, Qos, ReasonCode, Text};
use crate::session::{Event, SessionError};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use tokio::time::Instant;

/// Runs `pub` with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs `pub` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let invocation = match compat::read(Tool::Publish, argv) {
        Ok(invocation) => invocation,
        Err(ending) => return ending.report(),
    };
    let quiet = invocation.draft.general.quiet;
    match prepare(&invocation) {
        Ok(Some((plan, source))) if invocation.draft.message.dry_run => {
            let shown = super::dry_run::show(&plan, source);
            super::end(&shown.err().unwrap_or_default(), quiet)
        }
        Ok(Some((plan, source))) => run_plan(plan, source, invocation.caller.face),
        Ok(None) => invocation.ending(Fault::TopicAndMessage).report(),
        Err(failure) => super::end(&failure, quiet),
    }
}

/// Publishes as planned; the status to end with.
pub(super) fn run_plan(plan: PublishPlan, source: Source, face: Face) -> ExitCode {
    let quiet = plan.client.quiet;
    let outcome = super::block_on(Publisher::publish(plan, source, face));
    match outcome.unwrap_or_else(|error| End::Failed(Failure::of_system(&error))) {
        End::Failed(failure) => super::end(&failure, quiet),
        End::Signal(number, failure) => {
            let status = super::end(&failure, quiet);
            end_by(number);
            status
        }
    }
}

/// The payload is read first, then topic and message are missed, then the rest of the options is judged.
fn prepare(invocation: &Invocation) -> Result<Option<(PublishPlan, Source)>, Failure> {
    let draft = &invocation.draft;
    let Some(chosen) = &draft.message.source else { return Ok(None) };
    let source = Source::load(chosen, invocation.caller.face)?;
    let topic = match &draft.message.topic {
        Some(topic) => topic,
        // Each line brings its own.
        None if draft.message.has_own_topics() => &Text::EMPTY,
        None => return Ok(None),
    };
    let plan = PublishPlan::new(draft, topic.clone(), std::process::id())
        .map_err(|error| Failure::of_plan(&error, Tool::Publish))?;
    Ok(Some((plan, source)))
}

/// How a run ends.
enum End {
    /// With a text and a status, which is 0 when all is well.
    Failed(Failure),
    /// By this signal, after the text.
    Signal(i32, Failure),
}

/// What a turn of the loop found out.
enum Step {
    /// Go on.
    Continue,
    /// Everything is said; the last bytes are on their way.
    Leave(Failure),
    /// The connection is gone.
    Lost(Failure),
}

struct Publisher {
    plan: PublishPlan,
    face: Face,
    link: Link,
    feed: Feed,
    /// Messages accepted by the session and not acknowledged yet; those of QoS 0 end when they are handed over.
    outstanding: u64,
    /// Lines of QoS 0 that were read while there was no connection.
    dropped: u64,
    /// The present connection has been accepted.
    is_accepted: bool,
    /// Nothing more is published, and this is said when all that was is acknowledged.
    faulty: Option<Failure>,
    /// The next repetition is due then.
    due: Option<Instant>,
    /// Ended by DISCONNECT, ours or the server's; the status stands.
    leaving: Option<Failure>,
    debug: Vec<u8>,
    progress: Progress,
}

impl Publisher {
    async fn publish(plan: PublishPlan, source: Source, face: Face) -> End {
        let way = match Way::prepare(&plan.client, face) {
            Ok(way) => way,
            Err(failure) => return End::Failed(failure),
        };
        // mosquitto_pub dies of a signal where it stands.
        let mut signals = match face {
            Face::Strict => None,
            Face::Friendly => match Signals::watch() {
                Ok(signals) => Some(signals),
                Err(error) => return End::Failed(Failure::of_system(&error)),
            },
        };
        let prepared = tokio::select! {
            prepared = Self::prepare(plan, source, face, way) => prepared,
            number = stop_signal(&mut signals) => return End::Signal(number, Failure::default()),
        };
        match prepared {
            Ok(mut publisher) => publisher.run(&mut signals).await,
            Err(failure) => End::Failed(failure),
        }
    }

    async fn prepare(mut plan: PublishPlan, source: Source, face: Face, way: Way) -> Result<Self, Failure> {
        let of_system = |error: io::Error| Failure::of_system(&error);
        let feed = match source {
            Source::Lines(file) => {
                // Nobody waits for a line of QoS 0 once it is handed over.
                plan.client.session.acknowledge_qos0 = false;
                // Under mosquitto's names what is read meanwhile is gone; else it waits in the input.
                plan.client.session.drop_qos0_while_offline = face == Face::Strict;
                let lines = file.map_or_else(Lines::of_stdin, Lines::of).map_err(of_system)?;
                match plan.lines {
                    Some(form @ (LineForm::Json | LineForm::TopicTabPayload)) => {
                        Feed::records(lines, form, plan.replay.as_ref().map(|replay| replay.speed))
                    }
                    Some(LineForm::Payload) | None => Feed::Lines(lines),
                }
            }
            Source::Payload(payload) => {
                let publish = Publish {
                    qos: plan.qos,
                    retain: plan.retain,
                    topic: plan.topic.clone(),
                    properties: plan.properties.clone(),
                    payload,
                    ..Publish::default()
                };
                Feed::Payload { publish, left: plan.repeat }
            }
        };
        let is_shown = face == Face::Friendly && !plan.client.quiet && !plan.client.debug;
        let link = way.connect_within(&plan.client, face, plan.retry).await?;
        Ok(Self {
            plan,
            face,
            link,
            feed,
            outstanding: 0,
            dropped: 0,
            is_accepted: false,
            faulty: None,
            due: None,
            leaving: None,
            debug: Vec::new(),
            progress: Progress::new(is_shown),
        })
    }

    async fn run(&mut self, signals: &mut Option<Signals>) -> End {
        let end = self.go_on(signals).await;
        self.progress.finish();
        end
    }

    async fn go_on(&mut self, signals: &mut Option<Signals>) -> End {
        loop {
            let step = self.step(signals).await;
            self.print_debug();
            let (feed, link) = (&self.feed, &self.link);
            self.progress.update(|| feed.position(self.plan.repeat, self.outstanding, link.client.pending()));
            match step {
                Ok(Step::Continue) => {}
                Ok(Step::Leave(failure)) => return End::Failed(failure),
                Ok(Step::Lost(failure))
                    if matches!(self.feed, Feed::Payload { .. }) && self.plan.retry.is_none() =>
                {
                    return End::Failed(failure);
                }
                Ok(Step::Lost(_)) => {
                    if let Err(end) = self.reconnect(signals).await {
                        return match end {
                            End::Failed(failure) => End::Failed(self.unfinished(failure)),
                            End::Signal(number, failure) => End::Signal(number, self.unfinished(failure)),
                        };
                    }
                }
                Err(number) => return End::Signal(number, self.unfinished(Failure::default())),
            }
        }
    }

    /// Waits for the next connection. Under mosquitto's names the input is read on meanwhile, as far as the queue goes:
    /// lines of QoS 1 and 2 wait there, those of QoS 0 are dropped.
    async fn reconnect(&mut self, signals: &mut Option<Signals>) -> Result<(), End> {
        let until = self.plan.retry.and_then(|retry| Instant::now().checked_add(retry));
        let Link { client, way } = &mut self.link;
        let mut found = std::pin::pin!(way.find());
        loop {
            if self.face == Face::Strict
                && let Feed::Lines(lines) = &mut self.feed
            {
                let fed = feed::lines(lines, client, &mut self.plan).map_err(End::Failed)?;
                self.outstanding += fed.accepted;
                self.dropped += fed.dropped;
            }
            tokio::select! {
                biased;
                number = stop_signal(signals) => return Err(End::Signal(number, Failure::default())),
                stream = &mut found => {
                    client.attach(stream);
                    return Ok(());
                }
                () = sleep_until(until), if until.is_some() => return Err(End::Failed(Failure::lost())),
                filled = self.feed.fill(), if self.face == Face::Strict => {
                    filled.map_err(|error| End::Failed(Failure::of_input(&error)))?;
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// One turn: what arrived, what can be sent, then waiting. The error is the number of a signal.
    async fn step(&mut self, signals: &mut Option<Signals>) -> Result<Step, i32> {
        if let Some(step) = self.handle_events() {
            return Ok(step);
        }
        if self.leaving.is_none()
            && self.link.client.session().is_connected()
            && let Err(failure) = self.feed()
        {
            self.leave(self.unfinished(failure));
        }
        // What waits for an answer is shown before it is waited for.
        if self.plan.client.debug {
            if let Some(step) = self.handle_events() {
                return Ok(step);
            }
            self.print_debug();
        }
        match self.link.client.flush() {
            Ok(true) if self.leaving.is_some() && self.link.client.session().is_closing() => {
                // The acknowledgements of the last flush are worth nothing any more.
                let failure = self.leaving.take().unwrap_or_default();
                let _ = self.handle_events();
                self.link.client.shutdown();
                return Ok(Step::Leave(failure));
            }
            // QoS 0 is acknowledged by being handed over, so what follows may be ready already.
            Ok(true) if self.is_acknowledged_by_writing() => {
                tokio::task::yield_now().await;
                return Ok(Step::Continue);
            }
            Ok(_) => {}
            Err(error) => return Ok(self.lost(error)),
        }
        self.wait(signals).await
    }

    async fn wait(&mut self, signals: &mut Option<Signals>) -> Result<Step, i32> {
        let is_connected = self.link.client.session().is_connected() && self.leaving.is_none();
        let client = &mut self.link.client;
        // Nothing is read from the input while much waits to be written.
        let may_read = is_connected && client.pending() < feed::TURN_BYTES;
        let due = self.due.or_else(|| self.feed.due().filter(|_| is_connected));
        let turn = tokio::select! {
            biased;
            number = stop_signal(signals) => {
                self.stop();
                return Err(number);
            }
            turn = client.turn() => turn,
            filled = self.feed.fill(), if may_read => {
                if let Err(error) = filled {
                    self.leave(self.unfinished(Failure::of_input(&error)));
                }
                // Lets the runtime look at the sockets however fast the input is.
                tokio::task::yield_now().await;
                return Ok(Step::Continue);
            }
            () = sleep_until(due), if due.is_some() => {
                self.due = None;
                return Ok(Step::Continue);
            }
        };
        match turn {
            Ok(()) => Ok(Step::Continue),
            Err(error) => Ok(self.lost(error)),
        }
    }

    fn is_acknowledged_by_writing(&self) -> bool {
        self.plan.client.session.acknowledge_qos0 && self.outstanding > 0 && self.plan.qos == Qos::AtMostOnce
    }

    /// Takes what the session reports; a step when the connection is over.
    fn handle_events(&mut self) -> Option<Step> {
        while let Some(event) = self.link.client.session().poll_event() {
            match event {
                Event::Connected(_) => {
                    self.is_accepted = true;
                    self.link.connected();
                }
                Event::Refused(connack) => {
                    let failure = Failure::of_refusal(&connack, self.plan.client.version(), Tool::Publish);
                    return Some(Step::Leave(self.unfinished(failure)));
                }
                Event::Acknowledged { id, reason, properties, .. } => {
                    self.outstanding = self.outstanding.saturating_sub(1);
                    if reason.is_error() && !self.plan.client.quiet {
                        let text = properties.as_ref().text(PropertyIdentifier::ReasonString);
                        super::complain(&publish_warning(id.get(), reason, text));
                    }
                    if let Feed::Payload { left: 1.., .. } = self.feed
                        && !self.plan.repeat_delay.is_zero()
                    {
                        self.due = Some(Instant::now() + self.plan.repeat_delay);
                    }
                }
                Event::Disconnected(disconnect) => {
                    let failure = Failure::of_disconnect(disconnect.reason);
                    self.link.client.shutdown();
                    return Some(match self.feed {
                        Feed::Payload { .. } if self.plan.retry.is_none() => Step::Leave(failure),
                        _ => Step::Lost(failure),
                    });
                }
                Event::Sent(packet) => {
                    let id = self.link.client.session().client_identifier().clone();
                    debug_lines::sent(&mut self.debug, &id, &packet);
                }
                Event::Received(packet) => {
                    let id = self.link.client.session().client_identifier().clone();
                    debug_lines::received(&mut self.debug, &id, &packet);
                }
                Event::Message(_)
                | Event::Subscribed(_)
                | Event::Unsubscribed(_)
                | Event::Auth(_)
                | Event::Quiet => {}
            }
        }
        None
    }

    /// Publishes what the window and the socket take; behind the last message goes the DISCONNECT.
    fn feed(&mut self) -> Result<(), Failure> {
        if self.faulty.is_some() {
            if self.outstanding == 0 {
                let failure = self.faulty.take().unwrap_or_default();
                self.leave(failure);
            }
            return Ok(());
        }
        match &mut self.feed {
            Feed::Payload { publish, left } => {
                if *left > 0 && self.outstanding == 0 && self.due.is_none() {
                    let publish = publish.clone();
                    *left -= 1;
                    self.publish_one(publish)?;
                }
            }
            Feed::Lines(lines) => {
                let fed = feed::lines(lines, &mut self.link.client, &mut self.plan)?;
                self.outstanding += fed.accepted;
                self.dropped += fed.dropped;
            }
            Feed::Records(records) => {
                let sent = records.publish(&mut self.link.client, &self.plan);
                self.outstanding += sent.0;
                if let Err(failure) = sent.1 {
                    // The lines before it are as good as if it had not been there.
                    if self.outstanding == 0 {
                        return Err(failure);
                    }
                    self.faulty = Some(failure);
                    return Ok(());
                }
            }
        }
        if self.is_finished() {
            self.leave(Failure::default().and_dropped(self.dropped));
        }
        Ok(())
    }

    fn publish_one(&mut self, mut publish: Publish) -> Result<(), Failure> {
        let client = &mut self.link.client;
        let now = client.now();
        let mut result = client.session().publish(now, publish.clone());
        if result == Err(SessionError::NotSupported(ReasonCode::RETAIN_NOT_SUPPORTED)) {
            publish.retain = false;
            result = client.session().publish(now, publish);
        }
        match result {
            Ok(_) => {
                self.outstanding += 1;
                Ok(())
            }
            Err(error) => Err(Failure::of_publish(error, self.plan.client.version())),
        }
    }

    /// Whether nothing is left to be published or acknowledged.
    fn is_finished(&self) -> bool {
        // At QoS 0 the DISCONNECT goes out right behind the last message; of records only the others are counted.
        let is_uncounted = self.plan.qos == Qos::AtMostOnce && !matches!(self.feed, Feed::Records(_));
        (is_uncounted || self.outstanding == 0)
            && match &self.feed {
                Feed::Payload { left, .. } => *left == 0,
                Feed::Lines(lines) => lines.is_finished(),
                Feed::Records(records) => records.is_finished(),
            }
    }

    /// Says DISCONNECT; `failure` is how the program ends then.
    fn leave(&mut self, failure: Failure) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(failure);
        let now = self.link.client.now();
        let properties = self.plan.client.disconnect_properties.clone();
        let disconnect = Disconnect { reason: ReasonCode::SUCCESS, properties };
        self.link.client.session().disconnect(now, disconnect);
    }

    /// A signal: DISCONNECT, without waiting for anything.
    fn stop(&mut self) {
        self.leave(Failure::default());
        let _ = self.link.client.flush();
        let _ = self.handle_events();
        self.link.client.shutdown();
    }

    fn lost(&mut self, error: ClientError) -> Step {
        let _ = self.handle_events();
        if let Some(failure) = self.leaving.take() {
            // Up to the DISCONNECT not everything was written, and at QoS 0 that is all there is.
            let is_uncertain = self.plan.qos == Qos::AtMostOnce && failure.status == 0;
            return Step::Leave(if is_uncertain { Failure::lost() } else { failure });
        }
        let is_accepted = std::mem::take(&mut self.is_accepted);
        match error {
            ClientError::Closed => Step::Lost(Failure::lost()),
            ClientError::Io(error) if !is_accepted && is_of_tls(&error) => {
                Step::Leave(self.unfinished(Failure::of_transport(&error, self.face)))
            }
            ClientError::Io(_) => Step::Lost(Failure::lost()),
            ClientError::Session(error) => {
                let failure = Failure::of_session(error, is_accepted);
                match error {
                    SessionError::PingTimeout => Step::Lost(failure),
                    _ => Step::Leave(self.unfinished(failure)),
                }
            }
        }
    }

    /// `failure`, and how many lines no broker has confirmed.
    fn unfinished(&self, failure: Failure) -> Failure {
        match self.feed {
            Feed::Records(_) => failure.and_unacknowledged(self.outstanding),
            Feed::Lines(_) if self.plan.qos != Qos::AtMostOnce => {
                failure.and_unacknowledged(self.outstanding)
            }
            _ => failure.and_dropped(self.dropped),
        }
    }

    fn print_debug(&mut self) {
        if !self.debug.is_empty() {
            let _ = io::stdout().write_all(&self.debug);
            let _ = io::stdout().flush();
            self.debug.clear();
        }
    }
}

/// The number of a signal that asks the program to stop; never comes where none is watched.
pub(super) async fn stop_signal(signals: &mut Option<Signals>) -> i32 {
    match signals {
        Some(signals) => loop {
            if let Asked::Stop(number) = signals.next().await {
                return number;
            }
        },
        None => std::future::pending().await,
    }
}

pub(super) async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
