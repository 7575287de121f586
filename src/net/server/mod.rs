//! The server's driver: one future that owns all listeners and connections of its thread.
//!
//! A turn reads once from each connection that is ready, lets the broker work, and writes once to each connection
//! that has something to send: one system call each way however many messages lie between.

mod accept;
mod connection;
mod driver;
mod handshake;
mod incoming;
mod listen;
mod proxy_protocol;
mod ready;
mod transfer;

pub use driver::{Control, Observer, Server};
pub use handshake::HandshakeFailure;
pub use incoming::{Arriving, Incoming};
pub use listen::{AddressFamily, ListenAddress, ListenError, ListenPlan, Listeners};
pub use proxy_protocol::ProxyProtocol;
