//! Rules that are taken back when a test is done with them.

use super::TestBroker;
use crate::fault::{Rule, RuleId};
use std::time::Duration;

/// Names a rule of one broker.
pub type FaultId = RuleId;

/// A rule in force; dropped, it is taken back and lets go what it holds.
#[derive(Debug)]
#[must_use = "the rule is taken back when this is dropped"]
pub struct FaultGuard {
    broker: TestBroker,
    id: RuleId,
    is_kept: bool,
}

impl FaultGuard {
    pub(super) fn new(broker: TestBroker, rule: Rule) -> Self {
        let id = broker.hub().with(|state| state.add_rule(rule));
        Self { broker, id, is_kept: false }
    }

    /// How often it has fired.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.broker.hub().lock().rules.hits(self.id).unwrap_or(0)
    }

    /// Lets go what it holds; how many packets that were.
    pub fn release(&self) -> usize {
        self.broker.hub().with(|state| state.release(self.id))
    }

    /// Waits until it has fired at least `count` times; false when that takes longer than `within`.
    pub async fn fired_within(&self, count: u64, within: Duration) -> bool {
        let id = self.id;
        let is_reached = |state: &mut super::state::State| {
            state.rules.hits(id).is_some_and(|hits| hits >= count).then_some(())
        };
        self.broker.hub().wait(within, is_reached).await.is_ok()
    }

    /// Waits until it has fired at least `count` times.
    ///
    /// # Panics
    ///
    /// When that takes longer than [`super::WAIT`].
    pub async fn fired(&self, count: u64) {
        if !self.fired_within(count, super::WAIT).await {
            self.broker.fail(&format!("the rule fired {} times and not {count}", self.hits()));
        }
    }

    /// The rule stays for as long as the broker does.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if !self.is_kept {
            self.broker.hub().with(|state| state.remove_rule(self.id));
        }
    }
}
