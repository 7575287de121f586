//! From the load generator's flags to the plan of a run.

use super::layout::{Layout, default_filter};
use super::value::Arrived;
use super::{Bench, BenchError, ModeWord, Rate, StampWord, StormWord};
use crate::bench::machine;
use crate::bench::payload::{PAYLOAD_BYTES_MAX, Payload, StampForm, fitting_stamp};
use crate::bench::plan::{
    Address, Credentials, Identity, Layers, Load, Message, Mode, Plan, Subscription, Transport, WarmUp,
    pre_shared,
};
use crate::bench::schedule::{Arrival, Profile, Schedule};
use crate::bench::steady;
use crate::bench::storm::StormKind;
use crate::bench::template::{Context, Template};
use crate::net::tls::TlsSettings;
use crate::packet::{
    Connect, Place, Properties, Property, PropertyIdentifier, PropertyType, PropertyValue, ProtocolVersion,
    Qos, RetainHandling, SubscriptionOptions, Text, Will, topic,
};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The warm-up, unless the user says otherwise.
const WARM_UP: Duration = Duration::from_secs(1);

/// Topics of a retained storm, and messages that wait for each client of a resumed one, unless the user says otherwise.
const RETAINED: u64 = 1000;
const WAITING: u64 = 100;

/// Seconds for which the sessions of a resumed storm live, unless the user says otherwise.
const SESSION_EXPIRY: u32 = 3600;

/// The least that --steady can judge.
const STEADY: Duration = Duration::from_secs(steady::WINDOWS as u64);

/// The most that a range of source addresses may name.
const SOURCES_MAX: usize = 65_536;

impl Bench {
    /// The plan of the run that the flags ask for; `run` names it.
    ///
    /// # Errors
    ///
    /// The first [`BenchError`].
    pub fn plan(&self, run: u32) -> Result<Plan, BenchError> {
        let layout = Layout::of(self);
        if self.condition.is_some() && self.mode != ModeWord::Find {
            return Err(BenchError::Conflict("only find takes a condition"));
        }
        if self.mode == ModeWord::Find && self.schedule(&layout)?.is_none() {
            return Err(BenchError::Conflict("find needs an open loop: --rate is where it begins"));
        }
        if self.mode == ModeWord::Find && self.load.repeat > 1 {
            return Err(BenchError::Conflict(
                "find runs each rate as often as it needs to; --repeat is for one load",
            ));
        }
        let properties = PropertyLists::read(&self.identity.property, self.identity.protocol_version)?;
        let storm = self.storm()?;
        let message = self.message(&layout, properties.publish)?;
        let plan = Plan {
            mode: layout.mode,
            storm,
            storm_total: self.storm_total(storm, &layout)?,
            transport: self.transport()?,
            identity: self.identity(properties.connect, properties.will)?,
            publishers: layout.publishers,
            subscribers: layout.subscribers,
            load: self.load(&layout)?,
            subscription: self.subscription(
                &layout,
                message.qos,
                properties.subscribe,
                properties.unsubscribe,
            )?,
            engine: self.engine(),
            disconnect: properties.disconnect,
            message,
            threads: self.threads(),
            is_pinned: self.generator.pin,
            segment: self.segment(|name| std::env::var(name).ok())?,
            run: run & 0xFF_FFFF,
        };
        check_names(&plan)?;
        check_clocks(&plan)?;
        self.check_engine(&plan)?;
        Ok(plan)
    }

    fn storm(&self) -> Result<Option<StormKind>, BenchError> {
        let Some(kind) = self.kind else { return Ok(None) };
        let kind = match kind {
            StormWord::Reconnect => StormKind::Reconnect,
            StormWord::Will => StormKind::Will,
            StormWord::Retain => StormKind::Retain,
            StormWord::Subscribe => StormKind::Subscribe,
            StormWord::Resume => StormKind::Resume,
        };
        let is_part = self.segment(|name| std::env::var(name).ok())?.1 > 1;
        Err(BenchError::Conflict(match kind {
            _ if self.mode != ModeWord::Storm => "only storm takes a --kind",
            _ if self.load.warmup.is_some_and(|warm_up| warm_up != WarmUp::For(Duration::ZERO)) => {
                "a storm begins at once, without a --warmup"
            }
            _ if kind.delivers() && self.generator.check_sys => {
                "--check-sys compares what a load publishes, and a storm's messages are there before it"
            }
            _ if kind.delivers() && !matches!(self.message.stamp, StampWord::Auto | StampWord::Full) => {
                "a storm knows its messages by 24 bytes in front of each: --stamp full"
            }
            StormKind::Retain if is_part => "what is retained is one segment's, and so must be its storm",
            _ => return Ok(Some(kind)),
        }))
    }

