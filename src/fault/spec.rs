//! Rules as scenarios and control sockets write them: `{on: {from: lamp-1, packet: puback, nth: 1}, do: drop}`.

use super::{Action, ConnackEdit, Match, OwnedValue, Rule, Trigger};
use crate::packet::{PacketType, PropertyIdentifier, PropertyType, Qos, ReasonCode, Sender};
use serde::de::{Error as _, IntoDeserializer, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A rule in its written form.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// What the journal and later steps call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Which packets, and which of those.
    #[serde(default)]
    pub on: OnSpec,
    /// What is done to them.
    #[serde(rename = "do")]
    pub action: ActionSpec,
}

/// Which packets a rule is about, and to which of those its action is done; what is left out may be anything.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OnSpec {
    /// Connections as they are accepted, instead of packets.
    #[serde(default)]
    pub accept: bool,
    /// Packets that this client sends (`*` and `?` stand for characters).
    #[serde(default)]
    pub from: Option<String>,
    /// Packets that this client is sent.
    #[serde(default)]
    pub to: Option<String>,
    /// Packets of this client's connection, in either direction.
    #[serde(default)]
    pub client: Option<String>,
    /// The packet type: `connect`, `connack`, `publish`, `puback` ...
    #[serde(default, deserialize_with = "packet_type")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub packet: Option<PacketType>,
    /// A Topic Filter for the topic of a PUBLISH, or the very filter of a SUBSCRIBE or UNSUBSCRIBE.
    #[serde(default)]
    pub topic: Option<String>,
    /// The QoS of a PUBLISH.
    #[serde(default, deserialize_with = "qos")]
    #[cfg_attr(test, schemars(with = "Option<u8>"))]
    pub qos: Option<Qos>,
    /// The RETAIN flag of a PUBLISH.
    #[serde(default)]
    pub retain: Option<bool>,
    /// The DUP flag of a PUBLISH.
    #[serde(default)]
    pub dup: Option<bool>,
    /// The Reason Code of an acknowledgement, CONNACK or DISCONNECT.
    #[serde(default)]
    pub reason: Option<ReasonSpec>,
    /// The Packet Identifier.
    #[serde(default)]
    pub id: Option<u16>,
    /// Only the n-th that matches, from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// Only each n-th that matches.
    #[serde(default)]
    pub every: Option<u64>,
    /// At most so often.
    #[serde(default)]
    pub times: Option<u64>,
    /// With this probability, from 0 to 1, by the seed.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Not before this long after the rule was made.
    #[serde(default, deserialize_with = "optional_duration")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub after: Option<Duration>,
}

/// What is done: a word, or one member whose name is the word.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, serde(untagged))]
pub enum ActionSpec {
    /// `drop`, `duplicate`, `hold`, `swap`, `corrupt`, `close`, `reset`, `silence`.
    Word(String),
    /// `{delay: 200ms}`, `{cut: {after: 5}}` ...
    Detailed(Box<DetailSpec>),
}

/// An action with details; exactly one member.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DetailSpec {
    /// The packet goes on this much later.
    #[serde(default, deserialize_with = "optional_duration")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub delay: Option<Duration>,
    /// The packet goes on with this Reason Code.
    #[serde(default)]
    pub reason: Option<ReasonSpec>,
    /// The packet goes on with this Packet Identifier.
    #[serde(default)]
    pub id: Option<u16>,
    /// The payload is cut to so many bytes.
    #[serde(default)]
    pub truncate: Option<usize>,
    /// A CONNACK is changed.
    #[serde(default)]
    pub connack: Option<ConnackSpec>,
    /// The connection is ended with DISCONNECT and this Reason Code.
    #[serde(default)]
    pub disconnect: Option<ReasonSpec>,
    /// The connection ends behind so many bytes of the packet.
    #[serde(default)]
    pub cut: Option<CutSpec>,
    /// This direction becomes slow from here on.
    #[serde(default)]
    pub latency: Option<LatencySpec>,
    /// This direction carries so many bytes a second from here on.
    #[serde(default)]
    pub bandwidth: Option<u64>,
}

