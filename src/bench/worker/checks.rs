//! What one receiver, or one group of receivers that share a subscription, has seen of all streams.

use crate::bench::result::StreamCount;
use crate::bench::stream::{Seen, StreamCheck};
use rustc_hash::FxHashMap;

/// One check a stream, found quickly: most receivers hear one stream, or the same one for a while.
#[derive(Debug, Default)]
pub(super) struct Checks {
    streams: Vec<Checked>,
    index: FxHashMap<u32, u32>,
    last: usize,
}

/// A stream as its receiver has seen it.
#[derive(Debug)]
pub(super) struct Checked {
    check: StreamCheck,
    /// The first sequence seen.
    first: u64,
    pub(super) count: StreamCount,
}

impl Checks {
    /// Takes message `sequence` of `stream`.
    #[inline]
    pub(super) fn take(&mut self, stream: u32, sequence: u64) -> (Seen, &mut StreamCount) {
        if self.streams.get(self.last).is_none_or(|checked| checked.count.stream != stream) {
            self.last = self.find(stream, sequence);
        }
        let checked = &mut self.streams[self.last];
        (checked.check.take(sequence), &mut checked.count)
    }

    fn find(&mut self, stream: u32, sequence: u64) -> usize {
        let next = self.streams.len();
        let at = *self.index.entry(stream).or_insert_with(|| u32::try_from(next).unwrap_or(u32::MAX));
        if at as usize == next {
            let count = StreamCount { stream, ..StreamCount::default() };
            self.streams.push(Checked { check: StreamCheck::default(), first: sequence, count });
        }
        at as usize
    }

    /// The counts of all streams.
    pub(super) fn counts(&self) -> impl Iterator<Item = &StreamCount> {
        self.streams.iter().map(|checked| &checked.count)
    }

    /// Messages that are missing between the first and the last one seen, for receivers that know no more.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.streams.iter().map(|checked| {
            let span = checked.check.next().saturating_sub(checked.first);
            (checked.count.stream, span.saturating_sub(checked.check.unique()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_checked_apart() {
        let mut checks = Checks::default();
        for (stream, sequence, expected) in [
            (5, 0, Seen::New),
            (9, 0, Seen::New),
            (5, 0, Seen::Duplicate),
            (9, 2, Seen::New),
            (9, 1, Seen::Reordered),
            (5, 3, Seen::New),
        ] {
            let (seen, count) = checks.take(stream, sequence);
            assert_eq!((seen, count.stream), (expected, stream));
        }
        assert_eq!(checks.gaps().collect::<Vec<_>>(), [(5, 2), (9, 0)]);
        assert_eq!(checks.counts().count(), 2);
    }

    #[test]
    fn what_was_sent_before_the_first_one_seen_is_no_gap() {
        let mut checks = Checks::default();
        checks.take(0, 1000);
        checks.take(0, 1002);
        assert_eq!(checks.gaps().collect::<Vec<_>>(), [(0, 1)]);
    }
}
