//! `${name}`: what is known when a file is read, and what is learnt on the way.

use regex::Regex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A name between `${` and `}`; `$${` stands for `${` itself.
static USE: LazyLock<Regex> = LazyLock::new(|| regex(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}"));

/// What gives a name a value on the way: `save: name`, `{name}` in a topic, a named group.
static CAPTURE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"save["']?\s*:\s*["']?([A-Za-z_][A-Za-z0-9_-]*)|[^$]\{([A-Za-z_][A-Za-z0-9_-]*)\}|\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>"#,
    )
});

#[allow(clippy::expect_used, reason = "the patterns are constants, and every test uses them")]
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well-formed")
}

/// Names and their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    values: BTreeMap<String, Value>,
    /// What was learnt on the way.
    learnt: BTreeMap<String, Value>,
}

impl Variables {
    /// What is there without being given: `${run}`, `${counter}`, `${random}`, `${uuid}`, `${now}`, `${env.NAME}`.
    pub(super) fn given(run: String, seed: u64, index: usize) -> Self {
        let mut variables = Self::default();
        variables.set("run", Value::String(run));
        variables.set("counter", json!(index + 1));
        variables.set("random", json!(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33));
        variables.set("uuid", Value::String(uuid::Uuid::new_v4().to_string()));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        variables.set("now", json!(now.as_secs()));
        for (name, value) in std::env::vars_os() {
            // What is no text cannot stand in one.
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                variables.set(&format!("env.{name}"), Value::String(value));
            }
        }
        variables
    }

    /// What a name stands for.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    pub(super) fn extend(&mut self, captures: BTreeMap<String, Value>) {
        self.learnt.extend(captures.clone());
        self.values.extend(captures);
    }

    /// What was captured so far.
    pub(super) const fn learnt(&self) -> &BTreeMap<String, Value> {
        &self.learnt
    }

    /// Replaces the names that are known; a value that would break the text's structure is an error.
    pub(super) fn replace_known(&self, source: &str) -> Result<String, String> {
        let mut result = Ok(());
        let replaced = USE.replace_all(source, |found: &regex::Captures<'_>| {
            let whole = found[0].to_owned();
            if !found[1].is_empty() {
                return whole;
            }
            let Some(value) = self.values.get(&found[2]) else {
                return whole;
            };
            let text = text_of(value);
            if text.contains(['\n', '\r', '"', '\\']) {
                result = Err(format!("the value of '{}' cannot stand in a file: {text:?}", &found[2]));
            }
            text
        });
        let replaced = replaced.into_owned();
        result.map(|()| replaced)
    }

    /// The text with all its names replaced.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let mut missing = None;
        let filled = USE.replace_all(text, |found: &regex::Captures<'_>| {
            if !found[1].is_empty() {
                return found[0][1..].to_owned();
            }
            match self.values.get(&found[2]) {
                Some(value) => text_of(value),
                None => {
                    missing = Some(found[2].to_owned());
                    String::new()
                }
            }
        });
        let filled = filled.into_owned();
        match missing {
            Some(name) => Err(format!("'{name}' has no value yet")),
            None => Ok(filled),
        }
    }

    /// The value with all names in its texts replaced; a text that is one name alone becomes that name's value.
    pub(super) fn fill_value(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => {
                if let Some(found) = USE.captures(text)
                    && found[0].len() == text.len()
                    && found[1].is_empty()
                    && let Some(value) = self.values.get(&found[2])
                {
                    return Ok(value.clone());
                }
                Value::String(self.fill(text)?)
            }
            Value::Array(elements) => {
                elements.iter().map(|element| self.fill_value(element)).collect::<Result<_, _>>()?
            }
            Value::Object(members) => {
                let fill = |(name, value): (&String, &Value)| {
                    Ok::<_, String>((self.fill(name)?, self.fill_value(value)?))
                };
                Value::Object(members.iter().map(fill).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }
}

/// A file's text in which each `${name}` is a plain word, for a first reading.
pub(super) fn masked(source: &str) -> String {
    USE.replace_all(source, "${1}\u{27e6}${2}\u{27e7}").into_owned()
}

/// Undoes [`masked`] in what was read.
pub(super) fn unmask(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('\u{27e6}', "${").replace('\u{27e7}', "}"),
        Value::Array(elements) => elements.iter_mut().for_each(unmask),
        Value::Object(members) => members.values_mut().for_each(unmask),
        _ => {}
    }
}

/// A value inside a text.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The names that a file uses, each with its line from 1.
pub(super) fn uses(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in source.lines().enumerate() {
        // A comment may name what is not there.
        let line = line.split(" #").next().unwrap_or(line);
        if line.trim_start().starts_with('#') {
            continue;
        }
        let names = USE.captures_iter(line).filter(|captures| captures[1].is_empty());
        found.extend(names.map(|captures| (at + 1, captures[2].to_owned())));
    }
    found
}

/// The names that a file gives values to on the way.
pub(super) fn captured(source: &str) -> BTreeSet<String> {
    let names = CAPTURE.captures_iter(source);
    names
        .filter_map(|found| Some(found.get(1).or(found.get(2)).or(found.get(3))?.as_str().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set("id", json!("lamp"));
        variables.set("n", json!(7));
        variables
    }

    #[test]
    fn names_become_values_and_two_dollars_stand_for_one() {
        assert_eq!(variables().fill("a/${id}/${n} $${id}").unwrap(), "a/lamp/7 ${id}");
        assert_eq!(variables().fill("${gone}").unwrap_err(), "'gone' has no value yet");
        assert_eq!(variables().replace_known("${id} ${broker.url}").unwrap(), "lamp ${broker.url}");
        let value = json!({"level": "${n}", "name": "x-${n}"});
        assert_eq!(variables().fill_value(&value).unwrap(), json!({"level": 7, "name": "x-7"}));
    }

    #[test]
    fn a_value_that_would_break_the_file_is_refused() {
        let mut variables = variables();
        variables.set("bad", json!("a\nb: c"));
        assert!(variables.replace_known("x: ${bad}").is_err());
    }

    #[test]
    fn uses_and_captures_are_found() {
        let source =
            "topic: dev/{id}/x # ${no}\nsave: t0\nregex: '^(?<major>.)'\n# ${neither}\nx: ${a} ${b.c}";
        assert_eq!(uses(source), [(5, "a".to_owned()), (5, "b.c".to_owned())]);
        let names: Vec<String> = captured(source).into_iter().collect();
        assert_eq!(names, ["id", "major", "t0"]);
    }
}
