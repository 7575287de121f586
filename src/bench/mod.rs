//! The load generator: a schedule fixed in advance, latency from the moment a message was due, every delivery accounted for.
//!
//! The pure parts see no socket and no clock: [`stamp`], [`stream`].

pub mod stamp;
pub mod stream;
