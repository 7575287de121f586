//! A connected byte stream, whatever carries it.

use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A connected transport. Plain sockets are not boxed: each read and write of theirs is one system call away.
#[derive(Debug)]
pub enum Stream {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A unix domain socket.
    Unix(UnixStream),
    /// TLS, WebSocket or a proxy over one of them.
    Layered(Layered),
}

/// What a layered transport is made of.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Transport for T {}

/// A transport with a protocol of its own between us and the socket, which may hold bytes back.
#[derive(Debug)]
pub struct Layered {
    inner: Box<dyn Transport>,
    /// Whether everything that was written has reached the socket.
    is_flushed: bool,
    /// Whether the last read left nothing behind and has registered its waker.
    is_drained: bool,
}

impl Layered {
    /// Wraps a connected transport.
    #[must_use]
    pub fn new(inner: Box<dyn Transport>) -> Self {
        Self { inner, is_flushed: true, is_drained: false }
    }

    /// Reads until `block` is full or the layer has no more: a layer gives one record or frame at a time.
    ///
    /// An error or the end behind bytes is found by the next read.
    fn poll_read(&mut self, context: &mut Context<'_>, block: &mut BytesMut) -> Poll<io::Result<usize>> {
        let before = block.len();
        self.is_drained = false;
        while block.len() < block.capacity() {
            match pin!(self.inner.read_buf(block)).poll(context) {
                Poll::Ready(Ok(0)) => break,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) if block.len() == before => return Poll::Ready(Err(error)),
                Poll::Ready(Err(_)) => break,
                Poll::Pending => {
                    self.is_drained = true;
                    break;
                }
            }
        }
        match block.len() - before {
            0 if self.is_drained => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.is_flushed = flushed.is_ready();
        flushed
    }

    fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let context = &mut Context::from_waker(Waker::noop());
        if !self.is_flushed && self.poll_flush(context)?.is_pending() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            match Pin::new(&mut self.inner).poll_write(context, slice) {
                Poll::Ready(Ok(count)) => {
                    written += count;
                    self.is_flushed = false;
                    if count < slice.len() {
                        break;
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        // What stays behind is flushed when the socket can be written again.
        let _ = self.poll_flush(context)?;
        if written == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }
}

impl Stream {
    /// The transport for another layer on top.
    pub(crate) fn into_transport(self) -> Box<dyn Transport> {
        match self {
            Self::Tcp(stream) => Box::new(stream),
            Self::Unix(stream) => Box::new(stream),
            Self::Layered(layered) => layered.inner,
        }
    }

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
            Self::Layered(layered) => layered.poll_read(context, block),
        }
    }

    /// Registers the waker of `context` for the next time that something can be read; ready when it can be already.
    ///
    /// A layer cannot tell without reading, so it says what its last read found out.
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(context),
            Self::Unix(stream) => stream.poll_read_ready(context),
            Self::Layered(layered) if layered.is_drained => Poll::Pending,
            Self::Layered(_) => Poll::Ready(Ok(())),
        }
    }

    /// Registers the waker of `context` for the next time that something can be written.
    pub(crate) fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
            Self::Layered(layered) => layered.poll_flush(context),
        }
    }

    /// Whether everything that was written has reached the socket; a plain socket holds nothing back.
    pub(crate) const fn is_flushed(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => true,
            Self::Layered(layered) => layered.is_flushed,
        }
    }

    /// Writes what the socket takes now, from all slices with one system call.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when it takes nothing.
    pub fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Unix(stream) => stream.try_write_vectored(slices),
            Self::Layered(layered) => layered.try_write(slices),
        }
    }

    /// Reads once into the free room of `block`, without waiting.
    pub(crate) fn try_read(&mut self, block: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(block),
            Self::Unix(stream) => stream.try_read_buf(block),
            Self::Layered(_) => match self.poll_read(&mut Context::from_waker(Waker::noop()), block) {
                Poll::Ready(read) => read,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            },
        }
    }

    /// Ends the writing direction, so that the peer sees the end behind the last byte.
    pub(crate) fn shutdown_write(&mut self, context: &mut Context<'_>) {
        // On plain sockets this never waits; a peer that is gone already is no fault.
        let _ = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Layered(layered) => Pin::new(&mut layered.inner).poll_shutdown(context),
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
