//! What a test broker is made of.

use super::clock::{Clock, Timepiece};
use super::gate::{Access, Acl, Gate, Judge, TestAuthorizer};
use super::hub::Hub;
use super::shared::{Restart, Shared};
use super::sockets;
use super::state::State;
use super::upstream::{Upstream, UpstreamError};
use super::{Address, TestBroker};
use crate::broker::{self, Authorizer, EventMask, ListenerConfig};
use crate::fault::Rule;
use crate::journal::Topics;
use crate::net::server::{Incoming, ListenAddress, ListenError, ListenPlan, Listeners};
use crate::net::tls::{CaFile, Ephemeral, EphemeralError, EphemeralFault, TlsServerSettings};
use crate::net::websocket::WebSocketPlan;
use crate::packet::{Connect, ProtocolVersion, Qos, RetainHandling, SubscriptionOptions, Text};
use crate::session;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;

/// Why a test broker could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A listener cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No thread, no runtime, no temporary file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The certificates could not be made.
    #[error(transparent)]
    Ephemeral(#[from] EphemeralError),
    /// The URL of the broker behind is wrong.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It runs already.
    #[error("the broker runs already")]
    Running,
    /// The broker behind did not let our observer in.
    #[error("the broker behind: {0}")]
    Observer(String),
}

/// Makes a [`TestBroker`]; see [`TestBroker::builder`].
#[derive(Clone)]
pub struct Builder {
    pub(super) config: broker::Config,
    plans: Vec<ListenPlan>,
    users: Vec<(String, String)>,
    judge: Option<Judge>,
    acl: Option<Acl>,
    seed: u64,
    clock: Clock,
    tls: Option<EphemeralFault>,
    has_websocket: bool,
    has_secure_websocket: bool,
    unix: Option<PathBuf>,
    port: u16,
    upstream: Option<String>,
    ca_file: Option<PathBuf>,
    observed: Vec<String>,
    rules: Vec<Rule>,
    has_own_listeners: bool,
    artifacts: Option<PathBuf>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("seed", &self.seed)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: broker::Config { connect_timeout: Duration::from_secs(30), ..broker::Config::default() },
            plans: Vec::new(),
            users: Vec::new(),
            judge: None,
            acl: None,
            seed: 0,
            clock: Clock::Running,
            tls: None,
            has_websocket: false,
            has_secure_websocket: false,
            unix: None,
            port: 0,
            upstream: None,
            ca_file: None,
            observed: vec!["#".to_owned()],
            rules: Vec::new(),
            has_own_listeners: false,
            artifacts: std::env::var_os("CULEX_ARTIFACTS")
                .filter(|folder| !folder.is_empty())
                .map(PathBuf::from),
        }
    }
}

impl Builder {
    /// Lets in only clients of these versions; all by default.
    #[must_use]
    pub fn versions(mut self, versions: &[ProtocolVersion]) -> Self {
        for listener in &mut self.config.listeners {
            listener.accept_protocol_versions = [false; 3];
            for version in versions {
                listener.accept_protocol_versions[*version as usize] = true;
            }
        }
        self
    }

    /// Lets in only clients of MQTT 5.
    #[must_use]
    pub fn v5_only(self) -> Self {
        self.versions(&[ProtocolVersion::V5])
    }

    /// Adds a TLS listener on a free port, with a certificate for `localhost` of an authority made for this broker.
    #[must_use]
    pub fn tls_ephemeral(self) -> Self {
        self.tls_with(EphemeralFault::None)
    }

    /// As [`Builder::tls_ephemeral`], with something wrong about the certificate.
    #[must_use]
    pub fn tls_with(mut self, fault: EphemeralFault) -> Self {
        self.tls = Some(fault);
        self
    }

    /// Adds a WebSocket listener on a free port; with [`Builder::tls_ephemeral`] a secure one too.
    #[must_use]
    pub fn ws(mut self) -> Self {
        self.has_websocket = true;
        self.has_secure_websocket = true;
        self
    }

