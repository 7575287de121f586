//! What can happen, each with what a log line says about it.

use crate::packet::{PacketError, PacketType, Properties, ProtocolVersion, Qos, ReasonCode, Text};
use bytes::Bytes;

/// How serious a fact is, in syslog's words as mosquitto uses them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum Severity {
    Debug,
    Information,
    Notice,
    Warning,
    Error,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// The client sent DISCONNECT.
    Disconnected,
    /// The transport ended without a DISCONNECT.
    ClosedByPeer,
    /// Nothing was received for one and a half times the Keep Alive.
    KeepAliveTimeout,
    /// No CONNECT came in time.
    ConnectTimeout,
    /// Another connection took the session.
    TakenOver,
    /// The client broke the protocol.
    Fault(PacketError),
    /// The server refused the client or ended the connection with this code.
    Refused(ReasonCode),
    /// The server is stopping.
    Stopping,
}

/// One packet in the words of a log line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PacketFact {
    /// A PUBLISH.
    Publish {
        /// Sent before.
        dup: bool,
        /// Its Quality of Service.
        qos: Qos,
        /// Its RETAIN flag.
        retain: bool,
        /// Its Packet Identifier; 0 at QoS 0.
        packet_identifier: u16,
        /// Its topic.
        topic: Text,
        /// How long the payload is, in bytes.
        payload_length: usize,
    },
    /// A CONNACK.
    Connack {
        /// Whether an earlier session goes on.
        session_present: bool,
        /// Its Reason Code.
        reason: ReasonCode,
    },
    /// Another packet with a Reason Code but no identifier.
    Result {
        /// Which packet.
        packet_type: PacketType,
        /// Its Reason Code.
        reason: ReasonCode,
    },
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK or UNSUBACK.
    Identified {
        /// Which packet.
        packet_type: PacketType,
        /// Its Packet Identifier.
        packet_identifier: u16,
        /// Its Reason Code; success when it has none.
        reason: ReasonCode,
    },
    /// A packet of which nothing more is told.
    Other(PacketType),
}

/// A will in the words of a log line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WillFact {
    /// Its topic.
    pub topic: Text,
    /// Its Quality of Service.
    pub qos: Qos,
    /// Whether it is to be retained.
    pub retain: bool,
    /// How long the payload is, in bytes.
    pub payload_length: usize,
}

/// An Application Message as its publisher sent it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// Its topic; aliases are resolved.
    pub topic: Text,
    /// The Application Message.
    pub payload: Bytes,
    /// Its Quality of Service.
    pub qos: Qos,
    /// Whether it is to be retained.
    pub retain: bool,
    /// Whether the packet was marked as sent before.
    pub dup: bool,
    /// Its properties, without those of one hop.
    pub properties: Properties,
    /// Whether it is a will.
    pub is_will: bool,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fact {
    /// A transport was accepted.
    Opened {
        /// The peer's address, as log lines have it.
        address: Text,
        /// The peer's port; 0 on a unix socket.
        port: u16,
        /// The number of the listener.
        listener: usize,
        /// The port of the listener; 0 on a unix socket.
        listener_port: u16,
    },
    /// A client's CONNECT was accepted.
    Connected {
        /// The peer's address.
        address: Text,
        /// The peer's port.
        port: u16,
        /// The version the client speaks.
        version: ProtocolVersion,
        /// Clean Start, before MQTT 5 Clean Session.
        clean_start: bool,
        /// The Keep Alive in force, in seconds.
        keep_alive: u16,
        /// The User Name, if one was given.
        user_name: Option<Text>,
        /// Whether an earlier session goes on.
        session_present: bool,
    },
    /// A connection came to its end.
    Closed {
        /// The peer's address.
        address: Text,
        /// The peer's port.
        port: u16,
        /// Why.
        reason: CloseReason,
    },
    /// Whether an accepted CONNECT brought a will, and which.
    WillStated(Option<WillFact>),
    /// A SUBSCRIBE, or without a QoS an UNSUBSCRIBE, names this filter.
    FilterNamed {
        /// The Topic Filter as the client wrote it.
        filter: Text,
        /// The QoS asked for.
        qos: Option<Qos>,
    },
    /// A packet was received.
    Received(PacketFact),
    /// A packet was queued for sending.
    Sent(PacketFact),
    /// A subscription was made or replaced.
    Subscribed {
        /// The Topic Filter.
        filter: Text,
        /// The granted QoS or the refusal.
        reason: ReasonCode,
    },
    /// A subscription was ended.
    Unsubscribed {
        /// The Topic Filter.
        filter: Text,
    },
    /// A PUBLISH was not allowed and dropped.
    PublishDenied {
        /// Its topic.
        topic: Text,
        /// How long the payload is, in bytes.
        payload_length: usize,
    },
    /// A payload over the limit was swallowed.
    PublishTooLarge {
        /// How long the whole packet is, in bytes.
        packet_length: usize,
    },
    /// The first message that a client lost because its queue was full, until the queue has been empty again.
    MessagesDropped,
    /// A session ended by its expiry.
    SessionExpired,
    /// A message was let in and given to whoever subscribed to it, in the name of the entry's client; a will too.
    Published(Box<Published>),
    /// A will was published.
    WillPublished {
        /// Its topic.
        topic: Text,
    },
}

impl Fact {
    /// How serious this is, as mosquitto would log it.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Opened { .. } | Self::Connected { .. } | Self::Closed { .. } | Self::SessionExpired => {
                Severity::Notice
            }
            Self::MessagesDropped => Severity::Notice,
            Self::PublishTooLarge { .. } => Severity::Warning,
            _ => Severity::Debug,
        }
    }
}
