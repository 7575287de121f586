//! Faults on purpose: rules that drop, delay, change or cut what two peers say to each other.
//!
//! Pure, as the broker is: a [`Line`] takes the bytes of a client and of a server, cuts them into packets, asks the
//! [`Rules`] about each, and gives what is to go on. Nothing is lost or changed unless a rule fires; each that does is in
//! the [`Journal`](crate::journal::Journal). The same seed and the same packets give the same faults.

mod edit;
mod fit;
mod line;
mod random;
mod rule;
mod rules;
mod shape;
#[cfg(feature = "json")]
pub mod spec;
mod splitter;
#[cfg(test)]
mod tests;

pub use edit::{ConnackEdit, OwnedValue};
pub use line::{Context, Ending, Line};
pub use rule::{Action, Match, Rule, Trigger};
pub use rules::{RuleId, Rules};
