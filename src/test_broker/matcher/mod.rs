//! What a message must be: topic, payload, envelope; and how far another one is from it.

pub mod json;
mod payload;
mod topic;

pub use json::{At, JsonType};
pub(crate) use payload::shown;
pub use payload::{Decode, Decoder, JsonCheck, Payload, PayloadCheck, parse_hex};
pub use topic::TopicPattern;

use crate::journal::Published;
use crate::packet::{PropertyIdentifier, PropertyValue, Qos};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// What was found in a message and kept, by name.
pub type Captures = BTreeMap<String, Value>;

/// One thing that is not as it must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// What it is about: `topic`, `qos`, `payload`, a JSON pointer, a property.
    pub what: String,
    /// How it is, and how it must be.
    pub text: String,
}

impl Difference {
    /// One about `what`.
    #[must_use]
    pub fn new(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { what: what.into(), text: text.into() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.text)
    }
}

/// A text that must be this one, or fit a pattern.
#[derive(Clone, Debug)]
pub enum TextMatch {
    /// This text.
    Is(String),
    /// What the pattern is found in; named groups are kept.
    Fits(Regex),
}

impl TextMatch {
    /// Whether `text` is as it must be.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Is(wanted) => wanted == text,
            Self::Fits(pattern) => pattern.is_match(text),
        }
    }
}

impl fmt::Display for TextMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => write!(f, "{text:?}"),
            Self::Fits(pattern) => write!(f, "/{pattern}/"),
        }
    }
}

/// All that is asked of a message; what is left out may be anything.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// The topic.
    pub topic: Option<TopicPattern>,
    /// The payload; all must hold.
    pub payload: Vec<Payload>,
    /// How the payload becomes JSON for those that look at JSON.
    pub decoder: Decoder,
    /// The QoS that it was published with.
    pub qos: Option<Qos>,
    /// The RETAIN flag.
    pub retain: Option<bool>,
    /// The DUP flag.
    pub dup: Option<bool>,
    /// Whether it is a will.
    pub will: Option<bool>,
    /// The Client Identifier of its publisher; only the embedded broker knows it.
    pub publisher: Option<TextMatch>,
    /// Properties; a User Property by its name.
    pub properties: Vec<(PropertyIdentifier, Option<String>, TextMatch)>,
}

impl Matcher {
    /// What was kept, or all that is not as it must be.
    ///
    /// # Errors
    ///
    /// The differences; never empty.
    pub fn check(&self, publisher: &str, message: &Published) -> Result<Captures, Vec<Difference>> {
        let mut captures = Captures::new();
        let mut differences = Vec::new();
        if let Some(topic) = &self.topic {
            match topic.captures(&message.topic) {
                Some(found) => captures.extend(found),
                None => {
                    let text = format!("{} does not match {topic}", message.topic);
                    differences.push(Difference::new("topic", text));
                }
            }
        }
        self.check_envelope(publisher, message, &mut differences);
        for payload in &self.payload {
            payload.check(&message.payload, &self.decoder, &mut captures, &mut differences);
        }
        if differences.is_empty() { Ok(captures) } else { Err(differences) }
    }

    /// Whether the topic is the wanted one, so that what is wrong is about the rest.
    #[must_use]
    pub fn is_about(&self, message: &Published) -> bool {
        self.topic.as_ref().is_none_or(|topic| topic.captures(&message.topic).is_some())
    }

    fn check_envelope(&self, publisher: &str, message: &Published, differences: &mut Vec<Difference>) {
        let mut compare = |what: &str, is: String, wanted: Option<String>| {
            if let Some(wanted) = wanted
                && wanted != is
            {
                differences.push(Difference::new(what, format!("is {is}, must be {wanted}")));
            }
        };
        let number = |qos: Qos| (qos as u8).to_string();
        compare("qos", number(message.qos), self.qos.map(number));
        compare("retain", message.retain.to_string(), self.retain.map(|wanted| wanted.to_string()));
        compare("dup", message.dup.to_string(), self.dup.map(|wanted| wanted.to_string()));
        compare("will", message.is_will.to_string(), self.will.map(|wanted| wanted.to_string()));
        if let Some(wanted) = self.publisher.as_ref().filter(|wanted| !wanted.holds(publisher)) {
            differences.push(Difference::new("publisher", format!("is {publisher:?}, must be {wanted}")));
        }
        for (identifier, name, wanted) in &self.properties {
            let found: Vec<String> = property_texts(message, *identifier, name.as_deref());
            if found.iter().any(|text| wanted.holds(text)) {
                continue;
            }
            let what = match name {
                Some(name) => format!("user property {name}"),
                None => identifier.name().to_owned(),
            };
            let is =
                if found.is_empty() { "is missing".to_owned() } else { format!("is {:?}", found.join(", ")) };
            differences.push(Difference::new(what, format!("{is}, must be {wanted}")));
        }
    }
}

/// The values of a property, as text; binary data in hexadecimal unless it is UTF-8.
fn property_texts(message: &Published, identifier: PropertyIdentifier, name: Option<&str>) -> Vec<String> {
    let of_kind = message.properties.as_ref().iter().filter(|property| property.identifier == identifier);
    of_kind
        .filter_map(|property| match property.value {
            PropertyValue::Number(number) => Some(number.to_string()),
            PropertyValue::Text(text) => Some(text.to_owned()),
            PropertyValue::Binary(bytes) => Some(match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => payload::hex(bytes),
            }),
            PropertyValue::Pair(key, value) => name.is_none_or(|name| name == key).then(|| value.to_owned()),
        })
        .collect()
}
