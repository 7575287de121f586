use super::*;
use crate::packet::{Qos, topic};
use std::collections::{BTreeMap, BTreeSet};

/// xorshift64*: enough to make tests that can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const LEVELS: &[&str] = &["", "a", "b", "c", "a b", "$SYS", "$x", "é"];

fn random_name(random: &mut Random) -> String {
    loop {
        let levels: Vec<_> = (0..=random.below(4)).map(|_| random.pick(LEVELS)).collect();
        let name = levels.join("/");
        if topic::check_name(&name).is_ok() {
            return name;
        }
    }
}

fn random_filter(random: &mut Random) -> String {
    loop {
        let mut levels: Vec<_> = (0..=random.below(4))
            .map(|_| if random.below(3) == 0 { "+" } else { random.pick(LEVELS) })
            .collect();
        if random.below(3) == 0 {
            levels.push("#");
        }
        let share = ["", "", "$share/g/", "$share/h/"][random.below(4)];
        let filter = format!("{share}{}", levels.join("/"));
        if topic::check_filter(&filter).is_ok() {
            return filter;
        }
    }
}

fn subscription(identifier: u32) -> Subscription {
    Subscription { options: SubscriptionOptions::default(), identifier: Some(identifier) }
}

fn sessions(subscriptions: &Subscriptions, topic: &str) -> Vec<u32> {
    let mut matches = Matches::default();
    subscriptions.matching(topic, &mut matches);
    matches.subscribers().iter().map(|subscriber| subscriber.session.0).collect()
}

#[test]
fn matching_agrees_with_the_definition_over_random_filters_and_topics() {
    for seed in 1..=40 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut subscriptions = Subscriptions::default();
        let mut model = BTreeMap::new();
        let mut matches = Matches::default();
        for step in 0..400 {
            let session = SessionKey(u32::try_from(random.below(6)).unwrap());
            let filter = random_filter(&mut random);
            if random.below(3) == 0 {
                let existed = model.remove(&(session, filter.clone())).is_some();
                assert_eq!(subscriptions.unsubscribe(session, &filter), existed, "{filter}");
            } else {
                let existed = model.insert((session, filter.clone()), step).is_some();
                assert_eq!(
                    subscriptions.subscribe(session, &filter, subscription(step)),
                    existed,
                    "{filter}"
                );
            }
            let topic = random_name(&mut random);
            subscriptions.matching(&topic, &mut matches);
            assert_same(&subscriptions, &matches, &model, &topic);
        }
        for ((session, filter), step) in &model {
            assert_eq!(subscriptions.find_subscription(*session, filter), Some(subscription(*step)));
        }
        for session in (0..6).map(SessionKey) {
            let filters: Vec<_> = model.keys().filter(|key| key.0 == session).map(|key| &*key.1).collect();
            subscriptions.remove_session(session, filters);
        }
        assert_nothing_is_left(&subscriptions);
    }
}

fn assert_same(
    subscriptions: &Subscriptions,
    matches: &Matches,
    model: &BTreeMap<(SessionKey, String), u32>,
    topic: &str,
) {
    let plain = |filter: &str| !filter.starts_with("$share/");
    let expected: BTreeSet<_> = model
        .iter()
        .filter(|((_, filter), _)| plain(filter) && topic::matches(filter, topic))
        .map(|((session, _), identifier)| (*session, Some(*identifier)))
        .collect();
    let found: Vec<_> =
        matches.subscribers().iter().map(|it| (it.session, it.subscription.identifier)).collect();
    assert!(found.is_sorted_by_key(|it| it.0), "{topic}");
    assert_eq!(found.len(), expected.len(), "{topic}");
    assert_eq!(BTreeSet::from_iter(found), expected, "{topic}");

    let mut expected = BTreeMap::<_, BTreeSet<_>>::new();
    for (session, filter) in model.keys() {
        if let Ok(Some(shared)) = SharedFilter::split(filter)
            && topic::matches(shared.filter, topic)
        {
            expected.entry(filter.as_str()).or_default().insert(*session);
        }
    }
    let expected: Vec<_> = expected.into_iter().collect();
    let mut found: Vec<_> = matches
        .groups()
        .iter()
        .map(|&key| subscriptions.group(key).unwrap())
        .map(|group| {
            (&**group.filter(), group.rotation().map(|member| member.session).collect::<BTreeSet<_>>())
        })
        .collect();
    found.sort();
    assert_eq!(found, expected, "{topic}");
    assert_eq!(subscriptions.len(), model.len());
    assert_eq!(subscriptions.shared_len(), model.keys().filter(|key| !plain(&key.1)).count());
}

fn assert_nothing_is_left(subscriptions: &Subscriptions) {
    assert_eq!(subscriptions.tree.sizes(), (0, 0), "nodes and edges");
    assert_eq!(subscriptions.filters.len(), 0);
    assert_eq!(subscriptions.by_text.len(), 0);
    assert_eq!(subscriptions.groups.count(), 0);
    assert!(subscriptions.is_empty() && subscriptions.shared_len() == 0);
}

#[test]
fn unsubscribing_prunes_what_no_other_filter_needs() {
    let mut subscriptions = Subscriptions::default();
    let session = SessionKey(1);
    for filter in ["a/+/c/d", "a/+/c", "a/+/#", "a/b"] {
        subscriptions.subscribe(session, filter, Subscription::default());
    }
    assert_eq!(subscriptions.tree.sizes(), (5, 3), "root, a, +, c, d; edges to a, c, d");
    subscriptions.unsubscribe(session, "a/+/c");
    assert_eq!(subscriptions.tree.sizes(), (5, 3), "c still leads to d");
    subscriptions.unsubscribe(session, "a/+/c/d");
    assert_eq!(subscriptions.tree.sizes(), (3, 1), "a/+/# remains");
    subscriptions.unsubscribe(session, "a/+/#");
    assert_eq!(subscriptions.tree.sizes(), (0, 0), "a/b needs no tree");
    subscriptions.unsubscribe(session, "a/b");
    assert_nothing_is_left(&subscriptions);
}

