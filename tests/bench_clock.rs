//! Latencies from one process to another, each with a clock of its own.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use culex::bench::sink::{Faults, Sink};
use serde_json::Value;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering::Relaxed;

const BENCH: &str = env!("CARGO_BIN_EXE_culex-bench");

fn start(words: &str, sink: &Sink) -> Child {
    Command::new(BENCH)
        .args(words.split_whitespace())
        .args(["--quiet", "--json", "-", "-h", "127.0.0.1", "-p", &sink.port().to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn result(child: Child) -> Value {
    let output: Output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn wait_for_subscriptions(sink: &Sink, count: u64) {
    while sink.counts().subscriptions.load(Relaxed) < count {
        std::thread::yield_now();
    }
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path}: {value}"))
}

/// Messages whose latency was not told, because their sender's clock was not known yet.
fn left_out(result: &Value) -> u64 {
    let warnings = result["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let about = warnings.filter_map(|text| text.strip_prefix("the clock behind "));
    about.map(|text| text.split(' ').next().unwrap().replace(',', "").parse::<u64>().unwrap()).sum()
}

#[test]
fn latency_to_another_process_is_told_with_its_bound() {
    let sink = Sink::start(Faults::default()).unwrap();
    let receiver = start("sub -c 2 -t bench/%i -q 1 -W 5s --warmup 0s --drain 0s --sync-clocks", &sink);
    // Two for messages and one for answers.
    wait_for_subscriptions(&sink, 3);
    let sender = start("pub -c 2 -q 1 --rate 500 --warmup 500ms -W 2s --sync-clocks", &sink);
    let (sent, received) = (result(sender), result(receiver));
    assert_eq!(received["clock"]["mode"], "estimated", "{received}");
    assert_eq!(sent["clock"]["mode"], "shared");
    let count = number(&received, "/latency_us/e2e/count");
    assert!(count > 0, "{received}");
    assert_eq!(count + left_out(&received), number(&received, "/counts/received"));
    let error = number(&received, "/clock/error_us");
    assert!(error > 0);
    // The clocks began at least as far apart as the programs did; one way is no longer than there and back.
    let (shortest, there_and_back) =
        (number(&received, "/latency_us/e2e/min"), number(&sent, "/latency_us/ack/max"));
    assert!(shortest <= there_and_back + error, "{shortest} and {there_and_back}, error {error}");
    assert!(number(&received, "/latency_us/e2e/max") > 0);
}

#[test]
fn segments_that_hear_each_other_compare_their_clocks() {
    let sink = Sink::start(Faults::default()).unwrap();
    let words = "-c 2 --subs 2 -t bench/%i --filter bench/+ --rate 400 --warmup 500ms -W 2s --drain 300ms \
                 --gate go --sync-clocks --segment";
    let parts = ["0/2", "1/2"].map(|part| start(&format!("{words} {part}"), &sink));
    // Of each: its subscriber, questions, answers, the gate.
    wait_for_subscriptions(&sink, 8);
    let port = sink.port().to_string();
    let go = Command::new(env!("CARGO_BIN_EXE_culex-pub"));
    let opened = { go }.args(["-h", "127.0.0.1", "-p", &port, "-t", "go", "-q", "1", "-m", "now"]).status();
    assert!(opened.unwrap().success());
    for part in parts.map(result) {
        assert_eq!(part["clock"]["mode"], "estimated");
        let (told, received) = (number(&part, "/latency_us/e2e/count"), number(&part, "/counts/received"));
        assert_eq!(told + left_out(&part), received);
        // Half of the messages are its own, and the others' are told as well.
        assert!(told * 2 > received, "{part}");
        assert!(number(&part, "/clock/error_us") > 0);
    }
}

#[test]
fn clocks_are_compared_only_where_there_are_two() {
    for (words, expected) in [
        ("--sync-clocks", "one process has one clock"),
        ("pub --sync-clocks -s 16", "--size 24 or more"),
        ("conn --sync-clocks", "--sync-clocks does nothing in conn"),
    ] {
        let output = Command::new(BENCH).args(words.split_whitespace()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(expected), "{words}");
    }
}
