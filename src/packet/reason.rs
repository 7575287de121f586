//! Reason Codes (MQTT 5, section 2.4) and the Return Codes of CONNACK before MQTT 5.

use std::fmt;

/// The one-byte result of an operation; below 0x80 it succeeded.
///
/// Any byte can be held, because a CONNACK's code is reported as it came.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReasonCode(pub u8);

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        impl ReasonCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The standard's name of the code, in the spelling of mosquitto's messages; `Unknown reason` for the rest.
            ///
            /// 0x00 is "Success"; SUBACK's Granted QoS 0 and DISCONNECT's Normal disconnection share that code.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($code => $text,)*
                    _ => "Unknown reason",
                }
            }

            /// The name of a CONNACK's code, in which MQTT 3 has numbers of its own: 0x04 is "bad user name or password" there.
            #[must_use]
            pub const fn refusal_name(self) -> &'static str {
                match self.0 {
                    1 => "unacceptable protocol version",
                    2 => "identifier rejected",
                    3 => "server unavailable",
                    4 => "bad user name or password",
                    5 => "not authorized",
                    _ => self.name(),
                }
            }
        }
    };
}

reason_codes! {
    /// Success, Granted QoS 0, Normal disconnection.
    SUCCESS = 0x00, "Success";
    /// Granted QoS 1.
    GRANTED_QOS_1 = 0x01, "Granted QoS 1";
    /// Granted QoS 2.
    GRANTED_QOS_2 = 0x02, "Granted QoS 2";
    /// Disconnect with Will Message.
    DISCONNECT_WITH_WILL = 0x04, "Disconnect with Will Message";
    /// No matching subscribers.
    NO_MATCHING_SUBSCRIBERS = 0x10, "No matching subscribers";
    /// No subscription existed.
    NO_SUBSCRIPTION_EXISTED = 0x11, "No subscription existed";
    /// Continue authentication.
    CONTINUE_AUTHENTICATION = 0x18, "Continue authentication";
    /// Re-authenticate.
    REAUTHENTICATE = 0x19, "Re-authenticate";
    /// Unspecified error.
    UNSPECIFIED = 0x80, "Unspecified error";
    /// Malformed Packet.
    MALFORMED_PACKET = 0x81, "Malformed Packet";
    /// Protocol Error.
    PROTOCOL_ERROR = 0x82, "Protocol Error";
    /// Implementation specific error.
    IMPLEMENTATION_SPECIFIC = 0x83, "Implementation specific error";
    /// Unsupported Protocol Version.
    UNSUPPORTED_PROTOCOL_VERSION = 0x84, "Unsupported Protocol Version";
    /// Client Identifier not valid.
    CLIENT_IDENTIFIER_NOT_VALID = 0x85, "Client Identifier not valid";
    /// Bad User Name or Password.
    BAD_USER_NAME_OR_PASSWORD = 0x86, "Bad User Name or Password";
    /// Not authorized.
    NOT_AUTHORIZED = 0x87, "Not authorized";
    /// Server unavailable.
    SERVER_UNAVAILABLE = 0x88, "Server unavailable";
    /// Server busy.
    SERVER_BUSY = 0x89, "Server busy";
    /// Banned.
    BANNED = 0x8A, "Banned";
    /// Server shutting down.
    SERVER_SHUTTING_DOWN = 0x8B, "Server shutting down";
    /// Bad authentication method.
    BAD_AUTHENTICATION_METHOD = 0x8C, "Bad authentication method";
    /// Keep Alive timeout.
    KEEP_ALIVE_TIMEOUT = 0x8D, "Keep Alive timeout";
    /// Session taken over.
    SESSION_TAKEN_OVER = 0x8E, "Session taken over";
    /// Topic Filter invalid.
    TOPIC_FILTER_INVALID = 0x8F, "Topic Filter invalid";
    /// Topic Name invalid.
    TOPIC_NAME_INVALID = 0x90, "Topic Name invalid";
    /// Packet Identifier in use.
    PACKET_IDENTIFIER_IN_USE = 0x91, "Packet Identifier in use";
    /// Packet Identifier not found.
    PACKET_IDENTIFIER_NOT_FOUND = 0x92, "Packet Identifier not found";
    /// Receive Maximum exceeded.
    RECEIVE_MAXIMUM_EXCEEDED = 0x93, "Receive Maximum exceeded";
    /// Topic Alias invalid.
    TOPIC_ALIAS_INVALID = 0x94, "Topic Alias invalid";
    /// Packet too large.
    PACKET_TOO_LARGE = 0x95, "Packet too large";
    /// Message rate too high.
    MESSAGE_RATE_TOO_HIGH = 0x96, "Message rate too high";
    /// Quota exceeded.
    QUOTA_EXCEEDED = 0x97, "Quota exceeded";
    /// Administrative action.
    ADMINISTRATIVE_ACTION = 0x98, "Administrative action";
    /// Payload format invalid.
    PAYLOAD_FORMAT_INVALID = 0x99, "Payload format invalid";
    /// Retain not supported.
    RETAIN_NOT_SUPPORTED = 0x9A, "Retain not supported";
    /// QoS not supported.
    QOS_NOT_SUPPORTED = 0x9B, "QoS not supported";
    /// Use another server.
    USE_ANOTHER_SERVER = 0x9C, "Use another server";
    /// Server moved.
    SERVER_MOVED = 0x9D, "Server moved";
    /// Shared Subscriptions not supported.
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E, "Shared Subscriptions not supported";
    /// Connection rate exceeded.
    CONNECTION_RATE_EXCEEDED = 0x9F, "Connection rate exceeded";
    /// Maximum connect time.
    MAXIMUM_CONNECT_TIME = 0xA0, "Maximum connect time";
    /// Subscription Identifiers not supported.
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1, "Subscription identifiers not supported";
    /// Wildcard Subscriptions not supported.
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2, "Wildcard Subscriptions not supported";
}

impl ReasonCode {
    /// Whether the operation failed: 0x80 and above.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 >= 0x80
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} {}", self.0, self.name())
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
