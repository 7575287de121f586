//! The one clock of all workers, and what the threads have used of their processors.

use crate::time::Time;
use rustix::time::{ClockId, clock_gettime};

/// Tells the time since the start of the program by the kernel's monotonic clock, which timers share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: u64,
}

impl Clock {
    /// Starts at [`Time::ZERO`] now.
    pub(crate) fn start() -> Self {
        Self { base: nanos(ClockId::Monotonic) }
    }

    /// When it was started, by the monotonic clock, in nanoseconds.
    pub(crate) const fn base(self) -> u64 {
        self.base
    }

    /// How late it is.
    #[inline]
    pub(crate) fn now(self) -> Time {
        Time::from_nanos(nanos(ClockId::Monotonic).saturating_sub(self.base))
    }
}

/// What this thread has used of its processor, in nanoseconds.
pub(crate) fn thread_nanos() -> u64 {
    nanos(ClockId::ThreadCPUTime)
}

#[inline]
#[allow(clippy::cast_sign_loss)] // these clocks never run below zero
fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
