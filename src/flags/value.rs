//! How clap reads the values that have types of our own.

use crate::packet::{PacketError, ProtocolVersion, Qos, RetainHandling, Text};
use bytes::Bytes;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::convert::Infallible;
use std::time::Duration;

/// The value of a flag that is filed elsewhere when it is seen: `--url` sets host, port and topic, for example.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Elsewhere;

pub(crate) fn elsewhere(_: &str) -> Result<Elsewhere, Infallible> {
    Ok(Elsewhere)
}

pub(crate) fn text(value: &str) -> Result<Text, PacketError> {
    Text::try_from(value)
}

pub(crate) fn bytes(value: &str) -> Result<Bytes, Infallible> {
    Ok(Bytes::copy_from_slice(value.as_bytes()))
}

pub(crate) fn qos() -> impl TypedValueParser<Value = Qos> {
    PossibleValuesParser::new(["0", "1", "2"]).map(|number| match number.as_str() {
        "1" => Qos::AtLeastOnce,
        "2" => Qos::ExactlyOnce,
        _ => Qos::AtMostOnce,
    })
}

pub(crate) fn version() -> impl TypedValueParser<Value = ProtocolVersion> {
    PossibleValuesParser::new(["mqttv31", "31", "mqttv311", "311", "mqttv5", "5"])
        .map(|name| protocol_version(&name).unwrap_or_default())
}

/// The version with this name, in the spellings of `-V`.
#[must_use]
pub fn protocol_version(name: &str) -> Option<ProtocolVersion> {
    match name {
        "mqttv31" | "31" => Some(ProtocolVersion::V31),
        "mqttv311" | "311" => Some(ProtocolVersion::V311),
        "mqttv5" | "5" => Some(ProtocolVersion::V5),
        _ => None,
    }
}

pub(crate) fn handling() -> impl TypedValueParser<Value = RetainHandling> {
    PossibleValuesParser::new(["always", "new", "never"])
        .map(|name| retain_handling(&name).unwrap_or_default())
}

/// The retain handling with this name, in the spellings of `--retain-handling`; case matters.
#[must_use]
pub fn retain_handling(name: &str) -> Option<RetainHandling> {
    match name {
        "always" => Some(RetainHandling::Always),
        "new" => Some(RetainHandling::IfNew),
        "never" => Some(RetainHandling::Never),
        _ => None,
    }
}

/// A time such as `500ms`, `30s` or `5m`; a number alone is seconds, at most a year.
///
/// # Errors
///
/// What is wrong, for people.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let range = "a time between 0 and a year is meant";
        return Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|duration| duration.as_secs() < 366 * 24 * 3600)
            .ok_or_else(|| range.to_owned());
    }
    humantime::parse_duration(text).map_err(|error| format!("{error} (written as 500ms, 30s, 5m)"))
}
