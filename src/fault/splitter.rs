//! A stream of bytes cut into whole packets, each with its fixed header.

use crate::packet::{FixedHeader, PacketError};
use bytes::{Buf, Bytes, BytesMut};

/// Packets longer than this are passed on in pieces, without being looked at: 16 MiB.
pub(super) const PACKET_BYTES_MAX: usize = 16 << 20;

/// What lies next in the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// A whole packet.
    Packet(Bytes),
    /// A part of one that is too long to be kept.
    Part(Bytes),
    /// What is no packet, and everything behind it.
    Malformed(Bytes, PacketError),
    /// As the last, from then on.
    Raw(Bytes),
}

#[derive(Debug, Default)]
pub(super) struct Splitter {
    buffer: BytesMut,
    /// Bytes of a long packet still to come.
    passing: usize,
    is_broken: bool,
}

impl Splitter {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether the beginning of a packet waits for its end.
    pub(super) fn is_waiting(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// What is left of a packet whose end will never come.
    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.buffer).freeze()
    }

    pub(super) fn next(&mut self) -> Option<Piece> {
        if self.buffer.is_empty() {
            return None;
        }
        if self.is_broken {
            return Some(Piece::Raw(self.rest()));
        }
        if self.passing > 0 {
            let length = self.passing.min(self.buffer.len());
            self.passing -= length;
            return Some(Piece::Part(self.buffer.split_to(length).freeze()));
        }
        let header = match FixedHeader::decode(&self.buffer) {
            Ok(Some(header)) => header,
            Ok(None) => return None,
            Err(error) => {
                self.is_broken = true;
                return Some(Piece::Malformed(self.rest(), error));
            }
        };
        let length = header.packet_length();
        if length > PACKET_BYTES_MAX {
            self.passing = length;
            return self.next();
        }
        if self.buffer.len() < length {
            return None;
        }
        let packet = self.buffer.split_to(length).freeze();
        if !self.buffer.has_remaining() {
            // An idle line holds no buffer.
            self.buffer = BytesMut::new();
        }
        Some(Piece::Packet(packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_whole_however_they_are_cut() {
        let stream = b"\x10\x02ab\xc0\x00\x30\x03\x00\x01x";
        for cut in 0..stream.len() {
            let mut splitter = Splitter::default();
            let mut pieces = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                splitter.push(part);
                pieces.extend(std::iter::from_fn(|| splitter.next()));
            }
            let whole = [&b"\x10\x02ab"[..], b"\xc0\x00", b"\x30\x03\x00\x01x"];
            assert_eq!(pieces, whole.map(|packet| Piece::Packet(Bytes::from_static(packet))));
            assert!(!splitter.is_waiting());
        }
    }

    #[test]
    fn a_packet_beyond_the_bound_is_passed_in_parts_and_the_next_one_is_found() {
        let mut splitter = Splitter::default();
        // 16 MiB + 16 bytes of body.
        splitter.push(&[0x30, 0x90, 0x80, 0x80, 0x08]);
        let mut left = PACKET_BYTES_MAX + 16 + 5;
        let mut parts = 0;
        while let Some(Piece::Part(part)) = splitter.next() {
            left -= part.len();
            parts += 1;
            splitter.push(&vec![0; left.min(1 << 20)]);
        }
        assert!(parts > 16 && left == 0);
        splitter.push(b"\xc0\x00");
        assert_eq!(splitter.next(), Some(Piece::Packet(Bytes::from_static(b"\xc0\x00"))));
    }

    #[test]
    fn what_is_no_packet_is_passed_on_with_all_behind_it() {
        let mut splitter = Splitter::default();
        splitter.push(b"\x00GET / HTTP/1.1");
        assert!(matches!(splitter.next(), Some(Piece::Malformed(..))));
        splitter.push(b"more");
        assert_eq!(splitter.next(), Some(Piece::Raw(Bytes::from_static(b"more"))));
    }
}
