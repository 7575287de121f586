//! Renders a message through a template, with the field quirks of mosquitto_sub.

use super::local_time::LocalTime;
use super::message_json::{Style, put_with_json, put_with_text};
use super::number::{fixed, put_decimal, put_padded};
use super::template::{Layout, Part, Specifier, Template};
use super::{Fault, Message};
use crate::packet::PropertyIdentifier;

/// Digits behind the point where a format does not say.
const FIXED_PRECISION_DEFAULT: usize = 6;

/// Appends `message` as `template` has it; specifiers that cannot be printed leave a fault.
pub(super) fn render(
    template: &Template,
    message: &Message<'_>,
    local: &mut LocalTime,
    style: Style,
    out: &mut Vec<u8>,
    faults: &mut Vec<Fault>,
) {
    for part in template.parts() {
        match part {
            Part::Literal(literal) => out.extend_from_slice(literal),
            Part::Time(letter) => local.put_conversion(out, message.received, *letter),
            Part::Nanoseconds => put_padded(out, u64::from(message.received.nanoseconds), 9),
            Part::Field(Specifier::Json, _) => put_with_text(message, local, style, out),
            Part::Field(Specifier::JsonWithJsonPayload, _) => {
                if put_with_json(message, local, style, out).is_err() {
                    faults.push(Fault::NotJson);
                }
            }
            Part::Field(Specifier::LocalTime, layout) => put_local_time(out, layout, message, local),
            Part::Field(Specifier::UnixTime, _) => put_unix_time(out, message),
            Part::Field(specifier, layout) => put_field(*specifier, layout, message, out, faults),
        }
    }
}

fn put_field(
    specifier: Specifier,
    layout: &Layout,
    message: &Message<'_>,
    out: &mut Vec<u8>,
    faults: &mut Vec<Fault>,
) {
    use PropertyIdentifier as Id;
    let publish = &message.publish;
    let number = |out: &mut Vec<u8>, identifier| match publish.properties.number(identifier) {
        Some(number) => put_integer(out, layout, as_signed(number)),
        None => put_blank(out, layout),
    };
    match specifier {
        Specifier::Topic => put_text(out, layout, publish.topic.as_bytes()),
        Specifier::Payload => put_payload(out, layout, publish.payload),
        Specifier::Length => put_integer(out, layout, publish.payload.len() as i64),
        Specifier::Qos => out.push(b'0' + publish.qos as u8),
        Specifier::Retain => out.push(b'0' + u8::from(publish.retain)),
        Specifier::PacketIdentifier => {
            let identifier = publish.packet_identifier.map_or(0, |identifier| identifier.get());
            put_integer(out, layout, i64::from(identifier));
        }
        Specifier::Hexadecimal { upper } => put_hexadecimal(out, layout, publish.payload, upper),
        Specifier::TopicAlias => number(out, Id::TopicAlias),
        Specifier::MessageExpiryInterval => number(out, Id::MessageExpiryInterval),
        Specifier::PayloadFormatIndicator => number(out, Id::PayloadFormatIndicator),
        Specifier::SubscriptionIdentifier => number(out, Id::SubscriptionIdentifier),
        Specifier::ContentType => match publish.properties.text(Id::ContentType) {
            Some(text) => put_text(out, layout, text.as_bytes()),
            None => put_blank(out, layout),
        },
        Specifier::ResponseTopic => {
            if let Some(topic) = publish.properties.text(Id::ResponseTopic) {
                put_text(out, layout, topic.as_bytes());
            }
        }
        Specifier::CorrelationData => {
            out.extend_from_slice(publish.properties.binary(Id::CorrelationData).unwrap_or_default());
        }
        Specifier::UserProperties => put_user_properties(out, message),
        Specifier::Float => match publish.payload.try_into() {
            Ok(bytes) => put_fixed(out, layout, f64::from(f32::from_ne_bytes(bytes))),
            Err(_) => faults.push(Fault::NotFloat),
        },
        Specifier::Double => match publish.payload.try_into() {
            Ok(bytes) => put_fixed(out, layout, f64::from_ne_bytes(bytes)),
            Err(_) => faults.push(Fault::NotDouble),
        },
        // Rendered where local time is at hand.
        Specifier::LocalTime | Specifier::UnixTime | Specifier::Json | Specifier::JsonWithJsonPayload => {}
    }
}

/// mosquitto keeps Four Byte Integers in C's signed `int` when it prints them.
fn as_signed(number: u32) -> i64 {
    i64::from(number.cast_signed())
}

fn fill(out: &mut Vec<u8>, with: u8, count: usize) {
    out.resize(out.len() + count, with);
}

/// An absent property: its whole width in spaces or zeros.
fn put_blank(out: &mut Vec<u8>, layout: &Layout) {
    fill(out, if layout.zeros { b'0' } else { b' ' }, layout.width);
}

