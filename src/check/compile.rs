//! From what a scenario says of messages to what can be compared and published.

use super::decode;
use super::group::Group;
use super::scenario::{CommandSpec, ExpectSpec, PublishSpec, WillSpec};
use super::variables::{Variables, text_of};
use crate::fault::spec::{property_identifier, property_values};
use crate::packet::{Properties, PropertyIdentifier, Publish, Qos, Text};
use crate::test_broker::matcher::{
    At, Decoder, JsonType, Matcher, Payload, TextMatch, TopicPattern, parse_hex,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What names stand for, and where files are.
#[derive(Debug)]
pub(super) struct Compiler<'a> {
    pub(super) variables: &'a Variables,
    pub(super) folder: &'a Path,
    pub(super) environment: &'a [(String, String)],
    /// Where commands that cannot be asked are noted.
    pub(super) trouble: Trouble,
}

impl Compiler<'_> {
    /// What a message must be.
    pub(super) fn matcher(&self, spec: &ExpectSpec) -> Result<Matcher, String> {
        let mut matcher = Matcher { decoder: self.decoder(spec.decode.as_ref())?, ..Matcher::default() };
        if let Some(topic) = &spec.topic {
            let topic = self.variables.fill(topic)?;
            matcher.topic =
                Some(TopicPattern::parse(&topic).map_err(|error| format!("topic {topic}: {error}"))?);
        }
        self.push_plain(spec, &mut matcher.payload)?;
        self.push_json(spec, &mut matcher.payload)?;
        matcher.qos = spec.qos.map(qos).transpose()?;
        (matcher.retain, matcher.dup, matcher.will) = (spec.retain, spec.dup, spec.will);
        matcher.publisher =
            spec.from.as_deref().map(|from| client_match(from, self.variables)).transpose()?;
        for (name, value) in &spec.props {
            self.push_property(name, value, &mut matcher)?;
        }
        Ok(matcher)
    }

    fn push_plain(&self, spec: &ExpectSpec, payload: &mut Vec<Payload>) -> Result<(), String> {
        for text in [&spec.text, &spec.equals].into_iter().flatten() {
            payload.push(Payload::Equals(self.variables.fill(text)?.into()));
        }
        if let Some(pattern) = &spec.regex {
            payload.push(Payload::Regex(regex(&self.variables.fill(pattern)?)?));
        }
        if let Some(digits) = &spec.hex {
            let digits = self.variables.fill(digits)?;
            payload.push(Payload::Hex(
                parse_hex(&digits).ok_or_else(|| format!("hex: {digits} are no pairs of digits"))?,
            ));
        }
        if let Some(text) = &spec.base64 {
            payload.push(Payload::Equals(base64(&self.variables.fill(text)?)?));
        }
        payload.extend(spec.empty.map(Payload::Empty));
        if let Some(size) = &spec.size {
            let bound = |value: &Value| value.as_u64().and_then(|size| usize::try_from(size).ok());
            payload.push(match size {
                Value::Object(bounds) => {
                    if let Some(word) = bounds.keys().find(|word| !["min", "max"].contains(&word.as_str())) {
                        let suggestion = super::load::suggestion(word, ["min", "max"]);
                        return Err(format!("size: there is no '{word}'{suggestion}"));
                    }
                    let least = bounds.get("min").map_or(Some(0), bound).ok_or("size: min is no number")?;
                    let most = bounds.get("max").map_or(Some(usize::MAX), bound);
                    let most = most.ok_or("size: max is no number")?;
                    if bounds.is_empty() || least > most {
                        return Err(format!("size: nothing has at least {least} and at most {most} bytes"));
                    }
                    Payload::Size(least, most)
                }
                exact => {
                    let exact = bound(exact).ok_or("size: a number, or min and max")?;
                    Payload::Size(exact, exact)
                }
            });
        }
        if let Some(command) = &spec.cmd {
            let command = self.command(command)?;
            let name = command.1.clone();
            let environment = self.environment.to_vec();
            let folder = self.folder.to_owned();
            let trouble = self.trouble.clone();
            let check = move |payload: &[u8]| {
                let piped = pipe(&command.0, &environment, &folder, payload);
                let (status, output) = trouble.note(piped)?;
                if status { Ok(()) } else { Err(String::from_utf8_lossy(&output).trim().to_owned()) }
            };
            payload.push(Payload::Check(name, Arc::new(check)));
        }
        Ok(())
    }

    fn push_json(&self, spec: &ExpectSpec, payload: &mut Vec<Payload>) -> Result<(), String> {
        if let Some(json) = &spec.json {
            if let Some(value) = &json.equals {
                payload.push(Payload::JsonEquals(self.variables.fill_value(value)?));
            }
            if let Some(value) = &json.subset {
                payload.push(Payload::JsonSubset(self.variables.fill_value(value)?));
            }
            if let Some(schema) = &json.schema {
                payload.push(self.schema(schema)?);
            }
        }
        for (pointer, value) in &spec.at {
            let pointer = if pointer == "/" { String::new() } else { pointer.clone() };
            payload.push(Payload::At(Box::new(at(pointer, &self.variables.fill_value(value)?)?)));
        }
        Ok(())
    }

    fn schema(&self, schema: &Value) -> Result<Payload, String> {
        let schema = match schema {
            Value::String(name) => {
                let path = self.folder.join(self.variables.fill(name)?);
                let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?
            }
            schema => schema.clone(),
        };
        let validator = jsonschema::validator_for(&schema).map_err(|error| format!("schema: {error}"))?;
        let check = move |value: &Value| match validator.iter_errors(value).next() {
            None => Ok(()),
            Some(error) => Err(format!("{error} at {}", error.instance_path())),
        };
        Ok(Payload::JsonCheck("schema".to_owned(), Arc::new(check)))
    }

    fn decoder(&self, spec: Option<&Value>) -> Result<Decoder, String> {
        let other = |name: &str, decode: fn(&[u8]) -> Result<Value, String>| {
            Decoder::Other(name.to_owned(), Arc::new(decode))
        };
        Ok(match spec {
            None => Decoder::Json,
            Some(Value::String(name)) => match name.as_str() {
                "json" => Decoder::Json,
                "cbor" => other("CBOR", decode::cbor),
                "msgpack" => other("MessagePack", decode::msgpack),
                other => {
                    return Err(format!(
                        "decode: there is no '{other}'; there are json, cbor, msgpack and {{cmd: ...}}"
                    ));
                }
            },
            Some(Value::Object(members)) if members.len() == 1 && members.contains_key("cmd") => {
                let command: CommandSpec = serde_json::from_value(members["cmd"].clone())
                    .map_err(|error| format!("decode: {error}"))?;
                let (words, name) = self.command(&command)?;
                let (environment, folder) = (self.environment.to_vec(), self.folder.to_owned());
                let trouble = self.trouble.clone();
                let decode = move |payload: &[u8]| {
                    let (status, output) = trouble.note(pipe(&words, &environment, &folder, payload))?;
                    if !status {
                        return Err("the command failed".to_owned());
                    }
                    serde_json::from_slice(&output).map_err(|error| error.to_string())
                };
                Decoder::Other(name, Arc::new(decode))
            }
            Some(other) => return Err(format!("decode: {other} is neither a name nor {{cmd: ...}}")),
        })
    }

    /// The words of a command, and how it is called in reports.
    pub(super) fn command(&self, spec: &CommandSpec) -> Result<(Vec<String>, String), String> {
        let words = match spec {
            CommandSpec::Line(line) => vec!["sh".to_owned(), "-c".to_owned(), self.variables.fill(line)?],
            CommandSpec::Words(words) => {
                words.iter().map(|word| self.variables.fill(word)).collect::<Result<Vec<_>, _>>()?
            }
        };
        if words.is_empty() {
            return Err("a command has at least one word".to_owned());
        }
        let name = match spec {
            CommandSpec::Line(line) => line.clone(),
            CommandSpec::Words(words) => words.join(" "),
        };
        Ok((words, name))
    }

    fn push_property(&self, name: &str, value: &Value, matcher: &mut Matcher) -> Result<(), String> {
        if let ("user" | "user_property" | "user-property", Value::Object(members)) = (name, value) {
            for (key, value) in members {
                let wanted = text_match(&text_of(value), self.variables)?;
                matcher.properties.push((PropertyIdentifier::UserProperty, Some(key.clone()), wanted));
            }
            return Ok(());
        }
        let wanted = text_match(&text_of(value), self.variables)?;
        matcher.properties.push((property_identifier(name)?, None, wanted));
        Ok(())
    }

    /// A message to publish.
    pub(super) fn publish(&self, spec: &PublishSpec) -> Result<Publish, String> {
        let topic = self.variables.fill(&spec.topic)?;
        crate::packet::topic::check_name(&topic).map_err(|error| format!("topic {topic:?}: {error}"))?;
        Ok(Publish {
            dup: false,
            qos: spec.qos.map_or(Ok(Qos::AtMostOnce), qos)?,
            retain: spec.retain.unwrap_or(false),
            topic: Text::try_from(topic.as_str()).map_err(|error| format!("topic {topic:?}: {error}"))?,
            packet_identifier: None,
            properties: self.properties(&spec.props)?,
            payload: self.payload(spec)?,
        })
    }

    fn payload(&self, spec: &PublishSpec) -> Result<Bytes, String> {
        let mut found: Vec<Bytes> = Vec::new();
        if let Some(text) = &spec.text {
            found.push(self.variables.fill(text)?.into());
        }
        if let Some(value) = &spec.json {
            found.push(self.variables.fill_value(value)?.to_string().into());
        }
        if let Some(digits) = &spec.hex {
            let bytes = parse_hex(&self.variables.fill(digits)?);
            let bytes = bytes.and_then(|bytes| bytes.into_iter().collect::<Option<Vec<u8>>>());
            found.push(bytes.ok_or_else(|| format!("hex: {digits} are no pairs of digits"))?.into());
        }
        if let Some(text) = &spec.base64 {
            found.push(base64(&self.variables.fill(text)?)?);
        }
        if let Some(name) = &spec.file {
            let path = self.folder.join(self.variables.fill(name)?);
            let content = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            found.push(content.into());
        }
        match found.len() {
            0 | 1 => Ok(found.pop().unwrap_or_default()),
            _ => Err("a message has one payload: text, json, hex, base64 or file".to_owned()),
        }
    }

    /// Properties by name.
    pub(super) fn properties(&self, spec: &BTreeMap<String, Value>) -> Result<Properties, String> {
        let mut properties = Properties::EMPTY;
        for (name, value) in spec {
            for (identifier, value) in property_values(name, &self.variables.fill_value(value)?)? {
                properties.push(value.property(identifier)).map_err(|error| format!("{name}: {error}"))?;
            }
        }
        Ok(properties)
    }

    /// A will's payload.
    pub(super) fn will_payload(&self, spec: &WillSpec) -> Result<Bytes, String> {
        let message =
            PublishSpec { text: spec.text.clone(), json: spec.json.clone(), ..PublishSpec::default() };
        self.payload(&message)
    }
}

