//! The written form of the broker that a scenario runs on.

use crate::fault::spec::DurationSpec;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Which broker a scenario runs on.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BrokerSpec {
    /// One of our own, fresh for this scenario.
    #[serde(default)]
    pub embedded: Option<EmbeddedSpec>,
    /// Another one, which everything goes to through a proxy of ours.
    #[serde(default)]
    pub url: Option<String>,
    /// The authority that its certificate comes from, PEM.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Retained messages under these filters are an error at the start and are cleared at the end.
    #[serde(default)]
    pub clean: Vec<String>,
}

/// An embedded broker.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSpec {
    /// Listeners beside plain TCP: `tls`, `ws`, `wss`.
    #[serde(default)]
    pub listeners: Vec<String>,
    /// Users and passwords; nobody else is let in then.
    #[serde(default)]
    pub auth: BTreeMap<String, String>,
    /// What clients may do; nothing else then. The first line that fits decides.
    #[serde(default)]
    pub acl: Vec<AclSpec>,
    /// Protocol versions that are let in: `3.1`, `3.1.1`, `5`.
    #[serde(default)]
    pub versions: Vec<Value>,
    /// `manual` for a clock that only `advance` moves.
    #[serde(default)]
    pub clock: Option<String>,
    /// What is wrong about the certificate: `expired`, `wrong-host`, `unknown-ca`.
    #[serde(default)]
    pub certificate: Option<String>,
    /// What the broker offers.
    #[serde(default)]
    pub limits: LimitsSpec,
}

/// One line of an access list.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AclSpec {
    /// The User Name; anybody by default.
    #[serde(default)]
    pub user: Option<String>,
    /// The Client Identifier; any by default.
    #[serde(default)]
    pub client: Option<String>,
    /// A filter that may be published to.
    #[serde(default)]
    pub publish: Option<String>,
    /// A filter that may be subscribed to and received from.
    #[serde(default)]
    pub subscribe: Option<String>,
}

/// What an embedded broker offers.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Receive Maximum, and messages in flight to a client.
    #[serde(default)]
    pub receive_maximum: Option<u16>,
    /// The highest QoS.
    #[serde(default)]
    pub maximum_qos: Option<u8>,
    /// Whether messages are retained.
    #[serde(default)]
    pub retain: Option<bool>,
    /// The longest packet, in bytes.
    #[serde(default)]
    pub packet_size: Option<u32>,
    /// Topic Alias Maximum.
    #[serde(default)]
    pub topic_alias_maximum: Option<u16>,
    /// Messages that wait for one client.
    #[serde(default)]
    pub queue: Option<usize>,
    /// The longest Keep Alive, in seconds.
    #[serde(default)]
    pub keep_alive: Option<u16>,
    /// Connections at most.
    #[serde(default)]
    pub connections: Option<usize>,
    /// The longest time that a session outlives its connection.
    #[serde(default)]
    pub session_expiry: Option<DurationSpec>,
}
