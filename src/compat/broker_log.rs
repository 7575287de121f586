//! The broker's log in mosquitto's words, so that scripts that look for them go on working.

use super::mosquitto_conf::{LogPlan, LogTypes};
use crate::broker::Statistics;
use crate::journal::{CloseReason, Entry, Fact, PacketFact, Severity, Topics, WillFact};
use crate::net::server::HandshakeFailure;
use crate::packet::{PacketError, PacketType, ProtocolVersion, ReasonCode};
use std::fmt::Write;
use std::io;

/// The kinds of facts that `plan` has lines for.
#[must_use]
pub fn wanted_facts(plan: &LogPlan) -> Topics {
    let mut topics = Topics::NOTICES;
    if plan.destinations.is_empty() || plan.types == LogTypes::NONE {
        return Topics::NONE;
    }
    if plan.connection_messages && plan.types.contains(LogTypes::NOTICE) {
        topics = topics | Topics::CONNECTIONS;
    }
    if plan.types.contains(LogTypes::DEBUG) {
        topics = topics | Topics::PACKETS;
    }
    if plan.types.contains(LogTypes::SUBSCRIBE) || plan.types.contains(LogTypes::UNSUBSCRIBE) {
        topics = topics | Topics::SUBSCRIPTIONS;
    }
    topics
}

/// The kind of line that `fact` makes.
#[must_use]
pub fn kind(fact: &Fact) -> LogTypes {
    match (fact, fact.severity()) {
        (Fact::Subscribed { .. }, _) => LogTypes::SUBSCRIBE,
        (Fact::Unsubscribed { .. }, _) => LogTypes::UNSUBSCRIBE,
        (_, Severity::Debug) => LogTypes::DEBUG,
        (_, Severity::Information) => LogTypes::INFORMATION,
        (_, Severity::Notice) => LogTypes::NOTICE,
        (_, Severity::Warning) => LogTypes::WARNING,
        (_, Severity::Error) => LogTypes::ERROR,
    }
}

/// Appends what is logged for `entry`, without time and line end: one line, or two with a line feed between them.
pub fn write_entry(line: &mut String, entry: &Entry) {
    let client: &str = match entry.client_identifier.as_str() {
        "" => "<unknown>",
        known => known,
    };
    // Writing to a string does not fail.
    let _ = match &entry.fact {
        Fact::Opened { address, port, listener_port, .. } if *listener_port != 0 => {
            write!(line, "New connection from {address}:{port} on port {listener_port}.")
        }
        Fact::Opened { .. } => write!(line, "New connection on a unix socket."),
        Fact::Connected { .. } => write_connected(line, client, &entry.fact),
        Fact::WillStated(None) => write!(line, "No will message specified."),
        Fact::WillStated(Some(WillFact { topic, qos, retain, payload_length })) => {
            let (retain, qos) = (u8::from(*retain), *qos as u8);
            write!(line, "Will message specified ({payload_length} bytes) (r{retain}, q{qos}).\n\t{topic}")
        }
        Fact::FilterNamed { filter, qos: Some(qos) } => write!(line, "\t{filter} (QoS {})", *qos as u8),
        Fact::FilterNamed { filter, qos: None } => write!(line, "\t{filter}"),
        Fact::Closed { reason, .. } => write_closed(line, client, *reason),
        Fact::Received(packet) => write_received(line, client, packet),
        Fact::Sent(packet) => write_sent(line, client, packet),
        Fact::Subscribed { filter, reason } => write!(line, "{client} {} {filter}", reason.0),
        Fact::Unsubscribed { filter } => write!(line, "{client} {filter}"),
        Fact::PublishDenied { topic, payload_length } => {
            write!(line, "Denied PUBLISH from {client} ('{topic}', ... ({payload_length} bytes))")
        }
        Fact::PublishTooLarge { packet_length } => {
            write!(line, "Dropped too large PUBLISH from {client} ({packet_length} bytes)")
        }
        Fact::MessagesDropped => write!(line, "Outgoing messages are being dropped for client {client}."),
        Fact::SessionExpired => write!(line, "Expiring client {client} due to timeout."),
        // Not asked for: a log line has no payloads.
        Fact::Published(_) => Ok(()),
        Fact::WillPublished { topic } => write!(line, "Sending will of {client} to '{topic}'"),
    };
}

