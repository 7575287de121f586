//! A standard stream that the log goes to: a pipe whose reader does not read must not stop the broker.

use crate::commands::standard_output::write_where_asked;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// What waits for a reader at most, in bytes; further lines are counted and dropped.
const PENDING_BYTES_MAX: usize = 4 << 20;

/// A copy of a standard stream, and what it has not taken.
#[derive(Debug)]
pub(super) struct Pipe {
    stream: File,
    pending: Vec<u8>,
    lines_lost: usize,
}

impl Pipe {
    pub(super) fn new(stream: impl AsFd) -> io::Result<Self> {
        let stream = File::from(stream.as_fd().try_clone_to_owned()?);
        Ok(Self { stream, pending: Vec::new(), lines_lost: 0 })
    }

    /// Writes whole lines as far as they are taken; the rest waits.
    pub(super) fn write(&mut self, lines: &[u8]) {
        if self.pending.len() + lines.len() > PENDING_BYTES_MAX {
            self.lines_lost += lines.iter().filter(|&&byte| byte == b'\n').count();
        } else {
            self.pending.extend_from_slice(lines);
        }
        self.go_on();
    }

    /// Whether something waits.
    pub(super) const fn is_stuck(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes what waits, as far as it is taken.
    pub(super) fn go_on(&mut self) {
        let mut written = 0;
        while written < self.pending.len() {
            match write_where_asked(&self.stream, &self.pending[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A closed pipe: nobody will ever read it.
                Err(_) => written = self.pending.len(),
            }
        }
        self.pending.drain(..written);
        if self.pending.is_empty() {
            self.pending.shrink_to(64 * 1024);
            let lost = std::mem::take(&mut self.lines_lost);
            if lost > 0 {
                let told = format!("{lost} lines of the log were lost because nobody read it.\n");
                self.pending.extend_from_slice(told.as_bytes());
            }
        }
    }
}
