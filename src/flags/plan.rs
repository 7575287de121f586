//! From what was typed to what is meant: the configurations that the other rooms take.

use super::{ColorWord, Connection, Draft, LineForm, Speed, Tls, Tool, TopicMap};
use crate::net::tls::{PreSharedKey, TlsSettings};
use crate::net::{Endpoint, Target};
use crate::output::Form;
use crate::packet::{
    Connect, PacketError, Place, Properties, Property, PropertyIdentifier, ProtocolVersion, Qos,
    RetainHandling, SubscriptionOptions, Text, Will,
};
use crate::session;
use bytes::Bytes;
use std::{fs::File, path::Path, path::PathBuf, time::Duration};

/// The Receive Maximum in CONNECT, unless a smaller message count or a property says otherwise.
const RECEIVE_MAXIMUM: u32 = 20;

/// How many QoS 2 messages a server may have in flight beyond that: as many as there are identifiers, bounded in bytes as
/// before MQTT 5. mosquitto 2.0.11 counts each message as done twice, so it sends ever more, and its own clients end the
/// connection then.
const RECEIVE_EXCESS_MAX: u16 = u16::MAX;

/// What a WebSocket is opened at unless its URL says otherwise, as mosquitto's clients do.
const WEBSOCKET_PATH: &str = "/mqtt";

/// Why a plan cannot be made of options that are each well-formed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PlanError {
    /// The Client Identifier cannot be used.
    ClientIdentifier,
    /// The Will Message cannot be used.
    Will,
    /// User Name and Password cannot be used together, or not at all.
    Credentials,
    /// A file for TLS cannot be read.
    TlsFile,
    /// A value for TLS does not exist.
    TlsOption,
    /// The pre-shared key is not hexadecimal.
    Psk,
    /// Neither `pem` nor `engine`.
    KeyForm,
    /// There are no engines.
    Engine(String),
    /// The engine's key password is no SHA-1.
    EnginePassword,
    /// The port of a URL is none.
    Port,
    /// Properties in CONNECT before MQTT 5.
    PropertiesBeforeV5,
    /// The properties of CONNECT are wrong.
    Connect(PacketError),
    /// A Response Topic among the user's properties beside `-e`.
    ResponseTopicTwice,
    /// A transport that this build does not have.
    NotBuilt(&'static str),
}

/// What every client needs to know about its connection.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// Where to connect.
    pub target: Target,
    /// How to speak TLS there, if at all; its files are read when the connection is made.
    pub tls: Option<TlsSettings>,
    /// The file with the pass phrase of the private key; it is asked for at the terminal without one.
    pub key_pass_phrase_file: Option<PathBuf>,
    /// How to behave there.
    pub session: session::Config,
    /// The properties of DISCONNECT.
    pub disconnect_properties: Properties,
    /// Keep run-time errors to oneself.
    pub quiet: bool,
    /// Show each packet.
    pub debug: bool,
}

/// What `pub` is to do.
#[derive(Clone, Debug)]
pub struct PublishPlan {
    /// The connection.
    pub client: ClientPlan,
    /// Where to.
    pub topic: Text,
    /// Quality of Service.
    pub qos: Qos,
    /// The RETAIN flag.
    pub retain: bool,
    /// The properties of each PUBLISH.
    pub properties: Properties,
    /// What each line of the input holds, if lines are published; `topic` may then be empty.
    pub lines: Option<LineForm>,
    /// How often, at least once; lines are published once each.
    pub repeat: u32,
    /// Pause between two repetitions.
    pub repeat_delay: Duration,
    /// How long to go on trying without a connection.
    pub retry: Option<Duration>,
    /// The lines are a recording.
    pub replay: Option<ReplayPlan>,
}

/// How a recording is published again.
#[derive(Clone, Debug)]
pub struct ReplayPlan {
    /// Its file; the standard input without one.
    pub path: Option<PathBuf>,
    /// What becomes of the recorded pauses.
    pub speed: Speed,
    /// The first of these that fits a topic changes it.
    pub maps: Vec<TopicMap>,
}

/// Where a recording goes.
#[derive(Clone, Debug)]
pub struct RecordingPlan {
    /// Its file; the standard output without one.
    pub path: Option<PathBuf>,
    /// What becomes of a file that exists; without a word it stays, and there is no recording.
    pub existing: Existing,
    /// After a reconnect, what is retained is recorded once more.
    pub repeats_retained: bool,
}

