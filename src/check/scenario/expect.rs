//! The written form of what a scenario expects.

use super::CommandSpec;
use crate::fault::spec::DurationSpec;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is expected.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectSpec {
    /// The Topic Filter; `{name}` stands for one level that is kept.
    #[serde(default)]
    pub topic: Option<String>,
    /// How long it is waited for.
    #[serde(default)]
    pub within: Option<DurationSpec>,
    /// From where it is looked: `start`, `last-trigger`, `last-match` or `mark NAME`. By default from the last thing that
    /// set something off (publish, fault, device ...) or the last match, whichever is later.
    #[serde(default)]
    pub since: Option<String>,
    /// `true` or `window`: no such message for a while (`for`); `settled`: none when nothing is on its way any more.
    #[serde(default)]
    pub none: Option<Value>,
    /// How long `none: true` looks; 500 ms by default.
    #[serde(default, rename = "for")]
    pub window: Option<DurationSpec>,
    /// Exactly so many, counted when nothing is on its way any more (or after `for`).
    #[serde(default)]
    pub exactly: Option<usize>,
    /// The same as `exactly`.
    #[serde(default)]
    pub count: Option<usize>,
    /// At least so many.
    #[serde(default)]
    pub at_least: Option<usize>,
    /// At most so many, counted when nothing is on its way any more (or after `for`).
    #[serde(default)]
    pub at_most: Option<usize>,
    /// All of these, in any order.
    #[serde(default)]
    pub all: Vec<ExpectSpec>,
    /// One of these.
    #[serde(default)]
    pub any: Vec<ExpectSpec>,
    /// These in this order; no other message on their topics may come between.
    #[serde(default)]
    pub sequence: Vec<ExpectSpec>,

    /// The payload is this text.
    #[serde(default)]
    pub text: Option<String>,
    /// The payload is these bytes: text, as `text`.
    #[serde(default)]
    pub equals: Option<String>,
    /// The payload matches; named groups are kept.
    #[serde(default)]
    pub regex: Option<String>,
    /// The payload in hexadecimal; `??` is any byte.
    #[serde(default)]
    pub hex: Option<String>,
    /// The payload in Base64.
    #[serde(default)]
    pub base64: Option<String>,
    /// Whether the payload is empty.
    #[serde(default)]
    pub empty: Option<bool>,
    /// The payload's size in bytes: a number, or `{min, max}`.
    #[serde(default)]
    pub size: Option<Value>,
    /// The payload as JSON.
    #[serde(default)]
    pub json: Option<JsonSpec>,
    /// Places in the payload's JSON, by pointer: a value, or what must hold.
    #[serde(default)]
    pub at: BTreeMap<String, Value>,
    /// How the payload becomes JSON: `cbor`, `msgpack`, or `{cmd: [...]}` that reads the payload and prints JSON.
    #[serde(default)]
    pub decode: Option<Value>,
    /// A command that reads the payload and ends with 0 if it is right.
    #[serde(default)]
    pub cmd: Option<CommandSpec>,

    /// The QoS it was published with.
    #[serde(default)]
    pub qos: Option<u8>,
    /// Its RETAIN flag.
    #[serde(default)]
    pub retain: Option<bool>,
    /// Its DUP flag.
    #[serde(default)]
    pub dup: Option<bool>,
    /// Whether it is a will; only the embedded broker knows.
    #[serde(default)]
    pub will: Option<bool>,
    /// Its publisher; `*` and `?` stand for characters, `~` begins a pattern. Only the embedded broker knows.
    #[serde(default)]
    pub from: Option<String>,
    /// Properties by name; a text that begins with `~` is a pattern, `user` is an object.
    #[serde(default)]
    pub props: BTreeMap<String, Value>,
    /// How long after the last trigger it may come at most.
    #[serde(default)]
    pub latency: Option<DurationSpec>,

    /// An event of a client: `connect`, `refused`, `disconnect`, `close`, `subscribe`, `unsubscribe`, `packet`, `fault`,
    /// `malformed`, `session-expired`, `will`, `drop`.
    #[serde(default)]
    pub event: Option<String>,
    /// Whose event, as in `from`.
    #[serde(default)]
    pub client: Option<String>,
    /// Of `connect`: whether an earlier session goes on.
    #[serde(default)]
    pub session_present: Option<bool>,
    /// Of `packet`: its type.
    #[serde(default)]
    pub packet: Option<String>,
    /// Of any event: members of its record in the journal, as NDJSON has them.
    #[serde(default)]
    pub record: Option<Value>,
}

