//! `${name}`: what is known when a file is read, and what is learnt on the way.

use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A name between `${` and `}`; `$${` stands for `${` itself.
pub(super) static USE: LazyLock<Regex> = LazyLock::new(|| regex(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}"));

/// What gives a name a value on the way: `{name}` in a topic, a named group.
static CAPTURE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:^|[^$])\{([A-Za-z_][A-Za-z0-9_-]*)\}|\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>"));

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

    /// The names that have a value.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The first name of a text that has no value.
    pub(super) fn missing(&self, text: &str) -> Option<String> {
        let names = USE.captures_iter(text).filter(|found| found[1].is_empty());
        names.map(|found| found[2].to_owned()).find(|name| !self.values.contains_key(name))
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

/// A value inside a text.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The names that a topic or a pattern gives values to.
pub(super) fn captures_of(text: &str) -> Vec<String> {
    let names = CAPTURE.captures_iter(text);
    names.filter_map(|found| Some(found.get(1).or(found.get(2))?.as_str().to_owned())).collect()
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
        let value = json!({"level": "${n}", "name": "x-${n}"});
        assert_eq!(variables().fill_value(&value).unwrap(), json!({"level": 7, "name": "x-7"}));
    }

    #[test]
    fn captures_and_missing_names_are_found() {
        assert_eq!(captures_of("{all}/dev/{id}/x"), ["all", "id"]);
        assert_eq!(captures_of("^(?<major>.)(?P<minor>.) ${no}"), ["major", "minor"]);
        assert_eq!(variables().missing("${id} $${x} ${y}"), Some("y".to_owned()));
    }
}
