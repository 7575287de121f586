//! How long the way is in one direction, and how wide.

use super::random::Random;
use crate::time::Time;
use std::time::Duration;

/// Latency, jitter and bandwidth of one direction; none by default.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    /// Bytes a second; 0 for no limit.
    pub(super) bandwidth: u64,
    /// When the last packet arrived; none arrives before one that was sent earlier.
    last: Time,
}

impl Shape {
    pub(super) const fn is_plain(&self) -> bool {
        self.delay.is_zero() && self.jitter.is_zero() && self.bandwidth == 0
    }

    /// When a packet of `length` bytes that is sent at `now` has arrived.
    pub(super) fn arrival(&mut self, now: Time, length: usize, random: &mut Random) -> Time {
        let jitter = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        let begin = (now + self.delay + Duration::from_nanos(random.below(jitter))).max(self.last);
        let transfer = match self.bandwidth {
            0 => Duration::ZERO,
            bytes => {
                let nanos = length as u128 * 1_000_000_000 / u128::from(bytes);
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        };
        self.last = begin + transfer;
        self.last
    }
}
