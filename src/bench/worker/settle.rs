//! A worker's part of the load: who does what before it, and what it came to behind it.

use super::checks::Checks;
use super::core::Core;
use super::sender::Sender;
use crate::bench::plan::{Member, Mode, Role};
use std::collections::HashMap;

/// Each member with its sending side and the number of its checks.
pub(super) fn parts(core: &mut Core, members: &[(u64, Member)]) -> Vec<(Member, Option<Box<Sender>>, usize)> {
    let shared = core.shared.clone();
    let plan = &shared.plan;
    let mut groups: HashMap<String, usize> = HashMap::new();
    let mut parts = Vec::with_capacity(members.len());
    for (_, member) in members {
        let sender = member.role.publishes().then(|| {
            let receivers = shared.receivers.get(member.index as usize).copied().unwrap_or(0);
            Box::new(Sender::new(plan, *member, receivers))
        });
        let mut checks = 0;
        if member.role.subscribes() && member.role != Role::Responder {
            let own = core.checks.len();
            // The members of a shared subscription are one receiver.
            let share = if member.role == Role::Subscriber { plan.share(*member) } else { None };
            checks = share.map_or(own, |share| *groups.entry(share).or_insert(own));
            if checks == own {
                core.checks.push(Checks::default());
            }
        }
        parts.push((*member, sender, checks));
    }
    parts
}

/// Adds up what a sender has counted; `left` measured messages were begun and never written.
pub(super) fn sender(core: &mut Core, sender: &mut Sender, left: u64) {
    let shared = core.shared.clone();
    let plan = &shared.plan;
    let (load_end, measure_from) = (core.load_end, core.measure_from);
    // Nothing is asked of a load that never began.
    let was_asked = plan.load.schedule.is_some() && core.is_started();
    let unsent = if was_asked { sender.rest(plan, measure_from, load_end) + left } else { 0 };
    let counts = &mut core.outcome.counts;
    counts.asked += sender.asked + unsent;
    counts.unsent += sender.dropped + unsent;
    counts.dropped_late += sender.dropped;
    counts.sent += sender.sent;
    counts.expected += sender.expected;
    core.outcome.unsent_own += if sender.is_held { 0 } else { unsent };
    let stream = core.outcome.streams.entry(sender.stream).or_default();
    stream.stream = sender.stream;
    stream.sent += sender.sent;
    stream.expected += sender.expected;
}

/// Adds up what all receivers have seen.
pub(super) fn checks(core: &mut Core) {
    let is_alone = core.shared.plan.mode == Mode::Subscribe;
    for checks in std::mem::take(&mut core.checks) {
        for count in checks.counts() {
            let stream = core.outcome.streams.entry(count.stream).or_default();
            stream.merge(count);
            stream.stream = count.stream;
        }
        for (stream, missing) in checks.gaps().filter(|_| is_alone) {
            let stream = core.outcome.streams.entry(stream).or_default();
            stream.expected += missing;
        }
        if is_alone {
            for count in checks.counts() {
                core.outcome.streams.entry(count.stream).or_default().expected += count.received;
            }
        }
    }
}
