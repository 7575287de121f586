//! A subscriber that reads no faster than it is told to, so that its messages wait at the broker.

use super::client::{Client, Stage};
use super::core::Core;
use crate::bench::plan::{Member, Plan, Role};
use std::cmp::Reverse;

/// Bytes of one read: small, so that reads are spread as messages would be.
pub(super) const READ_BYTES: usize = 512;

/// When a slow subscriber reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slow {
    /// Nanoseconds for each message.
    gap: u64,
    /// When it may read again, by the clock.
    next_at: u64,
    /// Whether it waits for that.
    is_queued: bool,
}

impl Slow {
    /// That of a client, if it is slow.
    pub(super) fn of(plan: &Plan, member: Member) -> Option<Box<Self>> {
        let (rate, count) = plan.subscription.slow?;
        if member.role != Role::Subscriber || member.index >= count {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // above 0; saturates
        let gap = (1e9 / rate) as u64;
        Some(Box::new(Self { gap, next_at: 0, is_queued: false }))
    }
}

impl Client {
    /// Whether it has to wait before it reads; then it is told when that is over.
    pub(super) fn waits_to_read(&mut self, core: &mut Core, token: usize) -> bool {
        let is_free = self.stage != Stage::Ready || core.is_past_load();
        let Some(slow) = self.slow.as_mut().filter(|_| !is_free) else { return false };
        if core.now() >= slow.next_at {
            return false;
        }
        if !std::mem::replace(&mut slow.is_queued, true) {
            core.reads.push(Reverse((slow.next_at, token)));
        }
        true
    }

    /// Its time has come.
    pub(super) fn read_again(&mut self, core: &mut Core, token: usize) {
        if let Some(slow) = &mut self.slow {
            slow.is_queued = false;
        }
        if self.socket.is_some() {
            self.readable(core, token, false);
        }
    }

    /// Bytes that it may read at once, of so many.
    pub(super) fn read_bytes(&self, core: &Core, most: usize) -> usize {
        let is_slow = self.slow.is_some() && self.stage == Stage::Ready && !core.is_past_load();
        if is_slow { READ_BYTES.min(most) } else { most }
    }

    /// Has read so many messages in a slow read; the next one waits.
    pub(super) fn has_read(&mut self, core: &mut Core, token: usize, messages: u64) {
        let Some(slow) = &mut self.slow else { return };
        slow.next_at = core.now().max(slow.next_at).saturating_add(messages.saturating_mul(slow.gap));
        if messages == 0 {
            // A part of one, or an answer: the rest of it may be read.
            core.again.push(token);
        } else {
            self.waits_to_read(core, token);
        }
    }
}
