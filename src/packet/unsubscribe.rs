//! UNSUBSCRIBE (MQTT 3.1.1 and 5, section 3.10).

use super::connect::decode_properties;
use super::error::PacketError;
use super::primitive::{PacketIdentifier, Reader, put_binary};
use super::property::{Place, Properties};
use super::text::Text;
use super::{ProtocolVersion, topic};
use bytes::Bytes;

/// A client's wish to end subscriptions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsubscribe {
    /// Names the packet until its UNSUBACK.
    pub packet_identifier: PacketIdentifier,
    /// MQTT 5 only.
    pub properties: Properties,
    /// At least one filter, each well-formed.
    pub filters: Vec<Text>,
}

impl Unsubscribe {
    pub(super) fn decode(block: &Bytes, body: &[u8], version: ProtocolVersion) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let packet_identifier = reader.packet_identifier()?;
        let properties = decode_properties(block, &mut reader, version, Place::Unsubscribe)?;
        let mut filters = Vec::new();
        while !reader.is_empty() {
            let filter = reader.text()?;
            topic::check_filter(filter)?;
            filters.push(Text::within(block, filter));
        }
        if filters.is_empty() {
            return Err(PacketError::EmptyList);
        }
        Ok(Self { packet_identifier, properties, filters })
    }

    pub(super) fn encode_body(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), PacketError> {
        out.extend_from_slice(&self.packet_identifier.get().to_be_bytes());
        if version == ProtocolVersion::V5 {
            self.properties.as_ref().encode(out);
        }
        for filter in &self.filters {
            put_binary(out, filter.as_bytes())?;
        }
        Ok(())
    }
}
