//! A connected byte stream, whatever carries it.

use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A connected transport. Plain sockets are not boxed: each read and write of theirs is one system call away.
#[derive(Debug)]
pub enum Stream {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A unix domain socket.
    Unix(UnixStream),
}

impl Stream {
    /// Reads once into the free room of `block`; 0 at the end of the stream.
    ///
    /// Registers the waker of `context` when nothing is there.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        block: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => pin!(stream.read_buf(block)).poll(context),
            Self::Unix(stream) => pin!(stream.read_buf(block)).poll(context),
        }
    }

    /// Registers the waker of `context` for the next time that something can be read; ready when it can be already.
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(context),
            Self::Unix(stream) => stream.poll_read_ready(context),
        }
    }

    /// Registers the waker of `context` for the next time that something can be written.
    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
        }
    }

    /// Writes what the socket takes now, from all slices with one system call.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when it takes nothing.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Unix(stream) => stream.try_write_vectored(slices),
        }
    }

    /// Reads once into the free room of `block`, without waiting.
    pub(crate) fn try_read(&self, block: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(block),
            Self::Unix(stream) => stream.try_read_buf(block),
        }
    }

    /// Ends the writing direction, so that the peer sees the end behind the last byte.
    pub(crate) fn shutdown_write(&mut self, context: &mut Context<'_>) {
        // On plain sockets this never waits; a peer that is gone already is no fault.
        let _ = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        };
    }

    /// Asks the kernel to acknowledge what has arrived now instead of after its 40 ms.
    ///
    /// The kernel falls back by itself, so this is repeated where the peer may be waiting: a peer with Nagle's
    /// algorithm on holds its next small packet until the last one is acknowledged.
    pub(crate) fn acknowledge_quickly(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(stream) = self {
            // A hint only: a socket that does not know it works all the same.
            let _ = socket2::SockRef::from(stream).set_tcp_quickack(true);
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}