    /// Adds a listener on a unix socket at `path`.
    #[must_use]
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.unix = Some(path.into());
        self
    }

    /// The TCP port of the plain listener; 0, a free one, by default.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Lets in only these users, by name and password.
    #[must_use]
    pub fn users<N: Into<String>, P: Into<String>>(
        mut self,
        users: impl IntoIterator<Item = (N, P)>,
    ) -> Self {
        self.users.extend(users.into_iter().map(|(name, password)| (name.into(), password.into())));
        self
    }

    /// Allows only what `acl` says yes to: it is given Client Identifier, User Name, what is wanted, and the topic.
    #[must_use]
    pub fn acl(
        mut self,
        acl: impl Fn(&str, Option<&str>, Access, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.acl = Some(Arc::new(acl));
        self
    }

    /// Changes the broker's configuration: limits, queues, what it offers to clients.
    #[must_use]
    pub fn limits(mut self, change: impl FnOnce(&mut broker::Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// What assigned identifiers, probabilities and jitter come from; 0 by default.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Who moves the clock of timers and delays; it runs by default.
    #[must_use]
    pub const fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A rule that is in force before the first client comes.
    #[must_use]
    pub fn fault(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Where the journal is kept when a test panics, a file for each broker; by default the folder that
    /// `CULEX_ARTIFACTS` names, or nowhere.
    #[must_use]
    pub fn artifacts(mut self, folder: impl Into<PathBuf>) -> Self {
        self.artifacts = Some(folder.into());
        self
    }

    /// Stands in front of the broker at `url` instead of being one.
    #[must_use]
    pub fn in_front_of(mut self, url: impl Into<String>) -> Self {
        self.upstream = Some(url.into());
        self
    }

    /// The authority that the certificate of the broker behind must come from, PEM; the system's by default.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// What our observer subscribes to at the broker behind; `#` by default, nothing for no observer.
    #[must_use]
    pub fn observe(mut self, filters: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.observed = filters.into_iter().map(Into::into).collect();
        self
    }

    /// The listeners and the configuration of a broker program, as they are.
    #[must_use]
    #[cfg_attr(not(feature = "check"), allow(dead_code, reason = "for our own programs"))]
    pub(crate) fn with_listeners(mut self, config: broker::Config, plans: Vec<ListenPlan>) -> Self {
        self.config = config;
        self.plans = plans;
        self.has_own_listeners = true;
        self
    }

    /// Who judges users and passwords.
    #[must_use]
    #[allow(dead_code, reason = "for our own programs")]
    pub(crate) fn judge(mut self, judge: Judge) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Starts the broker: it listens when this is over.
    ///
    /// # Errors
    ///
    /// Every [`StartError`].
    pub async fn start(self) -> Result<TestBroker, StartError> {
        let is_observing = self.upstream.is_some() && !self.observed.is_empty();
        let started = self.spawn()?;
        let shared = started.await.map_err(|_| io::Error::other("the broker's thread has ended"))??;
        let broker = TestBroker::new(shared);
        if is_observing {
            broker.begin_observing().await.map_err(StartError::Observer)?;
        }
        Ok(broker)
    }

    /// Begins the thread; what comes back is told when all listeners are bound.
    fn spawn(mut self) -> Result<oneshot::Receiver<Result<Arc<Shared>, StartError>>, StartError> {
        let upstream =
            self.upstream.as_deref().map(|url| Upstream::parse(url, self.ca_file.as_deref())).transpose()?;
        let ephemeral = self.lay_out_listeners()?;
        self.complete_config(upstream.is_some());
        let (tell, told) = oneshot::channel();
        let thread = std::thread::Builder::new().name("culex-test-broker".to_owned()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error.into()))),
            };
            runtime.block_on(self.run(upstream, ephemeral, tell));
            runtime.shutdown_background();
        })?;
        drop(thread);
        Ok(told)
    }

    /// The listeners that were asked for, plain TCP first.
    fn lay_out_listeners(&mut self) -> Result<Option<Ephemeral>, StartError> {
        if self.has_own_listeners {
            return Ok(None);
        }
        let loopback = |port| {
            let host = Some("127.0.0.1".to_owned());
            ListenPlan::plain(ListenAddress::Tcp { host, port })
        };
        self.plans.push(loopback(self.port));
        let ephemeral = self.tls.map(Ephemeral::with_fault).transpose()?;
        let websocket = WebSocketPlan::for_packets(self.config.packet_bytes_max());
        if let Some(ephemeral) = &ephemeral {
            let tls = Some(TlsServerSettings::new(ephemeral.server.clone()));
            self.plans.push(ListenPlan { tls: tls.clone(), ..loopback(0) });
            if self.has_secure_websocket {
                self.plans.push(ListenPlan { tls, websocket: Some(websocket.clone()), ..loopback(0) });
            }
        }
        if self.has_websocket {
            self.plans.push(ListenPlan { websocket: Some(websocket), ..loopback(0) });
        }
        if let Some(path) = &self.unix {
            self.plans.push(ListenPlan::plain(ListenAddress::Unix(path.clone())));
        }
        let listener = self.config.listeners.first().cloned().unwrap_or_default();
        self.config.listeners = vec![listener; self.plans.len()];
        Ok(ephemeral)
    }

    fn complete_config(&mut self, is_in_front: bool) {
        if !self.users.is_empty() {
            for listener in &mut self.config.listeners {
                listener.authenticate = true;
                listener.allow_anonymous = false;
            }
        }
        let inside = self.config.listeners.len();
        self.config.listeners.push(ListenerConfig { port: 0, ..ListenerConfig::default() });
        if !is_in_front && (self.acl.is_some() || self.config.authorizer.is_some()) {
            let inner: Option<Arc<dyn Authorizer>> = self.config.authorizer.take();
            self.config.authorizer = Some(Arc::new(TestAuthorizer { acl: self.acl.clone(), inner, inside }));
        }
        if !self.has_own_listeners {
            self.config.seed = self.seed;
            let wall_clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            self.config.wall_clock = wall_clock.unwrap_or_default();
        }
        // Changes are numbered only while they are told, and a restart needs their numbers.
        let topics = Topics::CONNECTIONS | Topics::NOTICES | Topics::MESSAGES;
        self.config.events = EventMask { journal: topics, changes: true };
        self.config.durable = false;
    }

    async fn run(
        self,
        upstream: Option<Upstream>,
        ephemeral: Option<Ephemeral>,
        tell: oneshot::Sender<Result<Arc<Shared>, StartError>>,
    ) {
        let mut plans = self.plans;
        // Held for good: no moment of a restart lets another program have them.
        let _reserved = reserve(&mut plans);
        let listeners = match Listeners::bind(&plans) {
            Ok(listeners) => listeners,
            Err(error) => return drop(tell.send(Err(error.into()))),
        };
        let addresses: Vec<Address> = listeners
            .local_addresses()
            .into_iter()
            .map(|(plan, socket)| Address { plan, kind: kind(&plans[plan]), socket })
            .collect();
        let inside = self.config.listeners.len() - 1;
        let config = upstream.is_none().then(|| self.config.clone());
        let gate = Gate::new(self.users.clone(), self.judge.clone());
        let mut state = State::new(config, Timepiece::new(self.clock), gate, self.seed);
        for rule in self.rules {
            state.add_rule(rule);
        }
        let target = upstream.as_ref().map(|upstream| upstream.target.clone());
        let hub = Hub::new(state, tokio::runtime::Handle::current(), target);
        let ca_file = match ephemeral.as_ref().map(|ephemeral| CaFile::write(&ephemeral.ca_pem)) {
            None => None,
            Some(Ok(file)) => Some(file),
            Some(Err(error)) => return drop(tell.send(Err(error.into()))),
        };
        let observed = if upstream.is_some() { self.observed } else { Vec::new() };
        let credentials = upstream.and_then(|upstream| Some((upstream.user_name?, upstream.password)));
        let (restart, mut restarts) = tokio::sync::mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(
            hub,
            addresses,
            inside,
            self.config,
            self.users,
            credentials,
            observed,
            ca_file,
            restart,
            self.artifacts,
        ));
        let hub = Arc::clone(shared.hub());
        tokio::spawn(Arc::clone(&hub).keep_time());
        let mut serving = open(&hub, listeners, &plans);
        // Whoever starts the broker may have given up.
        let weak = Arc::downgrade(&shared);
        let _ = tell.send(Ok(shared));
        let addresses = weak.upgrade().map(|shared| shared.addresses().to_vec()).unwrap_or_default();
        let mut guards = Vec::new();
        while let Some(request) = restarts.recv().await {
            match request {
                Restart::Stop(done) => {
                    hub.with(|state| state.doors.clear());
                    serving.abort_all();
                    while serving.join_next().await.is_some() {}
                    guards = addresses.iter().filter_map(|address| guard(address.socket)).collect();
                    let _ = done.send(Ok(()));
                }
                Restart::Start(done) => {
                    let plans = fixed(&plans, &addresses);
                    let bound = Listeners::bind(&plans);
                    guards.clear();
                    let result = bound.map(|listeners| {
                        serving = open(&hub, listeners, &plans);
                    });
                    let _ = done.send(result.map_err(Into::into));
                }
                Restart::Quit => return,
            }
        }
    }
}

