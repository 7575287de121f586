//! The load generator's own flags: what a fleet needs, where a single client has other letters.

mod config;
mod engine;
mod error;
mod idle;
mod layout;
pub mod plan;
#[cfg(test)]
mod preflight_tests;
mod scenario;
mod sink;
mod url;
mod value;

pub use error::BenchError;
pub use scenario::{BenchFile, Scenario, ScenarioError, ScenarioRun};
pub use sink::BenchSink;
pub use value::{Arrived, BrokerUrl, Ramp, Rate, Sizes, Slow, Stage};

use super::bench_result::{Gates, ResultFiles};
use crate::bench::plan::{Backoff, WarmUp};
use crate::bench::view::prometheus;
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What a run does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum ModeWord {
    /// Publishers and subscribers in this process, with latencies end to end
    #[default]
    Run,
    /// Publishers alone
    Pub,
    /// Subscribers alone, for what others publish
    Sub,
    /// Connections that only stay
    Conn,
    /// Requests and their replies, with round trips; with --subs 0 another machine's reflect replies
    Rr,
    /// The far side of rr: answers requests until its --duration is over
    Reflect,
    /// The highest total rate at which a condition holds, such as 'p99<50ms,loss=0'
    Find,
    /// All clients at once: see --kind
    Storm,
    /// This machine's own ceiling: publishers against a sink in this process
    Calibrate,
}

/// What all clients of a storm do at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum StormWord {
    /// Lose their connections without a word, and come back
    Reconnect,
    /// Die, so that the broker publishes their wills to one subscriber
    Will,
    /// Subscribe to --messages retained topics (1,000)
    Retain,
    /// Send --messages SUBSCRIBE packets (one each)
    Subscribe,
    /// Come back to their sessions, in which --messages messages wait (100 each)
    Resume,
}

/// What else the program does, each with a help of its own.
const AFTER_HELP: &str = "\
Also, each with its own --help:
  culex-bench merge FILE...     add the segments of one run
  culex-bench report FILE...    show results again, in other forms
  culex-bench compare OLD NEW   tell how two runs differ
  culex-bench file FILE.toml    run what a scenario file says
  culex-bench sink              a broker that only answers and counts, with faults on purpose";

/// Load any MQTT broker and measure it
///
/// Without a single option: 10 publishers to 10 subscribers, 1,000 messages a second in total, for 10 seconds.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "culex-bench",
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = AFTER_HELP
)]
pub struct Bench {
    /// What to do
    #[arg(value_enum, default_value = "run")]
    pub mode: ModeWord,
    /// For find: the condition
    #[arg(value_name = "condition", required_if_eq("mode", "find"))]
    pub condition: Option<String>,
    /// For storm: what all clients do at once
    #[arg(long, value_enum, value_name = "kind", required_if_eq("mode", "storm"))]
    pub kind: Option<StormWord>,
    /// Where the broker is, and how to get there.
    #[command(flatten)]
    pub connection: BenchConnection,
    /// Encryption.
    #[command(flatten)]
    pub tls: BenchTls,
    /// As whom.
    #[command(flatten)]
    pub identity: BenchIdentity,
    /// How much.
    #[command(flatten)]
    pub load: BenchLoad,
    /// What is published.
    #[command(flatten)]
    pub message: BenchMessage,
    /// What is subscribed to.
    #[command(flatten)]
    pub subscribers: BenchSubscribers,
    /// The generator itself.
    #[command(flatten)]
    pub generator: BenchGenerator,
    /// Where the result goes.
    #[command(flatten)]
    pub output: ResultFiles,
    /// What must hold of it.
    #[command(flatten)]
    pub gates: Gates,
}

impl Bench {
    /// Reads the words of a command line, of which the first is the name of the program; with them comes what
    /// `run.config` of a result says.
    ///
    /// # Errors
    ///
    /// What clap says about the words.
    pub fn read(argv: impl IntoIterator<Item = OsString>) -> Result<(Self, serde_json::Value), clap::Error> {
        Self::read_for(argv, |_| true)
    }

