//! How a client that has begun comes to a bad end: mosquitto's text and status for each.

use super::face::Face;
use crate::flags::Tool;
use crate::flags::plan::PlanError;
use crate::net::LookupError;
use crate::net::socks::SocksError;
use crate::net::tls::TlsError;
use crate::net::websocket::WebSocketError;
use crate::output::Fault;
use crate::packet::{Connack, PacketError, Properties, ProtocolVersion, ReasonCode};
use crate::session::SessionError;
use std::io;
use std::path::Path;

const PROTOCOL: &str = "A network protocol error occurred when communicating with the broker";

/// The end of a program that ran: the lines it prints unless it is to be quiet, and its status.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Failure {
    /// Whole lines, for the standard error; may be empty.
    pub text: String,
    /// The exit status.
    pub status: u8,
}

impl Failure {
    fn new(status: u8, text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        text.push('\n');
        Self { text, status }
    }

    fn error(status: u8, what: impl AsRef<str>) -> Self {
        Self::new(status, format!("Error: {}", what.as_ref()))
    }

    fn unable_to_connect(why: &str) -> Self {
        Self::new(1, format!("Unable to connect ({why})."))
    }

    /// A status without a text.
    #[must_use]
    pub const fn silent(status: u8) -> Self {
        Self { text: String::new(), status }
    }

    /// The connection is gone and the program does not make another.
    #[must_use]
    pub fn lost() -> Self {
        Self::error(7, "The connection was lost")
    }

    /// The connection is gone because the transport failed; under our own names the next line says how TLS did.
    #[must_use]
    pub fn of_transport(error: &io::Error, face: Face) -> Self {
        let mut failure = Self::lost();
        if face == Face::Friendly && is_of_tls(error) {
            failure.text.push_str(&format!("{error}\n"));
        }
        failure
    }

    /// What is to be cleared could not be kept; nothing is cleared then.
    #[must_use]
    pub fn of_backup(path: &Path, error: &io::Error) -> Self {
        Self::error(1, format!("Unable to write the backup {}: {}.", path.display(), system_text(error)))
    }

    /// The server did not take so many of the empty messages that clear retained ones.
    #[must_use]
    pub fn of_purge(refused: u64) -> Self {
        Self::error(1, format!("{refused} retained messages were not cleared, the broker refused it."))
    }

    /// A packet that the protocol does not allow.
    #[must_use]
    pub fn of_packet(error: &PacketError) -> Self {
        Self::error(1, error.to_string())
    }

    /// So many commands of `--exec` failed.
    #[must_use]
    pub fn of_executions(failed: u64, count: u64) -> Self {
        Self::error(1, format!("{failed} of {count} commands failed."))
    }

    /// The options do not make a plan.
    #[must_use]
    pub fn of_plan(error: &PlanError, tool: Tool) -> Self {
        match error {
            PlanError::ClientIdentifier => match tool {
                Tool::Publish | Tool::Replay | Tool::Health => Self::error(1, "Invalid id."),
                Tool::Subscribe | Tool::Request | Tool::Record => {
                    Self::error(1, "Invalid id and/or clean_session.")
                }
            },
            PlanError::Will => Self::error(1, "Problem setting will."),
            PlanError::Credentials => Self::error(1, "Problem setting username and/or password."),
            PlanError::TlsFile => Self::error(1, "Problem setting TLS options: File not found."),
            PlanError::TlsOption => {
                Self::error(1, "Problem setting TLS options, check the options are valid.")
            }
            PlanError::Psk => Self::error(1, "Problem setting TLS-PSK options."),
            PlanError::KeyForm => {
                Self::error(1, "Problem setting key form, it must be one of 'pem' or 'engine'.")
            }
            PlanError::Engine(engine) => {
                Self::error(1, format!("Problem setting TLS engine, is {engine} a valid engine?"))
            }
            PlanError::EnginePassword => {
                Self::error(1, "Problem setting TLS engine key pass sha, is it a 40 character hex string?")
            }
            PlanError::Port => Self::unable_to_connect("Invalid input"),
            PlanError::PropertiesBeforeV5 => Self::unable_to_connect("This feature is not supported"),
            PlanError::Connect(PacketError::DuplicateProperty) => {
                Self::unable_to_connect("Duplicate property in property list")
            }
            PlanError::Connect(_) => Self::unable_to_connect(PROTOCOL),
            PlanError::ResponseTopicTwice => {
                Self::new(1, "Error in PUBLISH properties: Duplicate response topic.")
            }
            PlanError::NotBuilt(what) => Self::error(1, format!("{what} is not built into this version.")),
        }
    }

    /// No TLS can be spoken with these files and options.
    #[must_use]
    pub fn of_tls(error: &TlsError, face: Face) -> Self {
        Self::tls(error, face)
    }

    /// mosquitto says only that there was an error; under our own names the next line says which.
    fn tls(why: &dyn std::fmt::Display, face: Face) -> Self {
        let mut failure = Self::unable_to_connect("A TLS error occurred");
        if face == Face::Friendly {
            failure.text.push_str(&format!("{why}\n"));
        }
        failure
    }

