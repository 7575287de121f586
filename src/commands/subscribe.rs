//! `sub`: subscribes and prints what arrives, over as many connections as it takes.

use super::executor::Executor;
use super::link::{Link, Way};
use super::publish_progress::{Position, Progress};
use super::ready::Ready;
use super::receiver::Receiver;
use super::record;
use super::signals::{Asked, Signals};
use super::standard_output::StandardOutput;
use crate::compat::{
    self, ALL_SUBSCRIPTIONS_DENIED, Face, Failure, Fault, RECORDING_GAP, debug_lines, is_of_tls,
};
use crate::flags::Tool;
use crate::flags::plan::{RecordingPlan, SubscribePlan};
use crate::net::ClientError;
use crate::output::Filter;
use crate::packet::{
    Disconnect, Properties, ProtocolVersion, Publish, Qos, ReasonCode, RetainHandling, Suback,
    SubscriptionOptions, Text,
};
use crate::session::{Event, Offered, SessionError};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, Interval};

/// The status of an end before the server has answered.
const BEFORE_CONNACK: u8 = 255;

/// Clearings of `--purge` that are under way at once.
const CLEARINGS_MAX: u64 = 20;

/// Runs `sub` with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs `sub` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let invocation = match compat::read(Tool::Subscribe, argv) {
        Ok(invocation) => invocation,
        Err(ending) => return ending.report(),
    };
    let filters = [("--until", &invocation.draft.subscription.until), ("--jq", &invocation.draft.output.jq)];
    for (flag, text) in filters {
        if let Some(text) = text
            && let Err(error) = Filter::parse(text)
        {
            return invocation.ending(Fault::Value(flag, text.clone(), error.to_string())).report();
        }
    }
    match SubscribePlan::new(&invocation.draft, std::process::id()) {
        Ok(plan) => run_plan(plan, invocation.caller.face),
        Err(error) => super::end(&Failure::of_plan(&error, Tool::Subscribe), invocation.draft.general.quiet),
    }
}

/// Subscribes as planned; the status to end with.
pub(super) fn run_plan(plan: SubscribePlan, face: Face) -> ExitCode {
    let quiet = plan.client.quiet;
    let ended = super::block_on(Subscriber::subscribe(plan, face));
    super::end(&ended.unwrap_or_else(|error| Failure::of_system(&error)), quiet)
}

/// What a turn of the loop found out.
enum Step {
    /// Go on.
    Continue,
    /// Everything is said.
    Leave(Failure),
    /// The connection is gone; make another.
    Lost,
}

struct Subscriber {
    plan: SubscribePlan,
    face: Face,
    link: Link,
    signals: Signals,
    output: StandardOutput,
    /// The packets of `-d`, where they do not belong between what is printed.
    debug: Vec<u8>,
    /// Of a recording.
    progress: Progress,
    receiver: Receiver,
    ready: Ready,
    executor: Option<Executor>,
    has_connected: bool,
    /// A subscription was granted, on this connection or an earlier one.
    has_subscribed: bool,
    /// The present connection has been accepted.
    is_accepted: bool,
    ticks: Option<Interval>,
    deadline: Option<Instant>,
    /// Clearings of retained messages that the server has not acknowledged.
    removals: u64,
    /// With `--purge`: what is still to be cleared, and how many clearings the server refused.
    to_clear: Vec<Text>,
    refused: u64,
    /// Ended by our DISCONNECT; the status stands.
    leaving: Option<Failure>,
}

impl Subscriber {
    async fn subscribe(mut plan: SubscribePlan, face: Face) -> Failure {
        // What lies behind the last message that counts stays with the server.
        plan.client.session.pause_at_messages =
            plan.count.is_some() || plan.retained_only || plan.until.is_some();
        plan.client.session.acknowledge_qos0 = false;
        match Self::prepare(plan, face).await {
            Ok(mut subscriber) => {
                let failure = subscriber.run().await;
                subscriber.finish_output().await;
                subscriber.progress.finish();
                let failure = subscriber.finish_commands(failure).await;
                let late = subscriber.ready.finish(&mut subscriber.signals).await;
                if failure.status == 0 { late.unwrap_or(failure) } else { failure }
            }
            Err(failure) => failure,
        }
    }

