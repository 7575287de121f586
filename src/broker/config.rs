//! What can be set about a broker; each field with mosquitto's default unless it says otherwise.

use super::authorize::Authorizer;
use super::event::EventMask;
use crate::packet::{ProtocolVersion, Qos, Text};
use std::sync::Arc;
use std::time::Duration;

/// Everything that a broker can be told. Sizes are bytes; a limit of 0 means none where it says so.
#[derive(Clone, Debug)]
pub struct Config {
    /// One entry a listener; [`super::ConnectionInfo::listener`] counts into it. Never empty.
    pub listeners: Vec<ListenerConfig>,
    /// Where assigned client identifiers come from; the same seed gives the same ones.
    pub seed: u64,
    /// Time since 1970-01-01 UTC at [`crate::time::Time::ZERO`], because expiry must survive a restart.
    pub wall_clock: Duration,
    /// Which events [`super::Broker::poll_event`] gives; off by default.
    pub events: EventMask,
    /// Whether acknowledgements that promise durability wait for [`super::Broker::handle_committed`]; default false.
    pub durable: bool,
    /// Who may do what; `None` allows everything that the listener allows.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// Authentication Methods of MQTT 5 that [`super::Event::Authenticate`] is raised for; others are refused with
    /// 0x8C.
    pub authentication_methods: Vec<Text>,

    /// How long a socket may stay silent before its CONNECT (and an authentication may take); default 30 s.
    pub connect_timeout: Duration,
    /// The longest Keep Alive allowed, in seconds; 0 sets no cap, which then allows Keep Alive 0 too; default 0.
    pub max_keepalive: u16,
    /// Connections of all listeners together; 0 for no limit.
    pub global_max_connections: usize,
    /// Sessions, connected or not; 0 for no limit.
    pub global_max_clients: usize,

    /// QoS 1 and 2 messages in flight to one client, and the Receive Maximum told to clients; 0 means 65,535;
    /// default 20.
    pub max_inflight_messages: u16,
    /// Payload bytes in flight to one client; 0 for no limit; one message may always be in flight.
    pub max_inflight_bytes: usize,
    /// Messages that wait for one client beyond those in flight; 0 for no limit; default 1000.
    pub max_queued_messages: usize,
    /// Payload bytes that wait for one client; 0 for no limit.
    pub max_queued_bytes: usize,
    /// Whether QoS 0 messages wait for a client that is away.
    pub queue_qos0_messages: bool,
    /// Bytes for one connection whose socket is full, from which on messages wait in the bounded queue (QoS 0 ones
    /// too); one turn may bring 16 times as much; default 256 KiB. Ours.
    pub max_outgoing_bytes: usize,

    /// The longest payload; longer ones are swallowed; 0 for no limit.
    pub message_size_limit: usize,
    /// The longest packet accepted, told to MQTT 5 clients as Maximum Packet Size; 0 for no limit; default 2,000,000.
    pub max_packet_size: u32,
    /// The most aliases that the broker uses towards a client, within the client's own maximum; default 10.
    pub max_topic_alias_broker: u16,
    /// Whether retained messages are kept at all.
    pub retain_available: bool,
    /// Whether a retained message is only given out while its publisher may still write to the topic.
    pub check_retain_source: bool,
    /// How long a retained message without an expiry of its own is kept, in seconds; 0 for ever.
    pub retain_expiry_interval: u32,
    /// Retained messages at most; 0 for no limit. Ours.
    pub max_retained_messages: usize,
    /// Deliver with the QoS of the subscription even when the message came with a lower one.
    pub upgrade_outgoing_qos: bool,
    /// One copy for each matching subscription of a client instead of one in all; default false, other than
    /// mosquitto.
    pub allow_duplicate_messages: bool,
    /// The longest a session outlives its connection, whatever the client asks for; `None` for no limit.
    pub persistent_client_expiration: Option<Duration>,
    /// Subscriptions that one client may hold; 0 for no limit. Ours.
    pub max_subscriptions: usize,
    /// How often the `$SYS` topics are published; zero, the default here, turns them off (mosquitto's is 10 s).
    pub sys_interval: Duration,
    /// Whether answers to MQTT 5 clients carry Reason Strings. Ours.
    pub reason_strings: bool,
    /// Response Information for MQTT 5 clients that ask for it. Ours.
    pub response_information: Option<Text>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: vec![ListenerConfig::default()],
            seed: 0,
            wall_clock: Duration::ZERO,
            events: EventMask::NONE,
            durable: false,
            authorizer: None,
            authentication_methods: Vec::new(),
            connect_timeout: Duration::from_secs(30),
            max_keepalive: 0,
            global_max_connections: 0,
            global_max_clients: 0,
            max_inflight_messages: 20,
            max_inflight_bytes: 0,
            max_queued_messages: 1000,
            max_queued_bytes: 0,
            queue_qos0_messages: false,
            max_outgoing_bytes: 256 * 1024,
            message_size_limit: 0,
            max_packet_size: 2_000_000,
            max_topic_alias_broker: 10,
            retain_available: true,
            check_retain_source: true,
            retain_expiry_interval: 0,
            max_retained_messages: 0,
            upgrade_outgoing_qos: false,
            allow_duplicate_messages: false,
            persistent_client_expiration: None,
            max_subscriptions: 0,
            sys_interval: Duration::ZERO,
            reason_strings: false,
            response_information: None,
        }
    }
}

