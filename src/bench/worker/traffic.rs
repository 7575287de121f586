//! Messages out and in: what is due is sent, what arrives is judged.

use super::client::{Client, Fault, Stage};
use super::core::Core;
use super::sender::{STAMP_PROPERTY, read_digits};
use crate::bench::payload::StampForm;
use crate::bench::plan::{Mode, Plan};
use crate::bench::schedule::Arrival;
use crate::bench::stamp::Stamp;
use crate::bench::stream::Seen;
use crate::bench::sync::{Far, is_clock};
use crate::bench::window::{Flight, Window};
use crate::packet::{
    Acknowledgement, PacketIdentifier, PacketType, Properties, Property, PropertyIdentifier, PublishRef, Qos,
    ReasonCode,
};

/// Messages are added to one write until it has this many bytes.
const WRITE_BYTES: usize = 64 << 10;

/// Messages that were due before the end are still sent for this long, in nanoseconds.
const GRACE: u64 = 100_000_000;

impl Client {
    /// Encodes everything that is due, as far as window and socket allow.
    pub(super) fn emit(&mut self, core: &mut Core, token: usize) -> Result<(), Fault> {
        if self.sender.is_none() || self.stage != Stage::Ready || !core.is_started() {
            return Ok(());
        }
        core.refresh();
        loop {
            let batch = self.encode_batch(core);
            core.count_batch(batch.sent);
            match batch.end {
                BatchEnd::Done => {
                    if let Some(sender) = &mut self.sender
                        && !sender.is_done
                    {
                        sender.is_done = true;
                        core.sending -= 1;
                    }
                    return Ok(());
                }
                BatchEnd::Queue(due) => {
                    if let Some(sender) = &mut self.sender
                        && !sender.is_queued
                    {
                        sender.is_queued = true;
                        core.queue(due, token);
                    }
                    return Ok(());
                }
                BatchEnd::WindowFull => return Ok(()),
                BatchEnd::WriteFull => {
                    if !self.is_blocked() {
                        self.flush(core)?;
                    }
                    if self.is_blocked() {
                        self.hold();
                        return Ok(());
                    }
                    if core.is_closed_loop {
                        // The others have their turn before this one goes on.
                        core.again.push(token);
                        return Ok(());
                    }
                    core.refresh();
                }
            }
        }
    }

    fn encode_batch(&mut self, core: &mut Core) -> Batch {
        let mut sent = 0;
        let is_blocked = self.is_blocked();
        let Some(sender) = &mut self.sender else { return Batch { sent, end: BatchEnd::Done } };
        let shared = core.shared.clone();
        let plan = &shared.plan;
        let now = core.since_start();
        let end = loop {
            let due = if core.is_closed_loop && sender.next_due == 0 { now } else { sender.next_due };
            if due == u64::MAX || due >= core.load_end || now > core.load_end.saturating_add(GRACE) {
                break BatchEnd::Done;
            }
            if due > now {
                break BatchEnd::Queue(due);
            }
            let is_measured = due >= core.measure_from;
            if let Some(most) = core.lag_max.filter(|most| now - due > *most) {
                let is_own = !sender.is_held && now - due.max(sender.free_from) > most;
                sender.asked += u64::from(is_measured);
                sender.dropped += u64::from(is_measured);
                core.outcome.unsent_own += u64::from(is_measured && is_own);
                sender.advance(plan);
                continue;
            }
            if is_blocked || core.out.len() >= WRITE_BYTES {
                sender.is_held |= is_blocked;
                break BatchEnd::WriteFull;
            }
            let mut identifier = None;
            if plan.message.qos != Qos::AtMostOnce {
                let flight = Flight { sequence: sender.sequence, due, is_released: false };
                identifier = sender.window.open(flight);
                if identifier.is_none() {
                    sender.is_held = true;
                    break BatchEnd::WindowFull;
                }
            }
            if std::mem::take(&mut sender.is_held) {
                sender.free_from = now;
            }
            if let Some(rings) = &shared.written {
                rings.put(sender.stream, sender.sequence, now);
            }
            let stamp = core.stamp(sender.stream, sender.sequence, due);
            sender.encode(plan, &stamp, identifier, false, &mut core.out);
            let receivers = match sender.topic_of(plan, sender.sequence) {
                Some(topic) => core.receivers_of(&topic),
                None => sender.receivers,
            };
            if is_measured {
                core.mark_first_measured(sender.stream, sender.sequence);
                sender.asked += 1;
                sender.sent += 1;
                sender.expected += u64::from(receivers);
                if !core.is_closed_loop {
                    core.tally_of(is_measured).latency.lag.record_nanoseconds(now - due);
                    core.outcome.own_lag.record_nanoseconds(now - due.max(sender.free_from));
                }
            }
            core.expected += u64::from(receivers);
            core.tally_of(is_measured).sent += 1;
            sent += 1;
            sender.advance(plan);
        };
        Batch { sent, end }
    }

