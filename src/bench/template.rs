//! Texts that differ from client to client, and from message to message.
//!
//! `%i` index of the client, `%c` its Client Identifier, `%u` its User Name, `%g` its group, `%h` the machine's name,
//! `%s` the sequence number of the message, `%r{a..b}` a random whole number, `%i{a..b}` the index wrapped into a
//! range, `%rand_N` a random number below N, `%%` a percent sign.

use super::schedule::mix;
use std::fmt::Write as _;
use thiserror::Error;

/// What a text is rendered for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// `%i`: index of the client.
    pub index: u32,
    /// `%g`: index of its group.
    pub group: u32,
    /// `%c`: its Client Identifier.
    pub client: &'a str,
    /// `%u`: its User Name.
    pub user: &'a str,
    /// `%h`: the machine's name.
    pub host: &'a str,
    /// `%s`: sequence number of the message.
    pub sequence: u64,
}

/// A text with places to fill in, read once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(String),
    Index,
    /// The index wrapped into a range: first, count.
    IndexIn(u64, u64),
    Group,
    Client,
    User,
    Host,
    Sequence,
    /// First, count.
    Random(u64, u64),
}

/// Why a text is no template.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum TemplateError {
    /// A letter that stands for nothing.
    #[error("%{0} stands for nothing; there are %i %c %u %g %h %s %r{{a..b}} and %% for a percent sign")]
    Unknown(String),
    /// A range that is not `{a..b}` with a not above b.
    #[error("'{0}' is no range: it is written {{0..99}}")]
    Range(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] for an unknown letter or a malformed range.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let (part, length) = placeholder(rest)?;
            rest = &rest[length..];
            match part {
                Part::Literal(text) => literal.push_str(&text),
                part => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(part);
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// Whether it differs from message to message of one client.
    #[must_use]
    pub fn is_per_message(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Sequence | Part::Random(..)))
    }

    /// Whether it differs from client to client.
    #[must_use]
    pub fn is_per_client(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Literal(_) | Part::Host))
    }

    /// Appends the text for `context` to `out`.
    pub fn render_into(&self, context: &Context<'_>, out: &mut String) {
        for (place, part) in self.parts.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = match part {
                Part::Literal(text) => out.write_str(text),
                Part::Index => write!(out, "{}", context.index),
                Part::IndexIn(first, count) => write!(out, "{}", first + u64::from(context.index) % count),
                Part::Group => write!(out, "{}", context.group),
                Part::Client => out.write_str(context.client),
                Part::User => out.write_str(context.user),
                Part::Host => out.write_str(context.host),
                Part::Sequence => write!(out, "{}", context.sequence),
                Part::Random(first, count) => {
                    let seed = mix(u64::from(context.index) << 8 | place as u64) ^ context.sequence;
                    write!(out, "{}", first + mix(seed) % count)
                }
            };
        }
    }

    /// The text for `context`.
    #[must_use]
    pub fn render(&self, context: &Context<'_>) -> String {
        let mut out = String::new();
        self.render_into(context, &mut out);
        out
    }
}

/// What stands behind a percent sign, and how many bytes of it there are.
fn placeholder(rest: &str) -> Result<(Part, usize), TemplateError> {
    if let Some(digits) = rest.strip_prefix("rand_") {
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let count = digits[..length].parse().ok().filter(|count| *count > 0);
        let count = count.ok_or_else(|| TemplateError::Range(format!("%rand_{}", &digits[..length])))?;
        return Ok((Part::Random(0, count), 5 + length));
    }
    let letter = rest.chars().next().map(String::from).unwrap_or_default();
    let simple = match letter.as_str() {
        "%" => Part::Literal("%".to_owned()),
        "c" => Part::Client,
        "u" => Part::User,
        "g" => Part::Group,
        "h" => Part::Host,
        "s" => Part::Sequence,
        "i" if !rest[1..].starts_with('{') => Part::Index,
        "i" | "r" => {
            let ((first, count), length) = range(&rest[1..])?;
            let part = if letter == "i" { Part::IndexIn(first, count) } else { Part::Random(first, count) };
            return Ok((part, 1 + length));
        }
        _ => return Err(TemplateError::Unknown(letter)),
    };
    Ok((simple, letter.len()))
}

/// `{a..b}`, both included: the first and the count, and how many bytes it takes.
fn range(text: &str) -> Result<((u64, u64), usize), TemplateError> {
    let end = text.find('}').map_or(text.len(), |at| at + 1);
    let wrong = || TemplateError::Range(text[..end].to_owned());
    let inner = text[..end].strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(wrong)?;
    let (first, last) = inner.split_once("..").ok_or_else(wrong)?;
    let (first, last): (u64, u64) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    let count = last.checked_sub(first).and_then(|span| span.checked_add(1)).ok_or_else(wrong)?;
    Ok(((first, count), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> String {
        let context =
            Context { index: 12, group: 3, client: "c-12", user: "ann", host: "here", sequence: 99 };
        Template::parse(text).unwrap().render(&context)
    }

    #[test]
    fn each_letter_stands_for_its_part() {
        assert_eq!(render("a/%i/%g/%c/%u/%h/%s/100%%"), "a/12/3/c-12/ann/here/99/100%");
        assert_eq!(render("%i{5..9}"), "7", "the index wrapped into a range");
        assert_eq!(render("plain"), "plain");
        assert_eq!(render(""), "");
    }

    #[test]
    fn random_numbers_keep_their_range_and_change_with_the_message() {
        for template in ["%r{10..12}", "%rand_3"] {
            let template = Template::parse(template).unwrap();
            let all: std::collections::BTreeSet<String> = (0..100)
                .map(|sequence| template.render(&Context { sequence, ..Context::default() }))
                .collect();
            assert_eq!(all.len(), 3);
            assert!(template.is_per_message());
        }
        assert!(!Template::parse("a/%i").unwrap().is_per_message());
    }

    #[test]
    fn malformed_templates_are_refused() {
        for (text, expected) in [
            ("%x", TemplateError::Unknown("x".into())),
            ("a%", TemplateError::Unknown(String::new())),
            ("%é", TemplateError::Unknown("é".into())),
            ("%r{9..3}", TemplateError::Range("{9..3}".into())),
            ("%r", TemplateError::Range(String::new())),
            ("%i{1..", TemplateError::Range("{1..".into())),
            ("%r{0..18446744073709551615}", TemplateError::Range("{0..18446744073709551615}".into())),
            ("%rand_0", TemplateError::Range("%rand_0".into())),
        ] {
            assert_eq!(Template::parse(text), Err(expected), "{text}");
        }
    }
}