    async fn prepare(plan: SubscribePlan, face: Face) -> Result<Self, Failure> {
        let of_system = |error: io::Error| Failure::of_system(&error);
        let way = Way::prepare(&plan.client, face)?;
        let mut signals = Signals::watch().map_err(of_system)?;
        let output = match plan.recording {
            Some(_) => StandardOutput::unopened(),
            None => StandardOutput::new().map_err(of_system)?,
        };
        let progress = Progress::new(is_progress_shown(&plan));
        let receiver = Receiver::new(&plan, face);
        let ready = Ready::new(plan.ready.clone());
        let executor = plan.exec.clone().map(|(command, jobs)| Executor::new(command, jobs));
        let mut link = tokio::select! {
            link = way.connect(&plan.client, face) => link?,
            _ = signals.next() => return Err(Failure::silent(BEFORE_CONNACK)),
        };
        if plan.count == Some(0) {
            link.client.session().leave_messages();
        }
        let second = Duration::from_secs(1);
        Ok(Self {
            ticks: plan.message_rate.then(|| tokio::time::interval_at(Instant::now() + second, second)),
            deadline: plan.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            plan,
            face,
            link,
            signals,
            output,
            debug: Vec::new(),
            progress,
            receiver,
            ready,
            executor,
            has_connected: false,
            has_subscribed: false,
            is_accepted: false,
            removals: 0,
            to_clear: Vec::new(),
            refused: 0,
            leaving: None,
        })
    }

    async fn run(&mut self) -> Failure {
        loop {
            match self.step().await {
                Step::Continue => {}
                Step::Leave(failure) => return failure,
                Step::Lost => {
                    let _ = self.flush_texts();
                    if let Some(failure) = self.reconnect().await {
                        return failure;
                    }
                }
            }
        }
    }

    /// Waits for the next connection; a status when the program is to end before that.
    async fn reconnect(&mut self) -> Option<Failure> {
        // A clearing that was not acknowledged is sent again by the session.
        loop {
            tokio::select! {
                biased;
                asked = self.signals.next() => return Some(self.ended_while_away(asked)),
                () = until(self.deadline) => return Some(self.ended_while_away(Asked::Alarm)),
                changed = self.output.changed() => match changed {
                    Ok(()) => if self.output.flush().is_err() {
                        return Some(Failure::default());
                    },
                    Err(_) => return Some(Failure::default()),
                },
                () = self.link.reconnect() => return None,
            }
        }
    }

    /// How the program ends when it is asked to between two connections.
    fn ended_while_away(&self, asked: Asked) -> Failure {
        match asked {
            _ if !self.has_connected => Failure::silent(BEFORE_CONNACK),
            Asked::Stop(_) => Failure::default(),
            Asked::Alarm => Failure::timed_out(),
        }
    }

    /// One turn: what arrived, what there is to write, then waiting.
    async fn step(&mut self) -> Step {
        if let Some(step) = self.handle_arrived() {
            let _ = self.flush_texts();
            return step;
        }
        self.clear_next();
        let is_idle = self.executor.as_ref().is_none_or(Executor::is_idle);
        if self.receiver.is_done && self.removals == 0 && self.to_clear.is_empty() && is_idle {
            let failure = if self.refused > 0 { Failure::of_purge(self.refused) } else { Failure::default() };
            self.leave(failure, ReasonCode::SUCCESS);
        }
        if let Err(error) = self.flush_texts() {
            self.output_failed(&error);
        }
        let count = self.receiver.count();
        self.progress.update(|| Some(Position::Running(count.into())));
        match self.link.client.flush() {
            Ok(true) if self.leaving.is_some() && self.link.client.session().is_closing() => {
                let failure = self.leaving.take().unwrap_or_default();
                let _ = self.handle_events();
                self.link.client.shutdown();
                return Step::Leave(failure);
            }
            Ok(_) => {}
            Err(error) => return self.lost(error),
        }
        self.wait().await
    }

