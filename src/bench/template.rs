//! Texts that differ from client to client, and from message to message.
//!
//! `%i` index of the client, `%c` its Client Identifier, `%u` its User Name, `%g` its group, `%h` the machine's name,
//! `%s` the sequence number of the message, `%r{a..b}` a random whole number, `%i{a..b}` the index wrapped into a
//! range, `%rand_N` a random number below N, `%%` a percent sign.
//!
//! Payloads from a file have words in double braces instead, so that percent signs are their own: see
//! [`Template::parse_words`].

use super::schedule::mix;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
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
    /// Wall clock, in units of so many nanoseconds since the start of 1970.
    Clock(u64),
    /// A number of the normal distribution: mean, standard deviation.
    Gauss(f64, f64),
    /// A random UUID.
    Uuid,
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
    /// Words in double braces that stand for nothing.
    #[error(
        "'{{{{{0}}}}}' stands for nothing; there are seq, ts_ms, ts_ns, rand A B, gauss MEAN DEVIATION, uuid, client, \
         user, index, group and host"
    )]
    Word(String),
    /// Double braces that are not closed.
    #[error("'{{{{' is not closed: a word is written {{{{seq}}}}")]
    Open,
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

    /// Reads a template with words in double braces: `{{seq}}`, `{{ts_ms}}` and `{{ts_ns}}` (wall clock since the start
    /// of 1970), `{{rand 1 6}}` (both included), `{{gauss 20 0.5}}`, `{{uuid}}`, `{{client}}`, `{{user}}`, `{{index}}`,
    /// `{{group}}`, `{{host}}`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] for words that stand for nothing and braces that are not closed.
    pub fn parse_words(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            if at > 0 {
                parts.push(Part::Literal(rest[..at].to_owned()));
            }
            let end = rest[at..].find("}}").ok_or(TemplateError::Open)?;
            parts.push(word(&rest[at + 2..at + end])?);
            rest = &rest[at + end + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Whether it differs from message to message of one client.
    #[must_use]
    pub fn is_per_message(&self) -> bool {
        let is_own = |part: &Part| {
            matches!(part, Part::Sequence | Part::Random(..) | Part::Clock(_) | Part::Gauss(..) | Part::Uuid)
        };
        self.parts.iter().any(is_own)
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
                Part::Random(first, count) => write!(out, "{}", first + chance(context, place) % count),
                Part::Clock(unit) => write!(out, "{}", wall_nanos() / u128::from(*unit)),
                Part::Gauss(mean, deviation) => {
                    write!(out, "{:.3}", mean + deviation * normal(chance(context, place)))
                }
                Part::Uuid => write!(out, "{}", uuid(chance(context, place))),
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

/// Bits that are different for each client, message and place, and the same in every run.
fn chance(context: &Context<'_>, place: usize) -> u64 {
    mix(mix(u64::from(context.index) << 8 | place as u64) ^ context.sequence)
}

/// A number of the normal distribution around 0 with a deviation of 1 (Box and Muller).
fn normal(bits: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // 53 bits
    let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (-2.0 * unit(bits).ln()).sqrt() * (std::f64::consts::TAU * unit(mix(bits))).cos()
}

fn uuid(bits: u64) -> uuid::Uuid {
    let [high, low] = [bits, mix(bits)];
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
}

fn wall_nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// What the words between double braces stand for.
fn word(text: &str) -> Result<Part, TemplateError> {
    let unknown = || TemplateError::Word(text.trim().to_owned());
    let words: Vec<&str> = text.split_whitespace().collect();
    let part = match words.as_slice() {
        ["seq"] => Part::Sequence,
        ["ts_ms"] => Part::Clock(1_000_000),
        ["ts_ns"] => Part::Clock(1),
        ["uuid"] => Part::Uuid,
        ["client"] => Part::Client,
        ["user"] => Part::User,
        ["index"] => Part::Index,
        ["group"] => Part::Group,
        ["host"] => Part::Host,
        ["rand", first, last] => {
            let (first, last): (u64, u64) =
                (first.parse().map_err(|_| unknown())?, last.parse().map_err(|_| unknown())?);
            let count = last.checked_sub(first).and_then(|span| span.checked_add(1)).ok_or_else(unknown)?;
            Part::Random(first, count)
        }
        ["gauss", mean, deviation] => {
            let number = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
            Part::Gauss(number(mean).ok_or_else(unknown)?, number(deviation).ok_or_else(unknown)?)
        }
        _ => return Err(unknown()),
    };
    Ok(part)
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
    fn words_in_braces_stand_for_their_parts_and_percent_signs_for_themselves() {
        let context = Context { index: 2, client: "c-2", sequence: 7, ..Context::default() };
        let render = |text| Template::parse_words(text).unwrap().render(&context);
        assert_eq!(
            render(r#"{"n":{{seq}},"by":"{{client}}","full":"100%"}"#),
            r#"{"n":7,"by":"c-2","full":"100%"}"#
        );
        assert!(["1", "2"].contains(&render("{{ rand 1 2 }}").as_str()));
        assert_eq!(render("{{uuid}}").len(), 36);
        let now: u128 = render("{{ts_ms}}").parse().unwrap();
        assert!(now > 1_700_000_000_000, "milliseconds since 1970");
        assert_eq!(render("{{ts_ns}}").len(), 19);
    }

    #[test]
    fn gauss_has_its_mean_and_deviation() {
        let template = Template::parse_words("{{gauss 20 0.5}}").unwrap();
        let value = |sequence| -> f64 {
            template.render(&Context { sequence, ..Context::default() }).parse().unwrap()
        };
        let values: Vec<f64> = (0..4000).map(value).collect();
        let mean = values.iter().sum::<f64>() / 4000.0;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 4000.0;
        assert!((mean - 20.0).abs() < 0.05, "{mean}");
        assert!((variance.sqrt() - 0.5).abs() < 0.05, "{}", variance.sqrt());
    }

    #[test]
    fn words_that_stand_for_nothing_are_refused() {
        for text in ["sequence", "rand 5 1", "rand a b", "gauss 1", "gauss nan 1", ""] {
            let parsed = Template::parse_words(&format!("x{{{{{text}}}}}"));
            assert_eq!(parsed, Err(TemplateError::Word(text.to_owned())));
        }
        assert_eq!(Template::parse_words("{{seq"), Err(TemplateError::Open));
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
