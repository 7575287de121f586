//! Scenarios: what is to happen between a broker and devices, and whether it did.
//!
//! [`mod@load`] reads files into [`Loaded`] scenarios, [`engine::run`] runs one on a broker of its own or in front of another, and
//! [`report`] tells of the [`Outcome`]s.

mod background;
mod clients;
mod compile;
pub mod control;
pub mod decode;
mod device;
pub mod engine;
mod events;
mod expect;
pub mod expectation;
mod files;
pub(crate) mod group;
pub mod load;
mod names;
mod outcome;
pub mod report;
pub mod scenario;
mod source;
mod start;
mod steps;
mod text;
mod validate;
mod variables;
mod yaml;

pub use load::{LoadError, Loaded};
pub use outcome::{Outcome, StepOutcome, Verdict};

/// What devices and commands find in their environment: where `broker` is, and who may connect to it.
#[must_use]
pub fn environment(broker: &crate::test_broker::TestBroker) -> Vec<(String, String)> {
    start::environment(broker)
}
