//! Messages that come from another process, by the clock of that.

use super::core::Core;
use crate::bench::sync::Far;
use std::sync::atomic::Ordering::Relaxed;

impl Core {
    /// How long a message of another process took, as far as its clock is known; `None` where that is not asked for.
    pub(super) fn far_of(&mut self, run: u32, stream: u32, due: u64) -> Option<Option<Far>> {
        let shared = self.shared.clone();
        let peers = shared.peers.as_ref()?;
        if self.peers.len() as u64 != peers.count.load(Relaxed) {
            self.peers = peers.all();
        }
        if self.peers.get(self.last_peer).is_none_or(|peer| !peer.has(run, stream)) {
            self.last_peer = self.peers.iter().position(|peer| peer.has(run, stream)).unwrap_or(usize::MAX);
        }
        Some(self.peers.get(self.last_peer).and_then(|peer| peer.far(due, self.now())))
    }

    /// Takes how long a message from elsewhere took.
    pub(super) fn record_far(&mut self, far: Option<Far>, is_measured: bool) {
        let Some(far) = far else {
            self.outcome.unsynced += u64::from(is_measured);
            return;
        };
        if is_measured {
            self.outcome.negative += u64::from(far.latency < 0);
            self.outcome.clock_bound = self.outcome.clock_bound.max(far.bound);
        }
        // Below zero is within the bound, and so is zero.
        let latency = u64::try_from(far.latency).unwrap_or(0);
        self.tally_of(is_measured).latency.e2e.record_nanoseconds(latency);
    }
}