impl Config {
    /// The window for QoS 1 and 2: [`Config::max_inflight_messages`], with 0 as the most the protocol allows.
    #[must_use]
    pub fn receive_maximum(&self) -> u16 {
        if self.max_inflight_messages == 0 { u16::MAX } else { self.max_inflight_messages }
    }

    /// The longest packet accepted, in bytes; [`u32::MAX`] for no limit.
    #[must_use]
    pub fn packet_bytes_max(&self) -> u32 {
        if self.max_packet_size == 0 { u32::MAX } else { self.max_packet_size }
    }

    /// The configuration of listener `number`; the first one's for a number that does not exist.
    pub(super) fn listener(&self, number: usize) -> Option<&ListenerConfig> {
        self.listeners.get(number).or_else(|| self.listeners.first())
    }
}

/// What can differ between the listeners of one broker.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is an option of mosquitto.conf
pub struct ListenerConfig {
    /// Its TCP port, for log lines; 0 for a unix socket.
    pub port: u16,
    /// Whether a CONNECT without User Name and without Authentication Method is accepted.
    pub allow_anonymous: bool,
    /// Whether each CONNECT with a User Name raises [`super::Event::Authenticate`]; otherwise any is accepted.
    pub authenticate: bool,
    /// Whether an empty Client Identifier gets one assigned.
    pub allow_zero_length_clientid: bool,
    /// What assigned Client Identifiers begin with; default `auto-`.
    pub auto_id_prefix: Text,
    /// What every Client Identifier must begin with; empty for anything.
    pub clientid_prefixes: Text,
    /// Use the User Name in place of the Client Identifier.
    pub use_username_as_clientid: bool,
    /// Protocol versions accepted: 3.1, 3.1.1, 5.
    pub accept_protocol_versions: [bool; 3],
    /// Connections at most; 0 for no limit.
    pub max_connections: usize,
    /// Topic Alias Maximum told to clients; default 10.
    pub max_topic_alias: u16,
    /// The highest QoS accepted; default 2.
    pub maximum_qos: Qos,
    /// Put before every topic of this listener's clients, and taken off again towards them.
    pub mount_point: Option<Text>,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            port: 1883,
            allow_anonymous: true,
            authenticate: false,
            allow_zero_length_clientid: true,
            auto_id_prefix: Text::detached("auto-"),
            clientid_prefixes: Text::EMPTY,
            use_username_as_clientid: false,
            accept_protocol_versions: [true; 3],
            max_connections: 0,
            max_topic_alias: 10,
            maximum_qos: Qos::ExactlyOnce,
            mount_point: None,
        }
    }
}

impl ListenerConfig {
    /// Whether clients of `version` are let in.
    #[must_use]
    pub fn accepts(&self, version: ProtocolVersion) -> bool {
        self.accept_protocol_versions[version as usize]
    }
}
