//! How the values of the load generator's flags are written.

use crate::bench::plan::{Backoff, WarmUp};
use crate::packet::ProtocolVersion;
use std::time::{Duration, SystemTime};

/// A rate: so many a second, or as fast as it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many a second.
    PerSecond(f64),
    /// As fast as it goes.
    Max,
}

impl Default for Rate {
    fn default() -> Self {
        Self::PerSecond(1000.0)
    }
}

/// A payload's size in bytes, from and to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sizes(pub usize, pub usize);

/// A rate that rises or falls evenly: from, to, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp(pub f64, pub f64, pub f64);

/// A rate for some time: seconds, messages a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage(pub f64, pub f64);

/// How messages are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Arrived {
    /// Evenly.
    #[default]
    Uniform,
    /// As independent events.
    Poisson,
    /// So many at once, every so often.
    Burst(u64, Duration),
}

/// How many messages a second a subscriber reads at most, and how many subscribers that is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow(pub f64, pub u32);

pub(super) use crate::flags::value::duration;

pub(super) fn slow(text: &str) -> Result<Slow, String> {
    let (rate, count) = text.split_once(':').map_or((text, None), |(rate, count)| (rate, Some(count)));
    let count = count.map_or(Ok(u32::MAX), str::parse);
    let count =
        count.map_err(|_| format!("'{text}' names no number of subscribers: it is written 10/s:3"))?;
    match finite_rate(rate)? {
        rate if rate > 0.0 => Ok(Slow(rate, count)),
        _ => Err("must be above 0".to_owned()),
    }
}

pub(super) fn backoff(text: &str) -> Result<Backoff, String> {
    let (first, most) = text.split_once("..").unwrap_or((text, text));
    let backoff = Backoff { first: duration(first)?, most: duration(most)? };
    if backoff.first > backoff.most || (backoff.first.is_zero() && !backoff.most.is_zero()) {
        return Err(format!("'{text}' does not grow: it is written 1s..30s"));
    }
    Ok(backoff)
}

pub(super) fn warm_up(text: &str) -> Result<WarmUp, String> {
    if text == "auto" { Ok(WarmUp::UntilSteady) } else { duration(text).map(WarmUp::For) }
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number.is_finite() { Ok(number) } else { Err("must be above 0".to_owned()) }
}

/// `50k`, `1.5M`, `300`.
fn amount(text: &str) -> Result<f64, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1e3),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    match digits.parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number * factor),
        _ => Err(format!("'{text}' is no number such as 500, 50k or 1.5M")),
    }
}

fn finite_rate(text: &str) -> Result<f64, String> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("'/{unit}' is no unit of time; there are /s, /m and /h")),
    };
    amount(number).map(|number| number / seconds)
}

pub(super) fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    match finite_rate(text)? {
        rate if rate > 0.0 => Ok(Rate::PerSecond(rate)),
        _ => Err("must be above 0".to_owned()),
    }
}

pub(super) fn ramp(text: &str) -> Result<Ramp, String> {
    let wrong = || format!("'{text}' is no ramp: it is written 0..100k/60s");
    let (from, rest) = text.split_once("..").ok_or_else(wrong)?;
    let (to, time) = rest.split_once('/').ok_or_else(wrong)?;
    let seconds = duration(time)?.as_secs_f64();
    let ramp = Ramp(amount(from)?, amount(to)?, seconds);
    if ramp.1 > 0.0 && seconds > 0.0 { Ok(ramp) } else { Err(wrong()) }
}

pub(super) fn stage(text: &str) -> Result<Stage, String> {
    let (time, rate) =
        text.split_once('@').ok_or_else(|| format!("'{text}' is no stage: it is written 30s@10k"))?;
    Ok(Stage(duration(time)?.as_secs_f64(), finite_rate(rate)?))
}

pub(super) fn arrival(text: &str) -> Result<Arrived, String> {
    match text {
        "uniform" => Ok(Arrived::Uniform),
        "poisson" => Ok(Arrived::Poisson),
        _ => {
            let wrong = || format!("'{text}' is none of uniform, poisson and burst:100/1s");
            let (count, period) =
                text.strip_prefix("burst:").and_then(|burst| burst.split_once('/')).ok_or_else(wrong)?;
            let count = amount(count)?;
            let period = duration(period)?;
            if count < 1.0 || period.is_zero() {
                return Err(wrong());
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at least 1; saturates
            Ok(Arrived::Burst(count as u64, period))
        }
    }
}

/// `16`, `1k`, `2M` in bytes; k and M are powers of 1,024, as sizes are.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| format!("'{text}' is no size such as 16, 1k or 2M"))
}

pub(super) fn sizes(text: &str) -> Result<Sizes, String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let sizes = Sizes(size(from)?, size(to)?);
    if sizes.0 <= sizes.1 { Ok(sizes) } else { Err(format!("'{text}' runs backwards")) }
}

/// `0/3`: the first of three.
pub(super) fn segment(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(part, all)| Some((part.parse().ok()?, all.parse().ok()?)));
    match parsed {
        Some((part, all)) if part < all => Ok((part, all)),
        _ => Err(format!("'{text}' is no part of a whole: the parts of three are 0/3, 1/3 and 2/3")),
    }
}

