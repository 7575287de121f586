//! From a tree to what it says.

use super::super::load::suggestion;
use super::{Fault, Kind, Node, Place, Style};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt;

/// What is wrong, and where the innermost of what is wrong begins.
#[derive(Debug)]
pub(in super::super) struct Error {
    place: Option<Place>,
    text: String,
}

impl Error {
    /// It is here, unless it is known better.
    pub(super) fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    pub(super) fn into_fault(self) -> Fault {
        Fault { place: self.place.unwrap_or(Place { line: 1, column: 1 }), text: self.text }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { place: None, text: text.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected_words(&expected.to_string());
        let verb = if expected.starts_with("members") { "belong" } else { "belongs" };
        Self::custom(format!("{expected} {verb} here, not {}", found_words(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        unknown(field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        unknown(variant, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("'{field}' is missing"))
    }
}

fn unknown(word: &str, known: &[&str]) -> Error {
    let mut suggestion = suggestion(word, known.iter().copied());
    if suggestion.is_empty() && !known.is_empty() {
        suggestion = format!("; there are {}", known.join(", "));
    }
    Error::custom(format!("there is no '{word}'{suggestion}"))
}

/// Rust's names for what belongs somewhere in the words of those who write files.
fn expected_words(expected: &str) -> String {
    let number = |max: u64| format!("a whole number from 0 to {max}");
    match expected {
        "u8" => number(u8::MAX.into()),
        "u16" => number(u16::MAX.into()),
        "u32" => number(u32::MAX.into()),
        "u64" | "usize" => "a whole number from 0 on".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        text if text == "a map" || text.starts_with("struct ") => "members such as 'name: value'".to_owned(),
        text => text.to_owned(),
    }
}

fn found_words(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(flag) => flag.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) => format!("'{text}'"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "members".to_owned(),
        other => other.to_string(),
    }
}

/// What a scalar without quotes is.
enum Plain<'a> {
    Nothing,
    Flag(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

pub(super) fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn plain(text: &str) -> Plain<'_> {
    match text {
        text if is_nothing(text) => return Plain::Nothing,
        "true" | "True" | "TRUE" => return Plain::Flag(true),
        "false" | "False" | "FALSE" => return Plain::Flag(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Plain::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Plain::Float(f64::NAN),
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return match u64::from_str_radix(digits, radix) {
                Ok(number) if !digits.starts_with('+') => Plain::Unsigned(number),
                _ => Plain::Text(text),
            };
        }
    }
    let digits = text.trim_start_matches(['-', '+']);
    let is_number = text.len() - digits.len() <= 1
        && digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.contains(|one: char| one.is_ascii_digit())
        && digits.chars().all(|one| one.is_ascii_digit() || ".eE+-".contains(one));
    // What begins with zeros is a name more often than a number.
    let has_leading_zero =
        digits.starts_with('0') && digits[1..].starts_with(|one: char| one.is_ascii_digit());
    if !is_number || has_leading_zero {
        return Plain::Text(text);
    }
    if let Ok(number) = text.parse::<u64>() {
        return Plain::Unsigned(number);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Plain::Signed(number);
    }
    text.parse().map_or(Plain::Text(text), Plain::Float)
}

/// Where a number or a flag is wanted, quotes do not matter.
macro_rules! plain_words {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                match &self.kind {
                    Kind::Scalar(text, _) => visit_plain(text, visitor).map_err(|error| error.at(self.place)),
                    _ => self.deserialize_any(visitor),
                }
            }
        )*
    };
}

fn visit_plain<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, Error> {
    match plain(text) {
        Plain::Nothing => visitor.visit_unit(),
        Plain::Flag(flag) => visitor.visit_bool(flag),
        Plain::Unsigned(number) => visitor.visit_u64(number),
        Plain::Signed(number) => visitor.visit_i64(number),
        Plain::Float(number) => visitor.visit_f64(number),
        Plain::Text(text) => visitor.visit_borrowed_str(text),
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = match &self.kind {
            Kind::Scalar(text, Style::Quoted) => visitor.visit_borrowed_str(text),
            Kind::Scalar(text, _) => visit_plain(text, visitor),
            Kind::List(elements) => visitor.visit_seq(Elements(elements.iter())),
            Kind::Map(members) => visitor.visit_map(Members { members: members.iter(), value: None }),
        };
        read.map_err(|error| error.at(self.place))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.kind {
            // A number without quotes is a text where one is wanted.
            Kind::Scalar(text, style) if *style != Style::Plain || !is_nothing(text) => {
                visitor.visit_borrowed_str(text).map_err(|error: Error| error.at(self.place))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // A list all of whose lines are comments.
        if self.is_nothing() { visitor.visit_seq(Elements([].iter())) } else { self.deserialize_any(visitor) }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_nothing() {
            return visitor.visit_map(Members { members: [].iter(), value: None });
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A word and what belongs to it: a map of one member.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let word = match &self.kind {
            Kind::Map(members) => match &members[..] {
                [(key, value)] => Word { key, value },
                [] => return Err(Error::custom("a word and its value belong here").at(self.place)),
                [_, (second, _), ..] => {
                    let text = "one word belongs here; a second step begins with '- '";
                    return Err(Error::custom(text).at(second.place));
                }
            },
            Kind::Scalar(text, _) => {
                let error = if known.contains(&text.as_str()) {
                    Error::custom(format!("'{text}' needs a value: '{text}: ...'"))
                } else {
                    unknown(text, known)
                };
                return Err(error.at(self.place));
            }
            Kind::List(_) => {
                return Err(Error::invalid_type(Unexpected::Seq, &"a word and its value").at(self.place));
            }
        };
        visitor.visit_enum(word).map_err(|error| error.at(self.place))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    plain_words! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct struct
    }
}

struct Elements<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(element) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(element).map(Some).map_err(|error| error.at(element.place))
    }
}

struct Members<'de> {
    members: std::slice::Iter<'de, (Node, Node)>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((key, value)) = self.members.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        let name: StrDeserializer<'de, Error> = key.text().unwrap_or_default().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.at(key.place))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some(value) = self.value.take() else {
            return Err(Error::custom("a value without a name"));
        };
        seed.deserialize(value).map_err(|error| error.at(value.place))
    }
}

struct Word<'de> {
    key: &'de Node,
    value: &'de Node,
}

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let word = seed.deserialize(self.key).map_err(|error| error.at(self.key.place))?;
        Ok((word, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(Error::custom("this word has no value").at(self.value.place))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.value).map_err(|error| error.at(self.value.place))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.value.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_any(visitor)
    }
}
