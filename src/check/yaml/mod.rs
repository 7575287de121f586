//! A file as a tree whose every node knows where it stands, so that whatever is found wrong, however late, is shown there.

mod fill;
mod parse;
mod read;

pub(super) use fill::{deferred, fill, names};
pub(super) use parse::parse;

use serde::Deserialize;
use serde_json::Value;

/// The longest piece of a line that is shown, in characters.
const SHOWN_MAX: usize = 120;

/// Where something stands, from 1, in characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What is wrong, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) text: String,
}

/// A value, and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(String, Style),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// What a scalar may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    /// It may be a number, a flag or nothing.
    Plain,
    /// It is a text.
    Quoted,
    /// It came from `${name}` without quotes: whatever is asked for, but never nothing.
    Filled,
}

/// One step of a way from a node to one inside it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Member(String),
    Element(usize),
}

impl Node {
    /// What it says.
    pub(super) fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Fault> {
        T::deserialize(self).map_err(|error| error.at(self.place).into_fault())
    }

    /// The value of a member.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
    }

    pub(super) fn members(&self) -> &[(Self, Self)] {
        match &self.kind {
            Kind::Map(members) => members,
            _ => &[],
        }
    }

    pub(super) fn elements(&self) -> &[Self] {
        match &self.kind {
            Kind::List(elements) => elements,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, Style::Plain) if read::is_nothing(text))
    }

    /// Where what `path` leads to stands, or the last on the way that there is: a scalar itself, of anything else its
    /// name.
    pub(super) fn find(&self, path: &[Key]) -> Place {
        let (mut node, mut place) = (self, self.place);
        for step in path {
            let next = match step {
                Key::Member(name) => {
                    let member = node.members().iter().find(|(key, _)| key.text() == Some(name));
                    member.map(|(key, value)| (key.place, value))
                }
                Key::Element(at) => node.elements().get(*at).map(|element| (element.place, element)),
            };
            let Some((key, value)) = next else {
                return place;
            };
            place = if matches!(value.kind, Kind::Scalar(..)) { value.place } else { key };
            node = value;
        }
        place
    }

    /// Calls `look` with each scalar, names of members too.
    pub(super) fn scalars<'a>(&'a self, look: &mut impl FnMut(&'a Self)) {
        match &self.kind {
            Kind::Scalar(..) => look(self),
            Kind::List(elements) => elements.iter().for_each(|element| element.scalars(look)),
            Kind::Map(members) => members.iter().for_each(|(key, value)| {
                look(key);
                value.scalars(look);
            }),
        }
    }

    /// A value that stands here.
    pub(super) fn of(value: &Value, place: Place) -> Self {
        let scalar = |text: String, style| Kind::Scalar(text, style);
        let kind = match value {
            Value::String(text) => scalar(text.clone(), Style::Quoted),
            Value::Array(elements) => Kind::List(elements.iter().map(|one| Self::of(one, place)).collect()),
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    let key = Self { place, kind: scalar(name.clone(), Style::Quoted) };
                    (key, Self::of(value, place))
                };
                Kind::Map(members.iter().map(member).collect())
            }
            plain => scalar(plain.to_string(), Style::Plain),
        };
        Self { place, kind }
    }
}

/// Where `text` stands first from `place` on, or `place`.
pub(super) fn locate(source: &str, place: Place, text: &str) -> Place {
    let mut column = place.column;
    for (at, line) in source.lines().enumerate().skip(place.line - 1) {
        let begin = line.char_indices().nth(column - 1).map_or(line.len(), |(begin, _)| begin);
        if let Some(found) = line[begin..].find(text) {
            let column = line[..begin + found].chars().count() + 1;
            return Place { line: at + 1, column };
        }
        column = 1;
    }
    place
}

