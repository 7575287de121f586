//! The one clock: monotonic, from the program's start.

use crate::time::Time;
use std::time::{Duration, Instant};

/// Tells the core's [`Time`]: nanoseconds since it was started, never backwards.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at [`Time::ZERO`] now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// How late it is.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// The runtime's name for `time`; moments too far to be named become one in a year.
    pub(crate) fn instant(&self, time: Time) -> tokio::time::Instant {
        let distance = Duration::from_nanos(time.as_nanos());
        let year = Duration::from_secs(365 * 24 * 3600);
        self.start.checked_add(distance).unwrap_or_else(|| Instant::now() + year).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_has_an_instant_and_later_ones_are_later() {
        let clock = Clock::start();
        let soon = clock.instant(Time::from_nanos(5));
        assert!(soon < clock.instant(Time::from_nanos(6)));
        assert!(soon < clock.instant(Time::MAX));
    }
}
