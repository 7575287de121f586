//! The block that all reads of a thread go through.

use super::Stream;
use bytes::{Bytes, BytesMut};
use std::io;
use std::task::{Context, Poll, ready};

/// How much is read at once, in bytes.
pub(crate) const READ_BYTES_MAX: usize = 64 * 1024;

/// Reads below this are copied into a block of their own size, in bytes, so that a small message that is kept does not
/// keep the large block; above it the copy would cost more than the waste.
const COPY_BELOW: usize = 16 * 1024;

/// One reusable block; connections that wait hold none.
#[derive(Debug, Default)]
pub(crate) struct ReadBlock {
    block: BytesMut,
}

impl ReadBlock {
    /// Reads once from `stream`; empty at its end.
    pub(crate) fn poll_read(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        ready!(stream.poll_read(context, self.room()))?;
        Poll::Ready(Ok(self.take()))
    }

    /// As [`ReadBlock::poll_read`] for those who know that the stream is ready.
    pub(crate) fn try_read(&mut self, stream: &mut Stream) -> io::Result<Bytes> {
        stream.try_read(self.room())?;
        Ok(self.take())
    }

    fn room(&mut self) -> &mut BytesMut {
        // Takes the same memory again unless somebody still holds a part of it.
        self.block.reserve(READ_BYTES_MAX);
        &mut self.block
    }

    fn take(&mut self) -> Bytes {
        if self.block.len() < COPY_BELOW {
            let bytes = Bytes::copy_from_slice(&self.block);
            self.block.clear();
            return bytes;
        }
        self.block.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(block: &mut ReadBlock, length: usize) -> Bytes {
        block.room().resize(length, 7);
        block.take()
    }

    #[test]
    fn what_is_kept_of_a_small_read_does_not_keep_the_block() {
        let mut block = ReadBlock::default();
        let first = fill(&mut block, 30);
        let place = block.room().as_ptr();
        let second = fill(&mut block, COPY_BELOW - 1);
        assert_eq!(block.room().as_ptr(), place);
        assert_eq!((first.len(), second.len()), (30, COPY_BELOW - 1));
    }

    #[test]
    fn the_block_of_a_large_read_is_used_again_once_it_is_free() {
        let mut block = ReadBlock::default();
        let large = fill(&mut block, READ_BYTES_MAX);
        let place = large.as_ptr();
        drop(large);
        assert_eq!(fill(&mut block, READ_BYTES_MAX).as_ptr(), place);
    }

    #[test]
    fn a_held_block_is_never_written_again() {
        let mut block = ReadBlock::default();
        let held = fill(&mut block, COPY_BELOW);
        block.room().resize(READ_BYTES_MAX, 9);
        assert!(held.iter().all(|byte| *byte == 7));
    }
}
