#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

#[test]
fn repeated_runs_are_told_with_their_mean_and_what_they_differ_by() {
    let run = |sent: f64| RunResult {
        rates: crate::bench::result::Rates { sent, ..Default::default() },
        ..RunResult::default()
    };
    let text = spread(&[run(1000.0), run(1200.0)]);
    let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["sent", "1,100/s", "141/s", "1,000/s", "1,200/s"]);
    assert_eq!(spread(&[run(1.0)]), "");
}
use crate::bench::result::sample;

fn runs(rates: &[f64]) -> Vec<RunResult> {
    rates
        .iter()
        .map(|rate| {
            let mut run = sample::run();
            run.rates.sent = *rate;
            run
        })
        .collect()
}

fn rate() -> Metric {
    threshold::parse("rate>0").unwrap()[0].metric
}

fn compared(base: &[f64], new: &[f64]) -> Comparison {
    Comparison::of("sent", rate(), &runs(base), &runs(new)).unwrap()
}

#[test]
fn welch_agrees_with_a_worked_example() {
    // R: t.test(c(3,4,1,2.1), c(490,340,433)) has t = -9.5592, df = 2.0004, p = 0.01077.
    let (_, _, p) = welch(&[3.0, 4.0, 1.0, 2.1], &[490.0, 340.0, 433.0]).unwrap();
    assert!((p - 0.010_75).abs() < 0.0005, "{p}");
}

#[test]
fn a_clear_difference_is_found_with_its_ratio() {
    let found = compared(&[100.0, 101.0, 99.0, 100.5], &[80.0, 81.0, 79.5, 80.2]);
    assert_eq!(found.finding(), Finding::Worse, "a lower rate is worse");
    assert!((found.ratio.unwrap() - 0.8).abs() < 0.01);
    let (low, high) = found.interval.unwrap();
    assert!(low < 0.8 && 0.805 < high && high < 0.83, "{low} to {high}");
    assert!((found.worse_by() - 0.2).abs() < 0.01);
    assert_eq!(compared(&[80.0, 81.0, 79.5], &[100.0, 101.0, 99.0]).finding(), Finding::Better);
}

#[test]
fn noise_is_not_a_difference() {
    assert_eq!(compared(&[100.0, 140.0, 70.0], &[90.0, 130.0, 75.0]).finding(), Finding::Same);
    assert_eq!(compared(&[100.0, 100.0], &[100.0, 100.0]).finding(), Finding::Same);
}

#[test]
fn one_run_proves_nothing() {
    let found = compared(&[100.0], &[50.0, 51.0]);
    assert_eq!((found.finding(), found.p, found.interval), (Finding::Untested, None, None));
    assert!(render(&runs(&[1.0]), &runs(&[2.0])).contains("nothing is tested"));
}

#[test]
fn from_nothing_to_something_is_infinitely_worse() {
    let lost = threshold::parse("loss=0").unwrap()[0].metric;
    let mut new = runs(&[1.0]);
    new[0].counts.lost = 3;
    let found = Comparison::of("lost", lost, &runs(&[1.0]), &new).unwrap();
    assert_eq!((found.ratio, found.worse_by()), (None, f64::INFINITY));
}

#[test]
fn the_table_says_what_was_done() {
    let (base, mut new) = (runs(&[100.0, 101.0, 99.0]), runs(&[80.0, 81.0, 80.5]));
    let text = render(&base, &new);
    assert!(
        text.contains(
            " sent                   100/s        80.5/s    0.805   0.789 to 0.822    <0.0001   WORSE"
        ),
        "{text}"
    );

    assert!(text.contains("Welch's t-test on the logarithms of 3 and 3 runs"), "{text}");
    assert!(!text.contains("not the same"), "{text}");
    new[1].run.config_sha256 = "other".into();
    new[1].generator.status = crate::bench::result::GeneratorStatus::Suspect;
    let text = render(&base, &new);
    assert!(
        text.contains("The loads were not the same") && text.contains("generator was at its limit"),
        "{text}"
    );
}
