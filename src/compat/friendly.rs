//! The options that only our own names have: their values are read whole, so `12x` is no number.

use super::apply::path;
use super::fault::{Fault, shown};
use super::secret;
use crate::flags::{ColorWord, Draft, HealthFormat, Speed, TopicMap};
use bytes::Bytes;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// Descriptors below are the standard streams.
const DESCRIPTOR_MIN: i32 = 3;

/// An option without a value.
pub(super) fn switch(draft: &mut Draft, id: &str) -> Result<(), Fault> {
    match id {
        "pw_stdin" => {
            let line = secret::of_standard_input().map_err(|error| {
                Fault::Secret("the password from the standard input".to_owned(), error.to_string())
            })?;
            draft.connection.password = Some(Bytes::from(line));
        }
        "retained" => draft.subscription.retained = true,
        "purge" => draft.subscription.purge = true,
        "append" => draft.recording.append = true,
        "force" => draft.recording.force = true,
        "dry_run" => (draft.subscription.dry_run, draft.message.dry_run) = (true, true),
        _ => return Err(Fault::UnknownOption(id.to_owned())),
    }
    Ok(())
}

/// An option with its value; false when it is none of these.
pub(super) fn value(draft: &mut Draft, id: &str, value: &[u8]) -> Result<bool, Fault> {
    let subscription = &mut draft.subscription;
    match id {
        "pw_file" => draft.connection.password = Some(password(&path(value))?),
        "keypass_file" => draft.tls.keypass_file = Some(path(value)),
        "ready_fd" => subscription.ready_fd = Some(descriptor(value)?),
        "retry" => draft.message.retry = Some(duration("--retry", value)?),
        "recording_file" => draft.recording.recording_file = Some(path(value)),
        "replay_file" => draft.replaying.replay_file = Some(path(value)),
        "warn" => draft.health.warn = Some(duration("--warn", value)?),
        "crit" => draft.health.crit = Some(duration("--crit", value)?),
        "health_timeout" => draft.health.timeout = Some(duration("--timeout", value)?),
        "health_format" => {
            draft.health.format = HealthFormat::parse(&shown(value)).map_err(of("--format", value))?;
        }
        "speed" => draft.replaying.pace = Speed::parse(&shown(value)).map_err(of("--speed", value))?,
        "map" => draft.replaying.maps.push(TopicMap::parse(&shown(value)).map_err(of("--map", value))?),
        "backup" => subscription.backup = Some(path(value)),
        "ready_file" => subscription.ready_file = Some(path(value)),
        // Compiled by `sub`, so that the other programs need not hold the language.
        "until" => subscription.until = Some(shown(value)),
        "jq" => draft.output.jq = Some(shown(value)),
        "replies" => draft.request.replies = Some(count("-C", value, Fault::Count(shown(value)))?),
        "requests" => draft.request.requests = Some(count("--repeat", value, Fault::Repeat)?),
        "color" => draft.output.color = color(value)?,
        "exec" => subscription.exec = Some(command("--exec", value)?),
        "exec_jobs" => subscription.exec_jobs = Some(jobs(value)?),
        "after_suback" => subscription.after_suback = Some(command("--after-suback", value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The fault of a value, from what is wrong with it.
fn of(flag: &'static str, value: &[u8]) -> impl FnOnce(String) -> Fault {
    let value = shown(value);
    move |why| Fault::Value(flag, value, why)
}

fn password(path: &Path) -> Result<Bytes, Fault> {
    let line = secret::of_file(path);
    line.map(Bytes::from).map_err(|error| {
        Fault::Secret(format!("the password from \"{}\"", path.display()), error.to_string())
    })
}

/// A descriptor that the caller has left open for us.
fn descriptor(value: &[u8]) -> Result<i32, Fault> {
    let number: i32 = number("--ready-fd", value)?;
    let fault = |why: &str| Err(Fault::Value("--ready-fd", shown(value), why.to_owned()));
    if number < DESCRIPTOR_MIN {
        return fault("below 3 are the standard streams");
    }
    // SAFETY: a question about a number; nothing is changed.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return fault("it is not open");
    }
    Ok(number)
}

/// A shell command, which must not be empty.
fn command(flag: &'static str, value: &[u8]) -> Result<String, Fault> {
    let fault = |why: &str| Err(Fault::Value(flag, shown(value), why.to_owned()));
    match std::str::from_utf8(value) {
        Ok(text) if text.trim().is_empty() => fault("it is empty"),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => fault("it is not UTF-8"),
    }
}

/// How many, from 1 to ten million; `fault` is what the reference says of a number that is none.
fn count(flag: &'static str, value: &[u8], fault: Fault) -> Result<u32, Fault> {
    match shown(value).parse() {
        Ok(count @ 1..=10_000_000) => Ok(count),
        Ok(10_000_001..) => Err(Fault::Value(flag, shown(value), "1 to 10000000 are meant".to_owned())),
        Ok(0) | Err(_) => Err(fault),
    }
}

fn color(value: &[u8]) -> Result<ColorWord, Fault> {
    match value {
        b"auto" => Ok(ColorWord::Auto),
        b"always" => Ok(ColorWord::Always),
        b"never" => Ok(ColorWord::Never),
        _ => Err(Fault::Value("--color", shown(value), "auto, always or never are meant".to_owned())),
    }
}

/// How many commands run at once: 1 to 1,024.
fn jobs(value: &[u8]) -> Result<u16, Fault> {
    let number: u16 = number("--exec-jobs", value)?;
    match number {
        1..=1024 => Ok(number),
        _ => Err(Fault::Value("--exec-jobs", shown(value), "1 to 1024 are meant".to_owned())),
    }
}

/// A time such as `90s` or `5m`; a number alone is seconds.
fn duration(flag: &'static str, value: &[u8]) -> Result<Duration, Fault> {
    let text = shown(value);
    crate::flags::duration(&text).map_err(|why| Fault::Value(flag, text.clone(), why))
}

/// A whole number.
fn number<T: FromStr>(flag: &'static str, value: &[u8]) -> Result<T, Fault>
where
    T::Err: std::fmt::Display,
{
    let text = shown(value);
    text.parse().map_err(|error: T::Err| Fault::Value(flag, text.clone(), error.to_string()))
}
