//! The broker without sockets: many connections, one state machine.

pub mod retained;
pub mod subscriptions;
