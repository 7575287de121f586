//! The broker's own flags.

use clap::{Parser, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// An MQTT 5, 3.1.1 and 3.1 broker for tests
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "culex-broker", version, long_version = long_version(), args_override_self = true)]
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub struct Broker {
    /// Configuration file, in mosquitto.conf's syntax
    #[arg(short, long, value_name = "file")]
    pub config_file: Option<PathBuf>,

    /// Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one
    /// and prints it
    #[arg(short, long, value_name = "port")]
    pub port: Option<u16>,

    /// Go to the background; the command returns when the broker accepts, or with its error
    #[arg(short, long)]
    pub daemon: bool,

    /// Log everything, whatever the configuration says
    #[arg(short, long)]
    pub verbose: bool,

    /// Log nothing, whatever the configuration says
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Read the configuration, say whether it is right, and end
    #[arg(long)]
    pub test_config: bool,

    /// Listen for WebSocket on this port of the loopback addresses too; 0 takes a free one
    #[arg(long, value_name = "port")]
    pub ws_port: Option<u16>,

    /// Listen for TLS too, on a free port of the loopback addresses, with a certificate that is made for this run
    ///
    /// The authority's certificate is written to a temporary file, which `MQTT_CA_FILE` names for the command of
    /// `--exec` and `--print-env` prints. With `--ws-port`, secure WebSocket is spoken on another free port.
    #[arg(long)]
    pub tls_ephemeral: bool,

    /// The port of `--tls-ephemeral`
    #[arg(long, value_name = "port", requires = "tls_ephemeral")]
    pub tls_port: Option<u16>,

    /// Let in this user; may be repeated. Without a configuration file, nobody else is let in
    ///
    /// The command of `--exec` finds the first one in `MQTT_USERNAME` and `MQTT_PASSWORD`.
    #[arg(long, value_name = "name:password")]
    pub user: Vec<String>,

    /// A line of an ACL file, such as `user bob` or `topic read news/#`; may be repeated
    #[arg(long, value_name = "line")]
    pub acl: Vec<String>,

    /// Connections of one listener at most
    #[arg(long, value_name = "count")]
    pub max_connections: Option<usize>,

    /// QoS 1 and 2 messages in flight to one client, told as Receive Maximum; 0 for 65535
    #[arg(long, value_name = "count")]
    pub max_inflight_messages: Option<u16>,

    /// Messages that wait for one client beyond those in flight; 0 for no limit
    #[arg(long, value_name = "count")]
    pub max_queued_messages: Option<usize>,

    /// Longest packet that is accepted, in bytes; 0 for no limit
    #[arg(long, value_name = "bytes", value_parser = parse_packet_size)]
    pub max_packet_size: Option<u32>,

    /// Longest Keep Alive, in seconds; 0 for no limit
    #[arg(long, value_name = "seconds")]
    pub max_keepalive: Option<u16>,

    /// Highest QoS that is accepted
    #[arg(long, value_name = "qos", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub max_qos: Option<u8>,

    /// Tell MQTT 5 clients in words why something was refused
    #[arg(long)]
    pub reason_strings: bool,

    /// Response Information for MQTT 5 clients that ask for it
    #[arg(long, value_name = "text")]
    pub response_information: Option<String>,

    /// Form of the log's lines
    #[arg(long, value_name = "form", default_value = "text")]
    pub log_format: LogFormat,

    /// Append the secrets of TLS connections to this file, in the form that Wireshark reads
    #[arg(long, value_name = "file")]
    pub tls_keylog: Option<PathBuf>,

    /// Print where the broker is found as settings of the environment, once it accepts
    #[arg(long, value_name = "form", conflicts_with = "exec")]
    pub print_env: Option<EnvironmentForm>,

    /// Write the port to this file once it accepts
    #[arg(long, value_name = "file")]
    pub port_file: Option<PathBuf>,

    /// Write the port to this descriptor once it accepts, and close it
    #[arg(long, value_name = "descriptor", value_parser = clap::value_parser!(i32).range(1..))]
    pub ready_fd: Option<i32>,

    /// Write everything that happens to this file, one JSON object a line
    #[cfg(feature = "check")]
    #[arg(long, value_name = "file", conflicts_with = "daemon")]
    pub record: Option<PathBuf>,

    /// Write the packets of all clients to this file, as a capture for Wireshark
    #[cfg(feature = "check")]
    #[arg(long, value_name = "file", conflicts_with = "daemon")]
    pub pcap: Option<PathBuf>,

    /// Write what came of the command and of --assert as JUnit XML
    #[cfg(feature = "check")]
    #[arg(long, value_name = "file", conflicts_with = "daemon")]
    pub junit: Option<PathBuf>,

    /// What must be so at the end; else the status is 1. May be repeated
    #[cfg(feature = "check")]
    #[arg(long = "assert", value_name = "what", conflicts_with = "daemon")]
    pub assert: Vec<Assertion>,

    /// Take steps of scenarios as lines of JSON on this address or unix socket, which CULEX_CONTROL names for the command
    ///
    /// Without a value, a free port of 127.0.0.1. Whoever reaches it may do everything with the broker.
    #[cfg(feature = "check")]
    #[arg(long, value_name = "address", conflicts_with = "daemon", num_args = 0..=1, default_missing_value = "127.0.0.1:0", require_equals = true)]
    pub control: Option<String>,

    /// End when the standard input does
    #[arg(long)]
    pub until_eof: bool,

    /// Run the command behind `--` with a broker of its own on a free port, and end with its status
    ///
    /// The command finds the broker in `MQTT_HOST`, `MQTT_PORT` and `MQTT_URL` (`MQTTS_URL`, `MQTT_WS_URL`,
    /// `MQTT_WSS_URL`, `MQTT_CA_FILE`), and these programs first on its PATH.
    #[arg(long, requires = "command", conflicts_with_all = ["daemon", "until_eof", "test_config"])]
    pub exec: bool,

    /// The command for `--exec`, and its arguments
    #[arg(last = true, value_name = "command", requires = "exec")]
    pub command: Vec<OsString>,
}

