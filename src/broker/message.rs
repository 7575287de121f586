//! An Application Message inside the broker: borrowed on its way through, shared when it stays.

use crate::journal::{Fact, Published};
use crate::packet::{Place, Properties, PropertiesRef, PropertyIdentifier, PropertyValue, Qos, Text, detach};
use crate::time::Time;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Forwarded properties: wire bytes without a Topic Alias, and where their Message Expiry Interval stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forwarded<'a> {
    pub(super) wire: &'a [u8],
    /// Where the four bytes of the Message Expiry Interval begin; [`NO_EXPIRY`] without one.
    pub(super) expiry_at: u32,
    /// When the message expires; [`Time::MAX`] for never.
    pub(super) deadline: Time,
}

pub(super) const NO_EXPIRY: u32 = u32::MAX;

impl<'a> Forwarded<'a> {
    pub(super) const EMPTY: Self = Self { wire: &[], expiry_at: NO_EXPIRY, deadline: Time::MAX };

    /// Takes what a publisher sent at `now`; `scratch` is used when a Topic Alias has to be left out.
    pub(super) fn new(properties: PropertiesRef<'a>, now: Time, scratch: &'a mut Vec<u8>) -> Self {
        if properties.is_empty() {
            return Self::EMPTY;
        }
        let wire = without_hop_properties(properties, scratch);
        let mut forwarded = Self { wire, expiry_at: NO_EXPIRY, deadline: Time::MAX };
        if let Some((at, seconds)) = find_expiry(properties) {
            // Whatever was left out before it moves it to the front.
            let removed_before = removed_before(properties, at);
            forwarded.expiry_at = at - removed_before;
            forwarded.deadline = now + Duration::from_secs(u64::from(seconds));
        }
        forwarded
    }

    /// What is left of the Message Expiry Interval at `now`, in whole seconds, never 0 before the deadline.
    pub(super) fn remaining_seconds(&self, now: Time) -> u32 {
        let left = self.deadline.since(now);
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

/// The length of one property on the wire, in bytes.
fn wire_length(value: PropertyValue<'_>, identifier: PropertyIdentifier) -> usize {
    use crate::packet::{PropertyType, variable_byte_integer_length};
    1 + match value {
        PropertyValue::Number(number) => match identifier.property_type() {
            PropertyType::Byte => 1,
            PropertyType::TwoByteInteger => 2,
            PropertyType::FourByteInteger => 4,
            _ => variable_byte_integer_length(number),
        },
        PropertyValue::Text(text) => 2 + text.len(),
        PropertyValue::Binary(bytes) => 2 + bytes.len(),
        PropertyValue::Pair(name, value) => 4 + name.len() + value.len(),
    }
}

/// Properties that belong to one hop and are never forwarded.
const fn is_hop_property(identifier: PropertyIdentifier) -> bool {
    matches!(identifier, PropertyIdentifier::TopicAlias | PropertyIdentifier::WillDelayInterval)
}

fn without_hop_properties<'a>(properties: PropertiesRef<'a>, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let wire = properties.wire();
    if !properties.iter().any(|property| is_hop_property(property.identifier)) {
        return wire;
    }
    scratch.clear();
    let mut at = 0;
    for property in properties {
        let end = at + wire_length(property.value, property.identifier);
        if !is_hop_property(property.identifier) {
            scratch.extend_from_slice(&wire[at..end]);
        }
        at = end;
    }
    scratch
}

/// Where the value of the Message Expiry Interval stands, and the value.
fn find_expiry(properties: PropertiesRef<'_>) -> Option<(u32, u32)> {
    let mut at = 0;
    for property in properties {
        if property.identifier == PropertyIdentifier::MessageExpiryInterval {
            let PropertyValue::Number(seconds) = property.value else {
                return None;
            };
            return Some((u32::try_from(at + 1).ok()?, seconds));
        }
        at += wire_length(property.value, property.identifier);
    }
    None
}

fn removed_before(properties: PropertiesRef<'_>, expiry_at: u32) -> u32 {
    let mut at = 0;
    let mut removed = 0;
    for property in properties {
        let length = wire_length(property.value, property.identifier);
        if at >= expiry_at as usize {
            break;
        }
        if is_hop_property(property.identifier) {
            removed += length;
        }
        at += length;
    }
    u32::try_from(removed).unwrap_or(0)
}

/// A message on its way through the broker.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageRef<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) properties: Forwarded<'a>,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    /// The block that `payload` lies in, if it was just read.
    pub(super) block: Option<&'a Bytes>,
}