    /// What a storm is made of.
    fn storm_total(&self, kind: Option<StormKind>, layout: &Layout) -> Result<u64, BenchError> {
        let clients = u64::from(layout.publishers);
        let default = match kind {
            Some(StormKind::Retain) => RETAINED,
            Some(StormKind::Subscribe) => clients,
            Some(StormKind::Resume) => WAITING * clients,
            Some(StormKind::Reconnect | StormKind::Will) if self.load.messages.is_some() => {
                return Err(BenchError::Conflict(
                    "this storm is made of its clients alone, not of --messages",
                ));
            }
            _ => 0,
        };
        let total = self.load.messages.unwrap_or(default);
        if kind == Some(StormKind::Subscribe) && total.div_ceil(clients.max(1)) > u64::from(u16::MAX) {
            return Err(BenchError::Conflict(
                "a client can wait for 65,535 SUBACK packets at once: give the storm more --clients",
            ));
        }
        Ok(total)
    }

    /// Where the wills of a storm go, unless the user says otherwise.
    fn will_topic(&self) -> Option<String> {
        let is_storm = self.kind == Some(StormWord::Will);
        self.identity.will_topic.clone().or_else(|| is_storm.then(|| "bench/will/%i".to_owned()))
    }

    /// The flag, or what the engines that start many copies tell each of them.
    fn segment(&self, variable: impl Fn(&str) -> Option<String>) -> Result<(u32, u32), BenchError> {
        if let Some(segment) = self.generator.segment {
            return Ok(segment);
        }
        let index =
            ["JOB_COMPLETION_INDEX", "NOMAD_ALLOC_INDEX", "SLURM_PROCID"].into_iter().find_map(&variable);
        let count = ["BENCH_SEGMENTS", "SLURM_NTASKS"].into_iter().find_map(&variable);
        match (index, count) {
            (Some(index), Some(count)) => super::value::segment(&format!("{index}/{count}")).map_err(|_| {
                BenchError::Conflict("the environment's segment index is not below their number")
            }),
            _ => Ok((0, 1)),
        }
    }

    fn threads(&self) -> usize {
        let processors = machine::processors();
        // Our own broker has a processor for itself where there is one.
        let default = if self.connection.embedded { processors.saturating_sub(1).max(1) } else { processors };
        self.generator.threads.map_or(default, usize::from).min(self.load.clients.max(1) as usize * 2)
    }

    fn transport(&self) -> Result<Transport, BenchError> {
        let connection = &self.connection;
        let mut sources = Vec::new();
        for text in &connection.bind {
            sources.extend(addresses(text).ok_or_else(|| BenchError::Bind(text.clone()))?);
        }
        let layers = self.layers()?;
        let port = connection.port.unwrap_or(if layers.tls.is_some() { 8883 } else { 1883 });
        let tcp = || Address::Tcp(connection.host.clone(), port);
        Ok(Transport {
            address: connection.unix.clone().map_or_else(tcp, Address::Unix),
            layers,
            sources,
            nodelay: !connection.no_nodelay,
            quickack: !connection.no_quickack,
            send_buffer: connection.sndbuf,
            receive_buffer: connection.rcvbuf,
        })
    }

