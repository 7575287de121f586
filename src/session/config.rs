//! What a session is told once, and the limits that the server answers with.

use crate::packet::{
    Connack, Connect, PacketError, Place, PropertiesRef, PropertyIdentifier, ProtocolVersion, Qos,
    VARIABLE_BYTE_INTEGER_MAX, topic,
};
use std::time::Duration;

/// How a client behaves over all its connections.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything in CONNECT: version, client identifier, Clean Start, Keep Alive, credentials, will, properties.
    ///
    /// Receive Maximum, Maximum Packet Size and Topic Alias Maximum among the properties are enforced.
    pub connect: Connect,
    /// Messages of QoS 1 and 2 sent and not yet acknowledged; at least 1, default 20. The server's Receive Maximum
    /// lowers it.
    pub inflight_max: u16,
    /// Messages accepted and not yet sent; default 1,000, at most 60,000 have identifiers. QoS 0 messages that were
    /// made ready and never taken come back into the queue when the connection ends, even if it is full.
    pub queue_messages_max: usize,
    /// Bytes of messages accepted and not yet sent; default 16 MiB. One message always fits an empty queue.
    pub queue_bytes_max: usize,
    /// How many QoS 2 messages beyond our Receive Maximum a server may have in flight before that ends the connection;
    /// default 0, as [MQTT-3.3.4-9] demands. For servers that count wrongly, as mosquitto
    /// 2.0 does; `receive_bytes_max` bounds what they may send all the same.
    pub receive_excess_max: u16,
    /// Bytes of QoS 2 messages received and not yet released; default 64 MiB. One message always fits.
    pub receive_bytes_max: usize,
    /// The longest packet accepted from the server, in bytes, judged by its fixed header; default the protocol's
    /// 268,435,460.
    pub packet_bytes_max: usize,
    /// How long a PINGREQ may stay unanswered; default, and at most, the Keep Alive.
    pub ping_timeout: Option<Duration>,
    /// How long CONNECT may stay unanswered; default for ever.
    pub connack_timeout: Option<Duration>,
    /// Topic Aliases to assign on our own, in the order in which topics appear; default 0. The server's Topic Alias
    /// Maximum lowers it.
    pub assigned_aliases_max: u16,
    /// Forget QoS 0 messages while there is no connection, as mosquitto does; default off: they wait in the queue.
    pub drop_qos0_while_offline: bool,
    /// Report [`Event::Acknowledged`](super::Event::Acknowledged) for QoS 0 as well; default on.
    pub acknowledge_qos0: bool,
    /// Stop handling a block at each message, so that none behind it is acknowledged before the owner has seen it and
    /// called [`Session::handle_rest`](super::Session::handle_rest); default off.
    pub pause_at_messages: bool,
    /// Report every packet as [`Event::Sent`](super::Event::Sent) or [`Event::Received`](super::Event::Received);
    /// default off.
    pub trace: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect: Connect::default(),
            inflight_max: 20,
            queue_messages_max: 1_000,
            queue_bytes_max: 16 << 20,
            receive_excess_max: 0,
            receive_bytes_max: 64 << 20,
            packet_bytes_max: VARIABLE_BYTE_INTEGER_MAX as usize + 5,
            ping_timeout: None,
            connack_timeout: None,
            assigned_aliases_max: 0,
            drop_qos0_while_offline: false,
            acknowledge_qos0: true,
            pause_at_messages: false,
            trace: false,
        }
    }
}

