//! From flags and configuration to what is to be done.

use super::log::Log;
use crate::broker::EventMask;
use crate::compat::broker_status::CONFIGURATION_INVALID;
use crate::compat::mosquitto_conf::{LogTypes, Settings};
use crate::compat::{Failure, broker_log};
use crate::flags;
use crate::net::server::{ListenAddress, ListenPlan};
use clap::error::ErrorKind;

/// The port of MQTT.
const DEFAULT_PORT: u16 = 1883;

/// What a broker is to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) flags: flags::Broker,
    pub(super) settings: Settings,
    /// The system chooses the port.
    pub(super) is_free_port: bool,
    is_local_only: bool,
}

impl Plan {
    pub(super) fn new(flags: flags::Broker) -> Result<Self, Failure> {
        let mut settings = match &flags.config_file {
            Some(file) => Settings::read(file)
                .map_err(|error| Failure { text: format!("{error}\n"), status: CONFIGURATION_INVALID })?,
            None => Settings::without_file(),
        };
        let is_local_only = settle(&mut settings, &flags);
        let is_free_port = settings.listeners.iter().any(|listener| {
            matches!(
                listener.address,
                ListenAddress::Loopback { port: 0 } | ListenAddress::Tcp { port: 0, .. }
            )
        });
        Ok(Self { flags, settings, is_free_port, is_local_only })
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
pub(super) fn settle(settings: &mut Settings, flags: &flags::Broker) -> bool {
    let is_local_only = settings.listeners.is_empty();
    if is_local_only {
        let default_port = if flags.exec { 0 } else { DEFAULT_PORT };
        let address = ListenAddress::Loopback { port: flags.port.unwrap_or(default_port) };
        settings.listeners.push(ListenPlan { address, nodelay: settings.nodelay });
    }
    if flags.verbose {
        settings.log.types = LogTypes::ALL;
    }
    // A command's own output is what its caller wants to see.
    let is_silent = flags.quiet || (flags.exec && !flags.verbose && flags.config_file.is_none());
    if is_silent {
        settings.log.destinations.clear();
    }
    settings.broker.events = EventMask::journal(broker_log::wanted_facts(&settings.log));
    is_local_only
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
