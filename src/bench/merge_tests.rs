#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::bench::histogram::Histogram;
use crate::bench::result::sample;
use crate::bench::threshold;
use proptest::prelude::*;

fn segments(of: u32) -> Vec<RunResult> {
    (0..of)
        .map(|number| {
            let mut part = sample::run();
            part.run.segment = Segment(number, of);
            part.run.started_ns += u64::from(number);
            part
        })
        .collect()
}

/// Deals the latencies and streams out to segments, as a run of each would have recorded them.
fn dealt(latencies: &[(u8, u64)], of: u32) -> (Vec<RunResult>, RunResult) {
    let mut parts = segments(of);
    for part in &mut parts {
        part.latency_us = Default::default();
        part.streams.clear();
        part.intervals.clear();
        part.series.clear();
    }
    let mut whole = parts[0].clone();
    whole.run.segment = Segment::default();
    for (index, (owner, latency)) in latencies.iter().enumerate() {
        let sender = index as u32 % of;
        let receiver = u32::from(*owner) % of;
        let stream = index as u32 % 7;
        let sent = StreamCount { stream, sent: 1, expected: 1, ..StreamCount::default() };
        let received = StreamCount { stream, received: u64::from(latency % 5 > 0), ..StreamCount::default() };
        for (result, count) in [(sender, sent), (receiver, received)] {
            add(&mut parts[result as usize], count);
            add(&mut whole, count);
        }
        for result in [&mut parts[receiver as usize], &mut whole] {
            result.latency_us.e2e.record_microseconds(*latency);
            second(result, *owner, *latency);
        }
    }
    (parts, whole)
}

fn add(result: &mut RunResult, count: StreamCount) {
    match result.streams.iter_mut().find(|known| known.stream == count.stream) {
        Some(known) => known.merge(&count),
        None => result.streams.push(count),
    }
    result.streams.sort_by_key(|known| known.stream);
}

fn second(result: &mut RunResult, owner: u8, latency: u64) {
    let mut histogram = Histogram::default();
    histogram.record_microseconds(latency);
    let mut one = Interval { second: u32::from(owner % 3), received: 1, ..Interval::default() };
    one.latency.e2e = histogram.pack();
    match result.intervals.iter_mut().find(|known| known.second == one.second) {
        Some(known) => known.merge(&one).unwrap(),
        None => result.intervals.push(one),
    }
    result.intervals.sort_by_key(|known| known.second);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn segments_say_what_one_run_of_the_load_says(
        latencies in prop::collection::vec((any::<u8>(), 0_u64..4_000_000), 1..25), of in 1_u32..5
    ) {
        let (parts, mut one) = dealt(&latencies, of);
        let conditions = threshold::parse("p99<1s,loss=0").unwrap();
        let merged = merge(&parts, &conditions, false).unwrap();
        one.conclude(&conditions);
        prop_assert_eq!(merged.latency_us.e2e.pack(), one.latency_us.e2e.pack());
        prop_assert_eq!(&merged.streams, &one.streams);
        prop_assert_eq!(&merged.intervals, &one.intervals);
        prop_assert_eq!(&merged.series, &one.series);
        prop_assert_eq!(merged.counts.lost, one.counts.lost);
        prop_assert_eq!(&merged.thresholds[..2], &one.thresholds[..2]);
    }
}

#[test]
fn sums_are_sums_and_the_longest_phase_counts() {
    let mut parts = segments(3);
    parts[1].phases.measure_s = 30.5;
    parts[2].phases.steady = Some(false);
    let whole = merge(&parts, &[], false).unwrap();
    assert_eq!((whole.counts.sent, whole.counts.expected, whole.run.clients), (4500, 4500, 1200));
    assert_eq!(
        (whole.rates.asked, whole.phases.measure_s, whole.phases.steady),
        (Some(150.0), 30.5, Some(false))
    );
    assert_eq!((whole.host.cpus, whole.generator.threads.len()), (2, 6), "one host, six threads");
    assert_eq!(whole.latency_us.e2e.count(), 4500);
    assert_eq!(whole.generator.messages_per_write, Some(1.5));
}

fn refused(change: impl FnOnce(&mut Vec<RunResult>)) -> MergeError {
    let mut parts = segments(3);
    change(&mut parts);
    let error = merge(&parts, &[], false).unwrap_err();
    assert_eq!(merge(&parts, &[], true).is_ok(), error.is_forcible());
    error
}

#[test]
fn what_does_not_belong_together_is_refused() {
    assert_eq!(refused(Vec::clear), MergeError::Nothing);
    assert_eq!(refused(|parts| parts[2].run.segment = Segment(1, 3)), MergeError::Twice(1, 3));
    assert_eq!(refused(|parts| drop(parts.pop())), MergeError::Missing(2, 3));
    assert_eq!(refused(|parts| parts[1].run.segment = Segment(1, 4)), MergeError::OtherDivision(3, 4));
    assert_eq!(refused(|parts| parts[1].run.started_ns += 1_500_000_000), MergeError::Skew(1500));
    assert_eq!(refused(|parts| parts[1].run.mode = "find".into()), MergeError::Mode("find".into()));
    assert_eq!(refused(|parts| parts[1].intervals.clear()), MergeError::Published(2));
    let other = refused(|parts| parts[1].run.config_sha256 = "feed".into());
    assert!(matches!(other, MergeError::OtherLoad(2, ..)), "{other}");
}

#[test]
fn force_is_marked() {
    let mut parts = segments(3);
    parts.pop();
    let whole = merge(&parts, &[], true).unwrap();
    assert!(whole.run.forced);
    assert_eq!(whole.warnings, ["merged by force: segment 2/3 is missing"]);
}

#[test]
fn losses_between_segments_are_found_once_all_are_there() {
    let mut parts = segments(2);
    for part in &mut parts {
        part.run.crosses_segments = true;
        part.streams.clear();
    }
    parts[0].streams = vec![StreamCount { stream: 1, sent: 5, expected: 5, ..StreamCount::default() }];
    parts[1].streams = vec![StreamCount { stream: 1, received: 4, ..StreamCount::default() }];
    parts.iter_mut().for_each(|part| part.conclude(&[]));
    assert_eq!(parts[0].counts.lost, 0);
    assert_eq!(merge(&parts, &[], false).unwrap().counts.lost, 1);
    parts.pop();
    assert_eq!(merge(&parts, &[], true).unwrap().counts.lost, 0, "one is missing still");
}
