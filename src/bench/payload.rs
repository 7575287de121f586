//! What messages carry: bytes that are made once, or per message, behind the stamp.

use super::schedule::mix;
use super::template::{Context, Template};
use std::sync::Arc;

/// The largest payload, in bytes: what a packet of MQTT holds less its topic.
pub const PAYLOAD_BYTES_MAX: usize = 268_000_000;

/// How a message is marked, so that its receiver knows which it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StampForm {
    /// 24 bytes at the front of the payload.
    Full,
    /// 8 bytes at the front of the payload.
    Short,
    /// Not in the payload but in a User Property (MQTT 5).
    Property,
    /// Not at all: messages are counted, not told apart.
    Off,
}

impl StampForm {
    /// Bytes of the payload that it takes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Full => super::stamp::FULL_BYTES,
            Self::Short => super::stamp::SHORT_BYTES,
            Self::Property | Self::Off => 0,
        }
    }
}

/// Where payloads come from.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Always these bytes.
    Fixed(Arc<[u8]>),
    /// The front of these bytes, of a length between these two, both included, that changes from message to message.
    Sized(Arc<[u8]>, usize, usize),
    /// One after the other, round and round.
    Cycled(Arc<[Vec<u8>]>),
    /// Made for each message.
    Template(Arc<Template>),
}

impl Payload {
    /// Payloads of `from` to `to` bytes, of which about `compressible` percent compress away.
    #[must_use]
    pub fn filler(from: usize, to: usize, compressible: u8) -> Self {
        let mut bits = 1;
        let bytes: Arc<[u8]> = (0..to)
            .map(|at| {
                if at % 100 < usize::from(compressible) {
                    return b'.';
                }
                bits += 1;
                mix(bits).to_be_bytes()[0]
            })
            .collect();
        if from == to { Self::Fixed(bytes) } else { Self::Sized(bytes, from, to) }
    }

    /// The length of the shortest one in bytes, as far as it is known before it is made.
    #[must_use]
    pub fn bytes_min(&self) -> usize {
        match self {
            Self::Fixed(bytes) => bytes.len(),
            Self::Sized(_, from, _) => *from,
            Self::Cycled(lines) => lines.iter().map(Vec::len).min().unwrap_or(0),
            Self::Template(_) => 0,
        }
    }

    /// The length of a typical one in bytes, for estimates.
    #[must_use]
    pub fn bytes_typical(&self, context: &Context<'_>) -> usize {
        match self {
            Self::Fixed(bytes) => bytes.len(),
            Self::Sized(_, from, to) => from.midpoint(*to),
            Self::Cycled(lines) => lines.iter().map(Vec::len).sum::<usize>() / lines.len().max(1),
            Self::Template(template) => template.render(context).len(),
        }
    }

    /// Calls `with` with the payload of the message that `context` names.
    #[inline]
    pub fn with<R>(&self, context: &Context<'_>, with: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Fixed(bytes) => with(bytes),
            Self::Sized(bytes, from, to) => {
                let seed = mix(u64::from(context.index) << 40 ^ context.sequence);
                let span = (to - from + 1) as u64;
                #[allow(clippy::cast_possible_truncation)] // at most the span
                with(&bytes[..from + (seed % span) as usize])
            }
            #[allow(clippy::cast_possible_truncation)] // an index of the lines
            Self::Cycled(lines) => with(&lines[(context.sequence % lines.len() as u64) as usize]),
            Self::Template(template) => with(template.render(context).as_bytes()),
        }
    }
}

/// The form that suits payloads of at least `bytes_min`: the fullest that fits.
#[must_use]
pub const fn fitting_stamp(bytes_min: usize) -> StampForm {
    if bytes_min >= super::stamp::FULL_BYTES {
        StampForm::Full
    } else if bytes_min >= super::stamp::SHORT_BYTES {
        StampForm::Short
    } else {
        StampForm::Off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_in_their_range_and_reach_both_ends() {
        let payload = Payload::filler(3, 6, 0);
        let lengths: std::collections::BTreeSet<usize> = (0..200)
            .map(|sequence| payload.with(&Context { sequence, ..Context::default() }, <[u8]>::len))
            .collect();
        assert_eq!(lengths, [3, 4, 5, 6].into());
        assert_eq!(payload.bytes_min(), 3);
    }

    #[test]
    fn lines_go_round() {
        let payload = Payload::Cycled([b"a".to_vec(), b"bc".to_vec()].into());
        let line = |sequence| payload.with(&Context { sequence, ..Context::default() }, <[u8]>::to_vec);
        assert_eq!([line(0), line(1), line(2)], [b"a".to_vec(), b"bc".to_vec(), b"a".to_vec()]);
    }

    #[test]
    fn compressible_share_is_kept() {
        let dots = |percent| {
            Payload::filler(1000, 1000, percent)
                .with(&Context::default(), |bytes| bytes.iter().filter(|byte| **byte == b'.').count())
        };
        assert!(dots(0) < 20);
        assert!((690..730).contains(&dots(70)));
        assert_eq!(dots(100), 1000);
    }

    #[test]
    fn fullest_stamp_that_fits_is_taken() {
        assert_eq!(fitting_stamp(24), StampForm::Full);
        assert_eq!(fitting_stamp(23), StampForm::Short);
        assert_eq!(fitting_stamp(7), StampForm::Off);
    }
}
