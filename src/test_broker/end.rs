//! One end of a line as a stream of bytes: what sockets are joined to, and what a test may hold itself.

use super::hub::Hub;
use super::state::{TAKE_BYTES_MAX, Taken};
use crate::fault::Ending;
use crate::packet::Sender;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end of a line; dropped, it is as a socket that was closed.
#[derive(Debug)]
pub(super) struct End {
    hub: Arc<Hub>,
    line: u64,
    side: Sender,
}

impl End {
    pub(super) const fn new(hub: Arc<Hub>, line: u64, side: Sender) -> Self {
        Self { hub, line, side }
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (line, side) = (self.line, self.side);
        match self.hub.with(|state| state.take(line, side, buffer.remaining(), context.waker())) {
            Taken::Bytes(bytes) => {
                buffer.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
            Taken::End(Ending::Finish) => Poll::Ready(Ok(())),
            Taken::End(Ending::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Taken::Nothing => Poll::Pending,
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (line, side) = (self.line, self.side);
        let part = &bytes[..bytes.len().min(TAKE_BYTES_MAX)];
        self.hub.with(|state| {
            if !state.is_open(line) {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if !state.has_room(line, side, context.waker()) {
                return Poll::Pending;
            }
            state.input(line, side, part);
            Poll::Ready(Ok(part.len()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (line, side) = (self.line, self.side);
        self.hub.with(|state| state.closed(line, side));
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let (line, side) = (self.line, self.side);
        self.hub.with(|state| state.dropped(line, side));
    }
}
