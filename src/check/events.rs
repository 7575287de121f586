//! Events of clients and of the broker, as a scenario asks for them.

use super::compile::client_match;
use super::scenario::ExpectSpec;
use super::variables::Variables;
use crate::journal::Record;
use crate::packet::PacketType;
use crate::test_broker::matcher::{Captures, Difference, TextMatch, TopicPattern, json};
use crate::test_broker::{describe, record_value};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The events that there are, by their word in a record.
const WORDS: [&str; 20] = [
    "open",
    "packet",
    "malformed",
    "fault",
    "connect",
    "refused",
    "subscribe",
    "unsubscribe",
    "close",
    "disconnect",
    "drop",
    "session-expired",
    "will",
    "message",
    "mark",
    "note",
    "output",
    "advance",
    "stop",
    "start",
];

/// What of a record must be there.
#[derive(Debug)]
pub(super) struct EventMatcher {
    wanted: Value,
    event: String,
    /// Whose: as it is written, and what it must be.
    client: Option<(String, TextMatch)>,
    /// The topic of its message; names in it are kept.
    topic: Option<TopicPattern>,
}

impl EventMatcher {
    pub(super) fn compile(spec: &ExpectSpec, variables: &Variables) -> Result<Self, String> {
        let event = spec.event.clone().unwrap_or_else(|| "packet".to_owned());
        if !WORDS.contains(&event.as_str()) {
            let suggestion = super::load::suggestion(&event, WORDS);
            return Err(format!("there is no event '{event}'{suggestion}"));
        }
        let mut wanted = Map::new();
        wanted.insert("event".into(), json!(event));
        let client = match &spec.client {
            Some(client) => Some((variables.fill(client)?, client_match(client, variables)?)),
            None => None,
        };
        if let Some((_, TextMatch::Is(client))) = &client {
            wanted.insert("client".into(), json!(client));
        }
        if let Some(is_present) = spec.session_present {
            wanted.insert("session_present".into(), json!(is_present));
        }
        if let Some(packet) = &spec.packet {
            let known = (1..=15_u8).filter_map(|number| PacketType::from_first_byte(number << 4));
            let known: Vec<String> = known.map(|packet| packet.name().to_lowercase()).collect();
            if !known.contains(packet) {
                let suggestion = super::load::suggestion(packet, known.iter().map(String::as_str));
                return Err(format!("there is no packet '{packet}'{suggestion}"));
            }
            wanted.insert("packet".into(), json!(packet));
        }
        // The filter of a subscription is that very filter.
        let is_filter = event == "subscribe" || event == "unsubscribe";
        let topic = match &spec.topic {
            Some(topic) if is_filter => {
                wanted.insert("filter".into(), json!(variables.fill(topic)?));
                None
            }
            Some(topic) => {
                let topic = variables.fill(topic)?;
                Some(TopicPattern::parse(&topic).map_err(|error| format!("topic {topic}: {error}"))?)
            }
            None => None,
        };
        let flags = [("retain", spec.retain), ("dup", spec.dup)];
        wanted.extend(flags.into_iter().filter_map(|(name, flag)| Some((name.to_owned(), json!(flag?)))));
        if let Some(qos) = spec.qos {
            wanted.insert("qos".into(), json!(qos));
        }
        if let Some(text) = &spec.text {
            wanted.insert("payload".into(), json!(variables.fill(text)?));
        }
        if let Some(Value::Object(members)) = &spec.record {
            for (name, value) in members {
                wanted.insert(name.clone(), variables.fill_value(value)?);
            }
        }
        Ok(Self { wanted: Value::Object(wanted), event, client, topic })
    }

    pub(super) fn check(&self, record: &Record) -> Option<Captures> {
        let value = record_value(record);
        let (captures, differences) = self.compare(&value);
        (differences.is_empty() && self.is_of_client(&value)).then_some(captures)
    }

    fn compare(&self, record: &Value) -> (Captures, Vec<Difference>) {
        let mut differences = Vec::new();
        json::subset(&self.wanted, record, "", &mut differences);
        let mut captures = Captures::new();
        if let Some(pattern) = &self.topic {
            let topic = record["topic"].as_str();
            match topic.and_then(|topic| pattern.captures(topic)) {
                Some(found) => captures = found,
                None => {
                    let is = topic.unwrap_or("no topic");
                    differences.push(Difference::new("topic", format!("{is} does not match {pattern}")));
                }
            }
        }
        (captures, differences)
    }

    fn is_of_client(&self, record: &Value) -> bool {
        let is = record["client"].as_str().unwrap_or_default();
        self.client.as_ref().is_none_or(|(_, client)| client.holds(is))
    }

    /// What that client did instead.
    pub(super) fn miss(&self, records: &[Arc<Record>]) -> String {
        const SHOWN_MAX: usize = 3;
        let mut text = String::new();
        let is_alike = |record: &&Arc<Record>| {
            let value = record_value(record);
            value["event"] == self.event.as_str() && self.is_of_client(&value)
        };
        for record in records.iter().rev().filter(is_alike).take(SHOWN_MAX) {
            let (_, differences) = self.compare(&record_value(record));
            text.push_str(&format!("\n  nearest: {}", describe(record)));
            differences.iter().for_each(|difference| text.push_str(&format!("\n    {difference}")));
        }
        if text.is_empty() {
            let whose = self.client.as_ref().map(|(client, _)| format!(" of {client}")).unwrap_or_default();
            text = format!("\n  no {} event{whose} came at all", self.event);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_as_in_the_rules_of_faults() {
        for (client, fits) in
            [("lamp-*", true), ("lamp-?", true), ("lamp-2*", false), ("~^l.*1$", true), ("~x", false)]
        {
            let spec = ExpectSpec {
                event: Some("refused".to_owned()),
                client: Some(client.to_owned()),
                ..ExpectSpec::default()
            };
            let matcher = EventMatcher::compile(&spec, &Variables::default()).unwrap();
            let record = json!({"event": "refused", "client": "lamp-1"});
            assert_eq!(matcher.is_of_client(&record), fits, "{client}");
        }
    }
}
