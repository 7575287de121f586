//! What is wrong with what is looked for: topics that never match, members that an event never has.

use super::super::scenario::ExpectSpec;
use super::{Within, Wrong};
use serde_json::Value;
use std::collections::BTreeSet;

/// Members of every record.
const OF_ALL: [&str; 5] = ["seq", "time", "connection", "client", "event"];

/// A topic whose `{name}`s each stand for a level of its own.
pub(super) fn check_topic(topic: &str) -> Result<(), Wrong> {
    if topic.starts_with("$share/") {
        return Err(
            "no message comes on '$share/...'; it is the filter behind the group that they match".into()
        );
    }
    let mut names = BTreeSet::new();
    for level in topic.split('/').filter(|level| level.contains(['{', '}'])) {
        let name = level.strip_prefix('{').and_then(|level| level.strip_suffix('}'));
        let is_word = |name: &&str| {
            let is_part = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
            name.starts_with(|one: char| one.is_ascii_alphabetic() || one == '_') && name.chars().all(is_part)
        };
        let Some(name) = name.filter(is_word) else {
            return Err(
                format!("topic {topic}: '{level}' is no name; '{{name}}' stands for a whole level").into()
            );
        };
        if !names.insert(name) {
            return Err(format!("topic {topic}: '{{{name}}}' stands in it twice").into());
        }
    }
    Ok(())
}

/// An event that has what is asked of it.
pub(super) fn check_event(spec: &ExpectSpec, said: &[&str]) -> Result<(), Wrong> {
    let event = spec.event.as_deref().unwrap_or("packet");
    let packet = spec.packet.as_deref();
    if packet.is_some() && !["packet", "fault"].contains(&event) {
        return Err(format!("'{event}' has no packet")).within("packet");
    }
    let has: &[&str] = match (event, packet) {
        ("packet", None) => &["session_present", "topic", "text", "qos", "retain", "dup"],
        ("packet", Some("publish")) | ("message", _) => &["topic", "text", "qos", "retain", "dup"],
        ("packet", Some("connack")) | ("connect", _) => &["session_present"],
        ("subscribe" | "unsubscribe" | "will" | "drop", _) => &["topic"],
        _ => &[],
    };
    let asked = ["session_present", "topic", "text", "qos", "retain", "dup"];
    if let Some(word) = asked.iter().find(|word| said.contains(word) && !has.contains(word)) {
        let what = packet.map_or_else(|| event.to_owned(), |packet| format!("{event} {packet}"));
        return Err(format!("a '{what}' event never has '{word}'")).within(word);
    }
    let Some(Value::Object(record)) = &spec.record else {
        return if spec.record.is_some() {
            Err("record: members belong here").within("record")
        } else {
            Ok(())
        };
    };
    let Some(members) = members(event) else {
        return Ok(());
    };
    match record.keys().find(|name| !members.contains(&name.as_str()) && !OF_ALL.contains(&name.as_str())) {
        Some(name) => {
            let suggestion = super::suggestion(name, members.iter().copied());
            let wrong = Err(format!("the record of '{event}' never has '{name}'{suggestion}"));
            wrong.within(name).within("record")
        }
        None => Ok(()),
    }
}

/// What a record of this event may have, if that is the same for all of them.
fn members(event: &str) -> Option<&'static [&'static str]> {
    Some(match event {
        "open" => &["peer", "listener"],
        "malformed" => &["from", "error", "bytes"],
        "fault" => &["rule", "do", "packet"],
        "connect" => &["version", "clean_start", "keep_alive", "user_name", "session_present", "will"],
        "refused" => &["reason", "name"],
        "subscribe" => &["filter", "reason", "granted"],
        "unsubscribe" => &["filter"],
        "close" => &["by", "disconnect"],
        "disconnect" => &["why", "reason", "error"],
        "drop" => &["why", "topic", "bytes"],
        "will" => &["topic"],
        "mark" => &["name"],
        "note" => &["source", "text"],
        "advance" => &["seconds"],
        "session-expired" | "stop" | "start" => &[],
        _ => return None,
    })
}
