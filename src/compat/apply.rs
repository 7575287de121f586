//! What each option does to the draft at the moment it is seen.

use super::face::Face;
use super::fault::{Fault, missing_value, shown};
use super::friendly;
use super::number::{leading_float, leading_int, whole_number_of_any_base};
use super::url::{Proxy, Url};
use super::walker::Walker;
use crate::flags::{Draft, MessageSource, Tool, protocol_version, retain_handling};

use crate::output::{FormatError, Template};
use crate::packet::{ProtocolVersion, Qos, Text, topic};
use bytes::Bytes;
use std::{path::PathBuf, time::Duration};

const PAYLOAD_BYTES_MAX: usize = 268_435_455;

/// What is checked before a missing value is noticed.
pub(crate) fn check_before_value(walker: &Walker<'_>, id: &str) -> Result<(), Fault> {
    let connection = &walker.draft.connection;
    match id {
        "id" if connection.id_prefix.is_some() => Err(Fault::IdAndPrefix),
        "id_prefix" if connection.id.is_some() => Err(Fault::IdAndPrefix),
        "message" | "file" if walker.draft.message.source.is_some() => Err(Fault::SecondSource),
        _ => Ok(()),
    }
}

/// An option without a value.
pub(crate) fn switch(walker: &mut Walker<'_>, id: &str) -> Result<(), Fault> {
    let Draft { connection, general, will, tls, message, subscription, output, request, .. } =
        &mut walker.draft;
    match id {
        "websocket" => connection.websocket = true,
        "srv" => connection.srv = true,
        "nodelay" => connection.nodelay = true,
        "disable_clean_session" => connection.disable_clean_session = true,
        "debug" => general.debug = true,
        "quiet" => general.quiet = true,
        "will_retain" => will.will_retain = true,
        "insecure" => tls.insecure = true,
        "tls_use_os_certs" => tls.tls_use_os_certs = true,
        "no_tls" => tls.no_tls = true,
        "retain" => message.retain = true,
        "null_message" | "stdin_line" | "json_lines" | "tsv" | "stdin_file" => {
            let source = match id {
                "null_message" => MessageSource::Null,
                "stdin_line" => MessageSource::Lines,
                "json_lines" => MessageSource::JsonLines,
                "tsv" => MessageSource::Tsv,
                _ => MessageSource::WholeInput,
            };
            return choose_source(&mut message.source, source);
        }
        "no_retain" => subscription.no_retain = true,
        "retained_only" => subscription.retained_only = true,
        "remove_retained" => subscription.remove_retained = true,
        "retain_as_published" => subscription.retain_as_published = true,
        "exit_after_subscribe" => subscription.exit_after_subscribe = true,
        "verbose" => output.verbose = true,
        "no_line_end" => output.no_line_end = true,
        "pretty" => output.pretty = true,
        "json" => output.json = true,
        "message_rate" => output.message_rate = true,
        "watch" => output.watch = true,
        "latency" => request.latency = true,
        _ => return friendly::switch(&mut walker.draft, id),
    }
    Ok(())
}

/// An option with its value.
pub(crate) fn value(walker: &mut Walker<'_>, id: &str, value: &[u8]) -> Result<(), Fault> {
    if connection_value(walker, id, value)?
        || tls_value(&mut walker.draft, id, value)
        || will_value(&mut walker.draft, id, value)?
        || message_value(&mut walker.draft, id, value)?
        || subscription_value(walker, id, value)?
        || friendly::value(&mut walker.draft, id, value)?
    {
        Ok(())
    } else {
        Err(Fault::MissingValue(missing_value(id)))
    }
}