    /// As [`Bench::read`], but of what would do nothing only the options that `is_own` names are refused.
    fn read_for(
        argv: impl IntoIterator<Item = OsString>,
        is_own: impl Fn(&str) -> bool,
    ) -> Result<(Self, serde_json::Value), clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(argv)?;
        let mut flags = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        flags.take_url(&mut command, &matches)?;
        flags.check_idle(&mut command, &matches, is_own)?;
        Ok((flags.settled(), config::config(&command, &matches)))
    }

    /// With what a mode implies: a calibration sends as fast as it goes.
    #[must_use]
    pub fn settled(mut self) -> Self {
        if self.mode == ModeWord::Calibrate {
            self.load.closed = true;
        }
        match self.kind {
            Some(StormWord::Retain) => each_its_own(&mut self.message.topic),
            Some(StormWord::Subscribe) if self.subscribers.filter.is_empty() => {
                let mut filter = self.message.topic.clone();
                each_its_own(&mut filter);
                self.subscribers.filter.push(filter);
            }
            // Of QoS 0 nothing need wait for a client.
            Some(StormWord::Resume) => {
                self.message.qos = self.message.qos.max(crate::packet::Qos::AtLeastOnce)
            }
            _ => {}
        }
        self
    }
}

/// Adds the sequence number to a template that has none.
fn each_its_own(template: &mut String) {
    if !template.contains("%s") {
        template.push_str("/%s");
    }
}

/// Where the broker is.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub struct BenchConnection {
    /// Host of the broker
    #[arg(
        short = 'h',
        long,
        value_name = "host",
        env = "MQTT_HOST",
        hide_env_values = true,
        default_value = "localhost"
    )]
    pub host: String,
    /// Port of the broker; 8883 with TLS, else 1883
    #[arg(short, long, value_name = "port", env = "MQTT_PORT", hide_env_values = true)]
    pub port: Option<u16>,
    /// The broker in one word: mqtt://user:password@host:port, or with mqtts, ws or wss
    #[arg(long, value_name = "url", env = "MQTT_URL", hide_env_values = true, value_parser = value::url)]
    pub url: Option<BrokerUrl>,
    /// Speak WebSocket
    #[arg(long = "ws")]
    pub websocket: bool,
    /// What the WebSocket is opened at
    #[arg(long, value_name = "path", default_value = "/mqtt", requires = "websocket")]
    pub ws_path: String,
    /// Connect through this unix socket
    #[arg(long, value_name = "path", conflicts_with = "bind")]
    pub unix: Option<PathBuf>,
    /// Run against a broker of our own, in this process, started for the run
    #[arg(long, conflicts_with = "unix")]
    pub embedded: bool,
    /// Source addresses, taken in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9, separated by commas
    #[arg(short = 'A', long, alias = "ifaddr", value_name = "list", value_delimiter = ',')]
    pub bind: Vec<String>,
    /// Let the kernel gather small packets (Nagle's algorithm)
    #[arg(long)]
    pub no_nodelay: bool,
    /// Let the kernel delay acknowledgements, as ordinary clients do
    #[arg(long)]
    pub no_quickack: bool,
    /// Size of each socket's send buffer
    #[arg(long, value_name = "bytes", value_parser = value::size)]
    pub sndbuf: Option<usize>,
    /// Size of each socket's receive buffer
    #[arg(long, value_name = "bytes", value_parser = value::size)]
    pub rcvbuf: Option<usize>,
    /// How long one connection may take to CONNACK
    #[arg(long, value_name = "duration", value_parser = value::duration, default_value = "10s")]
    pub connect_timeout: Duration,
    /// Make a lost connection again after this pause, or as 1s..30s after pauses that grow from one to the other, each
    /// shortened by up to half by chance; else it stays away
    #[arg(long, value_name = "duration", value_parser = value::backoff)]
    pub reconnect: Option<Backoff>,
}