/// What must be so when a broker ends.
#[cfg(feature = "check")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Assertion {
    /// No client has broken the protocol
    NoProtocolErrors,
    /// Nothing is retained
    RetainedEmpty,
    /// No client owes an acknowledgement
    AllAcknowledged,
}

#[cfg(feature = "check")]
impl Assertion {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoProtocolErrors => "no-protocol-errors",
            Self::RetainedEmpty => "retained-empty",
            Self::AllAcknowledged => "all-acknowledged",
        }
    }
}

#[cfg(feature = "check")]
impl Broker {
    /// Whether anything asks for a broker that sees everything.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.record.is_some()
            || self.pcap.is_some()
            || self.junit.is_some()
            || !self.assert.is_empty()
            || self.control.is_some()
    }
}

/// Who is to read what `--print-env` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum EnvironmentForm {
    /// `eval "$(...)"` in a POSIX shell.
    Sh,
    /// `eval` or `source` in fish.
    Fish,
    /// One JSON object.
    Json,
    /// To be appended to `$GITHUB_ENV`.
    Github,
}

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// mosquitto's lines.
    #[default]
    Text,
    /// One JSON object a line: time, type, message, and where it concerns one, connection and client.
    Json,
}

/// No packet that says anything fits in less than 20 bytes.
fn parse_packet_size(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(size @ (0 | 20..=268_435_460)) => Ok(size),
        _ => Err("0, or 20 to 268435460 bytes are expected".to_owned()),
    }
}

/// What `--version` tells: the version, and below it what is built in (`+`) and what is not (`-`).
fn long_version() -> String {
    let features = [
        ("tls", cfg!(feature = "tls")),
        ("psk", cfg!(feature = "psk")),
        ("websocket", cfg!(feature = "websocket")),
        ("store", cfg!(feature = "store")),
        ("socks", cfg!(feature = "socks")),
        ("srv", cfg!(feature = "srv")),
        ("bench", cfg!(feature = "bench")),
    ];
    let marked = features.map(|(name, is_built_in)| format!("{}{name}", if is_built_in { '+' } else { '-' }));
    format!("{}\nfeatures: {}\nMQTT: 3.1 3.1.1 5", env!("CARGO_PKG_VERSION"), marked.join(" "))
}
