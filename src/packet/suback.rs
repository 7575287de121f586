//! SUBACK and UNSUBACK (MQTT 3.1.1 and 5, sections 3.9 and 3.11).

use super::connect::decode_properties;
use super::error::PacketError;
use super::primitive::{PacketIdentifier, Reader};
use super::property::{Place, Properties};
use super::{ProtocolVersion, ReasonCode};
use bytes::Bytes;

/// The server's answer to SUBSCRIBE: one Reason Code a filter, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Suback {
    /// The identifier of the SUBSCRIBE.
    pub packet_identifier: PacketIdentifier,
    /// MQTT 5 only.
    pub properties: Properties,
    /// At least one; a granted QoS or a failure.
    pub reasons: Vec<ReasonCode>,
}

/// The server's answer to UNSUBSCRIBE: in MQTT 5 one Reason Code a filter, before none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsuback {
    /// The identifier of the UNSUBSCRIBE.
    pub packet_identifier: PacketIdentifier,
    /// MQTT 5 only.
    pub properties: Properties,
    /// Empty before MQTT 5.
    pub reasons: Vec<ReasonCode>,
}

impl Suback {
    pub(super) fn decode(block: &Bytes, body: &[u8], version: ProtocolVersion) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let packet_identifier = reader.packet_identifier()?;
        let properties = decode_properties(block, &mut reader, version, Place::Suback)?;
        let reasons = decode_reasons(&reader, |reason| is_suback_reason(reason, version))?;
        Ok(Self { packet_identifier, properties, reasons })
    }

    /// Before MQTT 5 every failure is 0x80 [3.1.1: MQTT-3.9.3-2].
    pub(super) fn encode_body(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        let start = out.len();
        encode_body(self.packet_identifier, &self.properties, &self.reasons, version, out);
        if version != ProtocolVersion::V5 {
            for reason in &mut out[start + 2..] {
                *reason = (*reason).min(ReasonCode::UNSPECIFIED.0);
            }
        }
    }
}

impl Unsuback {
    pub(super) fn decode(block: &Bytes, body: &[u8], version: ProtocolVersion) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let packet_identifier = reader.packet_identifier()?;
        let properties = decode_properties(block, &mut reader, version, Place::Unsuback)?;
        if version != ProtocolVersion::V5 {
            reader.finish()?;
            return Ok(Self { packet_identifier, properties, reasons: Vec::new() });
        }
        let reasons = decode_reasons(&reader, is_unsuback_reason)?;
        Ok(Self { packet_identifier, properties, reasons })
    }

    pub(super) fn encode_body(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        let reasons = if version == ProtocolVersion::V5 { &self.reasons[..] } else { &[] };
        encode_body(self.packet_identifier, &self.properties, reasons, version, out);
    }
}

fn encode_body(
    packet_identifier: PacketIdentifier,
    properties: &Properties,
    reasons: &[ReasonCode],
    version: ProtocolVersion,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&packet_identifier.get().to_be_bytes());
    if version == ProtocolVersion::V5 {
        properties.as_ref().encode(out);
    }
    out.extend(reasons.iter().map(|reason| reason.0));
}

fn decode_reasons(
    reader: &Reader<'_>,
    is_allowed: impl Fn(ReasonCode) -> bool,
) -> Result<Vec<ReasonCode>, PacketError> {
    if reader.is_empty() {
        return Err(PacketError::EmptyList);
    }
    let reasons: Vec<_> = reader.rest().iter().copied().map(ReasonCode).collect();
    if !reasons.iter().copied().all(is_allowed) {
        return Err(PacketError::ReasonCode);
    }
    Ok(reasons)
}

/// [MQTT-3.9.3-2], [3.1.1: MQTT-3.9.3-2]; MQTT 3.1 has no failure code, but brokers send one all the same.
fn is_suback_reason(reason: ReasonCode, version: ProtocolVersion) -> bool {
    match version {
        ProtocolVersion::V31 | ProtocolVersion::V311 => matches!(reason.0, 0..=2 | 0x80),
        ProtocolVersion::V5 => {
            matches!(reason.0, 0..=2 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2)
        }
    }
}

/// [MQTT-3.11.3-2].
fn is_unsuback_reason(reason: ReasonCode) -> bool {
    matches!(reason.0, 0 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91)
}
