//! A publisher's side of a client: messages encoded once, patched for each.

use crate::bench::payload::StampForm;
use crate::bench::plan::{Member, Plan};
use crate::bench::schedule::{Cursor, Schedule};
use crate::bench::stamp::Stamp;
use crate::bench::window::Window;
use crate::packet::{
    PacketIdentifier, Property, PropertyIdentifier, ProtocolVersion, Qos, put_variable_byte_integer,
};

/// The name of the User Property that carries a stamp.
pub(crate) const STAMP_PROPERTY: &str = "culex-stamp";

/// Hexadecimal digits of a full stamp.
const STAMP_DIGITS: usize = 2 * crate::bench::stamp::FULL_BYTES;

/// What a publisher sends, and how far it is.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) stream: u32,
    cursor: Option<Cursor>,
    /// When the next message is due, in nanoseconds from the start of the load; `u64::MAX` when there is none.
    pub(super) next_due: u64,
    /// The number of the next message.
    pub(super) sequence: u64,
    pub(super) window: Window,
    /// Whether it has sent its last message.
    pub(super) is_done: bool,
    /// Whether the heap of due times holds it.
    pub(super) is_queued: bool,
    /// Whether the broker holds it up: its window is closed, its socket full, or its connection gone.
    pub(super) is_held: bool,
    /// When the broker last let it go on, in nanoseconds from the start of the load.
    pub(super) free_from: u64,
    /// Deliveries that each message brings, where its topic is always the same.
    pub(super) receivers: u32,
    head: Head,
    member: Member,
    /// Client Identifier and User Name, where templates need them for each message.
    names: Option<Box<(String, String)>>,
    pub(super) asked: u64,
    pub(super) sent: u64,
    pub(super) dropped: u64,
    pub(super) expected: u64,
}

/// What stands between the Remaining Length and the payload.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    /// Where the Packet Identifier is; at QoS 0 there is none.
    identifier_at: usize,
    /// Where the digits of the stamp are, when it travels as a property.
    stamp_at: usize,
}

impl Sender {
    pub(super) fn new(plan: &Plan, member: Member, receivers: u32) -> Self {
        let connect = plan.connect(member);
        let id = connect.client_identifier.to_string();
        let user = connect.user_name.as_deref().unwrap_or_default().to_owned();
        let topic = plan.message.topic.render(&plan.context(member, &id, &user));
        let needs_names = plan.message.topic.is_per_message()
            || matches!(plan.message.payload, crate::bench::payload::Payload::Template(_));
        Self {
            stream: member.index,
            cursor: plan.load.schedule.as_ref().map(|schedule| schedule.cursor(member.index)),
            next_due: 0,
            sequence: 0,
            window: Window::new(plan.message.window),
            is_done: false,
            is_queued: false,
            is_held: false,
            free_from: 0,
            receivers,
            head: Head::new(plan, &topic),
            member,
            names: needs_names.then(|| Box::new((id, user))),
            asked: 0,
            sent: 0,
            dropped: 0,
            expected: 0,
        }
    }

    /// Finds out when the first message is due.
    pub(super) fn start(&mut self, plan: &Plan) {
        self.next_due = self.draw(plan);
    }

    /// Moves on to the next message.
    #[inline]
    pub(super) fn advance(&mut self, plan: &Plan) {
        self.sequence += 1;
        self.next_due = self.draw(plan);
    }

    /// How many messages are due from `measure_from` to `load_end` that have not been sent.
    pub(super) fn rest(&mut self, plan: &Plan, measure_from: u64, load_end: u64) -> u64 {
        let mut count = 0;
        if self.sequence == 0 {
            // It never got to send at all.
            self.cursor = plan.load.schedule.as_ref().map(|schedule| schedule.cursor(self.member.index));
            self.start(plan);
        }
        while self.next_due < load_end {
            count += u64::from(self.next_due >= measure_from);
            self.advance(plan);
        }
        count
    }

    #[inline]
    fn draw(&mut self, plan: &Plan) -> u64 {
        let number = self.sequence * u64::from(plan.publishers) + u64::from(self.stream);
        if plan.load.messages.is_some_and(|limit| number >= limit) {
            return u64::MAX;
        }
        match (&plan.load.schedule, &mut self.cursor) {
            (Some(schedule), Some(cursor)) => Schedule::next(schedule, cursor),
            // Without a schedule the next one is due when it can be sent.
            _ => 0,
        }
    }

