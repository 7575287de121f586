//! What is ready to be written: small frames in one buffer, large payloads shared, all of it one vectored write.

use bytes::Bytes;
use std::io::IoSlice;

/// Payloads from this size on are shared instead of copied, in bytes.
pub const SHARED_FROM: usize = 4096;

/// Written bytes are kept in front of the waiting ones up to this many.
const COMPACT_FROM: usize = 64 * 1024;

/// Bytes on their way to one connection, in order.
///
/// Small frames are copied behind each other into one buffer; a large payload is held as a shared block at its place
/// between them, so that it exists once however many connections it goes to.
#[derive(Debug, Default)]
pub struct Transmit {
    copied: Vec<u8>,
    /// Each shared block stands before `copied[at]`.
    shared: Vec<(usize, Bytes)>,
    /// How much of `copied` has been written.
    copied_written: usize,
    /// How many of `shared` have been written; the next one may be partly advanced.
    shared_written: usize,
    length: usize,
}

impl Transmit {
    /// An empty one, without a buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { copied: Vec::new(), shared: Vec::new(), copied_written: 0, shared_written: 0, length: 0 }
    }

    /// How many bytes wait.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Lets `encode` append to the buffer.
    #[inline]
    pub fn write<R>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let before = self.copied.len();
        let result = encode(&mut self.copied);
        self.length += self.copied.len() - before;
        result
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Appends `bytes`: copied when small, shared from [`SHARED_FROM`] on.
    #[inline]
    pub fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_FROM {
            self.put(bytes);
            return;
        }
        self.length += bytes.len();
        self.shared.push((self.copied.len(), bytes.clone()));
    }

    /// Appends all of `other` and leaves it empty; swaps buffers when this one is empty.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            self.clear();
            std::mem::swap(self, other);
            return;
        }
        if other.is_empty() {
            return;
        }
        let base = self.copied.len();
        let skipped = other.copied_written;
        self.copied.extend_from_slice(&other.copied[skipped..]);
        let rest = other.shared.drain(..).skip(other.shared_written);
        self.shared.extend(rest.map(|(at, bytes)| (base + at - skipped, bytes)));
        self.length += other.length;
        other.clear();
    }

    /// Points `slices` at what waits, in order; returns how many were filled.
    pub fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        let mut at = self.copied_written;
        for (place, bytes) in &self.shared[self.shared_written..] {
            for part in [&self.copied[at..*place], &bytes[..]] {
                if part.is_empty() {
                    continue;
                }
                if used == slices.len() {
                    return used;
                }
                slices[used] = IoSlice::new(part);
                used += 1;
            }
            at = *place;
        }
        if at < self.copied.len() && used < slices.len() {
            slices[used] = IoSlice::new(&self.copied[at..]);
            used += 1;
        }
        used
    }

    /// Forgets the first `count` bytes, which have been written.
    ///
    /// # Panics
    ///
    /// When `count` exceeds [`Transmit::len`].
    pub fn advance(&mut self, mut count: usize) {
        assert!(count <= self.length, "more was written than waited");
        self.length -= count;
        if self.length == 0 {
            self.clear();
            return;
        }
        while let Some((place, bytes)) = self.shared.get_mut(self.shared_written) {
            let before = (*place - self.copied_written).min(count);
            self.copied_written += before;
            count -= before;
            if self.copied_written < *place {
                return;
            }
            if count < bytes.len() {
                bytes::Buf::advance(bytes, count);
                return;
            }
            count -= bytes.len();
            *bytes = Bytes::new();
            self.shared_written += 1;
        }
        self.copied_written += count;
        self.compact();
    }

    /// Drops what has been written once it outweighs what waits, so that a receiver who never quite catches up does not
    /// make the buffer grow for ever.
    fn compact(&mut self) {
        if self.copied_written < COMPACT_FROM || self.copied_written < self.copied.len() / 2 {
            return;
        }
        self.copied.drain(..self.copied_written);
        self.shared.drain(..self.shared_written);
        for (place, _) in &mut self.shared {
            *place -= self.copied_written;
        }
        self.copied_written = 0;
        self.shared_written = 0;
    }

    /// Empties it and keeps the buffer for the next use.
    pub fn clear(&mut self) {
        self.copied.clear();
        self.shared.clear();
        self.copied_written = 0;
        self.shared_written = 0;
        self.length = 0;
    }

    /// Gives memory back when the buffer has room for more than `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        if self.copied.capacity() > bytes {
            self.copied.shrink_to(bytes);
        }
        self.shared.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(transmit: &Transmit) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 16];
        let used = transmit.io_slices(&mut slices);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn sample() -> (Transmit, Vec<u8>) {
        let mut transmit = Transmit::new();
        let big = Bytes::from((0..SHARED_FROM).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>());
        transmit.put(b"head");
        transmit.put_shared(&big);
        transmit.put_shared(&big);
        transmit.put(b"tail");
        let expected = [b"head", &big[..], &big[..], b"tail"].concat();
        (transmit, expected)
    }

    #[test]
    fn every_cut_leaves_the_rest_in_order() {
        let (whole, expected) = sample();
        assert_eq!(waiting(&whole), expected);
        for cut in 0..expected.len() {
            let (mut transmit, _) = sample();
            transmit.advance(cut);
            assert_eq!(transmit.len(), expected.len() - cut);
            assert_eq!(waiting(&transmit), expected[cut..], "cut at {cut}");
            transmit.advance(expected.len() - cut);
            assert!(transmit.is_empty());
        }
    }

    #[test]
    fn a_receiver_that_never_catches_up_does_not_make_the_buffer_grow() {
        let mut transmit = Transmit::new();
        let mut expected = std::collections::VecDeque::new();
        for round in 0..2_000_u32 {
            let chunk = [round.to_le_bytes()[0]; 1000];
            transmit.put(&chunk);
            expected.extend(chunk);
            if round > 0 {
                transmit.advance(1000);
                expected.drain(..1000);
            }
        }
        assert_eq!(waiting(&transmit), expected.make_contiguous());
        assert!(transmit.copied.capacity() < 4 * COMPACT_FROM);
    }

    #[test]
    fn appending_a_partly_written_one_keeps_the_order() {
        let (mut first, expected) = sample();
        let (mut second, _) = sample();
        second.advance(SHARED_FROM + 10);
        first.append(&mut second);
        assert!(second.is_empty());
        assert_eq!(waiting(&first), [&expected[..], &expected[SHARED_FROM + 10..]].concat());
    }
}
