//! The standard input, or a file, line by line, in blocks of 64 KiB, without holding more of it than the longest line.
//!
//! A regular file is read directly. A pipe or terminal is read when it has something: its descriptor is shared with
//! other programs, so it is never switched to non-blocking.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

const BLOCK_BYTES: usize = 64 * 1024;

/// The longest line that fits a message, in bytes.
const LINE_BYTES_MAX: usize = 268_435_455;

#[derive(Debug)]
enum Input {
    /// Never makes anyone wait.
    Direct(File),
    /// Tells when it can be read.
    Watched(AsyncFd<File>),
}

/// Lines of the standard input or of a file.
#[derive(Debug)]
pub(super) struct Lines {
    input: Input,
    block: Vec<u8>,
    /// Where the next line begins in `block`.
    start: usize,
    /// Up to here `block` is known to have no further line end.
    searched: usize,
    at_end: bool,
}

impl Lines {
    /// Starts at the standard input's present place; needs the runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor is closed.
    pub(super) fn of_stdin() -> io::Result<Self> {
        Self::of(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }

    /// Starts at the present place of `file`; needs the runtime.
    ///
    /// # Errors
    ///
    /// None in practice.
    pub(super) fn of(file: File) -> io::Result<Self> {
        // SAFETY: the file owns its descriptor for as long as the registration lives.
        let input = match unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) } {
            Ok(watched) => Input::Watched(watched),
            // Files and some devices cannot be watched, because they are always ready.
            Err(error) => Input::Direct(error.into_parts().0),
        };
        Ok(Self { input, block: Vec::new(), start: 0, searched: 0, at_end: false })
    }

    /// The next whole line without its line feed; [`Lines::consume`] goes on behind it.
    ///
    /// At the end of the input what is left counts as a line, unless nothing is left.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<&[u8]> {
        match memchr::memchr(b'\n', &self.block[self.searched..]) {
            Some(at) => {
                self.searched += at;
                Some(&self.block[self.start..self.searched])
            }
            None if self.at_end && self.start < self.block.len() => {
                self.searched = self.block.len();
                Some(&self.block[self.start..])
            }
            None => {
                self.searched = self.block.len();
                None
            }
        }
    }

    /// Leaves the line last peeked at behind.
    #[inline]
    pub(super) fn consume(&mut self) {
        self.start = (self.searched + 1).min(self.block.len());
        self.searched = self.start;
    }

    /// Whether the input is at its end and every line consumed.
    pub(super) fn is_finished(&self) -> bool {
        self.at_end && self.start >= self.block.len()
    }

    /// Whether every whole line is consumed and more could come.
    pub(super) fn wants_more(&self) -> bool {
        !self.at_end && self.searched == self.block.len()
    }

    /// Bytes of a regular file that have been taken, and all of them; unknown for other inputs.
    pub(super) fn position(&self) -> Option<(u64, u64)> {
        let Input::Direct(file) = &self.input else { return None };
        let size = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        let mut file = file;
        let read = file.stream_position().ok()?;
        Some((read.saturating_sub((self.block.len() - self.start) as u64), size))
    }

    /// Waits until the input has something and reads it once, behind the part of a line that is there.
    ///
    /// Safe to be dropped while it waits.
    ///
    /// # Errors
    ///
    /// What the system says, and a line longer than a message can be.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        if self.block.len() - self.start > LINE_BYTES_MAX {
            return Err(io::Error::other("a line is longer than a message can be"));
        }
        if let Input::Watched(watched) = &self.input {
            wait_until_readable(watched).await?;
        }
        self.block.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let filled = self.block.len();
        self.block.resize(filled + BLOCK_BYTES, 0);
        let read = match &self.input {
            Input::Direct(file) => read_once(file, &mut self.block[filled..]),
            Input::Watched(watched) => read_once(watched.get_ref(), &mut self.block[filled..]),
        };
        self.block.truncate(filled + *read.as_ref().unwrap_or(&0));
        self.at_end = read? == 0;
        Ok(())
    }
}

/// The runtime hears of new bytes only at the moment they come, and reading until there are none would block; so the
/// system is asked before each read.
async fn wait_until_readable(watched: &AsyncFd<File>) -> io::Result<()> {
    loop {
        let mut guard = watched.readable().await?;
        if is_readable(watched.get_ref())? {
            return Ok(());
        }
        guard.clear_ready_matching(Ready::READABLE);
    }
}

fn is_readable(file: &File) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry is passed, and it lives through the call.
    match unsafe { libc::poll(&raw mut entry, 1, 0) } {
        -1 => Err(io::Error::last_os_error()),
        ready => Ok(ready > 0),
    }
}

fn read_once(mut file: &File, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(block: &[u8], at_end: bool) -> Lines {
        let input = Input::Direct(File::open("/dev/null").unwrap());
        Lines { input, block: block.to_vec(), start: 0, searched: 0, at_end }
    }

    fn all(lines: &mut Lines) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while let Some(line) = lines.peek() {
            found.push(line.to_vec());
            lines.consume();
        }
        found
    }

    #[test]
    fn carriage_returns_nuls_and_empty_lines_are_kept() {
        let mut lines = lines_of(b"a\r\n\n\0b\nrest", false);
        assert_eq!(all(&mut lines), [&b"a\r"[..], b"", b"\0b"]);
        assert!(!lines.is_finished());
    }

    #[test]
    fn the_last_line_needs_no_line_feed() {
        let mut lines = lines_of(b"a\nrest", true);
        assert_eq!(all(&mut lines), [&b"a"[..], b"rest"]);
        assert!(lines.is_finished());
        let mut lines = lines_of(b"a\n", true);
        assert_eq!(all(&mut lines), [b"a"]);
        assert!(lines.is_finished());
        assert!(lines_of(b"", true).is_finished());
    }
}
