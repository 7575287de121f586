//! The standard output, or a file in its place, without waiting: what it does not take now is kept, so that the connection goes on being served.
//!
//! Its descriptor is shared with other programs and never switched to non-blocking. A pipe or terminal is opened a
//! second time for that; where the system does not allow it, it is asked before each write how it stands.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// What a pipe that has room at all takes without making the writer wait.
const PIPE_BYTES: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// How much is kept before [`StandardOutput::is_full`] asks for a pause.
const KEPT_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug)]
enum Sink {
    /// Not opened yet; everything is kept.
    None,
    /// A regular file or a device that is always ready.
    Direct(File),
    /// Our own description of a pipe or terminal, which does not block.
    Own(AsyncFd<File>),
    /// The shared description, asked before each write.
    Shared(AsyncFd<File>),
}

/// The standard output and what it has not taken yet.
#[derive(Debug)]
pub(super) struct StandardOutput {
    sink: Sink,
    /// Large parts before the rest, each taken over and not copied.
    parts: VecDeque<Bytes>,
    kept: Vec<u8>,
    /// How much of the first part, or else of the rest, has been taken.
    written: usize,
}

impl StandardOutput {
    /// Takes the process's standard output; needs the runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor is closed.
    pub(super) fn new() -> io::Result<Self> {
        let mut output = Self::unopened();
        output.open(None)?;
        Ok(output)
    }

    /// Keeps everything until [`StandardOutput::open`].
    pub(super) const fn unopened() -> Self {
        Self { sink: Sink::None, parts: VecDeque::new(), kept: Vec::new(), written: 0 }
    }

    /// Whether there is nothing yet to write to.
    pub(super) const fn is_unopened(&self) -> bool {
        matches!(self.sink, Sink::None)
    }

    /// Goes to `file` from now on, which does not block, or else to the process's standard output; needs the runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor is closed.
    pub(super) fn open(&mut self, file: Option<File>) -> io::Result<()> {
        self.sink = match file {
            Some(file) => watch(file).map_or_else(Sink::Direct, Sink::Own),
            None => of_stdout()?,
        };
        Ok(())
    }

    /// The end of what is kept, for appending.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.kept
    }

    /// Takes all of `bytes`, which is left empty.
    #[inline]
    pub(super) fn append(&mut self, bytes: &mut Vec<u8>) {
        if self.kept.is_empty() {
            std::mem::swap(&mut self.kept, bytes);
        } else {
            self.kept.append(bytes);
        }
    }

    /// Takes `bytes` as they are: a second copy of a large payload could be too much.
    pub(super) fn append_shared(&mut self, bytes: Bytes) {
        if !self.kept.is_empty() {
            let mut before = Bytes::from(std::mem::take(&mut self.kept));
            if self.parts.is_empty() {
                before.advance(std::mem::take(&mut self.written));
            }
            self.parts.push_back(before);
        }
        self.parts.push_back(bytes);
    }

    /// Whether so much is kept that no more should be appended.
    pub(super) fn is_full(&self) -> bool {
        let parts: usize = self.parts.iter().map(Bytes::len).sum();
        parts + self.kept.len() - self.written >= KEPT_BYTES_MAX
    }

    /// Whether everything has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.kept.is_empty()
    }

    /// Forgets what is kept, because nobody will read it.
    pub(super) fn discard(&mut self) {
        self.parts.clear();
        self.kept.clear();
        self.written = 0;
    }

    /// Hands over as much as is taken without waiting.
    ///
    /// # Errors
    ///
    /// When nobody reads any more, or the disk is full.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        loop {
            let first = self.parts.front().map_or(self.kept.as_slice(), Bytes::as_ref);
            let rest = &first[self.written..];
            if rest.is_empty() {
                self.written = 0;
                if self.parts.pop_front().is_some() {
                    continue;
                }
                self.kept.clear();
                return Ok(());
            }
            let result = match &self.sink {
                Sink::None => return Ok(()),
                Sink::Direct(file) => write_once(file, rest),
                Sink::Own(own) => write_once(own.get_ref(), rest),
                Sink::Shared(shared) => write_where_asked(shared.get_ref(), rest),
            };
            match result {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until more can be handed over (when something is kept) or until nobody reads any more, which is an error.
    ///
    /// Safe to be dropped while it waits.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::BrokenPipe`].
    pub(super) async fn changed(&self) -> io::Result<()> {
        let watched = match &self.sink {
            Sink::None | Sink::Direct(_) => return std::future::pending().await,
            Sink::Own(watched) | Sink::Shared(watched) => watched,
        };
        loop {
            let mut guard = watched.ready(Interest::WRITABLE).await?;
            let events = state(watched.get_ref())?;
            if events & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if events & libc::POLLOUT != 0 && !self.is_empty() {
                return Ok(());
            }
            guard.clear_ready_matching(Ready::WRITABLE);
        }
    }
}

fn of_stdout() -> io::Result<Sink> {
    let shared = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if shared.metadata()?.is_file() {
        return Ok(Sink::Direct(shared));
    }
    Ok(match reopen(&shared).map(watch) {
        Ok(Ok(own)) => Sink::Own(own),
        Ok(Err(direct)) => Sink::Direct(direct),
        Err(_) => match watch(shared) {
            Ok(shared) => Sink::Shared(shared),
            Err(direct) => Sink::Direct(direct),
        },
    })
}

/// Opens the same pipe or terminal anew: another description, whose flags are ours alone.
fn reopen(shared: &File) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/dev/fd/{}", shared.as_raw_fd()))
}

/// Registers with the runtime; gives the file back when it cannot be watched.
fn watch(file: File) -> Result<AsyncFd<File>, File> {
    // SAFETY: the file owns its descriptor for as long as the registration lives.
    let watched = unsafe { AsyncFd::register_with_interest(file, Interest::WRITABLE) };
    watched.map_err(|error| error.into_parts().0)
}

/// Asks how `file` stands, without waiting.
fn state(file: &File) -> io::Result<i16> {
    let mut entry = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry is passed, and it lives through the call.
    match unsafe { libc::poll(&raw mut entry, 1, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(entry.revents),
    }
}

/// Writes a part that does not have to wait; [`io::ErrorKind::WouldBlock`] when there is none.
pub(super) fn write_where_asked(file: &File, bytes: &[u8]) -> io::Result<usize> {
    if state(file)? & (libc::POLLOUT | libc::POLLERR) == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    write_once(file, &bytes[..bytes.len().min(PIPE_BYTES)])
}

fn write_once(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    file.write(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    #[test]
    fn what_is_shared_keeps_its_place_between_what_is_copied() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut output = StandardOutput::unopened();
        for (copied, shared) in [("a", "B"), ("", "C"), ("d", "E")] {
            output.append(&mut copied.into());
            output.append_shared(shared.into());
        }
        output.append(&mut "f".into());
        assert!(!output.is_empty());

        output.sink = Sink::Direct(File::from(OwnedFd::from(writer)));
        output.flush().unwrap();
        assert!(output.is_empty());
        output.append(&mut "g".into());
        output.flush().unwrap();
        drop(output);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "aBCdEfg");
    }
}