    async fn wait(&mut self) -> Step {
        let is_leaving = self.leaving.is_some();
        let is_full = self.output.is_full() || self.executor.as_ref().is_some_and(Executor::is_full);
        self.link.client.set_reading(!is_full);
        let pauses = self.plan.client.session.pause_at_messages;
        let receiver = &mut self.receiver;
        let turn = tokio::select! {
            biased;
            asked = self.signals.next() => return self.asked_to_leave(asked),
            () = until(self.deadline), if !is_leaving => return self.asked_to_leave(Asked::Alarm),
            () = tick(&mut self.ticks) => {
                let _ = writeln!(self.output.buffer(), "{} msgs/s", self.receiver.rate);
                self.receiver.rate = 0;
                return Step::Continue;
            }
            changed = self.output.changed() => {
                if let Err(error) = changed
                    && !is_leaving
                {
                    self.output_failed(&error);
                }
                return Step::Continue;
            }
            failure = self.ready.failed(), if !is_leaving => {
                self.leave(failure, ReasonCode::SUCCESS);
                return Step::Continue;
            }
            said = command_ended(&mut self.executor) => {
                self.receiver.complaints.extend(said);
                return Step::Continue;
            }
            turn = self.link.client.turn_with(|publish| {
                if is_leaving || !receiver.only_prints(publish) {
                    return Offered::Declined;
                }
                receiver.receive(publish);
                if receiver.is_done && pauses { Offered::TakenAndPause } else { Offered::Taken }
            }) => turn,
        };
        self.output.append(&mut self.receiver.printed);
        match turn {
            Ok(()) => Step::Continue,
            Err(error) => self.lost(error),
        }
    }

