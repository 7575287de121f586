//! From blocks as read to whole packets: nothing is allocated for what a length merely announces.

use super::error::PacketError;
use super::header::FixedHeader;
use bytes::Bytes;

/// What the receiver decides about a packet when only its fixed header is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Read the body.
    Accept,
    /// Swallow the body and keep but its beginning: a first field of two bytes of length and that many, and two bytes
    /// more, which is what it takes to answer a PUBLISH. The frame is reported with that.
    Skip,
    /// End the connection with this fault.
    Refuse(PacketError),
}

/// One whole packet, or the header of a skipped one.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its fixed header.
    pub header: FixedHeader,
    /// Everything behind the fixed header.
    pub body: &'a [u8],
    /// The block in which `body` lies, for fields that are to be shared.
    pub block: &'a Bytes,
    /// Whether the body was swallowed on a [`Verdict::Skip`].
    pub is_skipped: bool,
}

impl Frame<'_> {
    /// Owned bytes of a part of this frame: shared when it fills at least a quarter of its block, else a copy, so
    /// that a small message that outlives the turn does not keep a large block alive.
    #[must_use]
    pub fn detach(&self, part: &[u8]) -> Bytes {
        detach(self.block, part)
    }
}

/// See [`Frame::detach`]; `part` from outside `block` is copied.
#[must_use]
pub fn detach(block: &Bytes, part: &[u8]) -> Bytes {
    if part.len() >= block.len() / 4 && !part.is_empty() && block.as_ptr_range().contains(&part.as_ptr()) {
        block.slice_ref(part)
    } else {
        Bytes::copy_from_slice(part)
    }
}

/// The part of `block` that `part` borrows, without a copy; an empty part keeps no block alive, and one from elsewhere
/// is copied.
pub(super) fn share(block: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() {
        Bytes::new()
    } else if block.as_ptr_range().contains(&part.as_ptr()) {
        block.slice_ref(part)
    } else {
        Bytes::copy_from_slice(part)
    }
}

/// Cuts blocks into packets and keeps what is left over; idle, it holds no buffer.
#[derive(Debug, Default)]
pub struct FrameReader {
    block: Bytes,
    at: usize,
    /// The beginning of a packet whose end has not arrived.
    partial: Vec<u8>,
    /// The packet completed from `partial`, while it is being handled.
    completed: Bytes,
    /// The header of the packet in `partial` or in `skipping`, once it is known and judged.
    judged: Option<FixedHeader>,
    /// Whether that packet's body is skipped; `partial` then holds what is kept of it.
    is_skipping: bool,
    /// Bytes of a skipped body still to come.
    skipping: usize,
}

impl FrameReader {
    /// Takes the next block as it was read; the one before must have been used up by [`FrameReader::next_frame`].
    #[inline]
    pub fn push(&mut self, block: Bytes) {
        debug_assert!(self.at == self.block.len(), "the block before has been used up");
        self.block = block;
        self.at = 0;
    }

