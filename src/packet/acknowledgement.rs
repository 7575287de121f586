//! PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 3.1.1 and 5, sections 3.4 to 3.7): one shape, four packet types.

use super::error::PacketError;
use super::header::PacketType;
use super::primitive::{PacketIdentifier, Reader};
use super::property::{Place, Properties, PropertiesRef};
use super::{ProtocolVersion, ReasonCode};
use bytes::Bytes;

/// One step in the acknowledgement of a PUBLISH.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Acknowledgement {
    /// The identifier of the PUBLISH.
    pub packet_identifier: PacketIdentifier,
    /// MQTT 5; [`ReasonCode::SUCCESS`] before.
    pub reason: ReasonCode,
    /// MQTT 5 only.
    pub properties: Properties,
}

impl Acknowledgement {
    /// A plain success without properties.
    #[must_use]
    pub const fn new(packet_identifier: PacketIdentifier, reason: ReasonCode) -> Self {
        Self { packet_identifier, reason, properties: Properties::EMPTY }
    }

    /// Reads the body of one of the four.
    ///
    /// # Errors
    ///
    /// [`PacketError::ZeroIdentifier`], [`PacketError::ReasonCode`] for a code the type does not have
    /// [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1], and faults in the properties.
    #[inline]
    pub fn decode(
        packet_type: PacketType,
        block: &Bytes,
        body: &[u8],
        version: ProtocolVersion,
    ) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let mut acknowledgement = Self::new(reader.packet_identifier()?, ReasonCode::SUCCESS);
        if version == ProtocolVersion::V5 && !reader.is_empty() {
            acknowledgement.reason = ReasonCode(reader.u8()?);
            if !is_reason_of(packet_type, acknowledgement.reason) {
                return Err(PacketError::ReasonCode);
            }
            if !reader.is_empty() {
                let properties = PropertiesRef::decode(&mut reader, place(packet_type))?;
                acknowledgement.properties = Properties::within(block, properties);
            }
        }
        reader.finish()?;
        Ok(acknowledgement)
    }

    /// Appends the whole packet in its shortest form.
    #[inline]
    pub fn encode(&self, packet_type: PacketType, version: ProtocolVersion, out: &mut Vec<u8>) {
        let flags = if packet_type == PacketType::Pubrel { 0b0010 } else { 0 };
        let first = (packet_type as u8) << 4 | flags;
        let [high, low] = self.packet_identifier.get().to_be_bytes();
        if version != ProtocolVersion::V5
            || (self.reason == ReasonCode::SUCCESS && self.properties.is_empty())
        {
            out.extend_from_slice(&[first, 2, high, low]);
        } else if self.properties.is_empty() {
            out.extend_from_slice(&[first, 3, high, low, self.reason.0]);
        } else {
            out.push(first);
            let length = 3 + self.properties.as_ref().encoded_length();
            super::primitive::put_variable_byte_integer(out, u32::try_from(length).unwrap_or(u32::MAX));
            out.extend_from_slice(&[high, low, self.reason.0]);
            self.properties.as_ref().encode(out);
        }
    }
}

const fn place(packet_type: PacketType) -> Place {
    match packet_type {
        PacketType::Pubrec => Place::Pubrec,
        PacketType::Pubrel => Place::Pubrel,
        PacketType::Pubcomp => Place::Pubcomp,
        _ => Place::Puback,
    }
}

/// Whether the standard lists `reason` for this packet type.
#[inline]
fn is_reason_of(packet_type: PacketType, reason: ReasonCode) -> bool {
    match packet_type {
        PacketType::Pubrel | PacketType::Pubcomp => {
            matches!(reason, ReasonCode::SUCCESS | ReasonCode::PACKET_IDENTIFIER_NOT_FOUND)
        }
        _ => matches!(
            reason,
            ReasonCode::SUCCESS
                | ReasonCode::NO_MATCHING_SUBSCRIBERS
                | ReasonCode::UNSPECIFIED
                | ReasonCode::IMPLEMENTATION_SPECIFIC
                | ReasonCode::NOT_AUTHORIZED
                | ReasonCode::TOPIC_NAME_INVALID
                | ReasonCode::PACKET_IDENTIFIER_IN_USE
                | ReasonCode::QUOTA_EXCEEDED
                | ReasonCode::PAYLOAD_FORMAT_INVALID
        ),
    }
}
