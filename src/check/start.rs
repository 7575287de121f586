//! The broker of a scenario.

use super::scenario::{BrokerSpec, EmbeddedSpec, LimitsSpec, Scenario};
use super::variables::Variables;
use crate::broker;
use crate::net::process;
use crate::net::tls::EphemeralFault;
use crate::packet::{ProtocolVersion, Qos, topic};
use crate::test_broker::{Access, Builder, Clock, TestBroker};
use serde_json::{Value, json};

/// Starts the broker that a scenario asks for, or the proxy in front of the one that it names.
pub(super) async fn start(scenario: &Scenario, seed: u64, observed: &[String]) -> Result<TestBroker, String> {
    let builder = TestBroker::builder().seed(seed);
    let BrokerSpec { embedded, url, ca_file, .. } = &scenario.broker;
    let builder = match (embedded, url) {
        (Some(_), Some(_)) => return Err("broker: either 'embedded' or 'url'".to_owned()),
        (_, Some(url)) => {
            let builder = builder.in_front_of(url).observe(observed.iter().cloned());
            match ca_file {
                Some(ca_file) => builder.ca_file(ca_file),
                None => builder,
            }
        }
        (embedded, None) => embed(builder, embedded.as_ref())?,
    };
    builder.start().await.map_err(|error| error.to_string())
}

pub(super) fn embed(mut builder: Builder, spec: Option<&EmbeddedSpec>) -> Result<Builder, String> {
    let default = EmbeddedSpec::default();
    let spec = spec.unwrap_or(&default);
    for listener in &spec.listeners {
        builder = match listener.as_str() {
            "tcp" => builder,
            "tls" | "wss" => {
                let builder = builder.tls_with(certificate(spec.certificate.as_deref())?);
                if listener == "wss" { builder.ws() } else { builder }
            }
            "ws" => builder.ws(),
            other => return Err(format!("listeners: there is no '{other}'; there are tcp, tls, ws, wss")),
        };
    }
    builder = match spec.clock.as_deref() {
        None | Some("running") => builder,
        Some("manual") => builder.clock(Clock::manual()),
        Some(other) => return Err(format!("clock: '{other}' is neither running nor manual")),
    };
    if !spec.versions.is_empty() {
        let versions: Result<Vec<_>, _> = spec.versions.iter().map(version).collect();
        builder = builder.versions(&versions?);
    }
    builder = builder.users(spec.auth.clone());
    if !spec.acl.is_empty() {
        let acl = spec.acl.clone();
        builder = builder.acl(move |client, user, access, name| {
            acl.iter().any(|line| {
                let is_whose = line.user.as_ref().is_none_or(|wanted| Some(wanted.as_str()) == user)
                    && line.client.as_ref().is_none_or(|wanted| wanted == client);
                is_whose
                    && match access {
                        Access::Publish => fits(line.publish.as_deref(), name),
                        // A filter may ask for no more than the line gives.
                        Access::Subscribe | Access::Deliver => fits(line.subscribe.as_deref(), name),
                    }
            })
        });
    }
    let limits = spec.limits.clone();
    limited(&limits)?;
    Ok(builder.limits(|config| apply(&limits, config)))
}

fn fits(filter: Option<&str>, name: &str) -> bool {
    filter.is_some_and(|filter| filter == name || topic::matches(filter, name))
}

fn limited(limits: &LimitsSpec) -> Result<(), String> {
    match limits.maximum_qos {
        Some(qos) if Qos::from_number(qos).is_none() => Err(format!("limits: QoS {qos} does not exist")),
        _ => Ok(()),
    }
}

fn apply(limits: &LimitsSpec, config: &mut broker::Config) {
    if let Some(maximum) = limits.receive_maximum {
        config.max_inflight_messages = maximum;
    }
    config.retain_available = limits.retain.unwrap_or(config.retain_available);
    config.max_packet_size = limits.packet_size.unwrap_or(config.max_packet_size);
    config.max_queued_messages = limits.queue.unwrap_or(config.max_queued_messages);
    config.max_keepalive = limits.keep_alive.unwrap_or(config.max_keepalive);
    if let Some(expiry) = limits.session_expiry {
        config.persistent_client_expiration = Some(expiry.0);
    }
    for listener in &mut config.listeners {
        if let Some(qos) = limits.maximum_qos.and_then(Qos::from_number) {
            listener.maximum_qos = qos;
        }
        listener.max_topic_alias = limits.topic_alias_maximum.unwrap_or(listener.max_topic_alias);
        listener.max_connections = limits.connections.unwrap_or(listener.max_connections);
    }
}

fn certificate(word: Option<&str>) -> Result<EphemeralFault, String> {
    match word {
        None | Some("valid") => Ok(EphemeralFault::None),
        Some("expired") => Ok(EphemeralFault::Expired),
        Some("wrong-host") => Ok(EphemeralFault::WrongHost),
        Some("unknown-ca") => Ok(EphemeralFault::UnknownAuthority),
        Some(other) => {
            Err(format!("certificate: there is no '{other}'; there are expired, wrong-host, unknown-ca"))
        }
    }
}

/// A protocol version by its name or number.
pub(super) fn version(value: &Value) -> Result<ProtocolVersion, String> {
    let text = super::variables::text_of(value);
    match text.trim_start_matches("mqttv") {
        "3.1" | "31" | "3" => Ok(ProtocolVersion::V31),
        "3.1.1" | "311" | "4" => Ok(ProtocolVersion::V311),
        "5" | "5.0" => Ok(ProtocolVersion::V5),
        _ => Err(format!("there is no version '{text}'; there are 3.1, 3.1.1 and 5")),
    }
}

/// What is known of the broker once it runs.
pub(super) fn name_broker(broker: &TestBroker, variables: &mut Variables) {
    variables.set("broker.url", json!(broker.url()));
    variables.set("broker.host", json!(broker.host()));
    variables.set("broker.port", json!(broker.port()));
    for (name, kind) in [("broker.ws_url", "ws"), ("broker.tls_url", "tls"), ("broker.wss_url", "wss")] {
        if let Some(url) = broker.url_of(kind) {
            variables.set(name, json!(url));
        }
    }
    if let Some(path) = broker.ca_file() {
        variables.set("broker.ca_file", json!(path.to_string_lossy()));
    }
}

/// What devices and commands find in their environment.
pub(super) fn environment(broker: &TestBroker) -> Vec<(String, String)> {
    let mut environment = vec![
        ("MQTT_HOST".to_owned(), broker.host()),
        ("MQTT_PORT".to_owned(), broker.port().to_string()),
        ("MQTT_URL".to_owned(), broker.url()),
    ];
    // `culex pub` is found without being installed.
    let path = process::search_path(process::program_folder().as_deref());
    environment.extend(path.into_string().ok().map(|path| ("PATH".to_owned(), path)));
    for (name, kind) in [("MQTT_WS_URL", "ws"), ("MQTTS_URL", "tls"), ("MQTT_WSS_URL", "wss")] {
        environment.extend(broker.url_of(kind).map(|url| (name.to_owned(), url)));
    }
    if let Some(path) = broker.ca_file() {
        environment.push(("MQTT_CA_FILE".to_owned(), path.to_string_lossy().into_owned()));
    }
    if let Some((name, password)) = broker.users().first() {
        environment.push(("MQTT_USERNAME".to_owned(), name.clone()));
        environment.push(("MQTT_PASSWORD".to_owned(), password.clone()));
    }
    environment
}
