//! What can go wrong with a session: the caller's requests, the server's packets, the server's silence.

use crate::packet::{PacketError, ReasonCode};
use thiserror::Error;

/// Why a command was not taken, or why the connection is over.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum SessionError {
    /// No room for another message until some are acknowledged or written; try again then.
    #[error("too many messages wait to be sent")]
    QueueFull,
    /// The command needs a connection.
    #[error("the client is not connected")]
    NotConnected,
    /// The caller's packet is not well-formed, or its properties do not belong to this version.
    #[error("packet to be sent is invalid: {0}")]
    Invalid(PacketError),
    /// The server said in CONNACK that it does not do this; the Reason Code names what.
    #[error("refused by the server's limits: {}", .0.name())]
    NotSupported(ReasonCode),
    /// The packet exceeds the server's Maximum Packet Size [MQTT-3.2.2-15].
    #[error("packet exceeds the server's maximum packet size")]
    TooLargeForServer,
    /// The Topic Alias exceeds the server's maximum, or names no topic yet [MQTT-3.2.2-17].
    #[error("topic alias cannot be used with this server")]
    TopicAliasUnusable,

    /// The server's bytes are not a packet that it may send.
    #[error("{0}")]
    Packet(PacketError),
    /// CONNACK says that a session exists although Clean Start was asked for [MQTT-3.2.2-2].
    #[error("session present although clean start was set")]
    SessionPresentWithCleanStart,
    /// A PUBLISH with a Topic Alias above our maximum [MQTT-3.1.2-26].
    #[error("topic alias exceeds the maximum")]
    TopicAliasInvalid,
    /// A PUBLISH without a topic, and with a Topic Alias that names none.
    #[error("topic alias is unknown")]
    TopicAliasUnknown,
    /// More QoS 2 messages in flight than our Receive Maximum and
    /// [`receive_excess_max`](super::Config::receive_excess_max) allow [MQTT-3.3.4-9].
    #[error("receive maximum exceeded")]
    ReceiveMaximumExceeded,
    /// QoS 2 messages that wait for their PUBREL exceed [`receive_bytes_max`](super::Config::receive_bytes_max).
    #[error("too many bytes wait to be released")]
    ReceiveQuotaExceeded,
    /// An acknowledgement of another kind than the message in flight needs.
    #[error("acknowledgement does not fit the message's state")]
    AcknowledgementMismatch,
    /// A SUBACK or UNSUBACK with more or fewer Reason Codes than filters were sent [MQTT-3.8.4-5].
    #[error("number of reason codes differs from the number of filters")]
    ReasonCountMismatch,
    /// The server keeps sending and does not read the answers.
    #[error("the server does not read what it is sent")]
    ServerNotReading,

    /// A PINGREQ was not answered in time.
    #[error("keep alive exceeded")]
    PingTimeout,
    /// CONNECT was not answered in time.
    #[error("no answer to the connection request")]
    ConnackTimeout,
}

impl SessionError {
    /// The Reason Code for the DISCONNECT that follows a fault of the server's; `None` for every other error.
    #[must_use]
    pub const fn reason_code(self) -> Option<ReasonCode> {
        match self {
            Self::Packet(error) => match error.reason_code() {
                // The other codes of the table do not exist in a client's DISCONNECT.
                code @ (ReasonCode::MALFORMED_PACKET | ReasonCode::PACKET_TOO_LARGE) => Some(code),
                _ => Some(ReasonCode::PROTOCOL_ERROR),
            },
            Self::TopicAliasInvalid => Some(ReasonCode::TOPIC_ALIAS_INVALID),
            Self::ReceiveMaximumExceeded => Some(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED),
            Self::ReceiveQuotaExceeded => Some(ReasonCode::QUOTA_EXCEEDED),
            Self::SessionPresentWithCleanStart
            | Self::TopicAliasUnknown
            | Self::AcknowledgementMismatch
            | Self::ReasonCountMismatch => Some(ReasonCode::PROTOCOL_ERROR),
            _ => None,
        }
    }
}
