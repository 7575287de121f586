//! A packet's bytes beside what they mean, for people: what `pub --dry-run` shows.

use crate::packet::{PropertyIdentifier, PropertyType, ProtocolVersion, Reader};
use std::fmt::Write as _;

/// Bytes that one line shows; what is behind them is counted.
const SHOWN_BYTES: usize = 12;

/// The column in which the meaning begins.
const TEXT_COLUMN: usize = 2 + 3 * SHOWN_BYTES + 2;

/// A CONNECT, PUBLISH or DISCONNECT of a client that speaks `version`, a field a line; passwords are shown as dots.
///
/// Any other packet, and what is behind an end in the middle of a field, is shown without a meaning.
#[must_use]
pub fn annotate(packet: &[u8], version: ProtocolVersion) -> String {
    let mut notes = Notes { rest: packet, out: String::new(), is_v5: version == ProtocolVersion::V5 };
    let done = match packet.first().map(|first| first >> 4) {
        Some(1) => notes.connect(),
        Some(3) => notes.publish(),
        Some(14) => notes.disconnect(),
        _ => None,
    };
    if done.is_none() || !notes.rest.is_empty() {
        notes.line(notes.rest.len(), "");
    }
    notes.out
}

struct Notes<'a> {
    rest: &'a [u8],
    out: String,
    is_v5: bool,
}

impl<'a> Notes<'a> {
    /// Writes the next `count` bytes with their meaning and goes behind them.
    fn line(&mut self, count: usize, text: &str) {
        let (bytes, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        if !bytes.is_empty() || !text.is_empty() {
            let shown: Vec<String> =
                bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
            self.put(&shown.join(" "), bytes.len(), text);
        }
    }

    /// A field whose bytes nobody is to see.
    fn hidden(&mut self, text: &str) -> Option<()> {
        let length = 2 + self.length()?;
        self.rest = self.rest.get(length..)?;
        self.put("..", 1, &format!("{text} ({} bytes, not shown)", length - 2));
        Some(())
    }

    fn put(&mut self, bytes: &str, count: usize, text: &str) {
        let more = count.saturating_sub(SHOWN_BYTES);
        let text = if more > 0 { format!("{text}  (+{more} bytes)") } else { text.to_owned() };
        let line = format!("  {bytes:<width$}{text}", width = TEXT_COLUMN - 2);
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{}", line.trim_end());
    }

    /// The two-byte length of the next field.
    fn length(&self) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes([*self.rest.first()?, *self.rest.get(1)?])))
    }

    /// A string or binary field with its length.
    fn field(&mut self, name: &str) -> Option<()> {
        let length = self.length()?;
        let bytes = self.rest.get(2..2 + length)?;
        let text = format!("{name} {}", shown(bytes));
        self.line(2 + length, &text);
        Some(())
    }

    fn fixed_header(&mut self, name: &str, flags: &str) -> Option<()> {
        let (length, taken) = variable_byte_integer(self.rest.get(1..)?)?;
        let text = format!("{name}{flags}, {length} bytes follow");
        self.line(1 + taken, &text);
        Some(())
    }

    fn connect(&mut self) -> Option<()> {
        self.fixed_header("CONNECT", "")?;
        self.field("protocol")?;
        let level = *self.rest.first()?;
        self.line(1, &format!("level {level}"));
        let flags = *self.rest.first()?;
        self.line(1, &format!("flags: {}", connect_flags(flags, self.is_v5)));
        let keep_alive = self.length()?;
        self.line(2, &format!("Keep Alive {keep_alive} s"));
        self.properties()?;
        self.field("Client Identifier")?;
        if flags & 0x04 != 0 {
            self.properties()?;
            self.field("Will Topic")?;
            self.field("Will Payload")?;
        }
        if flags & 0x80 != 0 {
            self.field("User Name")?;
        }
        if flags & 0x40 != 0 {
            self.hidden("Password")?;
        }
        Some(())
    }

    fn publish(&mut self) -> Option<()> {
        let first = *self.rest.first()?;
        let qos = first >> 1 & 3;
        let mut flags = format!(", QoS {qos}");
        flags.push_str(if first & 8 != 0 { ", DUP" } else { "" });
        flags.push_str(if first & 1 != 0 { ", RETAIN" } else { "" });
        self.fixed_header("PUBLISH", &flags)?;
        self.field("topic")?;
        if qos > 0 {
            let identifier = self.length()?;
            self.line(2, &format!("Packet Identifier {identifier}"));
        }
        self.properties()?;
        let text = format!("payload {}", shown(self.rest));
        self.line(self.rest.len(), &text);
        Some(())
    }

    fn disconnect(&mut self) -> Option<()> {
        self.fixed_header("DISCONNECT", "")?;
        if let Some(reason) = self.rest.first().copied() {
            self.line(1, &format!("reason {reason:#04x}"));
            if !self.rest.is_empty() {
                self.properties()?;
            }
        }
        Some(())
    }

    fn properties(&mut self) -> Option<()> {
        if !self.is_v5 {
            return Some(());
        }
        let (length, taken) = variable_byte_integer(self.rest)?;
        self.line(taken, &format!("properties, {length} bytes"));
        let end = self.rest.len().checked_sub(length)?;
        while self.rest.len() > end {
            self.property()?;
        }
        Some(())
    }

    fn property(&mut self) -> Option<()> {
        let number = *self.rest.first()?;
        let known = PropertyIdentifier::from_code(u32::from(number))?;
        let value = self.rest.get(1..)?;
        let binary = |from: usize| -> Option<(usize, &'a [u8])> {
            let length = usize::from(u16::from_be_bytes([*value.get(from)?, *value.get(from + 1)?]));
            Some((2 + length, value.get(from + 2..from + 2 + length)?))
        };
        let (length, text) = match known.property_type() {
            PropertyType::Byte => (1, value.first()?.to_string()),
            PropertyType::TwoByteInteger => {
                (2, u16::from_be_bytes(value.get(..2)?.try_into().ok()?).to_string())
            }
            PropertyType::FourByteInteger => {
                (4, u32::from_be_bytes(value.get(..4)?.try_into().ok()?).to_string())
            }
            PropertyType::VariableByteInteger => {
                let (number, taken) = variable_byte_integer(value)?;
                (taken, number.to_string())
            }
            PropertyType::Text | PropertyType::Binary => {
                let (length, bytes) = binary(0)?;
                let is_secret = known == PropertyIdentifier::AuthenticationData;
                if is_secret {
                    self.rest = self.rest.get(1 + length..)?;
                    self.put("..", 1, &format!("  {} (not shown)", known.name()));
                    return Some(());
                }
                (length, shown(bytes))
            }
            PropertyType::TextPair => {
                let (first, name) = binary(0)?;
                let (second, content) = binary(first)?;
                (first + second, format!("{} = {}", shown(name), shown(content)))
            }
        };
        self.line(1 + length, &format!("  {} {text}", known.name()));
        Some(())
    }
}

