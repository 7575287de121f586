//! What is logged, and where.

use std::ops::BitOr;
use std::path::PathBuf;

/// Kinds of log lines, as `log_type` names them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogTypes(u8);

impl LogTypes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// What ends the broker, or a request.
    pub const ERROR: Self = Self(1);
    /// What may be a mistake.
    pub const WARNING: Self = Self(1 << 1);
    /// Connections, start and end.
    pub const NOTICE: Self = Self(1 << 2);
    /// What is good to know.
    pub const INFORMATION: Self = Self(1 << 3);
    /// Every packet.
    pub const DEBUG: Self = Self(1 << 4);
    /// Subscriptions made.
    pub const SUBSCRIBE: Self = Self(1 << 5);
    /// Subscriptions ended.
    pub const UNSUBSCRIBE: Self = Self(1 << 6);
    /// Everything.
    pub const ALL: Self = Self(0x7F);
    /// What is logged unless the configuration says otherwise.
    pub const DEFAULT: Self = Self(0x0F);

    /// Whether all of `wanted` is in this.
    #[must_use]
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// What the first of these kinds is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        const NAMES: [&str; 7] =
            ["error", "warning", "notice", "information", "debug", "subscribe", "unsubscribe"];
        let place = self.0.trailing_zeros() as usize;
        if place < NAMES.len() { NAMES[place] } else { "none" }
    }

    /// The kind of this name; `None` for an unknown one. `websockets` and `internal` are known and name nothing here.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "none" | "websockets" | "internal" => Self::NONE,
            "error" => Self::ERROR,
            "warning" => Self::WARNING,
            "notice" => Self::NOTICE,
            "information" => Self::INFORMATION,
            "debug" => Self::DEBUG,
            "subscribe" => Self::SUBSCRIBE,
            "unsubscribe" => Self::UNSUBSCRIBE,
            "all" => Self::ALL,
            _ => return None,
        })
    }
}

impl BitOr for LogTypes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Where log lines go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LogDestination {
    /// The standard error.
    StandardError,
    /// The standard output.
    StandardOutput,
    /// The end of a file.
    File(PathBuf),
}

/// The logging options.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogPlan {
    /// What is logged; [`LogTypes::DEFAULT`] by default.
    pub types: LogTypes,
    /// Where to; the standard error by default, and nowhere with `log_dest none`.
    pub destinations: Vec<LogDestination>,
    /// Whether lines begin with the time; default yes.
    pub has_timestamp: bool,
    /// The time's strftime format; seconds since 1970 by default.
    pub timestamp_format: Option<String>,
    /// Whether connections are logged; default yes.
    pub connection_messages: bool,
    /// Whether lines are JSON objects; default no.
    pub is_json: bool,
}

impl Default for LogPlan {
    fn default() -> Self {
        Self {
            types: LogTypes::DEFAULT,
            destinations: vec![LogDestination::StandardError],
            has_timestamp: true,
            timestamp_format: None,
            connection_messages: true,
            is_json: false,
        }
    }
}
