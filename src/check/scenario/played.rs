//! The written form of the clients that a scenario plays.

use super::{ExpectSpec, PublishSpec};
use crate::fault::spec::{DurationSpec, ReasonSpec};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A client that the scenario plays; what is named is done in this order.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// Its Client Identifier.
    pub id: String,
    /// Connects: `true` as it did before, and what it had not finished sending goes on; or how, as a program that has
    /// just been started and remembers nothing.
    #[serde(default)]
    pub connect: Option<ConnectSpec>,
    /// Subscribes: a filter, or a list of them.
    #[serde(default)]
    pub subscribe: Option<SubscribeSpec>,
    /// Unsubscribes from these.
    #[serde(default)]
    pub unsubscribe: Vec<String>,
    /// Publishes.
    #[serde(default)]
    pub publish: Option<PublishSpec>,
    /// Must receive a message such as this.
    #[serde(default)]
    pub receive: Option<ExpectSpec>,
    /// Must have received nothing more, when nothing is on its way.
    #[serde(default)]
    pub receive_nothing: bool,
    /// Leaves with DISCONNECT: `true`, or a Reason Code.
    #[serde(default)]
    pub disconnect: Option<Value>,
    /// Is gone without a word.
    #[serde(default)]
    pub kill: bool,
}

/// How a played client connects.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, serde(untagged))]
pub enum ConnectSpec {
    /// MQTT 5, Clean Start, Keep Alive 60 s; or as it connected before.
    Plain(bool),
    /// In this way.
    With(Box<ConnectOptions>),
}

/// How a played client connects.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConnectOptions {
    /// `3.1`, `3.1.1` or `5`.
    #[serde(default)]
    pub version: Option<Value>,
    /// Clean Start; default yes.
    #[serde(default)]
    pub clean: Option<bool>,
    /// Keep Alive in seconds.
    #[serde(default)]
    pub keep_alive: Option<u16>,
    /// Session Expiry Interval; before MQTT 5 use `clean: false`.
    #[serde(default)]
    pub session_expiry: Option<DurationSpec>,
    /// User Name.
    #[serde(default)]
    pub username: Option<String>,
    /// Password.
    #[serde(default)]
    pub password: Option<String>,
    /// Its will.
    #[serde(default)]
    pub will: Option<WillSpec>,
    /// Properties by name.
    #[serde(default)]
    pub props: BTreeMap<String, Value>,
    /// The refusal that is expected instead of success.
    #[serde(default)]
    pub refused: Option<ReasonSpec>,
    /// Whether an earlier session must go on.
    #[serde(default)]
    pub session_present: Option<bool>,
}

/// A played client's will.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WillSpec {
    /// Where to.
    pub topic: String,
    /// Payload: text.
    #[serde(default)]
    pub text: Option<String>,
    /// Payload: JSON.
    #[serde(default)]
    pub json: Option<Value>,
    /// QoS.
    #[serde(default)]
    pub qos: Option<u8>,
    /// Whether it is retained.
    #[serde(default)]
    pub retain: bool,
    /// Will Delay Interval.
    #[serde(default)]
    pub delay: Option<DurationSpec>,
}

/// What a played client subscribes to.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, serde(untagged))]
pub enum SubscribeSpec {
    /// One filter, at QoS 2.
    One(String),
    /// Filters at QoS 2.
    Many(Vec<String>),
    /// Filters with options.
    With(SubscribeOptions),
}

/// Filters and how they are subscribed to.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SubscribeOptions {
    /// The filters.
    pub filters: Vec<String>,
    /// The QoS; 2 by default.
    #[serde(default)]
    pub qos: Option<u8>,
    /// The Reason Code that SUBACK must have for each.
    #[serde(default)]
    pub reason: Option<ReasonSpec>,
}

// An untagged enum would say no more than that nothing fits; these name the member that is wrong.

impl<'de> Deserialize<'de> for ConnectSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = ConnectSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, or how the client connects")
            }

            fn visit_bool<E>(self, is_wanted: bool) -> Result<ConnectSpec, E> {
                Ok(ConnectSpec::Plain(is_wanted))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ConnectSpec, A::Error> {
                ConnectOptions::deserialize(MapAccessDeserializer::new(map))
                    .map(|options| ConnectSpec::With(Box::new(options)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for SubscribeSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = SubscribeSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a filter, a list of filters, or filters and qos")
            }

            fn visit_str<E>(self, filter: &str) -> Result<SubscribeSpec, E> {
                Ok(SubscribeSpec::One(filter.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, filters: A) -> Result<SubscribeSpec, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(filters)).map(SubscribeSpec::Many)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SubscribeSpec, A::Error> {
                SubscribeOptions::deserialize(MapAccessDeserializer::new(map)).map(SubscribeSpec::With)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
