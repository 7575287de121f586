//! A session and the transport that carries it, turn by turn.

use super::read_block::ReadBlock;
use super::timer::Timer;
use super::{Clock, Stream};
use crate::packet::{PublishRef, Transmit};
use crate::session::{Offered, Session, SessionError};
use crate::time::Time;
use bytes::Bytes;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use thiserror::Error;

/// How often one flush asks the session for more, so that a fast peer cannot keep a turn from reading.
const WRITES_PER_FLUSH_MAX: usize = 16;

/// How many slices go into one system call.
const SLICES_MAX: usize = 64;

/// Below this a read may be one of a peer that waits for our acknowledgement, in bytes.
pub(super) const SHORT_READ_BYTES: usize = 4096;

/// Why a turn ended the connection.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The peer broke the protocol, or did not answer in time.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The peer closed or reset the connection.
    #[error("the connection was closed by the peer")]
    Closed,
    /// The transport failed.
    #[error(transparent)]
    Io(io::Error),
}

/// What a turn waited for.
enum Awaited {
    Read(Bytes),
    Writable,
    Timeout,
}

/// Drives a [`Session`] over one [`Stream`] after another.
///
/// The caller calls [`Client::turn`] and drains [`Session::poll_event`] after each, also after one that failed: the
/// last events may explain why.
#[derive(Debug)]
pub struct Client {
    session: Session,
    clock: Clock,
    stream: Option<Stream>,
    /// What the session gave out and the transport has not taken.
    transmit: Transmit,
    block: ReadBlock,
    timer: Timer,
    /// Whether a short read was not answered by a write yet.
    owes_acknowledgement: bool,
    /// Whether turns read.
    is_reading: bool,
}

impl Client {
    /// A client without a transport; times are those of `clock`.
    #[must_use]
    pub fn new(session: Session, clock: Clock) -> Self {
        Self {
            session,
            clock,
            stream: None,
            transmit: Transmit::new(),
            block: ReadBlock::default(),
            timer: Timer::default(),
            owes_acknowledgement: false,
            is_reading: true,
        }
    }

    /// Goes on over `stream`; the session queues its CONNECT.
    pub fn attach(&mut self, stream: Stream) {
        self.detach();
        self.stream = Some(stream);
        self.session.handle_open(self.clock.now());
    }

    /// Drops the transport, if there is one, with what was on its way.
    fn detach(&mut self) {
        if self.stream.take().is_some() {
            self.session.handle_closed(self.clock.now());
        }
        self.transmit.clear();
        self.owes_acknowledgement = false;
    }

    /// Whether a transport is attached.
    #[must_use]
    pub const fn is_attached(&self) -> bool {
        self.stream.is_some()
    }

