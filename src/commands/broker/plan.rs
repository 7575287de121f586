//! From flags and configuration to what is to be done.

use super::log::Log;
use super::users::Users;
use crate::broker::{self, EventMask, ListenerConfig};
use crate::compat::broker_status::{CONFIGURATION_INVALID, START_FAILED};
use crate::compat::mosquitto_conf::{LogTypes, Settings};
use crate::compat::{Failure, broker_log};
use crate::flags::{self, LogFormat};
use crate::net::server::{ListenAddress, ListenPlan};
use crate::net::tls::{Ephemeral, TlsServer, TlsServerSettings};
use crate::net::websocket::WebSocketPlan;
use crate::packet::{Qos, Text};
use clap::error::ErrorKind;

/// The port of MQTT.
const DEFAULT_PORT: u16 = 1883;

/// What a broker is to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) flags: flags::Broker,
    pub(super) settings: Settings,
    pub(super) users: Users,
    /// The certificates of `--tls-ephemeral`.
    pub(super) ephemeral: Option<Ephemeral>,
    /// The system chooses the port.
    pub(super) is_free_port: bool,
    is_local_only: bool,
}

impl Plan {
    pub(super) fn new(flags: flags::Broker) -> Result<Self, Failure> {
        let mut settings = match &flags.config_file {
            Some(file) => Settings::read(file),
            None => Settings::without_file(),
        }
        .map_err(|error| Failure { text: format!("{error}\n"), status: CONFIGURATION_INVALID })?;
        let start_failed = |text| Failure { text, status: START_FAILED };
        let ephemeral = flags.tls_ephemeral.then(|| Ephemeral::new(&[])).transpose();
        let ephemeral = ephemeral.map_err(|error| start_failed(format!("Error: {error}.\n")))?;
        let is_local_only = settle(&mut settings, &flags, ephemeral.as_ref())
            .map_err(|text| Failure { text, status: CONFIGURATION_INVALID })?;
        let users = Users::load(&mut settings, &flags)
            .map_err(|error| Failure { text: format!("{error}\n"), status: CONFIGURATION_INVALID })?;
        let is_free_port = settings.listeners.iter().any(|listener| {
            matches!(
                listener.address,
                ListenAddress::Loopback { port: 0 } | ListenAddress::Tcp { port: 0, .. }
            )
        });
        Ok(Self { flags, settings, users, ephemeral, is_free_port, is_local_only })
    }

    /// Reads the files that the configuration names, as the start would.
    pub(super) fn check_files(&self) -> Result<(), String> {
        for tls in self.settings.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
            TlsServer::new(tls).map_err(|error| format!("Error: {error}\n"))?;
        }
        Ok(())
    }

    /// The first lines of the log.
    pub(super) fn announce(&self, log: &Log) {
        log.line(
            LogTypes::INFORMATION,
            &format!("culex-broker version {} starting", env!("CARGO_PKG_VERSION")),
        );
        let source = self.flags.config_file.as_ref();
        let source = source.map(|file| format!("Config loaded from {}.", file.display()));
        log.line(LogTypes::INFORMATION, source.as_deref().unwrap_or("Using default config."));
        for warning in &self.settings.warnings {
            log.line(LogTypes::WARNING, warning);
        }
        if self.is_local_only && !self.flags.exec {
            log.line(
                LogTypes::WARNING,
                "Starting in local only mode. Connections will only be possible from clients running on this machine.",
            );
        }
    }
}

/// Adds what the flags say to a configuration; true when no listener was defined, so that only this machine is served.
///
/// # Errors
///
/// A flag whose value cannot stand in a packet.
pub(super) fn settle(
    settings: &mut Settings,
    flags: &flags::Broker,
    ephemeral: Option<&Ephemeral>,
) -> Result<bool, String> {
    limit(&mut settings.broker, flags)?;
    settings.log.is_json = flags.log_format == LogFormat::Json;
    let is_local_only = settings.listeners.is_empty();
    if is_local_only {
        let default_port = if flags.exec { 0 } else { DEFAULT_PORT };
        let address = ListenAddress::Loopback { port: flags.port.unwrap_or(default_port) };
        let plan = settings.default_listener.take();
        settings
            .listeners
            .push(ListenPlan { address, ..plan.unwrap_or_else(|| ListenPlan::plain(address_of(0))) });
    }
    add_listeners(settings, flags, ephemeral);
    if flags.verbose {
        settings.log.types = LogTypes::ALL;
    }
    // A command's own output is what its caller wants to see.
    let is_silent = flags.quiet || (flags.exec && !flags.verbose && flags.config_file.is_none());
    if is_silent {
        settings.log.destinations.clear();
    }
    settings.broker.events = EventMask::journal(broker_log::wanted_facts(&settings.log));
    Ok(is_local_only)
}