/// The line that a place is on, and a caret under it.
pub(super) fn shown(source: &str, place: Place) -> String {
    let line: Vec<char> = source.lines().nth(place.line - 1).unwrap_or_default().chars().collect();
    let column = place.column.clamp(1, line.len() + 1);
    let begin = if column > SHOWN_MAX { column - SHOWN_MAX / 2 } else { 1 };
    let end = line.len().min(begin - 1 + SHOWN_MAX);
    let piece: String = line[begin - 1..end].iter().collect();
    // A tab is as wide as the terminal says.
    let before: String =
        line[begin - 1..column - 1].iter().map(|one| if *one == '\t' { '\t' } else { ' ' }).collect();
    let (number, gutter) = (place.line, " ".repeat(place.line.to_string().len()));
    format!("{gutter} |\n{number} | {piece}\n{gutter} | {before}^")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault<T: for<'de> Deserialize<'de> + std::fmt::Debug>(source: &str) -> (usize, usize, String) {
        let fault = match parse(source) {
            Ok(node) => node.read::<T>().unwrap_err(),
            Err(fault) => fault,
        };
        (fault.place.line, fault.place.column, fault.text)
    }

    fn value(source: &str) -> Value {
        parse(source).unwrap().read().unwrap()
    }

    #[test]
    fn yaml_is_read_as_its_version_1_2_says() {
        assert_eq!(
            value("[on, off, yes, no, 007, 1_000, true, 7, -1, 0x1F, 0o17, 1.5, 1e3, ~, null, '7', !!str 7]"),
            json!([
                "on", "off", "yes", "no", "007", "1_000", true, 7, -1, 31, 15, 1.5, 1000.0, null, null, "7",
                "7"
            ])
        );
        assert_eq!(
            value("a: &x { b: 1 }\nc: *x\nd: { <<: *x, e: 2 }"),
            json!({"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}})
        );
        assert_eq!(value("a: |\n  x\n  y\nb: >-\n  x\n  y"), json!({"a": "x\ny\n", "b": "x y"}));
        assert_eq!(value(r#"{"a": [1, {"b": "\u00e4\n"}]}"#), json!({"a": [1, {"b": "ä\n"}]}));
    }

    #[test]
    fn what_is_wrong_is_told_in_our_words_where_it_stands() {
        use super::super::scenario::Scenario;
        let mut wrong = Vec::new();
        for (source, line, column, text) in [
            ("steps:\n  - publish: { topc: a }", 2, 16, "there is no 'topc'; did you mean 'topic'?"),
            ("steps:\n  - publissh: { topic: a }", 2, 5, "there is no 'publissh'; did you mean 'publish'?"),
            ("steps:\n  - publish: { qos: 1 }", 2, 14, "'topic' is missing"),
            (
                "steps:\n  - publish: { topic: a, qos: high }",
                2,
                31,
                "a whole number from 0 to 255 belongs here, not 'high'",
            ),
            (
                "steps:\n  - publish: { topic: a, qos: 300 }",
                2,
                31,
                "a whole number from 0 to 255 belongs here, not 300",
            ),
            ("steps:\n  - publish: hello", 2, 14, "members such as 'name: value' belong here, not 'hello'"),
            ("steps: x", 1, 8, "a list belongs here, not 'x'"),
            (
                "steps:\n  - wait: -5s",
                2,
                11,
                "a duration such as 200ms, 5s or 1h 30m belongs here, not '-5s'",
            ),
            (
                "steps:\n  - settle: true\n    wait: 1s",
                3,
                5,
                "one word belongs here; a second step begins with '- '",
            ),
            ("steps:\n  - settle", 2, 5, "'settle' needs a value: 'settle: ...'"),
            ("steps: []\nsteps: []", 2, 1, "'steps' stands here a second time, first in line 1"),
            ("a: 1\n---\nb: 2", 2, 1, "a second document begins here; there may be one"),
            ("", 1, 1, "there is nothing in it"),
            ("# no more than this\n", 1, 1, "there is nothing in it"),
            ("a: *b", 1, 4, "nothing is marked with '&' by this name"),
            ("a: !mine 1", 1, 10, "there are no tags such as '!mine' here"),
            ("steps:\n  - publish: { topic: a", 2, 14, "unclosed bracket '{'"),
            ("steps:\n  - publish: { topic: a\n  - mark: b", 3, 9, "',' or '}' is missing here"),
            ("steps:\n\t- mark: b", 2, 2, "a tab cannot indent; use spaces"),
        ] {
            let fault = fault::<Scenario>(source);
            if fault != (line, column, text.to_owned()) {
                wrong.push(format!("{source}\n{fault:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_file_can_be_no_bomb() {
        let mut source = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for at in 1..10 {
            let part = vec![format!("*a{}", at - 1); 10].join(", ");
            source.push_str(&format!("b{at}: &a{at} [{part}]\n"));
        }
        assert!(fault::<Value>(&source).2.contains("at most"));
        let deep = "[".repeat(5000);
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn a_place_is_shown_with_a_caret() {
        let place = Place { line: 2, column: 4 };
        assert_eq!(shown("a\n\tbcd\n", place), "  |\n2 | \tbcd\n  | \t  ^");
        let long = "x".repeat(500);
        assert!(shown(&long, Place { line: 1, column: 400 }).lines().nth(1).unwrap().len() < 130);
    }
}