/// What becomes of a file that exists.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Existing {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is gone on with.
    Append,
    /// It is written over.
    Overwrite,
}

/// Who is told that the broker has answered the subscription.
#[derive(Clone, Debug, Default)]
pub struct ReadyPlan {
    /// An open descriptor that gets a line and is closed.
    pub descriptor: Option<i32>,
    /// A file that is made.
    pub file: Option<PathBuf>,
    /// A shell command that is run.
    pub command: Option<String>,
}

/// What `sub` is to do.
#[derive(Clone, Debug)]
pub struct SubscribePlan {
    /// The connection.
    pub client: ClientPlan,
    /// Filters with their options, one SUBSCRIBE.
    pub filters: Vec<(Text, SubscriptionOptions)>,
    /// The properties of SUBSCRIBE.
    pub subscribe_properties: Properties,
    /// Filters to unsubscribe from, one UNSUBSCRIBE each.
    pub unsubscribe: Vec<Text>,
    /// The properties of each UNSUBSCRIBE.
    pub unsubscribe_properties: Properties,
    /// Messages of these topics are passed over.
    pub filter_out: Vec<Text>,
    /// Retained messages are passed over.
    pub no_retain: bool,
    /// The first message that is not retained ends the program.
    pub retained_only: bool,
    /// Only retained messages are printed, and the end of them ends the program.
    pub retained: bool,
    /// They are all cleared at that end.
    pub purge: Option<PurgePlan>,
    /// Each retained message is cleared.
    pub remove_retained: bool,
    /// How many messages to print.
    pub count: Option<u32>,
    /// The filter whose first match ends the program; it is one.
    pub until: Option<String>,
    /// The filter whose outputs are printed; it is one.
    pub jq: Option<String>,
    /// How long to wait from the connection on.
    pub timeout: Option<Duration>,
    /// The answer to the subscription ends the program.
    pub exit_after_subscribe: bool,
    /// Who is told of that answer.
    pub ready: ReadyPlan,
    /// The command that takes each message, and how many of them run at once.
    pub exec: Option<(String, usize)>,
    /// How a message is printed.
    pub form: Form,
    /// Whether a line feed follows it.
    pub line_end: bool,
    /// Indented JSON.
    pub pretty: bool,
    /// When the output is coloured.
    pub color: ColorWord,
    /// The percentage as given with `--random-filter`.
    pub random_filter: Option<f64>,
    /// Count messages instead of printing them.
    pub message_rate: bool,
    /// Where the lines of a recording go.
    pub recording: Option<RecordingPlan>,
    /// One screen line a topic; holds the name of the broker for the first one.
    pub watch: Option<String>,
}

/// What becomes of all retained messages.
#[derive(Clone, Debug)]
pub struct PurgePlan {
    /// They are named and stay.
    pub is_dry: bool,
    /// The file they are written to before they are cleared; it must not exist.
    pub backup: Option<PathBuf>,
}

/// What `rr` is to do.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    /// The connection.
    pub client: ClientPlan,
    /// Where the request goes.
    pub topic: Text,
    /// Where the reply comes.
    pub response_topic: Text,
    /// Quality of Service, of the request and at most of the reply.
    pub qos: Qos,
    /// The properties of the request; in MQTT 5 with the Response Topic behind those of the user.
    pub properties: Properties,
    /// How the reply is subscribed to.
    pub options: SubscriptionOptions,
    /// The properties of SUBSCRIBE.
    pub subscribe_properties: Properties,
    /// Retained messages are no reply.
    pub no_retain: bool,
    /// How long to wait from the connection on.
    pub timeout: Option<Duration>,
    /// Print how long the reply took.
    pub latency: bool,
    /// Replies to each request, at least one.
    pub replies: u32,
    /// Requests one after the other, at least one.
    pub requests: u32,
    /// How the reply is printed.
    pub form: Form,
    /// Whether a line feed follows it.
    pub line_end: bool,
    /// Indented JSON.
    pub pretty: bool,
    /// When the output is coloured.
    pub color: ColorWord,
}

