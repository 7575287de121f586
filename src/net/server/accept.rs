//! Accepting as long as there are descriptors.

use super::handshake::Layers;
use super::listen::{Listener, Listeners, Peer};
use super::ready::{ReadyList, Source, SourceWaker};
use crate::net::Stream;
#[cfg(feature = "tls")]
use crate::net::tls::TlsServer;
use crate::time::Time;
use std::fs::File;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long listeners wait for a descriptor at most before they try again.
const PAUSE: Duration = Duration::from_secs(1);

/// What one call of accept gave.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A connection, by the plan of its listener.
    Stream(usize, Stream, Peer),
    /// One that has to go through these layers first.
    Below(Layers, usize, Stream, Peer),
    /// One that was closed at once because there is no descriptor for it.
    Refused,
    /// There is no descriptor for what waits, not even to close it: listeners wait for a while.
    Exhausted,
    /// One that broke before it was accepted.
    Broken,
    /// None waits, or none can be taken now.
    Nothing,
}

/// All listeners of a server.
#[derive(Debug)]
pub(super) struct Acceptor {
    listeners: Vec<(Listener, SourceWaker)>,
    /// Given up for a moment when there is no descriptor left, so that the peer hears of it and the loop does not spin.
    spare: Option<File>,
    /// Not even the spare descriptor was to be had: listeners wait until a connection ends, or for this.
    paused_until: Option<Time>,
}

impl Acceptor {
    pub(super) fn new(listeners: Listeners, ready: &ReadyList) -> Self {
        let wakers = (0..).map(|index| ready.source(Source::Listener(index)));
        let listeners: Vec<_> = listeners.sockets.into_iter().zip(wakers).collect();
        listeners.iter().for_each(|(_, waker)| waker.again());
        Self { listeners, spare: spare(), paused_until: None }
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
    pub(super) fn accept(&mut self, index: u32, now: Time) -> Accepted {
        let Some((listener, waker)) = self.listeners.get(index as usize) else {
            return Accepted::Nothing;
        };
        if self.paused_until.is_some() {
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
            Poll::Ready(Err(error)) if is_exhaustion(&error) => self.refuse(index, now),
            // The peer was gone before it was accepted.
            Poll::Ready(Err(_)) => Accepted::Broken,
        }
    }

    /// Out of descriptors: accepts with the spare one, and closes at once.
    ///
    /// The system says that it is out of descriptors before it looks whether a connection waits.
    fn refuse(&mut self, index: u32, now: Time) -> Accepted {
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
                self.paused_until = Some(now + PAUSE);
                Accepted::Exhausted
            }
        };
        self.spare = spare();
        accepted
    }

    /// When listeners that wait are to be tried again.
    pub(super) const fn poll_timeout(&self) -> Option<Time> {
        self.paused_until
    }

    /// Tries listeners again whose time has come: what was missing may have been another process's.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.is_relieved();
        }
    }

    /// A connection has ended, so that there is a descriptor again.
    pub(super) fn is_relieved(&mut self) {
        if self.paused_until.take().is_some() {
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
