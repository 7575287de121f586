//! What the preflight says of loads as people ask for them.

use crate::bench::plan::Plan;
use crate::bench::preflight::{Limits, check};
use clap::Parser;

fn plan(words: &str) -> Plan {
    let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
    crate::flags::Bench::try_parse_from(argv).unwrap().plan(1).unwrap()
}

const LIMITS: Limits = Limits { descriptors: 20_000, ports: 28_232 };

#[test]
fn fleet_that_fits_has_no_problem() {
    let found = check(&plan("conn -c 15000"), false, LIMITS);
    assert_eq!(found.problems, [""; 0]);
    assert!(found.lines[0].starts_with("15,000 clients: 15,064 of 20,000 descriptors"), "{found:?}");
}

#[test]
fn embedded_broker_halves_the_fleet_and_preflight_says_so() {
    let found = check(&plan("conn -c 15000 --embedded"), true, LIMITS);
    assert!(found.problems[0].contains("each client takes two"), "{found:?}");
    assert!(found.problems[0].contains("enough for 9,968"), "{found:?}");
}

#[test]
fn too_few_ports_name_the_addresses_that_help() {
    let limits = Limits { descriptors: 1 << 20, ..LIMITS };
    let found = check(&plan("conn -c 60000"), false, limits);
    assert!(found.problems[0].contains("-A 127.0.0.2-127.0.0.4 works here at once"), "{found:?}");
    assert!(check(&plan("conn -c 60000 -A 127.0.0.2-127.0.0.4"), false, limits).problems.is_empty());
    let far = check(&plan("conn -c 60000 -h broker.example"), false, limits);
    assert!(far.problems[0].contains("give 3 addresses"), "{far:?}");
}

#[test]
fn traffic_is_estimated_where_the_rate_is_known() {
    let found = check(&plan("--rate 1M -s 1k"), false, LIMITS);
    assert!(found.lines[1].starts_with("62.6 GB/min"), "{found:?}");
    let part = check(&plan("--rate 1M -s 1k --segment 0/4 -c 40"), false, LIMITS);
    assert!(part.lines[1].starts_with("15.7 GB/min"), "a segment's share: {part:?}");
    assert_eq!(check(&plan("--rate max"), false, LIMITS).lines.len(), 1);
}