    /// A step in the acknowledgement of a message of QoS 1 or 2.
    pub(super) fn acknowledged(
        &mut self,
        core: &mut Core,
        kind: PacketType,
        identifier: PacketIdentifier,
        reason: ReasonCode,
    ) {
        let answer = |kind, core: &mut Core| {
            let packet = Acknowledgement::new(identifier, ReasonCode::SUCCESS);
            packet.encode(kind, core.version, &mut core.out);
        };
        if kind == PacketType::Pubrel {
            self.forget(identifier);
            answer(PacketType::Pubcomp, core);
            return;
        }
        let Some(sender) = &mut self.sender else {
            if kind == PacketType::Pubrec && !reason.is_error() {
                answer(PacketType::Pubrel, core);
            } else if let Some(replies) = &mut self.replies {
                replies.close(identifier);
            }
            return;
        };
        if kind == PacketType::Pubrec && !reason.is_error() {
            sender.window.release(identifier);
            answer(PacketType::Pubrel, core);
            return;
        }
        let Some(flight) = sender.window.close(identifier) else { return };
        if reason.is_error() {
            core.outcome.error("publish_refused", || format!("reason {}", reason.0));
            return;
        }
        core.acknowledge(flight.due);
    }

    /// Answers a message and judges it.
    #[inline]
    pub(super) fn receive(&mut self, core: &mut Core, publish: &PublishRef<'_>) {
        core.outcome.packets_in += 1;
        if let Some(identifier) = publish.packet_identifier {
            let kind = if publish.qos == Qos::ExactlyOnce { PacketType::Pubrec } else { PacketType::Puback };
            let packet = Acknowledgement::new(identifier, ReasonCode::SUCCESS);
            packet.encode(kind, core.version, &mut core.out);
            if publish.qos == Qos::ExactlyOnce && self.is_known(identifier) {
                // Sent again before its PUBREL: the application does not get it twice [MQTT-4.3.3-11].
                return;
            }
        }
        if let Some(replies) = &mut self.replies {
            reply(core, replies, publish);
            if core.shared.plan.publishers == 0 {
                // Nobody here waits for the reply, so that the request is what counts.
                core.count_unmarked();
            }
            return;
        }
        if self.attendance.is_some() && self.attend(core, publish) {
            return;
        }
        core.judge(self.checks, publish);
    }
}

struct Batch {
    sent: u64,
    end: BatchEnd,
}

/// Why no more was encoded.
enum BatchEnd {
    /// Nothing will be due any more.
    Done,
    /// The next one is due then.
    Queue(u64),
    /// The window is full.
    WindowFull,
    /// The write is large enough, or the socket is full.
    WriteFull,
}

/// Sends a request's payload back to where its reply is awaited.
fn reply(core: &mut Core, replies: &mut Window, publish: &PublishRef<'_>) {
    let is_acknowledged = publish.qos != Qos::AtMostOnce;
    let identifier = if is_acknowledged { replies.open(Flight::default()) } else { None };
    if is_acknowledged && identifier.is_none() {
        core.outcome.error("replies_full", || "65,535 replies wait for their acknowledgement".to_owned());
        return;
    }
    let fallback;
    let topic = match publish.properties.text(PropertyIdentifier::ResponseTopic) {
        Some(topic) => topic,
        None => {
            fallback = Plan::response_topic(publish.topic);
            &fallback
        }
    };
    let mut properties = Properties::EMPTY;
    for (name, value) in publish.properties.user_properties().filter(|(name, _)| *name == STAMP_PROPERTY) {
        // Came in a packet, so it fits into one.
        let _ = properties.push(Property::user(name, value));
    }
    if let Some(data) = publish.properties.binary(PropertyIdentifier::CorrelationData) {
        let _ = properties.push(Property::binary(PropertyIdentifier::CorrelationData, data));
    }
    let answer = PublishRef {
        dup: false,
        qos: publish.qos,
        retain: false,
        topic,
        packet_identifier: identifier,
        properties: properties.as_ref(),
        payload: publish.payload,
    };
    if answer.encode(core.version, &mut core.out).is_ok() {
        core.outcome.packets_out += 1;
    }
}

impl Core {
    /// The last acknowledgement of a message that was due then.
    #[inline]
    pub(super) fn acknowledge(&mut self, due: u64) {
        let latency = self.since_start().saturating_sub(due);
        self.acked += 1;
        let is_measured = due >= self.measure_from;
        if is_measured {
            self.outcome.counts.acked += 1;
        }
        let tally = self.tally_of(is_measured);
        tally.acked += 1;
        tally.latency.ack.record_nanoseconds(latency);
    }

