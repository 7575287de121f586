//! Records as JSON: what journals are saved as and control sockets say.

use crate::journal::{CloseReason, Fact, Fate, Happening, Published, Record};
use crate::packet::{
    Acknowledgement, Packet, PacketType, PropertiesRef, PropertyValue, ProtocolVersion, ReasonCode, Sender,
    SubscriptionOptions, Will,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// One record as a JSON object: `seq`, `time` (seconds), `connection` and `client` where it has them, `event` and what
/// belongs to that.
#[must_use]
pub fn record_value(record: &Record) -> Value {
    let mut object = Map::new();
    object.insert("seq".into(), record.sequence.into());
    #[allow(clippy::cast_precision_loss)] // nanoseconds of weeks are exact
    object.insert("time".into(), json!(record.time.as_nanos() as f64 / 1e9));
    if record.connection != 0 {
        object.insert("connection".into(), record.connection.into());
    }
    if !record.client_identifier.is_empty() {
        object.insert("client".into(), record.client_identifier.as_str().into());
    }
    put_happening(&mut object, &record.happening);
    Value::Object(object)
}

/// A journal as a JSON array, for snapshots that a program compares.
#[must_use]
pub fn snapshot_value(records: &[Arc<Record>]) -> Value {
    records.iter().map(|record| record_value(record)).collect()
}

fn put(object: &mut Map<String, Value>, event: &str, rest: Value) {
    object.insert("event".into(), event.into());
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
}

fn put_happening(object: &mut Map<String, Value>, happening: &Happening) {
    match happening {
        Happening::Opened { peer, listener } => {
            put(object, "open", json!({"peer": peer.as_str(), "listener": listener.as_str()}));
        }
        Happening::Packet { sender, version, bytes, fate } => {
            let packet = happening.packet();
            let fate = match fate {
                Fate::Passed => "passed",
                Fate::Stopped => "stopped",
                Fate::Made => "made",
            };
            put(object, "packet", json!({"from": side(*sender), "fate": fate, "bytes": bytes.len()}));
            if let Some(Value::Object(packet)) = packet.map(|packet| packet_value(&packet, *version)) {
                object.extend(packet);
            }
        }
        Happening::Malformed { sender, bytes, error } => put(
            object,
            "malformed",
            json!({"from": side(*sender), "error": error.to_string(), "bytes": super::matcher::shown(bytes)}),
        ),
        Happening::Fault { rule, action, packet_type } => put(
            object,
            "fault",
            json!({"rule": rule.as_str(), "do": action.as_str(), "packet": packet_type.map(type_name)}),
        ),
        Happening::Connected { version, clean_start, keep_alive, user_name, session_present, has_will } => {
            put(
                object,
                "connect",
                json!({
                    "version": version_name(*version), "clean_start": clean_start, "keep_alive": keep_alive,
                    "user_name": user_name.as_deref(), "session_present": session_present, "will": has_will,
                }),
            )
        }
        Happening::Refused(reason) => put(object, "refused", reason_value(*reason)),
        Happening::Subscribed { filter, reason } => put(
            object,
            "subscribe",
            json!({"filter": filter.as_str(), "reason": reason.0, "granted": !reason.is_error()}),
        ),
        Happening::Unsubscribed { filter } => put(object, "unsubscribe", json!({"filter": filter.as_str()})),
        Happening::Closed { by, disconnect } => put(
            object,
            "close",
            json!({"by": by.map_or("rule", side), "disconnect": disconnect.map(|reason| reason.0)}),
        ),
        Happening::Fact(fact) => put_fact(object, fact),
        Happening::Message(message) => put(object, "message", message_value(message)),
        Happening::Mark(name) => put(object, "mark", json!({"name": name.as_str()})),
        Happening::Note { source, text } => {
            put(object, "note", json!({"source": source.as_str(), "text": text.as_str()}));
        }
        Happening::Output { source, text } => {
            put(object, "output", json!({"device": source.as_str(), "text": text.as_str()}));
        }
        Happening::ClockTurned(distance) => {
            put(object, "advance", json!({"seconds": distance.as_secs_f64()}))
        }
        Happening::Stopped => put(object, "stop", json!({})),
        Happening::Started => put(object, "start", json!({})),
    }
}

fn put_fact(object: &mut Map<String, Value>, fact: &Fact) {
    match fact {
        Fact::Closed { reason, .. } => {
            let (word, code) = match reason {
                CloseReason::Disconnected => ("disconnected", None),
                CloseReason::ClosedByPeer => ("closed-by-peer", None),
                CloseReason::KeepAliveTimeout => ("keep-alive-timeout", None),
                CloseReason::ConnectTimeout => ("connect-timeout", None),
                CloseReason::TakenOver => ("taken-over", None),
                CloseReason::Fault(_) => ("protocol-error", None),
                CloseReason::Refused(reason) => ("refused", Some(reason.0)),
                CloseReason::Stopping => ("stopping", None),
            };
            let error = match reason {
                CloseReason::Fault(error) => Some(error.to_string()),
                _ => None,
            };
            put(object, "disconnect", json!({"why": word, "reason": code, "error": error}));
        }
        Fact::PublishDenied { topic, .. } => {
            put(object, "drop", json!({"why": "denied", "topic": topic.as_str()}))
        }
        Fact::PublishTooLarge { packet_length } => {
            put(object, "drop", json!({"why": "too-large", "bytes": packet_length}));
        }
        Fact::MessagesDropped => put(object, "drop", json!({"why": "queue-full"})),
        Fact::SessionExpired => put(object, "session-expired", json!({})),
        Fact::WillPublished { topic } => put(object, "will", json!({"topic": topic.as_str()})),
        other => put(object, "fact", json!({"text": format!("{other:?}")})),
    }
}

fn side(sender: Sender) -> &'static str {
    match sender {
        Sender::Client => "client",
        Sender::Server => "server",
    }
}

fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::V31 => "3.1",
        ProtocolVersion::V311 => "3.1.1",
        ProtocolVersion::V5 => "5",
    }
}

fn type_name(packet_type: PacketType) -> String {
    packet_type.name().to_lowercase()
}

fn reason_value(reason: ReasonCode) -> Value {
    json!({"reason": reason.0, "name": reason.name()})
}

/// A message as a JSON object, as `sub --json` has it: a payload that is no UTF-8 is Base64 beside `encoding`.
#[must_use]
pub(crate) fn message_value(message: &Published) -> Value {
    let mut value = json!({
        "topic": message.topic.as_str(), "qos": message.qos as u8, "retain": message.retain, "dup": message.dup,
        "will": message.is_will,
    });
    if let Value::Object(object) = &mut value {
        put_payload(object, &message.payload);
        put_properties(object, message.properties.as_ref());
    }
    value
}

fn put_payload(object: &mut Map<String, Value>, payload: &[u8]) {
    match std::str::from_utf8(payload) {
        Ok(text) => drop(object.insert("payload".into(), text.into())),
        Err(_) => {
            object.insert("payload".into(), STANDARD.encode(payload).into());
            object.insert("encoding".into(), "base64".into());
        }
    }
}

fn put_properties(object: &mut Map<String, Value>, properties: PropertiesRef<'_>) {
    if properties.is_empty() {
        return;
    }
    let mut all = Map::new();
    for property in properties {
        let name = property.identifier.name().to_owned();
        match property.value {
            PropertyValue::Pair(key, value) => {
                let users = all.entry("user-properties").or_insert_with(|| json!([]));
                if let Value::Array(users) = users {
                    users.push(json!({key: value}));
                }
            }
            PropertyValue::Number(number) => drop(all.insert(name, number.into())),
            PropertyValue::Text(text) => drop(all.insert(name, text.into())),
            PropertyValue::Binary(bytes) => drop(all.insert(name, binary(bytes))),
        }
    }
    object.insert("properties".into(), Value::Object(all));
}

fn binary(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({"base64": STANDARD.encode(bytes)}),
    }
}

/// A packet as a JSON object: `packet` is its type, the rest its fields. A password is not in it.
#[must_use]
pub fn packet_value(packet: &Packet, version: ProtocolVersion) -> Value {
    let mut object = Map::new();
    object.insert("packet".into(), type_name(packet.packet_type()).into());
    let mut set = |name: &str, value: Value| drop(object.insert(name.into(), value));
    let properties = match packet {
        Packet::Connect(connect) => {
            set("version", version_name(connect.version).into());
            set("client_id", connect.client_identifier.as_str().into());
            set("clean_start", connect.clean_start.into());
            set("keep_alive", connect.keep_alive.into());
            set("user_name", connect.user_name.as_deref().into());
            set("will", connect.will.as_ref().map_or(Value::Null, will_value));
            connect.properties.as_ref()
        }
        Packet::Connack(connack) => {
            set("session_present", connack.session_present.into());
            set("reason", connack.reason.0.into());
            connack.properties.as_ref()
        }
        Packet::Publish(publish) => {
            set("topic", publish.topic.as_str().into());
            set("qos", (publish.qos as u8).into());
            set("retain", publish.retain.into());
            set("dup", publish.dup.into());
            set("id", publish.packet_identifier.map_or(Value::Null, |identifier| identifier.get().into()));
            publish.properties.as_ref()
        }
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => {
            set("id", packet.packet_identifier.get().into());
            set("reason", packet.reason.0.into());
            packet.properties.as_ref()
        }
        Packet::Subscribe(subscribe) => {
            set("id", subscribe.packet_identifier.get().into());
            let filters = subscribe.filters.iter();
            let filter = |(filter, options): &(crate::packet::Text, SubscriptionOptions)| json!({"filter": filter.as_str(), "qos": options.maximum_qos as u8, "options": options.byte()});
            set("filters", filters.map(filter).collect());
            subscribe.properties.as_ref()
        }
        Packet::Suback(suback) => {
            set("id", suback.packet_identifier.get().into());
            set("reasons", suback.reasons.iter().map(|reason| Value::from(reason.0)).collect());
            suback.properties.as_ref()
        }
        Packet::Unsubscribe(unsubscribe) => {
            set("id", unsubscribe.packet_identifier.get().into());
            set("filters", unsubscribe.filters.iter().map(|filter| Value::from(filter.as_str())).collect());
            unsubscribe.properties.as_ref()
        }
        Packet::Unsuback(unsuback) => {
            set("id", unsuback.packet_identifier.get().into());
            set("reasons", unsuback.reasons.iter().map(|reason| Value::from(reason.0)).collect());
            unsuback.properties.as_ref()
        }
        Packet::Disconnect(disconnect) => {
            set("reason", disconnect.reason.0.into());
            disconnect.properties.as_ref()
        }
        Packet::Auth(auth) => {
            set("reason", auth.reason.0.into());
            auth.properties.as_ref()
        }
        Packet::Pingreq | Packet::Pingresp => PropertiesRef::EMPTY,
    };
    if let Packet::Publish(publish) = packet {
        put_payload(&mut object, &publish.payload);
    }
    if version == ProtocolVersion::V5 {
        put_properties(&mut object, properties);
    }
    Value::Object(object)
}