/// Encryption.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub struct BenchTls {
    /// Speak TLS; so do the other options of this group
    #[arg(long)]
    pub tls: bool,
    /// File with trusted CA certificates; the system's are trusted by default
    #[arg(long, value_name = "file")]
    pub cafile: Option<PathBuf>,
    /// Directory with trusted CA certificates
    #[arg(long, value_name = "directory")]
    pub capath: Option<PathBuf>,
    /// File with each client's certificate; a template: certs/%i.pem
    #[arg(long, value_name = "template", requires = "key")]
    pub cert: Option<String>,
    /// File with each client's private key; a template
    #[arg(long, value_name = "template", requires = "cert")]
    pub key: Option<String>,
    /// Pre-shared key in hexadecimal, in place of certificates; a template (in builds with the feature psk)
    #[arg(long, value_name = "template", requires = "psk_identity", conflicts_with_all = ["cafile", "capath", "cert", "tls_resume"])]
    pub psk: Option<String>,
    /// Under which name the broker knows the key; a template
    #[arg(long, value_name = "template", requires = "psk")]
    pub psk_identity: Option<String>,
    /// Do not check that the certificate names the host
    #[arg(long)]
    pub insecure: bool,
    /// Ciphers to offer
    #[arg(long, value_name = "list")]
    pub ciphers: Option<String>,
    /// Lowest version of TLS: tlsv1.2 or tlsv1.3
    #[arg(long, value_name = "version", value_parser = ["tlsv1.2", "tlsv1.3"], hide_possible_values = true)]
    pub tls_version: Option<String>,
    /// Let each client resume its TLS session when it connects again; else every handshake is a full one
    #[arg(long)]
    pub tls_resume: bool,
    /// Application protocol to offer (ALPN)
    #[arg(long, value_name = "protocol")]
    pub tls_alpn: Option<String>,
}

/// As whom clients connect.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Session")]
pub struct BenchIdentity {
    /// Client Identifiers; a template, as those of topics, where %i counts all clients, publishers first
    #[arg(long, value_name = "template", conflicts_with = "id_prefix")]
    pub id: Option<String>,
    /// Client Identifiers made of this prefix and the index
    #[arg(long, alias = "prefix", value_name = "prefix")]
    pub id_prefix: Option<String>,
    /// User Names; a template
    #[arg(short, long, value_name = "template", env = "MQTT_USERNAME", hide_env_values = true)]
    pub username: Option<String>,
    /// Passwords; a template
    #[arg(short = 'P', long = "pw", value_name = "template", env = "MQTT_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Take identifiers, names, passwords and certificates from this file: a line of id,user,password,cert,key a client
    #[arg(long, value_name = "file")]
    pub credentials: Option<PathBuf>,
    /// Version of the protocol: 5, 311, 31 (or mqttv5, 4, 3)
    #[arg(short = 'V', long, value_name = "version", value_parser = value::version, default_value = "5")]
    pub protocol_version: crate::packet::ProtocolVersion,
    /// Keep Alive in seconds; 0 turns it off
    #[arg(short, long, value_name = "seconds", default_value_t = 60)]
    pub keepalive: u16,
    /// Keep sessions (Clean Start 0)
    #[arg(long)]
    pub no_clean: bool,
    /// Session Expiry Interval in seconds (MQTT 5)
    #[arg(short = 'x', value_name = "seconds")]
    pub session_expiry_interval: Option<u32>,
    /// Topic of each client's Will Message; a template
    #[arg(long, value_name = "template")]
    pub will_topic: Option<String>,
    /// Payload of the will; a template
    #[arg(long, value_name = "template", requires = "will_topic", default_value = "")]
    pub will_payload: String,
    /// Quality of Service of the will
    #[arg(long, value_name = "0|1|2", value_parser = super::value::qos(), hide_possible_values = true, default_value = "0", requires = "will_topic")]
    pub will_qos: crate::packet::Qos,
    /// Let the broker retain the will
    #[arg(long, requires = "will_topic")]
    pub will_retain: bool,
    /// Add a property to a packet (MQTT 5): packet (connect, will, publish, subscribe, unsubscribe, disconnect), property,
    /// value; user-property takes a name and a value
    #[arg(short = 'D', long, num_args = 3..=4, action = clap::ArgAction::Append, value_names = ["packet", "property", "value"])]
    pub property: Vec<String>,
    /// Put clients into this many groups, the number of which is %g
    #[arg(long, value_name = "count", default_value_t = 0)]
    pub groups: u32,
    /// Index of the first client
    #[arg(long, value_name = "index", default_value_t = 0)]
    pub start_index: u32,
}

