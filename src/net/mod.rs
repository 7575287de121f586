//! tokio round the pure core: sockets, drivers, child processes.

#[cfg(feature = "tls")]
pub mod tls;
