//! Records for people: one line each.

use super::record_json::packet_words;
use crate::journal::{CloseReason, Fact, Fate, Happening, Record};
use crate::packet::Sender;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One record in one line, without its time and number.
#[must_use]
pub fn describe(record: &Record) -> String {
    let who = match (record.connection, record.client_identifier.as_str()) {
        (0, "") => String::new(),
        (number, "") => format!("#{number} "),
        (_, client) => format!("{client} "),
    };
    format!("{who}{}", happening(&record.happening))
}

fn happening(happening: &Happening) -> String {
    match happening {
        Happening::Opened { peer, listener } => format!("opens a connection ({listener}, {peer})"),
        Happening::Packet { sender, fate, .. } => {
            let arrow = match sender {
                Sender::Client => "->",
                Sender::Server => "<-",
            };
            let fate = match fate {
                Fate::Passed => "",
                Fate::Stopped => " [kept by a rule]",
                Fate::Made => " [made by a rule]",
            };
            format!("{arrow} {}{fate}", packet_words(happening))
        }
        Happening::Malformed { sender, error, .. } => {
            let side = if *sender == Sender::Client { "client" } else { "server" };
            format!("!! malformed packet of the {side}: {error}")
        }
        Happening::Fault { rule, action, packet_type } => {
            let at = packet_type.map(|packet_type| format!(" at {}", packet_type.name())).unwrap_or_default();
            format!("** {rule}: {action}{at}")
        }
        Happening::Connected { session_present, clean_start, keep_alive, .. } => {
            let session = if *session_present { "session present" } else { "new session" };
            let clean = if *clean_start { ", clean start" } else { "" };
            format!("is connected ({session}{clean}, keep alive {keep_alive} s)")
        }
        Happening::Refused(reason) => {
            format!("is refused: {} (0x{:02x})", reason.refusal_name(), reason.0)
        }
        Happening::Subscribed { filter, reason } if reason.is_error() => {
            format!("may not subscribe to {filter}: {}", reason.name())
        }
        Happening::Subscribed { filter, reason } => format!("is subscribed to {filter} (QoS {})", reason.0),
        Happening::Unsubscribed { filter } => format!("is unsubscribed from {filter}"),
        Happening::Closed { by, disconnect } => {
            let who = match by {
                Some(Sender::Client) => "the client",
                Some(Sender::Server) => "the server",
                None => "a rule",
            };
            let how = disconnect.map(|reason| format!(", DISCONNECT 0x{:02x}", reason.0)).unwrap_or_default();
            format!("connection ended by {who}{how}")
        }
        Happening::Fact(fact) => fact_words(fact),
        Happening::Message(message) => {
            let retain = if message.retain { ", retain" } else { "" };
            let will = if message.is_will { ", will" } else { "" };
            let payload = super::matcher::shown(&message.payload);
            format!("publishes {} (QoS {}{retain}{will}) {payload}", message.topic, message.qos as u8)
        }
        Happening::Mark(name) => format!("mark {name}"),
        Happening::Note { source, text } | Happening::Output { source, text } => {
            format!("[{source}] {}", printable(text))
        }
        Happening::ClockTurned(distance) => format!("the clock is turned by {distance:?}"),
        Happening::Stopped => "the broker stops".to_owned(),
        Happening::Started => "the broker starts".to_owned(),
    }
}

fn fact_words(fact: &Fact) -> String {
    match fact {
        Fact::Closed { reason, .. } => match reason {
            CloseReason::Disconnected => "broker: left with DISCONNECT".to_owned(),
            CloseReason::ClosedByPeer => "broker: left without DISCONNECT".to_owned(),
            CloseReason::KeepAliveTimeout => "broker: silent for one and a half Keep Alives".to_owned(),
            CloseReason::ConnectTimeout => "broker: no CONNECT in time".to_owned(),
            CloseReason::TakenOver => "broker: session taken over".to_owned(),
            CloseReason::Fault(error) => format!("broker: protocol error, {error}"),
            CloseReason::Refused(reason) => format!("broker: ended, {}", reason.name()),
            CloseReason::Stopping => "broker: is stopping".to_owned(),
        },
        Fact::PublishDenied { topic, .. } => format!("broker: may not publish to {topic}"),
        Fact::PublishTooLarge { packet_length } => {
            format!("broker: a message of {packet_length} bytes is too large")
        }
        Fact::MessagesDropped => "broker: its queue is full, messages are dropped".to_owned(),
        Fact::SessionExpired => "broker: session expired".to_owned(),
        Fact::WillPublished { topic } => format!("broker: its will goes to {topic}"),
        Fact::Subscribed { filter, .. } => format!("broker: subscribed to {filter}"),
        Fact::Unsubscribed { filter } => format!("broker: unsubscribed from {filter}"),
        other => format!("broker: {other:?}"),
    }
}

/// What a program printed, without what would tamper with a terminal, and not longer than a few of its lines.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    const CHARS_MAX: usize = 400;
    let mut line = String::with_capacity(text.len().min(CHARS_MAX));
    for (at, letter) in text.chars().enumerate() {
        match letter {
            _ if at == CHARS_MAX => {
                line.push_str(&format!("... ({} bytes)", text.len()));
                break;
            }
            '\t' => line.push('\t'),
            letter if letter.is_control() => line.extend(letter.escape_default()),
            letter => line.push(letter),
        }
    }
    line
}

/// Records in lines, each with its time.
#[must_use]
pub fn timeline(records: &[Arc<Record>]) -> String {
    let mut text = String::new();
    for record in records {
        text.push_str(&line(record));
        text.push('\n');
    }
    text
}

/// One record with its time in seconds.
#[must_use]
pub fn line(record: &Record) -> String {
    let micros = record.time.as_nanos() / 1000;
    format!("{:>4}.{:06} {}", micros / 1_000_000, micros % 1_000_000, describe(record))
}

/// Records in lines that are the same in every run: no times, no addresses, connections and assigned identifiers by their
/// order.
pub(super) fn snapshot(records: &[Arc<Record>]) -> String {
    let mut text = String::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut connections: BTreeMap<u64, usize> = BTreeMap::new();
    for record in records {
        let mut line = match &record.happening {
            Happening::Opened { listener, .. } => format!("opens a connection ({listener})"),
            other => happening(other),
        };
        let client = record.client_identifier.as_str();
        if record.connection != 0 {
            let next = connections.len() + 1;
            let number = *connections.entry(record.connection).or_insert(next);
            let is_assigned = client.starts_with("auto-") || client.starts_with("culex-observer-");
            let name = if client.is_empty() {
                format!("#{number}")
            } else if is_assigned {
                let next = names.len() + 1;
                names.entry(client.to_owned()).or_insert_with(|| format!("[id {next}]")).clone()
            } else {
                client.to_owned()
            };
            line = format!("{name} {line}");
        } else if !client.is_empty() {
            line = format!("{client} {line}");
        }
        for (client, name) in &names {
            line = line.replace(client, name);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_cannot_tamper_with_a_terminal() {
        assert_eq!(printable("a\tb\u{1b}[31m\u{1}\u{9b}ü"), "a\tb\\u{1b}[31m\\u{1}\\u{9b}ü");
        let long = printable(&"x".repeat(70_000));
        assert!(long.len() < 500 && long.ends_with("... (70000 bytes)"), "{long}");
    }
}
