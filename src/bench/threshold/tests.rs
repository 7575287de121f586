#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use proptest::prelude::*;

fn measured() -> RunResult {
    let mut result = RunResult::default();
    for microseconds in 1..=1000 {
        result.latency_us.e2e.record_microseconds(microseconds);
        result.latency_us.connect.record_microseconds(10 * microseconds);
    }
    result.counts.asked = 1000;
    result.counts.sent = 999;
    result.counts.expected = 1000;
    result.counts.lost = 1;
    result.rates.asked = Some(100.0);
    result.rates.sent = 99.9;
    result
}

fn holds(expression: &str) -> bool {
    parse(expression).unwrap().iter().all(|condition| condition.check(&measured()).pass)
}

#[test]
fn conditions_are_compared_with_what_was_measured() {
    for held in [
        "p99<1ms",
        "p(99)<=990us,p50>=500us",
        "p99.9<1.1ms",
        "max<=1000us",
        "connect.p99<1s",
        "lost=1",
        "loss<=0.1%",
        "loss != 0",
        "rate>=0.99*asked",
        "rate > 99.8/s",
        "sent>=99.9%",
        "sent<1k",
        "foreign==0",
        "avg<0.6ms",
    ] {
        assert!(holds(held), "{held}");
    }
    for broken in ["p99<0.9ms", "loss=0", "loss<0.1%", "rate>=asked".replace("asked", "1*asked").as_str()] {
        assert!(!holds(broken), "{broken}");
    }
}

#[test]
fn what_was_not_measured_does_not_hold() {
    for expression in ["ack.p99<1s", "tls.max<1h".replace("1h", "60min").as_str(), "steady"] {
        let checked = parse(expression).unwrap()[0].check(&measured());
        assert_eq!((checked.pass, checked.value, checked.text.as_str()), (false, None, "not measured"));
    }
    let mut flood = measured();
    flood.rates.asked = None;
    assert!(!parse("rate>=0.99*asked").unwrap()[0].check(&flood).pass);
}

#[test]
fn the_measured_value_is_told_with_its_unit() {
    let texts: Vec<_> = ["p99<50ms", "loss=0", "loss<1%", "rate>1/s"]
        .map(|expression| parse(expression).unwrap()[0].check(&measured()).text)
        .into();
    assert_eq!(texts, ["0.99 ms", "1", "0.1 %", "100/s"]);
}

fn fault(expression: &str) -> String {
    parse(expression).unwrap_err().to_string()
}

#[test]
fn faults_are_pointed_at() {
    for (expression, carets, problem) in [
        ("p99<50ms,los=0", "         ^^^", "'los' is nothing that is measured"),
        ("p99<50", "      ^", "a latency has a unit: ns, us, ms, s or min"),
        ("p99<50parsec", "      ^^^^^^", "a latency has a unit"),
        ("p99 50ms", "^^^^^^^^", "'p99 50ms' is nothing"),
        ("p99", "   ^", "a comparison is missing here"),
        ("p99<", "    ^", "a number is missing here"),
        ("p99<50ms,", "         ^", "a condition is missing here"),
        ("", "^", "a condition is missing here"),
        ("p101<1s", "^^^^", "'p101' is nothing that is measured"),
        ("ack.p<1s", "    ^", "not a figure of a latency"),
        ("rate>=0.99*told", "          ^^^^^", "or with 0.99*asked"),
        ("loss=0ms", "      ^^", "a count is a number (0, 5k) or a share (0.1%)"),
        ("errors<1%", "        ^", "errors are counted"),
        ("p99!5ms", "   ^", "not a comparison"),
        ("µs<1,loss=0", "^^", "'µs' is nothing"),
        ("p99<5µs, <3", "         ^", "what is to be compared is missing here"),
        ("p99<1..5ms", "    ^^^^", "a number is missing here"),
    ] {
        let text = fault(expression);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains(problem), "{expression}: {}", lines[0]);
        assert_eq!(lines[1..], [format!("  {expression}"), format!("  {carets}")], "{expression}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_place_in_it(expression in "\\PC{0,30}") {
        if let Err(error) = parse(&expression) {
            prop_assert!(error.column + error.width <= expression.chars().count() + 1);
        }
    }

    #[test]
    fn what_is_read_says_the_same_when_read_again(
        expression in "(p99|p99\\.9|ack\\.max|lag\\.p50)(<|<=|>|>=|=|!=)[0-9]{1,4}(ns|us|ms|s)"
    ) {
        let read = parse(&expression).unwrap();
        prop_assert_eq!(&parse(&read[0].text).unwrap(), &read);
    }
}