/// Appends the line that SIGUSR1 asks for.
pub fn write_statistics(line: &mut String, counted: &Statistics) {
    // Writing to a string does not fail.
    let _ = write!(
        line,
        "{} connections, {} sessions, {} subscriptions, {} retained messages; {} messages received, {} sent, {} dropped; {} connections refused.",
        counted.connections,
        counted.sessions,
        counted.subscriptions,
        counted.retained_messages,
        counted.publishes_received,
        counted.publishes_sent,
        counted.messages_dropped,
        counted.connections_refused,
    );
}

/// Appends the line about a connection that was given up before it spoke MQTT.
pub fn write_handshake_failure(line: &mut String, failure: &HandshakeFailure) {
    line.push_str("Client <unknown> ");
    // Writing to a string does not fail.
    let _ = match failure.peer {
        Some(peer) => write!(line, "[{peer}] disconnected: "),
        None => write!(line, "disconnected: "),
    };
    let error = &failure.error;
    let _ = match error.kind() {
        io::ErrorKind::TimedOut => write!(line, "the handshake took too long."),
        io::ErrorKind::UnexpectedEof => write!(line, "the connection ended within the handshake."),
        _ => write!(line, "{error}."),
    };
}

fn write_connected(line: &mut String, client: &str, fact: &Fact) -> std::fmt::Result {
    let Fact::Connected { address, port, version, clean_start, keep_alive, user_name, .. } = fact else {
        return Ok(());
    };
    let version = match version {
        ProtocolVersion::V31 => 1,
        ProtocolVersion::V311 => 2,
        ProtocolVersion::V5 => 5,
    };
    let clean = u8::from(*clean_start);
    write!(
        line,
        "New client connected from {address}:{port} as {client} (p{version}, c{clean}, k{keep_alive}"
    )?;
    match user_name {
        Some(user_name) => write!(line, ", u'{user_name}')."),
        None => line.write_str(")."),
    }
}

fn write_closed(line: &mut String, client: &str, reason: CloseReason) -> std::fmt::Result {
    match reason {
        CloseReason::Disconnected => write!(line, "Client {client} disconnected."),
        CloseReason::ClosedByPeer => write!(line, "Client {client} closed its connection."),
        CloseReason::KeepAliveTimeout | CloseReason::ConnectTimeout => {
            write!(line, "Client {client} has exceeded timeout, disconnecting.")
        }
        CloseReason::TakenOver => {
            write!(line, "Client {client} already connected, closing old connection.")
        }
        CloseReason::Fault(error) => {
            write!(line, "Client {client} disconnected due to {}.", fault_words(error))
        }
        CloseReason::Refused(ReasonCode::NOT_AUTHORIZED | ReasonCode::BAD_USER_NAME_OR_PASSWORD) => {
            write!(line, "Client {client} disconnected, not authorised.")
        }
        CloseReason::Refused(reason) => {
            write!(line, "Client {client} disconnected: {}.", reason.name().to_lowercase())
        }
        CloseReason::Stopping => write!(line, "Client {client} disconnected, server shutting down."),
    }
}

fn fault_words(error: PacketError) -> &'static str {
    match error.reason_code() {
        ReasonCode::MALFORMED_PACKET => "malformed packet",
        ReasonCode::PACKET_TOO_LARGE => "oversize packet",
        _ => "protocol error",
    }
}

fn write_received(line: &mut String, client: &str, packet: &PacketFact) -> std::fmt::Result {
    match packet {
        PacketFact::Publish { .. } => write_publish(line, "Received PUBLISH from", client, packet),
        PacketFact::Identified { packet_type, packet_identifier, reason } => match packet_type {
            PacketType::Subscribe | PacketType::Unsubscribe => {
                write!(line, "Received {} from {client}", packet_type.name())
            }
            PacketType::Pubrec | PacketType::Pubrel => {
                write!(line, "Received {} from {client} (Mid: {packet_identifier})", packet_type.name())
            }
            _ => {
                let (name, reason) = (packet_type.name(), reason.0);
                write!(line, "Received {name} from {client} (Mid: {packet_identifier}, RC:{reason})")
            }
        },
        PacketFact::Connack { .. } => write!(line, "Received CONNACK from {client}"),
        PacketFact::Result { packet_type, .. } | PacketFact::Other(packet_type) => {
            write!(line, "Received {} from {client}", packet_type.name())
        }
    }
}

