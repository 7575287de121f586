//! SUBSCRIBE (MQTT 3.1.1 and 5, section 3.8).

use super::connect::decode_properties;
use super::error::PacketError;
use super::primitive::{PacketIdentifier, Reader, put_binary};
use super::property::{Place, Properties};
use super::text::Text;
use super::topic::{self, SharedFilter};
use super::{ProtocolVersion, Qos};
use bytes::Bytes;

/// When retained messages are sent for a subscription.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    Always = 0,
    /// Only when the subscription did not exist.
    IfNew = 1,
    /// Never.
    Never = 2,
}

/// Subscription Options; before MQTT 5 only the QoS.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SubscriptionOptions {
    /// The most that the server may use for deliveries.
    pub maximum_qos: Qos,
    /// Messages of this very client are not sent back.
    pub no_local: bool,
    /// The RETAIN flag is forwarded as it was published.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// The byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.maximum_qos as u8
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }

    /// Reads the byte on the wire.
    pub(crate) fn decode(byte: u8, version: ProtocolVersion) -> Result<Self, PacketError> {
        let reserved = if version == ProtocolVersion::V5 { 0xC0 } else { 0xFC };
        if byte & reserved != 0 {
            return Err(PacketError::SubscriptionOptions);
        }
        Ok(Self {
            maximum_qos: Qos::from_number(byte & 3).ok_or(PacketError::SubscriptionOptionsThree)?,
            no_local: byte & 4 != 0,
            retain_as_published: byte & 8 != 0,
            retain_handling: match byte >> 4 & 3 {
                0 => RetainHandling::Always,
                1 => RetainHandling::IfNew,
                2 => RetainHandling::Never,
                _ => return Err(PacketError::SubscriptionOptionsThree),
            },
        })
    }
}

/// A client's wish for subscriptions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subscribe {
    /// Names the packet until its SUBACK.
    pub packet_identifier: PacketIdentifier,
    /// MQTT 5 only.
    pub properties: Properties,
    /// At least one filter, each well-formed, with its options.
    pub filters: Vec<(Text, SubscriptionOptions)>,
}

impl Subscribe {
    pub(super) fn decode(block: &Bytes, body: &[u8], version: ProtocolVersion) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let packet_identifier = reader.packet_identifier()?;
        let properties = decode_properties(block, &mut reader, version, Place::Subscribe)?;
        let mut filters = Vec::new();
        while !reader.is_empty() {
            let filter = reader.text()?;
            topic::check_filter(filter)?;
            let options = SubscriptionOptions::decode(reader.u8()?, version)?;
            if options.no_local && SharedFilter::split(filter)?.is_some() {
                return Err(PacketError::NoLocalOnShared);
            }
            filters.push((Text::within(block, filter), options));
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
        for (filter, options) in &self.filters {
            put_binary(out, filter.as_bytes())?;
            let mask = if version == ProtocolVersion::V5 { 0xFF } else { 3 };
            out.push(options.byte() & mask);
        }
        Ok(())
    }
}
