//! What a payload must be.

use super::json::{self, At};
use super::{Captures, Difference};
use bytes::Bytes;
use regex::Regex;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// Bytes of a payload that a difference shows.
const SHOWN_BYTES_MAX: usize = 120;

/// Looks at a payload, or at the JSON that was made of it.
pub type PayloadCheck = Arc<dyn Fn(&[u8]) -> Result<(), String> + Send + Sync>;

/// Looks at JSON.
pub type JsonCheck = Arc<dyn Fn(&Value) -> Result<(), String> + Send + Sync>;

/// Makes JSON of a payload.
pub type Decode = Arc<dyn Fn(&[u8]) -> Result<Value, String> + Send + Sync>;

/// How a payload becomes JSON.
#[derive(Clone, Default)]
pub enum Decoder {
    /// It is JSON.
    #[default]
    Json,
    /// Another form, by name.
    Other(String, Decode),
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Other(name, _) => name,
        })
    }
}

impl Decoder {
    /// The payload as JSON.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn decode(&self, payload: &[u8]) -> Result<Value, String> {
        match self {
            Self::Json => serde_json::from_slice(payload).map_err(|error| format!("is no JSON ({error})")),
            Self::Other(name, decode) => decode(payload).map_err(|error| format!("is no {name} ({error})")),
        }
    }
}

/// One thing that a payload must be.
#[derive(Clone)]
#[non_exhaustive]
pub enum Payload {
    /// These bytes.
    Equals(Bytes),
    /// A text in which the pattern is found; named groups are kept.
    Regex(Regex),
    /// These bytes; `None` is any byte.
    Hex(Vec<Option<u8>>),
    /// Nothing at all, or something.
    Empty(bool),
    /// At least and at most so many bytes.
    Size(usize, usize),
    /// This JSON.
    JsonEquals(Value),
    /// JSON that has at least this in it.
    JsonSubset(Value),
    /// JSON in which this holds at a place.
    At(Box<At>),
    /// JSON that something else judges, by name.
    JsonCheck(String, JsonCheck),
    /// Bytes that something else judges, by name.
    Check(String, PayloadCheck),
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(bytes) => write!(f, "equals {}", shown(bytes)),
            Self::Regex(pattern) => write!(f, "regex {pattern}"),
            Self::Hex(bytes) => write!(f, "hex of {} bytes", bytes.len()),
            Self::Empty(is_empty) => write!(f, "empty {is_empty}"),
            Self::Size(least, most) => write!(f, "size {least} to {most}"),
            Self::JsonEquals(value) => write!(f, "json equals {value}"),
            Self::JsonSubset(value) => write!(f, "json subset {value}"),
            Self::At(at) => write!(f, "at {}", at.pointer),
            Self::JsonCheck(name, _) | Self::Check(name, _) => f.write_str(name),
        }
    }
}

impl Payload {
    /// Adds what is kept to `captures`, and what is wrong to `differences`.
    pub(super) fn check(
        &self,
        payload: &Bytes,
        decoder: &Decoder,
        captures: &mut Captures,
        differences: &mut Vec<Difference>,
    ) {
        let mut wrong = |text: String| differences.push(Difference::new("payload", text));
        match self {
            Self::Equals(wanted) => {
                if payload != wanted {
                    // Both in the same form, or they could not be compared.
                    let is_text = |bytes: &[u8]| {
                        std::str::from_utf8(bytes)
                            .is_ok_and(|text| !text.contains(|c: char| c < ' ' && !c.is_whitespace()))
                    };
                    let form = |bytes: &[u8]| match is_text(payload) && is_text(wanted) {
                        true => shown(bytes),
                        false => format!("0x{}", hex(bytes)),
                    };
                    wrong(format!("is {}, must be {}", form(payload), form(wanted)));
                }
            }
            Self::Regex(pattern) => {
                match std::str::from_utf8(payload).ok().and_then(|text| pattern.captures(text)) {
                    Some(found) => {
                        for name in pattern.capture_names().flatten() {
                            if let Some(text) = found.name(name) {
                                captures.insert(name.to_owned(), Value::String(text.as_str().to_owned()));
                            }
                        }
                    }
                    None => wrong(format!("is {}, must match /{pattern}/", shown(payload))),
                }
            }
            Self::Hex(wanted) => {
                let fits = payload.len() == wanted.len()
                    && wanted
                        .iter()
                        .zip(payload)
                        .all(|(wanted, byte)| wanted.is_none_or(|wanted| wanted == *byte));
                if !fits {
                    wrong(format!("is {}, must be {}", hex(payload), hex_pattern(wanted)));
                }
            }
            Self::Empty(is_empty) => {
                if payload.is_empty() != *is_empty {
                    let wanted = if *is_empty { "empty" } else { "not empty" };
                    wrong(format!("is {}, must be {wanted}", shown(payload)));
                }
            }
            Self::Size(least, most) => {
                if !(*least..=*most).contains(&payload.len()) {
                    let wanted = match (least, most) {
                        (least, most) if least == most => format!("{least}"),
                        (least, &usize::MAX) => format!("at least {least}"),
                        (0, most) => format!("at most {most}"),
                        (least, most) => format!("{least} to {most}"),
                    };
                    wrong(format!("has {} bytes, must have {wanted}", payload.len()));
                }
            }
            Self::Check(name, check) => {
                if let Err(text) = check(payload) {
                    wrong(format!("{name}: {text}"));
                }
            }
            Self::JsonEquals(_) | Self::JsonSubset(_) | Self::At(_) | Self::JsonCheck(..) => {
                match decoder.decode(payload) {
                    Ok(value) => self.check_json(&value, captures, differences),
                    Err(text) => wrong(format!("{} {text}", shown(payload))),
                }
            }
        }
    }