#[test]
fn one_session_several_filters_the_most_specific_first() {
    let mut subscriptions = Subscriptions::default();
    for (identifier, filter) in ["#", "+/b", "a/#", "a/+", "+/#", "a/b", "a/b/#"].into_iter().enumerate() {
        let identifier = u32::try_from(identifier).unwrap();
        subscriptions.subscribe(SessionKey(7), filter, subscription(identifier));
        subscriptions.subscribe(SessionKey(3), filter, subscription(identifier));
    }
    let mut matches = Matches::default();
    subscriptions.matching("a/b", &mut matches);
    let found: Vec<_> =
        matches.subscribers().iter().map(|it| (it.session.0, it.subscription.identifier.unwrap())).collect();
    let order = [5, 6, 3, 2, 1, 4, 0];
    assert_eq!(found[..7], order.map(|identifier| (3, identifier)));
    assert_eq!(found[7..], order.map(|identifier| (7, identifier)));
}

#[test]
fn mqtt_3_8_4_3_same_filter_replaces_the_subscription() {
    let mut subscriptions = Subscriptions::default();
    let options = SubscriptionOptions { maximum_qos: Qos::ExactlyOnce, ..Default::default() };
    assert!(!subscriptions.subscribe(SessionKey(1), "a", subscription(1)));
    assert!(subscriptions.subscribe(SessionKey(1), "a", Subscription { options, identifier: None }));
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(
        subscriptions.find_subscription(SessionKey(1), "a"),
        Some(Subscription { options, identifier: None })
    );
}

#[test]
fn mqtt_4_7_2_1_leading_wildcards_do_not_see_dollar_topics() {
    let mut subscriptions = Subscriptions::default();
    for (session, filter) in ["#", "+/a", "+/#", "$SYS/#", "$SYS/+", "$SYS/a"].into_iter().enumerate() {
        let session = SessionKey(u32::try_from(session).unwrap());
        subscriptions.subscribe(session, filter, Subscription::default());
    }
    assert_eq!(sessions(&subscriptions, "$SYS/a"), [3, 4, 5]);
    assert_eq!(sessions(&subscriptions, "x/a"), [0, 1, 2]);
}

#[test]
fn members_of_a_group_take_turns_in_the_order_in_which_they_joined() {
    let mut subscriptions = Subscriptions::default();
    for session in [5, 2, 9] {
        subscriptions.subscribe(SessionKey(session), "$share/g/a/+", Subscription::default());
    }
    let mut matches = Matches::default();
    subscriptions.matching("a/b", &mut matches);
    assert!(matches.subscribers().is_empty());
    let [key] = *matches.groups() else { panic!("one group") };
    let turn = |subscriptions: &Subscriptions| {
        subscriptions.group(key).unwrap().rotation().map(|member| member.session.0).collect::<Vec<_>>()
    };
    assert_eq!(turn(&subscriptions), [5, 2, 9]);
    subscriptions.advance(key, SessionKey(5));
    assert_eq!(turn(&subscriptions), [2, 9, 5]);
    subscriptions.advance(key, SessionKey(9));
    assert_eq!(turn(&subscriptions), [5, 2, 9], "2 was passed over");
    subscriptions.advance(key, SessionKey(5));
    subscriptions.unsubscribe(SessionKey(5), "$share/g/a/+");
    assert_eq!(turn(&subscriptions), [2, 9], "who leaves does not cost the next one the turn");
    subscriptions.unsubscribe(SessionKey(2), "$share/g/a/+");
    subscriptions.unsubscribe(SessionKey(9), "$share/g/a/+");
    assert!(subscriptions.group(key).is_none());
    assert_nothing_is_left(&subscriptions);
}

#[test]
fn every_change_and_nothing_else_changes_the_generation() {
    let mut subscriptions = Subscriptions::default();
    let start = subscriptions.generation();
    subscriptions.subscribe(SessionKey(1), "a", Subscription::default());
    let after = subscriptions.generation();
    assert_ne!(start, after);
    subscriptions.unsubscribe(SessionKey(2), "a");
    subscriptions.unsubscribe(SessionKey(1), "b");
    sessions(&subscriptions, "a");
    assert_eq!(subscriptions.generation(), after);
    subscriptions.unsubscribe(SessionKey(1), "a");
    assert_ne!(subscriptions.generation(), after);
}

#[test]
fn two_hundred_levels_with_a_choice_at_each_are_walked_once() {
    let mut subscriptions = Subscriptions::default();
    let single = vec!["+"; 201].join("/");
    let literal = vec!["a"; 201].join("/");
    subscriptions.subscribe(SessionKey(1), &single, Subscription::default());
    subscriptions.subscribe(SessionKey(2), &literal, Subscription::default());
    subscriptions.subscribe(SessionKey(3), &format!("{}#", "a/+/".repeat(100)), Subscription::default());
    assert_eq!(sessions(&subscriptions, &literal), [1, 2, 3]);
    for (session, filter) in [(1, &single), (2, &literal), (3, &format!("{}#", "a/+/".repeat(100)))] {
        assert!(subscriptions.unsubscribe(SessionKey(session), filter));
    }
    assert_nothing_is_left(&subscriptions);
}
