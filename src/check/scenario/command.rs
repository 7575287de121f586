//! The written form of a command.

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A command.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, serde(untagged))]
pub enum CommandSpec {
    /// A line for `sh -c`.
    Line(String),
    /// A program and its arguments.
    Words(Vec<String>),
}

// An untagged enum would take `[sleep, 1]` for no list of texts.
impl<'de> Deserialize<'de> for CommandSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = CommandSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a line for the shell, or a list of words")
            }

            fn visit_str<E: Error>(self, line: &str) -> Result<CommandSpec, E> {
                Ok(CommandSpec::Line(line.to_owned()))
            }

            /// `true` and `false` are programs, too.
            fn visit_bool<E: Error>(self, word: bool) -> Result<CommandSpec, E> {
                Ok(CommandSpec::Line(word.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<CommandSpec, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(words)).map(CommandSpec::Words)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