/// C's `%*.*s`: precision counts bytes, and zeros do not pad.
fn put_text(out: &mut Vec<u8>, layout: &Layout, text: &[u8]) {
    let text = &text[..text.len().min(layout.precision.unwrap_or(usize::MAX))];
    let padding = layout.width.saturating_sub(text.len());
    if !layout.left {
        fill(out, b' ', padding);
    }
    out.extend_from_slice(text);
    if layout.left {
        fill(out, b' ', padding);
    }
}

/// C's `%*d`: `digits` has no sign; zeros go between it and them, and never to the right.
fn put_signed_digits(out: &mut Vec<u8>, layout: &Layout, negative: bool, zeros: bool, digits: &[u8]) {
    let padding = layout.width.saturating_sub(digits.len() + usize::from(negative));
    let zeros = zeros && !layout.left;
    if !zeros && !layout.left {
        fill(out, b' ', padding);
    }
    if negative {
        out.push(b'-');
    }
    if zeros {
        fill(out, b'0', padding);
    }
    out.extend_from_slice(digits);
    if layout.left {
        fill(out, b' ', padding);
    }
}

fn put_integer(out: &mut Vec<u8>, layout: &Layout, number: i64) {
    if layout.width == 0 && number >= 0 {
        put_decimal(out, number.unsigned_abs());
        return;
    }
    let mut digits = Vec::with_capacity(20);
    put_decimal(&mut digits, number.unsigned_abs());
    put_signed_digits(out, layout, number < 0, layout.zeros, &digits);
}

/// C's `%*.*f`; infinities are padded with spaces only.
fn put_fixed(out: &mut Vec<u8>, layout: &Layout, value: f64) {
    let text = fixed(value, layout.precision.unwrap_or(FIXED_PRECISION_DEFAULT));
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
    put_signed_digits(out, layout, negative, layout.zeros && value.is_finite(), digits.as_bytes());
}

/// A width pads the payload and cuts it too.
fn put_payload(out: &mut Vec<u8>, layout: &Layout, payload: &[u8]) {
    let payload = cut(layout, payload);
    let padding = layout.width.saturating_sub(payload.len());
    if !layout.left {
        put_blank(out, &Layout { width: padding, ..*layout });
    }
    out.extend_from_slice(payload);
    if layout.left {
        fill(out, b' ', padding.max(left_without_width(layout, payload)));
    }
}

fn cut<'a>(layout: &Layout, payload: &'a [u8]) -> &'a [u8] {
    match layout.width {
        0 => payload,
        width => &payload[..payload.len().min(width)],
    }
}

/// `%-p` and `%-x` print as many spaces as the payload has bytes: mosquitto hands C's printf a negative width.
fn left_without_width(layout: &Layout, payload: &[u8]) -> usize {
    if layout.width == 0 { payload.len() } else { 0 }
}

/// A width pads the digits to as many characters, but cuts the payload to as many bytes; separators are not counted,
/// and stand in the padding at the left too.
fn put_hexadecimal(out: &mut Vec<u8>, layout: &Layout, payload: &[u8], upper: bool) {
    let digits: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let payload = cut(layout, payload);
    let group = layout.separator.and(layout.precision).unwrap_or(0);
    let separator = layout.separator.unwrap_or_default();
    let padding = layout.width.saturating_sub(payload.len() * 2);
    if !layout.left {
        let filler = if layout.zeros { b'0' } else { b' ' };
        for place in 1..=padding {
            out.push(filler);
            if group > 0 && place % group == 0 {
                out.push(separator);
            }
        }
    }
    out.reserve(payload.len() * 2);
    let nibbles = payload.len() * 2;
    let mut place = 0;
    for &byte in payload {
        for nibble in [byte >> 4, byte & 15] {
            out.push(digits[usize::from(nibble)]);
            place += 1;
            if group > 0 && place % group == 0 && place < nibbles {
                out.push(separator);
            }
        }
    }
    if layout.left {
        fill(out, b' ', padding.max(left_without_width(layout, payload)));
    }
}

fn put_user_properties(out: &mut Vec<u8>, message: &Message<'_>) {
    for (place, (name, value)) in message.publish.properties.user_properties().enumerate() {
        if place > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
}

fn put_local_time(out: &mut Vec<u8>, layout: &Layout, message: &Message<'_>, local: &mut LocalTime) {
    if layout.width == 0 && layout.precision.is_none() {
        local.put_date_time(out, message.received);
        local.put_offset(out, message.received);
        return;
    }
    let mut text = Vec::with_capacity(24);
    local.put_date_time(&mut text, message.received);
    local.put_offset(&mut text, message.received);
    put_text(out, layout, &text);
}

fn put_unix_time(out: &mut Vec<u8>, message: &Message<'_>) {
    if message.received.seconds < 0 {
        out.push(b'-');
    }
    put_decimal(out, message.received.seconds.unsigned_abs());
    out.push(b'.');
    put_padded(out, u64::from(message.received.nanoseconds), 9);
}
