//! Values of options, each with the words that mosquitto finds for a wrong one.

use crate::packet::Text;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// What is wrong with one line.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ConfigurationFault {
    /// No such option.
    #[error("Unknown configuration variable \"{0}\".")]
    Unknown(String),
    /// An option of mosquitto's that this broker does not have.
    #[error("The {0} option is not supported by culex.")]
    Unsupported(String),
    /// An option that needs a value stands alone.
    #[error("Empty {0} value in configuration.")]
    Empty(String),
    /// A value that cannot be read.
    #[error("Invalid {name} value ({value}).")]
    Invalid {
        /// The option.
        name: String,
        /// What stands behind it.
        value: String,
    },
    /// A number outside of what the option allows.
    #[error("{name} must be between {first} and {last} inclusive.")]
    OutOfRange {
        /// The option.
        name: String,
        /// The lowest number allowed.
        first: i64,
        /// The highest number allowed.
        last: i64,
    },
    /// Something that only makes sense within another order.
    #[error("{0}")]
    Order(&'static str),
    /// A file or folder that the configuration names.
    #[error("Unable to open {what} '{path}': {reason}.")]
    File {
        /// What it is for.
        what: &'static str,
        /// Where it should be.
        path: String,
        /// What the system says.
        reason: String,
    },
}

/// The option and what stands behind it, up to the end of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

impl<'a> Setting<'a> {
    /// The value, which must not be empty.
    pub(super) fn text(self) -> Result<&'a str, ConfigurationFault> {
        if self.value.is_empty() {
            Err(ConfigurationFault::Empty(self.name.to_owned()))
        } else {
            Ok(self.value)
        }
    }

    pub(super) fn invalid(self) -> ConfigurationFault {
        ConfigurationFault::Invalid { name: self.name.to_owned(), value: self.value.to_owned() }
    }

    /// The value as it may stand in a packet.
    pub(super) fn packet_text(self) -> Result<Text, ConfigurationFault> {
        Text::new(self.text()?.as_bytes().to_vec()).map_err(|_| self.invalid())
    }

    /// `true`, `1`, `false` or `0`.
    pub(super) fn flag(self) -> Result<bool, ConfigurationFault> {
        match self.text()? {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(self.invalid()),
        }
    }

    /// A whole number within `range`.
    pub(super) fn number<T>(self, range: RangeInclusive<i64>) -> Result<T, ConfigurationFault>
    where
        T: TryFrom<i64>,
    {
        let number = i64::from_str(self.text()?).map_err(|_| self.invalid())?;
        let fits = range.contains(&number).then(|| T::try_from(number).ok()).flatten();
        fits.ok_or_else(|| ConfigurationFault::OutOfRange {
            name: self.name.to_owned(),
            first: *range.start(),
            last: *range.end(),
        })
    }

    /// A number with the unit h, d, w, m (30 days) or y (365 days); mosquitto's durations know no others.
    pub(super) fn duration(self) -> Result<Duration, ConfigurationFault> {
        const HOUR: u64 = 3600;
        let value = self.text()?;
        let parts = value.split_at_checked(value.len() - 1);
        let (number, unit) = parts.ok_or_else(|| self.invalid())?;
        let unit = match unit {
            "h" => HOUR,
            "d" => 24 * HOUR,
            "w" => 7 * 24 * HOUR,
            "m" => 30 * 24 * HOUR,
            "y" => 365 * 24 * HOUR,
            _ => return Err(self.invalid()),
        };
        let number = u64::from_str(number).ok().filter(|number| *number > 0);
        let seconds = number.and_then(|number| number.checked_mul(unit)).ok_or_else(|| self.invalid())?;
        Ok(Duration::from_secs(seconds))
    }
}
