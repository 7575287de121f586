//! Bytes <-> packets of MQTT 3.1, 3.1.1 and 5, strictly.
//!
//! [`FrameReader`] cuts blocks into frames, [`Packet::decode`] reads one, [`Packet::encode`] writes one.
//! [`PublishRef`] and [`Acknowledgement`] can be read and written on their own, for the hot paths.

mod acknowledgement;
mod connack;
mod connect;
mod disconnect;
mod error;
mod frame;
mod header;
mod primitive;
mod property;
mod publish;
mod reason;
mod suback;
mod subscribe;
pub mod text;
pub mod topic;
mod transmit;
mod unsubscribe;

pub use acknowledgement::Acknowledgement;
pub use connack::Connack;
pub use connect::{Connect, Will};
pub use disconnect::{Auth, Disconnect};
pub use error::PacketError;
pub use frame::{Frame, FrameReader, Verdict, detach};
pub use header::{FixedHeader, PacketType, Sender};
pub use primitive::{
    PacketIdentifier, Reader, VARIABLE_BYTE_INTEGER_MAX, put_binary, put_variable_byte_integer,
    variable_byte_integer_length,
};
pub use property::{
    PROPERTIES_BYTES_MAX, Place, Properties, PropertiesRef, Property, PropertyIdentifier, PropertyIter,
    PropertyType, PropertyValue,
};
pub use publish::{Publish, PublishRef, Qos};
pub use reason::ReasonCode;
pub use suback::{Suback, Unsuback};
pub use subscribe::{RetainHandling, Subscribe, SubscriptionOptions};
pub use text::Text;
pub use transmit::{SHARED_FROM, Transmit};
pub use unsubscribe::Unsubscribe;

use bytes::Bytes;

/// The protocol versions, each with its name and level on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ProtocolVersion {
    /// MQTT 3.1: name `MQIsdp`, level 3.
    V31,
    /// MQTT 3.1.1: name `MQTT`, level 4.
    #[default]
    V311,
    /// MQTT 5: name `MQTT`, level 5.
    V5,
}

impl ProtocolVersion {
    /// The Protocol Name in CONNECT.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V31 => "MQIsdp",
            Self::V311 | Self::V5 => "MQTT",
        }
    }

    /// The Protocol Level (MQTT 5: Protocol Version) in CONNECT.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}

/// Any packet of any version.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)] // the standard's packet names
pub enum Packet {
    Connect(Box<Connect>),
    Connack(Connack),
    Publish(Publish),
    Puback(Acknowledgement),
    Pubrec(Acknowledgement),
    Pubrel(Acknowledgement),
    Pubcomp(Acknowledgement),
    Subscribe(Subscribe),
    Suback(Suback),
    Unsubscribe(Unsubscribe),
    Unsuback(Unsuback),
    Pingreq,
    Pingresp,
    Disconnect(Disconnect),
    Auth(Auth),
}