    /// Handles all events, and what the session holds back behind a message; a step when the connection is over.
    fn handle_arrived(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.handle_events() {
                return Some(step);
            }
            if !self.plan.client.session.pause_at_messages || self.leaving.is_some() {
                return None;
            }
            if self.receiver.is_done {
                if self.removals == 0 {
                    return None;
                }
                // Only acknowledgements are waited for; what else comes stays with the server.
                self.link.client.session().leave_messages();
            }
            let now = self.link.client.now();
            match self.link.client.session().handle_rest(now) {
                Ok(true) => {}
                Ok(false) if self.link.client.session().has_events() => {}
                Ok(false) => return None,
                Err(error) => return Some(self.lost(ClientError::Session(error))),
            }
        }
    }

    fn handle_events(&mut self) -> Option<Step> {
        while let Some(event) = self.link.client.session().poll_event() {
            match event {
                Event::Message(publish) => self.handle_message(&publish),
                Event::Connected(_) => self.handle_connected(),
                Event::Refused(connack) => {
                    let version = self.plan.client.version();
                    return Some(Step::Leave(Failure::of_refusal(&connack, version, Tool::Subscribe)));
                }
                Event::Subscribed(suback) => self.handle_suback(&suback),
                Event::Unsubscribed(_) => {
                    if self.plan.exit_after_subscribe && self.plan.filters.is_empty() {
                        self.leave(Failure::default(), ReasonCode::SUCCESS);
                    }
                }
                Event::Quiet => self.end_snapshot(),
                Event::Acknowledged { reason, .. } => {
                    self.removals = self.removals.saturating_sub(1);
                    self.refused += u64::from(reason.is_error() && self.plan.purge.is_some());
                }
                Event::Disconnected(_) => {
                    self.link.client.shutdown();
                    self.note_gap();
                    return Some(match self.leaving.take() {
                        Some(failure) => Step::Leave(failure),
                        None => Step::Lost,
                    });
                }
                Event::Sent(packet) => {
                    let id = self.link.client.session().client_identifier().clone();
                    debug_lines::sent(self.debug_buffer(), &id, &packet);
                }
                Event::Received(packet) => {
                    let id = self.link.client.session().client_identifier().clone();
                    debug_lines::received(self.debug_buffer(), &id, &packet);
                }
                Event::Auth(_) => {}
            }
        }
        None
    }

    fn handle_connected(&mut self) {
        self.has_connected = true;
        self.is_accepted = true;
        self.link.connected();
        if let Err(failure) = self.open_recording() {
            return self.leave(failure, ReasonCode::SUCCESS);
        }
        let filters = self.filters();
        let client = &mut self.link.client;
        let now = client.now();
        // Before MQTT 5 there are no properties; the reference leaves them out silently.
        let is_v5 = self.plan.client.version() == ProtocolVersion::V5;
        let of_version = |properties: &Properties| match is_v5 {
            true => properties.clone(),
            false => Properties::EMPTY,
        };
        let mut result = Ok(());
        if !filters.is_empty() {
            let properties = of_version(&self.plan.subscribe_properties);
            result = client.session().subscribe(now, properties, filters).map(drop);
        }
        for filter in &self.plan.unsubscribe {
            if result.is_ok() {
                let properties = of_version(&self.plan.unsubscribe_properties);
                result = client.session().unsubscribe(now, properties, vec![filter.clone()]).map(drop);
            }
        }
        match result {
            Ok(()) if self.plan.filters.is_empty() => self.tell_ready(),
            Ok(()) => {}
            // The server would deny what it has said it cannot do.
            Err(SessionError::NotSupported(_)) => self.denied(),
            Err(error) => self.leave(Failure::of_session(error, true), ReasonCode::SUCCESS),
        }
    }

    /// What is subscribed to. What is retained has its place at the beginning of a recording and not behind each gap.
    fn filters(&mut self) -> Vec<(Text, SubscriptionOptions)> {
        let mut filters = self.plan.filters.clone();
        let is_known = |recording: &RecordingPlan| self.has_subscribed && !recording.repeats_retained;
        if !self.plan.recording.as_ref().is_some_and(is_known) {
            return filters;
        }
        if self.plan.client.version() == ProtocolVersion::V5 {
            for (_, options) in &mut filters {
                options.retain_handling = RetainHandling::Never;
            }
        } else {
            self.receiver.pass_over_retained();
        }
        filters
    }

    /// Opens what a recording goes into, with the first connection.
    fn open_recording(&mut self) -> Result<(), Failure> {
        let Some(plan) = self.plan.recording.as_ref().filter(|_| self.output.is_unopened()) else {
            return Ok(());
        };
        let file = record::open(plan)?;
        self.output.open(file).map_err(|error| Failure::of_system(&error))
    }

    /// A recording is for messages alone.
    fn debug_buffer(&mut self) -> &mut Vec<u8> {
        match self.plan.recording {
            Some(_) => &mut self.debug,
            None => self.output.buffer(),
        }
    }

    fn handle_suback(&mut self, suback: &Suback) {
        if self.plan.client.debug && !self.plan.client.quiet {
            let granted: Vec<_> = suback.reasons.iter().map(|reason| reason.0.to_string()).collect();
            let number = suback.packet_identifier.get();
            let _ = writeln!(self.debug_buffer(), "Subscribed (mid: {number}): {}", granted.join(", "));
        }
        if suback.reasons.iter().all(|reason| reason.is_error()) {
            self.denied();
            return;
        }
        self.has_subscribed = true;
        self.tell_ready();
        if self.plan.retained {
            let now = self.link.client.now();
            if let Err(error) = self.link.client.session().fence(now) {
                self.leave(Failure::of_session(error, true), ReasonCode::SUCCESS);
            }
        }
        if self.plan.exit_after_subscribe {
            self.leave(Failure::default(), ReasonCode::SUCCESS);
        }
    }

    /// All that is retained is here: clears it, if it shall be, and ends when that is acknowledged.
    fn end_snapshot(&mut self) {
        match self.receiver.end_of_snapshot() {
            Ok(topics) => self.to_clear = topics,
            Err(failure) => self.leave(failure, ReasonCode::SUCCESS),
        }
    }

    fn tell_ready(&mut self) {
        if let Err(failure) = self.ready.tell() {
            self.leave(failure, ReasonCode::SUCCESS);
        }
    }

    fn denied(&mut self) {
        self.receiver.complaints.push_str(ALL_SUBSCRIPTIONS_DENIED);
        let status = u8::from(self.face == Face::Friendly);
        self.leave(Failure::silent(status), ReasonCode::SUCCESS);
    }

    fn handle_message(&mut self, publish: &Publish) {
        if self.leaving.is_some() {
            return;
        }
        if self.receiver.receive(&publish.as_ref()) {
            self.clear_retained(publish.topic.clone());
        }
        if self.receiver.is_for_command
            && let Some(executor) = &mut self.executor
        {
            executor.take(publish.clone());
        }
        if let Some(place) = self.receiver.left_out_at {
            let mut behind = self.receiver.printed.split_off(place);
            self.output.append(&mut self.receiver.printed);
            self.output.append_shared(publish.payload.clone());
            self.output.append(&mut behind);
            return;
        }
        self.output.append(&mut self.receiver.printed);
    }

    /// Clears on, as far as a bounded number of clearings under way allows.
    fn clear_next(&mut self) {
        while self.leaving.is_none()
            && self.removals < CLEARINGS_MAX
            && let Some(topic) = self.to_clear.pop()
        {
            let before = self.removals;
            self.clear_retained(topic);
            self.refused += u64::from(self.removals == before);
        }
    }

    /// A retained message is cleared by an empty one.
    fn clear_retained(&mut self, topic: Text) {
        let topic = Text::detached(&topic);
        let clearing = Publish { qos: Qos::AtLeastOnce, retain: true, topic, ..Publish::default() };
        let now = self.link.client.now();
        // A server that takes no QoS 1 or no such message leaves it as it is.
        if self.link.client.session().publish(now, clearing).is_ok() {
            self.removals += 1;
        }
    }

    /// A signal, or the end of `-W`.
    fn asked_to_leave(&mut self, asked: Asked) -> Step {
        // To record for a time is to have recorded when it is over.
        let is_over = asked == Asked::Alarm && self.plan.recording.is_some() && self.plan.count.is_none();
        let failure = match asked {
            Asked::Alarm if !is_over => Failure::timed_out(),
            Asked::Alarm | Asked::Stop(_) => Failure::default(),
        };
        if !self.has_connected {
            return Step::Leave(Failure::silent(BEFORE_CONNACK));
        }
        // The second one leaves at once.
        if self.leaving.is_some() {
            self.output.discard();
            return Step::Leave(failure);
        }
        // The server is to send the will.
        self.leave(failure, if is_over { ReasonCode::SUCCESS } else { ReasonCode::DISCONNECT_WITH_WILL });
        Step::Continue
    }

    /// Says DISCONNECT; `failure` is how the program ends then.
    fn leave(&mut self, failure: Failure, reason: ReasonCode) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(failure);
        let now = self.link.client.now();
        let reason =
            if self.plan.client.version() == ProtocolVersion::V5 { reason } else { ReasonCode::SUCCESS };
        let properties = self.plan.client.disconnect_properties.clone();
        self.link.client.session().disconnect(now, Disconnect { reason, properties });
    }

    fn lost(&mut self, error: ClientError) -> Step {
        let step = self.handle_events();
        if let Some(failure) = self.leaving.take() {
            return Step::Leave(failure);
        }
        if let Some(step) = step {
            return step;
        }
        let is_accepted = std::mem::take(&mut self.is_accepted);
        if is_accepted && self.plan.retained {
            // Half of what is retained is no answer, and it would be printed twice.
            return Step::Leave(Failure::lost());
        }
        if is_accepted {
            self.note_gap();
        }
        match error {
            // The server does not want us: it asked for a certificate that we do not have, say.
            ClientError::Io(error) if !self.has_connected && is_of_tls(&error) => {
                Step::Leave(Failure::of_transport(&error, self.face))
            }
            ClientError::Closed | ClientError::Io(_) => Step::Lost,
            ClientError::Session(SessionError::PingTimeout | SessionError::ConnackTimeout) => Step::Lost,
            // Once the server had accepted us, garbage is as good as a lost connection.
            ClientError::Session(_) if is_accepted => Step::Lost,
            ClientError::Session(error) => Step::Leave(Failure::of_session(error, false)),
        }
    }

    /// A recording does not keep silent about what it lacks.
    fn note_gap(&mut self) {
        if self.plan.recording.is_some() && self.leaving.is_none() {
            self.receiver.complaints.push_str(RECORDING_GAP);
        }
    }

    /// The output takes no more, so there is nothing to stay for. A reader that went away is a quiet end; what could not
    /// be written for another reason is told, with the reference's status 0 under its name.
    fn output_failed(&mut self, error: &io::Error) {
        self.output.discard();
        self.leave(Failure::default(), ReasonCode::SUCCESS);
        if error.kind() != io::ErrorKind::BrokenPipe {
            let status = u8::from(self.face == Face::Friendly);
            self.leaving = Some(Failure { status, ..Failure::of_system(error) });
        }
    }

    /// Hands the output over; complaints go where they belong.
    fn flush_texts(&mut self) -> io::Result<()> {
        if !self.receiver.complaints.is_empty() {
            if !self.plan.client.quiet {
                super::complain(&self.receiver.complaints);
            }
            self.receiver.complaints.clear();
        }
        if !self.debug.is_empty() {
            super::complain(&String::from_utf8_lossy(&self.debug));
            self.debug.clear();
        }
        self.output.append(&mut self.receiver.printed);
        self.output.flush()
    }

    /// Waits for the commands that still run; a signal ends that. What was to come after them is let go.
    async fn finish_commands(&mut self, failure: Failure) -> Failure {
        let Some(executor) = &mut self.executor else { return failure };
        let dropped = executor.give_up();
        if dropped > 0 && !self.plan.client.quiet {
            super::complain(&format!("Warning: {dropped} messages were left without their command.\n"));
        }
        while !executor.is_idle() {
            tokio::select! {
                _ = self.signals.next() => break,
                said = executor.ended() => if !self.plan.client.quiet {
                    super::complain(&said.unwrap_or_default());
                },
            }
        }
        match executor.failed() {
            Some((failed, count)) if failure.status == 0 => Failure::of_executions(failed, count),
            _ => failure,
        }
    }

    /// Waits until everything is printed; a signal ends that.
    async fn finish_output(&mut self) {
        while self.flush_texts().is_ok() && !self.output.is_empty() {
            tokio::select! {
                _ = self.signals.next() => return,
                changed = self.output.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }
}

/// A recording shows how far it is, unless its own lines would be between.
fn is_progress_shown(plan: &SubscribePlan) -> bool {
    let is_visible = |recording: &RecordingPlan| recording.path.is_none() && io::stdout().is_terminal();
    plan.recording.as_ref().is_some_and(|recording| !is_visible(recording))
        && !plan.client.quiet
        && !plan.client.debug
}

/// Comes when a command of `--exec` has ended, with what is to be said of it.
async fn command_ended(executor: &mut Option<Executor>) -> Option<String> {
    match executor {
        Some(executor) => executor.ended().await,
        None => std::future::pending().await,
    }
}

/// Comes when `deadline` is over; never without one.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}