    /// Finds out what a message is to its receiver, and how long it took.
    #[inline]
    pub(super) fn judge(&mut self, checks: usize, publish: &PublishRef<'_>) {
        if publish.retain && self.shared.plan.subscription.skips_retained {
            return;
        }
        let Some(mark) = self.read_stamp(publish) else {
            let is_foreign = self.shared.plan.message.stamp != StampForm::Off && !is_clock(publish.topic);
            self.outcome.counts.foreign += u64::from(is_foreign);
            if self.shared.plan.message.stamp == StampForm::Off {
                self.count_unmarked();
            }
            return;
        };
        let (seen, count) = self.checks[checks].take(mark.stream, mark.sequence);
        if mark.is_measured {
            match seen {
                Seen::New => count.received += 1,
                Seen::Reordered => {
                    count.received += 1;
                    count.reordered += 1;
                }
                Seen::Duplicate => {
                    count.duplicate += 1;
                    count.duplicate_flagged += u64::from(publish.dup);
                }
                Seen::Late => {}
            }
        }
        if seen == Seen::Late {
            self.outcome.error("late", || {
                format!(
                    "message {} of stream {} came more than 1,024 messages late",
                    mark.sequence, mark.stream
                )
            });
            return;
        }
        if seen == Seen::Duplicate {
            return;
        }
        self.received += 1;
        let now = self.since_start();
        let service = match &self.shared.written {
            Some(rings) => rings.microseconds_since(mark.stream, mark.sequence, now),
            None => None,
        };
        let due = if self.is_closed_loop { None } else { mark.due };
        let negative = due.is_some_and(|due| due > now);
        self.outcome.negative += u64::from(negative && mark.is_measured);
        if let Some(far) = mark.far {
            self.tally_of(mark.is_measured).received += 1;
            self.record_far(far, mark.is_measured);
            return;
        }
        let shares_clock = self.shares_clock;
        let tally = self.tally_of(mark.is_measured);
        tally.received += 1;
        if !shares_clock || negative {
            return;
        }
        match (due, service) {
            (Some(due), _) => {
                let end_to_end = (now - due) / 1000;
                tally.latency.e2e.record_microseconds(end_to_end);
                // Where the writing time is forgotten the message was long under way, most of it behind the write.
                tally.latency.service.record_microseconds(service.unwrap_or(end_to_end));
            }
            (None, Some(service)) => {
                tally.latency.e2e.record_microseconds(service);
                tally.latency.service.record_microseconds(service);
            }
            (None, None) => {
                if let Some(due) = mark.due {
                    tally.latency.e2e.record_nanoseconds(now.saturating_sub(due));
                }
            }
        }
    }

    /// A message that carries no stamp counts, and no more.
    fn count_unmarked(&mut self) {
        self.received += 1;
        let is_measured = self.since_start() >= self.measure_from;
        self.unmarked += u64::from(is_measured);
        self.tally_of(is_measured).received += 1;
    }

    #[inline]
    fn read_stamp(&mut self, publish: &PublishRef<'_>) -> Option<Mark> {
        let plan = &self.shared.plan;
        let stamp = match plan.message.stamp {
            StampForm::Off => return None,
            StampForm::Full => Stamp::read_full(publish.payload)?,
            StampForm::Property => {
                let mut all = publish.properties.user_properties();
                all.find(|(name, _)| *name == STAMP_PROPERTY).and_then(|(_, digits)| read_digits(digits))?
            }
            StampForm::Short => return self.read_short(publish),
        };
        if plan.mode == Mode::Subscribe {
            return Some(Mark {
                stream: stamp.stream,
                sequence: stamp.sequence,
                due: None,
                is_measured: !stamp.is_warm_up && self.is_measuring(),
                far: self.far_of(stamp.run, stamp.stream, stamp.due),
            });
        }
        if stamp.run != plan.run || stamp.stream >= plan.publishers {
            return None;
        }
        let is_measured = !stamp.is_warm_up && stamp.due >= self.measure_from;
        // Other segments have other clocks.
        let is_own = stamp.stream % plan.segment.1 == plan.segment.0;
        let due = is_own.then_some(stamp.due);
        let far = if is_own { None } else { self.far_of(stamp.run, stamp.stream, stamp.due) };
        Some(Mark { stream: stamp.stream, sequence: stamp.sequence, due, is_measured, far })
    }

    /// Eight bytes have no run in them, so a retained message of an earlier one is told by its flag.
    fn read_short(&mut self, publish: &PublishRef<'_>) -> Option<Mark> {
        let (stream, sequence) = Stamp::read_short(publish.payload)?;
        let shared = self.shared.clone();
        let plan = &shared.plan;
        if publish.retain || (plan.mode != Mode::Subscribe && stream >= plan.publishers) {
            return None;
        }
        if plan.mode == Mode::Subscribe {
            return Some(Mark { stream, sequence, due: None, is_measured: self.is_measuring(), far: None });
        }
        let Some(schedule) = &plan.load.schedule else {
            return Some(Mark {
                stream,
                sequence,
                due: None,
                is_measured: self.is_measured(stream, sequence),
                far: None,
            });
        };
        let due = match schedule.arrival {
            Arrival::Poisson => self.lookup(schedule, stream, sequence)?,
            Arrival::Uniform | Arrival::Burst { .. } => schedule.due(stream, sequence),
        };
        Some(Mark { stream, sequence, due: Some(due), is_measured: due >= self.measure_from, far: None })
    }
}

/// What a stamp says.
struct Mark {
    stream: u32,
    sequence: u64,
    /// Nanoseconds from the start of the load; unknown where the sender's start is.
    due: Option<u64>,
    is_measured: bool,
    /// How long it took from another host, as far as that is known, where it is asked for.
    far: Option<Option<Far>>,
}
