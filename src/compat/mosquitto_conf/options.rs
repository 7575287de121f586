//! Every option: what it sets.

use super::draft::Draft;
use super::log::{LogDestination, LogTypes};
use super::transport;
use super::value::{ConfigurationFault, Setting};
use crate::net::server::ListenAddress;
use crate::packet::Qos;
use std::path::PathBuf;
use std::time::Duration;

type Result<T = ()> = std::result::Result<T, ConfigurationFault>;

/// How one option is applied.
pub(super) type Apply = fn(&mut Draft, Setting<'_>) -> Result;

/// Accepted with a warning: mosquitto has dropped them as well.
const OBSOLETE: [&str; 7] = [
    "autosave_on_changes_interval",
    "memory_tracking",
    "packet_buffer_size",
    "retry_interval",
    "store_clean_interval",
    "upgrade_interval",
    "websockets_log_level",
];

/// Known, and without effect on how this broker works; a warning says so. What is persisted is written at once.
const WITHOUT_EFFECT: [&str; 3] = ["autosave_interval", "autosave_on_changes", "log_facility"];

/// Known to mosquitto, and not here. To ignore them would be dangerous or misleading.
const UNSUPPORTED: [&str; 37] = [
    "address",
    "addresses",
    "allow_pki_tls",
    "auth_plugin",
    "auth_plugin_deny_special_chars",
    "bridge_attempt_unsubscribe",
    "bridge_bind_address",
    "bridge_cafile",
    "bridge_capath",
    "bridge_certfile",
    "bridge_identity",
    "bridge_insecure",
    "bridge_keyfile",
    "bridge_max_packet_size",
    "bridge_outgoing_retain",
    "bridge_protocol_version",
    "bridge_psk",
    "cleansession",
    "clientid",
    "connection",
    "enable_control_api",
    "http_api_dir",
    "http_dir",
    "keepalive_interval",
    "notifications",
    "plugin",
    "plugin_load",
    "plugin_use",
    "remote_clientid",
    "remote_password",
    "remote_username",
    "restart_timeout",
    "round_robin",
    "start_type",
    "tls_engine",
    "topic",
    "try_private",
];

/// The names of all options that are understood, in no order.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let work = OPTIONS.iter().chain(&transport::OPTIONS).map(|(name, _)| *name);
    work.chain(WITHOUT_EFFECT).chain(OBSOLETE)
}

/// Applies one line.
pub(super) fn apply(draft: &mut Draft, setting: Setting<'_>) -> Result {
    let name = setting.name;
    if let Some((_, apply)) = OPTIONS.iter().chain(&transport::OPTIONS).find(|(option, _)| *option == name) {
        return apply(draft, setting);
    }
    if WITHOUT_EFFECT.contains(&name) {
        setting.text()?;
        let warning = format!("Warning: The {name} option has no effect ({}).", draft.place);
        draft.warnings.push(warning);
        return Ok(());
    }
    if OBSOLETE.contains(&name) {
        draft.warnings.push(format!("Warning: The {name} option is no longer available."));
        return Ok(());
    }
    let is_known =
        UNSUPPORTED.contains(&name) || name.starts_with("bridge_") || name.starts_with("auth_opt_");
    let fault = if is_known || name.starts_with("plugin_opt_") || name.starts_with("websockets_") {
        ConfigurationFault::Unsupported
    } else {
        ConfigurationFault::Unknown
    };
    Err(fault(name.to_owned()))
}

/// The highest number of the field that an option sets.
const U16: i64 = u16::MAX as i64;
const U32: i64 = u32::MAX as i64;
const SIZE: i64 = i64::MAX;