/// `+30s` from now, or a moment as RFC 3339 writes it.
pub(super) fn moment(text: &str) -> Result<SystemTime, String> {
    if let Some(later) = text.strip_prefix('+') {
        return Ok(SystemTime::now() + duration(later)?);
    }
    humantime::parse_rfc3339(text)
        .map_err(|error| format!("{error} (written as 2026-11-22T20:00:00Z or +30s)"))
}

/// Where a broker is, and as whom to come to it, in one word.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BrokerUrl {
    /// `mqtts` and `wss`.
    pub tls: bool,
    /// `ws` and `wss`.
    pub websocket: bool,
    /// Host name or address.
    pub host: String,
    /// Port, if it is not the usual one.
    pub port: Option<u16>,
    /// What the WebSocket is opened at, if that is not the usual path.
    pub path: Option<String>,
    /// User Name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
}

pub(super) fn url(text: &str) -> Result<BrokerUrl, String> {
    let wrong =
        || "a broker's URL is written mqtt://user:password@host:1883, or with mqtts, ws or wss".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let (tls, websocket) = match scheme.to_ascii_lowercase().as_str() {
        "mqtt" => (false, false),
        "mqtts" => (true, false),
        "ws" => (false, true),
        "wss" => (true, true),
        _ => return Err(wrong()),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() && !websocket {
        return Err("a URL here names a broker alone; topics are --topic".to_owned());
    }
    let path = (!path.is_empty()).then(|| format!("/{path}"));
    let (credentials, address) =
        authority.split_once('@').map_or((None, authority), |(both, address)| (Some(both), address));
    let (host, port) = match address.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((host, behind)) => (host, behind.strip_prefix(':')),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err(wrong());
    }
    let (user, password) = match credentials.map(|both| both.split_once(':').unwrap_or((both, ""))) {
        None => (None, None),
        Some((user, "")) => (Some(user.to_owned()), None),
        Some((user, password)) => (Some(user.to_owned()), Some(password.to_owned())),
    };
    let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
    Ok(BrokerUrl { tls, websocket, host: host.to_owned(), port, path, user, password })
}

pub(super) fn version(text: &str) -> Result<ProtocolVersion, String> {
    let known = match text {
        "4" => Some(ProtocolVersion::V311),
        "3" => Some(ProtocolVersion::V31),
        other => crate::flags::protocol_version(other),
    };
    known.ok_or_else(|| "there are 5, 311 and 31".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_amounts_and_units() {
        for (text, expected) in [("50k", 50_000.0), ("50k/s", 50_000.0), ("90/m", 1.5), ("1.5M", 1_500_000.0)]
        {
            assert_eq!(rate(text), Ok(Rate::PerSecond(expected)), "{text}");
        }
        assert_eq!(rate("max"), Ok(Rate::Max));
        for wrong in ["", "0", "-1", "k", "5/d", "inf", "NaN", "5k k"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_one_number_or_a_range() {
        assert_eq!(sizes("16"), Ok(Sizes(16, 16)));
        assert_eq!(sizes("1k..2M"), Ok(Sizes(1024, 2 << 20)));
        for wrong in ["", "2..1", "1..", "99999999999999999999", "1.5"] {
            assert!(sizes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shapes_of_the_load_are_read() {
        assert_eq!(ramp("0..100k/60s"), Ok(Ramp(0.0, 100_000.0, 60.0)));
        assert_eq!(stage("10s@1k"), Ok(Stage(10.0, 1000.0)));
        assert_eq!(arrival("burst:100/1s"), Ok(Arrived::Burst(100, Duration::from_secs(1))));
        assert_eq!(arrival("poisson"), Ok(Arrived::Poisson));
        for wrong in ["burst:0/1s", "burst:5/0s", "burst:5", "often"] {
            assert!(arrival(wrong).is_err(), "{wrong}");
        }
        assert!(ramp("0..0/1s").is_err() && ramp("5/1s").is_err() && stage("10s").is_err());
    }

    #[test]
    fn segments_count_from_zero() {
        assert_eq!(segment("2/3"), Ok((2, 3)));
        for wrong in ["3/3", "0/0", "1", "-1/2", "a/b"] {
            assert!(segment(wrong).is_err(), "{wrong}");
        }
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(1)));
        assert!(moment("+soon").is_err() && moment("noon").is_err());
    }

    #[test]
    fn urls_say_where_the_broker_is_and_as_whom_to_come() {
        let plain = url("mqtt://broker").unwrap();
        assert_eq!(plain, BrokerUrl { host: "broker".to_owned(), ..BrokerUrl::default() });
        let whole = url("wss://me:se:cret@[::1]:443/a/b").unwrap();
        assert_eq!(
            (whole.tls, whole.websocket, whole.host.as_str(), whole.port),
            (true, true, "::1", Some(443))
        );
        assert_eq!(whole.path.as_deref(), Some("/a/b"));
        assert_eq!((whole.user.as_deref(), whole.password.as_deref()), (Some("me"), Some("se:cret")));
        for wrong in ["broker", "http://broker", "mqtt://", "mqtt://a:b", "mqtt://a/topic"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_their_unit() {
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert!(duration("-1").is_err() && duration("soon").is_err() && duration("1e99").is_err());
    }
}
