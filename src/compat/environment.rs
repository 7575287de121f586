//! Environment variables, which only our own manner reads: they win over options files and lose to the command line.

use super::apply;
use super::fault::{Fault, Stop};
use super::number::leading_int;
use super::secret;
use super::url::Url;
use super::walker::Walker;
use std::env;

/// Applies `MQTT_URL`, then the variables that name one thing; returns the topic of the URL, which counts only if no
/// option names one.
///
/// # Errors
///
/// A variable whose value its option would refuse, or a password file that cannot be read.
pub(crate) fn apply(walker: &mut Walker<'_>) -> Result<Option<Vec<u8>>, Stop> {
    let mut topic = None;
    if let Some(text) = variable("MQTT_URL") {
        let url = Url::parse(&text)?;
        let named = apply::authority(&mut walker.draft, &url, walker.face);
        topic = named.filter(|topic| !topic.is_empty()).map(<[u8]>::to_vec);
    }
    // An exported MQTT_URL usually says the same as these; the port of a unix socket is left alone.
    for (name, id) in [("MQTT_HOST", "host"), ("MQTT_USERNAME", "username"), ("MQTT_CAFILE", "cafile")] {
        if let Some(value) = variable(name) {
            apply::value(walker, id, &value)?;
        }
    }
    if let Some(value) = variable("MQTT_PORT") {
        if !value.first().is_some_and(u8::is_ascii_digit) {
            return Err(Fault::Port(leading_int(&value)).into());
        }
        apply::value(walker, "port", &value)?;
    }
    if let Some(value) = variable("MQTT_PASSWORD_FILE") {
        let path = apply::path(&value);
        let line = secret::of_file(&path).map_err(|error| {
            Fault::Secret(format!("MQTT_PASSWORD_FILE \"{}\"", path.display()), error.to_string())
        })?;
        apply::value(walker, "password", &line)?;
    }
    if let Some(value) = variable("MQTT_PASSWORD") {
        apply::value(walker, "password", &value)?;
    }
    Ok(topic)
}

/// The bytes of a variable that is set and not empty.
fn variable(name: &str) -> Option<Vec<u8>> {
    env::var_os(name).filter(|value| !value.is_empty()).map(std::ffi::OsString::into_encoded_bytes)
}