/// What of a CONNACK is replaced.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConnackSpec {
    /// Its Reason Code.
    #[serde(default)]
    pub reason: Option<ReasonSpec>,
    /// Its Session Present flag.
    #[serde(default)]
    pub session_present: Option<bool>,
    /// Properties by name: `receive-maximum: 1`, `server-reference: host:1884`.
    #[serde(default)]
    pub properties: BTreeMap<String, Value>,
}

/// Where a packet is cut.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CutSpec {
    /// So many bytes still go through.
    pub after: usize,
    /// RST instead of FIN.
    #[serde(default)]
    pub reset: bool,
}

/// How slow a direction is.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, serde(untagged))]
pub enum LatencySpec {
    /// `latency: 50ms`.
    Plain(#[cfg_attr(test, schemars(with = "String"))] DurationSpec),
    /// `latency: {delay: 50ms, jitter: 10ms}`.
    Jittered {
        /// At least so long.
        #[cfg_attr(test, schemars(with = "String"))]
        delay: DurationSpec,
        /// And up to so much longer.
        #[cfg_attr(test, schemars(with = "String"))]
        jitter: DurationSpec,
    },
}

// An untagged enum would say no more than that nothing fits.
impl<'de> Deserialize<'de> for LatencySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Jittered {
            delay: DurationSpec,
            jitter: DurationSpec,
        }
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = LatencySpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration such as 50ms, or {delay, jitter}")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LatencySpec, E> {
                DurationSpec::deserialize(text.into_deserializer()).map(LatencySpec::Plain)
            }

            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<LatencySpec, E> {
                DurationSpec::deserialize(seconds.into_deserializer()).map(LatencySpec::Plain)
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<LatencySpec, E> {
                DurationSpec::deserialize(seconds.into_deserializer()).map(LatencySpec::Plain)
            }

            fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<LatencySpec, E> {
                DurationSpec::deserialize(seconds.into_deserializer()).map(LatencySpec::Plain)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<LatencySpec, A::Error> {
                let Jittered { delay, jitter } =
                    Jittered::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(LatencySpec::Jittered { delay, jitter })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A duration as people write it: `200ms`, `1h 30m`; a bare number counts seconds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct DurationSpec(pub Duration);

impl<'de> Deserialize<'de> for DurationSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = DurationSpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration such as 200ms, 5s or 1h 30m")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DurationSpec, E> {
                if let Ok(seconds) = text.parse::<f64>() {
                    return self.visit_f64(seconds);
                }
                humantime::parse_duration(text)
                    .map(DurationSpec)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<DurationSpec, E> {
                Duration::try_from_secs_f64(seconds)
                    .map(DurationSpec)
                    .map_err(|_| E::invalid_value(Unexpected::Float(seconds), &self))
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<DurationSpec, E> {
                Ok(DurationSpec(Duration::from_secs(seconds)))
            }

            fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<DurationSpec, E> {
                u64::try_from(seconds)
                    .map(|seconds| DurationSpec(Duration::from_secs(seconds)))
                    .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for DurationSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["string", "number"], "description": "200ms, 5s, 1h 30m; a number counts seconds"})
    }
}

/// Reads a [`DurationSpec`] that may be missing.
///
/// # Errors
///
/// When it is no duration.
pub fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Option::<DurationSpec>::deserialize(deserializer).map(|spec| spec.map(|spec| spec.0))
}

/// A Reason Code by its number or the standard's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReasonSpec(pub ReasonCode);