/// How much is sent, and when.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Load")]
pub struct BenchLoad {
    /// Publishers (in sub: subscribers, in conn: connections, in rr: requesters, in reflect: responders)
    #[arg(short = 'c', long, alias = "count", value_name = "count", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub clients: u32,
    /// Messages a second of all publishers together: 50k, 50k/s, 90/m; max sends as fast as window and broker allow,
    /// which is a closed loop
    #[arg(long, value_name = "rate", value_parser = value::rate, default_value = "1k", conflicts_with_all = ["rate_per_client", "message_interval", "ramp", "stages"])]
    pub rate: Rate,
    /// Messages a second of each publisher
    #[arg(long, value_name = "rate", value_parser = value::rate, conflicts_with_all = ["message_interval", "ramp", "stages"])]
    pub rate_per_client: Option<Rate>,
    /// Milliseconds between two messages of each publisher
    #[arg(short = 'I', long, value_name = "ms", value_parser = value::positive, conflicts_with_all = ["ramp", "stages"])]
    pub message_interval: Option<f64>,
    /// Total rate that rises evenly and then stays: 0..100k/60s
    #[arg(long, value_name = "from..to/time", value_parser = value::ramp, conflicts_with = "stages")]
    pub ramp: Option<Ramp>,
    /// Total rates one after the other: 10s@1k,30s@10k
    #[arg(long, value_name = "list", value_parser = value::stage, value_delimiter = ',')]
    pub stages: Vec<Stage>,
    /// Send each message when one before it is acknowledged, as fast as that goes (a closed loop, which hides stalls)
    #[arg(long)]
    pub closed: bool,
    /// How messages are spread: uniform, poisson, or burst:N/1s, which is its own rate
    #[arg(long, value_name = "form", value_parser = value::arrival, default_value = "uniform")]
    pub arrival: Arrived,
    /// Drop messages that could not be sent within this time, and count them, instead of letting them wait
    #[arg(long, value_name = "duration", value_parser = value::duration)]
    pub max_lag: Option<Duration>,
    /// Measured time; in conn the time for which connections stay
    #[arg(short = 'W', long, value_name = "duration", value_parser = value::duration, default_value = "10s")]
    pub duration: Duration,
    /// Total number of messages, which ends the load before its time does; in storms what they are made of
    #[arg(short = 'L', long, value_name = "count", value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: Option<u64>,
    /// Load before the measured time, counted but not in the result; 1s by default, none with --messages. auto waits until
    /// throughput and median latency have been steady for ten seconds, at most a minute
    #[arg(long, value_name = "duration", value_parser = value::warm_up)]
    pub warmup: Option<WarmUp>,
    /// Fail (status 5) when throughput or median latency did not hold still in the last ten measured seconds
    #[arg(long)]
    pub steady: bool,
    /// Run this many times, and tell how the runs differ
    #[arg(long, value_name = "count", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
    /// How long nothing may arrive at the end before what is missing is lost; in sub how long to go on reading
    #[arg(long, value_name = "duration", value_parser = value::duration, default_value = "5s")]
    pub drain: Duration,
    /// Connections a second, also fractions
    #[arg(short = 'R', long, value_name = "rate", value_parser = value::rate, conflicts_with = "connect_interval")]
    pub connect_rate: Option<Rate>,
    /// Milliseconds between two connections
    #[arg(short = 'i', long, alias = "interval", value_name = "ms", value_parser = value::positive)]
    pub connect_interval: Option<f64>,
}