impl Config {
    /// Checks what CONNECT will carry, so that a fault shows before a connection is made.
    ///
    /// # Errors
    ///
    /// Faults in the properties of CONNECT and will, [`PacketError::PropertyNotAllowed`] for any before MQTT 5, faults
    /// in the will's topic, [`PacketError::FieldTooLong`], [`PacketError::PasswordWithoutUserName`].
    pub fn check(&self) -> Result<(), PacketError> {
        let connect = &self.connect;
        let will = connect.will.as_ref();
        check_properties(connect.version, connect.properties.as_ref(), Place::Connect)?;
        if let Some(will) = will {
            check_properties(connect.version, will.properties.as_ref(), Place::Will)?;
            topic::check_name(&will.topic)?;
        }
        let longest = will
            .map_or(0, |will| will.payload.len())
            .max(connect.password.as_ref().map_or(0, bytes::Bytes::len));
        if longest > crate::packet::text::TEXT_BYTES_MAX {
            return Err(PacketError::FieldTooLong);
        }
        if connect.version != ProtocolVersion::V5 && connect.password.is_some() && connect.user_name.is_none()
        {
            return Err(PacketError::PasswordWithoutUserName);
        }
        Ok(())
    }

    /// A number among the properties of CONNECT.
    pub(super) fn property(&self, identifier: PropertyIdentifier) -> Option<u32> {
        self.connect.properties.as_ref().number(identifier)
    }
}

/// Refuses properties before MQTT 5 and those that do not belong in `place`.
pub(super) fn check_properties(
    version: ProtocolVersion,
    properties: PropertiesRef<'_>,
    place: Place,
) -> Result<(), PacketError> {
    if properties.is_empty() {
        return Ok(());
    }
    if version != ProtocolVersion::V5 {
        return Err(PacketError::PropertyNotAllowed);
    }
    properties.check_place(place)
}

/// What the server allows on this connection, from CONNACK; before MQTT 5 there are no limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerLimits {
    /// QoS 1 and 2 messages that it takes at a time; default 65,535.
    pub receive_maximum: u16,
    /// The longest packet that it takes, in bytes; default none.
    pub maximum_packet_size: Option<u32>,
    /// The highest Topic Alias that it takes; default 0.
    pub topic_alias_maximum: u16,
    /// The highest QoS that it takes in a PUBLISH; default 2.
    pub maximum_qos: Qos,
    /// Whether it takes retained messages; default yes.
    pub retain_available: bool,
    /// Whether filters may have wildcards; default yes.
    pub wildcard_subscription_available: bool,
    /// Whether SUBSCRIBE may carry a Subscription Identifier; default yes.
    pub subscription_identifier_available: bool,
    /// Whether `$share` filters are taken; default yes.
    pub shared_subscription_available: bool,
    /// The Keep Alive that the server demands in place of ours, in seconds.
    pub server_keep_alive: Option<u16>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            maximum_qos: Qos::ExactlyOnce,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifier_available: true,
            shared_subscription_available: true,
            server_keep_alive: None,
        }
    }
}

impl ServerLimits {
    /// Reads them from the properties of a CONNACK.
    pub(super) fn from_connack(connack: &Connack) -> Self {
        use PropertyIdentifier as Identifier;
        let properties = connack.properties.as_ref();
        let short =
            |identifier| properties.number(identifier).map(|value| u16::try_from(value).unwrap_or(u16::MAX));
        let is_available = |identifier| properties.number(identifier) != Some(0);
        Self {
            receive_maximum: short(Identifier::ReceiveMaximum).unwrap_or(u16::MAX),
            maximum_packet_size: properties.number(Identifier::MaximumPacketSize),
            topic_alias_maximum: short(Identifier::TopicAliasMaximum).unwrap_or(0),
            maximum_qos: match properties.number(Identifier::MaximumQos) {
                Some(0) => Qos::AtMostOnce,
                Some(1) => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            retain_available: is_available(Identifier::RetainAvailable),
            wildcard_subscription_available: is_available(Identifier::WildcardSubscriptionAvailable),
            subscription_identifier_available: is_available(Identifier::SubscriptionIdentifierAvailable),
            shared_subscription_available: is_available(Identifier::SharedSubscriptionAvailable),
            server_keep_alive: short(Identifier::ServerKeepAlive),
        }
    }
}
