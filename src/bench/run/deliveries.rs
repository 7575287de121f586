//! How many deliveries a message brings: from the topics and filters of the load, by the topic matcher.

use crate::bench::plan::{Member, Mode, Plan, Role};
use crate::packet::topic;
use std::collections::{HashMap, HashSet};

/// For each publisher the deliveries of one message; or, where topics change from message to message, the filters with
/// the deliveries that each brings.
pub(super) fn count(plan: &Plan) -> (Vec<u32>, Vec<(String, u32)>) {
    match plan.mode {
        Mode::Request => return (vec![1; plan.publishers as usize], Vec::new()),
        Mode::Run => {}
        Mode::Publish | Mode::Subscribe | Mode::Connect => return (Vec::new(), Vec::new()),
    }
    let whole = Plan { segment: (0, 1), ..plan.clone() };
    let filters = filters(&whole);
    if plan.message.topic.is_per_message() {
        return (Vec::new(), filters.into_iter().collect());
    }
    let (patterns, exact): (Vec<_>, Vec<_>) =
        filters.into_iter().partition(|(filter, _)| filter.contains(['+', '#']));
    let exact: HashMap<String, u32> = exact.into_iter().collect();
    let publishers = whole.members().filter(|member| member.role == Role::Publisher);
    let mut receivers = vec![0; plan.publishers as usize];
    for member in publishers {
        let name = whole.topic(member);
        let matching = patterns.iter().filter(|(filter, _)| topic::matches(filter, &name));
        let count = exact.get(&name).copied().unwrap_or(0) + matching.map(|(_, count)| count).sum::<u32>();
        receivers[member.index as usize] = count;
    }
    (receivers, Vec::new())
}

/// Each distinct filter, and to how many receivers it brings a message: a shared subscription's group is one.
fn filters(plan: &Plan) -> HashMap<String, u32> {
    let mut all: HashMap<String, u32> = HashMap::new();
    let mut groups = HashSet::new();
    for member in plan.members().filter(|member| member.role == Role::Subscriber) {
        for filter in distinct(plan, member) {
            let is_new = match plan.share(member) {
                Some(share) => groups.insert((share, filter.clone())),
                None => true,
            };
            *all.entry(filter).or_default() += u32::from(is_new);
        }
    }
    all
}

/// A client that names a filter twice has one subscription.
fn distinct(plan: &Plan, member: Member) -> HashSet<String> {
    plan.filters(member).into_iter().collect()
}