    fn layers(&self) -> Result<Layers, BenchError> {
        let tls = &self.tls;
        let asks = tls.tls
            || tls.insecure
            || [tls.cafile.is_some(), tls.capath.is_some(), tls.cert.is_some(), tls.ciphers.is_some()]
                .contains(&true)
            || tls.tls_version.is_some()
            || tls.tls_alpn.is_some()
            || tls.psk.is_some()
            || self.connection.port == Some(8883);
        let own = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => Some((template("--cert", cert)?, template("--key", key)?)),
            _ => None,
        };
        // The same files for all are read once.
        let (own, shared) = own.map_or((None, None), |(cert, key)| {
            let differs = cert.is_per_client() || key.is_per_client();
            if differs { (Some((cert, key)), None) } else { (None, Some((cert, key))) }
        });
        let path = |template: &Template| template.render(&Context::default()).into();
        let psk = match (&tls.psk_identity, &tls.psk) {
            (Some(identity), Some(key)) => {
                Some((template("--psk-identity", identity)?, template("--psk", key)?))
            }
            _ => None,
        };
        let differs = psk.as_ref().is_some_and(|(name, key)| name.is_per_client() || key.is_per_client());
        let shared_psk = psk.as_ref().map(|both| pre_shared(both, &Context::default()));
        let settings = asks.then(|| TlsSettings {
            ca_file: tls.cafile.clone(),
            ca_path: tls.capath.clone(),
            uses_system_roots: tls.cafile.is_none() && tls.capath.is_none(),
            certificate: shared.as_ref().map(|(cert, _)| path(cert)),
            key: shared.as_ref().map(|(_, key)| path(key)),
            ignores_name: tls.insecure,
            requires_tls13: tls.tls_version.as_deref() == Some("tlsv1.3"),
            ciphers: tls.ciphers.clone(),
            alpn: tls.tls_alpn.clone(),
            psk: shared_psk,
            ..TlsSettings::default()
        });
        if self.connection.embedded && (settings.is_some() || self.connection.websocket) {
            return Err(BenchError::Conflict(
                "--embedded speaks plain MQTT; name a broker for TLS or WebSocket",
            ));
        }
        let websocket = self.connection.websocket.then(|| self.connection.ws_path.clone());
        if tls.tls_resume && settings.is_none() {
            return Err(BenchError::Conflict("--tls-resume is for TLS: add --tls"));
        }
        Ok(Layers {
            tls: settings,
            own,
            own_psk: psk.filter(|_| differs),
            websocket,
            resumes_tls: tls.tls_resume,
        })
    }

    fn identity(&self, mut connect: Properties, will: Properties) -> Result<Identity, BenchError> {
        let identity = &self.identity;
        let version = identity.protocol_version;
        let resumes = self.kind == Some(StormWord::Resume);
        // Long enough for any preparation; the last DISCONNECT ends the session.
        let kept = (resumes && version == ProtocolVersion::V5).then_some(SESSION_EXPIRY);
        if let Some(expiry) = identity.session_expiry_interval.or(kept) {
            if version != ProtocolVersion::V5 {
                return Err(BenchError::NeedsV5("-x"));
            }
            let property = Property::number(PropertyIdentifier::SessionExpiryInterval, expiry);
            connect.push(property).map_err(|error| BenchError::Property(error.to_string()))?;
        }
        let id = match (&identity.id, &identity.id_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{}%i", prefix.replace('%', "%%")),
            // Those that meet at a broker from two processes must not take each other's sessions.
            (None, None) => match self.mode {
                ModeWord::Pub => "bench-pub-%i",
                ModeWord::Sub => "bench-sub-%i",
                ModeWord::Rr => "bench-rr-%i",
                ModeWord::Reflect => "bench-reflect-%i",
                _ => "bench-%i",
            }
            .to_owned(),
        };
        let optional =
            |flag, text: &Option<String>| text.as_deref().map(|text| template(flag, text)).transpose();
        let will_templates = match optional("--will-topic", &self.will_topic())? {
            Some(topic) => Some((topic, template("--will-payload", &identity.will_payload)?)),
            None => None,
        };
        Ok(Identity {
            id: template("--id", &id)?,
            user: optional("--username", &identity.username)?,
            password: optional("--pw", &identity.password)?,
            credentials: identity.credentials.as_deref().map_or(Ok(Vec::new()), credentials)?,
            connect: Connect {
                version,
                clean_start: !identity.no_clean && !resumes,
                keep_alive: identity.keepalive,
                properties: connect,
                will: will_templates.as_ref().map(|_| Will {
                    topic: Text::EMPTY,
                    payload: bytes::Bytes::new(),
                    qos: identity.will_qos,
                    retain: identity.will_retain,
                    properties: will,
                }),
                ..Connect::default()
            },
            will: will_templates,
            groups: identity.groups,
            host: machine::host_name(),
            start_index: identity.start_index,
        })
    }

    fn load(&self, layout: &Layout) -> Result<Load, BenchError> {
        let load = &self.load;
        let connect_rate = match (load.connect_rate, load.connect_interval) {
            (Some(Rate::PerSecond(rate)), _) => Some(rate),
            (_, Some(milliseconds)) => Some(1000.0 / milliseconds),
            _ => None,
        };
        let is_connect = layout.mode == Mode::Connect;
        Ok(Load {
            schedule: self.schedule(layout)?,
            messages: load.messages,
            warm_up: self.warm_up(is_connect)?,
            demands_steady: load.steady,
            duration: load.duration,
            drain: load.drain,
            lag_max: load.max_lag,
            connect_rate,
            connect_timeout: self.connection.connect_timeout,
            start_at: self.generator.start_at,
            gate: self.generator.gate.clone(),
            syncs_clocks: self.generator.sync_clocks,
            reconnect: self.connection.reconnect,
        })
    }

    fn warm_up(&self, is_connect: bool) -> Result<WarmUp, BenchError> {
        let load = &self.load;
        let is_passive = is_connect || self.mode == ModeWord::Reflect;
        let default = if is_passive || load.messages.is_some() { Duration::ZERO } else { WARM_UP };
        let warm_up = load.warmup.unwrap_or(WarmUp::For(default));
        let waits = warm_up == WarmUp::UntilSteady;
        if (waits || load.steady) && (is_connect || load.messages.is_some()) {
            return Err(BenchError::Conflict("only a load of some duration can be steady"));
        }
        if waits && self.segment(|name| std::env::var(name).ok())?.1 > 1 {
            return Err(BenchError::Conflict("the segments of one load cannot wait each for itself"));
        }
        if load.steady && !waits && load.duration < STEADY {
            return Err(BenchError::Conflict(
                "--steady looks at ten seconds, so --duration must be 10s or more",
            ));
        }
        Ok(warm_up)
    }

    fn schedule(&self, layout: &Layout) -> Result<Option<Schedule>, BenchError> {
        let load = &self.load;
        let publishers = layout.publishers;
        let is_max = matches!(load.rate, Rate::Max) || matches!(load.rate_per_client, Some(Rate::Max));
        if load.closed || is_max {
            if load.max_lag.is_some() {
                return Err(BenchError::Conflict("--max-lag needs a rate: without one nothing is ever late"));
            }
            return Ok(None);
        }
        let arrival = match load.arrival {
            Arrived::Uniform => Arrival::Uniform,
            Arrived::Poisson => Arrival::Poisson,
            Arrived::Burst(count, period) => {
                Arrival::Burst { count, period: u64::try_from(period.as_nanos()).unwrap_or(u64::MAX) }
            }
        };
        let each = match (load.rate_per_client, load.message_interval) {
            (Some(Rate::PerSecond(rate)), _) => Some(rate),
            (_, Some(milliseconds)) => Some(1000.0 / milliseconds),
            _ => None,
        };
        let profile = if let Arrived::Burst(count, period) = load.arrival {
            #[allow(clippy::cast_precision_loss)] // a rate
            Profile::constant(count as f64 / period.as_secs_f64())
        } else if let Some(ramp) = load.ramp {
            Profile::stages(&[(ramp.2, ramp.0, ramp.1)])
        } else if !load.stages.is_empty() {
            let stages: Vec<_> = load.stages.iter().map(|stage| (stage.0, stage.1, stage.1)).collect();
            Profile::stages(&stages)
        } else if let Some(each) = each {
            Profile::constant(each * f64::from(publishers))
        } else {
            match load.rate {
                Rate::PerSecond(rate) => Profile::constant(rate),
                Rate::Max => return Ok(None),
            }
        };
        Ok(Some(Schedule { profile, arrival, publishers: publishers.max(1) }))
    }

    fn message(&self, layout: &Layout, properties: Properties) -> Result<Message, BenchError> {
        let flags = &self.message;
        let is_v5 = self.identity.protocol_version == ProtocolVersion::V5;
        let payload = self.payload()?;
        let (smallest, is_own) =
            (payload.bytes_min(), !matches!(payload, Payload::Fixed(_) | Payload::Sized(..)));
        let is_own = is_own || flags.file.is_some();
        let delivers = self.storm()?.is_some_and(StormKind::delivers);
        let stamp = match flags.stamp {
            StampWord::Auto if delivers => StampForm::Full,
            StampWord::Auto if layout.mode == Mode::Connect => StampForm::Off,
            StampWord::Auto if is_own && is_v5 => StampForm::Property,
            StampWord::Auto if is_own => StampForm::Off,
            StampWord::Auto => fitting_stamp(smallest),
            StampWord::Full => StampForm::Full,
            StampWord::Seq => StampForm::Short,
            StampWord::Property if !is_v5 => return Err(BenchError::NeedsV5("--stamp property")),
            StampWord::Property => StampForm::Property,
            StampWord::Off => StampForm::Off,
        };
        let smallest = match &payload {
            Payload::Template(_) if delivers => payload.bytes_typical(&Context::default()),
            _ => smallest,
        };
        if smallest < stamp.bytes() && (delivers || !matches!(payload, Payload::Template(_))) {
            return Err(BenchError::Payload(format!(
                "a payload of {smallest} bytes has no room for a stamp of {}; try --size {}{}",
                stamp.bytes(),
                stamp.bytes(),
                if delivers { "" } else { " or --stamp property" }
            )));
        }
        Ok(Message {
            topic: template("--topic", &flags.topic)?,
            qos: flags.qos,
            retain: flags.retain,
            properties,
            payload,
            stamp,
            window: flags.window,
        })
    }

    fn payload(&self) -> Result<Payload, BenchError> {
        let flags = &self.message;
        let payload = if let Some(text) = &flags.message {
            Payload::Template(Arc::new(template("--message", text)?))
        } else if let Some(path) = &flags.template {
            let text = String::from_utf8(read(path)?)
                .map_err(|_| BenchError::Content { path: path.clone(), reason: "not UTF-8" })?;
            let words = Template::parse_words(text.trim_end_matches(['\r', '\n']));
            let wrong = |source| BenchError::Template { flag: "--template", source };
            Payload::Template(Arc::new(words.map_err(wrong)?))
        } else if let Some(path) = &flags.file {
            Payload::Fixed(read(path)?.into())
        } else if let Some(path) = &flags.lines {
            let text = read(path)?;
            let lines: Vec<Vec<u8>> = text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            if lines.is_empty() {
                return Err(BenchError::Content { path: path.clone(), reason: "no line to send" });
            }
            Payload::Cycled(lines.into())
        } else {
            if flags.size.1 > PAYLOAD_BYTES_MAX {
                let text = format!("a payload holds at most {PAYLOAD_BYTES_MAX} bytes");
                return Err(BenchError::Payload(text));
            }
            Payload::filler(flags.size.0, flags.size.1, flags.compressible)
        };
        Ok(payload)
    }

    fn subscription(
        &self,
        layout: &Layout,
        qos: Qos,
        mut properties: Properties,
        unsubscribe: Properties,
    ) -> Result<Subscription, BenchError> {
        let flags = &self.subscribers;
        let unsubscribe = (flags.unsubscribe || !unsubscribe.is_empty()).then_some(unsubscribe);
        if let Some(number) = flags.sub_id {
            if self.identity.protocol_version != ProtocolVersion::V5 {
                return Err(BenchError::NeedsV5("--sub-id"));
            }
            let property = Property::number(PropertyIdentifier::SubscriptionIdentifier, number);
            properties.push(property).map_err(|error| BenchError::Property(error.to_string()))?;
        }
        let topic = self.will_topic().filter(|_| self.kind == Some(StormWord::Will));
        let layout = &Layout { is_mesh: layout.is_mesh || self.kind == Some(StormWord::Retain), ..*layout };
        let default = [default_filter(layout, topic.as_ref().unwrap_or(&self.message.topic))];
        let filters = if flags.filter.is_empty() { &default[..] } else { &flags.filter[..] };
        let share = flags.share.as_deref().map(|share| template("--share", share)).transpose()?;
        Ok(Subscription {
            filters: filters.iter().map(|text| template("--filter", text)).collect::<Result<_, _>>()?,
            options: SubscriptionOptions {
                maximum_qos: flags.sub_qos.unwrap_or(qos),
                // What earlier runs retained is none of this run's business; before MQTT 5 stamps tell it apart.
                retain_handling: match (self.identity.protocol_version, layout.mode) {
                    (ProtocolVersion::V5, Mode::Run | Mode::Request) => RetainHandling::Never,
                    (ProtocolVersion::V5, _) if flags.no_retained => RetainHandling::Never,
                    _ => RetainHandling::Always,
                },
                ..SubscriptionOptions::default()
            },
            is_paired: flags.filter.is_empty()
                && !layout.is_mesh
                && matches!(layout.mode, Mode::Run | Mode::Request),
            skips_retained: flags.no_retained,
            properties,
            share,
            slow: flags.slow_consumer.map(|slow| (slow.0, slow.1)),
            unsubscribe,
        })
    }
}

