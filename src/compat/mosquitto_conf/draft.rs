//! A configuration while it is read: which options belong to which listener is known only at its end.

use super::log::{LogDestination, LogPlan, LogTypes};
use super::transport::Transport;
use super::value::ConfigurationFault;
use super::{ConfigurationError, Settings, UserFiles};
use crate::broker::{self, ListenerConfig};
use crate::net::server::{ListenAddress, ListenPlan};
use crate::net::store::StorePlan;
use crate::packet::Text;
use std::path::PathBuf;
use std::time::Duration;

/// The file of the store; not mosquitto's name, whose database has another form.
const DEFAULT_STORE: &str = "culex.db";

/// The port of MQTT.
const DEFAULT_PORT: u16 = 1883;

/// Options about who is let in: one set for all listeners, or with `per_listener_settings` one for each.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Admission {
    pub(super) allow_anonymous: Option<bool>,
    pub(super) allow_zero_length_clientid: Option<bool>,
    pub(super) auto_id_prefix: Option<Text>,
    pub(super) users: UserFiles,
    pub(super) psk_file: Option<PathBuf>,
}

/// One listener's section.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// `None` in the section before the first `listener`.
    pub(super) address: Option<ListenAddress>,
    pub(super) config: ListenerConfig,
    pub(super) admission: Admission,
    /// `listener_allow_anonymous` and `listener_auto_id_prefix`, which hold for one listener in any case.
    pub(super) own: Admission,
    pub(super) transport: Transport,
    /// The last line about the transport, to name when the whole of it makes no sense.
    pub(super) transport_at: Place,
}

/// A line of a file, from 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// Everything read so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The line that is being read.
    pub(super) at: Place,
    pub(super) broker: broker::Config,
    pub(super) log: LogPlan,
    pub(super) log_types: Option<LogTypes>,
    pub(super) log_destinations: Option<Vec<LogDestination>>,
    pub(super) pid_file: Option<PathBuf>,
    /// `persistence` and what goes with it.
    pub(super) is_persistent: bool,
    pub(super) persistence_sync: bool,
    pub(super) persistence_location: PathBuf,
    pub(super) persistence_file: Option<PathBuf>,
    pub(super) user: Option<String>,
    pub(super) memory_limit: usize,
    pub(super) warnings: Vec<String>,
    /// File and line of the option that is being applied.
    pub(super) place: String,
    pub(super) is_per_listener: bool,
    pub(super) has_nagle: bool,
    pub(super) clientid_prefixes: Option<Text>,
    /// `port` and `bind_address`, from before there was `listener`.
    pub(super) port: Option<u16>,
    pub(super) bind_address: Option<String>,
    /// The section before the first `listener`.
    pub(super) first: Section,
    pub(super) sections: Vec<Section>,
    current: Option<usize>,
}

impl Draft {
    /// Nothing read yet: mosquitto's defaults where the broker's own differ.
    pub(super) fn new() -> Self {
        let broker = broker::Config { sys_interval: Duration::from_secs(10), ..broker::Config::default() };
        Self { broker, ..Self::default() }
    }

    /// The section that the next option belongs to.
    pub(super) fn section(&mut self) -> &mut Section {
        match self.current {
            Some(index) => &mut self.sections[index],
            None => &mut self.first,
        }
    }

    /// Where options about who is let in go.
    pub(super) fn admission(&mut self) -> &mut Admission {
        if self.is_per_listener { &mut self.section().admission } else { &mut self.first.admission }
    }

    /// Begins a listener's section, or goes on with it.
    pub(super) fn listen(&mut self, address: ListenAddress) {
        let known = self.sections.iter().position(|section| section.address.as_ref() == Some(&address));
        self.current = known.or(Some(self.sections.len()));
        if known.is_none() {
            self.sections.push(Section { address: Some(address), ..Section::default() });
        }
    }

    /// Must stand before the options it is about.
    pub(super) fn set_per_listener(&mut self, is_per_listener: bool) -> Result<(), ConfigurationFault> {
        if self.first.admission != Admission::default() {
            return Err(ConfigurationFault::Order(
                "per_listener_settings must be set before any other security settings.",
            ));
        }
        self.is_per_listener = is_per_listener;
        Ok(())
    }

    /// Everything is read.
    ///
    /// # Errors
    ///
    /// A listener whose options do not go together.
    pub(super) fn finish(mut self) -> Result<Settings, ConfigurationError> {
        let mut first = std::mem::take(&mut self.first);
        if self.port.is_some() || self.bind_address.is_some() {
            let port = self.port.unwrap_or(DEFAULT_PORT);
            first.address = Some(ListenAddress::Tcp { host: self.bind_address.take(), port });
        }
        let has_listener = first.address.is_some() || !self.sections.is_empty();
        let mut sections = Vec::new();
        if first.address.is_some() || !has_listener {
            sections.push(first.clone());
        }
        sections.append(&mut self.sections);
        let nodelay = !self.has_nagle;
        let mut listeners = Vec::new();
        let mut default_listener = None;
        let mut users = Vec::new();
        self.broker.listeners.clear();
        for section in sections {
            self.broker.listeners.push(self.listener_config(&section, &first.admission, has_listener));
            let admission = if self.is_per_listener { &section.admission } else { &first.admission };
            users.push(admission.users.clone());
            let is_defined = section.address.is_some();
            let address = section.address.unwrap_or(ListenAddress::Loopback { port: DEFAULT_PORT });
            let mut plan = ListenPlan { nodelay, ..ListenPlan::plain(address) };
            let finished = section.transport.finish(
                &mut plan,
                self.broker.packet_bytes_max(),
                admission.psk_file.as_deref(),
            );
            let Place { file, line } = section.transport_at;
            finished.map_err(|fault| ConfigurationError::Line { file, line, fault })?;
            if is_defined {
                listeners.push(plan);
            } else {
                default_listener = Some(plan);
            }
        }
        self.log.types = self.log_types.unwrap_or(self.log.types);
        self.log.destinations = self.log_destinations.unwrap_or(self.log.destinations);
        let store = self.is_persistent.then(|| {
            let file = self.persistence_file.unwrap_or_else(|| PathBuf::from(DEFAULT_STORE));
            StorePlan { path: self.persistence_location.join(file), sync: self.persistence_sync }
        });
        Ok(Settings {
            broker: self.broker,
            listeners,
            default_listener,
            users,
            log: self.log,
            pid_file: self.pid_file,
            store,
            user: self.user,
            memory_limit: self.memory_limit,
            warnings: self.warnings,
        })
    }

    fn listener_config(&self, section: &Section, common: &Admission, has_listener: bool) -> ListenerConfig {
        let shared = if self.is_per_listener { &section.admission } else { common };
        let mut config = section.config.clone();
        let own = &section.own;
        // Whoever says where to listen must also say who may come in.
        config.allow_anonymous = own.allow_anonymous.or(shared.allow_anonymous).unwrap_or(!has_listener);
        config.authenticate = shared.users.password_file.is_some() || !config.allow_anonymous;
        config.allow_zero_length_clientid = shared.allow_zero_length_clientid.unwrap_or(true);
        if let Some(prefix) = own.auto_id_prefix.as_ref().or(shared.auto_id_prefix.as_ref()) {
            config.auto_id_prefix = prefix.clone();
        }
        if let Some(prefixes) = &self.clientid_prefixes {
            config.clientid_prefixes = prefixes.clone();
        }
        config.port = match section.address {
            Some(ListenAddress::Tcp { port, .. } | ListenAddress::Loopback { port }) => port,
            _ => 0,
        };
        config
    }
}
