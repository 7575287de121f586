//! tokio round the pure core: sockets, drivers, child processes.