impl ModeWord {
    pub(super) const fn mode(self) -> Mode {
        match self {
            Self::Run | Self::Find => Mode::Run,
            Self::Pub | Self::Calibrate => Mode::Publish,
            Self::Sub => Mode::Subscribe,
            Self::Conn | Self::Storm => Mode::Connect,
            Self::Rr | Self::Reflect => Mode::Request,
        }
    }
}

fn template(flag: &'static str, text: &str) -> Result<Template, BenchError> {
    Template::parse(text).map_err(|source| BenchError::Template { flag, source })
}

fn read(path: &Path) -> Result<Vec<u8>, BenchError> {
    fs::read(path).map_err(|source| BenchError::File { path: path.to_owned(), source })
}

/// `id,user,password,cert,key` a line, of which the end may be left out; an empty field is none, and lines that begin with
/// `#` are passed over.
fn credentials(path: &Path) -> Result<Vec<Credentials>, BenchError> {
    let text = String::from_utf8(read(path)?)
        .map_err(|_| BenchError::Content { path: path.to_owned(), reason: "not UTF-8" })?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let rows: Vec<Credentials> = lines
        .map(|line| {
            let mut fields = line.splitn(5, ',').map(str::trim);
            let id = fields.next().unwrap_or_default().to_owned();
            let mut optional = || fields.next().filter(|field| !field.is_empty()).map(str::to_owned);
            let (user, password) = (optional(), optional());
            let certificate = optional().zip(optional()).map(|(cert, key)| (cert.into(), key.into()));
            Credentials { id, user, password, certificate }
        })
        .collect();
    if rows.is_empty() {
        return Err(BenchError::Content {
            path: path.to_owned(),
            reason: "no line with id,user,password,cert,key",
        });
    }
    Ok(rows)
}

