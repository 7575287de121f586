//! How much memory the process has, looked at now and then: for `$SYS`, and for `memory_limit`.

use crate::broker::Broker;
use crate::time::Time;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_millis(250);

/// Watches the process's memory.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    /// Bytes; 0 for no limit. Whoever reads the configuration again changes it.
    limit: Arc<AtomicUsize>,
    looked_at: Option<Time>,
    is_short: bool,
}

impl MemoryWatch {
    /// Watches for more than `limit` bytes.
    pub(super) const fn new(limit: Arc<AtomicUsize>) -> Self {
        Self { limit, looked_at: None, is_short: false }
    }

    /// Tells `broker` how it stands; true when the limit has just been passed.
    pub(super) fn look(&mut self, now: Time, broker: &mut Broker) -> bool {
        if self.looked_at.is_some_and(|before| now.since(before) < INTERVAL) {
            return false;
        }
        self.looked_at = Some(now);
        if let Some(bytes) = heap_bytes() {
            broker.set_heap_bytes(bytes);
        }
        let limit = self.limit.load(Ordering::Relaxed);
        let is_short = limit > 0 && resident_bytes().is_some_and(|bytes| bytes > limit);
        let was_short = std::mem::replace(&mut self.is_short, is_short);
        broker.set_short_of_memory(is_short);
        is_short && !was_short
    }
}

/// What has been allocated and not given back; `None` where the allocator does not tell.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn heap_bytes() -> Option<u64> {
    // SAFETY: only reads the allocator's counters.
    let counted = unsafe { libc::mallinfo2() };
    u64::try_from(counted.uordblks.saturating_add(counted.hblkhd)).ok()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const fn heap_bytes() -> Option<u64> {
    None
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
        let limit = Arc::new(AtomicUsize::new(1));
        let mut watch = MemoryWatch::new(Arc::clone(&limit));
        let second = |number| Time::ZERO + Duration::from_secs(number);
        assert!(watch.look(second(1), &mut broker) && !watch.look(second(2), &mut broker));
        for (number, roomy) in [(3, usize::MAX), (5, 0)] {
            limit.store(roomy, Ordering::Relaxed);
            assert!(!watch.look(second(number), &mut broker));
            limit.store(1, Ordering::Relaxed);
            assert!(watch.look(second(number + 1), &mut broker), "a limit that is lowered again");
        }
    }
}
