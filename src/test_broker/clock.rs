//! The clock that the broker's timers and the delays of faults follow.

use crate::net;
use crate::time::Time;
use std::time::Duration;

/// Who moves the clock of a test broker.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Clock {
    /// Time goes by, and a test may turn it forward.
    #[default]
    Running,
    /// Time stands still until a test turns it.
    Manual,
}

impl Clock {
    /// A clock that stands still until it is turned.
    #[must_use]
    pub const fn manual() -> Self {
        Self::Manual
    }
}

/// Keeps the time of one broker.
#[derive(Debug)]
pub(super) struct Timepiece {
    kind: Clock,
    real: net::Clock,
    turned: Duration,
}

impl Timepiece {
    pub(super) fn new(kind: Clock) -> Self {
        Self { kind, real: net::Clock::start(), turned: Duration::ZERO }
    }

    /// The time that timers follow.
    pub(super) fn now(&self) -> Time {
        match self.kind {
            Clock::Running => self.real.now() + self.turned,
            Clock::Manual => Time::ZERO + self.turned,
        }
    }

    /// The time of the journal, which nobody turns.
    pub(super) fn stamp(&self) -> Time {
        self.real.now()
    }

    /// Turns the clock forward to `time`; it never goes back.
    pub(super) fn turn_to(&mut self, time: Time) {
        self.turned += time.since(self.now());
    }

    /// How long until `time`; `None` when it will not come by itself.
    pub(super) fn until(&self, time: Time) -> Option<Duration> {
        match self.kind {
            Clock::Running => Some(time.since(self.now())),
            Clock::Manual => (time <= self.now()).then_some(Duration::ZERO),
        }
    }
}
