//! What `check health` adds to the flags of a client.

use super::plan::{ClientPlan, PlanError};
use super::{Draft, Tool, value};
use crate::net::Endpoint;
use crate::packet::{Properties, ProtocolVersion, Qos, Text};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// How long all of it may take unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The flags of a health check.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Health")]
pub struct Health {
    /// Call it slow when connecting, subscribing and the message's way take longer than this (200ms, 1s)
    #[arg(long, value_name = "duration", value_parser = value::duration)]
    pub warn: Option<Duration>,
    /// Call it broken when they take longer than this
    #[arg(long, value_name = "duration", value_parser = value::duration)]
    pub crit: Option<Duration>,
    /// Give up after this long
    #[arg(id = "health_timeout", long = "timeout", value_name = "duration", value_parser = value::duration, default_value = "10s")]
    pub timeout: Option<Duration>,
    /// How the outcome is told: text for people, a line with performance data for Nagios and its kin, metrics for a
    /// Prometheus text file, a line of JSON
    #[arg(id = "health_format", long = "format", value_name = "form", value_enum, default_value = "text")]
    pub format: HealthFormat,
}

/// How the outcome is told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum HealthFormat {
    /// A line for people
    #[default]
    Text,
    /// A line with performance data, and the statuses of a plugin
    Nagios,
    /// Metrics
    Prometheus,
    /// A line of JSON
    Json,
}

impl HealthFormat {
    /// The form of this name.
    ///
    /// # Errors
    ///
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::from_str(text, false).map_err(|_| "text, nagios, prometheus or json is meant".to_owned())
    }
}

/// What is checked.
#[derive(Clone, Debug)]
pub struct HealthPlan {
    /// The connection.
    pub client: ClientPlan,
    /// The broker, for people.
    pub address: String,
    /// Where the message goes and comes back.
    pub topic: Text,
    /// Quality of Service of message and subscription.
    pub qos: Qos,
    /// The properties of SUBSCRIBE, MQTT 5.
    pub subscribe_properties: Properties,
    /// The properties of the message, MQTT 5.
    pub publish_properties: Properties,
    /// From here on it is slow.
    pub warn: Option<Duration>,
    /// From here on it is broken.
    pub crit: Option<Duration>,
    /// When it is given up.
    pub timeout: Duration,
}

impl HealthPlan {
    /// The plan, with a topic of its own unless one is named; `unique` makes it.
    ///
    /// # Errors
    ///
    /// As [`ClientPlan::new`].
    pub fn new(draft: &Draft, unique: &str, process_id: u32) -> Result<Self, PlanError> {
        let own = || Text::try_from(format!("culex/health/{unique}").as_str()).unwrap_or(Text::EMPTY);
        let client = ClientPlan::new(draft, Tool::Health, process_id)?;
        let is_v5 = client.version() == ProtocolVersion::V5;
        let of_version = |properties: &Properties| if is_v5 { properties.clone() } else { Properties::EMPTY };
        let lists = &draft.connection.properties;
        Ok(Self {
            subscribe_properties: of_version(&lists.subscribe),
            publish_properties: of_version(&lists.publish),
            address: address(&client.target.endpoint),
            client,
            topic: draft.message.topic.clone().unwrap_or_else(own),
            qos: draft.message.qos.unwrap_or_default(),
            warn: draft.health.warn,
            crit: draft.health.crit,
            timeout: draft.health.timeout.unwrap_or(TIMEOUT),
        })
    }
}

/// `host:port`, with brackets round an IPv6 address, or the path of a socket.
fn address(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Endpoint::Tcp { host, port } => format!("{host}:{port}"),
        Endpoint::Unix(path) => path.display().to_string(),
    }
}
