//! The fixed header (MQTT 5, section 2.1): judged before the body arrives.

use super::ProtocolVersion;
use super::error::PacketError;

/// The fifteen packet types, by the number on the wire.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
#[allow(missing_docs)] // the standard's names, table 2-1
pub enum PacketType {
    Connect = 1,
    Connack = 2,
    Publish = 3,
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Pingreq = 12,
    Pingresp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    const BY_NUMBER: [Option<Self>; 16] = [
        None,
        Some(Self::Connect),
        Some(Self::Connack),
        Some(Self::Publish),
        Some(Self::Puback),
        Some(Self::Pubrec),
        Some(Self::Pubrel),
        Some(Self::Pubcomp),
        Some(Self::Subscribe),
        Some(Self::Suback),
        Some(Self::Unsubscribe),
        Some(Self::Unsuback),
        Some(Self::Pingreq),
        Some(Self::Pingresp),
        Some(Self::Disconnect),
        Some(Self::Auth),
    ];

    /// The packet type in the upper half of a first byte; `None` for 0.
    #[must_use]
    #[inline]
    pub const fn from_first_byte(first: u8) -> Option<Self> {
        Self::BY_NUMBER[(first >> 4) as usize]
    }

    /// The standard's name in capitals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// Whether `sender` may send this packet type in some version; before MQTT 5 only clients send DISCONNECT.
    #[must_use]
    #[inline]
    pub const fn may_be_sent_by(self, sender: Sender) -> bool {
        match self {
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::Pingreq => {
                matches!(sender, Sender::Client)
            }
            Self::Connack | Self::Suback | Self::Unsuback | Self::Pingresp => {
                matches!(sender, Sender::Server)
            }
            _ => true,
        }
    }
}

/// Which side of the connection a packet comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Sender {
    /// The side that sent CONNECT.
    Client,
    /// The side that answers it.
    Server,
}

/// A fixed header: first byte and Remaining Length.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FixedHeader {
    /// Packet type and flags as sent.
    pub first: u8,
    /// Its own length in bytes, 2 to 5.
    pub header_length: u8,
    /// Whether the Remaining Length has its shortest form, which MQTT 5 demands [MQTT-1.5.5-1].
    pub is_minimal: bool,
    /// The length of the body, at most 268,435,455.
    pub remaining_length: u32,
    /// The packet type in `first`.
    pub packet_type: PacketType,
}

impl FixedHeader {
    /// Reads a fixed header from the front of `bytes`; `None` while its end has not arrived.
    ///
    /// # Errors
    ///
    /// [`PacketError::UnknownPacketType`] for type 0, [`PacketError::VariableByteInteger`] for a fifth length byte.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, PacketError> {
        let [first, rest @ ..] = bytes else {
            return Ok(None);
        };
        let packet_type = PacketType::from_first_byte(*first).ok_or(PacketError::UnknownPacketType)?;
        // Most packets are short; their length is a byte of its own.
        if let [length @ 0..0x80, ..] = rest {
            return Ok(Some(Self {
                first: *first,
                header_length: 2,
                is_minimal: true,
                remaining_length: u32::from(*length),
                packet_type,
            }));
        }
        Self::decode_long(*first, packet_type, rest)
    }

    /// Goes on behind the first byte when the Remaining Length takes more than one.
    fn decode_long(first: u8, packet_type: PacketType, rest: &[u8]) -> Result<Option<Self>, PacketError> {
        let mut remaining_length = 0_u32;
        for (place, &byte) in (0_u8..4).zip(rest) {
            remaining_length |= u32::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(Some(Self {
                    first,
                    header_length: 2 + place,
                    is_minimal: place == 0 || byte != 0,
                    remaining_length,
                    packet_type,
                }));
            }
        }
        if rest.len() >= 4 { Err(PacketError::VariableByteInteger) } else { Ok(None) }
    }

    /// The length of the whole packet in bytes.
    #[must_use]
    #[inline]
    pub const fn packet_length(&self) -> usize {
        self.header_length as usize + self.remaining_length as usize
    }

    /// Checks what can be known before the body: the type for this sender and version, and the flags.
    ///
    /// # Errors
    ///
    /// [`PacketError::UnknownPacketType`] for AUTH before MQTT 5, [`PacketError::UnexpectedPacket`],
    /// [`PacketError::ReservedFlags`], [`PacketError::QosThree`], [`PacketError::DuplicateAtQosZero`],
    /// [`PacketError::VariableByteInteger`] for an overlong length in MQTT 5.
    #[inline]
    pub const fn check(&self, version: ProtocolVersion, sender: Sender) -> Result<(), PacketError> {
        if matches!(self.packet_type, PacketType::Publish) {
            return self.check_publish(version);
        }
        if matches!(self.packet_type, PacketType::Auth) && !matches!(version, ProtocolVersion::V5) {
            return Err(PacketError::UnknownPacketType);
        }
        let is_late_disconnect = matches!(self.packet_type, PacketType::Disconnect)
            && matches!(sender, Sender::Server)
            && !matches!(version, ProtocolVersion::V5);
        if is_late_disconnect || !self.packet_type.may_be_sent_by(sender) {
            return Err(PacketError::UnexpectedPacket);
        }
        if !self.has_reserved_flags(version) {
            return Err(PacketError::ReservedFlags);
        }
        self.check_minimal(version)
    }

    /// Whether the lower half of the first byte is what section 2.1.3 reserves for the packet type.
    const fn has_reserved_flags(&self, version: ProtocolVersion) -> bool {
        let flags = self.first & 0x0F;
        let is_v31 = matches!(version, ProtocolVersion::V31);
        match self.packet_type {
            // MQTT 3.1 calls these flags "not used", and its clients differ in what they leave there.
            PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp if is_v31 => {
                true
            }
            // MQTT 3.1 sets DUP on a repeated SUBSCRIBE or UNSUBSCRIBE.
            PacketType::Subscribe | PacketType::Unsubscribe if is_v31 => flags & 0b0111 == 0b0010,
            PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe => flags == 0b0010,
            _ => flags == 0,
        }
    }

    #[inline]
    const fn check_publish(&self, version: ProtocolVersion) -> Result<(), PacketError> {
        match self.first & 0b1110 {
            0b0110 | 0b1110 => Err(PacketError::QosThree),
            0b1000 => Err(PacketError::DuplicateAtQosZero),
            _ => self.check_minimal(version),
        }
    }

    #[inline]
    const fn check_minimal(&self, version: ProtocolVersion) -> Result<(), PacketError> {
        if !self.is_minimal && matches!(version, ProtocolVersion::V5) {
            return Err(PacketError::VariableByteInteger);
        }
        Ok(())
    }
}
