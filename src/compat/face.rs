//! Which program was called, and in which of its two manners it speaks.

use crate::flags::Tool;

/// How a program speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Face {
    /// Exactly as mosquitto's programs do: called by one of their names, or with `--strict`.
    Strict,
    /// Our own manner: the same options and more, with advice behind the first line of an error.
    Friendly,
}

/// A program as it was called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Caller {
    /// Which program.
    pub tool: Tool,
    /// How it speaks.
    pub face: Face,
}

impl Caller {
    /// The name under which the program speaks of itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.face {
            Face::Strict => self.tool.mosquitto_name(),
            Face::Friendly => self.tool.typed(),
        }
    }

    /// The status of `--help` and `--version`.
    #[must_use]
    pub const fn help_status(self) -> u8 {
        match self.face {
            Face::Strict => 1,
            Face::Friendly => 0,
        }
    }

    /// Recognises the manner from the name the program was called by; `--strict` as first argument is taken off.
    pub(crate) fn recognise(tool: Tool, program: &[u8], arguments: &mut Vec<Vec<u8>>) -> Self {
        if !tool.has_reference() {
            return Self { tool, face: Face::Friendly };
        }
        let base = program.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let mut face = if base.starts_with(b"mosquitto_") { Face::Strict } else { Face::Friendly };
        if face == Face::Friendly && arguments.first().is_some_and(|first| first == b"--strict") {
            arguments.remove(0);
            face = Face::Strict;
        }
        Self { tool, face }
    }
}
