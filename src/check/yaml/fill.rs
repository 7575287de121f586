//! `${name}` in a tree: filled in behind YAML, so that a value may hold whatever it likes.

use super::super::variables::{USE, Variables, text_of};
use super::parse::{masked, unmasked};
use super::{Fault, Kind, Node, Place, Style, locate};
use serde_json::Value;

/// What stands for a name that is known when the broker runs, in the values of others.
pub(in super::super) fn deferred(name: &str) -> Value {
    Value::String(masked(&format!("${{{name}}}")))
}

/// The tree with the values of all names that are known; the others stay.
///
/// # Errors
///
/// Where a `${` has no end.
pub(in super::super) fn fill(node: &Node, variables: &Variables, source: &str) -> Result<Node, Fault> {
    let kind = match &node.kind {
        Kind::Scalar(text, style) if text.contains("${") => {
            check_ends(text, node.place, source)?;
            match (style, alone(text).and_then(|name| variables.value(name))) {
                (Style::Plain, Some(value)) => inserted_alone(value, node.place).kind,
                (Style::Plain, None) => Kind::Scalar(filled(text, variables), Style::Filled),
                (style, _) => Kind::Scalar(filled(text, variables), *style),
            }
        }
        Kind::Scalar(..) => node.kind.clone(),
        Kind::List(elements) => {
            let filled = elements.iter().map(|element| fill(element, variables, source));
            Kind::List(filled.collect::<Result<_, _>>()?)
        }
        Kind::Map(members) => {
            let filled = members.iter().map(|(key, value)| {
                let key = match &key.kind {
                    Kind::Scalar(text, _) if text.contains("${") => {
                        check_ends(text, key.place, source)?;
                        Node { place: key.place, kind: Kind::Scalar(filled(text, variables), Style::Quoted) }
                    }
                    _ => key.clone(),
                };
                Ok((key, fill(value, variables, source)?))
            });
            Kind::Map(filled.collect::<Result<_, Fault>>()?)
        }
    };
    Ok(Node { place: node.place, kind })
}

/// The names that a tree uses, and where.
pub(in super::super) fn names(node: &Node, source: &str) -> Vec<(String, Place)> {
    let mut names = Vec::new();
    node.scalars(&mut |scalar| {
        let text = scalar.text().unwrap_or_default();
        for found in USE.captures_iter(text).filter(|found| found[1].is_empty()) {
            names.push((found[2].to_owned(), locate(source, scalar.place, &found[0])));
        }
    });
    names
}

/// The name that is the whole text.
fn alone(text: &str) -> Option<&str> {
    let found = USE.captures(text)?;
    (found[0].len() == text.len() && found[1].is_empty())
        .then(|| found.get(2).map_or("", |name| name.as_str()))
}

fn filled(text: &str, variables: &Variables) -> String {
    let value = |found: &regex::Captures<'_>| match variables.value(&found[2]) {
        Some(value) if found[1].is_empty() => inserted(&text_of(value)),
        _ => found[0].to_owned(),
    };
    USE.replace_all(text, value).into_owned()
}

/// A value as it stands in a text whose names are filled in once more, when it is used.
fn inserted(text: &str) -> String {
    unmasked(&USE.replace_all(text, "$$$0"))
}

fn inserted_alone(value: &Value, place: Place) -> Node {
    match value {
        Value::String(text) => Node { place, kind: Kind::Scalar(inserted(text), Style::Filled) },
        other => Node::of(&inserted_inside(other), place),
    }
}

fn inserted_inside(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(inserted(text)),
        Value::Array(elements) => elements.iter().map(inserted_inside).collect(),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (inserted(name), inserted_inside(value))).collect(),
        ),
        plain => plain.clone(),
    }
}

/// An error when a name begins that does not end. What else stands in braces is the shell's.
fn check_ends(text: &str, place: Place, source: &str) -> Result<(), Fault> {
    let begins = text.match_indices("${").filter(|(at, _)| !text[..*at].ends_with('$'));
    for (at, _) in begins {
        if !text[at..].contains('}') {
            let place = locate(source, place, "${");
            return Err(Fault { place, text: "'${' has no '}'; '$${' stands for itself".to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use serde_json::json;

    #[test]
    fn values_may_hold_what_has_a_meaning_in_yaml() {
        let mut variables = Variables::default();
        for (name, value) in [
            ("quote", json!("{\"on\": \"a\\b\"}")),
            ("comment", json!("a # b: c\n- d")),
            ("n", json!(7)),
            ("digits", json!("7")),
            ("tilde", json!("~")),
            ("list", json!([1, "x"])),
            ("braces", json!("${n}")),
            ("later", deferred("prefix")),
        ] {
            variables.set(name, value);
        }
        let source = "[ ${quote}, '${quote}', ${comment}, ${n}, \"${n}\", ${digits}, ${tilde}, ${list}, x-${n}, \
                      $${n}, ${braces}, '${later}/x', ${unknown}, { '${n}': ${HOME:-x} } ]";
        let source = source.replace("${HOME:-x}", "'${HOME:-x}'");
        let filled: Value = fill(&parse(&source).unwrap(), &variables, &source).unwrap().read().unwrap();
        assert_eq!(
            filled,
            json!([
                "{\"on\": \"a\\b\"}", "{\"on\": \"a\\b\"}", "a # b: c\n- d", 7, "7", 7, null, [1, "x"], "x-7",
                "$${n}", "$${n}", "${prefix}/x", "${unknown}", {"7": "${HOME:-x}"}
            ])
        );
        // A text that was given is never nothing.
        let source = "a: ${tilde}";
        let filled = fill(&parse(source).unwrap(), &variables, source).unwrap();
        assert_eq!(filled.member("a").unwrap().read::<Option<String>>().unwrap(), Some("~".to_owned()));
    }

    #[test]
    fn a_name_without_end_is_told_where_it_begins() {
        let source = "steps:\n  - publish: { topic: \"x/${a\" }\n";
        let fault = fill(&parse(source).unwrap(), &Variables::default(), source).unwrap_err();
        assert_eq!((fault.place.line, fault.place.column), (2, 26));
        let source = "a: 'x ${b} ${c}'";
        let used = names(&parse(source).unwrap(), source);
        assert_eq!(used[1], ("c".to_owned(), Place { line: 1, column: 12 }));
    }
}
