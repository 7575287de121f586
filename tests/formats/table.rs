//! Reads `table.txt`; its head says what the columns are.

use culex::output::{Fault, FormatError};
use culex::packet::{
    PacketIdentifier, Properties, Property, PropertyIdentifier, PropertyType, ProtocolVersion, Publish, Qos,
    Text,
};
use std::fmt;

pub(crate) struct Row {
    line: usize,
    text: &'static str,
    pub(crate) who: &'static str,
    pub(crate) version: ProtocolVersion,
    pub(crate) publish: Publish,
    options: &'static str,
    pub(crate) format: &'static str,
    pub(crate) expected: Expected,
}

/// What came, or should come, of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Expected {
    Printed(Vec<u8>, Vec<Fault>),
    Refused(FormatError),
}

impl Row {
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.split(' ').any(|word| word == option)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Printed(out, faults) => write!(f, "{} {faults:?}", out.escape_ascii()),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl Expected {
    /// The output with each `"tst"` cut down to nothing and each `"retain"` as a number, as mosquitto 2.0 has it.
    pub(crate) fn without_time(self) -> Self {
        let Self::Printed(mut out, faults) = self else { return self };
        for (before, after) in [(&br#""tst":""#[..], &b"\""[..]), (b"\"tst\":\t\"", b"\"")] {
            let mut from = 0;
            while let Some(start) = find(&out, before, from) {
                let end = find(&out, after, start + before.len()).unwrap();
                out.drain(start + before.len()..end);
                from = start + before.len();
            }
        }
        for (word, number) in [("true", "1"), ("false", "0")] {
            for space in ["", "\t"] {
                let (word, number) =
                    (format!("\"retain\":{space}{word},"), format!("\"retain\":{space}{number},"));
                while let Some(start) = find(&out, word.as_bytes(), 0) {
                    out.splice(start..start + word.len(), number.bytes());
                }
            }
        }
        Self::Printed(out, faults)
    }
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    bytes[from..].windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

pub(crate) fn rows() -> Vec<Row> {
    let lines = include_str!("table.txt").lines().enumerate();
    lines
        .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
        .map(|(index, text)| row(index + 1, text))
        .collect()
}

fn row(line: usize, text: &'static str) -> Row {
    let mut columns = text.split('\t');
    let mut next = || columns.next().unwrap_or_else(|| panic!("line {line}: too few columns"));
    let (who, version, qos, retain, topic, payload) = (next(), next(), next(), next(), next(), next());
    let (properties, options, format, output) = (next(), next(), next(), next());
    let (qos, packet_identifier) = match qos.split_once('#') {
        None => (Qos::AtMostOnce, None),
        Some((qos, identifier)) => (
            Qos::from_number(qos.parse().unwrap()).unwrap(),
            PacketIdentifier::new(identifier.parse().unwrap()),
        ),
    };
    let version = match version {
        "3.1" => ProtocolVersion::V31,
        "3.1.1" => ProtocolVersion::V311,
        _ => ProtocolVersion::V5,
    };
    let publish = Publish {
        dup: false,
        qos,
        retain: retain == "1",
        topic: Text::new(unescape(topic)).unwrap(),
        packet_identifier,
        properties: read_properties(if properties == "-" { "" } else { properties }),
        payload: unescape(if payload == "-" { "" } else { payload }).into(),
    };
    let expected = match output.strip_prefix('!') {
        Some(error) => Expected::Refused(refused(error)),
        None => {
            let faults = columns.next().unwrap_or_default().split_whitespace().map(fault).collect();
            Expected::Printed(unescape(output), faults)
        }
    };
    Row { line, text, who, version, publish, options, format, expected }
}

fn read_properties(text: &str) -> Properties {
    let mut properties = Properties::EMPTY;
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap();
        let identifier =
            *PropertyIdentifier::ALL.iter().find(|identifier| identifier.name() == name).unwrap();
        let bytes = unescape(value);
        let as_text = || std::str::from_utf8(&bytes).unwrap();
        let property = match identifier.property_type() {
            PropertyType::Text => Property::text(identifier, as_text()),
            PropertyType::Binary => Property::binary(identifier, &bytes),
            PropertyType::TextPair => {
                // A colon that belongs to the name is written \x3a.
                let (name, value) = value.split_once(':').unwrap();
                let (name, value) = (unescape(name), unescape(value));
                let pair =
                    Property::user(std::str::from_utf8(&name).unwrap(), std::str::from_utf8(&value).unwrap());
                properties.push(pair).unwrap();
                continue;
            }
            _ => Property::number(identifier, value.parse().unwrap()),
        };
        properties.push(property).unwrap();
    }
    properties
}

fn refused(text: &str) -> FormatError {
    let (name, letter) = text.split_once(' ').unwrap_or((text, ""));
    let letter = || letter.bytes().next().unwrap_or(b' ');
    match name {
        "incomplete-specifier" => FormatError::IncompleteSpecifier,
        "invalid-specifier" => FormatError::InvalidSpecifier(letter()),
        "incomplete-escape" => FormatError::IncompleteEscape,
        "invalid-escape" => FormatError::InvalidEscape(letter()),
        other => panic!("no format error is called {other}"),
    }
}

fn fault(name: &str) -> Fault {
    match name {
        "not-json" => Fault::NotJson,
        "not-float" => Fault::NotFloat,
        "not-double" => Fault::NotDouble,
        other => panic!("no fault is called {other}"),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next().unwrap() {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    out
}