    /// The session, for commands and events.
    pub const fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// How late it is.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Bytes that the session gave out and the transport has not taken.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.transmit.len()
    }

    /// Stops and starts the reading, for those who cannot take more messages; the server's bytes wait in its socket,
    /// and keep alive goes on.
    pub fn set_reading(&mut self, is_reading: bool) {
        self.is_reading = is_reading;
        self.session.set_reading(self.clock.now(), is_reading);
    }

    /// One step: writes what is ready, waits for the transport or the session's timer, reads once, writes again.
    ///
    /// Cancel-safe: dropped while it waits, it has lost nothing. Without a transport it only waits for the timer.
    ///
    /// # Errors
    ///
    /// Any [`ClientError`]; the transport is gone then.
    pub async fn turn(&mut self) -> Result<(), ClientError> {
        self.turn_with(|_| Offered::Declined).await
    }

    /// As [`Client::turn`], but offers messages of QoS 0 and 1 to `take` first, as
    /// [`Session::handle_bytes_with`] does.
    ///
    /// # Errors
    ///
    /// As [`Client::turn`].
    pub async fn turn_with(
        &mut self,
        take: impl FnMut(&PublishRef<'_>) -> Offered,
    ) -> Result<(), ClientError> {
        self.flush()?;
        match poll_fn(|context| self.poll_awaited(context)).await {
            Ok(Awaited::Read(block)) if block.is_empty() => return Err(self.lost(None)),
            Ok(Awaited::Read(block)) => {
                self.owes_acknowledgement = block.len() < SHORT_READ_BYTES;
                let handled = self.session.handle_bytes_with(self.clock.now(), block, take);
                self.end_on_error(handled)?;
            }
            Ok(Awaited::Writable) => {}
            Ok(Awaited::Timeout) => {
                let handled = self.session.handle_timeout(self.clock.now());
                self.end_on_error(handled)?;
            }
            Err(error) => return Err(self.lost(Some(error))),
        }
        self.flush()?;
        if std::mem::take(&mut self.owes_acknowledgement) {
            self.stream.as_ref().inspect(|stream| stream.acknowledge_quickly());
        }
        Ok(())
    }

    /// Writes until the transport would block, then tells whether all is written.
    ///
    /// # Errors
    ///
    /// As [`Client::turn`].
    pub fn flush(&mut self) -> Result<bool, ClientError> {
        match self.try_flush() {
            Ok(is_done) => Ok(is_done),
            Err(error) => Err(self.lost_while_writing(error)),
        }
    }

    /// Ends the transport in order: the peer sees the end behind the last byte that was written.
    pub fn shutdown(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.shutdown_write(&mut Context::from_waker(std::task::Waker::noop()));
            // Closing with unread bytes would reset the connection and could overtake what was just written.
            let unread = std::iter::repeat_with(|| self.block.try_read(stream));
            unread
                .take(WRITES_PER_FLUSH_MAX)
                .take_while(|read| read.as_ref().is_ok_and(|b| !b.is_empty()))
                .count();
        }
        self.detach();
    }

    fn poll_awaited(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Awaited>> {
        if let Some(stream) = &mut self.stream {
            if self.is_reading
                && let Poll::Ready(read) = self.block.poll_read(stream, context)
            {
                return Poll::Ready(read.map(Awaited::Read));
            }
            let waits = !self.transmit.is_empty() || !stream.is_flushed();
            if waits && let Poll::Ready(ready) = stream.poll_write_ready(context) {
                return Poll::Ready(ready.map(|()| Awaited::Writable));
            }
        }
        self.timer.poll(context, &self.clock, self.session.poll_timeout()).map(|()| Ok(Awaited::Timeout))
    }

    fn try_flush(&mut self) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else {
            return Ok(true);
        };
        for _ in 0..WRITES_PER_FLUSH_MAX {
            if self.transmit.is_empty() {
                self.session.poll_transmit(&mut self.transmit);
                if self.transmit.is_empty() {
                    return Ok(stream.is_flushed());
                }
            }
            self.owes_acknowledgement = false;
            if !write_once(stream, &mut self.transmit)? {
                return Ok(false);
            }
        }
        Ok(self.transmit.is_empty() && stream.is_flushed())
    }

    fn end_on_error(&mut self, handled: Result<(), SessionError>) -> Result<(), ClientError> {
        let Err(error) = handled else {
            return Ok(());
        };
        // The session may have queued a DISCONNECT that names the fault [MQTT-4.13.1-1].
        let _ = self.try_flush();
        self.shutdown();
        Err(error.into())
    }

    /// The writing direction is gone; what the peer said before it left is still to be heard.
    fn lost_while_writing(&mut self, error: io::Error) -> ClientError {
        for _ in 0..WRITES_PER_FLUSH_MAX {
            let Some(Ok(block)) = self.stream.as_mut().map(|stream| self.block.try_read(stream)) else {
                break;
            };
            if block.is_empty() || self.session.handle_bytes(self.clock.now(), block).is_err() {
                break;
            }
        }
        self.lost(Some(error))
    }

    fn lost(&mut self, error: Option<io::Error>) -> ClientError {
        self.detach();
        match error {
            Some(error) if !is_closed_by_peer(&error) => ClientError::Io(error),
            _ => ClientError::Closed,
        }
    }
}

/// Writes once what waits in `transmit`; false when the transport took less than all of it.
pub(super) fn write_once(stream: &mut Stream, transmit: &mut Transmit) -> io::Result<bool> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let used = transmit.io_slices(&mut slices);
    let offered: usize = slices[..used].iter().map(|slice| slice.len()).sum();
    match stream.try_write_vectored(&slices[..used]) {
        Ok(written) => {
            transmit.advance(written);
            Ok(written == offered)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_closed_by_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}