impl ClientPlan {
    /// Checks what only shows when everything is known, in the order in which the reference sets it.
    ///
    /// # Errors
    ///
    /// The first [`PlanError`].
    pub fn new(draft: &Draft, tool: Tool, process_id: u32) -> Result<Self, PlanError> {
        let connection = &draft.connection;
        let version = connection.protocol_version.unwrap_or_default();
        let client_identifier = client_identifier(connection, version, process_id)?;
        let will = will(draft, version)?;
        let (user_name, password) = credentials(connection, version)?;
        check_tls(&draft.tls)?;
        let connect = Connect {
            version,
            clean_start: !connection.disable_clean_session,
            keep_alive: connection.keepalive.unwrap_or(60),
            properties: connect_properties(draft, version, tool)?,
            client_identifier,
            will,
            user_name,
            password,
        };
        let inflight_max = connection.inflight_max.unwrap_or(20);
        let session = session::Config {
            connect,
            inflight_max: u16::try_from(inflight_max).unwrap_or(u16::MAX),
            receive_excess_max: RECEIVE_EXCESS_MAX,
            trace: draft.general.debug,
            ..session::Config::default()
        };
        session.check().map_err(PlanError::Connect)?;
        Ok(Self {
            target: target(draft)?,
            tls: uses_tls(draft).then(|| tls_settings(draft)),
            key_pass_phrase_file: draft.tls.keypass_file.clone(),
            session,
            disconnect_properties: draft.connection.properties.disconnect.clone(),
            quiet: draft.general.quiet,
            debug: draft.general.debug,
        })
    }

    /// The version spoken.
    #[must_use]
    pub const fn version(&self) -> ProtocolVersion {
        self.session.connect.version
    }
}

impl PublishPlan {
    /// The plan for publishing to `topic`.
    ///
    /// # Errors
    ///
    /// As [`ClientPlan::new`].
    pub fn new(draft: &Draft, topic: Text, process_id: u32) -> Result<Self, PlanError> {
        let message = &draft.message;
        let lines = message.line_form();
        Ok(Self {
            client: ClientPlan::new(draft, Tool::Publish, process_id)?,
            topic,
            qos: message.qos.unwrap_or_default(),
            retain: message.retain,
            properties: draft.connection.properties.publish.clone(),
            lines,
            repeat: if lines.is_some() { 1 } else { message.repeat.unwrap_or(1) },
            repeat_delay: message.repeat_delay.unwrap_or_default(),
            retry: message.retry,
            replay: None,
        })
    }
}

impl PublishPlan {
    /// The plan for publishing a recording.
    ///
    /// # Errors
    ///
    /// As [`ClientPlan::new`].
    pub fn of_recording(draft: &Draft, process_id: u32) -> Result<Self, PlanError> {
        let topic = draft.message.topic.clone().unwrap_or(Text::EMPTY);
        let replaying = &draft.replaying;
        let replay = ReplayPlan {
            path: replaying.replay_file.clone().filter(|path| path != Path::new("-")),
            speed: replaying.pace,
            maps: replaying.maps.clone(),
        };
        Ok(Self { replay: Some(replay), ..Self::new(draft, topic, process_id)? })
    }
}

impl RequestPlan {
    /// The plan for a request to `topic` whose reply comes on `response_topic`.
    ///
    /// # Errors
    ///
    /// [`PlanError::ResponseTopicTwice`], and as [`ClientPlan::new`].
    pub fn new(draft: &Draft, topic: Text, response_topic: Text, process_id: u32) -> Result<Self, PlanError> {
        let mut client = ClientPlan::new(draft, Tool::Request, process_id)?;
        client.target.nodelay |= draft.request.latency;
        let mut properties = Properties::EMPTY;
        // Before MQTT 5 the reference drops the properties silently.
        if client.version() == ProtocolVersion::V5 {
            properties = draft.connection.properties.publish.clone();
            if properties.as_ref().find(PropertyIdentifier::ResponseTopic).is_some() {
                return Err(PlanError::ResponseTopicTwice);
            }
            let property = Property::text(PropertyIdentifier::ResponseTopic, &response_topic);
            properties.push(property).map_err(PlanError::Connect)?;
        }
        Ok(Self {
            client,
            topic,
            response_topic,
            qos: draft.message.qos.unwrap_or_default(),
            properties,
            options: subscription_options(draft),
            subscribe_properties: draft.connection.properties.subscribe.clone(),
            no_retain: draft.subscription.no_retain,
            timeout: draft.subscription.timeout.map(|seconds| Duration::from_secs(u64::from(seconds))),
            latency: draft.request.latency,
            replies: draft.request.replies.unwrap_or(1),
            requests: draft.request.requests.unwrap_or(1),
            form: form(draft),
            line_end: !draft.output.no_line_end,
            pretty: draft.output.pretty,
            color: draft.output.color,
        })
    }
}

