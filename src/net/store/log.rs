//! The file under the store: a header, then frames that are believed whole or not at all.
//!
//! A frame holds everything that one turn of the broker changed, so that no part of a turn is believed without the rest. It
//! begins with a marker, by which the next one is found behind a damaged one, its length and a checksum.

use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

/// The first bytes of a store; the last one is the version of what follows.
pub(super) const HEADER: [u8; 16] = *b"culex store\r\n\x1a\0\x01";

/// Begins each frame; not UTF-8, so that no text holds it.
const MARKER: [u8; 4] = [0xCB, 0xFE, 0x1E, 0xF5];

/// Marker, length and checksum.
const FRAME_HEADER_BYTES: usize = 12;

/// What a walk over the frames finds.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// Where the content of a whole frame lies.
    Frame(Range<usize>),
    /// Bytes between frames, or in place of one, that are none.
    Damaged(Range<usize>),
    /// The end of the file holds a part of a frame: its writing was cut short, and nobody was promised anything.
    Torn(Range<usize>),
}

/// Walks over `bytes`, a whole file with its header.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = Part> {
    let mut at = HEADER.len();
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        if let Some(content) = frame_at(bytes, at) {
            at = content.end;
            return Some(Part::Frame(content));
        }
        let start = at;
        let candidates = memchr::memmem::find_iter(&bytes[start + 1..], &MARKER);
        let next = candidates.map(|place| start + 1 + place).find(|&place| frame_at(bytes, place).is_some());
        at = next.unwrap_or(bytes.len());
        let is_torn = next.is_none() && is_beginning_of_a_frame(&bytes[start..]);
        Some(if is_torn { Part::Torn(start..at) } else { Part::Damaged(start..at) })
    })
}

/// The content of the frame that begins at `at`, if a whole one does.
fn frame_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let header: &[u8; FRAME_HEADER_BYTES] = bytes.get(at..)?.first_chunk()?;
    let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let start = at + FRAME_HEADER_BYTES;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let content = bytes.get(start..start.checked_add(length as usize)?)?;
    let is_whole = [m0, m1, m2, m3] == MARKER && checksum(content) == u32::from_le_bytes([c0, c1, c2, c3]);
    is_whole.then_some(start..start + content.len())
}

/// Whether `rest`, the end of a file, is a frame whose own length says that more was to come.
fn is_beginning_of_a_frame(rest: &[u8]) -> bool {
    match rest.first_chunk::<FRAME_HEADER_BYTES>() {
        Some([m0, m1, m2, m3, l0, l1, l2, l3, ..]) => {
            let announced = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
            [*m0, *m1, *m2, *m3] == MARKER && rest.len() - FRAME_HEADER_BYTES < announced
        }
        None => rest.iter().zip(&MARKER).all(|(found, wanted)| found == wanted),
    }
}

/// Covers the length too: a frame of zeros is none.
fn checksum(content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

/// Room for the header of a frame whose content is appended to `buffer`, which [`close_frame`] fills in.
pub(super) fn open_frame(buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
}

/// Completes the frame that was opened at `at` and ends where `buffer` does.
pub(super) fn close_frame(buffer: &mut [u8], at: usize) {
    let (header, content) = buffer[at..].split_at_mut(FRAME_HEADER_BYTES);
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    header[..4].copy_from_slice(&MARKER);
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..].copy_from_slice(&checksum(content).to_le_bytes());
}

/// A file of frames that only this process writes to.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// How much of the file is whole frames, in bytes.
    length: u64,
}

impl Log {
    /// Goes on with `file`, which nobody else has, behind its first `length` bytes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] when another process has it.
    pub(super) fn lock(file: File, length: u64) -> io::Result<Self> {
        match file.try_lock() {
            Ok(()) => Ok(Self { file, length }),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Appends whole frames; after an error nothing of them is left in the file.
    ///
    /// With `is_synced`, returns when the disk has them, else when the system does: they then survive the end of this process
    /// in any way, but not a power cut.
    pub(super) fn append(&mut self, frames: &[u8], is_synced: bool) -> io::Result<()> {
        let written = self.file.write_all(frames).and_then(|()| match is_synced {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        match written {
            Ok(()) => self.length += frames.len() as u64,
            Err(_) => {
                // If this fails as well, the next start finds a torn frame.
                let _ = self.file.set_len(self.length);
                self.file.seek(SeekFrom::Start(self.length))?;
            }
        }
        written
    }

    /// Waits until the disk has everything.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(contents: &[&[u8]]) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        for content in contents {
            let at = bytes.len();
            open_frame(&mut bytes);
            bytes.extend_from_slice(content);
            close_frame(&mut bytes, at);
        }
        bytes
    }

    fn contents(bytes: &[u8]) -> Vec<&[u8]> {
        parts(bytes)
            .filter_map(|part| match part {
                Part::Frame(range) => Some(&bytes[range]),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_cut_leaves_the_whole_frames_and_one_torn_end() {
        let bytes = file_of(&[b"one", b"two"]);
        let first_end = HEADER.len() + FRAME_HEADER_BYTES + 3;
        for cut in HEADER.len()..bytes.len() {
            let whole: &[&[u8]] = if cut < first_end { &[] } else { &[b"one"] };
            assert_eq!(contents(&bytes[..cut]), whole, "cut at {cut}");
            let is_between = cut == first_end || cut == HEADER.len();
            let torn = parts(&bytes[..cut]).filter(|part| matches!(part, Part::Torn(_))).count();
            assert_eq!(torn, usize::from(!is_between), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_costs_one_frame_and_is_told() {
        let bytes = file_of(&[b"one", b"two", b"three"]);
        let second = HEADER.len() + FRAME_HEADER_BYTES + 3;
        let third = second + FRAME_HEADER_BYTES + 3;
        for place in second..third {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                assert_eq!(contents(&damaged), [&b"one"[..], b"three"], "bit {bit} at {place}");
                assert_eq!(parts(&damaged).nth(1), Some(Part::Damaged(second..third)));
            }
        }
    }
}
