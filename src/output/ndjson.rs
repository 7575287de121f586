//! A message as one line of JSON, and back, without loss: what `sub --json` prints, `pub --json-lines` reads.
//!
//! The names are those of mosquitto's `%j`, so that filters written for it go on working; the time is RFC 3339 in UTC
//! with nanoseconds, a payload that is not UTF-8 is Base64 beside `"encoding":"base64"`, and every property is there.

use super::json::JsonWriter;
use super::number::{put_decimal, put_padded};
use super::{LocalTime, Message, WallTime};
use crate::packet::{
    PacketError, Place, Properties, PropertiesRef, Property, PropertyIdentifier, PropertyType, PropertyValue,
    Publish, Qos, Text, topic,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::fmt;

/// The suffix of a property's name whose binary value stands in Base64.
const BASE64_SUFFIX: &str = "-base64";

/// Appends `message` as one line with its line feed; `utc` must be [`LocalTime::utc`].
pub fn put_line(message: &Message<'_>, utc: &mut LocalTime, out: &mut Vec<u8>) {
    let publish = &message.publish;
    let mut writer = JsonWriter::new(out, false);
    writer.begin_object();
    writer.key(true, "tst");
    writer.out.push(b'"');
    utc.put_date_time(writer.out, message.received);
    writer.out.push(b'.');
    put_padded(writer.out, u64::from(message.received.nanoseconds), 9);
    writer.out.extend_from_slice(b"Z\"");
    writer.key(false, "topic");
    writer.string(publish.topic.as_bytes());
    writer.key(false, "qos");
    writer.out.push(b'0' + publish.qos as u8);
    put_flag("retain", publish.retain, &mut writer);
    put_flag("dup", publish.dup, &mut writer);
    writer.key(false, "payloadlen");
    put_decimal(writer.out, publish.payload.len() as u64);
    if let Some(identifier) = publish.packet_identifier {
        writer.key(false, "mid");
        put_decimal(writer.out, u64::from(identifier.get()));
    }
    if !publish.properties.is_empty() {
        writer.key(false, "properties");
        put_properties(publish.properties, &mut writer);
    }
    writer.key(false, "payload");
    if std::str::from_utf8(publish.payload).is_ok() {
        writer.string(publish.payload);
    } else {
        put_base64(publish.payload, &mut writer);
        writer.key(false, "encoding");
        writer.string(b"base64");
    }
    writer.end_object(false);
    out.push(b'\n');
}

fn put_flag(name: &str, value: bool, writer: &mut JsonWriter<'_>) {
    writer.key(false, name);
    writer.out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(super) fn put_base64(bytes: &[u8], writer: &mut JsonWriter<'_>) {
    writer.string(STANDARD.encode(bytes).as_bytes());
}

/// Each property once by its name; what may repeat is an array at the place of its first one.
fn put_properties(properties: PropertiesRef<'_>, writer: &mut JsonWriter<'_>) {
    writer.begin_object();
    let mut first = true;
    let (mut seen_user, mut seen_identifier) = (false, false);
    for property in properties {
        let identifier = property.identifier;
        match property.value {
            PropertyValue::Pair(..) => {
                if std::mem::replace(&mut seen_user, true) {
                    continue;
                }
                writer.key(first, "user-properties");
                put_list(properties.user_properties(), writer, |(name, value), writer| {
                    writer.begin_object();
                    writer.begin_key(true);
                    writer.string(name.as_bytes());
                    writer.end_key();
                    writer.string(value.as_bytes());
                    writer.end_object(false);
                });
            }
            PropertyValue::Number(_) if identifier == PropertyIdentifier::SubscriptionIdentifier => {
                if std::mem::replace(&mut seen_identifier, true) {
                    continue;
                }
                writer.key(first, identifier.name());
                let numbers = properties.iter().filter(|other| other.identifier == identifier);
                put_list(numbers, writer, |property, writer| put_scalar(property.value, writer));
            }
            PropertyValue::Binary(bytes) if std::str::from_utf8(bytes).is_err() => {
                writer.begin_key(first);
                writer.string([identifier.name(), BASE64_SUFFIX].concat().as_bytes());
                writer.end_key();
                put_base64(bytes, writer);
            }
            value => {
                writer.key(first, identifier.name());
                put_scalar(value, writer);
            }
        }
        first = false;
    }
    writer.end_object(first);
}

fn put_list<T>(
    items: impl Iterator<Item = T>,
    writer: &mut JsonWriter<'_>,
    mut put: impl FnMut(T, &mut JsonWriter<'_>),
) {
    writer.begin_array();
    for (place, item) in items.enumerate() {
        if place > 0 {
            writer.next_element();
        }
        put(item, writer);
    }
    writer.end_array();
}

fn put_scalar(value: PropertyValue<'_>, writer: &mut JsonWriter<'_>) {
    match value {
        PropertyValue::Number(number) => put_decimal(writer.out, u64::from(number)),
        PropertyValue::Text(text) | PropertyValue::Pair(_, text) => writer.string(text.as_bytes()),
        PropertyValue::Binary(bytes) => writer.string(bytes),
    }
}

/// Why a line is not a message.
#[derive(Debug, thiserror::Error)]
pub enum NdjsonError {
    /// Not JSON, or not an object with the right types; the parser's words, with the column.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A topic that cannot be published to.
    #[error("topic '{topic}': {error}")]
    Topic {
        /// As given.
        topic: String,
        /// What is wrong with it.
        error: PacketError,
    },
    /// A Quality of Service other than 0, 1, 2.
    #[error("qos {0} does not exist")]
    Qos(u64),
    /// A time that is none, or not written as one.
    #[error("tst {0} is no time, which is written as 2026-11-22T07:00:00.25Z")]
    Time(String),
    /// A RETAIN flag that is neither on nor off.
    #[error("retain {0} is neither true nor false")]
    Retain(Value),
    /// An encoding other than `utf-8` and `base64`.
    #[error("encoding '{0}' is neither utf-8 nor base64")]
    Encoding(String),
    /// Base64 that is none.
    #[error("{name} is not Base64: {error}")]
    Base64 {
        /// Which member.
        name: String,
        /// What the decoder said.
        error: base64::DecodeError,
    },
    /// A property that a PUBLISH does not have, or with a value that it cannot have.
    #[error("property '{name}': {problem}")]
    Property {
        /// As given.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What a line says of a message; what it leaves out is the caller's to fill in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The Topic Name; absent when the caller gives one for all lines.
    pub topic: Option<Text>,
    /// Absent when the line does not say.
    pub qos: Option<Qos>,
    /// Absent when the line does not say.
    pub retain: Option<bool>,
    /// The properties that a client may send: without Subscription Identifiers, which only a server sends, and without a
    /// Topic Alias, which belongs to a connection.
    pub properties: Properties,
    /// Empty for `null` or an absent payload; the text of any other JSON value as it stands.
    pub payload: Bytes,
}

#[derive(Deserialize)]
struct RawLine<'a> {
    topic: Option<String>,
    qos: Option<u64>,
    retain: Option<Value>,
    encoding: Option<String>,
    #[serde(default)]
    properties: serde_json::Map<String, Value>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    tst: Option<&'a RawValue>,
}

impl Line {
    /// Reads one line, with or without its line feed; members that it does not know are passed over.
    ///
    /// # Errors
    ///
    /// Every [`NdjsonError`].
    pub fn parse(line: &[u8]) -> Result<Self, NdjsonError> {
        Self::of_raw(serde_json::from_slice(line)?)
    }

    /// As [`Line::parse`], with the time at which the message arrived; mosquitto's ways of writing it are read too.
    ///
    /// # Errors
    ///
    /// Every [`NdjsonError`].
    pub fn parse_timed(line: &[u8]) -> Result<(Self, Option<WallTime>), NdjsonError> {
        let raw: RawLine<'_> = serde_json::from_slice(line)?;
        let time = raw.tst.map(parse_time).transpose()?;
        Ok((Self::of_raw(raw)?, time))
    }

    fn of_raw(raw: RawLine<'_>) -> Result<Self, NdjsonError> {
        Ok(Self {
            topic: raw.topic.map(parse_topic).transpose()?,
            qos: raw.qos.map(parse_qos).transpose()?,
            retain: raw.retain.map(parse_retain).transpose()?,
            properties: parse_properties(&raw.properties)?,
            payload: parse_payload(raw.payload, raw.encoding.as_deref())?,
        })
    }

    /// The PUBLISH that the line stands for, with `topic`, `qos` and `retain` where it does not say.
    #[must_use]
    pub fn into_publish(self, topic: &Text, qos: Qos, retain: bool) -> Publish {
        Publish {
            topic: self.topic.unwrap_or_else(|| topic.clone()),
            qos: self.qos.unwrap_or(qos),
            retain: self.retain.unwrap_or(retain),
            properties: self.properties,
            payload: self.payload,
            ..Publish::default()
        }
    }
}

fn parse_time(raw: &RawValue) -> Result<WallTime, NdjsonError> {
    let wrong = || NdjsonError::Time(raw.get().to_owned());
    let text: String = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    // mosquitto 2.0 writes both the letter and an offset, and the offset is what it means.
    let text = text.replacen("Z+", "+", 1).replacen("Z-", "-", 1);
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    let total = time.as_nanosecond();
    let seconds = i64::try_from(total.div_euclid(1_000_000_000)).map_err(|_| wrong())?;
    let nanoseconds = u32::try_from(total.rem_euclid(1_000_000_000)).map_err(|_| wrong())?;
    Ok(WallTime { seconds, nanoseconds })
}

fn parse_topic(name: String) -> Result<Text, NdjsonError> {
    let checked = topic::check_name(&name).and_then(|()| Text::try_from(name.as_str()));
    checked.map_err(|error| NdjsonError::Topic { topic: name, error })
}

/// mosquitto 2.0 writes the flag as a number.
fn parse_retain(value: Value) -> Result<bool, NdjsonError> {
    match (value.as_bool(), value.as_u64()) {
        (Some(flag), _) => Ok(flag),
        (None, Some(number @ 0..=1)) => Ok(number == 1),
        (None, _) => Err(NdjsonError::Retain(value)),
    }
}

fn parse_qos(number: u64) -> Result<Qos, NdjsonError> {
    u8::try_from(number).ok().and_then(Qos::from_number).ok_or(NdjsonError::Qos(number))
}

fn parse_payload(payload: Option<&RawValue>, encoding: Option<&str>) -> Result<Bytes, NdjsonError> {
    let Some(raw) = payload else {
        return Ok(Bytes::new());
    };
    if !raw.get().starts_with('"') {
        return Ok(if raw.get() == "null" {
            Bytes::new()
        } else {
            Bytes::copy_from_slice(raw.get().as_bytes())
        });
    }
    let text: String = serde_json::from_str(raw.get())?;
    match encoding {
        None | Some("utf-8") => Ok(Bytes::from(text)),
        Some("base64") => decode_base64("payload", &text).map(Bytes::from),
        Some(other) => Err(NdjsonError::Encoding(other.to_owned())),
    }
}

fn decode_base64(name: &str, text: &str) -> Result<Vec<u8>, NdjsonError> {
    STANDARD.decode(text).map_err(|error| NdjsonError::Base64 { name: name.to_owned(), error })
}

fn parse_properties(members: &serde_json::Map<String, Value>) -> Result<Properties, NdjsonError> {
    let mut properties = Properties::EMPTY;
    for (name, value) in members {
        if name == "user-properties" {
            push_user_properties(&mut properties, value)?;
            continue;
        }
        let (plain, is_base64) = match name.strip_suffix(BASE64_SUFFIX) {
            Some(plain) => (plain, true),
            None => (name.as_str(), false),
        };
        let identifier = PropertyIdentifier::ALL
            .iter()
            .copied()
            .find(|identifier| identifier.name() == plain)
            .ok_or_else(|| wrong(name, "does not exist"))?;
        if matches!(identifier, PropertyIdentifier::SubscriptionIdentifier | PropertyIdentifier::TopicAlias) {
            continue;
        }
        if !identifier.is_allowed_in(Place::PublishByClient) {
            return Err(wrong(name, "does not belong to a message"));
        }
        let decoded;
        let property = match (identifier.property_type(), value) {
            (PropertyType::Text, Value::String(text)) => Property::text(identifier, text),
            (PropertyType::Binary, Value::String(text)) if is_base64 => {
                decoded = decode_base64(name, text)?;
                Property::binary(identifier, &decoded)
            }
            (PropertyType::Binary, Value::String(text)) => Property::binary(identifier, text.as_bytes()),
            (kind, Value::Number(number)) if is_number(kind) => {
                let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
                Property::number(identifier, number.ok_or_else(|| wrong(name, "is out of range"))?)
            }
            _ => return Err(wrong(name, "has a value of another type")),
        };
        properties.push(property).map_err(|error| wrong(name, error))?;
    }
    properties.check(Place::PublishByClient).map_err(|error| wrong("properties", error))?;
    Ok(properties)
}

const fn is_number(kind: PropertyType) -> bool {
    !matches!(kind, PropertyType::Text | PropertyType::Binary | PropertyType::TextPair)
}

fn push_user_properties(properties: &mut Properties, value: &Value) -> Result<(), NdjsonError> {
    let shape = || wrong("user-properties", "must be an array of objects whose values are strings");
    for pair in value.as_array().ok_or_else(shape)? {
        for (name, value) in pair.as_object().ok_or_else(shape)? {
            let value = value.as_str().ok_or_else(shape)?;
            properties.push(Property::user(name, value)).map_err(|error| wrong("user-properties", error))?;
        }
    }
    Ok(())
}

fn wrong(name: &str, problem: impl fmt::Display) -> NdjsonError {
    NdjsonError::Property { name: name.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::PacketIdentifier;

    fn line_of(publish: &Publish) -> String {
        let received = WallTime { seconds: 1_795_330_800, nanoseconds: 1_002_003 };
        let message = Message { publish: publish.as_ref(), received };
        let mut out = Vec::new();
        put_line(&message, &mut LocalTime::utc(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn full() -> Publish {
        let mut properties = Properties::EMPTY;
        for property in [
            Property::user("a", "1"),
            Property::number(PropertyIdentifier::MessageExpiryInterval, 4_294_967_295),
            Property::user("a", "\"2\""),
            Property::binary(PropertyIdentifier::CorrelationData, &[0xFF, 0]),
            Property::text(PropertyIdentifier::ResponseTopic, "re/ply"),
        ] {
            properties.push(property).unwrap();
        }
        Publish {
            qos: Qos::AtLeastOnce,
            retain: true,
            topic: Text::try_from("a/ü").unwrap(),
            packet_identifier: PacketIdentifier::new(7),
            properties,
            payload: Bytes::from_static(b"line\n\0\"quoted\""),
            ..Publish::default()
        }
    }

    #[test]
    fn a_line_holds_everything_under_the_names_of_mosquitto() {
        assert_eq!(
            line_of(&full()),
            concat!(
                r#"{"tst":"2026-11-22T07:00:00.001002003Z","topic":"a/ü","qos":1,"retain":true,"dup":false,"#,
                r#""payloadlen":14,"mid":7,"properties":{"user-properties":[{"a":"1"},{"a":"\"2\""}],"#,
                r#""message-expiry-interval":4294967295,"correlation-data-base64":"/wA=","response-topic":"re/ply"},"#,
                r#""payload":"line\n\u0000\"quoted\""}"#,
                "\n"
            )
        );
    }

    #[test]
    fn reading_a_line_gives_the_message_back() {
        for payload in [&b"text"[..], b"", b"\xFF\xFE\x00", "\u{1F600}".as_bytes(), b"{\"a\":1}"] {
            let publish = Publish { payload: Bytes::copy_from_slice(payload), ..full() };
            let line = line_of(&publish);
            let read =
                Line::parse(line.as_bytes()).unwrap().into_publish(&Text::EMPTY, Qos::AtMostOnce, false);
            assert_eq!(read.payload, publish.payload, "{line}");
            assert_eq!((&read.topic, read.qos, read.retain), (&publish.topic, publish.qos, publish.retain));
            let sorted = |publish: &Publish| {
                let mut all: Vec<_> = publish.properties.as_ref().iter().map(|p| format!("{p:?}")).collect();
                all.sort();
                all
            };
            assert_eq!(sorted(&read), sorted(&publish));
            let pairs: Vec<_> = read.properties.as_ref().user_properties().collect();
            assert_eq!(pairs, [("a", "1"), ("a", "\"2\"")], "user properties keep their order");
        }
    }

    #[test]
    fn what_a_line_leaves_out_comes_from_the_caller() {
        let line = Line::parse(br#"{"payload":{"on": true},"unknown":[1]}"#).unwrap();
        assert_eq!(line.payload, &br#"{"on": true}"#[..]);
        let publish = line.into_publish(&Text::try_from("t").unwrap(), Qos::ExactlyOnce, true);
        assert_eq!((publish.topic.as_str(), publish.qos, publish.retain), ("t", Qos::ExactlyOnce, true));
        assert_eq!(Line::parse(br#"{"retain":1}"#).unwrap().retain, Some(true), "mosquitto 2.0");
        assert!(Line::parse(br#"{"payload":null}"#).unwrap().payload.is_empty());
    }

    #[test]
    fn the_time_of_a_line_is_read_in_every_way_it_is_written() {
        let at = |text: &str| {
            let line = format!(r#"{{"tst":{text}}}"#);
            Line::parse_timed(line.as_bytes()).map(|(_, time)| time)
        };
        let expected = WallTime { seconds: 1_795_330_800, nanoseconds: 361_034_000 };
        for text in [
            r#""2026-11-22T07:00:00.361034000Z""#,
            r#""2026-11-22T07:00:00.361034+0000""#,
            r#""2026-11-22T08:00:00.361034Z+0100""#,
            r#""2026-11-22T02:00:00.361034-05:00""#,
        ] {
            assert_eq!(at(text).unwrap(), Some(expected), "{text}");
        }
        assert_eq!(at(r#""1969-12-31T23:59:59.5Z""#).unwrap().unwrap().seconds, -1);
        assert_eq!(Line::parse_timed(b"{}").unwrap().1, None);
        for text in ["1", r#""yesterday""#, r#""2026-11-22""#] {
            assert!(at(text).unwrap_err().to_string().contains("is no time"), "{text}");
        }
        assert!(Line::parse(br#"{"tst":1}"#).is_ok(), "who needs no time does not look at it");
    }

    #[test]
    fn what_only_a_server_sends_is_passed_over() {
        let line =
            Line::parse(br#"{"properties":{"subscription-identifier":[1,2],"topic-alias":3}}"#).unwrap();
        assert!(line.properties.is_empty());
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        for (line, problem) in [
            ("", "EOF"),
            ("[]", "invalid"),
            (r#"{"topic":"a/+"}"#, "topic 'a/+'"),
            (r#"{"topic":""}"#, "topic ''"),
            (r#"{"qos":3}"#, "qos 3"),
            (r#"{"retain":2}"#, "retain 2"),
            (r#"{"retain":"true"}"#, "neither true nor false"),
            (r#"{"payload":"x","encoding":"rot13"}"#, "rot13"),
            (r#"{"payload":"%","encoding":"base64"}"#, "payload is not Base64"),
            (r#"{"properties":{"no-such":1}}"#, "'no-such'"),
            (r#"{"properties":{"receive-maximum":1}}"#, "does not belong"),
            (r#"{"properties":{"content-type":1}}"#, "another type"),
            (r#"{"properties":{"payload-format-indicator":2}}"#, "out of range"),
            (r#"{"properties":{"message-expiry-interval":4294967296}}"#, "out of range"),
            (r#"{"properties":{"user-properties":{"a":"b"}}}"#, "array of objects"),
        ] {
            let error = Line::parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{line}: {error}");
        }
    }
}