    /// Appends the next message to `out`.
    #[inline]
    pub(super) fn encode(
        &mut self,
        plan: &Plan,
        stamp: &Stamp,
        identifier: Option<PacketIdentifier>,
        is_dup: bool,
        out: &mut Vec<u8>,
    ) {
        let mut context = plan.context(self.member, "", "");
        context.sequence = stamp.sequence;
        if let Some(names) = &self.names {
            (context.client, context.user) = (&names.0, &names.1);
            if plan.message.topic.is_per_message() {
                self.head = Head::new(plan, &plan.message.topic.render(&context));
            }
        }
        let head = &mut self.head;
        if let Some(identifier) = identifier {
            head.bytes[head.identifier_at..head.identifier_at + 2]
                .copy_from_slice(&identifier.get().to_be_bytes());
        }
        if plan.message.stamp == StampForm::Property {
            let mut bytes = [0; crate::bench::stamp::FULL_BYTES];
            stamp.write_full(&mut bytes);
            write_digits(&bytes, &mut head.bytes[head.stamp_at..head.stamp_at + STAMP_DIGITS]);
        }
        let message = &plan.message;
        let first = 0x30 | u8::from(is_dup) << 3 | (message.qos as u8) << 1 | u8::from(message.retain);
        message.payload.with(&context, |payload| {
            let length = u32::try_from(head.bytes.len() + payload.len()).unwrap_or(u32::MAX);
            out.push(first);
            put_variable_byte_integer(out, length);
            out.extend_from_slice(&head.bytes);
            let at = out.len();
            out.extend_from_slice(payload);
            // A payload that is shorter than the others goes without.
            match message.stamp {
                StampForm::Full if payload.len() >= message.stamp.bytes() => stamp.write_full(&mut out[at..]),
                StampForm::Short if payload.len() >= message.stamp.bytes() => {
                    Stamp::write_short(stamp.stream, stamp.sequence, &mut out[at..]);
                }
                _ => {}
            }
        });
    }

    /// The topic of the message with this number, where topics change.
    pub(super) fn topic_of(&self, plan: &Plan, sequence: u64) -> Option<String> {
        let names = self.names.as_ref()?;
        let mut context = plan.context(self.member, &names.0, &names.1);
        context.sequence = sequence;
        plan.message.topic.is_per_message().then(|| plan.message.topic.render(&context))
    }
}

impl Head {
    fn new(plan: &Plan, topic: &str) -> Self {
        let message = &plan.message;
        let topic = &topic.as_bytes()[..topic.len().min(usize::from(u16::MAX))];
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(topic);
        let identifier_at = bytes.len();
        if message.qos != Qos::AtMostOnce {
            bytes.extend_from_slice(&[0, 1]);
        }
        let mut stamp_at = 0;
        if plan.identity.connect.version == ProtocolVersion::V5 {
            let mut properties = message.properties.clone();
            if plan.mode == crate::bench::plan::Mode::Request {
                let response = Plan::response_topic(&String::from_utf8_lossy(topic));
                // The topic was checked to fit.
                let _ = properties.push(Property::text(PropertyIdentifier::ResponseTopic, &response));
            }
            if message.stamp == StampForm::Property {
                let digits = "0".repeat(STAMP_DIGITS);
                let _ = properties.push(Property::user(STAMP_PROPERTY, &digits));
            }
            properties.as_ref().encode(&mut bytes);
            // The last property pushed ends where the properties do.
            stamp_at = bytes.len().saturating_sub(STAMP_DIGITS);
        }
        Self { bytes, identifier_at, stamp_at }
    }
}

fn write_digits(bytes: &[u8], digits: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(digits.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// The stamp that a User Property carries.
pub(super) fn read_digits(digits: &str) -> Option<Stamp> {
    let mut bytes = [0; crate::bench::stamp::FULL_BYTES];
    if digits.len() != STAMP_DIGITS || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Stamp::read_full(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_travels_as_digits() {
        let stamp = Stamp { run: 7, stream: 1, sequence: 2, due: 3, is_warm_up: false };
        let mut bytes = [0; crate::bench::stamp::FULL_BYTES];
        stamp.write_full(&mut bytes);
        let mut digits = [0; STAMP_DIGITS];
        write_digits(&bytes, &mut digits);
        assert_eq!(read_digits(std::str::from_utf8(&digits).unwrap()), Some(stamp));
        assert_eq!(read_digits("0g"), None);
        assert_eq!(read_digits(&"g".repeat(STAMP_DIGITS)), None);
    }
}
