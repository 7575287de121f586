//! The server's driver: one future that owns all listeners and connections of its thread.
//!
//! A turn reads once from each connection that is ready, lets the broker work, and writes once to each connection
//! that has something to send: one system call each way however many messages lie between.

mod accept;
mod connection;
mod driver;
mod listen;
mod ready;
mod transfer;

pub use driver::{Control, Observer, Server};
pub use listen::{ListenAddress, ListenError, ListenPlan, Listeners};