/// One address, or `first-last`.
fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    let Some((first, last)) = text.split_once('-') else {
        return text.parse().ok().map(|address| vec![address]);
    };
    let (first, last): (Ipv4Addr, Ipv4Addr) = (first.parse().ok()?, last.parse().ok()?);
    let (first, last) = (u32::from(first), u32::from(last));
    let count = last.checked_sub(first)? as usize + 1;
    (count <= SOURCES_MAX).then(|| (first..=last).map(|bits| IpAddr::V4(bits.into())).collect())
}

/// Renders what the first and the last client have, and looks whether MQTT takes it.
fn check_names(plan: &Plan) -> Result<(), BenchError> {
    let names = plan.members().filter(|member| member.role.publishes());
    for member in [names.clone().next(), names.last()].into_iter().flatten() {
        let text = plan.topic(member);
        topic::check_name(&text).map_err(|source| BenchError::Topic { flag: "--topic", text, source })?;
    }
    if let Some(text) = plan.load.gate.clone() {
        topic::check_filter(&text).map_err(|source| BenchError::Topic { flag: "--gate", text, source })?;
    }
    let receivers = plan.members().filter(|member| member.role.subscribes());
    let names_group = |member| plan.share(member).is_none_or(|share| is_group(&share));
    if ![receivers.clone().next(), receivers.clone().last()].into_iter().flatten().all(names_group) {
        return Err(BenchError::Conflict("--share: the name of a group is not empty and has no / + or #"));
    }
    for member in [receivers.clone().next(), receivers.last()].into_iter().flatten() {
        let share = plan.share(member);
        for filter in plan.filters(member) {
            let text = share.as_ref().map_or(filter.clone(), |share| format!("$share/{share}/{filter}"));
            topic::check_filter(&text).map_err(|source| BenchError::Topic {
                flag: "--filter",
                text,
                source,
            })?;
        }
    }
    let payload_max = plan.message.payload.bytes_typical(&Context::default());
    if payload_max > PAYLOAD_BYTES_MAX {
        return Err(BenchError::Payload(format!("a payload holds at most {PAYLOAD_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Whether there are two clocks to compare, and messages that name theirs.
fn check_clocks(plan: &Plan) -> Result<(), BenchError> {
    Err(BenchError::Conflict(match plan.message.stamp {
        _ if !plan.load.syncs_clocks => return Ok(()),
        _ if plan.mode == Mode::Run && plan.segment.1 == 1 => {
            "--sync-clocks is for pub and sub on two hosts, or for segments: one process has one clock"
        }
        StampForm::Short | StampForm::Off => {
            "--sync-clocks needs messages that name their clock: --size 24 or more, or --stamp property"
        }
        StampForm::Full | StampForm::Property => return Ok(()),
    }))
}

/// Whether a shared subscription's group may be called so [MQTT-4.8.2-2].
fn is_group(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '+', '#'])
}

/// The properties of `-D`, by packet.
#[derive(Default)]
struct PropertyLists {
    connect: Properties,
    will: Properties,
    publish: Properties,
    subscribe: Properties,
    unsubscribe: Properties,
    disconnect: Properties,
}

impl PropertyLists {
    fn read(words: &[String], version: ProtocolVersion) -> Result<Self, BenchError> {
        let mut lists = Self::default();
        let mut words = words.iter().map(String::as_str);
        while let (Some(packet), Some(name), Some(value)) = (words.next(), words.next(), words.next()) {
            if version != ProtocolVersion::V5 {
                return Err(BenchError::NeedsV5("-D"));
            }
            let wrong = |what: &str| BenchError::Property(format!("{packet} {name} {value}: {what}"));
            let (list, place) = match packet {
                "connect" => (&mut lists.connect, Place::Connect),
                "will" => (&mut lists.will, Place::Will),
                "publish" => (&mut lists.publish, Place::PublishByClient),
                "subscribe" => (&mut lists.subscribe, Place::Subscribe),
                "unsubscribe" => (&mut lists.unsubscribe, Place::Unsubscribe),
                "disconnect" => (&mut lists.disconnect, Place::DisconnectByClient),
                _ => {
                    return Err(wrong(
                        "there are connect, will, publish, subscribe, unsubscribe and disconnect",
                    ));
                }
            };
            let known = PropertyIdentifier::ALL.iter().copied().find(|known| known.name() == name);
            let identifier = known.ok_or_else(|| wrong("no property of MQTT 5"))?;
            let number = || value.parse().map_err(|_| wrong("not a number that the property can have"));
            let value = match identifier.property_type() {
                PropertyType::TextPair => {
                    let second = words.next().ok_or_else(|| wrong("takes a name and a value"))?;
                    PropertyValue::Pair(value, second)
                }
                PropertyType::Text => PropertyValue::Text(value),
                PropertyType::Binary => PropertyValue::Binary(value.as_bytes()),
                _ => PropertyValue::Number(number()?),
            };
            list.push(Property { identifier, value }).map_err(|error| wrong(&error.to_string()))?;
            list.check(place).map_err(|error| wrong(&error.to_string()))?;
        }
        Ok(lists)
    }
}

#[cfg(test)]
mod tests;
