//! What can be wrong with the options, in mosquitto's words.

use std::fmt;
use thiserror::Error;

/// A fault in what was typed; its text is the first line of the error, as scripts look for it.
///
/// Values are shown as they were typed, with what is not UTF-8 replaced.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[allow(missing_docs)] // each variant is its text
pub enum Fault {
    #[error("Error: Unknown option '{0}'.")]
    UnknownOption(String),
    #[error("Error: {0}")]
    MissingValue(&'static str),
    #[error("Error: Duplicate -o argument given.")]
    DuplicateOptionsFile,
    #[error("Error: Invalid message count \"{0}\".")]
    Count(String),
    #[error("Error: Invalid timeout \"{0}\".")]
    Timeout(i32),
    #[error("Error: Only one type of message can be sent at once.")]
    SecondSource,
    #[error("Error: -i and -I argument cannot be used together.")]
    IdAndPrefix,
    #[error("Error: Invalid keepalive given, it must be between 5 and 65535 inclusive.")]
    KeepAlive,
    #[error("Error: Maximum inflight messages must be greater than 0.")]
    Inflight,
    #[error("Error: Message length must be less than 268435455 bytes.")]
    MessageLength,
    #[error("Error: Invalid port given: {0}")]
    Port(i32),
    #[error("Error: Invalid QoS given: {0}")]
    Qos(i32),
    #[error("Error: Invalid will QoS {0}.")]
    WillQos(i32),
    #[error("Error: --random-filter chance must be between 0.1-100.0")]
    RandomFilter,
    #[error("Error: --repeat argument must be >0.")]
    Repeat,
    #[error("Error: --repeat-delay argument must be >=0.0.")]
    RepeatDelay,
    #[error("Error: Unknown value '{0}' for --retain-handling.")]
    RetainHandling(String),
    #[error("Error: Malformed UTF-8 in {0} argument.")]
    Utf8(&'static str),
    #[error("Error: Invalid {0} topic '{1}', does it contain '+' or '#'?")]
    TopicName(&'static str, String),
    #[error("Error: Invalid {0} topic '{1}', are all '+' and '#' wildcards correct?")]
    TopicFilter(&'static str, String),
    #[error("Error: Invalid protocol version argument given.")]
    ProtocolVersion,
    #[error("Error: session-expiry-interval not a number.")]
    ExpiryNotANumber,
    #[error("Error: session-expiry-interval out of range.")]
    ExpiryOutOfRange,
    #[error("Error: Incomplete {0} specifier.")]
    FormatIncomplete(&'static str),
    #[error("Error: Invalid {0} specifier '{1}'.")]
    Format(&'static str, char),

    #[error("Error: Unsupported URL scheme.")]
    UrlScheme,
    #[error("Error: Invalid URL for -L argument specified - topic missing.")]
    UrlTopicMissing,
    #[error("Error: Unsupported proxy protocol: {0}")]
    ProxyProtocol(String),
    #[error("Error: Invalid proxy port {0}")]
    ProxyPort(i32),
    #[error("Error: Invalid proxy.")]
    Proxy,
    #[error("Error: Username cannot contain ':'.")]
    ProxyUserName,
    #[error("Error: Duplicate IPv6 address.")]
    ProxyDuplicateAddress,

    #[error("Error: Invalid command {0} given in --property argument.")]
    PropertyCommand(String),
    #[error("Error: Invalid property name {0} given in --property argument.")]
    PropertyName(String),
    #[error("Error: {0} property not allowed for {1} in --property argument.")]
    PropertyNotAllowed(String, String),
    #[error("Error: {0} property not supported for {1} in --property argument.")]
    PropertyNotSupported(String, String),
    #[error("Error: Property value ({0}) out of range for property {1}.")]
    PropertyRange(i64, String),
    #[error("Error: Property value too long for property {0}.")]
    PropertyTooLong(String),
    #[error("Error adding property {0} {1}")]
    PropertyAdd(String, u8),

    #[error("Error: Will payload given, but no will topic given.")]
    WillPayloadAlone,
    #[error("Error: Will retain given, but no will topic given.")]
    WillRetainAlone,
    #[error("Error: Both certfile and keyfile must be provided if one of them is set.")]
    CertificateAndKey,
    #[error("Error: If keyform is set, keyfile must be also specified.")]
    KeyformAlone,
    #[error("Error: when using tls-engine-kpass-sha1, both tls-engine and keyform must also be provided.")]
    EnginePasswordAlone,
    #[error("Error: Only one of --psk or --cafile/--capath may be used at once.")]
    PskAndCertificates,
    #[error("Error: --psk-identity required if --psk used.")]
    PskIdentityMissing,
    #[error("Error: You must provide a client id if you are using an infinite session expiry interval.")]
    IdForInfiniteExpiry,
    #[error("Error: You must provide a client id if you are using the -c option.")]
    IdForKeptSession,
    #[error("Error: You must specify a topic to subscribe to (-t) or unsubscribe from (-U).")]
    NoFilter,
    #[error("Error: You must specify a topic to record (-t).")]
    NoFilterToRecord,
    #[error("\nError: Combining '-R' and '--retained-only' makes no sense.")]
    RetainedOnlyWithoutRetained,
    #[error("Error: --warn must not be longer than --crit.")]
    WarnBeyondCrit,
    #[error("Error: Recording must be supplied; - is the standard input.")]
    NoRecording,
    #[error("Error: Both topic and message must be supplied.")]
    TopicAndMessage,
    #[error("Error: All of topic, message, and response topic must be supplied.")]
    TopicMessageAndResponse,
    #[error("Error: {0}")]
    Environment(String),
    #[error("Error: Invalid {0} '{1}': {2}.")]
    Value(&'static str, String, String),
    #[error("Error: Unable to read {0}: {1}.")]
    Secret(String, String),
    #[error("Error: {0} needs {1}.")]
    Needs(&'static str, &'static str),
    #[error("Error: {0} and {1} cannot be used together.")]
    Together(&'static str, &'static str),
    /// A fault that the reference reports by the hint alone.
    #[error("")]
    Silent,
}

impl Fault {
    /// Whether the hint at `--help` follows.
    #[must_use]
    pub const fn has_hint(&self) -> bool {
        !matches!(self, Self::RetainedOnlyWithoutRetained | Self::TopicAndMessage)
    }
}

/// Bytes as typed, for a message.
pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The text for an option whose value is missing: mosquitto names the short form whichever was typed.
#[allow(clippy::too_many_lines)] // one table
pub(crate) fn missing_value(id: &str) -> &'static str {
    match id {
        "bind_address" => "-A argument given but no address specified.",
        "count" => "-C argument given but no count specified.",
        "property" => "--property argument given but not enough arguments specified.",
        "format" => "-F argument given but no format specified.",
        "file" => "-f argument given but no file specified.",
        "host" => "-h argument given but no host specified.",
        "id_prefix" => "-I argument given but no id prefix specified.",
        "id" => "-i argument given but no id specified.",
        "keepalive" => "-k argument given but no keepalive specified.",
        "url" => "-L argument given but no URL specified.",
        "inflight_max" => "-M argument given but max_inflight not specified.",
        "message" => "-m argument given but no message specified.",
        "options_file" => "-o argument given but no options file specified.",
        "password" => "-P argument given but no password specified.",
        "port" => "-p argument given but no port specified.",
        "proxy" => "--proxy argument given but no proxy url specified.",
        "qos" => "-q argument given but no QoS specified.",
        "random_filter" => "--random-filter argument given but no chance specified.",
        "response_topic" => "-e argument given but no response topic specified.",
        "repeat" => "--repeat argument given but no count specified.",
        "repeat_delay" => "--repeat-delay argument given but no time specified.",
        "retain_handling" => "--retain-handling argument given but no option specified.",
        "filter_out" => "-T argument given but no topic filter specified.",
        "topic" | "topics" => "-t argument given but no topic specified.",
        "unsubscribe" => "-U argument given but no unsubscribe topic specified.",
        "username" => "-u argument given but no username specified.",
        "unix" => "--unix argument given but no socket path specified.",
        "protocol_version" => "--protocol-version argument given but no version specified.",
        "timeout" => "-W argument given but no timeout specified.",
        "will_payload" => "--will-payload argument given but no will payload specified.",
        "will_qos" => "--will-qos argument given but no will QoS specified.",
        "will_topic" => "--will-topic argument given but no will topic specified.",
        "session_expiry_interval" => "-x argument given but no session expiry interval specified.",
        "cafile" => "--cafile argument given but no file specified.",
        "cert" => "--cert argument given but no file specified.",
        "key" => "--key argument given but no file specified.",
        "tls_keylog" => "--tls-keylog argument given but no file specified.",
        "capath" => "--capath argument given but no directory specified.",
        "ciphers" => "--ciphers argument given but no ciphers specified.",
        "keyform" => "--keyform argument given but no keyform specified.",
        "psk" => "--psk argument given but no key specified.",
        "psk_identity" => "--psk-identity argument given but no identity specified.",
        "tls_alpn" => "--tls-alpn argument given but no protocol specified.",
        "tls_engine" => "--tls-engine argument given but no engine_id specified.",
        "tls_engine_kpass_sha1" => "--tls-engine-kpass-sha1 argument given but no kpass sha1 specified.",
        "tls_version" => "--tls-version argument given but no version specified.",
        "pw_file" => "--pw-file argument given but no file specified.",
        "keypass_file" => "--keypass-file argument given but no file specified.",
        "ready_fd" => "--ready-fd argument given but no descriptor specified.",
        "until" => "--until argument given but no filter specified.",
        "jq" => "--jq argument given but no filter specified.",
        "replies" => "-C argument given but no count specified.",
        "requests" => "--repeat argument given but no count specified.",
        "color" => "--color argument given but no word specified.",
        "exec" => "--exec argument given but no command specified.",
        "exec_jobs" => "--exec-jobs argument given but no count specified.",
        "retry" => "--retry argument given but no duration specified.",
        "recording_file" => "-o argument given but no file specified.",
        "replay_file" => "a recording must be given.",
        "speed" => "--speed argument given but no factor specified.",
        "warn" => "--warn argument given but no duration specified.",
        "crit" => "--crit argument given but no duration specified.",
        "health_timeout" => "--timeout argument given but no duration specified.",
        "health_format" => "--format argument given but no form specified.",
        "map" => "--map argument given but no old=new specified.",
        "backup" => "--backup argument given but no file specified.",
        "ready_file" => "--ready-file argument given but no file specified.",
        "after_suback" => "--after-suback argument given but no command specified.",
        _ => "argument given but no value specified.",
    }
}

/// Why the walk over the options ended before its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Something is wrong.
    Fault(Fault),
    /// `--help` was reached.
    Help,
    /// `--version` was reached.
    Version,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Help => f.write_str("--help"),
            Self::Version => f.write_str("--version"),
        }
    }
}
