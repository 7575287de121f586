//! The load generator: a schedule fixed in advance, latency from the moment a message was due, every delivery accounted for.
//!
//! The pure parts see no socket and no clock: [`stamp`], [`stream`]. The engine fills a [`result::RunResult`]; everything
//! behind it (summary, gates, files, merging, comparing) reads that and nothing else, so that a file says the same as the
//! run that wrote it.

pub mod histogram;
pub mod result;
pub mod stamp;
pub mod stream;
pub mod summary;
pub mod text;
pub mod threshold;