    fn check_json(&self, value: &Value, captures: &mut Captures, differences: &mut Vec<Difference>) {
        match self {
            Self::JsonEquals(wanted) => json::equal(wanted, value, "", differences),
            Self::JsonSubset(wanted) => json::subset(wanted, value, "", differences),
            Self::At(at) => at.check(value, captures, differences),
            Self::JsonCheck(name, check) => {
                if let Err(text) = check(value) {
                    differences.push(Difference::new("payload", format!("{name}: {text}")));
                }
            }
            _ => {}
        }
    }
}

/// A payload for people: text in quotes, else hexadecimal; cut where it is long.
pub(crate) fn shown(payload: &[u8]) -> String {
    let head = &payload[..payload.len().min(SHOWN_BYTES_MAX)];
    let tail =
        if head.len() < payload.len() { format!("... ({} bytes)", payload.len()) } else { String::new() };
    match std::str::from_utf8(head) {
        Ok(text) => format!("{text:?}{tail}"),
        // A cut may go through a character.
        Err(error) if error.valid_up_to() + 3 >= head.len() && head.len() < payload.len() => {
            format!("{:?}{tail}", String::from_utf8_lossy(&head[..error.valid_up_to()]))
        }
        Err(_) => format!("0x{}{tail}", hex(head)),
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex_pattern(bytes: &[Option<u8>]) -> String {
    bytes.iter().map(|byte| byte.map_or_else(|| "??".to_owned(), |byte| format!("{byte:02x}"))).collect()
}

/// Reads hexadecimal digits in pairs, `??` for any byte; spaces and colons between them are skipped.
#[must_use]
pub fn parse_hex(text: &str) -> Option<Vec<Option<u8>>> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace() && *digit != ':').collect();
    if digits.len() % 2 == 1 {
        return None;
    }
    let byte = |pair: &[char]| match pair {
        ['?', '?'] => Some(None),
        [high, low] => {
            let value = high.to_digit(16)? * 16 + low.to_digit(16)?;
            u8::try_from(value).ok().map(Some)
        }
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(matcher: &Payload, payload: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let (mut captures, bytes) = (Captures::new(), Bytes::copy_from_slice(payload));
        matcher.check(&bytes, &Decoder::Json, &mut captures, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_matcher_holds_and_says_what_is_wrong() {
        let hex = Payload::Hex(parse_hex("01 ?? ff").unwrap());
        assert!(differences(&hex, &[1, 9, 255]).is_empty());
        assert_eq!(differences(&hex, &[1, 9]), ["payload: is 0109, must be 01??ff"]);
        assert!(differences(&Payload::Empty(true), b"").is_empty());
        assert_eq!(differences(&Payload::Empty(true), b"x"), ["payload: is \"x\", must be empty"]);
        assert_eq!(
            differences(&Payload::Size(2, usize::MAX), b"x"),
            ["payload: has 1 bytes, must have at least 2"]
        );
        let regex = Payload::Regex(Regex::new("^v(?<major>\\d+)").unwrap());
        assert!(differences(&regex, b"v12.3").is_empty());
        assert_eq!(differences(&regex, b"12"), ["payload: is \"12\", must match /^v(?<major>\\d+)/"]);
        let json = Payload::JsonSubset(serde_json::json!({"on": true}));
        assert_eq!(differences(&json, b"{")[0].split('(').next(), Some("payload: \"{\" is no JSON "));
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(parse_hex("0a:FF"), Some(vec![Some(10), Some(255)]));
        assert_eq!(parse_hex("0a f"), None);
        assert_eq!(parse_hex("?a"), None);
    }
}
