//! Topic Filters in which `{name}` stands for one level that is kept.

use super::Captures;
use crate::packet::{PacketError, topic};
use serde_json::Value;
use std::fmt;

/// A filter with names for some of its levels: `dev/{id}/state`, `dev/+/#`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicPattern {
    text: String,
    /// The same with `+` for each name.
    filter: String,
    /// The names, by level.
    names: Vec<(usize, String)>,
}

impl TopicPattern {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// As [`topic::check_filter`].
    pub fn parse(text: &str) -> Result<Self, PacketError> {
        let mut names = Vec::new();
        let levels = text.split('/').enumerate().map(|(at, level)| {
            match level.strip_prefix('{').and_then(|level| level.strip_suffix('}')) {
                Some(name) if !name.is_empty() => {
                    names.push((at, name.to_owned()));
                    "+"
                }
                _ => level,
            }
        });
        let filter = levels.collect::<Vec<_>>().join("/");
        topic::check_filter(&filter)?;
        Ok(Self { text: text.to_owned(), filter, names })
    }

    /// The Topic Filter to subscribe to.
    #[must_use]
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// What the names stand for in `name`; `None` when it does not match.
    #[must_use]
    pub fn captures(&self, name: &str) -> Option<Captures> {
        if !topic::matches(&self.filter, name) {
            return None;
        }
        let levels: Vec<&str> = name.split('/').collect();
        let found = self
            .names
            .iter()
            .filter_map(|(at, key)| Some((key.clone(), Value::String((*levels.get(*at)?).to_owned()))));
        Some(found.collect())
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_one_level_each() {
        let pattern = TopicPattern::parse("dev/{id}/+/{what}/#").unwrap();
        assert_eq!(pattern.filter(), "dev/+/+/+/#");
        let captures = pattern.captures("dev/7/x/state/now").unwrap();
        assert_eq!(captures["id"], "7");
        assert_eq!(captures["what"], "state");
        assert_eq!(pattern.captures("dev/7"), None);
        assert!(TopicPattern::parse("a/#/b").is_err());
    }
}