/// The options of each filter.
fn subscription_options(draft: &Draft) -> SubscriptionOptions {
    let subscription = &draft.subscription;
    SubscriptionOptions {
        maximum_qos: subscription.qos.unwrap_or_default(),
        no_local: false,
        retain_as_published: subscription.retain_as_published,
        // In mosquitto the two options collide, and which one comes first decides about the damage.
        retain_handling: if subscription.no_retain {
            RetainHandling::Never
        } else {
            subscription.retain_handling.unwrap_or_default()
        },
    }
}

/// How a message is printed.
fn form(draft: &Draft) -> Form {
    match &draft.output.format {
        _ if draft.output.json => Form::Json,
        Some(template) => Form::Template(template.clone()),
        None if draft.output.verbose => Form::TopicAndPayload,
        None => Form::Payload,
    }
}

impl SubscribePlan {
    /// The plan for subscribing.
    ///
    /// # Errors
    ///
    /// As [`ClientPlan::new`].
    pub fn new(draft: &Draft, process_id: u32) -> Result<Self, PlanError> {
        let (subscription, output) = (&draft.subscription, &draft.output);
        let options = subscription_options(draft);
        let host = || draft.connection.host.clone().unwrap_or_else(|| "localhost".to_owned());
        Ok(Self {
            client: ClientPlan::new(draft, Tool::Subscribe, process_id)?,
            filters: subscription.topics.iter().map(|filter| (filter.clone(), options)).collect(),
            subscribe_properties: draft.connection.properties.subscribe.clone(),
            unsubscribe: subscription.unsubscribe.clone(),
            unsubscribe_properties: draft.connection.properties.unsubscribe.clone(),
            filter_out: subscription.filter_out.clone(),
            no_retain: subscription.no_retain,
            retained_only: subscription.retained_only,
            retained: subscription.retained,
            purge: subscription
                .purge
                .then(|| PurgePlan { is_dry: subscription.dry_run, backup: subscription.backup.clone() }),
            remove_retained: subscription.remove_retained,
            count: subscription.count,
            until: subscription.until.clone(),
            jq: output.jq.clone(),
            timeout: subscription.timeout.map(|seconds| Duration::from_secs(u64::from(seconds))),
            exit_after_subscribe: subscription.exit_after_subscribe || subscription.count == Some(0),
            ready: ReadyPlan {
                descriptor: subscription.ready_fd,
                file: subscription.ready_file.clone(),
                command: subscription.after_suback.clone(),
            },
            exec: subscription
                .exec
                .clone()
                .map(|command| (command, usize::from(subscription.exec_jobs.unwrap_or(1)))),
            form: form(draft),
            line_end: !output.no_line_end,
            pretty: output.pretty,
            color: output.color,
            random_filter: output.random_filter,
            message_rate: output.message_rate,
            recording: None,
            watch: (output.watch && !output.message_rate).then(host),
        })
    }
}

impl SubscribePlan {
    /// The plan for recording: at QoS 2 unless asked otherwise, and with the RETAIN flag as it was published.
    ///
    /// # Errors
    ///
    /// As [`ClientPlan::new`].
    pub fn of_recording(draft: &Draft, process_id: u32) -> Result<Self, PlanError> {
        let mut draft = draft.clone();
        draft.subscription.qos.get_or_insert(Qos::ExactlyOnce);
        let is_v5 = draft.connection.protocol_version == Some(ProtocolVersion::V5);
        draft.subscription.retain_as_published = is_v5;
        let recording = &draft.recording;
        let recording = RecordingPlan {
            path: recording.recording_file.clone().filter(|_| recording.is_to_file()),
            existing: match (recording.append, recording.force) {
                (true, _) => Existing::Append,
                (false, true) => Existing::Overwrite,
                (false, false) => Existing::Keep,
            },
            repeats_retained: draft.subscription.retain_handling == Some(RetainHandling::Always),
        };
        let plan = Self::new(&draft, process_id)?;
        // There the broker is asked to send nothing that it retains, and the flag says what was published.
        let no_retain = plan.no_retain && !is_v5;
        Ok(Self { recording: Some(recording), no_retain, ..plan })
    }
}