impl MessageRef<'_> {
    /// The message whole, for the journal.
    #[cold]
    pub(super) fn as_fact(&self, dup: bool, is_will: bool) -> Fact {
        let place = Place::PublishByServer;
        let properties = PropertiesRef::check(self.properties.wire, place).unwrap_or_default();
        Fact::Published(Box::new(Published {
            topic: Text::detached(self.topic),
            payload: Bytes::copy_from_slice(self.payload),
            qos: self.qos,
            retain: self.retain,
            dup,
            properties: Properties::detached(properties),
            is_will,
        }))
    }

    /// A message that outlives the turn: the payload is detached from the read block.
    pub(super) fn share(&self, topic: &Text) -> Arc<Message> {
        let payload = match self.block {
            Some(block) => detach(block, self.payload),
            None => Bytes::copy_from_slice(self.payload),
        };
        Arc::new(Message {
            topic: topic.clone(),
            payload,
            properties: self.properties.wire.into(),
            expiry_at: self.properties.expiry_at,
            deadline: self.properties.deadline,
            qos: self.qos,
            retain: self.retain,
        })
    }
}

/// A message that stays: queued, in flight, retained, or a will. One exists for all its receivers.
#[derive(Debug, Eq, PartialEq)]
pub struct Message {
    pub(super) topic: Text,
    pub(super) payload: Bytes,
    pub(super) properties: Box<[u8]>,
    pub(super) expiry_at: u32,
    pub(super) deadline: Time,
    pub(super) qos: Qos,
    pub(super) retain: bool,
}

impl Message {
    /// A message as a store remembers it; `properties` are those of a PUBLISH, `deadline` is when it expires.
    #[must_use]
    pub fn new(
        topic: Text,
        payload: Bytes,
        properties: PropertiesRef<'_>,
        qos: Qos,
        retain: bool,
        deadline: Time,
    ) -> Self {
        let mut scratch = Vec::new();
        let forwarded = Forwarded::new(properties, Time::ZERO, &mut scratch);
        Self {
            topic,
            payload,
            expiry_at: forwarded.expiry_at,
            properties: forwarded.wire.into(),
            deadline,
            qos,
            retain,
        }
    }

    /// The Topic Name.
    #[must_use]
    pub const fn topic(&self) -> &Text {
        &self.topic
    }

    /// The Application Message.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The properties that are forwarded: checked wire bytes in the publisher's order, without their length.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        &self.properties
    }

    /// With which QoS it was published.
    #[must_use]
    pub const fn qos(&self) -> Qos {
        self.qos
    }

    /// Whether it was published with RETAIN.
    #[must_use]
    pub const fn retain(&self) -> bool {
        self.retain
    }

    /// When it expires; [`Time::MAX`] for never.
    #[must_use]
    pub const fn deadline(&self) -> Time {
        self.deadline
    }

    pub(super) fn borrowed(&self) -> MessageRef<'_> {
        MessageRef {
            topic: &self.topic,
            payload: &self.payload,
            properties: self.forwarded(),
            qos: self.qos,
            retain: self.retain,
            block: Some(&self.payload),
        }
    }

    pub(super) fn forwarded(&self) -> Forwarded<'_> {
        Forwarded { wire: &self.properties, expiry_at: self.expiry_at, deadline: self.deadline }
    }

    pub(super) fn is_expired(&self, now: Time) -> bool {
        self.deadline <= now
    }

    /// What it counts for in byte limits.
    pub(super) fn bytes(&self) -> usize {
        self.payload.len()
    }
}