fn connect_flags(flags: u8, is_v5: bool) -> String {
    let mut words = Vec::new();
    if flags & 0x02 != 0 {
        words.push(if is_v5 { "Clean Start" } else { "Clean Session" }.to_owned());
    }
    if flags & 0x04 != 0 {
        let retain = if flags & 0x20 != 0 { " RETAIN" } else { "" };
        words.push(format!("Will at QoS {}{retain}", flags >> 3 & 3));
    }
    if flags & 0x80 != 0 {
        words.push("User Name".to_owned());
    }
    if flags & 0x40 != 0 {
        words.push("Password".to_owned());
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// The number at the front of `bytes`, and how many bytes it takes.
fn variable_byte_integer(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut reader = Reader::new(bytes);
    let number = reader.variable_byte_integer().ok()?;
    Some((number as usize, bytes.len() - reader.rest().len()))
}

/// Text in quotation marks, shortened; what is none is told by its length.
fn shown(bytes: &[u8]) -> String {
    const CHARACTERS_MAX: usize = 60;
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().count() > CHARACTERS_MAX => {
            let front: String = text.chars().take(CHARACTERS_MAX).collect();
            format!("{front:?}…")
        }
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("of {} bytes, not text", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Connect, Packet, Properties, Property, Publish, Qos, Text, Will};

    fn annotated(packet: &Packet, version: ProtocolVersion) -> String {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        annotate(&bytes, version)
    }

    fn text(text: &str) -> Text {
        Text::new(text.to_owned()).unwrap()
    }

    #[test]
    fn every_field_of_a_publish_has_its_line() {
        let mut properties = Properties::EMPTY;
        properties.push(Property::number(PropertyIdentifier::MessageExpiryInterval, 60)).unwrap();
        properties.push(Property::user("a", "b")).unwrap();
        let publish = Publish {
            qos: Qos::AtLeastOnce,
            retain: true,
            topic: text("a/b"),
            packet_identifier: crate::packet::PacketIdentifier::new(7),
            properties,
            payload: b"hello"[..].into(),
            ..Publish::default()
        };
        let shown = annotated(&Packet::Publish(publish), ProtocolVersion::V5);
        let lines: Vec<(&str, &str)> =
            shown.lines().map(|line| (line[..TEXT_COLUMN].trim(), &line[TEXT_COLUMN..])).collect();
        let expected = [
            ("33 19", "PUBLISH, QoS 1, RETAIN, 25 bytes follow"),
            ("00 03 61 2f 62", "topic \"a/b\""),
            ("00 07", "Packet Identifier 7"),
            ("0c", "properties, 12 bytes"),
            ("02 00 00 00 3c", "  message-expiry-interval 60"),
            ("26 00 01 61 00 01 62", "  user-property \"a\" = \"b\""),
            ("68 65 6c 6c 6f", "payload \"hello\""),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn password_is_never_shown() {
        let connect = Connect {
            version: ProtocolVersion::V5,
            user_name: Some(text("ann")),
            password: Some(b"s3cret"[..].into()),
            will: Some(Will {
                topic: text("gone"),
                payload: b"x"[..].into(),
                qos: Qos::AtLeastOnce,
                retain: true,
                properties: Properties::EMPTY,
            }),
            ..Connect::default()
        };
        let shown = annotated(&Packet::Connect(Box::new(connect)), ProtocolVersion::V5);
        assert!(shown.contains("Password (6 bytes, not shown)"), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("73 33 63"), "{shown}");
        assert!(shown.contains("Will at QoS 1 RETAIN, User Name, Password"), "{shown}");
    }

    #[test]
    fn bytes_that_end_in_a_field_are_shown_all_the_same() {
        for cut in 0..20 {
            let mut bytes = Vec::new();
            let publish =
                Publish { topic: text("a/b"), payload: b"0123456789"[..].into(), ..Publish::default() };
            Packet::Publish(publish).encode(ProtocolVersion::V5, &mut bytes).unwrap();
            bytes.truncate(cut);
            let shown = annotate(&bytes, ProtocolVersion::V5);
            let count: usize = shown
                .lines()
                .flat_map(|line| line.get(..TEXT_COLUMN).unwrap_or(line).split_whitespace())
                .filter(|word| word.len() == 2)
                .count();
            assert_eq!(count, bytes.len(), "{shown}");
        }
    }
}
