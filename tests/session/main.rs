//! The rules of the client's session, each kept once and broken once.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod aliases;
mod connecting;
mod cuts;
mod keep_alive;
mod limits;
mod publishing;
mod receiving;
mod requests;
mod resuming;
mod support;
mod tracing;