/// Each of these says whether the option was one of its own.
fn connection_value(walker: &mut Walker<'_>, id: &str, value: &[u8]) -> Result<bool, Fault> {
    let connection = &mut walker.draft.connection;
    match id {
        "host" => connection.host = Some(shown(value)),
        "port" => {
            let port = leading_int(value);
            u16::try_from(port).map_err(|_| Fault::Port(port))?;
            connection.port = Some(port);
        }
        "url" => url(walker, value)?,
        "unix" => {
            connection.host = Some(shown(value));
            connection.port = Some(0);
        }
        "proxy" => {
            connection.socks_proxy = Some(Proxy::parse(value)?.into_socks());
        }
        "bind_address" => connection.bind_address = Some(shown(value)),
        "id" => connection.id = Some(Bytes::copy_from_slice(value)),
        "id_prefix" => connection.id_prefix = Some(Bytes::copy_from_slice(value)),
        "session_expiry_interval" => {
            connection.session_expiry_interval = Some(session_expiry(value)?);
            connection.protocol_version = Some(ProtocolVersion::V5);
        }
        "keepalive" => {
            let seconds = u16::try_from(leading_int(value)).ok().filter(|&seconds| seconds >= 5);
            connection.keepalive = Some(seconds.ok_or(Fault::KeepAlive)?);
        }
        "protocol_version" => {
            let version = std::str::from_utf8(value).ok().and_then(protocol_version);
            connection.protocol_version = Some(version.ok_or(Fault::ProtocolVersion)?);
        }
        "username" => connection.username = Some(Bytes::copy_from_slice(value)),
        "password" => connection.password = Some(Bytes::copy_from_slice(value)),
        "inflight_max" => connection.inflight_max = Some(positive(value).map_err(|_| Fault::Inflight)?),
        "options_file" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn tls_value(draft: &mut Draft, id: &str, value: &[u8]) -> bool {
    let tls = &mut draft.tls;
    match id {
        "cafile" => tls.cafile = Some(path(value)),
        "capath" => tls.capath = Some(path(value)),
        "cert" => tls.cert = Some(path(value)),
        "key" => tls.key = Some(path(value)),
        "tls_keylog" => tls.tls_keylog = Some(path(value)),
        "keyform" => tls.keyform = Some(shown(value)),
        "ciphers" => tls.ciphers = Some(shown(value)),
        "tls_version" => tls.tls_version = Some(shown(value)),
        "psk" => tls.psk = Some(shown(value)),
        "psk_identity" => tls.psk_identity = Some(shown(value)),
        "tls_alpn" => tls.tls_alpn = Some(shown(value)),
        "tls_engine" => tls.tls_engine = Some(shown(value)),
        "tls_engine_kpass_sha1" => tls.tls_engine_kpass_sha1 = Some(shown(value)),
        _ => return false,
    }
    true
}

fn will_value(draft: &mut Draft, id: &str, value: &[u8]) -> Result<bool, Fault> {
    let will = &mut draft.will;
    match id {
        "will_topic" => will.will_topic = Some(topic_name(value, "will", "--will-topic")?),
        "will_payload" => will.will_payload = Some(Bytes::copy_from_slice(value)),
        "will_qos" => will.will_qos = Some(qos(value).map_err(Fault::WillQos)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn message_value(draft: &mut Draft, id: &str, value: &[u8]) -> Result<bool, Fault> {
    let message = &mut draft.message;
    match id {
        "topic" => message.topic = Some(topic_name(value, "publish", "-t")?),
        "message" if value.len() > PAYLOAD_BYTES_MAX => return Err(Fault::MessageLength),
        "message" => message.source = Some(MessageSource::Text(Bytes::copy_from_slice(value))),
        "file" => message.source = Some(MessageSource::File(path(value))),
        "qos" => {
            let qos = qos(value).map_err(Fault::Qos)?;
            message.qos = Some(qos);
            draft.subscription.qos = Some(qos);
        }
        "repeat" => message.repeat = Some(positive(value).map_err(|_| Fault::Repeat)?),
        "repeat_delay" => {
            let seconds = leading_float(value);
            message.repeat_delay =
                Some(Duration::try_from_secs_f64(seconds).map_err(|_| Fault::RepeatDelay)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn subscription_value(walker: &mut Walker<'_>, id: &str, value: &[u8]) -> Result<bool, Fault> {
    let Draft { subscription, output, .. } = &mut walker.draft;
    match id {
        "response_topic" => {
            walker.draft.request.response_topic = Some(topic_name(value, "response", "-e")?);
        }
        "topics" => subscription.topics.push(topic_filter(value, "subscription", "-t")?),
        "unsubscribe" => subscription.unsubscribe.push(topic_filter(value, "unsubscribe", "-U")?),
        "filter_out" => subscription.filter_out.push(topic_filter(value, "filter", "-T")?),
        "retain_handling" => {
            let handling = std::str::from_utf8(value).ok().and_then(retain_handling);
            subscription.retain_handling = Some(handling.ok_or_else(|| Fault::RetainHandling(shown(value)))?);
        }
        // Nothing to wait for is a mistake to the reference; in our own manner it makes the session.
        "count" if walker.face == Face::Friendly && value == b"0" => subscription.count = Some(0),
        "count" => {
            subscription.count = Some(positive(value).map_err(|number| Fault::Count(number.to_string()))?)
        }
        "timeout" => subscription.timeout = Some(positive(value).map_err(Fault::Timeout)?),
        "format" => output.format = Some(format(value)?),
        "random_filter" => {
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            // the cut is what the reference does; `as` saturates
            let tenths = (leading_float(value) * 10.0) as i64;
            output.random_filter = match tenths {
                1..=10_000 => Some(tenths as f64 / 10.0),
                _ => return Err(Fault::RandomFilter),
            };
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `-L` sets host, port, transport, credentials and topic when it is seen.
fn url(walker: &mut Walker<'_>, value: &[u8]) -> Result<(), Fault> {
    let url = Url::parse(value)?;
    match (authority(&mut walker.draft, &url, walker.face), walker.face) {
        (Some(topic), _) => url_topic(walker, topic),
        (None, Face::Strict) => Err(Fault::UrlTopicMissing),
        (None, Face::Friendly) => {
            walker.draft.connection.url_without_topic = true;
            Ok(())
        }
    }
}

/// What a URL says about the broker; returns its topic.
///
/// To the reference the path is the topic of every URL. In our own manner that of a WebSocket's is where it is opened, as
/// it is to everything else that takes such URLs.
pub(crate) fn authority<'a>(draft: &mut Draft, url: &Url<'a>, face: Face) -> Option<&'a [u8]> {
    draft.connection.host = Some(shown(url.host));
    draft.connection.port = Some(url.port);
    draft.connection.websocket |= url.websocket;
    draft.tls.tls_use_os_certs |= url.tls;
    if let Some(user_name) = url.user_name {
        draft.connection.username = Some(Bytes::copy_from_slice(user_name));
    }
    if let Some(password) = url.password {
        draft.connection.password = Some(Bytes::copy_from_slice(password));
    }
    if url.websocket && face == Face::Friendly {
        draft.connection.websocket_path = url.topic.map(|path| format!("/{}", shown(path)));
        return None;
    }
    url.topic
}

/// The topic of a URL: `pub` publishes to it, `sub` adds it to its filters.
pub(crate) fn url_topic(walker: &mut Walker<'_>, topic: &[u8]) -> Result<(), Fault> {
    let draft = &mut walker.draft;
    match walker.tool {
        Tool::Publish | Tool::Request | Tool::Replay | Tool::Health => {
            draft.message.topic = Some(topic_name(topic, "publish", "-L topic")?)
        }
        Tool::Subscribe | Tool::Record => {
            draft.subscription.topics.push(topic_filter(topic, "subscription", "-L topic")?)
        }
    }
    Ok(())
}

fn choose_source(chosen: &mut Option<MessageSource>, source: MessageSource) -> Result<(), Fault> {
    if chosen.is_some() {
        return Err(Fault::SecondSource);
    }
    *chosen = Some(source);
    Ok(())
}

/// `-x`: seconds, -1 or all bits set for ever; the only number that must be one.
fn session_expiry(value: &[u8]) -> Result<u32, Fault> {
    if value == "∞".as_bytes() {
        return Ok(u32::MAX);
    }
    match whole_number_of_any_base(value).ok_or(Fault::ExpiryNotANumber)? {
        -1 => Ok(u32::MAX),
        seconds => u32::try_from(seconds).map_err(|_| Fault::ExpiryOutOfRange),
    }
}

/// A number of at least 1; otherwise the number that was read.
fn positive(value: &[u8]) -> Result<u32, i32> {
    let number = leading_int(value);
    u32::try_from(number).ok().filter(|&number| number > 0).ok_or(number)
}

fn qos(value: &[u8]) -> Result<Qos, i32> {
    let number = leading_int(value);
    u8::try_from(number).ok().and_then(Qos::from_number).ok_or(number)
}

/// Characters and length come before wildcards, as in the reference.
fn topic_name(value: &[u8], what: &'static str, flag: &'static str) -> Result<Text, Fault> {
    let text = text(value, flag)?;
    topic::check_name(&text).map_err(|_| Fault::TopicName(what, shown(value)))?;
    Ok(text)
}

fn topic_filter(value: &[u8], what: &'static str, flag: &'static str) -> Result<Text, Fault> {
    let text = text(value, flag)?;
    topic::check_filter(&text).map_err(|_| Fault::TopicFilter(what, shown(value)))?;
    Ok(text)
}

fn text(value: &[u8], flag: &'static str) -> Result<Text, Fault> {
    Text::new(Bytes::copy_from_slice(value)).map_err(|_| Fault::Utf8(flag))
}

fn format(value: &[u8]) -> Result<Template, Fault> {
    Template::parse(value).map_err(|error| match error {
        FormatError::IncompleteSpecifier => Fault::FormatIncomplete("format"),
        FormatError::IncompleteEscape => Fault::FormatIncomplete("escape"),
        FormatError::InvalidSpecifier(letter) => Fault::Format("format", char::from(letter)),
        FormatError::InvalidEscape(letter) => Fault::Format("escape", char::from(letter)),
    })
}

#[cfg(unix)]
pub(crate) fn path(value: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(value))
}

#[cfg(not(unix))]
pub(crate) fn path(value: &[u8]) -> PathBuf {
    PathBuf::from(shown(value))
}