fn will_value(will: &Will) -> Value {
    let mut object = Map::new();
    object.insert("topic".into(), will.topic.as_str().into());
    object.insert("qos".into(), (will.qos as u8).into());
    object.insert("retain".into(), will.retain.into());
    put_payload(&mut object, &will.payload);
    put_properties(&mut object, will.properties.as_ref());
    Value::Object(object)
}

/// A packet in a few words, for timelines.
pub(super) fn packet_words(happening: &Happening) -> String {
    let Some(packet) = happening.packet() else {
        return happening.packet_type().map_or("a packet", PacketType::name).to_owned();
    };
    let mut words = packet.packet_type().name().to_owned();
    // Writing to a string cannot fail.
    let _ = match &packet {
        Packet::Connect(connect) => {
            let will = connect.will.as_ref().map(|will| format!(", will {}", will.topic)).unwrap_or_default();
            let clean = if connect.clean_start { ", clean start" } else { "" };
            let version = version_name(connect.version);
            let (client, keep_alive) = (&connect.client_identifier, connect.keep_alive);
            write!(words, " {client:?} (MQTT {version}, keep alive {keep_alive} s{clean}{will})")
        }
        Packet::Connack(connack) => {
            let session = if connack.session_present { ", session present" } else { "" };
            write!(words, " 0x{:02x}{session}", connack.reason.0)
        }
        Packet::Publish(publish) => {
            let number = publish.packet_identifier.map(|identifier| format!(" {}", identifier.get()));
            let retain = if publish.retain { ", retain" } else { "" };
            let dup = if publish.dup { ", dup" } else { "" };
            write!(
                words,
                "{} {} (QoS {}{retain}{dup}) {}",
                number.unwrap_or_default(),
                publish.topic,
                publish.qos as u8,
                super::matcher::shown(&publish.payload)
            )
        }
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => write_acknowledgement(&mut words, packet),
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.iter();
            let filters =
                filters.map(|(filter, options)| format!("{filter} (QoS {})", options.maximum_qos as u8));
            let filters = filters.collect::<Vec<_>>().join(", ");
            write!(words, " {} {filters}", subscribe.packet_identifier.get())
        }
        Packet::Suback(suback) => {
            write!(words, " {} {}", suback.packet_identifier.get(), reasons(&suback.reasons))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters =
                unsubscribe.filters.iter().map(|filter| filter.as_str()).collect::<Vec<_>>().join(", ");
            write!(words, " {} {filters}", unsubscribe.packet_identifier.get())
        }
        Packet::Unsuback(unsuback) => {
            write!(words, " {} {}", unsuback.packet_identifier.get(), reasons(&unsuback.reasons))
        }
        Packet::Disconnect(disconnect) => write!(words, " 0x{:02x}", disconnect.reason.0),
        Packet::Auth(auth) => write!(words, " 0x{:02x}", auth.reason.0),
        Packet::Pingreq | Packet::Pingresp => Ok(()),
    };
    words
}

fn write_acknowledgement(words: &mut String, packet: &Acknowledgement) -> std::fmt::Result {
    write!(words, " {}", packet.packet_identifier.get())?;
    match packet.reason {
        ReasonCode::SUCCESS => Ok(()),
        reason => write!(words, " 0x{:02x} {}", reason.0, reason.name()),
    }
}

fn reasons(reasons: &[ReasonCode]) -> String {
    reasons.iter().map(|reason| format!("0x{:02x}", reason.0)).collect::<Vec<_>>().join(" ")
}