impl<'de> Deserialize<'de> for ReasonSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = ReasonSpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a reason code such as 0x87 or \"Not authorized\"")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<ReasonSpec, E> {
                u8::try_from(number)
                    .map(|code| ReasonSpec(ReasonCode(code)))
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<ReasonSpec, E> {
                self.visit_u64(number.try_into().unwrap_or(u64::MAX))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ReasonSpec, E> {
                let number = match text.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16).ok(),
                    None => text.parse().ok(),
                };
                if let Some(number) = number {
                    return self.visit_u64(number);
                }
                let plain = |text: &str| text.to_lowercase().replace(['-', '_'], " ");
                (0..=u8::MAX)
                    .map(ReasonCode)
                    .find(|reason| plain(reason.name()) == plain(text))
                    .map(ReasonSpec)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for ReasonSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReasonCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["string", "integer"], "description": "0x87, 135 or the standard's name"})
    }
}

/// Reads a packet type by its name.
///
/// # Errors
///
/// When there is none of that name.
pub fn packet_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PacketType>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let found = (1..=15_u8)
        .filter_map(|number| PacketType::from_first_byte(number << 4))
        .find(|packet_type| packet_type.name().eq_ignore_ascii_case(&text));
    match found {
        Some(found) => Ok(Some(found)),
        None => {
            Err(D::Error::invalid_value(Unexpected::Str(&text), &"a packet type such as publish or puback"))
        }
    }
}

/// Reads a QoS.
///
/// # Errors
///
/// When it is not 0, 1 or 2.
pub fn qos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Qos>, D::Error> {
    let Some(number) = Option::<u8>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match Qos::from_number(number) {
        Some(qos) => Ok(Some(qos)),
        None => Err(D::Error::invalid_value(Unexpected::Unsigned(number.into()), &"QoS 0, 1 or 2")),
    }
}

impl RuleSpec {
    /// The rule.
    ///
    /// # Errors
    ///
    /// What cannot be, in words.
    pub fn rule(&self) -> Result<Rule, String> {
        let on = &self.on;
        let (sender, client) = match (&on.from, &on.to, &on.client) {
            (Some(client), None, None) => (Some(Sender::Client), Some(client.clone())),
            (None, Some(client), None) => (Some(Sender::Server), Some(client.clone())),
            (None, None, client) => (None, client.clone()),
            _ => return Err("a rule has one of 'from', 'to' and 'client'".to_owned()),
        };
        if on.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err("a probability is between 0 and 1".to_owned());
        }
        let action = self.action.action()?;
        // These change one kind of packet and fire for no other.
        let implied = match &action {
            Action::Truncate(_) => Some(PacketType::Publish),
            Action::Connack(_) => Some(PacketType::Connack),
            _ => None,
        };
        let matching = Match {
            is_accept: on.accept,
            sender,
            client,
            packet_type: on.packet.or(implied),
            topic: on.topic.clone(),
            qos: on.qos,
            retain: on.retain,
            dup: on.dup,
            reason: on.reason.map(|reason| reason.0),
            packet_identifier: on.id,
        };
        let trigger = Trigger {
            nth: on.nth,
            every: on.every,
            times: on.times,
            probability: on.probability,
            after: on.after,
        };
        let name = self.name.clone().unwrap_or_default();
        let rule = Rule { name, matching, action, trigger };
        rule.check().map(|()| rule)
    }
}