// tidy: generated table
/// The options that work, each with what it does.
const OPTIONS: [(&str, Apply); 53] = [
    ("accept_protocol_versions", accept_protocol_versions),
    ("acl_file", |d, s| set(&mut d.admission().users.acl_file, path(s))),
    ("allow_anonymous", |d, s| set(&mut d.admission().allow_anonymous, s.flag().map(Some))),
    ("allow_duplicate_messages", |d, s| set(&mut d.broker.allow_duplicate_messages, s.flag())),
    ("allow_zero_length_clientid", |d, s| {
        set(&mut d.admission().allow_zero_length_clientid, s.flag().map(Some))
    }),
    ("auto_id_prefix", |d, s| set(&mut d.admission().auto_id_prefix, s.packet_text().map(Some))),
    ("bind_address", |d, s| set(&mut d.bind_address, s.text().map(|text| Some(text.to_owned())))),
    ("check_retain_source", |d, s| set(&mut d.broker.check_retain_source, s.flag())),
    ("clientid_prefixes", |d, s| set(&mut d.clientid_prefixes, s.packet_text().map(Some))),
    ("connection_messages", |d, s| set(&mut d.log.connection_messages, s.flag())),
    ("global_max_clients", |d, s| set(&mut d.broker.global_max_clients, unlimited(s))),
    ("global_max_connections", |d, s| set(&mut d.broker.global_max_connections, unlimited(s))),
    ("listener", listener),
    ("listener_allow_anonymous", |d, s| set(&mut d.section().own.allow_anonymous, s.flag().map(Some))),
    ("listener_auto_id_prefix", |d, s| set(&mut d.section().own.auto_id_prefix, s.packet_text().map(Some))),
    ("log_dest", log_dest),
    ("log_timestamp", |d, s| set(&mut d.log.has_timestamp, s.flag())),
    ("log_timestamp_format", |d, s| {
        set(&mut d.log.timestamp_format, s.text().map(|text| Some(text.to_owned())))
    }),
    ("log_type", log_type),
    ("max_connections", |d, s| set(&mut d.section().config.max_connections, unlimited(s))),
    ("max_inflight_bytes", |d, s| set(&mut d.broker.max_inflight_bytes, s.number(0..=SIZE))),
    ("max_inflight_messages", |d, s| set(&mut d.broker.max_inflight_messages, s.number(0..=U16))),
    ("max_keepalive", |d, s| set(&mut d.broker.max_keepalive, s.number(0..=U16))),
    ("max_packet_size", |d, s| set(&mut d.broker.max_packet_size, packet_size(s))),
    ("max_qos", |d, s| set(&mut d.section().config.maximum_qos, qos(s))),
    ("max_queued_bytes", |d, s| set(&mut d.broker.max_queued_bytes, s.number(0..=SIZE))),
    ("max_queued_messages", |d, s| set(&mut d.broker.max_queued_messages, s.number(0..=SIZE))),
    ("max_topic_alias", |d, s| set(&mut d.section().config.max_topic_alias, s.number(0..=U16))),
    ("max_topic_alias_broker", |d, s| set(&mut d.broker.max_topic_alias_broker, s.number(0..=U16))),
    ("maximum_qos", |d, s| set(&mut d.section().config.maximum_qos, qos(s))),
    ("memory_limit", |d, s| set(&mut d.memory_limit, s.number(0..=SIZE))),
    ("message_size_limit", |d, s| set(&mut d.broker.message_size_limit, s.number(0..=268_435_455))),
    ("mount_point", |d, s| set(&mut d.section().config.mount_point, s.packet_text().map(Some))),
    ("password_file", |d, s| set(&mut d.admission().users.password_file, path(s))),
    ("per_listener_settings", |d, s| d.set_per_listener(s.flag()?)),
    ("persistence", |d, s| set(&mut d.is_persistent, s.flag())),
    ("persistence_file", |d, s| set(&mut d.persistence_file, s.text().map(|text| Some(PathBuf::from(text))))),
    ("persistence_location", |d, s| set(&mut d.persistence_location, s.text().map(PathBuf::from))),
    ("persistence_sync", |d, s| set(&mut d.persistence_sync, s.flag())),
    ("persistent_client_expiration", |d, s| {
        set(&mut d.broker.persistent_client_expiration, s.duration().map(Some))
    }),
    ("pid_file", |d, s| set(&mut d.pid_file, s.text().map(|text| Some(PathBuf::from(text))))),
    ("port", port),
    ("psk_file", |d, s| set(&mut d.admission().psk_file, path(s))),
    ("queue_qos0_messages", |d, s| set(&mut d.broker.queue_qos0_messages, s.flag())),
    ("reason_strings", |d, s| set(&mut d.broker.reason_strings, s.flag())),
    ("response_information", |d, s| set(&mut d.broker.response_information, s.packet_text().map(Some))),
    ("retain_available", |d, s| set(&mut d.broker.retain_available, s.flag())),
    ("retain_expiry_interval", |d, s| set(&mut d.broker.retain_expiry_interval, s.number(0..=U32))),
    ("set_tcp_nodelay", |d, s| set(&mut d.has_nagle, s.flag().map(|nodelay| !nodelay))),
    ("sys_interval", |d, s| set(&mut d.broker.sys_interval, s.number(0..=U32).map(Duration::from_secs))),
    ("upgrade_outgoing_qos", |d, s| set(&mut d.broker.upgrade_outgoing_qos, s.flag())),
    ("user", |d, s| set(&mut d.user, s.text().map(|text| Some(text.to_owned())))),
    ("use_username_as_clientid", |d, s| set(&mut d.section().config.use_username_as_clientid, s.flag())),
];

