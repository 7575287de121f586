//! What can be wrong with a packet, and the Reason Code that each fault means on the wire (MQTT 5, section 4.13).

use super::reason::ReasonCode;
use thiserror::Error;

/// One fault in a packet's bytes; small, `Copy`, carries no text of the peer's.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum PacketError {
    /// A field reaches past the end of its packet.
    #[error("packet ends inside a field")]
    Truncated,
    /// Bytes follow the last field.
    #[error("packet has bytes after its last field")]
    TrailingBytes,
    /// The fifth byte of a Variable Byte Integer, or an overlong form [MQTT-1.5.5-1].
    #[error("variable byte integer is malformed")]
    VariableByteInteger,
    /// Fixed header flags other than the reserved values [MQTT-2.1.3-1].
    #[error("reserved flags in the fixed header are wrong")]
    ReservedFlags,
    /// Packet type 0, or AUTH before MQTT 5.
    #[error("packet type does not exist")]
    UnknownPacketType,
    /// A packet type that this sender must not send.
    #[error("packet type must not be sent by this side")]
    UnexpectedPacket,
    /// A packet longer than the receiver accepts.
    #[error("packet is too large")]
    PacketTooLarge,
    /// A string or binary field over 65,535 bytes, or a packet over 268,435,455 bytes, was to be encoded.
    #[error("field is too long to be encoded")]
    FieldTooLong,
    /// A string that is not well-formed UTF-8 [MQTT-1.5.4-1].
    #[error("string is not UTF-8")]
    Utf8,
    /// A string with U+0000, a control character or a non-character [MQTT-1.5.4-2].
    #[error("string has a forbidden character")]
    ForbiddenCharacter,
    /// Packet Identifier zero [MQTT-2.2.1-3].
    #[error("packet identifier is zero")]
    ZeroIdentifier,
    /// QoS 3 in a PUBLISH [MQTT-3.3.1-4].
    #[error("quality of service is 3")]
    QosThree,
    /// DUP set on a QoS 0 PUBLISH [MQTT-3.3.1-2].
    #[error("duplicate flag on a QoS 0 publish")]
    DuplicateAtQosZero,
    /// A Topic Name with a wildcard, or more than 200 levels [MQTT-3.3.2-2].
    #[error("topic name is malformed")]
    TopicName,
    /// An empty Topic Name without a Topic Alias.
    #[error("topic name is empty")]
    EmptyTopicName,
    /// A Topic Filter whose wildcards are misplaced, or more than 200 levels [MQTT-4.7.1-1].
    #[error("topic filter is malformed")]
    TopicFilter,
    /// A `$share` filter without a share name or a filter [MQTT-4.8.2-1].
    #[error("shared subscription filter is malformed")]
    SharedFilter,
    /// No Local on a shared subscription [MQTT-3.8.3-4].
    #[error("no local on a shared subscription")]
    NoLocalOnShared,
    /// Reserved bits of the Subscription Options [MQTT-3.8.3-5].
    #[error("reserved bits in the subscription options are set")]
    SubscriptionOptions,
    /// Maximum QoS 3 or Retain Handling 3 in the Subscription Options.
    #[error("subscription options have a value of 3")]
    SubscriptionOptionsThree,
    /// A SUBSCRIBE, UNSUBSCRIBE, SUBACK or UNSUBACK without an entry [MQTT-3.8.3-2].
    #[error("packet has no entry in its list")]
    EmptyList,
    /// A property identifier that does not exist.
    #[error("property identifier does not exist")]
    UnknownProperty,
    /// A property in a packet type that does not have it (MQTT 5, section 2.2.2.2).
    #[error("property does not belong in this packet")]
    PropertyNotAllowed,
    /// A property that only the other side may put into this packet [MQTT-3.3.4-6], [MQTT-3.14.2-2].
    #[error("property must not be sent by this side")]
    PropertyFromWrongSide,
    /// A property twice where once is allowed.
    #[error("property is included twice")]
    DuplicateProperty,
    /// A property with a value outside its range.
    #[error("property value is out of range")]
    PropertyValue,
    /// Authentication Data without an Authentication Method, or an AUTH without one.
    #[error("authentication method is missing")]
    MissingAuthenticationMethod,
    /// A Reason Code that this packet type does not have.
    #[error("reason code does not belong in this packet")]
    ReasonCode,
    /// A protocol name that is neither `MQTT` nor `MQIsdp` [MQTT-3.1.2-1].
    #[error("protocol name is unknown")]
    ProtocolName,
    /// A protocol level that this name does not have; the level as sent.
    #[error("protocol version {level} is not supported")]
    ProtocolVersion {
        /// The Protocol Version byte.
        level: u8,
        /// Whether the name and level are each known, only not together.
        known_apart: bool,
    },
    /// The reserved bit of the Connect Flags [MQTT-3.1.2-3], or a reserved bit of the Connect Acknowledge Flags.
    #[error("reserved connect flag is set")]
    ConnectFlags,
    /// Will QoS or Will Retain without a Will, or Will QoS 3 [MQTT-3.1.2-11], [MQTT-3.1.2-12].
    #[error("will flags contradict each other")]
    WillFlags,
    /// A password without a user name before MQTT 5 [3.1.1: MQTT-3.1.2-22].
    #[error("password without a user name")]
    PasswordWithoutUserName,
    /// A zero-length Client Identifier where the version or Clean Session forbids it [3.1.1: MQTT-3.1.3-8].
    #[error("client identifier is empty")]
    EmptyClientIdentifier,
}

impl PacketError {
    /// The Reason Code that a DISCONNECT or CONNACK carries for this fault (MQTT 5, section 4.13).
    ///
    /// Malformed Packet for what cannot be parsed or what the standard calls malformed, Protocol Error for what is
    /// well-formed but not allowed there.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::PacketTooLarge | Self::FieldTooLong => ReasonCode::PACKET_TOO_LARGE,
            Self::ProtocolVersion { .. } | Self::ProtocolName => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            Self::EmptyClientIdentifier => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            Self::UnexpectedPacket
            | Self::ZeroIdentifier
            | Self::EmptyTopicName
            | Self::NoLocalOnShared
            | Self::SubscriptionOptionsThree
            | Self::EmptyList
            | Self::PropertyFromWrongSide
            | Self::DuplicateProperty
            | Self::PropertyValue
            | Self::MissingAuthenticationMethod
            | Self::ReasonCode => ReasonCode::PROTOCOL_ERROR,
            _ => ReasonCode::MALFORMED_PACKET,
        }
    }
}
