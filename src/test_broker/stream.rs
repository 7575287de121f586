//! Connections without a socket.

use super::TestBroker;
use super::end::End;
use super::state::Arrival;
use crate::packet::Sender;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's end of a connection in memory; dropped, it is as a socket that was closed.
#[derive(Debug)]
pub struct TestStream {
    end: End,
}

impl TestStream {
    pub(super) fn new(broker: &TestBroker) -> Self {
        let arrival = Arrival {
            listener: 0,
            kind: "memory",
            address: String::new(),
            port: 0,
            socket: None,
            actor: None,
            is_inside: false,
        };
        // A line that nobody knows is at its end at once, as a connection that was refused.
        let line = broker.hub().with(|state| {
            let line = state.accept(&arrival)?;
            state.attach(line, &arrival, None);
            Some(line)
        });
        Self { end: End::new(Arc::clone(broker.hub()), line.unwrap_or(u64::MAX), Sender::Client) }
    }
}

impl AsyncRead for TestStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_read(context, buffer)
    }
}

impl AsyncWrite for TestStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.end).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(context)
    }
}
