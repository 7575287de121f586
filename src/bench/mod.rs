//! The load generator: a schedule fixed in advance, latency from the moment a message was due, every delivery accounted for.
//!
//! The pure parts see no socket and no clock: [`schedule`], [`stamp`], [`stream`], [`template`], [`payload`], [`link`],
//! [`window`], [`wheel`], [`verdict`], [`find`]. [`plan`] says what a run is to do, [`run`] does it and fills a
//! [`result::RunResult`]; everything behind it (summary, gates, files, merging, comparing) reads that and nothing else, so
//! that a file says the same as the run that wrote it.

pub mod baseline;
pub mod compare;
pub mod embedded;
pub mod find;
pub mod histogram;
pub mod link;
pub mod machine;
pub mod merge;
pub mod offset;
pub mod payload;
pub mod plan;
pub mod preflight;
pub mod result;
pub mod run;
pub mod schedule;
pub mod side;
pub mod sink;
pub mod stamp;
pub mod steady;
pub mod storm;
pub mod stream;
pub mod summary;
mod sync;
pub mod sys_check;
pub mod template;
pub mod text;
pub mod threshold;
pub mod verdict;
pub mod view;
pub mod wheel;
pub mod window;
mod worker;
