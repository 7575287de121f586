//! Packets in the compact notation of the table of vectors.
//!
//! Strings and printable bytes are quoted, other bytes are `x` and hex; from 60 bytes on only the first eight are shown,
//! with the length behind them. Properties stand in braces, in wire order; what is absent or empty is left out.

use culex::packet::{
    Acknowledgement, Connect, Packet, PropertiesRef, PropertyValue, ProtocolVersion, Publish, Qos,
    ReasonCode, RetainHandling, SubscriptionOptions,
};
use std::fmt::Write;

const SHOWN_WHOLE_BELOW: usize = 60;
const SHOWN_OF_LONG: usize = 8;

/// The packet as the table writes it.
pub(crate) fn notation(packet: &Packet) -> String {
    let mut out = packet.packet_type().name().to_owned();
    match packet {
        Packet::Connect(connect) => connect_fields(&mut out, connect),
        Packet::Connack(connack) => {
            flag(&mut out, connack.session_present, "present");
            reason(&mut out, connack.reason);
            properties(&mut out, connack.properties.as_ref());
        }
        Packet::Publish(publish) => publish_fields(&mut out, publish),
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => {
            acknowledgement_fields(&mut out, packet);
        }
        Packet::Subscribe(subscribe) => {
            write!(out, " id={}", subscribe.packet_identifier.get()).unwrap();
            properties(&mut out, subscribe.properties.as_ref());
            for (filter, options) in &subscribe.filters {
                write!(out, " {}", bytes(filter.as_bytes())).unwrap();
                subscription_options(&mut out, *options);
            }
        }
        Packet::Suback(suback) => {
            write!(out, " id={}", suback.packet_identifier.get()).unwrap();
            properties(&mut out, suback.properties.as_ref());
            suback.reasons.iter().for_each(|code| reason(&mut out, *code));
        }
        Packet::Unsubscribe(unsubscribe) => {
            write!(out, " id={}", unsubscribe.packet_identifier.get()).unwrap();
            properties(&mut out, unsubscribe.properties.as_ref());
            unsubscribe
                .filters
                .iter()
                .for_each(|filter| write!(out, " {}", bytes(filter.as_bytes())).unwrap());
        }
        Packet::Unsuback(unsuback) => {
            write!(out, " id={}", unsuback.packet_identifier.get()).unwrap();
            properties(&mut out, unsuback.properties.as_ref());
            unsuback.reasons.iter().for_each(|code| reason(&mut out, *code));
        }
        Packet::Pingreq | Packet::Pingresp => {}
        Packet::Disconnect(disconnect) => {
            reason(&mut out, disconnect.reason);
            properties(&mut out, disconnect.properties.as_ref());
        }
        Packet::Auth(auth) => {
            reason(&mut out, auth.reason);
            properties(&mut out, auth.properties.as_ref());
        }
    }
    out
}

fn connect_fields(out: &mut String, connect: &Connect) {
    out.push_str(match connect.version {
        ProtocolVersion::V31 => " 3.1",
        ProtocolVersion::V311 => " 3.1.1",
        ProtocolVersion::V5 => " 5",
    });
    flag(out, connect.clean_start, "clean");
    write!(out, " keep-alive={}", connect.keep_alive).unwrap();
    properties(out, connect.properties.as_ref());
    write!(out, " client={}", bytes(connect.client_identifier.as_bytes())).unwrap();
    if let Some(will) = &connect.will {
        write!(out, " will(q{}", will.qos as u8).unwrap();
        flag(out, will.retain, "retain");
        properties(out, will.properties.as_ref());
        write!(out, " topic={} payload={})", bytes(will.topic.as_bytes()), bytes(&will.payload)).unwrap();
    }
    if let Some(user_name) = &connect.user_name {
        write!(out, " user={}", bytes(user_name.as_bytes())).unwrap();
    }
    if let Some(password) = &connect.password {
        write!(out, " password={}", bytes(password)).unwrap();
    }
}

fn publish_fields(out: &mut String, publish: &Publish) {
    write!(out, " q{}", publish.qos as u8).unwrap();
    flag(out, publish.dup, "dup");
    flag(out, publish.retain, "retain");
    if let Some(identifier) = publish.packet_identifier {
        write!(out, " id={}", identifier.get()).unwrap();
    }
    write!(out, " topic={}", bytes(publish.topic.as_bytes())).unwrap();
    properties(out, publish.properties.as_ref());
    write!(out, " payload={}", bytes(&publish.payload)).unwrap();
}

fn acknowledgement_fields(out: &mut String, packet: &Acknowledgement) {
    write!(out, " id={}", packet.packet_identifier.get()).unwrap();
    reason(out, packet.reason);
    properties(out, packet.properties.as_ref());
}

fn subscription_options(out: &mut String, options: SubscriptionOptions) {
    out.push_str(match options.maximum_qos {
        Qos::AtMostOnce => " q0",
        Qos::AtLeastOnce => " q1",
        Qos::ExactlyOnce => " q2",
    });
    flag(out, options.no_local, "no-local");
    flag(out, options.retain_as_published, "retain-as-published");
    match options.retain_handling {
        RetainHandling::Always => {}
        RetainHandling::IfNew => out.push_str(" retained-if-new"),
        RetainHandling::Never => out.push_str(" retained-never"),
    }
}

fn flag(out: &mut String, is_set: bool, word: &str) {
    if is_set {
        out.push(' ');
        out.push_str(word);
    }
}

fn reason(out: &mut String, code: ReasonCode) {
    write!(out, " 0x{:02x}", code.0).unwrap();
}

fn properties(out: &mut String, properties: PropertiesRef<'_>) {
    let mut separator = " {";
    for property in properties {
        out.push_str(separator);
        separator = ", ";
        out.push_str(property.identifier.name());
        match property.value {
            PropertyValue::Number(number) => write!(out, "={number}"),
            PropertyValue::Text(text) => write!(out, "={}", bytes(text.as_bytes())),
            PropertyValue::Binary(binary) => write!(out, "={}", bytes(binary)),
            PropertyValue::Pair(name, value) => {
                write!(out, "={}:{}", bytes(name.as_bytes()), bytes(value.as_bytes()))
            }
        }
        .unwrap();
    }
    if !properties.is_empty() {
        out.push('}');
    }
}

fn bytes(all: &[u8]) -> String {
    if all.len() >= SHOWN_WHOLE_BELOW {
        return format!("{}[{}]", bytes(&all[..SHOWN_OF_LONG]), all.len());
    }
    match std::str::from_utf8(all) {
        Ok(text) if !text.contains(|c: char| c.is_control() || c == '"' || c == '\\') => {
            format!("\"{text}\"")
        }
        _ => format!("x{}", super::vectors::hex(all)),
    }
}