impl Packet {
    /// Reads one whole frame that `sender` sent; fields share the frame's block.
    ///
    /// `version` is the connection's; for a CONNECT it does not matter, since that packet names its own.
    ///
    /// # Errors
    ///
    /// The first fault found, from the fixed header to the last byte.
    pub fn decode(frame: &Frame<'_>, version: ProtocolVersion, sender: Sender) -> Result<Self, PacketError> {
        let Frame { header, body, block, .. } = *frame;
        if header.packet_type == PacketType::Connect {
            // Its own version decides about the length form, so the header is checked as the most lenient one first.
            header.check(ProtocolVersion::V311, sender)?;
            let connect = Connect::decode(block, body)?;
            header.check(connect.version, sender)?;
            return Ok(Self::Connect(Box::new(connect)));
        }
        header.check(version, sender)?;
        let packet_type = header.packet_type;
        let acknowledgement = || Acknowledgement::decode(packet_type, block, body, version);
        Ok(match packet_type {
            PacketType::Connect => return Err(PacketError::UnexpectedPacket),
            PacketType::Connack => Self::Connack(Connack::decode(block, body, version)?),
            PacketType::Publish => {
                Self::Publish(PublishRef::decode(&header, body, version, sender)?.to_owned_within(block))
            }
            PacketType::Puback => Self::Puback(acknowledgement()?),
            PacketType::Pubrec => Self::Pubrec(acknowledgement()?),
            PacketType::Pubrel => Self::Pubrel(acknowledgement()?),
            PacketType::Pubcomp => Self::Pubcomp(acknowledgement()?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(block, body, version)?),
            PacketType::Suback => Self::Suback(Suback::decode(block, body, version)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(block, body, version)?),
            PacketType::Unsuback => Self::Unsuback(Unsuback::decode(block, body, version)?),
            PacketType::Pingreq => without_body(body, Self::Pingreq)?,
            PacketType::Pingresp => without_body(body, Self::Pingresp)?,
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(block, body, version, sender)?),
            PacketType::Auth => Self::Auth(Auth::decode(block, body, sender)?),
        })
    }

    /// Reads the packet at the front of `bytes`, which must hold exactly one.
    ///
    /// # Errors
    ///
    /// As [`Packet::decode`]; [`PacketError::Truncated`] or [`PacketError::TrailingBytes`] for less or more than one.
    pub fn decode_one(bytes: &Bytes, version: ProtocolVersion, sender: Sender) -> Result<Self, PacketError> {
        let header = FixedHeader::decode(bytes)?.ok_or(PacketError::Truncated)?;
        let body = &bytes[usize::from(header.header_length)..];
        match body.len().cmp(&(header.remaining_length as usize)) {
            std::cmp::Ordering::Less => Err(PacketError::Truncated),
            std::cmp::Ordering::Greater => Err(PacketError::TrailingBytes),
            std::cmp::Ordering::Equal => {
                Self::decode(&Frame { header, body, block: bytes, is_skipped: false }, version, sender)
            }
        }
    }

    /// Which packet type this is.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq => PacketType::Pingreq,
            Self::Pingresp => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Appends the whole packet as `version` writes it; a CONNECT uses its own version.
    ///
    /// What a version does not have (properties, reason codes) is left out. Whether properties belong in the packet is
    /// not checked here but by [`Properties::check`].
    ///
    /// # Errors
    ///
    /// [`PacketError::FieldTooLong`], [`PacketError::PasswordWithoutUserName`], [`PacketError::ZeroIdentifier`] for a
    /// PUBLISH of QoS 1 or 2 without an identifier; nothing is appended then.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), PacketError> {
        match self {
            Self::Publish(publish) => return publish.as_ref().encode(version, out),
            Self::Puback(packet) | Self::Pubrec(packet) | Self::Pubrel(packet) | Self::Pubcomp(packet) => {
                packet.encode(self.packet_type(), version, out);
                return Ok(());
            }
            _ => {}
        }
        let mut body = Vec::new();
        self.encode_body(version, &mut body)?;
        if body.len() > VARIABLE_BYTE_INTEGER_MAX as usize {
            return Err(PacketError::FieldTooLong);
        }
        let flags = match self {
            Self::Subscribe(_) | Self::Unsubscribe(_) => 0b0010,
            _ => 0,
        };
        out.push((self.packet_type() as u8) << 4 | flags);
        #[allow(clippy::cast_possible_truncation)] // compared with the limit above
        put_variable_byte_integer(out, body.len() as u32);
        out.extend_from_slice(&body);
        Ok(())
    }

    fn encode_body(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), PacketError> {
        match self {
            Self::Connect(packet) => packet.encode_body(out)?,
            Self::Connack(packet) => packet.encode_body(version, out),
            Self::Subscribe(packet) => packet.encode_body(version, out)?,
            Self::Suback(packet) => packet.encode_body(version, out),
            Self::Unsubscribe(packet) => packet.encode_body(version, out)?,
            Self::Unsuback(packet) => packet.encode_body(version, out),
            Self::Disconnect(packet) => packet.encode_body(version, out),
            Self::Auth(packet) => packet.encode_body(out),
            Self::Publish(_)
            | Self::Puback(_)
            | Self::Pubrec(_)
            | Self::Pubrel(_)
            | Self::Pubcomp(_)
            | Self::Pingreq
            | Self::Pingresp => {}
        }
        Ok(())
    }
}

fn without_body(body: &[u8], packet: Packet) -> Result<Packet, PacketError> {
    if body.is_empty() { Ok(packet) } else { Err(PacketError::TrailingBytes) }
}