    /// How many bytes of an unfinished packet are held.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.partial.len()
    }

    /// The next whole packet; `None` when the rest of the block has been put aside.
    ///
    /// `judge` is asked once a packet, as soon as its fixed header is there.
    ///
    /// # Errors
    ///
    /// Those of [`FixedHeader::decode`], and what `judge` refuses. The reader is of no use afterwards.
    #[inline]
    pub fn next_frame(
        &mut self,
        judge: impl FnOnce(&FixedHeader) -> Verdict,
    ) -> Result<Option<Frame<'_>>, PacketError> {
        if !self.completed.is_empty() {
            self.completed = Bytes::new();
        }
        if !self.partial.is_empty() || self.judged.is_some() {
            // Put together here, so that the frame of the common case below can stay in registers.
            return Ok(self.next_split_frame(judge)?.map(|(header, is_skipped)| Frame {
                header,
                body: &self.completed[usize::from(header.header_length)..],
                block: &self.completed,
                is_skipped,
            }));
        }
        let Some(header) = FixedHeader::decode(&self.block[self.at..])? else {
            self.put_aside();
            return Ok(None);
        };
        let verdict = judge(&header);
        if let Verdict::Refuse(error) = verdict {
            return Err(error);
        }
        let end = self.at + header.packet_length();
        if end > self.block.len() {
            self.judged = Some(header);
            if verdict == Verdict::Skip {
                self.is_skipping = true;
                self.skipping = end - self.block.len();
                self.partial = kept_head(&header, &self.block[self.at..]).to_vec();
                self.release();
            } else {
                self.put_aside();
            }
            return Ok(None);
        }
        let is_skipped = verdict == Verdict::Skip;
        let start = self.at + usize::from(header.header_length);
        let kept_end =
            if is_skipped { self.at + kept_head(&header, &self.block[self.at..end]).len() } else { end };
        self.at = end;
        Ok(Some(Frame { header, body: &self.block[start..kept_end], block: &self.block, is_skipped }))
    }

    /// Keeps a copy of the rest of the block and lets the block go.
    fn put_aside(&mut self) {
        self.partial.extend_from_slice(&self.block[self.at..]);
        self.release();
    }

    /// Lets the used-up block go, so that an idle connection holds none.
    fn release(&mut self) {
        self.block = Bytes::new();
        self.at = 0;
    }

    /// Goes on with a packet that began in an earlier block; once whole, it is in `completed`. Returns its header and
    /// whether its body was swallowed.
    #[cold]
    fn next_split_frame(
        &mut self,
        judge: impl FnOnce(&FixedHeader) -> Verdict,
    ) -> Result<Option<(FixedHeader, bool)>, PacketError> {
        let header = match self.judged {
            Some(header) => header,
            None => {
                let Some(header) = self.complete_header()? else {
                    return Ok(None);
                };
                match judge(&header) {
                    Verdict::Refuse(error) => return Err(error),
                    Verdict::Accept => {}
                    Verdict::Skip => {
                        self.is_skipping = true;
                        self.skipping = header.packet_length() - self.partial.len();
                    }
                }
                self.judged = Some(header);
                header
            }
        };
        if self.is_skipping {
            return Ok(self.skip(header).then_some((header, true)));
        }
        let missing = header.packet_length() - self.partial.len();
        let available = missing.min(self.block.len() - self.at);
        if header.packet_length() <= 2 * (self.partial.len() + available) {
            // At least half has arrived, so the announced length is no longer a mere promise.
            self.partial.reserve_exact(missing);
        }
        self.partial.extend_from_slice(&self.block[self.at..self.at + available]);
        self.at += available;
        if available < missing {
            self.release();
            return Ok(None);
        }
        self.judged = None;
        self.completed = Bytes::from(std::mem::take(&mut self.partial));
        Ok(Some((header, false)))
    }

    /// Moves single bytes until the fixed header in `partial` is whole.
    fn complete_header(&mut self) -> Result<Option<FixedHeader>, PacketError> {
        loop {
            if let Some(header) = FixedHeader::decode(&self.partial)? {
                return Ok(Some(header));
            }
            let Some(&byte) = self.block.get(self.at) else {
                self.release();
                return Ok(None);
            };
            self.partial.push(byte);
            self.at += 1;
        }
    }

    /// Swallows what there is of a skipped body, and keeps what belongs to its beginning; true at its end.
    fn skip(&mut self, header: FixedHeader) -> bool {
        let available = self.skipping.min(self.block.len() - self.at);
        let mut chunk = &self.block[self.at..self.at + available];
        loop {
            // Twice at most: how long the first field is shows only with its first two bytes.
            let missing = kept_length(&header, &self.partial) - self.partial.len();
            let (kept, rest) = chunk.split_at(missing.min(chunk.len()));
            if kept.is_empty() {
                break;
            }
            self.partial.extend_from_slice(kept);
            chunk = rest;
        }
        self.at += available;
        self.skipping -= available;
        if self.skipping > 0 {
            self.release();
            return false;
        }
        self.judged = None;
        self.is_skipping = false;
        self.completed = Bytes::from(std::mem::take(&mut self.partial));
        true
    }
}

/// What is kept of a skipped packet when `packet` is its beginning: header, first field, two bytes.
fn kept_head<'a>(header: &FixedHeader, packet: &'a [u8]) -> &'a [u8] {
    &packet[..kept_length(header, packet).min(packet.len())]
}

/// How much of a skipped packet is to be kept as far as its beginning shows; never less than `packet` holds of that.
fn kept_length(header: &FixedHeader, packet: &[u8]) -> usize {
    let start = usize::from(header.header_length);
    let wanted = match packet.get(start..) {
        Some([high, low, ..]) => start + 2 + usize::from(u16::from_be_bytes([*high, *low])) + 2,
        _ => start + 2,
    };
    wanted.min(header.packet_length())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(stream: &[u8], cut: usize, verdict: Verdict) -> Vec<(u8, Vec<u8>, bool)> {
        let mut reader = FrameReader::default();
        let mut frames = Vec::new();
        for block in stream.chunks(cut) {
            reader.push(Bytes::copy_from_slice(block));
            while let Some(frame) = reader
                .next_frame(|header| if header.first == 0x30 { verdict } else { Verdict::Accept })
                .unwrap()
            {
                frames.push((frame.header.first, frame.body.to_vec(), frame.is_skipped));
            }
        }
        assert_eq!(reader.buffered(), 0);
        frames
    }

    #[test]
    fn blocks_of_every_length_give_the_same_packets() {
        let mut stream = vec![0xC0, 0, 0x30, 0x85, 0x02];
        stream.extend_from_slice(&[7; 261]);
        stream.extend_from_slice(&[0x40, 2, 0, 1, 0xD0, 0]);
        for verdict in [Verdict::Accept, Verdict::Skip] {
            let whole = read_all(&stream, stream.len(), verdict);
            assert_eq!(whole.len(), 4);
            for cut in 1..stream.len() {
                assert_eq!(read_all(&stream, cut, verdict), whole, "blocks of {cut}");
            }
        }
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut reader = FrameReader::default();
        reader.push(Bytes::from_static(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'a']));
        assert!(reader.next_frame(|_| Verdict::Accept).unwrap().is_none());
        assert!(reader.partial.capacity() < 100);
    }

    #[test]
    fn a_refused_header_ends_the_reading_before_the_body() {
        let mut reader = FrameReader::default();
        reader.push(Bytes::from_static(&[0x10, 0xFF, 0xFF, 0x7F]));
        let result = reader.next_frame(|_| Verdict::Refuse(PacketError::PacketTooLarge));
        assert_eq!(result.map(drop_frame), Err(PacketError::PacketTooLarge));
    }

    fn drop_frame(frame: Option<Frame<'_>>) -> bool {
        frame.is_some()
    }
}
