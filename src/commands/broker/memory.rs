//! `memory_limit`: how much memory the process has, looked at now and then.

use crate::broker::Broker;
use crate::time::Time;
use std::fs;
use std::time::Duration;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_millis(250);

/// Watches the process's memory, if it is limited.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    /// Bytes.
    limit: usize,
    looked_at: Time,
    is_short: bool,
}

impl MemoryWatch {
    /// Watches for more than `limit` bytes.
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, looked_at: Time::ZERO, is_short: false }
    }

    /// Tells `broker` how it stands; true when the limit has just been passed.
    pub(super) fn look(&mut self, now: Time, broker: &mut Broker) -> bool {
        if now.since(self.looked_at) < INTERVAL {
            return false;
        }
        self.looked_at = now;
        let is_short = resident_bytes().is_some_and(|bytes| bytes > self.limit);
        let was_short = std::mem::replace(&mut self.is_short, is_short);
        broker.set_short_of_memory(is_short);
        is_short && !was_short
    }
}

/// The memory that the process really has; `None` where the system does not tell.
fn resident_bytes() -> Option<usize> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<usize>().ok()?;
    // SAFETY: takes and gives plain numbers.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    pages.checked_mul(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Config;

    #[test]
    fn a_limit_that_is_passed_is_told_once() {
        let mut broker = Broker::new(Config::default(), Time::ZERO);
        let mut watch = MemoryWatch::new(1);
        let second = |number| Time::ZERO + Duration::from_secs(number);
        assert!(watch.look(second(1), &mut broker) && !watch.look(second(2), &mut broker));
        assert!(!MemoryWatch::new(usize::MAX).look(second(1), &mut broker));
    }
}
