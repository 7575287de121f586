//! Listeners one by one, for owners that serve each connection themselves.

use super::handshake::{Layers, climb};
use super::listen::{Listener, Listeners, Peer};
use crate::net::{Stream, Transport};
use crate::packet::Text;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

/// One bound listener.
#[derive(Debug)]
pub struct Incoming(Listener);

impl Listeners {
    /// The bound listeners, one by one; one plan may have two, for two families of addresses.
    #[must_use]
    pub fn into_incoming(self) -> Vec<Incoming> {
        self.sockets.into_iter().map(Incoming).collect()
    }
}

impl Incoming {
    /// The index of its plan.
    #[must_use]
    pub const fn plan(&self) -> usize {
        self.0.plan
    }

    /// A second descriptor of the listening socket, to see whether somebody waits there; `None` when there is no descriptor
    /// left.
    #[must_use]
    pub fn socket(&self) -> Option<OwnedFd> {
        self.0.copy().ok()
    }

    /// Waits for a connection. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Those of the system; the next call may well succeed.
    pub async fn accept(&self) -> io::Result<Arriving> {
        let (stream, peer) = std::future::poll_fn(|context| self.0.poll_accept(context)).await?;
        Ok(Arriving { plan: self.0.plan, stream, peer, layers: self.0.layers.clone() })
    }
}

impl Drop for Incoming {
    /// Stops listening at once, although a process that is just being started may still have a copy of the socket.
    fn drop(&mut self) {
        self.0.shut();
    }
}

/// An accepted connection whose layers (TLS, WebSocket) are still to come.
#[derive(Debug)]
pub struct Arriving {
    plan: usize,
    stream: Stream,
    peer: Peer,
    layers: Layers,
}

impl Arriving {
    /// The index of its listener's plan.
    #[must_use]
    pub const fn plan(&self) -> usize {
        self.plan
    }

    /// The peer's address; `None` on a unix socket.
    #[must_use]
    pub const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// A second descriptor of its socket; `None` when there is no descriptor left.
    #[must_use]
    pub fn socket(&self) -> Option<OwnedFd> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd().try_clone_to_owned().ok(),
            Stream::Unix(stream) => stream.as_fd().try_clone_to_owned().ok(),
            Stream::Layered(_) => None,
        }
    }

    /// The bare socket, without the layers.
    #[must_use]
    pub fn into_transport(self) -> Box<dyn Transport> {
        self.stream.into_transport()
    }

    /// Goes through the layers; gives the stream above them and the User Name that a certificate stands for.
    ///
    /// # Errors
    ///
    /// Those of the layers: the peer is no TLS or WebSocket client, or not one that is let in.
    pub async fn climb(mut self) -> io::Result<(Box<dyn Transport>, Option<Text>)> {
        let (stream, identity) = climb(self.stream, &mut self.peer, &self.layers).await?;
        Ok((stream.into_transport(), identity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::server::{ListenAddress, ListenPlan};

    /// A process that is just being started has copies of all sockets until it has become another program.
    #[tokio::test]
    async fn a_port_is_free_again_although_a_copy_of_its_socket_is_left() {
        let plan =
            |port| [ListenPlan::plain(ListenAddress::Tcp { host: Some("127.0.0.1".to_owned()), port })];
        let listeners = Listeners::bind(&plan(0)).unwrap();
        let port = listeners.local_addresses()[0].1.port();
        let incoming = listeners.into_incoming().remove(0);
        let copy = incoming.0.copy().unwrap();
        drop(incoming);
        assert!(Listeners::bind(&plan(port)).is_ok());
        drop(copy);
    }
}
