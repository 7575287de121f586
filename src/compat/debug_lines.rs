//! The lines of `-d`: each packet as mosquitto's library names it.

use crate::net::tls::{TlsError, TlsSettings};
use crate::packet::{PacketType, Qos};
use crate::session::Traced;
use std::io::Write;
use std::path::PathBuf;

/// Which file or option of TLS cannot serve; the second line is what our own library says.
#[must_use]
pub fn tls_fault(error: &TlsError, settings: &TlsSettings) -> String {
    let is = |setting: &Option<PathBuf>, path: &PathBuf| setting.as_ref() == Some(path);
    let first = match error {
        TlsError::Unreadable { path, .. } | TlsError::NoCertificate { path }
            if is(&settings.ca_file, path) =>
        {
            format!("Error: Unable to load CA certificates, check cafile \"{}\".\n", path.display())
        }
        TlsError::Unreadable { path, .. } if is(&settings.ca_path, path) => {
            format!("Error: Unable to load CA certificates, check capath \"{}\".\n", path.display())
        }
        TlsError::Unreadable { path, .. } | TlsError::NoCertificate { path }
            if is(&settings.certificate, path) =>
        {
            format!("Error: Unable to load client certificate \"{}\".\n", path.display())
        }
        TlsError::Unreadable { path, .. } | TlsError::NoKey { path } if is(&settings.key, path) => {
            format!("Error: Unable to load client key file \"{}\".\n", path.display())
        }
        TlsError::KeyMismatch { .. } => "Error: Client certificate/key are inconsistent.\n".to_owned(),
        TlsError::NoCipher { list } => {
            format!("Error: Unable to set TLS ciphers. Check cipher list \"{list}\".\n")
        }
        _ => String::new(),
    };
    format!("{first}TLS Error: {error}\n")
}

/// Appends the line for a packet that this client sent.
pub fn sent(out: &mut Vec<u8>, id: &str, packet: &Traced) {
    let id = if id.is_empty() { "null" } else { id };
    // Writing into memory does not fail.
    let _ = match packet {
        Traced::Connect => writeln!(out, "Client {id} sending CONNECT"),
        Traced::Publish { dup, qos, retain, number, topic, payload_length } => {
            let _ = write!(out, "Client {id} sending PUBLISH ");
            publish_facts(out, (*dup, *qos, *retain), *number, topic.as_deref(), *payload_length)
        }
        Traced::Acknowledgement { packet_type, packet_identifier, reason, .. } => {
            let (name, number) = (packet_name(*packet_type), packet_identifier.get());
            match packet_type {
                PacketType::Puback | PacketType::Pubrec => {
                    writeln!(out, "Client {id} sending {name} (m{number}, rc{})", reason.0)
                }
                _ => writeln!(out, "Client {id} sending {name} (m{number})"),
            }
        }
        Traced::Subscribe { packet_identifier, filters } => filters.iter().try_for_each(|(filter, options)| {
            let qos = options.maximum_qos as u8;
            let rest = options.byte() & 0xFC;
            let number = packet_identifier.get();
            writeln!(
                out,
                "Client {id} sending SUBSCRIBE (Mid: {number}, Topic: {filter}, QoS: {qos}, Options: 0x{rest:02x})"
            )
        }),
        Traced::Unsubscribe { packet_identifier, filters } => filters.iter().try_for_each(|filter| {
            writeln!(out, "Client {id} sending UNSUBSCRIBE (Mid: {}, Topic: {filter})", packet_identifier.get())
        }),
        Traced::Pingreq => writeln!(out, "Client {id} sending PINGREQ"),
        Traced::Disconnect { .. } => writeln!(out, "Client {id} sending DISCONNECT"),
        Traced::Auth { .. } => writeln!(out, "Client {id} sending AUTH"),
        Traced::Connack { .. } | Traced::Suback { .. } | Traced::Unsuback { .. } | Traced::Pingresp => Ok(()),
    };
}

/// Appends the line for a packet that the server sent.
pub fn received(out: &mut Vec<u8>, id: &str, packet: &Traced) {
    let connack_id = if id.is_empty() { "(null)" } else { id };
    let id = if id.is_empty() { "null" } else { id };
    let _ = match packet {
        Traced::Connack { reason } => writeln!(out, "Client {connack_id} received CONNACK ({})", reason.0),
        Traced::Publish { dup, qos, retain, number, topic, payload_length } => {
            let _ = write!(out, "Client {id} received PUBLISH ");
            publish_facts(out, (*dup, *qos, *retain), *number, topic.as_deref(), *payload_length)
        }
        Traced::Acknowledgement { packet_type, packet_identifier, reason, is_unknown } => {
            let (name, number) = (packet_name(*packet_type), packet_identifier.get());
            let _ = match packet_type {
                PacketType::Puback | PacketType::Pubcomp => {
                    writeln!(out, "Client {id} received {name} (Mid: {number}, RC:{})", reason.0)
                }
                _ => writeln!(out, "Client {id} received {name} (Mid: {number})"),
            };
            if *is_unknown {
                writeln!(out, "Warning: Received {name} from {id} for an unknown packet identifier {number}.")
            } else {
                Ok(())
            }
        }
        Traced::Suback { .. } => writeln!(out, "Client {id} received SUBACK"),
        Traced::Unsuback { .. } => writeln!(out, "Client {id} received UNSUBACK"),
        Traced::Pingresp => writeln!(out, "Client {id} received PINGRESP"),
        Traced::Disconnect { reason } => writeln!(out, "Received DISCONNECT ({})", reason.0),
        Traced::Auth { .. } => writeln!(out, "Client {id} received AUTH"),
        Traced::Connect | Traced::Subscribe { .. } | Traced::Unsubscribe { .. } | Traced::Pingreq => Ok(()),
    };
}

fn publish_facts(
    out: &mut Vec<u8>,
    (dup, qos, retain): (bool, Qos, bool),
    number: u16,
    topic: Option<&str>,
    payload_length: usize,
) -> std::io::Result<()> {
    let topic = topic.unwrap_or("(null)");
    writeln!(
        out,
        "(d{}, q{}, r{}, m{number}, '{topic}', ... ({payload_length} bytes))",
        u8::from(dup),
        qos as u8,
        u8::from(retain),
    )
}

const fn packet_name(packet_type: PacketType) -> &'static str {
    match packet_type {
        PacketType::Puback => "PUBACK",
        PacketType::Pubrec => "PUBREC",
        PacketType::Pubrel => "PUBREL",
        _ => "PUBCOMP",
    }
}