fn write_sent(line: &mut String, client: &str, packet: &PacketFact) -> std::fmt::Result {
    match packet {
        PacketFact::Publish { .. } => write_publish(line, "Sending PUBLISH to", client, packet),
        PacketFact::Connack { session_present, reason } => {
            write!(line, "Sending CONNACK to {client} ({}, {})", u8::from(*session_present), reason.0)
        }
        PacketFact::Result { packet_type, reason } => {
            write!(line, "Sending {} to {client} (rc{})", packet_type.name(), reason.0)
        }
        PacketFact::Identified { packet_type, packet_identifier, reason } => match packet_type {
            PacketType::Puback | PacketType::Pubrec => {
                let (name, reason) = (packet_type.name(), reason.0);
                write!(line, "Sending {name} to {client} (m{packet_identifier}, rc{reason})")
            }
            PacketType::Pubrel | PacketType::Pubcomp => {
                write!(line, "Sending {} to {client} (m{packet_identifier})", packet_type.name())
            }
            _ => write!(line, "Sending {} to {client}", packet_type.name()),
        },
        PacketFact::Other(packet_type) => write!(line, "Sending {} to {client}", packet_type.name()),
    }
}

fn write_publish(line: &mut String, what: &str, client: &str, packet: &PacketFact) -> std::fmt::Result {
    let PacketFact::Publish { dup, qos, retain, packet_identifier, topic, payload_length } = packet else {
        return Ok(());
    };
    let (dup, qos, retain) = (u8::from(*dup), *qos as u8, u8::from(*retain));
    write!(
        line,
        "{what} {client} (d{dup}, q{qos}, r{retain}, m{packet_identifier}, '{topic}', ... ({payload_length} bytes))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Qos, Text};
    use crate::time::Time;

    fn line(client: &str, fact: Fact) -> String {
        let mut line = String::new();
        let client_identifier = Text::detached(client);
        write_entry(&mut line, &Entry { time: Time::ZERO, connection: 1, client_identifier, fact });
        line
    }

    #[test]
    fn lines_read_as_mosquittos_do() {
        let address = Text::detached("127.0.0.1");
        let opened = Fact::Opened { address: address.clone(), port: 5000, listener: 0, listener_port: 1883 };
        assert_eq!(line("", opened), "New connection from 127.0.0.1:5000 on port 1883.");
        let connected = Fact::Connected {
            address: address.clone(),
            port: 5000,
            version: ProtocolVersion::V311,
            clean_start: true,
            keep_alive: 60,
            user_name: Some(Text::detached("u")),
            session_present: false,
        };
        assert_eq!(
            line("c", connected),
            "New client connected from 127.0.0.1:5000 as c (p2, c1, k60, u'u')."
        );
        let closed = |reason| Fact::Closed { address: address.clone(), port: 5000, reason };
        assert_eq!(line("c", closed(CloseReason::ClosedByPeer)), "Client c closed its connection.");
        assert_eq!(
            line("", closed(CloseReason::Refused(ReasonCode::NOT_AUTHORIZED))),
            "Client <unknown> disconnected, not authorised."
        );
        let publish = PacketFact::Publish {
            dup: false,
            qos: Qos::AtLeastOnce,
            retain: true,
            packet_identifier: 7,
            topic: Text::detached("a/b"),
            payload_length: 2,
        };
        assert_eq!(
            line("c", Fact::Sent(publish)),
            "Sending PUBLISH to c (d0, q1, r1, m7, 'a/b', ... (2 bytes))"
        );
        let will = |retain| WillFact {
            topic: Text::detached("w/t"),
            qos: Qos::AtLeastOnce,
            retain,
            payload_length: 3,
        };
        assert_eq!(
            line("c", Fact::WillStated(Some(will(true)))),
            "Will message specified (3 bytes) (r1, q1).\n\tw/t"
        );
        assert_eq!(line("c", Fact::WillStated(None)), "No will message specified.");
        let named = |qos| Fact::FilterNamed { filter: Text::detached("a/#"), qos };
        assert_eq!(line("c", named(Some(Qos::ExactlyOnce))), "\ta/# (QoS 2)");
        assert_eq!(line("c", named(None)), "\ta/#");
        let connack = PacketFact::Connack { session_present: true, reason: ReasonCode::SUCCESS };
        assert_eq!(line("c", Fact::Sent(connack)), "Sending CONNACK to c (1, 0)");
        let identified = |packet_type| PacketFact::Identified {
            packet_type,
            packet_identifier: 1,
            reason: ReasonCode::SUCCESS,
        };
        assert_eq!(
            line("c", Fact::Received(identified(PacketType::Puback))),
            "Received PUBACK from c (Mid: 1, RC:0)"
        );
        assert_eq!(line("c", Fact::Sent(identified(PacketType::Pubcomp))), "Sending PUBCOMP to c (m1)");
    }
}
