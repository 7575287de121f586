//! `%j` and `%J`: a message with everything about it as one JSON object.

use super::json::JsonWriter;
use super::local_time::LocalTime;
use super::ndjson::put_base64;
use super::number::{put_decimal, put_padded};
use super::reprint::{NotJson, reprint};
use super::{InvalidJson, Message};
use crate::packet::{PropertiesRef, PropertyIdentifier, PropertyValue, Qos};

/// How JSON is laid out, and what becomes of a payload that is not JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) pretty: bool,
    pub(super) invalid: InvalidJson,
}

/// `%j`: the payload as a string, up to its first NUL.
pub(super) fn put_with_text(message: &Message<'_>, local: &mut LocalTime, style: Style, out: &mut Vec<u8>) {
    let payload = message.publish.payload;
    let mut writer = JsonWriter::new(out, style.pretty);
    put_head(message, local, &mut writer);
    writer.key(false, "payload");
    if payload.is_empty() {
        writer.out.extend_from_slice(b"null");
    } else {
        writer.c_string(payload);
    }
    writer.end_object(false);
}

/// `%J`: the payload as the JSON value that it is.
///
/// # Errors
///
/// [`NotJson`], with nothing appended, when it is none and `style` does not say what to do then.
pub(super) fn put_with_json(
    message: &Message<'_>,
    local: &mut LocalTime,
    style: Style,
    out: &mut Vec<u8>,
) -> Result<(), NotJson> {
    let start = out.len();
    let payload = message.publish.payload;
    let mut writer = JsonWriter::new(out, style.pretty);
    put_head(message, local, &mut writer);
    writer.key(false, "payload");
    let value = writer.out.len();
    if payload.is_empty() {
        writer.out.extend_from_slice(b"null");
    } else if let Err(fault) = reprint(payload, &mut writer) {
        if style.invalid == InvalidJson::Omit {
            out.truncate(start);
            return Err(fault);
        }
        out.truncate(value);
        // A failed attempt leaves the depth anywhere; one level down is where the payload stands.
        writer = JsonWriter::at_depth(out, style.pretty, 1);
        put_wrapped(payload, &mut writer);
    }
    writer.end_object(false);
    Ok(())
}

/// A payload that is not JSON, and how to get it back.
fn put_wrapped(payload: &[u8], writer: &mut JsonWriter<'_>) {
    let encoding = match std::str::from_utf8(payload) {
        Ok(text) => {
            writer.string(text.as_bytes());
            "utf-8"
        }
        Err(_) => {
            put_base64(payload, writer);
            "base64"
        }
    };
    writer.key(false, "encoding");
    writer.string(encoding.as_bytes());
}

/// Everything before the payload; leaves the object open.
fn put_head(message: &Message<'_>, local: &mut LocalTime, writer: &mut JsonWriter<'_>) {
    let publish = &message.publish;
    writer.out.reserve(160 + publish.topic.len() + publish.payload.len());
    writer.begin_object();
    writer.key(true, "tst");
    writer.out.push(b'"');
    local.put_date_time(writer.out, message.received);
    writer.out.push(b'.');
    put_padded(writer.out, u64::from(message.received.nanoseconds / 1_000), 6);
    local.put_offset(writer.out, message.received);
    writer.out.push(b'"');
    writer.key(false, "topic");
    writer.string(publish.topic.as_bytes());
    writer.key(false, "qos");
    writer.out.push(b'0' + publish.qos as u8);
    writer.key(false, "retain");
    writer.out.extend_from_slice(if publish.retain { b"true" } else { b"false" });
    writer.key(false, "payloadlen");
    put_decimal(writer.out, publish.payload.len() as u64);
    if publish.qos != Qos::AtMostOnce
        && let Some(identifier) = publish.packet_identifier
    {
        writer.key(false, "mid");
        put_decimal(writer.out, u64::from(identifier.get()));
    }
    if !publish.properties.is_empty() {
        writer.key(false, "properties");
        put_properties(publish.properties, writer);
    }
}

/// Properties in wire order; all User Properties stand where the first one did.
fn put_properties(properties: PropertiesRef<'_>, writer: &mut JsonWriter<'_>) {
    let mut user_properties_done = false;
    writer.begin_object();
    for (place, property) in properties.iter().enumerate() {
        let first = place == 0;
        if property.identifier == PropertyIdentifier::UserProperty {
            if !user_properties_done {
                writer.key(first, "user-properties");
                put_user_properties(properties, writer);
            }
            user_properties_done = true;
            continue;
        }
        writer.key(first, property.identifier.name());
        match property.value {
            PropertyValue::Number(number) => put_decimal(writer.out, u64::from(number)),
            PropertyValue::Text(text) => writer.string(text.as_bytes()),
            PropertyValue::Binary(bytes) => writer.c_string(bytes),
            PropertyValue::Pair(_, value) => writer.string(value.as_bytes()),
        }
    }
    writer.end_object(false);
}

fn put_user_properties(properties: PropertiesRef<'_>, writer: &mut JsonWriter<'_>) {
    writer.begin_array();
    for (place, (name, value)) in properties.user_properties().enumerate() {
        if place > 0 {
            writer.next_element();
        }
        writer.begin_object();
        writer.begin_key(true);
        writer.string(name.as_bytes());
        writer.end_key();
        writer.string(value.as_bytes());
        writer.end_object(false);
    }
    writer.end_array();
}
