//! What a session reports: events for its owner, and every packet for those who want to see them.

use crate::packet::{
    Auth, Connack, Disconnect, PacketIdentifier, PacketType, Properties, Publish, Qos, ReasonCode, Suback,
    SubscriptionOptions, Text, Unsuback,
};
use std::fmt;

/// The number of a message given to [`Session::publish`](super::Session::publish).
///
/// Counts messages of every QoS from 1 to 65,535 and starts over, together with SUBSCRIBE and UNSUBSCRIBE; a number in
/// use is passed over. At QoS 1 and 2 it is the Packet Identifier.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublishId(pub(super) PacketIdentifier);

impl PublishId {
    /// The number, 1 to 65,535.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PublishId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Something that the session's owner may want to act on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// CONNACK took the connection; what was in flight is being sent again.
    Connected(Connack),
    /// CONNACK refused the connection; the transport is to be closed.
    Refused(Connack),
    /// A message: QoS 0 and 1 as it arrives, QoS 2 at its PUBREL. Its topic is never empty: aliases are resolved.
    Message(Publish),
    /// A message of ours is done: handed out for writing (QoS 0), acknowledged (QoS 1), completed (QoS 2), or refused.
    Acknowledged {
        /// The number that `publish` gave it.
        id: PublishId,
        /// Its QoS.
        qos: Qos,
        /// Success before MQTT 5; for QoS 2 the code of PUBREC, since that is the server's answer to the message.
        ///
        /// A message that was accepted while offline and that this server's limits do not allow is never sent: its
        /// code is then the limit's (QoS not supported, Retain not supported, Packet too large).
        reason: ReasonCode,
        /// Of the last acknowledgement; MQTT 5 only.
        properties: Properties,
    },
    /// The answer to a SUBSCRIBE.
    Subscribed(Suback),
    /// The answer to an UNSUBSCRIBE.
    Unsubscribed(Unsuback),
    /// The server ends the connection, MQTT 5 only; the transport is to be closed.
    Disconnected(Disconnect),
    /// A step of an extended authentication, to be answered with [`Session::authenticate`](super::Session::authenticate).
    Auth(Auth),
    /// The server has nothing more to say; the answer to [`Session::fence`](super::Session::fence).
    Quiet,
    /// A packet was made ready to be written; only with [`Config::trace`](super::Config::trace).
    Sent(Traced),
    /// A packet arrived; only with [`Config::trace`](super::Config::trace).
    Received(Traced),
}

/// The facts about one packet for debug lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Traced {
    /// CONNECT.
    Connect,
    /// CONNACK with its code.
    Connack {
        /// Its Reason Code or Return Code.
        reason: ReasonCode,
    },
    /// PUBLISH.
    Publish {
        /// The DUP flag.
        dup: bool,
        /// The QoS.
        qos: Qos,
        /// The RETAIN flag.
        retain: bool,
        /// Sent: the [`PublishId`] at every QoS. Received: the Packet Identifier, 0 at QoS 0.
        number: u16,
        /// The topic on the wire; `None` where only an alias stands.
        topic: Option<Text>,
        /// Length of the payload in bytes.
        payload_length: usize,
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Acknowledgement {
        /// Which of the four.
        packet_type: PacketType,
        /// The identifier.
        packet_identifier: PacketIdentifier,
        /// The Reason Code; success before MQTT 5.
        reason: ReasonCode,
        /// Received for an identifier that is not in flight.
        is_unknown: bool,
    },
    /// SUBSCRIBE.
    Subscribe {
        /// The identifier.
        packet_identifier: PacketIdentifier,
        /// Filters and options as sent.
        filters: Vec<(Text, SubscriptionOptions)>,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// The identifier.
        packet_identifier: PacketIdentifier,
        /// Filters as sent.
        filters: Vec<Text>,
    },
    /// SUBACK.
    Suback {
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// UNSUBACK.
    Unsuback {
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// PINGREQ.
    Pingreq,
    /// PINGRESP.
    Pingresp,
    /// DISCONNECT.
    Disconnect {
        /// The Reason Code; success before MQTT 5.
        reason: ReasonCode,
    },
    /// AUTH.
    Auth {
        /// The Reason Code.
        reason: ReasonCode,
    },
}

/// What an owner does with a message that is offered to it borrowed, see
/// [`Session::handle_bytes_with`](super::Session::handle_bytes_with).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offered {
    /// Nothing yet: it becomes an [`Event::Message`].
    Declined,
    /// All there is to do.
    Taken,
    /// The same, and what lies behind it in the block waits for
    /// [`Session::handle_rest`](super::Session::handle_rest), so that it is not acknowledged.
    TakenAndPause,
}