pub(super) fn set<T>(field: &mut T, value: Result<T>) -> Result {
    *field = value?;
    Ok(())
}

pub(super) fn path(setting: Setting<'_>) -> Result<Option<PathBuf>> {
    setting.text().map(|text| Some(PathBuf::from(text)))
}

/// A limit that -1 takes away.
fn unlimited(setting: Setting<'_>) -> Result<usize> {
    let number: i64 = setting.number(-1..=U32)?;
    Ok(usize::try_from(number).unwrap_or(0))
}

fn qos(setting: Setting<'_>) -> Result<Qos> {
    let number: u8 = setting.number(0..=2)?;
    Qos::from_number(number).ok_or_else(|| setting.invalid())
}

/// No packet that says anything fits in less than 20 bytes.
fn packet_size(setting: Setting<'_>) -> Result<u32> {
    match setting.number(0..=268_435_460)? {
        1..20 => Err(setting.invalid()),
        size => Ok(size),
    }
}

fn listener(draft: &mut Draft, setting: Setting<'_>) -> Result {
    let (port, rest) = setting.text()?.split_once([' ', '\t']).unwrap_or((setting.value, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let port = Setting { name: "port", value: port };
    let number: u16 = port.number(0..=U16).map_err(|_| port.invalid())?;
    draft.listen(match (number, rest) {
        (0, "") => {
            return Err(ConfigurationFault::Order("A listener with port 0 must provide a Unix socket path."));
        }
        (0, path) => ListenAddress::Unix(PathBuf::from(path)),
        (port, "") => ListenAddress::Tcp { host: None, port },
        (port, host) => ListenAddress::Tcp { host: Some(host.to_owned()), port },
    });
    Ok(())
}

fn port(draft: &mut Draft, setting: Setting<'_>) -> Result {
    draft.port = Some(setting.number(1..=U16).map_err(|_| setting.invalid())?);
    draft.warnings.push(
        "The 'port' option is now deprecated and will be removed in a future version. Please use 'listener' instead."
            .to_owned(),
    );
    Ok(())
}

/// A list of 3, 4 and 5, separated by commas or spaces.
fn accept_protocol_versions(draft: &mut Draft, setting: Setting<'_>) -> Result {
    let mut accepted = [false; 3];
    for version in setting.text()?.split([',', ' ']).filter(|version| !version.is_empty()) {
        let index = match version {
            "3" => 0,
            "4" => 1,
            "5" => 2,
            _ => return Err(setting.invalid()),
        };
        accepted[index] = true;
    }
    draft.section().config.accept_protocol_versions = accepted;
    Ok(())
}

fn log_dest(draft: &mut Draft, setting: Setting<'_>) -> Result {
    let value = setting.text()?;
    let destinations = draft.log_destinations.get_or_insert_default();
    match value.split_once([' ', '\t']) {
        None if value == "none" => destinations.clear(),
        None if value == "stderr" => destinations.push(LogDestination::StandardError),
        None if value == "stdout" => destinations.push(LogDestination::StandardOutput),
        Some(("file", path)) => destinations.push(LogDestination::File(PathBuf::from(path.trim_start()))),
        _ if matches!(value, "syslog" | "topic" | "dlt" | "android") => {
            return Err(ConfigurationFault::Unsupported(format!("log_dest {value}")));
        }
        _ => return Err(setting.invalid()),
    }
    Ok(())
}

fn log_type(draft: &mut Draft, setting: Setting<'_>) -> Result {
    let kind = LogTypes::named(setting.text()?).ok_or_else(|| setting.invalid())?;
    let types = draft.log_types.unwrap_or(LogTypes::NONE);
    draft.log_types =
        Some(if kind == LogTypes::NONE && setting.value == "none" { kind } else { types | kind });
    Ok(())
}
