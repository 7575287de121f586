//! CONNACK (MQTT 3.1.1 and 5, section 3.2).

use super::connect::decode_properties;
use super::error::PacketError;
use super::primitive::Reader;
use super::property::{Place, Properties};
use super::{ProtocolVersion, ReasonCode};
use bytes::Bytes;

/// The server's answer to CONNECT.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Connack {
    /// Whether the server kept a session for this client.
    pub session_present: bool,
    /// The Reason Code, before MQTT 5 the Return Code; any number is kept, because clients report it.
    pub reason: ReasonCode,
    /// MQTT 5 only.
    pub properties: Properties,
}

impl Connack {
    pub(super) fn decode(block: &Bytes, body: &[u8], version: ProtocolVersion) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        // MQTT 3.1 calls the whole byte reserved.
        if flags > 1 && version != ProtocolVersion::V31 {
            return Err(PacketError::ConnectFlags);
        }
        let reason = ReasonCode(reader.u8()?);
        let properties = decode_properties(block, &mut reader, version, Place::Connack)?;
        reader.finish()?;
        let session_present = flags & 1 != 0 && version != ProtocolVersion::V31;
        Ok(Self { session_present, reason, properties })
    }

    /// Session Present goes out only with a success [MQTT-3.2.2-6], and never in MQTT 3.1, which does not know it.
    pub(super) fn encode_body(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        let is_accepted = self.reason == ReasonCode::SUCCESS;
        out.push(u8::from(self.session_present && is_accepted && version != ProtocolVersion::V31));
        out.push(self.reason.0);
        if version == ProtocolVersion::V5 {
            self.properties.as_ref().encode(out);
        }
    }
}