    /// The first connection was not made.
    #[must_use]
    pub fn of_dial(error: &io::Error, face: Face) -> Self {
        let inner = error.get_ref();
        if let Some(why) = inner.filter(|_| is_of_tls(error)) {
            return Self::tls(why, face);
        }
        match inner.and_then(|inner| inner.downcast_ref::<SocksError>()) {
            Some(SocksError::Unauthorised) => return Self::error(11, "Authorisation failed"),
            Some(_) => return Self::error(16, "Proxy error."),
            None => {}
        }
        if inner.is_some_and(|inner| inner.is::<WebSocketError>()) {
            return Self::error(13, "Unknown error");
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::lost();
        }
        if LookupError::is_in(error) {
            return Self::unable_to_connect("Lookup error");
        }
        if error.raw_os_error().is_none() && error.kind() == io::ErrorKind::InvalidInput {
            return Self::unable_to_connect("Invalid input");
        }
        Self::error(1, system_text(error))
    }

    /// CONNACK refused the connection.
    #[must_use]
    pub fn of_refusal(connack: &Connack, version: ProtocolVersion, tool: Tool) -> Self {
        let reason = connack.reason;
        let mut text = format!("Connection error: {}", refusal(reason, version));
        if version == ProtocolVersion::V5 && reason == ReasonCode::UNSUPPORTED_PROTOCOL_VERSION {
            text.push_str(". Try connecting to an MQTT v5 broker, or use MQTT v3.x mode.");
        }
        if tool == Tool::Publish {
            text.push_str(match reason.0 {
                1..=5 => "\nError: The connection was refused",
                _ => "\nError: A network protocol error occurred when communicating with the broker",
            });
        }
        Self::new(reason.0, text)
    }

    /// The server broke the protocol, or fell silent; `is_connected` says whether it had accepted the connection.
    #[must_use]
    pub fn of_session(error: SessionError, is_connected: bool) -> Self {
        use PacketError as Packet;
        match error {
            SessionError::PingTimeout => Self::error(19, "Keepalive exceeded"),
            SessionError::ConnackTimeout => Self::lost(),
            // What does not even begin like a CONNACK comes from something else than a broker.
            SessionError::Packet(
                Packet::UnknownPacketType
                | Packet::UnexpectedPacket
                | Packet::ReservedFlags
                | Packet::VariableByteInteger,
            ) if !is_connected => Self::error(14, "Protocol error"),
            SessionError::Packet(Packet::Truncated | Packet::TrailingBytes | Packet::Utf8) => {
                Self::error(21, "Malformed packet")
            }
            _ => Self::error(2, PROTOCOL),
        }
    }

    /// The server ended the connection with a DISCONNECT, MQTT 5.
    #[must_use]
    pub fn of_disconnect(reason: ReasonCode) -> Self {
        if reason == ReasonCode::SUCCESS {
            return Self::default();
        }
        Self::error(4, "The client is not currently connected")
    }

    /// A message was not accepted for sending.
    #[must_use]
    pub fn of_publish(error: SessionError, version: ProtocolVersion) -> Self {
        let lost = Self::lost();
        let why = match error {
            SessionError::NotSupported(ReasonCode::QOS_NOT_SUPPORTED) => {
                "Error: Message QoS not supported on broker, try a lower QoS.\n"
            }
            SessionError::Invalid(_) | SessionError::TopicAliasUnusable if version == ProtocolVersion::V5 => {
                "Error: Protocol error when communicating with broker.\n"
            }
            _ => "",
        };
        Self { text: format!("{why}{}", lost.text), ..lost }
    }

    /// Lines were accepted from the user that no broker has confirmed.
    #[must_use]
    pub fn and_unacknowledged(mut self, count: u64) -> Self {
        if count > 0 {
            let messages = if count == 1 { "message was" } else { "messages were" };
            self.text.push_str(&format!("Error: {count} {messages} not acknowledged.\n"));
            self.status = self.status.max(1);
        }
        self
    }

    /// Lines of QoS 0 were read while there was no connection, and dropped as the reference does; it says nothing.
    #[must_use]
    pub fn and_dropped(mut self, count: u64) -> Self {
        if count > 0 {
            let messages = if count == 1 { "message was" } else { "messages were" };
            let text = format!("Warning: {count} {messages} dropped while there was no connection.\n");
            self.text.push_str(&text);
        }
        self
    }

    /// The server ended the connection before the reply came; unlike the reference's, never a success.
    #[must_use]
    pub fn of_disconnect_before_reply(reason: ReasonCode) -> Self {
        if reason == ReasonCode::SUCCESS { Self::lost() } else { Self::of_disconnect(reason) }
    }

    /// The subscription to the response topic was refused with `reason`.
    #[must_use]
    pub fn of_denied_response(reason: ReasonCode, status: u8) -> Self {
        Self::new(status, reason.name())
    }

    /// `-W` ran out.
    #[must_use]
    pub fn timed_out() -> Self {
        Self::new(27, "Timed out")
    }