pub(super) fn qos(number: u8) -> Result<Qos, String> {
    Qos::from_number(number).ok_or_else(|| format!("QoS {number} does not exist"))
}

/// A text, or with `~` in front a pattern.
fn text_match(text: &str, variables: &Variables) -> Result<TextMatch, String> {
    Ok(match text.strip_prefix('~') {
        Some(pattern) => TextMatch::Fits(regex(&variables.fill(pattern)?)?),
        None => TextMatch::Is(variables.fill(text)?),
    })
}

/// A client: as a text, but `*` and `?` stand for characters, as in the rules of faults.
pub(super) fn client_match(text: &str, variables: &Variables) -> Result<TextMatch, String> {
    match text_match(text, variables)? {
        TextMatch::Is(name) if name.contains(['*', '?']) => {
            let pattern = regex::escape(&name).replace(r"\*", ".*").replace(r"\?", ".");
            Ok(TextMatch::Fits(regex(&format!("(?s)^{pattern}$"))?))
        }
        exact => Ok(exact),
    }
}

pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| error.to_string())
}

fn base64(text: &str) -> Result<Bytes, String> {
    STANDARD.decode(text).map(Bytes::from).map_err(|error| format!("base64: {error}"))
}

/// What must hold at one place: a plain value, or an object of conditions.
fn at(pointer: String, value: &Value) -> Result<At, String> {
    const WORDS: [&str; 12] = [
        "equals",
        "subset",
        "near",
        "tol",
        "min",
        "max",
        "type",
        "len",
        "regex",
        "unordered",
        "exists",
        "save",
    ];
    let mut at = At { pointer, ..At::default() };
    let Value::Object(members) = value else {
        match value.as_str().and_then(|text| text.strip_prefix('~')) {
            Some(pattern) => at.regex = Some(regex(pattern)?),
            None => at.equals = Some(value.clone()),
        }
        return Ok(at);
    };
    let place = at.pointer.clone();
    let number = |value: &Value| value.as_f64().ok_or_else(|| format!("at {place}: {value} is no number"));
    for (name, value) in members {
        match name.as_str() {
            "equals" => at.equals = Some(value.clone()),
            "subset" => at.subset = Some(value.clone()),
            "near" => at.near = Some((number(value)?, members.get("tol").map_or(Ok(0.0), &number)?)),
            "tol" if members.contains_key("near") => {}
            "min" => at.min = Some(number(value)?),
            "max" => at.max = Some(number(value)?),
            "type" => {
                let name = text_of(value);
                at.json_type = Some(
                    JsonType::from_name(&name)
                        .ok_or_else(|| format!("at {place}: there is no type '{name}'"))?,
                );
            }
            "len" => {
                let len = value.as_u64().and_then(|len| usize::try_from(len).ok());
                at.len = Some(len.ok_or_else(|| format!("at {place}: {value} is no length"))?);
            }
            "regex" => at.regex = Some(regex(&text_of(value))?),
            "unordered" => {
                let elements =
                    value.as_array().ok_or_else(|| format!("at {place}: 'unordered' takes a list"))?;
                at.unordered = Some(elements.clone());
            }
            "exists" => {
                let exists = value.as_bool();
                at.exists =
                    Some(exists.ok_or_else(|| format!("at {place}: {value} is neither true nor false"))?);
            }
            "save" => at.save = Some(text_of(value)),
            other => {
                let suggestion = super::load::suggestion(other, WORDS);
                return Err(format!(
                    "at {place}: there is no '{other}'{suggestion}; use equals for an object"
                ));
            }
        }
    }
    Ok(at)
}