/// `-i`, or `-I` with the process number; MQTT 3.1 has no empty one, so it is made up.
fn client_identifier(
    connection: &Connection,
    version: ProtocolVersion,
    process_id: u32,
) -> Result<Text, PlanError> {
    let text = |bytes: Bytes| Text::new(bytes).map_err(|_| PlanError::ClientIdentifier);
    match (&connection.id, &connection.id_prefix) {
        (Some(id), _) if id.is_empty() => Err(PlanError::ClientIdentifier),
        (Some(id), _) => text(id.clone()),
        (None, Some(prefix)) => text([prefix, process_id.to_string().as_bytes()].concat().into()),
        (None, None) if connection.disable_clean_session => Err(PlanError::ClientIdentifier),
        (None, None) if version == ProtocolVersion::V31 => text(random_identifier().into()),
        (None, None) => Ok(Text::EMPTY),
    }
}

/// `mosq-` and 18 letters or digits.
fn random_identifier() -> Vec<u8> {
    const CHARACTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut identifier = b"mosq-".to_vec();
    let mut bits = uuid::Uuid::new_v4().as_u128();
    for _ in 0..18 {
        identifier.push(CHARACTERS[(bits % 62) as usize]);
        bits /= 62;
    }
    identifier
}

fn will(draft: &Draft, version: ProtocolVersion) -> Result<Option<Will>, PlanError> {
    let properties = &draft.connection.properties.will;
    let Some(topic) = &draft.will.will_topic else { return Ok(None) };
    let payload = draft.will.will_payload.clone().unwrap_or_default();
    let is_wrong = if version == ProtocolVersion::V5 {
        properties.check(Place::Will).is_err()
    } else {
        !properties.is_empty()
    };
    if is_wrong || payload.len() > crate::packet::text::TEXT_BYTES_MAX {
        return Err(PlanError::Will);
    }
    Ok(Some(Will {
        topic: topic.clone(),
        payload,
        qos: draft.will.will_qos.unwrap_or_default(),
        retain: draft.will.will_retain,
        properties: properties.clone(),
    }))
}

fn credentials(
    connection: &Connection,
    version: ProtocolVersion,
) -> Result<(Option<Text>, Option<Bytes>), PlanError> {
    let password = connection.password.clone();
    let is_too_long =
        password.as_ref().is_some_and(|password| password.len() > crate::packet::text::TEXT_BYTES_MAX);
    if is_too_long || (password.is_some() && connection.username.is_none() && version != ProtocolVersion::V5)
    {
        return Err(PlanError::Credentials);
    }
    let user_name =
        connection.username.clone().map(Text::new).transpose().map_err(|_| PlanError::Credentials)?;
    Ok((user_name, password))
}

/// The user's properties, then the Session Expiry Interval, then the Receive Maximum.
fn connect_properties(draft: &Draft, version: ProtocolVersion, tool: Tool) -> Result<Properties, PlanError> {
    let mut properties = draft.connection.properties.connect.clone();
    if version != ProtocolVersion::V5 {
        return if properties.is_empty() { Ok(properties) } else { Err(PlanError::PropertiesBeforeV5) };
    }
    let mut push = |identifier, number| {
        properties.push(Property::number(identifier, number)).map_err(PlanError::Connect)
    };
    let expiry = draft.connection.expiry();
    if expiry > 0 {
        push(PropertyIdentifier::SessionExpiryInterval, expiry)?;
    }
    let has_own = draft.connection.properties.connect.as_ref().find(PropertyIdentifier::ReceiveMaximum);
    if has_own.is_none() {
        let count = match tool {
            Tool::Publish | Tool::Replay | Tool::Health => None,
            Tool::Subscribe | Tool::Record => draft.subscription.count,
            // One reply is expected.
            Tool::Request => Some(1),
        };
        // With a count of 0 nothing is taken, and a Receive Maximum of 0 does not exist.
        let count = count.map(|count| count.max(1));
        push(PropertyIdentifier::ReceiveMaximum, count.unwrap_or(RECEIVE_MAXIMUM).min(RECEIVE_MAXIMUM))?;
    }
    Ok(properties)
}