impl ExpectSpec {
    /// The members that are there, by their names in the file.
    pub(in crate::check) fn said(&self) -> Vec<&'static str> {
        let all = [
            (self.topic.is_some(), "topic"),
            (self.within.is_some(), "within"),
            (self.since.is_some(), "since"),
            (self.none.is_some(), "none"),
            (self.window.is_some(), "for"),
            (self.exactly.is_some(), "exactly"),
            (self.count.is_some(), "count"),
            (self.at_least.is_some(), "at_least"),
            (self.at_most.is_some(), "at_most"),
            (!self.all.is_empty(), "all"),
            (!self.any.is_empty(), "any"),
            (!self.sequence.is_empty(), "sequence"),
            (self.text.is_some(), "text"),
            (self.equals.is_some(), "equals"),
            (self.regex.is_some(), "regex"),
            (self.hex.is_some(), "hex"),
            (self.base64.is_some(), "base64"),
            (self.empty.is_some(), "empty"),
            (self.size.is_some(), "size"),
            (self.json.is_some(), "json"),
            (!self.at.is_empty(), "at"),
            (self.decode.is_some(), "decode"),
            (self.cmd.is_some(), "cmd"),
            (self.qos.is_some(), "qos"),
            (self.retain.is_some(), "retain"),
            (self.dup.is_some(), "dup"),
            (self.will.is_some(), "will"),
            (self.from.is_some(), "from"),
            (!self.props.is_empty(), "props"),
            (self.latency.is_some(), "latency"),
            (self.event.is_some(), "event"),
            (self.client.is_some(), "client"),
            (self.session_present.is_some(), "session_present"),
            (self.packet.is_some(), "packet"),
            (self.record.is_some(), "record"),
        ];
        all.into_iter().filter(|(is_said, _)| *is_said).map(|(_, word)| word).collect()
    }

    /// One member on a topic of its own, to see whether that one is wrong.
    pub(in crate::check) fn alone(&self, member: &str) -> Self {
        let mut alone = Self { topic: Some("a".to_owned()), ..Self::default() };
        match member {
            "topic" => alone.topic.clone_from(&self.topic),
            "text" => alone.text.clone_from(&self.text),
            "equals" => alone.equals.clone_from(&self.equals),
            "regex" => alone.regex.clone_from(&self.regex),
            "hex" => alone.hex.clone_from(&self.hex),
            "base64" => alone.base64.clone_from(&self.base64),
            "size" => alone.size.clone_from(&self.size),
            "json" => alone.json.clone_from(&self.json),
            "at" => alone.at.clone_from(&self.at),
            "decode" => alone.decode.clone_from(&self.decode),
            "cmd" => alone.cmd.clone_from(&self.cmd),
            "qos" => alone.qos = self.qos,
            "from" => alone.from.clone_from(&self.from),
            "props" => alone.props.clone_from(&self.props),
            _ => {}
        }
        alone
    }

    /// How many there must be, if that is said.
    pub(in crate::check) fn exact_count(&self) -> Option<usize> {
        self.exactly.or(self.count)
    }
}

/// What the payload is as JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JsonSpec {
    /// This.
    #[serde(default)]
    pub equals: Option<Value>,
    /// At least this.
    #[serde(default)]
    pub subset: Option<Value>,
    /// What this JSON Schema allows: the schema, or the name of its file.
    #[serde(default)]
    pub schema: Option<Value>,
}
