//! PUBLISH (MQTT 3.1.1 and 5, section 3.3): borrowed for the hot path, owned for what outlives the read block.

use super::error::PacketError;
use super::frame::share;
use super::header::{FixedHeader, Sender};
use super::primitive::{
    PacketIdentifier, Reader, VARIABLE_BYTE_INTEGER_MAX, put_variable_byte_integer,
    variable_byte_integer_length,
};
use super::property::{Place, Properties, PropertiesRef, PropertyIdentifier};
use super::text::{TEXT_BYTES_MAX, Text};
use super::{ProtocolVersion, topic};
use bytes::Bytes;

/// The longest packet that is put together in place, in bytes; its Remaining Length is one byte.
const SHORT_BYTES: usize = 64;

/// Quality of Service (MQTT 5, section 4.3).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Qos {
    /// QoS 0: at most once.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: at least once.
    AtLeastOnce = 1,
    /// QoS 2: exactly once.
    ExactlyOnce = 2,
}

impl Qos {
    /// The level with this number; `None` from 3 on.
    #[must_use]
    #[inline]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// A PUBLISH whose fields borrow from the block they were read from, or from the message they are made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublishRef<'a> {
    /// Sent before, and not acknowledged [MQTT-3.3.1-1].
    pub dup: bool,
    /// Quality of Service of this delivery.
    pub qos: Qos,
    /// To be retained (from a client), or given because it was retained (from a server).
    pub retain: bool,
    /// The Topic Name; empty only in MQTT 5 and beside a Topic Alias.
    pub topic: &'a str,
    /// Present exactly at QoS 1 and 2 [MQTT-2.2.1-2].
    pub packet_identifier: Option<PacketIdentifier>,
    /// The properties in wire order; empty before MQTT 5.
    pub properties: PropertiesRef<'a>,
    /// The Application Message.
    pub payload: &'a [u8],
}

impl<'a> PublishRef<'a> {
    /// Reads the body of a PUBLISH whose fixed header passed [`FixedHeader::check`].
    ///
    /// # Errors
    ///
    /// Every fault in topic, identifier or properties.
    // A call would hand the fields over in memory, which costs more than reading them.
    #[inline(always)]
    pub fn decode(
        header: &FixedHeader,
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let qos = Qos::from_number(header.first >> 1 & 3).ok_or(PacketError::QosThree)?;
        let topic = reader.text()?;
        let packet_identifier = match qos {
            Qos::AtMostOnce => None,
            Qos::AtLeastOnce | Qos::ExactlyOnce => Some(reader.packet_identifier()?),
        };
        let properties = match version {
            ProtocolVersion::V5 => PropertiesRef::decode(&mut reader, place(sender))?,
            ProtocolVersion::V31 | ProtocolVersion::V311 => PropertiesRef::EMPTY,
        };
        let aliased = topic.is_empty()
            && !properties.is_empty()
            && properties.find(PropertyIdentifier::TopicAlias).is_some();
        if !aliased {
            topic::check_name(topic)?;
        }
        Ok(Self {
            dup: header.first & 0b1000 != 0,
            qos,
            retain: header.first & 1 != 0,
            topic,
            packet_identifier,
            properties,
            payload: reader.rest(),
        })
    }

    /// The length of the whole packet as `version` encodes it, in bytes.
    #[must_use]
    #[inline]
    pub fn packet_length(&self, version: ProtocolVersion) -> usize {
        let remaining = self.remaining_length(version);
        let length = u32::try_from(remaining).unwrap_or(u32::MAX);
        1 + variable_byte_integer_length(length) + remaining
    }

    #[inline]
    fn remaining_length(&self, version: ProtocolVersion) -> usize {
        let identifier = if self.qos == Qos::AtMostOnce { 0 } else { 2 };
        let properties = match version {
            ProtocolVersion::V5 => self.properties.encoded_length(),
            ProtocolVersion::V31 | ProtocolVersion::V311 => 0,
        };
        2 + self.topic.len() + identifier + properties + self.payload.len()
    }