/// What is published.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Message")]
pub struct BenchMessage {
    /// Topic; a template: %i index, %c client identifier, %u user name, %g group, %h this machine, %s sequence number,
    /// %r{a..b} random number, %i{a..b} index within a range, %% percent sign
    #[arg(short, long, value_name = "template", default_value = "bench/%i")]
    pub topic: String,
    /// Quality of Service of the messages; in storm --kind resume at least 1
    #[arg(short, long, value_name = "0|1|2", value_parser = super::value::qos(), hide_possible_values = true, default_value = "0")]
    pub qos: crate::packet::Qos,
    /// Let the broker retain the messages
    #[arg(short, long)]
    pub retain: bool,
    /// Size of the payload: 16, 1k, 16..512
    #[arg(short, long, value_name = "bytes", value_parser = value::sizes, default_value = "64", conflicts_with_all = ["message", "file", "lines"])]
    pub size: Sizes,
    /// Share of the payload that compresses away, in percent
    #[arg(long, value_name = "percent", value_parser = clap::value_parser!(u8).range(0..=100), default_value_t = 0, conflicts_with_all = ["message", "file", "lines", "template"])]
    pub compressible: u8,
    /// Payload; a template
    #[arg(short, long, value_name = "template", conflicts_with_all = ["file", "lines"])]
    pub message: Option<String>,
    /// Payload from this file
    #[arg(short, long, value_name = "file", conflicts_with = "lines")]
    pub file: Option<PathBuf>,
    /// Payloads from the lines of this file, round and round
    #[arg(long, value_name = "file")]
    pub lines: Option<PathBuf>,
    /// Payload made for each message from this file: {{seq}} {{ts_ms}} {{ts_ns}} {{rand a b}} {{gauss m s}} {{uuid}}
    /// {{client}} {{user}} {{index}} {{group}} {{host}}
    #[arg(long, value_name = "file", conflicts_with_all = ["message", "file", "lines", "size"])]
    pub template: Option<PathBuf>,
    /// How messages are marked: auto, full (24 bytes), seq (8 bytes), property (MQTT 5), off
    ///
    /// auto: in the front of the payload when it is filler, as a property when it is yours.
    #[arg(long, value_name = "form", value_enum, default_value = "auto")]
    pub stamp: StampWord,
    /// Messages of QoS 1 and 2 in flight for each publisher; 0 for as many as the broker takes
    #[arg(
        short = 'w',
        long,
        visible_alias = "inflight",
        short_alias = 'F',
        value_name = "count",
        default_value_t = 20
    )]
    pub window: u16,
}

/// How messages are marked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum StampWord {
    /// What suits the payload
    #[default]
    Auto,
    /// 24 bytes
    Full,
    /// 8 bytes
    Seq,
    /// A User Property
    Property,
    /// Nothing
    Off,
}

/// What is subscribed to.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Subscribers")]
pub struct BenchSubscribers {
    /// Subscribers in run, responders in rr; as many as publishers by default
    #[arg(long, value_name = "count")]
    pub subs: Option<u32>,
    /// Filter of each subscriber; a template, the topic's by default; repeat it for several
    #[arg(long, value_name = "template")]
    pub filter: Vec<String>,
    /// Quality of Service of the subscriptions; that of the messages by default
    #[arg(long, value_name = "0|1|2", value_parser = super::value::qos(), hide_possible_values = true)]
    pub sub_qos: Option<crate::packet::Qos>,
    /// Give each subscription this Subscription Identifier (MQTT 5)
    #[arg(long, value_name = "number", value_parser = clap::value_parser!(u32).range(1..=268_435_455))]
    pub sub_id: Option<u32>,
    /// Subscribe as members of this shared subscription; a template
    #[arg(long, value_name = "group")]
    pub share: Option<String>,
    /// Let each subscriber, or as 10/s:3 the first three, read no more messages a second than this while the load lasts;
    /// --rcvbuf 4k lets the broker feel it sooner
    #[arg(long, value_name = "rate", value_parser = value::slow)]
    pub slow_consumer: Option<Slow>,
    /// Pass over messages that were retained before
    #[arg(long)]
    pub no_retained: bool,
    /// Unsubscribe at the end
    #[arg(long)]
    pub unsubscribe: bool,
    /// One publisher whose messages go to this many subscribers
    #[arg(long, value_name = "count", conflicts_with_all = ["subs", "fan_in"], value_parser = clap::value_parser!(u32).range(1..))]
    pub fan_out: Option<u32>,
    /// All publishers' messages go to this many subscribers
    #[arg(long, value_name = "count", conflicts_with = "subs", value_parser = clap::value_parser!(u32).range(1..))]
    pub fan_in: Option<u32>,
}