/// How long a command may look at a payload.
const COMMAND_MAX: Duration = Duration::from_secs(5);

/// Why a command could not be asked, as opposed to what it said.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    fn note<T>(&self, asked: Result<T, String>) -> Result<T, String> {
        if let Err(text) = &asked {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| text.clone());
        }
        asked
    }

    /// The first one since it was asked last.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Runs a command that reads `input`: whether it ended with 0, and what it printed. What it has started ends with it.
fn pipe(
    words: &[String],
    environment: &[(String, String)],
    folder: &PathBuf,
    input: &[u8],
) -> Result<(bool, Vec<u8>), String> {
    const LOOK_AGAIN: Duration = Duration::from_millis(1);
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{}: {error}", words[0]))?;
    let group = Group::of_id(Some(child.id()));
    let written = child.stdin.take().map(|mut stdin| {
        let input = input.to_vec();
        // A command need not read all of it.
        std::thread::spawn(move || drop(stdin.write_all(&input)))
    });
    let read = child.stdout.take().map(|mut stdout| {
        std::thread::spawn(move || {
            let mut output = Vec::new();
            stdout.read_to_end(&mut output).map(|_| output)
        })
    });
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break Some(status),
            None if begun.elapsed() > COMMAND_MAX => break None,
            None => std::thread::sleep(LOOK_AGAIN),
        }
    };
    // Whoever holds its output still, is ended.
    drop(group);
    let Some(status) = status else {
        // It has been killed.
        let _ = child.wait();
        return Err(format!("{} has not ended within {COMMAND_MAX:?}", words.join(" ")));
    };
    if let Some(written) = written {
        // It ends with the command.
        let _ = written.join();
    }
    let output = read.and_then(|read| read.join().ok()).transpose().map_err(|error| error.to_string())?;
    Ok((status.success(), output.unwrap_or_default()))
}