/// Puts what was read again in the order of the listeners that are open, by their addresses, for listeners are opened and
/// closed with the start and the end alone: one that is not named any more keeps what it had, a new one is left out.
///
/// Returns a sentence on each of those.
pub(super) fn align(settings: &mut Settings, open: &Settings) -> Vec<String> {
    let mut told = Vec::new();
    let plans = std::mem::take(&mut settings.listeners);
    let configs = std::mem::take(&mut settings.broker.listeners);
    let users = std::mem::take(&mut settings.users);
    let mut read: Vec<_> = plans.into_iter().zip(configs.into_iter().zip(users)).collect();
    for (index, plan) in open.listeners.iter().enumerate() {
        let again = read.iter().position(|(again, _)| again.address == plan.address);
        let (plan, (config, users)) = match again {
            Some(place) => read.remove(place),
            None => {
                told.push(format!("Warning: The listener at {} is closed by a restart only.", plan.address));
                (plan.clone(), (open.broker.listeners[index].clone(), open.users[index].clone()))
            }
        };
        settings.listeners.push(plan);
        settings.broker.listeners.push(config);
        settings.users.push(users);
    }
    let new = read.into_iter().map(|(plan, _)| plan.address);
    told.extend(
        new.map(|address| format!("Warning: The listener at {address} is opened by a restart only.")),
    );
    told
}

/// Limits and manners that flags set, before listeners are made of them.
fn limit(broker: &mut broker::Config, flags: &flags::Broker) -> Result<(), String> {
    fn put<T: Copy>(field: &mut T, flag: Option<T>) {
        *field = flag.unwrap_or(*field);
    }
    put(&mut broker.max_inflight_messages, flags.max_inflight_messages);
    put(&mut broker.max_queued_messages, flags.max_queued_messages);
    put(&mut broker.max_packet_size, flags.max_packet_size);
    put(&mut broker.max_keepalive, flags.max_keepalive);
    for listener in &mut broker.listeners {
        put(&mut listener.maximum_qos, flags.max_qos.and_then(Qos::from_number));
        put(&mut listener.max_connections, flags.max_connections);
    }
    broker.reason_strings |= flags.reason_strings;
    if let Some(text) = &flags.response_information {
        let text = Text::new(text.clone().into_bytes());
        broker.response_information =
            Some(text.map_err(|error| format!("Error: --response-information: {error}.\n"))?);
    }
    Ok(())
}

/// The listeners that flags ask for; they let in whom the first one does.
fn add_listeners(settings: &mut Settings, flags: &flags::Broker, ephemeral: Option<&Ephemeral>) {
    let tls = ephemeral.map(|ephemeral| TlsServerSettings::new(ephemeral.server.clone()));
    let websocket = WebSocketPlan::for_packets(settings.broker.packet_bytes_max());
    let mut add = |port: u16, tls: Option<&TlsServerSettings>, is_websocket: bool| {
        let websocket = is_websocket.then(|| websocket.clone());
        settings.listeners.push(ListenPlan {
            tls: tls.cloned(),
            websocket,
            ..ListenPlan::plain(address_of(port))
        });
        let config = settings.broker.listeners.first().cloned().unwrap_or_default();
        settings.broker.listeners.push(ListenerConfig { port, ..config });
        let users = settings.users.first().cloned().unwrap_or_default();
        settings.users.push(users);
    };
    if let Some(port) = flags.ws_port {
        add(port, None, true);
    }
    if tls.is_some() {
        add(flags.tls_port.unwrap_or(0), tls.as_ref(), false);
        if flags.ws_port.is_some() {
            add(0, tls.as_ref(), true);
        }
    }
    for listener in &mut settings.listeners {
        if let Some(tls) = &mut listener.tls {
            tls.key_log.clone_from(&flags.tls_keylog);
        }
    }
}

const fn address_of(port: u16) -> ListenAddress {
    ListenAddress::Loopback { port }
}

/// Prints help, version or what is wrong with the flags; the status to end with.
pub(super) fn report_usage(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            0
        }
        ErrorKind::UnknownArgument => {
            let name = error.get(clap::error::ContextKind::InvalidArg).map(ToString::to_string);
            super::complain(&format!("Error: Unknown option '{}'.\n\n{error}", name.unwrap_or_default()));
            CONFIGURATION_INVALID
        }
        _ => {
            super::complain(&format!("Error: {error}").replacen("Error: error: ", "Error: ", 1));
            CONFIGURATION_INVALID
        }
    }
}