/// How a run shows where it stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum ProgressWord {
    /// Redrawn on a terminal, a line a second elsewhere
    #[default]
    Auto,
    /// A line a second
    Plain,
    /// Nothing
    None,
}

/// What makes the load.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum EngineWord {
    /// Our own event loops
    #[default]
    Own,
    /// The client library rumqttc: a task or two a client
    Rumqttc,
}

/// The generator itself.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Generator")]
pub struct BenchGenerator {
    /// What makes the load: own event loops, or the client library rumqttc (run, pub and sub over TCP and TLS)
    #[arg(long, value_name = "name", value_enum, default_value = "own", hide_possible_values = true)]
    pub engine: EngineWord,
    /// Event loops, each a thread; as many as there are processors by default
    #[arg(long, value_name = "count", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Keep each thread to a processor of its own (Linux)
    #[arg(long)]
    pub pin: bool,
    /// Be part i of n of the load, as 0/3; also from JOB_COMPLETION_INDEX, NOMAD_ALLOC_INDEX or SLURM_PROCID, with
    /// BENCH_SEGMENTS or SLURM_NTASKS
    #[arg(long, value_name = "i/n", value_parser = value::segment)]
    pub segment: Option<(u32, u32)>,
    /// Begin the load then: +30s, or a time such as 2026-11-22T20:00:00Z
    #[arg(long, value_name = "time", value_parser = value::moment)]
    pub start_at: Option<std::time::SystemTime>,
    /// Begin the load when a message comes on this topic, or is retained there: one message starts all segments
    #[arg(long, value_name = "topic", conflicts_with = "start_at")]
    pub gate: Option<String>,
    /// Compare this clock with that of the other side over the broker, so that sub, or segments that hear each other, tell
    /// latencies from host to host, with a bound of their error; both sides need it
    #[arg(long)]
    pub sync_clocks: bool,
    /// Serve what is counted for Prometheus while it runs, on this port or address
    #[arg(long, value_name = "address", value_parser = prometheus::parse_address)]
    pub prometheus: Option<std::net::SocketAddr>,
    /// Say what share of this machine's ceiling was used: what calibrate wrote with --json or --out
    #[arg(long, value_name = "file")]
    pub calibration: Option<PathBuf>,
    /// Fail (status 5) when the generator was the limit, or the load was not steady
    #[arg(long)]
    pub strict: bool,
    /// Compare with the broker's own counters ($SYS); waits for them before and after the run, on mosquitto up to ten
    /// seconds each
    #[arg(long, conflicts_with = "embedded")]
    pub check_sys: bool,
    /// Do not count these against the run: loss, duplicate, reorder
    #[arg(long, value_name = "kind", value_delimiter = ',', value_parser = ["loss", "duplicate", "reorder"])]
    pub allow: Vec<String>,
    /// How the run shows where it stands: auto (redrawn on a terminal, a line a second elsewhere), plain, none
    #[arg(long, value_name = "form", value_enum, default_value = "auto", hide_possible_values = true)]
    pub progress: ProgressWord,
    /// Print no progress and no preflight
    #[arg(long)]
    pub quiet: bool,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    /// Print the version
    #[arg(long)]
    pub version: bool,
}
