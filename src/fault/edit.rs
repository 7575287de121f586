//! Packets changed on their way.

use super::random::Random;
use crate::packet::{
    FixedHeader, Packet, PacketIdentifier, Properties, Property, PropertyIdentifier, PropertyValue,
    ProtocolVersion, ReasonCode,
};
use bytes::Bytes;

/// What of a CONNACK is replaced; `None` and an empty list leave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnackEdit {
    /// The Reason Code; before MQTT 5 the Return Code.
    pub reason: Option<ReasonCode>,
    /// The Session Present flag.
    pub session_present: Option<bool>,
    /// Properties that take the place of those with the same identifier (User Properties are added); MQTT 5 only.
    pub properties: Vec<(PropertyIdentifier, OwnedValue)>,
}

/// The value of a property, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnedValue {
    /// Of every numeric type.
    Number(u32),
    /// UTF-8 string.
    Text(String),
    /// Binary data.
    Binary(Vec<u8>),
    /// A name and its value.
    Pair(String, String),
}

impl OwnedValue {
    /// The property of that identifier and value.
    #[must_use]
    pub fn property(&self, identifier: PropertyIdentifier) -> Property<'_> {
        let value = match self {
            Self::Number(number) => PropertyValue::Number(*number),
            Self::Text(text) => PropertyValue::Text(text),
            Self::Binary(bytes) => PropertyValue::Binary(bytes),
            Self::Pair(name, value) => PropertyValue::Pair(name, value),
        };
        Property { identifier, value }
    }
}

impl ConnackEdit {
    fn apply(&self, packet: &mut Packet) {
        let Packet::Connack(connack) = packet else {
            return;
        };
        connack.reason = self.reason.unwrap_or(connack.reason);
        connack.session_present = self.session_present.unwrap_or(connack.session_present);
        if connack.reason.is_error() && self.session_present.is_none() {
            connack.session_present = false;
        }
        if self.properties.is_empty() {
            return;
        }
        let is_replaced = |identifier| {
            identifier != PropertyIdentifier::UserProperty
                && self.properties.iter().any(|(replaced, _)| *replaced == identifier)
        };
        let mut properties = Properties::EMPTY;
        let kept = connack.properties.as_ref().iter().filter(|property| !is_replaced(property.identifier));
        let new = self.properties.iter().map(|(identifier, value)| value.property(*identifier));
        for property in kept.chain(new) {
            // A value of another type than the property has is left out; `spec` refuses it beforehand.
            let _ = properties.push(property);
        }
        connack.properties = properties;
    }
}

/// The packet as `version` writes it; `None` when it cannot be written.
pub(super) fn encode(packet: &Packet, version: ProtocolVersion) -> Option<Bytes> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).ok()?;
    Some(bytes.into())
}

/// The packet with DUP, if it is a PUBLISH of QoS 1 or 2.
pub(super) fn duplicate(packet: &Packet, bytes: &Bytes) -> Bytes {
    let mut copy = bytes.to_vec();
    if let Packet::Publish(publish) = packet
        && publish.packet_identifier.is_some()
        && let Some(first) = copy.first_mut()
    {
        *first |= 0b1000;
    }
    copy.into()
}

/// The packet with another Reason Code, for each of its filters.
pub(super) fn with_reason(mut packet: Packet, reason: ReasonCode) -> Packet {
    match &mut packet {
        Packet::Connack(connack) => {
            connack.reason = reason;
            connack.session_present &= !reason.is_error();
        }
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => {
            packet.reason = reason;
        }
        Packet::Suback(suback) => suback.reasons.iter_mut().for_each(|old| *old = reason),
        Packet::Unsuback(unsuback) => unsuback.reasons.iter_mut().for_each(|old| *old = reason),
        Packet::Disconnect(disconnect) => disconnect.reason = reason,
        Packet::Auth(auth) => auth.reason = reason,
        _ => {}
    }
    packet
}

/// The packet with another Packet Identifier, if it has one.
pub(super) fn with_identifier(mut packet: Packet, identifier: u16) -> Packet {
    let Some(identifier) = PacketIdentifier::new(identifier) else {
        return packet;
    };
    match &mut packet {
        Packet::Publish(publish) if publish.packet_identifier.is_some() => {
            publish.packet_identifier = Some(identifier);
        }
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => {
            packet.packet_identifier = identifier;
        }
        Packet::Subscribe(packet) => packet.packet_identifier = identifier,
        Packet::Suback(packet) => packet.packet_identifier = identifier,
        Packet::Unsubscribe(packet) => packet.packet_identifier = identifier,
        Packet::Unsuback(packet) => packet.packet_identifier = identifier,
        _ => {}
    }
    packet
}

/// The PUBLISH with at most `length` bytes of payload.
pub(super) fn truncated(mut packet: Packet, length: usize) -> Packet {
    if let Packet::Publish(publish) = &mut packet {
        publish.payload.truncate(length);
    }
    packet
}

/// The CONNACK after `edit`.
pub(super) fn with_connack(mut packet: Packet, edit: &ConnackEdit) -> Packet {
    edit.apply(&mut packet);
    packet
}

/// The packet with one byte changed: of the payload if there is one, else of the body; as it was without either.
pub(super) fn corrupted(packet: Option<&Packet>, bytes: &Bytes, random: &mut Random) -> Bytes {
    let payload_length = match packet {
        Some(Packet::Publish(publish)) => publish.payload.len(),
        _ => 0,
    };
    let header =
        FixedHeader::decode(bytes).ok().flatten().map_or(0, |header| usize::from(header.header_length));
    let from = if payload_length > 0 { bytes.len() - payload_length } else { header };
    let mut copy = bytes.to_vec();
    let at = from as u64 + random.below((copy.len() - from) as u64);
    if let Some(byte) = usize::try_from(at).ok().and_then(|at| copy.get_mut(at)) {
        // Never the same byte again.
        *byte ^= u8::try_from(1 + random.below(255)).unwrap_or(1);
    }
    copy.into()
}
