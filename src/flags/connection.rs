//! How to reach the broker, and as whom.

use super::value::{self, Elsewhere};
use crate::net::socks::Proxy;
use crate::packet::{Properties, ProtocolVersion};
use bytes::Bytes;
use clap::{ArgAction, Args};

/// The flags that every client has for its connection and session.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Host of the broker
    #[arg(short = 'h', long, value_name = "host", default_value = "localhost")]
    pub host: Option<String>,
    /// Port of the broker; 8883 for TLS, else 1883. 0 says that the host is the path of a unix socket
    #[arg(short, long, value_name = "port")]
    pub port: Option<i32>,
    /// Broker, credentials and topic at once: mqtt://user:password@host:port/topic, or mqtts. In ws://host:port/path, or
    /// wss, the path is where the WebSocket is opened, and the topic is -t's
    #[arg(short = 'L', long, value_name = "url", value_parser = value::elsewhere)]
    pub url: Option<Elsewhere>,
    /// Connect through this unix socket
    #[arg(long, value_name = "path", value_parser = value::elsewhere)]
    pub unix: Option<Elsewhere>,
    /// Use WebSocket
    #[arg(long = "ws")]
    pub websocket: bool,
    /// Connect through a SOCKS5 proxy: socks5h://user:password@host:port
    #[arg(long, value_name = "url", value_parser = value::elsewhere)]
    pub proxy: Option<Elsewhere>,
    /// What `--proxy` said.
    #[arg(skip)]
    pub socks_proxy: Option<Proxy>,
    /// Find the broker by DNS SRV records of the host's domain
    #[arg(short = 'S')]
    pub srv: bool,
    /// Local address to connect from
    #[arg(short = 'A', value_name = "address")]
    pub bind_address: Option<String>,
    /// Send small packets at once (TCP_NODELAY)
    #[arg(long)]
    pub nodelay: bool,
    /// Client Identifier; without one the broker assigns it
    #[arg(short, long, value_name = "id", value_parser = value::bytes, help_heading = "Session")]
    pub id: Option<Bytes>,
    /// Client Identifier made of this prefix and the process number
    #[arg(short = 'I', long, value_name = "prefix", value_parser = value::bytes, help_heading = "Session")]
    pub id_prefix: Option<Bytes>,
    /// Keep the session of this client identifier (Clean Start 0)
    #[arg(short = 'c', long, help_heading = "Session")]
    pub disable_clean_session: bool,
    /// Session Expiry Interval in seconds (MQTT 5); -1 or 4294967295 for ever
    #[arg(short = 'x', value_name = "seconds", allow_hyphen_values = true, help_heading = "Session")]
    pub session_expiry_interval: Option<u32>,
    /// Keep Alive in seconds, 5 to 65535
    #[arg(short, long, value_name = "seconds", default_value = "60", help_heading = "Session")]
    pub keepalive: Option<u16>,
    /// Version of the protocol
    #[arg(short = 'V', long, value_name = "31|311|5", value_parser = value::version(), hide_possible_values = true, default_value = "311", help_heading = "Session")]
    pub protocol_version: Option<ProtocolVersion>,
    /// User Name
    #[arg(short, long, value_name = "name", value_parser = value::bytes, help_heading = "Session")]
    pub username: Option<Bytes>,
    /// Password
    #[arg(short = 'P', long = "pw", value_name = "password", value_parser = value::bytes, help_heading = "Session")]
    pub password: Option<Bytes>,
    /// Read the password from the first line of this file
    #[arg(long = "pw-file", value_name = "file", value_parser = value::elsewhere, help_heading = "Session")]
    pub pw_file: Option<Elsewhere>,
    /// Read the password from the first line of the standard input; what follows it is left for messages
    #[arg(long = "pw-stdin", help_heading = "Session")]
    pub pw_stdin: bool,
    /// Most messages in flight at once
    #[arg(short = 'M', value_name = "count", default_value = "20", help_heading = "Session")]
    pub inflight_max: Option<u32>,
    /// Add a property to a packet (MQTT 5): packet, property, value; user-property takes a name and a value
    #[arg(short = 'D', long, num_args = 3..=4, action = ArgAction::Append, value_names = ["packet", "property", "value"], value_parser = value::elsewhere, help_heading = "Session")]
    pub property: Vec<Elsewhere>,
    /// The properties given with `--property`, by packet.
    #[arg(skip)]
    pub properties: PropertyLists,
    /// Where a WebSocket is opened, if its `--url` says so.
    #[arg(skip)]
    pub websocket_path: Option<String>,
    /// A `--url` had no topic, so it must come from elsewhere.
    #[arg(skip)]
    pub url_without_topic: bool,
}

impl Connection {
    /// The Session Expiry Interval in seconds that the options ask for; without `-x` a kept session has no end.
    #[must_use]
    pub fn expiry(&self) -> u32 {
        let unless_given = if self.disable_clean_session { u32::MAX } else { 0 };
        self.session_expiry_interval.unwrap_or(unless_given)
    }
}

/// The properties for each packet that a client sends, in the order given.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // one list a packet, by the packet's name
pub struct PropertyLists {
    pub connect: Properties,
    pub publish: Properties,
    pub will: Properties,
    pub subscribe: Properties,
    pub unsubscribe: Properties,
    pub disconnect: Properties,
}