/// Takes connections at all listeners.
fn open(hub: &Arc<Hub>, listeners: Listeners, plans: &[ListenPlan]) -> tokio::task::JoinSet<()> {
    let incoming = listeners.into_incoming();
    let doors = incoming.iter().filter_map(Incoming::socket).collect();
    hub.with(|state| state.doors = doors);
    let mut serving = tokio::task::JoinSet::new();
    for incoming in incoming {
        let kind = kind(&plans[incoming.plan()]);
        serving.spawn(sockets::serve(Arc::clone(hub), incoming, kind));
    }
    serving
}

/// The plans with the ports that they were given.
fn fixed(plans: &[ListenPlan], addresses: &[Address]) -> Vec<ListenPlan> {
    let mut plans = plans.to_vec();
    for address in addresses {
        match &mut plans[address.plan].address {
            ListenAddress::Tcp { port, .. } | ListenAddress::Loopback { port } => {
                *port = address.socket.port()
            }
            ListenAddress::Unix(_) => {}
        }
    }
    plans
}

/// Gives each plan that takes any free port one of its own, with the sockets that keep them.
fn reserve(plans: &mut [ListenPlan]) -> Vec<socket2::Socket> {
    let mut sockets = Vec::new();
    for plan in plans {
        let ListenAddress::Tcp { host: Some(host), port } = &mut plan.address else { continue };
        let Ok(ip) = host.parse::<IpAddr>() else { continue };
        if *port != 0 {
            continue;
        }
        let Some(socket) = guard((ip, 0).into()) else { continue };
        if let Some(bound) = socket.local_addr().ok().and_then(|address| address.as_socket()) {
            *port = bound.port();
            sockets.push(socket);
        }
    }
    sockets
}

