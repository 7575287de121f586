//! tokio round the pure core: sockets, drivers, child processes.

mod clock;
mod dial;
pub mod process;
#[allow(dead_code)] // until the drivers have a session and a broker to drive
mod read_block;
#[cfg(feature = "socks")]
pub mod socks;
#[allow(dead_code)]
mod stream;
#[allow(dead_code)]
mod timer;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use clock::Clock;
pub use dial::{Endpoint, LookupError, Target, dial};
pub use stream::Stream;
