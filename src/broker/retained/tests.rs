use super::*;
use crate::packet::topic;

fn text(topic: &str) -> Text {
    Text::try_from(topic).unwrap()
}

fn retained(topics: &[&str]) -> Retained<()> {
    let mut retained = Retained::default();
    for topic in topics {
        retained.set(text(topic), ());
    }
    retained
}

fn matching<T>(retained: &Retained<T>, filter: &str) -> Vec<String> {
    retained.matching(filter).map(|(topic, _)| topic.to_string()).collect()
}

#[test]
fn parents_come_before_their_children() {
    let retained = retained(&["a/b/c", "a0", "a/b", "a b", "a", "b", "a/a"]);
    assert_eq!(matching(&retained, "#"), ["a", "a b", "a/a", "a/b", "a/b/c", "a0", "b"]);
    assert_eq!(matching(&retained, "a/#"), ["a", "a/a", "a/b", "a/b/c"]);
    assert_eq!(matching(&retained, "+"), ["a", "a b", "a0", "b"]);
    assert_eq!(matching(&retained, "a/b"), ["a/b"]);
}

#[test]
fn mqtt_4_7_2_1_leading_wildcards_do_not_see_dollar_topics() {
    let retained = retained(&["$SYS/a", "$", "!", "a/a", "/a"]);
    assert_eq!(matching(&retained, "#"), ["!", "/a", "a/a"]);
    assert_eq!(matching(&retained, "+/a"), ["/a", "a/a"]);
    assert_eq!(matching(&retained, "$SYS/#"), ["$SYS/a"]);
    assert_eq!(matching(&retained, "$SYS/+"), ["$SYS/a"]);
}

#[test]
fn one_message_a_topic_until_it_is_cleared() {
    let mut retained = Retained::default();
    assert_eq!(retained.set(text("a"), 1), None);
    assert_eq!(retained.set(text("a"), 2), Some(1));
    assert_eq!((retained.len(), retained.get("a")), (1, Some(&2)));
    assert_eq!(retained.clear("a"), Some(2));
    assert_eq!(retained.clear("a"), None);
    assert!(retained.is_empty() && retained.get("a").is_none());
}

#[test]
fn matching_agrees_with_the_definition_over_random_filters_and_topics() {
    const LEVELS: &[&str] = &["", "a", "b", "a b", "a0", "a!", "$s", "é"];
    for seed in 1_u64..=60 {
        println!("seed {seed}");
        let mut state = seed;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let mut retained = Retained::default();
        for _ in 0..80 {
            let levels: Vec<_> = (0..=below(4)).map(|_| LEVELS[below(LEVELS.len())]).collect();
            let name = levels.join("/");
            if topic::check_name(&name).is_ok() {
                retained.set(text(&name), ());
            }
        }
        for _ in 0..200 {
            let mut levels: Vec<_> = (0..=below(4))
                .map(|_| if below(3) == 0 { "+" } else { LEVELS[below(LEVELS.len())] })
                .collect();
            if below(4) == 0 {
                levels.push("#");
            }
            let filter = levels.join("/");
            if topic::check_filter(&filter).is_err() {
                continue;
            }
            let expected: Vec<_> = retained
                .iter()
                .map(|(name, ())| name.to_string())
                .filter(|name| topic::matches(&filter, name))
                .collect();
            assert_eq!(matching(&retained, &filter), expected, "{filter}");
            // One by one from where the last one was, it is the same.
            let mut after = String::new();
            let mut found = Vec::new();
            while let Some((topic, ())) = retained.matching_behind(&filter, &after).next() {
                after = topic.to_string();
                found.push(after.clone());
            }
            assert_eq!(found, expected, "{filter}");
        }
    }
}

#[test]
fn a_walk_skips_what_cannot_match() {
    let mut retained = Retained::default();
    for parent in 0..10 {
        for child in 0..1000 {
            retained.set(text(&format!("p{parent}/c{child:03}/x")), ());
        }
    }
    assert_eq!(retained.matching("+/c500/+").count(), 10);
    let mut walk = retained.matching("+/c500/+");
    let mut compared = 0;
    while let Some((topic, ())) = walk.candidate() {
        compared += 1;
        walk.seek = match compare(walk.filter, topic) {
            Comparison::Match => Seek::Next,
            Comparison::Miss(seek) => seek,
        };
    }
    assert_eq!(compared, 10 * 3, "the first child, the match, its neighbour");
}
