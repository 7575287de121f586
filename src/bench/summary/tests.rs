#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::bench::result::{Counts, ErrorCount, Generator, sample};
use crate::bench::threshold;

fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/summary").join(name);
    if std::env::var_os("CULEX_REGENERATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    assert!(text == wanted, "{name}, CULEX_REGENERATE=1 writes it anew; got:\n{text}");
}

#[test]
fn a_run_that_passed() {
    golden("pass.txt", &render(&sample::run(), Style::default()));
}

#[test]
fn a_run_that_failed_in_every_way() {
    let mut result = sample::run();
    result.streams[7].received -= 2;
    result.streams[8].duplicate = 1;
    result.counts.unsent = 12;
    result.counts.disconnects = 1;
    result.counts.connect_fail.insert("refused".into(), 2);
    result.counts.connect_fail.insert("rc_135".into(), 1234);
    result.phases.steady = Some(false);
    result.generator.threads[0].cpu_pct = 98.2;
    result.errors.push(ErrorCount {
        kind: "closed".into(),
        count: 1,
        example: "connection reset by peer".into(),
    });
    result.warnings.push("a third of the latencies lie between 40 and 45 ms".into());
    result.cross_check = Some(CrossCheck {
        sent: 1500,
        broker_received: Some(1498),
        received: 1498,
        broker_sent: None,
        agrees: false,
    });
    result.run.segment = crate::bench::result::Segment(1, 3);
    result.conclude(&threshold::parse("p99<1ms,rate>=0.99*asked,ack.p99.9<1s").unwrap());
    golden("fail.txt", &render(&result, Style::default()));
}

#[test]
fn only_what_was_measured_is_shown() {
    let mut result = sample::run();
    result.run.mode = "conn".into();
    result.counts = Counts { connect_ok: 400, ..Counts::default() };
    result.streams.clear();
    result.rates.asked = None;
    result.latency_us.e2e = Histogram::default();
    result.latency_us.service = Histogram::default();
    result.latency_us.ack = Histogram::default();
    result.latency_us.lag = Histogram::default();
    result.generator = Generator { cpu_s: 0.5, ..Generator::default() };
    result.host.calibrated_msgs_per_s = None;
    result.conclude(&[]);
    golden("connect.txt", &render(&result, Style::default()));
}

#[test]
fn a_search_and_a_storm_have_their_tables() {
    let mut result = sample::run();
    result.host.calibrated_msgs_per_s = None;
    let step = |rate: f64, pass: bool| FindStep {
        rate,
        sent: rate,
        p50_us: 310,
        p99_us: if pass { 1800 } else { 612_000 },
        lost: 0,
        pass,
        reason: if pass { String::new() } else { "p99<50ms does not hold: 612.00 ms".into() },
    };
    result.find =
        vec![step(50_000.0, true), step(200_000.0, false), step(100_000.0, true), step(100_000.0, true)];
    result.storm = Some(Storm {
        kind: "reconnect".into(),
        clients: 1000,
        recovered_s: Some(0.82),
        drained_s: None,
        served: 990,
        figures: [("connects per second".to_owned(), 12_345.0)].into(),
        ..Storm::default()
    });
    golden("find.txt", &render(&result, Style::default()));
    assert_eq!(highest_passed_twice(&result.find), Some(100_000.0));
    result.find.push(step(100_000.0, false));
    assert_eq!(highest_passed_twice(&result.find), None, "a rate that failed once does not hold");
}

#[test]
fn columns_stay_apart_when_latencies_are_long() {
    let mut result = sample::run();
    result.latency_us.e2e.record_microseconds(123_456_789);
    let text = render(&result, Style::default());
    let row = text.lines().find(|line| line.starts_with(" end to end")).unwrap();
    assert!(row.contains(" 123469.82   from"), "{row}");
}

#[test]
fn only_the_verdicts_are_coloured() {
    let plain = render(&sample::run(), Style::default());
    let colored = render(&sample::run(), Style { color: true });
    assert!(colored.contains("\u{1b}[32mPASS\u{1b}[0m"), "{colored}");
    let mut stripped = colored;
    while let Some(begin) = stripped.find('\u{1b}') {
        let end = begin + stripped[begin..].find('m').unwrap();
        stripped.replace_range(begin..=end, "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn what_lies_below_the_bound_of_another_clock_is_only_told_to_do_so() {
    let mut result = sample::run();
    let bound = result.latency_us.e2e.percentile(50.0) + 1;
    result.clock = crate::bench::result::Clock { mode: ClockMode::Estimated, error_us: bound, negative: 3 };
    let text = render(&result, Style::default());
    let row = |label: &str| text.lines().find(|line| line.contains(label)).unwrap().to_owned();
    let below = format!("<{}", text::milliseconds(bound));
    assert_eq!(row("end to end").matches(&below).count(), 2, "minimum and median: {text}");
    assert!(!row("service").contains('<'), "one clock: {text}");
    assert!(row("Clock").contains("offset known to ±") && row("Clock").contains("3 latencies below zero"));
}
