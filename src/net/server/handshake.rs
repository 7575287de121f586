//! What a new connection goes through before the broker sees it: PROXY header, TLS, WebSocket.
//!
//! Only listeners with such layers come here; a plain one hands its sockets to the driver at once.

use super::listen::Peer;
use super::proxy_protocol::{self, ProxyProtocol};
use super::ready::{ReadyList, Source, SourceWaker};
#[cfg(any(feature = "tls", feature = "websocket"))]
use crate::net::Layered;
use crate::net::Stream;
#[cfg(any(feature = "tls", feature = "websocket"))]
use crate::net::Transport;
#[cfg(feature = "tls")]
use crate::net::tls::TlsServer;
#[cfg(feature = "websocket")]
use crate::net::websocket::{self, WebSocketError, WebSocketPlan};
use crate::packet::Text;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinSet;

/// How many handshakes of one server are under way at most; what comes then is closed at once.
const HANDSHAKES_MAX: usize = 8192;

/// The layers of a listener, from the socket upwards.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    pub(super) proxy_protocol: Option<ProxyProtocol>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsServer>,
    #[cfg(feature = "websocket")]
    pub(super) websocket: Option<WebSocketPlan>,
}

impl Layers {
    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        #[cfg(feature = "websocket")]
        if self.websocket.is_some() {
            return false;
        }
        self.proxy_protocol.is_none()
    }
}

/// A connection that is through.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) plan: usize,
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    /// The User Name that its certificate stands for.
    pub(super) identity: Option<Text>,
}

/// A connection that did not get through.
#[derive(Debug)]
pub struct HandshakeFailure {
    /// Which of the listeners accepted it.
    pub listener: usize,
    /// The peer, as far as it is known.
    pub peer: Option<SocketAddr>,
    /// What went wrong.
    pub error: io::Error,
}

/// Handshakes that are under way.
#[derive(Debug)]
pub(super) struct Handshakes {
    tasks: JoinSet<Result<Arrival, HandshakeFailure>>,
    waker: SourceWaker,
}

impl Handshakes {
    pub(super) fn new(ready: &ReadyList) -> Self {
        Self { tasks: JoinSet::new(), waker: ready.source(Source::Handshakes) }
    }

    /// Begins one that may take as long as `timeout`; false when there are too many.
    pub(super) fn begin(
        &mut self,
        plan: usize,
        stream: Stream,
        peer: Peer,
        layers: Layers,
        timeout: Duration,
    ) -> bool {
        if self.tasks.len() >= HANDSHAKES_MAX {
            return false;
        }
        self.tasks.spawn(async move {
            let mut peer = peer;
            let climbed = tokio::time::timeout(timeout, climb(stream, &mut peer, &layers)).await;
            let climbed = climbed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            match climbed {
                Ok((stream, identity)) => Ok(Arrival { plan, stream, peer, identity }),
                Err(error) => Err(HandshakeFailure { listener: plan, peer, error }),
            }
        });
        self.waker.again();
        true
    }

    pub(super) fn is_taken(&self) {
        self.waker.is_taken();
    }

    /// The next that has ended.
    pub(super) fn poll_next(&mut self) -> Option<Result<Arrival, HandshakeFailure>> {
        loop {
            match self.tasks.poll_join_next(&mut Context::from_waker(self.waker.waker())) {
                Poll::Ready(Some(Ok(result))) => return Some(result),
                // It panicked: its connection is gone, the others are not.
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) | Poll::Pending => return None,
            }
        }
    }

    /// Ends all of them.
    pub(super) fn stop(&mut self) {
        self.tasks.abort_all();
    }
}

pub(super) async fn climb(
    mut stream: Stream,
    peer: &mut Peer,
    layers: &Layers,
) -> io::Result<(Stream, Option<Text>)> {
    if let Some(version) = layers.proxy_protocol {
        let source = match &mut stream {
            Stream::Tcp(stream) => proxy_protocol::read(stream, version).await?,
            Stream::Unix(stream) => proxy_protocol::read(stream, version).await?,
            Stream::Layered(_) => None,
        };
        *peer = source.or(*peer);
    }
    #[cfg(any(feature = "tls", feature = "websocket"))]
    return match stream {
        Stream::Tcp(stream) => climb_over(stream, Stream::Tcp, peer, layers).await,
        Stream::Unix(stream) => climb_over(stream, Stream::Unix, peer, layers).await,
        layered @ Stream::Layered(_) => Ok((layered, None)),
    };
    #[cfg(not(any(feature = "tls", feature = "websocket")))]
    Ok((stream, None))
}

/// TLS and what is above it; `plain` wraps the socket when there is neither.
#[cfg(any(feature = "tls", feature = "websocket"))]
async fn climb_over<S: Transport + 'static>(
    socket: S,
    plain: fn(S) -> Stream,
    peer: &mut Peer,
    layers: &Layers,
) -> io::Result<(Stream, Option<Text>)> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &layers.tls {
        let (stream, identity) = tls.accept(socket).await?;
        let layered = |stream| Stream::Layered(Layered::new(stream));
        return Ok((upgrade(stream, layered, peer, layers).await?, identity));
    }
    Ok((upgrade(socket, plain, peer, layers).await?, None))
}

/// WebSocket; `below` wraps what is below it when there is none.
#[cfg(any(feature = "tls", feature = "websocket"))]
async fn upgrade<S: Transport + 'static>(
    stream: S,
    below: impl FnOnce(S) -> Stream,
    peer: &mut Peer,
    layers: &Layers,
) -> io::Result<Stream> {
    #[cfg(feature = "websocket")]
    if let Some(plan) = &layers.websocket {
        let accepted = websocket::accept(stream, plan).await;
        let (stream, forwarded_for) = accepted.map_err(|error| match error {
            WebSocketError::Io(error) => error,
            refused @ WebSocketError::Refused(_) => io::Error::other(refused),
        })?;
        if let Some(address) = forwarded_for {
            *peer = Some(SocketAddr::new(address, peer.map_or(0, |peer| peer.port())));
        }
        return Ok(Stream::Layered(Layered::new(Box::new(stream))));
    }
    let _ = (peer, layers);
    Ok(below(stream))
}