/// Whether the options ask for TLS.
fn uses_tls(draft: &Draft) -> bool {
    let tls = &draft.tls;
    let asks = tls.cafile.is_some()
        || tls.capath.is_some()
        || tls.psk.is_some()
        || tls.tls_use_os_certs
        || draft.connection.port == Some(8883);
    asks && !tls.no_tls
}

fn check_tls(tls: &Tls) -> Result<(), PlanError> {
    if tls.no_tls {
        return Ok(());
    }
    let is_readable = |path: &&PathBuf| File::open(Path::new(path)).is_ok();
    if ![&tls.cafile, &tls.cert, &tls.key].into_iter().flatten().all(|path| is_readable(&path)) {
        return Err(PlanError::TlsFile);
    }
    if tls.keyform.as_deref().is_some_and(|form| form != "pem" && form != "engine") {
        return Err(PlanError::KeyForm);
    }
    if let Some(engine) = &tls.tls_engine {
        return Err(PlanError::Engine(engine.clone()));
    }
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if tls.tls_engine_kpass_sha1.as_deref().is_some_and(|sha1| sha1.len() != 40 || !is_hex(sha1)) {
        return Err(PlanError::EnginePassword);
    }
    if tls.psk.as_deref().is_some_and(|psk| !is_hex(psk)) {
        return Err(PlanError::Psk);
    }
    if tls.tls_version.as_deref().is_some_and(|version| version != "tlsv1.2" && version != "tlsv1.3") {
        return Err(PlanError::TlsOption);
    }
    Ok(())
}

fn target(draft: &Draft) -> Result<Target, PlanError> {
    let connection = &draft.connection;
    let tls = &draft.tls;
    let default_port =
        if tls.cafile.is_some() || tls.capath.is_some() || tls.psk.is_some() { 8883 } else { 1883 };
    let host = connection.host.clone().unwrap_or_else(|| "localhost".to_owned());
    let port = u16::try_from(connection.port.unwrap_or(default_port)).map_err(|_| PlanError::Port)?;
    let wants_psk = tls.psk.is_some() && uses_tls(draft);
    for (is_wanted, is_built, what) in
        [(connection.srv, cfg!(feature = "srv"), "SRV lookup"), (wants_psk, cfg!(feature = "psk"), "TLS-PSK")]
    {
        if is_wanted && !is_built {
            return Err(PlanError::NotBuilt(what));
        }
    }
    Ok(Target {
        bind: connection.bind_address.clone(),
        nodelay: connection.nodelay,
        #[cfg(feature = "srv")]
        srv: connection.srv.then(crate::net::srv::NameServers::default),
        proxy: connection.socks_proxy.clone(),
        websocket: connection
            .websocket
            .then(|| connection.websocket_path.clone().unwrap_or_else(|| WEBSOCKET_PATH.to_owned())),
        // Port 0 says that the host is a path.
        ..Target::plain(if port == 0 { Endpoint::Unix(host.into()) } else { Endpoint::Tcp { host, port } })
    })
}

/// What the options say of TLS; without a certificate authority of the user's the system's are trusted.
fn tls_settings(draft: &Draft) -> TlsSettings {
    let tls = &draft.tls;
    TlsSettings {
        ca_file: tls.cafile.clone(),
        ca_path: tls.capath.clone(),
        uses_system_roots: tls.tls_use_os_certs || (tls.cafile.is_none() && tls.capath.is_none()),
        certificate: tls.cert.clone(),
        key: tls.key.clone(),
        ignores_name: tls.insecure,
        requires_tls13: tls.tls_version.as_deref() == Some("tlsv1.3"),
        ciphers: tls.ciphers.clone(),
        alpn: tls.tls_alpn.clone(),
        key_log: tls.tls_keylog.clone(),
        psk: tls
            .psk
            .clone()
            .map(|key| PreSharedKey { identity: tls.psk_identity.clone().unwrap_or_default(), key }),
    }
}
