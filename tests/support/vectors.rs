//! The table of vectors, `tests/vectors/*.txt`, one vector a line:
//!
//! `name | versions | sender | bytes [> canonical bytes] | packet or error | requirement`
//!
//! - versions: `3.1`, `3.1.1`, `5`, several with commas between them; sender: `client`, `server` or `either`.
//! - bytes: hex, `"text"`, and `(...)*N` for repetition; spaces mean nothing. Behind `>` stands what our encoder writes
//!   for the packet, where that is not the bytes as they came.
//! - packet: see `notation.rs`; error: `!`, the variant of `PacketError`, and the Reason Code it means on the wire.
//! - requirement: `[MQTT-3.3.1-2]` of MQTT 5, `[3.1.1: ...]` or `[3.1: ...]` of the older texts, a section of the standard, or
//!   a line of the contract.
//!
//! Lines that begin with `#` are comments.

#![allow(dead_code)] // each test that walks the table uses a part

use culex::packet::{ProtocolVersion, Sender};
use std::path::Path;

/// One vector for one version and one sender; a line may make several.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    /// `name (version, sender)`, for messages.
    pub(crate) name: String,
    /// The version of the connection.
    pub(crate) version: ProtocolVersion,
    /// Who sends the bytes.
    pub(crate) sender: Sender,
    /// One packet as it stands on the wire, good or bad.
    pub(crate) bytes: Vec<u8>,
    /// What the encoder makes of the packet.
    pub(crate) canonical: Vec<u8>,
    /// What the decoder makes of the bytes.
    pub(crate) expected: Expected,
    /// Where the standard or the contract says so.
    pub(crate) requirement: String,
}

/// The outcome of decoding, as text of the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Expected {
    /// A packet in the notation.
    Packet(String),
    /// A fault: the variant with its fields, and the Reason Code.
    Error(String, u8),
}

/// All lines of the table as `(file:line, text)`, comments left out, files in the order of their names.
pub(crate) fn lines() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "txt")) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for (number, line) in std::fs::read_to_string(file).unwrap().lines().enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                lines.push((format!("{name}:{}", number + 1), line.to_owned()));
            }
        }
    }
    lines
}

/// Every vector of the table.
pub(crate) fn load() -> Vec<Vector> {
    lines()
        .iter()
        .flat_map(|(place, line)| parse_line(line).unwrap_or_else(|fault| panic!("{place}: {fault}")))
        .collect()
}

fn parse_line(line: &str) -> Result<Vec<Vector>, String> {
    let fields: Vec<_> = line.split(" | ").map(str::trim).collect();
    let [name, versions, sender, bytes, expected, requirement] = fields[..] else {
        return Err(format!("{} fields instead of 6", fields.len()));
    };
    let (bytes, canonical) = match bytes.split_once(" > ") {
        Some((bytes, canonical)) => (parse_bytes(bytes)?, parse_bytes(canonical)?),
        None => (parse_bytes(bytes)?, parse_bytes(bytes)?),
    };
    let expected = parse_expected(expected)?;
    if requirement.is_empty() {
        return Err("no requirement".into());
    }
    let mut vectors = Vec::new();
    for version_text in versions.split(',') {
        let version = match version_text {
            "3.1" => ProtocolVersion::V31,
            "3.1.1" => ProtocolVersion::V311,
            "5" => ProtocolVersion::V5,
            _ => return Err(format!("version {version_text}")),
        };
        let senders: &[Sender] = match sender {
            "client" => &[Sender::Client],
            "server" => &[Sender::Server],
            "either" => &[Sender::Client, Sender::Server],
            _ => return Err(format!("sender {sender}")),
        };
        vectors.extend(senders.iter().map(|&sender| Vector {
            name: format!("{name} ({version_text}, {sender:?})"),
            version,
            sender,
            bytes: bytes.clone(),
            canonical: canonical.clone(),
            expected: expected.clone(),
            requirement: requirement.to_owned(),
        }));
    }
    Ok(vectors)
}

fn parse_expected(text: &str) -> Result<Expected, String> {
    let Some(error) = text.strip_prefix("! ") else {
        return Ok(Expected::Packet(text.to_owned()));
    };
    let (variant, code) = error.rsplit_once(" 0x").ok_or("error without reason code")?;
    let code = u8::from_str_radix(code, 16).map_err(|_| "reason code")?;
    Ok(Expected::Error(variant.to_owned(), code))
}

/// Reads the notation for bytes.
fn parse_bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (quoted, after) = rest[1..].split_once('"').ok_or("quote is not closed")?;
            out.extend_from_slice(quoted.as_bytes());
            rest = after;
        } else if first == '(' {
            let (part, after) = rest[1..].split_once(")*").ok_or("repetition is not closed")?;
            let end = after.find(' ').unwrap_or(after.len());
            let count = after[..end].parse().map_err(|_| format!("count {after}"))?;
            out.extend_from_slice(&parse_bytes(part)?.repeat(count));
            rest = &after[end..];
        } else {
            let pair = rest.get(..2).ok_or("half a byte")?;
            out.push(u8::from_str_radix(pair, 16).map_err(|_| format!("byte {pair}"))?);
            rest = &rest[2..];
        }
        rest = rest.trim_start();
    }
    Ok(out)
}

/// Bytes as hex without spaces.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