/// A socket that keeps a port while nobody listens on it, so that connections are refused and no other program gets it.
fn guard(address: SocketAddr) -> Option<socket2::Socket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).ok()?;
    socket.set_reuse_address(true).ok()?;
    socket.bind(&address.into()).ok()?;
    Some(socket)
}

/// What a listener speaks.
fn kind(plan: &ListenPlan) -> &'static str {
    match (plan.tls.is_some(), plan.websocket.is_some()) {
        (false, false) if matches!(plan.address, ListenAddress::Unix(_)) => "unix",
        (false, false) => "tcp",
        (true, false) => "tls",
        (false, true) => "ws",
        (true, true) => "wss",
    }
}

/// How our own client connects.
pub(super) fn inside_config(
    client_identifier: &str,
    version: ProtocolVersion,
    credentials: Option<&(Text, Option<bytes::Bytes>)>,
) -> session::Config {
    session::Config {
        connect: Connect {
            version,
            client_identifier: Text::detached(client_identifier),
            keep_alive: 0,
            user_name: credentials.map(|(name, _)| name.clone()),
            password: credentials.and_then(|(_, password)| password.clone()),
            ..Connect::default()
        },
        inflight_max: 1000,
        receive_excess_max: u16::MAX,
        ..session::Config::default()
    }
}

/// What an observer asks for: everything as it was published, and nothing that was retained before.
pub(super) const fn observing() -> SubscriptionOptions {
    SubscriptionOptions {
        maximum_qos: Qos::ExactlyOnce,
        no_local: false,
        retain_as_published: true,
        retain_handling: RetainHandling::Never,
    }
}