    /// The file of `-f` cannot be read; `is_file` is false for something that is no regular file.
    #[must_use]
    pub fn of_file(path: &Path, error: &io::Error, is_file: bool) -> Self {
        let path = path.display();
        // The reference leaves the first line without its end.
        let kind = if is_file { String::new() } else { format!("Error: {path} is not a file.") };
        Self::new(
            1,
            format!(
                "{kind}Error: Unable to read file \"{path}\": {}.\nError loading input file \"{path}\".",
                system_text(error)
            ),
        )
    }

    /// The file of `-f` exceeds what a message can hold.
    #[must_use]
    pub fn file_too_long(path: &Path) -> Self {
        let path = path.display();
        Self::new(
            1,
            format!("Error: File must be less than 268435455 bytes.\nError loading input file \"{path}\"."),
        )
    }

    /// The standard input cannot be read.
    #[must_use]
    pub fn of_input(error: &io::Error) -> Self {
        Self::new(1, format!("Error: {}.\nError loading input from stdin.", system_text(error)))
    }

    /// A line of the input is no message; `number` counts from 1.
    #[must_use]
    pub fn of_line(number: u64, why: &str) -> Self {
        Self::error(1, format!("Line {number} of the input: {why}."))
    }

    /// A recording cannot be read or written, as `what` says.
    #[must_use]
    pub fn of_recording(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::error(1, format!("Unable to {what} {}: {}.", path.display(), system_text(error)))
    }

    /// What a recording shall go into exists.
    #[must_use]
    pub fn recording_exists(path: &Path) -> Self {
        let path = path.display();
        Self::error(1, format!("{path} exists; --append goes on at its end, --force writes over it."))
    }

    /// Those who wait for the subscription could not be told by this option.
    #[must_use]
    pub fn of_ready(flag: &str, error: &io::Error) -> Self {
        Self::error(1, format!("{flag}: {}.", system_text(error)))
    }

    /// The command of this option failed with `status`, which becomes the program's.
    #[must_use]
    pub fn of_command(flag: &str, status: u8) -> Self {
        Self::error(status, format!("The command of {flag} ended with status {status}."))
    }

    /// The standard input is empty where `-s` needs a message.
    #[must_use]
    pub fn input_empty() -> Self {
        Self::new(1, "Error: Zero length input.\nError loading input from stdin.")
    }

    /// The standard input exceeds what a message can hold.
    #[must_use]
    pub fn input_too_long() -> Self {
        Self::new(
            1,
            "Error: Message length must be less than 268435455 bytes.\nError loading input from stdin.",
        )
    }

    /// The runtime could not be set up.
    #[must_use]
    pub fn of_system(error: &io::Error) -> Self {
        Self::error(1, system_text(error))
    }
}

/// Whether `error` is of the TLS layer and not of the socket below it.
#[must_use]
pub fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>() || inner.is::<TlsError>())
}

/// The warning for a message that the server answered with an error, MQTT 5.
#[must_use]
pub fn publish_warning(id: u16, reason: ReasonCode, reason_string: Option<&str>) -> String {
    let mut text = format!("Warning: Publish {id} failed: {reason}.\n");
    if let Some(reason_string) = reason_string {
        text.push_str(reason_string);
        text.push('\n');
    }
    text
}

/// The warning for the first line whose properties are not sent, because `version` has none.
#[must_use]
pub fn properties_warning(line: u64, lost: &Properties, version: ProtocolVersion) -> String {
    let mut names: Vec<_> = lost.as_ref().iter().map(|property| property.identifier.name()).collect();
    names.dedup();
    let version = if version == ProtocolVersion::V31 { "3.1" } else { "3.1.1" };
    format!(
        "Warning: Line {line} of the input has properties ({}), which MQTT {version} does not; they are left out, as in all \
         lines that follow.\n",
        names.join(", ")
    )
}

/// A recorder lost its connection.
pub const RECORDING_GAP: &str =
    "Warning: The connection was lost; what is published until it is back may be missing.\n";

/// The server granted none of the subscriptions.
pub const ALL_SUBSCRIPTIONS_DENIED: &str = "All subscription requests were denied.\n";

/// What stands on the standard error in place of a message that could not be printed; some have no line end.
#[must_use]
pub fn output_fault(fault: Fault, topic: &str) -> String {
    match fault {
        Fault::NotJson => format!("Error: Message payload is not valid JSON on topic {topic}.\n"),
        Fault::NotFloat => "requested float printing, but non-float data received".to_owned(),
        Fault::NotDouble => "requested double printing, but non-double data received".to_owned(),
    }
}

/// The system's text for an error, without the number that Rust adds.
fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// CONNACK's code in words.
fn refusal(reason: ReasonCode, version: ProtocolVersion) -> String {
    if version == ProtocolVersion::V5 {
        return reason.name().to_owned();
    }
    let why = match reason.0 {
        1 => "unacceptable protocol version",
        2 => "identifier rejected",
        3 => "broker unavailable",
        4 => "bad user name or password",
        5 => "not authorised",
        _ => "unknown reason",
    };
    format!("Connection Refused: {why}")
}
