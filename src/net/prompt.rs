//! A TCP socket whose peer never waits for an acknowledgement.

use super::stream::Transport;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A transport that asks the kernel, behind each read, to acknowledge what has arrived now instead of after its 40 ms: a peer
/// with Nagle's algorithm on holds its next small packet until then. The kernel falls back by itself, so it is asked each time.
#[derive(Debug)]
pub(crate) struct Prompt {
    inner: Box<dyn Transport>,
    socket: Option<Arc<OwnedFd>>,
}

impl Prompt {
    /// `socket` is a descriptor of the TCP socket under `inner`; without one nothing is asked.
    pub(crate) fn new(inner: Box<dyn Transport>, socket: Option<Arc<OwnedFd>>) -> Self {
        Self { inner, socket }
    }

    fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        if let Some(socket) = &self.socket {
            // A hint only: a socket that does not know it, a unix one, works all the same.
            let _ = socket2::SockRef::from(socket.as_ref()).set_tcp_quickack(true);
        }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if read.is_ready() {
            self.acknowledge();
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
