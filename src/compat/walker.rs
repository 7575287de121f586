//! The walk over the options: left to right, each acts when it is seen, the first fault ends it.

use super::apply;
use super::face::Face;
use super::fault::{Fault, Stop, missing_value, shown};
use super::property::{self, PropertyWords};
use crate::flags::{Draft, FRIENDLY_ONLY, Tool};
use clap::{Arg, Command};

/// Fills a [`Draft`] from options, whose names and arity come from the program's clap declarations.
pub(crate) struct Walker<'c> {
    pub(crate) tool: Tool,
    pub(crate) face: Face,
    command: &'c Command,
    pub(crate) draft: Draft,
    /// How many arguments have been seen that are no options.
    positionals: usize,
}

/// An option as it was found in an argument.
struct Found<'a, 'c> {
    arg: &'c Arg,
    /// The value in the same argument: `--port=1883`, `-p1883`.
    attached: Option<&'a [u8]>,
}

impl<'c> Walker<'c> {
    /// Starts with nothing given.
    pub(crate) fn new(tool: Tool, face: Face, command: &'c Command) -> Self {
        Self { tool, face, command, draft: Draft::default(), positionals: 0 }
    }

    /// Reads all of `arguments`, without the program's name.
    ///
    /// # Errors
    ///
    /// The first fault, or `--help` or `--version` when reached.
    pub(crate) fn walk(&mut self, arguments: &[&[u8]]) -> Result<(), Stop> {
        let mut rest = arguments;
        while let Some((&argument, tail)) = rest.split_first() {
            let Found { arg, attached } =
                self.find(argument).ok_or_else(|| Fault::UnknownOption(shown(argument)))?;
            let id = arg.get_id().as_str();
            self.positionals += usize::from(arg.is_positional());
            rest = tail;
            match id {
                "help" => return Err(Stop::Help),
                "version" => return Err(Stop::Version),
                "property" => rest = self.walk_property(attached, rest)?,
                _ if !arg.get_action().takes_values() => apply::switch(self, id)?,
                _ => {
                    apply::check_before_value(self, id)?;
                    let value = match attached {
                        Some(value) => value,
                        None => {
                            let (&value, tail) =
                                rest.split_first().ok_or(Fault::MissingValue(missing_value(id)))?;
                            rest = tail;
                            value
                        }
                    };
                    apply::value(self, id, value)?;
                }
            }
        }
        Ok(())
    }

    /// Reads the words of one `-D`; returns what follows them.
    fn walk_property<'s, 'a>(
        &mut self,
        attached: Option<&'a [u8]>,
        words: &'s [&'a [u8]],
    ) -> Result<&'s [&'a [u8]], Stop> {
        let missing = Fault::MissingValue(missing_value("property"));
        let (command, words) = match (attached, words) {
            (Some(command), words) => (command, words),
            (None, [command, words @ ..]) => (*command, words),
            (None, []) => return Err(missing.into()),
        };
        let [name, values @ ..] = words else { return Err(missing.into()) };
        if values.is_empty() {
            return Err(missing.into());
        }
        property::check_words(command, name)?;
        let count = if property::takes_pair(name) { 2 } else { 1 };
        let Some((values, rest)) = values.split_at_checked(count) else { return Err(missing.into()) };
        let lists = &mut self.draft.connection.properties;
        property::add(lists, &PropertyWords { command, name, values })?;
        self.draft.connection.protocol_version = Some(crate::packet::ProtocolVersion::V5);
        Ok(rest)
    }

    /// Whether `option`, in an options file that was written for another program, means something to that one alone.
    pub(crate) fn leaves_to_reference(&self, option: &[u8]) -> bool {
        let Some(reference) = self.tool.options_of().filter(|reference| *reference != self.tool) else {
            return false;
        };
        let command = reference.command();
        let of_reference = Walker::new(reference, self.face, &command);
        let id = |arg: &Arg| arg.get_id().as_str().to_owned();
        of_reference.find(option).is_some_and(|there| {
            self.find(option).is_none_or(|here| here.arg.is_positional() || id(here.arg) != id(there.arg))
        })
    }

    /// The option that `argument` names: whole words only, and under our names also with its value behind it.
    fn find<'a>(&self, argument: &'a [u8]) -> Option<Found<'a, 'c>> {
        if argument == b"-" || !argument.starts_with(b"-") {
            let arg = self.command.get_positionals().nth(self.positionals)?;
            return Some(Found { arg, attached: Some(argument) });
        }
        let text = std::str::from_utf8(argument).ok();
        if let Some(arg) = text.and_then(|text| self.named(text)) {
            return Some(Found { arg, attached: None });
        }
        if self.face == Face::Strict {
            return None;
        }
        let (name, value) = if argument.starts_with(b"--") {
            let at = argument.iter().position(|&byte| byte == b'=')?;
            (&argument[..at], &argument[at + 1..])
        } else {
            let (name, value) = argument.split_at_checked(2)?;
            (name, value.strip_prefix(b"=").unwrap_or(value))
        };
        let arg = self.named(std::str::from_utf8(name).ok()?)?;
        arg.get_action().takes_values().then_some(Found { arg, attached: Some(value) })
    }

    fn named(&self, text: &str) -> Option<&'c Arg> {
        let is_it = |arg: &&Arg| match text.strip_prefix("--") {
            Some(long) => arg.get_long() == Some(long),
            None => {
                let mut characters = text.chars();
                characters.next() == Some('-')
                    && arg.get_short().is_some()
                    && arg.get_short() == characters.next()
                    && characters.next().is_none()
            }
        };
        // `--strict` is taken off before the walk, so that it never means anything behind other options.
        let is_known =
            |id: &str| id != "strict" && (self.face == Face::Friendly || !FRIENDLY_ONLY.contains(&id));
        self.command.get_arguments().find(is_it).filter(|arg| is_known(arg.get_id().as_str()))
    }
}
