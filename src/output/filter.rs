//! Filters on messages in the language of jq: `sub --jq` and `--until`.

use super::ndjson;
use super::{LocalTime, Message};
use jaq_core::load::{Arena, File, Loader, lex, parse};
use jaq_core::{Compiler, Ctx, Vars, data, load, unwrap_valr};
use jaq_json::{Val, read};
use std::fmt;
use thiserror::Error;

/// The global variable that holds the whole message.
const MESSAGE: &str = "$message";

type Data = data::JustLut<Val>;

/// Why a text is no filter.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0}")]
pub struct FilterError(String);

/// A filter, compiled once.
///
/// Its input is the payload, read as JSON where it is JSON and as a string where it is not; `$message` is the message as
/// `sub --json` prints it.
pub struct Filter {
    compiled: jaq_core::Filter<Data>,
    /// Whether the text names `$message`, which has to be made for each message then.
    needs_message: bool,
    utc: LocalTime,
    line: Vec<u8>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    ///
    /// [`FilterError`]: what is wrong, and near which words.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let program = File { code: text, path: () };
        let modules = Loader::new(definitions).load(&arena, program).map_err(of_load)?;
        let compiler = Compiler::default().with_funs(functions).with_global_vars([MESSAGE]);
        let compiled = compiler.compile(modules).map_err(|errors| {
            let named: Vec<String> =
                errors.iter().flat_map(|(_, all)| all.iter().map(|error| error.0.to_string())).collect();
            FilterError(format!("there is no {}", named.join(", ")))
        })?;
        Ok(Self { compiled, needs_message: text.contains(MESSAGE), utc: LocalTime::utc(), line: Vec::new() })
    }

    /// Appends each output for `message` as a line: strings as they are, everything else as compact JSON.
    ///
    /// # Errors
    ///
    /// What the filter cannot do with this message; the lines before it stand.
    pub fn print(&mut self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), FilterError> {
        for output in self.run(message) {
            match output? {
                Val::TStr(text) | Val::BStr(text) => out.extend_from_slice(&text),
                other => out.extend_from_slice(other.to_string().as_bytes()),
            }
            out.push(b'\n');
        }
        Ok(())
    }

    /// Whether any output for `message` is neither false nor null. What the filter cannot do with a message is no.
    pub fn holds(&mut self, message: &Message<'_>) -> bool {
        self.run(message)
            .into_iter()
            .any(|output| !matches!(output, Err(_) | Ok(Val::Null | Val::Bool(false))))
    }

    fn run(&mut self, message: &Message<'_>) -> Vec<Result<Val, FilterError>> {
        let mut whole = Val::Null;
        if self.needs_message {
            self.line.clear();
            ndjson::put_line(message, &mut self.utc, &mut self.line);
            whole = value(&self.line);
        }
        let context = Ctx::<Data>::new(&self.compiled.lut, Vars::new([whole]));
        let outputs = self.compiled.id.run((context, value(message.publish.payload))).map(unwrap_valr);
        let mut all = Vec::new();
        for output in outputs {
            let is_error = output.is_err();
            all.push(output.map_err(|error| FilterError(error.to_string())));
            if is_error {
                break;
            }
        }
        all
    }
}

/// JSON as its value, anything else as a string. What is nested deeper than sensible JSON is a string too, so that no
/// payload can exhaust the stack.
fn value(bytes: &[u8]) -> Val {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    let parsed = if is_json { read::parse_single(bytes).ok() } else { None };
    parsed.unwrap_or_else(|| Val::utf8_str(bytes.to_vec()))
}

fn of_load<P>(errors: load::Errors<&str, P>) -> FilterError {
    let mut texts = Vec::new();
    for (_, error) in errors {
        match error {
            load::Error::Io(all) => texts.extend(all.into_iter().map(|(path, why)| format!("{path}: {why}"))),
            load::Error::Lex(all) => texts.extend(all.into_iter().map(of_lex)),
            load::Error::Parse(all) => texts.extend(all.into_iter().map(of_parse)),
        }
    }
    FilterError(texts.join(", "))
}

fn of_lex((expected, found): lex::Error<&str>) -> String {
    format!("{} is expected {}", expected.as_str(), place(found))
}

fn of_parse((expected, found): parse::Error<&str>) -> String {
    format!("{} is expected {}", expected.as_str(), place(found))
}

fn place(found: &str) -> String {
    const CHARACTERS_MAX: usize = 20;
    let front: String = found.chars().take(CHARACTERS_MAX).collect();
    if front.is_empty() { "at the end".to_owned() } else { format!("at '{front}'") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::WallTime;
    use crate::packet::{PropertiesRef, PublishRef, Qos};

    fn message(payload: &[u8]) -> Message<'_> {
        let publish = PublishRef {
            dup: false,
            qos: Qos::AtLeastOnce,
            retain: true,
            topic: "a/b",
            packet_identifier: None,
            properties: PropertiesRef::EMPTY,
            payload,
        };
        Message { publish, received: WallTime::default() }
    }

    fn printed(filter: &str, payload: &[u8]) -> String {
        let mut out = Vec::new();
        Filter::parse(filter).unwrap().print(&message(payload), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn payload_is_the_input_and_the_message_a_variable() {
        assert_eq!(printed(".t * 2", br#"{"t":21}"#), "42\n");
        assert_eq!(printed(".[] | select(. > 1)", b"[1,2,3]"), "2\n3\n");
        assert_eq!(printed("$message.topic, $message.qos, $message.retain", b"x"), "a/b\n1\ntrue\n");
        assert_eq!(printed(". + \"!\"", b"on"), "on!\n", "what is not JSON is a string");
        assert_eq!(printed("{a: .t}", br#"{"t":null}"#), "{\"a\":null}\n");
    }

    #[test]
    fn condition_holds_for_any_output_but_false_null_and_errors() {
        let mut filter = Filter::parse(".on == true").unwrap();
        assert!(filter.holds(&message(br#"{"on":true}"#)));
        assert!(!filter.holds(&message(br#"{"on":false}"#)));
        assert!(!filter.holds(&message(b"text")), "a string has no fields");
        assert!(Filter::parse("empty, 0").unwrap().holds(&message(b"1")));
        assert!(!Filter::parse("empty").unwrap().holds(&message(b"1")));
    }

    #[test]
    fn faults_name_what_and_where() {
        for (text, expected) in
            [(".a[", "at the end"), ("nosuch(1)", "nosuch"), (". |", "at the end"), ("$x", "$x")]
        {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let mut out = Vec::new();
        assert!(Filter::parse(".a").unwrap().print(&message(b"[1]"), &mut out).is_err());
    }

    #[test]
    fn nesting_of_a_payload_cannot_exhaust_the_stack() {
        let deep = vec![b'['; 1 << 20];
        assert!(!Filter::parse("type == \"array\"").unwrap().holds(&message(&deep)));
    }
}
