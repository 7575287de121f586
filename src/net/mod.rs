//! tokio round the pure core: sockets, drivers, child processes.

mod client;
mod clock;
mod dial;
pub mod process;
#[cfg(feature = "test-broker")]
mod prompt;
mod read_block;
pub mod server;
#[cfg(feature = "socks")]
pub mod socks;
#[cfg(feature = "srv")]
pub mod srv;
#[cfg(feature = "store")]
pub mod store;
mod stream;
mod timer;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use client::{Client, ClientError};
pub use clock::Clock;
pub use dial::{Endpoint, LookupError, Target, dial};
#[cfg(feature = "test-broker")]
pub(crate) use prompt::Prompt;
pub use stream::{Layered, Stream, Transport};