// An untagged enum would say no more than that nothing fits; this one names the member that is wrong.
impl<'de> Deserialize<'de> for ActionSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = ActionSpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a fault such as drop or {delay: 200ms}")
            }

            fn visit_str<E>(self, word: &str) -> Result<ActionSpec, E> {
                Ok(ActionSpec::Word(word.to_owned()))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<ActionSpec, A::Error> {
                DetailSpec::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(|detail| ActionSpec::Detailed(Box::new(detail)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl ActionSpec {
    fn action(&self) -> Result<Action, String> {
        match self {
            Self::Word(word) => Ok(match word.as_str() {
                "drop" => Action::Drop,
                "duplicate" => Action::Duplicate,
                "hold" => Action::Hold,
                "swap" | "reorder" => Action::Swap,
                "corrupt" => Action::Corrupt,
                "close" | "fin" | "refuse" => Action::Close,
                "reset" | "rst" => Action::Reset,
                "silence" | "half-open" | "silent" => Action::Silence,
                other => {
                    return Err(format!(
                        "there is no fault '{other}'; the words are drop, duplicate, hold, swap, corrupt, close, reset, \
                         silence, and with details delay, reason, id, truncate, connack, disconnect, cut, latency, \
                         bandwidth"
                    ));
                }
            }),
            Self::Detailed(detail) => detail.action(),
        }
    }
}

impl DetailSpec {
    fn action(&self) -> Result<Action, String> {
        let mut actions = Vec::new();
        actions.extend(self.delay.map(Action::Delay));
        actions.extend(self.reason.map(|reason| Action::Reason(reason.0)));
        actions.extend(self.id.map(Action::Identifier));
        actions.extend(self.truncate.map(Action::Truncate));
        if let Some(connack) = &self.connack {
            actions.push(Action::Connack(Box::new(connack.edit()?)));
        }
        actions.extend(self.disconnect.map(|reason| Action::Disconnect(reason.0)));
        let cut = self.cut.as_ref();
        actions.extend(cut.map(|cut| Action::Cut { after: cut.after, reset: cut.reset }));
        actions.extend(self.latency.as_ref().map(|latency| match latency {
            LatencySpec::Plain(delay) => Action::Latency { delay: delay.0, jitter: Duration::ZERO },
            LatencySpec::Jittered { delay, jitter } => Action::Latency { delay: delay.0, jitter: jitter.0 },
        }));
        actions.extend(self.bandwidth.map(Action::Bandwidth));
        match (actions.pop(), actions.is_empty()) {
            (Some(action), true) => Ok(action),
            _ => Err("'do' names exactly one fault".to_owned()),
        }
    }
}

impl ConnackSpec {
    fn edit(&self) -> Result<ConnackEdit, String> {
        let mut properties = Vec::new();
        for (name, value) in &self.properties {
            properties.extend(property_values(name, value)?);
        }
        let reason = self.reason.map(|reason| reason.0);
        Ok(ConnackEdit { reason, session_present: self.session_present, properties })
    }
}

/// A property by its name (`content-type`, also `content_type`) and its value; `user` or `user-property` takes an object.
///
/// # Errors
///
/// When there is none of that name, or it has no such value.
pub fn property_values(name: &str, value: &Value) -> Result<Vec<(PropertyIdentifier, OwnedValue)>, String> {
    let plain = name.replace('_', "-");
    if let ("user" | "user-property" | "user-properties", Value::Object(members)) = (plain.as_str(), value) {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let pairs = members.iter().map(|(key, value)| {
            (PropertyIdentifier::UserProperty, OwnedValue::Pair(key.clone(), text(value)))
        });
        return Ok(pairs.collect());
    }
    let identifier = property_identifier(&plain)?;
    let value = match (identifier.property_type(), value) {
        (PropertyType::Text, Value::String(text)) => OwnedValue::Text(text.clone()),
        (PropertyType::Text, Value::Number(number)) => OwnedValue::Text(number.to_string()),
        (PropertyType::Binary, Value::String(text)) => OwnedValue::Binary(text.clone().into_bytes()),
        (PropertyType::TextPair | PropertyType::Text | PropertyType::Binary, _) => {
            return Err(format!("the property {plain} has no value {value}"));
        }
        (_, Value::Bool(is_set)) => OwnedValue::Number(u32::from(*is_set)),
        (_, value) => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => OwnedValue::Number(number),
            None => return Err(format!("the property {plain} is a number, not {value}")),
        },
    };
    let mut wire = crate::packet::Properties::EMPTY;
    wire.push(value.property(identifier)).map_err(|error| format!("the property {plain}: {error}"))?;
    Ok(vec![(identifier, value)])
}

/// A property by its name, with `-` or `_` between words.
///
/// # Errors
///
/// When there is none of that name.
pub fn property_identifier(name: &str) -> Result<PropertyIdentifier, String> {
    let plain = name.replace('_', "-");
    (0..=127)
        .filter_map(PropertyIdentifier::from_code)
        .find(|identifier| identifier.name() == plain)
        .ok_or_else(|| format!("there is no property '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<Rule, String> {
        serde_json::from_str::<RuleSpec>(text).map_err(|error| error.to_string())?.rule()
    }

    #[test]
    fn a_rule_is_read_from_its_written_form() {
        let lost = rule(r#"{"on": {"from": "lamp-*", "packet": "puback", "nth": 1}, "do": "drop"}"#).unwrap();
        assert_eq!(lost.matching.sender, Some(Sender::Client));
        assert_eq!(lost.matching.packet_type, Some(PacketType::Puback));
        assert_eq!((lost.trigger.nth, lost.action), (Some(1), Action::Drop));
        let slow = rule(r#"{"do": {"latency": {"delay": "50ms", "jitter": 1}}}"#).unwrap();
        let (delay, jitter) = (Duration::from_millis(50), Duration::from_secs(1));
        assert_eq!(slow.action, Action::Latency { delay, jitter });
        let refused = rule(r#"{"on": {"packet": "connack"}, "do": {"reason": "not authorized"}}"#).unwrap();
        assert_eq!(refused.action, Action::Reason(ReasonCode::NOT_AUTHORIZED));
        let limits = r#"{"do": {"connack": {"properties": {"receive_maximum": 1, "user": {"a": "b"}}}}}"#;
        let Action::Connack(edit) = rule(limits).unwrap().action else { panic!("another action") };
        assert_eq!(edit.properties.len(), 2);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, part) in [
            (r#"{"do": "explode"}"#, "there is no fault 'explode'"),
            (r#"{"on": {"from": "a", "to": "b"}, "do": "drop"}"#, "one of 'from', 'to' and 'client'"),
            (r#"{"do": {"delay": "1s", "id": 3}}"#, "exactly one fault"),
            (r#"{"on": {"packet": "pubak"}, "do": "drop"}"#, "a packet type such as"),
            (r#"{"on": {"qos": 3}, "do": "drop"}"#, "QoS 0, 1 or 2"),
            (
                r#"{"on": {"packet": "publish"}, "do": {"reason": 128}}"#,
                "'reason' changes nothing of PUBLISH",
            ),
            (
                r#"{"on": {"packet": "puback"}, "do": {"truncate": 1}}"#,
                "'truncate' changes nothing of PUBACK",
            ),
            (r#"{"on": {"packet": "connect"}, "do": {"id": 7}}"#, "'id' changes nothing of CONNECT"),
            (r#"{"do": {"reason": 128}}"#, "'reason' needs 'packet': a packet that has a reason code"),
            (
                r#"{"on": {"packet": "puback", "nth": 2, "every": 3}, "do": "drop"}"#,
                "either 'nth' or 'every'",
            ),
            (r#"{"on": {"packet": "puback", "nth": 0}, "do": "drop"}"#, "'nth: 0' is never"),
            (r#"{"on": {"accept": true}, "do": {"delay": "1s"}}"#, "'delay' is done to packets"),
            (r#"{"on": {"accept": true, "from": "a"}, "do": "close"}"#, "of which nothing else is known"),
            (r#"{"on": {"packet": "pingreq", "topic": "x"}, "do": "drop"}"#, "PINGREQ has no topic"),
            (r#"{"on": {"packet": "connack", "from": "a"}, "do": "drop"}"#, "no client sends CONNACK"),
            (r#"{"on": {"packet": "connect", "to": "a"}, "do": "drop"}"#, "no client is sent CONNECT"),
            (r#"{"do": {"connack": {"properties": {"receive-maximum": "x"}}}}"#, "is a number"),
            (r#"{"do": {"connack": {"properties": {"colour": 1}}}}"#, "no property 'colour'"),
            (r#"{"on": {"probability": 2}, "do": "drop"}"#, "between 0 and 1"),
        ] {
            let error = rule(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
