//! Accepting as long as there are descriptors.

use super::handshake::Layers;
use super::listen::{Listener, Listeners, Peer};
use super::ready::{ReadyList, Source, SourceWaker};
use crate::net::Stream;
#[cfg(feature = "tls")]
use crate::net::tls::TlsServer;
use std::fs::File;
use std::io;
use std::task::{Context, Poll};

/// What one call of accept gave.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A connection, by the plan of its listener.
    Stream(usize, Stream, Peer),
    /// One that has to go through these layers first.
    Below(Layers, usize, Stream, Peer),
    /// One that was closed at once because there is no descriptor for it.
    Refused,
    /// One that broke before it was accepted.
    Broken,
    /// None waits, or none can be taken until a connection ends.
    Nothing,
}

/// All listeners of a server.
#[derive(Debug)]
pub(super) struct Acceptor {
    listeners: Vec<(Listener, SourceWaker)>,
    /// Given up for a moment when there is no descriptor left, so that the peer hears of it and the loop does not spin.
    spare: Option<File>,
    /// Not even the spare descriptor was to be had: listeners wait until a connection ends.
    is_paused: bool,
}

impl Acceptor {
    pub(super) fn new(listeners: Listeners, ready: &ReadyList) -> Self {
        let wakers = (0..).map(|index| ready.source(Source::Listener(index)));
        let listeners: Vec<_> = listeners.sockets.into_iter().zip(wakers).collect();
        listeners.iter().for_each(|(_, waker)| waker.again());
        Self { listeners, spare: spare(), is_paused: false }
    }

    pub(super) fn is_taken(&self, index: u32) {
        self.listeners.get(index as usize).inspect(|(_, waker)| waker.is_taken());
    }

    pub(super) fn again(&self, index: u32) {
        self.listeners.get(index as usize).inspect(|(_, waker)| waker.again());
    }

    /// Stops listening; what waits in the system's queue is refused by it.
    pub(super) fn stop(&mut self) {
        self.listeners.clear();
    }

    /// From now on the connections of listener `plan` are accepted with these certificates.
    #[cfg(feature = "tls")]
    pub(super) fn replace_tls(&mut self, plan: usize, tls: &TlsServer) {
        let listeners = self.listeners.iter_mut().map(|(listener, _)| listener);
        for listener in listeners.filter(|listener| listener.plan == plan && listener.layers.tls.is_some()) {
            listener.layers.tls = Some(tls.clone());
        }
    }

    /// Takes one connection of the listener at `index`.
    pub(super) fn accept(&mut self, index: u32) -> Accepted {
        let Some((listener, waker)) = self.listeners.get(index as usize) else {
            return Accepted::Nothing;
        };
        if self.is_paused {
            return Accepted::Nothing;
        }
        let context = &mut Context::from_waker(waker.waker());
        match listener.poll_accept(context) {
            Poll::Pending => Accepted::Nothing,
            Poll::Ready(Ok((stream, peer))) if listener.layers.is_empty() => {
                Accepted::Stream(listener.plan, stream, peer)
            }
            Poll::Ready(Ok((stream, peer))) => {
                Accepted::Below(listener.layers.clone(), listener.plan, stream, peer)
            }
            Poll::Ready(Err(error)) if is_exhaustion(&error) => self.refuse(index),
            // The peer was gone before it was accepted.
            Poll::Ready(Err(_)) => Accepted::Broken,
        }
    }

    /// Out of descriptors: accepts with the spare one, and closes at once.
    ///
    /// The system says that it is out of descriptors before it looks whether a connection waits.
    fn refuse(&mut self, index: u32) -> Accepted {
        let had_spare = self.spare.take().is_some();
        let (listener, waker) = &self.listeners[index as usize];
        let refused = listener.poll_accept(&mut Context::from_waker(waker.waker()));
        let accepted = match refused {
            Poll::Ready(Ok(connection)) if had_spare => {
                drop(connection);
                Accepted::Refused
            }
            Poll::Pending => Accepted::Nothing,
            Poll::Ready(_) => {
                self.is_paused = true;
                Accepted::Nothing
            }
        };
        self.spare = spare();
        accepted
    }

    /// A connection has ended, so that there is a descriptor again.
    pub(super) fn is_relieved(&mut self) {
        if self.is_paused {
            self.is_paused = false;
            self.listeners.iter().for_each(|(_, waker)| waker.again());
        }
        if self.spare.is_none() {
            self.spare = spare();
        }
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