    /// Appends everything but the payload; the caller sends the payload right behind it.
    ///
    /// # Errors
    ///
    /// [`PacketError::FieldTooLong`] when topic or packet exceed what the wire can say,
    /// [`PacketError::ZeroIdentifier`] for QoS 1 or 2 without an identifier; nothing is appended then. At QoS 0 the
    /// identifier is left out, whatever the field holds.
    #[inline]
    pub fn encode_head(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), PacketError> {
        let remaining = self.remaining_length(version);
        if self.topic.len() > TEXT_BYTES_MAX || remaining > VARIABLE_BYTE_INTEGER_MAX as usize {
            return Err(PacketError::FieldTooLong);
        }
        let identifier = match (self.qos, self.packet_identifier) {
            (Qos::AtMostOnce, _) => None,
            (_, Some(identifier)) => Some(identifier),
            (_, None) => return Err(PacketError::ZeroIdentifier),
        };
        let first = 0x30 | u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain);
        #[allow(clippy::cast_possible_truncation)] // both were compared with their limits above
        let (remaining, [high, low]) = (remaining as u32, (self.topic.len() as u16).to_be_bytes());
        if let length @ 0..0x80 = remaining.to_le_bytes()[0]
            && remaining < 0x80
        {
            // Most packets are short; one store writes what stands before the topic.
            out.extend_from_slice(&[first, length, high, low]);
        } else {
            out.push(first);
            put_variable_byte_integer(out, remaining);
            out.extend_from_slice(&[high, low]);
        }
        out.extend_from_slice(self.topic.as_bytes());
        if let Some(identifier) = identifier {
            out.extend_from_slice(&identifier.get().to_be_bytes());
        }
        if version == ProtocolVersion::V5 {
            self.properties.encode(out);
        }
        Ok(())
    }

    /// Appends the whole packet.
    ///
    /// # Errors
    ///
    /// As [`PublishRef::encode_head`].
    #[inline]
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), PacketError> {
        let length = 4 + self.topic.len() + self.payload.len();
        if self.qos == Qos::AtMostOnce && version != ProtocolVersion::V5 && length <= SHORT_BYTES {
            self.encode_short(length, out);
            return Ok(());
        }
        out.reserve(self.packet_length(version));
        self.encode_head(version, out)?;
        out.extend_from_slice(self.payload);
        Ok(())
    }

    /// Appends a whole packet of QoS 0 without properties, `length` bytes long.
    ///
    /// Room of a fixed size is appended and cut off again, because copies of a few bytes are cheaper where they lie than by a
    /// call for each.
    #[inline]
    fn encode_short(&self, length: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; SHORT_BYTES]);
        let packet = &mut out[start..start + length];
        let (head, rest) = packet.split_at_mut(4);
        let (topic, payload) = rest.split_at_mut(self.topic.len());
        #[allow(clippy::cast_possible_truncation)] // all of it fits in a byte
        head.copy_from_slice(&[0x30 | u8::from(self.retain), (length - 2) as u8, 0, topic.len() as u8]);
        copy_short(topic, self.topic.as_bytes());
        copy_short(payload, self.payload);
        out.truncate(start + length);
    }

    /// An owned PUBLISH that shares `block`, from which this one was read.
    #[must_use]
    pub fn to_owned_within(&self, block: &Bytes) -> Publish {
        Publish {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: Text::within(block, self.topic),
            packet_identifier: self.packet_identifier,
            properties: Properties::within(block, self.properties),
            payload: share(block, self.payload),
        }
    }
}

/// Copies a few bytes between slices of one length by two overlapping words, without a call.
#[inline]
fn copy_short(to: &mut [u8], from: &[u8]) {
    fn by_words<const N: usize>(to: &mut [u8], from: &[u8]) -> bool {
        let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
            return false;
        };
        if from.len() > 2 * N {
            return false;
        }
        if let Some(place) = to.first_chunk_mut() {
            *place = *first;
        }
        if let Some(place) = to.last_chunk_mut() {
            *place = *last;
        }
        true
    }
    if !(by_words::<4>(to, from) || by_words::<8>(to, from) || by_words::<16>(to, from)) {
        to.copy_from_slice(from);
    }
}

const fn place(sender: Sender) -> Place {
    match sender {
        Sender::Client => Place::PublishByClient,
        Sender::Server => Place::PublishByServer,
    }
}

/// A PUBLISH that owns its fields; clones share them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Publish {
    /// Sent before, and not acknowledged.
    pub dup: bool,
    /// Quality of Service of this delivery.
    pub qos: Qos,
    /// To be retained, or given because it was.
    pub retain: bool,
    /// The Topic Name.
    pub topic: Text,
    /// Present exactly at QoS 1 and 2.
    pub packet_identifier: Option<PacketIdentifier>,
    /// The properties in wire order.
    pub properties: Properties,
    /// The Application Message.
    pub payload: Bytes,
}

impl Publish {
    /// The same packet, borrowed.
    #[must_use]
    #[inline]
    pub fn as_ref(&self) -> PublishRef<'_> {
        PublishRef {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: &self.topic,
            packet_identifier: self.packet_identifier,
            properties: self.properties.as_ref(),
            payload: &self.payload,
        }
    }
}
