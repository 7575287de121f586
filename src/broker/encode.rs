//! PUBLISH as it goes out: encoded once for all receivers that get the same bytes.

use super::message::{MessageRef, NO_EXPIRY};
use crate::packet::{
    PacketIdentifier, Property, PropertyIdentifier, Qos, SHARED_FROM, put_variable_byte_integer,
    variable_byte_integer_length,
};
use crate::session::alias::TopicForm;
use crate::time::Time;

/// What differs between receivers beside the bytes that all share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'a> {
    pub(super) is_v5: bool,
    pub(super) dup: bool,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) identifier: Option<PacketIdentifier>,
    pub(super) topic: TopicForm,
    pub(super) subscription_identifiers: &'a [u32],
}

const TOPIC_ALIAS_LENGTH: usize = 3;

impl Form<'_> {
    fn properties_length(&self, message: &MessageRef<'_>) -> usize {
        let alias = if self.topic == TopicForm::Plain { 0 } else { TOPIC_ALIAS_LENGTH };
        let identifiers: usize = self
            .subscription_identifiers
            .iter()
            .map(|&number| 1 + variable_byte_integer_length(number))
            .sum();
        alias + identifiers + message.properties.wire.len()
    }

    fn topic_on_wire<'t>(&self, message: &MessageRef<'t>) -> &'t str {
        if matches!(self.topic, TopicForm::Alias(_)) { "" } else { message.topic }
    }

    fn remaining_length(&self, message: &MessageRef<'_>) -> usize {
        let properties = if self.is_v5 {
            let length = self.properties_length(message);
            variable_byte_integer_length(u32::try_from(length).unwrap_or(u32::MAX)) + length
        } else {
            0
        };
        let identifier = if self.qos == Qos::AtMostOnce { 0 } else { 2 };
        2 + self.topic_on_wire(message).len() + identifier + properties + message.payload.len()
    }

    /// The length of the whole packet in bytes.
    pub(super) fn packet_length(&self, message: &MessageRef<'_>) -> usize {
        let remaining = self.remaining_length(message);
        1 + variable_byte_integer_length(u32::try_from(remaining).unwrap_or(u32::MAX)) + remaining
    }

    /// Appends everything before the payload; returns where, behind the start, the Packet Identifier stands.
    #[inline]
    pub(super) fn put_head(&self, message: &MessageRef<'_>, now: Time, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        out.push(0x30 | u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain));
        let remaining = self.remaining_length(message);
        put_variable_byte_integer(out, u32::try_from(remaining).unwrap_or(u32::MAX));
        let topic = self.topic_on_wire(message);
        out.extend_from_slice(&u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(topic.as_bytes());
        let identifier_at = out.len() - start;
        if self.qos != Qos::AtMostOnce {
            let number = self.identifier.map_or(0, PacketIdentifier::get);
            out.extend_from_slice(&number.to_be_bytes());
        }
        if self.is_v5 {
            self.put_properties(message, now, out);
        }
        identifier_at
    }

    fn put_properties(&self, message: &MessageRef<'_>, now: Time, out: &mut Vec<u8>) {
        let length = self.properties_length(message);
        put_variable_byte_integer(out, u32::try_from(length).unwrap_or(u32::MAX));
        for &number in self.subscription_identifiers {
            out.push(PropertyIdentifier::SubscriptionIdentifier as u8);
            put_variable_byte_integer(out, number);
        }
        if let TopicForm::Introduce(alias) | TopicForm::Alias(alias) = self.topic {
            out.push(PropertyIdentifier::TopicAlias as u8);
            out.extend_from_slice(&alias.to_be_bytes());
        }
        let properties = &message.properties;
        let start = out.len();
        out.extend_from_slice(properties.wire);
        if properties.expiry_at != NO_EXPIRY {
            let at = start + properties.expiry_at as usize;
            // The interval is what is left of it [MQTT-3.3.2-6].
            out[at..at + 4].copy_from_slice(&properties.remaining_seconds(now).to_be_bytes());
        }
    }
}

/// One encoded form of the message that is being routed.
#[derive(Clone, Copy, Debug, Default)]
struct Variant {
    start: usize,
    end: usize,
    /// Behind `start`.
    identifier_at: usize,
}

/// The forms of the message that is being routed, each encoded when first needed.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    variants: [Variant; 12],
    filled: u16,
}

/// Bytes to copy to a receiver: a whole packet, or its head when the payload is shared.
#[derive(Clone, Copy, Debug)]
pub(super) struct EncodedFrame<'a> {
    pub(super) bytes: &'a [u8],
    /// Where the Packet Identifier stands; meaningless at QoS 0.
    pub(super) identifier_at: usize,
    /// The length of the whole packet.
    pub(super) packet_length: usize,
}

/// The most that is kept in the scratch buffer from one message to the next, in bytes.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

impl Frames {
    /// Forgets the message before.
    #[inline]
    pub(super) fn reset(&mut self) {
        self.filled = 0;
        if self.bytes.capacity() > SCRATCH_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    /// The packet in this form, which has neither alias nor Subscription Identifier.
    #[inline]
    pub(super) fn plain(
        &mut self,
        message: &MessageRef<'_>,
        is_v5: bool,
        qos: Qos,
        retain: bool,
        now: Time,
    ) -> EncodedFrame<'_> {
        let place = usize::from(is_v5) * 6 + qos as usize * 2 + usize::from(retain);
        if self.filled & 1 << place == 0 {
            self.filled |= 1 << place;
            let form = Form {
                is_v5,
                dup: false,
                qos,
                retain,
                identifier: None,
                topic: TopicForm::Plain,
                subscription_identifiers: &[],
            };
            let start = self.bytes.len();
            let identifier_at = form.put_head(message, now, &mut self.bytes);
            if message.payload.len() < SHARED_FROM {
                self.bytes.extend_from_slice(message.payload);
            }
            self.variants[place] = Variant { start, end: self.bytes.len(), identifier_at };
        }
        let Variant { start, end, identifier_at } = self.variants[place];
        let shared = if message.payload.len() < SHARED_FROM { 0 } else { message.payload.len() };
        EncodedFrame { bytes: &self.bytes[start..end], identifier_at, packet_length: end - start + shared }
    }
}

/// The wire form of one property; empty when it cannot be written.
pub(super) fn push_property(properties: &mut crate::packet::Properties, property: Property<'_>) {
    // A string over 65,535 bytes is the only thing that can be refused here, and an optional property may be missing.
    let _ = properties.push(property);
}
