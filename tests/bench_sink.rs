//! What `culex-bench` prints is what `culex-bench sink` counted, to the message, as two programs.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

const BENCH: &str = env!("CARGO_BIN_EXE_culex-bench");

/// A sink in a process of its own, which ends when its clients have.
struct Sink {
    child: Child,
    out: BufReader<ChildStdout>,
    port: String,
}

impl Sink {
    fn start(words: &str) -> Self {
        let mut child = Command::new(BENCH)
            .args(["sink", "--once", "--json"])
            .args(words.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().to_owned();
        Self { child, out, port }
    }

    fn counts(mut self) -> Value {
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&text).unwrap()
    }
}

/// Loads a sink with these faults: the summary, the result, the sink's counts.
fn load(faults: &str, words: &str) -> (String, Value, Value) {
    let sink = Sink::start(faults);
    let json = std::env::temp_dir().join(format!("culex-sink-{}-{}.json", std::process::id(), sink.port));
    let output = Command::new(BENCH)
        .args(words.split_whitespace())
        .args(["--quiet", "-h", "127.0.0.1", "-p", &sink.port, "--json"])
        .arg(&json)
        .output()
        .unwrap();
    let result = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    std::fs::remove_file(&json).unwrap();
    (String::from_utf8(output.stdout).unwrap(), result, sink.counts())
}

/// The figure behind `word` in the line of the summary that begins with `label`.
fn printed(summary: &str, label: &str, word: &str) -> u64 {
    let line = summary.lines().find(|line| line.trim_start().starts_with(label)).unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|found| *found != word).skip(1);
    words.next().unwrap_or_else(|| panic!("no {word} in: {summary}")).replace(',', "").parse().unwrap()
}

#[test]
fn printed_counts_are_the_sinks_at_every_qos() {
    for qos in 0..3 {
        let words = format!("pub -q {qos} -c 4 -L 1200 -W 60 --rate 50k");
        let (_, result, counts) = load("", &words);
        assert_eq!((&counts["published"], &counts["connections"]), (&1200.into(), &4.into()), "{words}");
        assert_eq!(result["counts"]["sent"], counts["published"], "{words}");

        let words = format!("-q {qos} -c 3 --fan-in 2 -L 600 -W 60 --rate 20k --drain 300ms");
        let faults = "--drop-every 10 --duplicate-every 7";
        let (summary, result, counts) = load(faults, &words);
        let figure = |name: &str| counts[name].as_u64().unwrap();
        assert_eq!(figure("published"), 600, "{words}");
        assert_eq!(figure("delivered"), 1200 - figure("dropped") + figure("duplicated"), "{words}");
        assert_eq!(printed(&summary, "Delivery", "expected"), 1200, "{words}");
        assert_eq!(printed(&summary, "Delivery", "lost"), figure("dropped"), "{words}");
        assert_eq!(printed(&summary, "Delivery", "duplicate"), figure("duplicated"), "{words}");
        assert_eq!(printed(&summary, "Delivery", "reordered"), 0, "{words}");
        let received = result["counts"]["received"].as_u64().unwrap();
        assert_eq!(received + figure("duplicated"), figure("delivered"), "{words}");
    }
}

#[test]
fn what_waits_in_a_stall_is_told_from_its_due_time() {
    // The sink stands still for 300 ms at message 500 of 1,000 a second: 300 messages fall due meanwhile.
    let words = "pub -q 1 -c 5 -L 1000 -W 60 --rate 1k";
    let (_, result, counts) = load("--stall-every 500 --stall-for 300ms", words);
    assert_eq!(counts["stalled"], 2);
    let latency = &result["latency_us"]["ack"];
    assert_eq!(latency["count"], 1000);
    // The last message stalls as well, so two waited for at least 299 ms; a tenth waited for 100 ms at least.
    assert!(latency["max"].as_u64().unwrap() >= 295_000, "{latency}");
    assert!(latency["p90"].as_u64().unwrap() >= 195_000, "{latency}");
}

#[test]
fn delayed_deliveries_are_late_by_that_and_none_is_lost() {
    for qos in 0..3 {
        let (_, result, counts) = load("--delay 40ms", &format!("-q {qos} -c 2 -L 200 -W 60 --rate 2k"));
        assert_eq!((&counts["delivered"], &result["counts"]["received"]), (&200.into(), &200.into()));
        assert!(result["latency_us"]["e2e"]["min"].as_u64().unwrap() >= 39_900, "{}", result["latency_us"]);
        assert_eq!(result["counts"]["lost"], 0);
    }
}

#[test]
fn sink_says_what_it_does_not_understand() {
    let output = Command::new(BENCH).args(["sink", "--stall-every", "3"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--stall-for"));
}

#[test]
fn counts_are_served_to_prometheus_while_the_load_runs() {
    use std::io::Write;
    let mut child = Command::new(BENCH)
        .args(["conn", "--embedded", "-c", "3", "-W", "60", "--prometheus", ":0", "--progress", "none"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let found = lines.into_iter().find_map(|line| Some(line.split_once("metrics at http://")?.1.to_owned()));
    let address = found.unwrap().trim_end_matches("/metrics").to_owned();
    let page = || {
        let mut socket = std::net::TcpStream::connect(&address).unwrap();
        socket.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let mut page = String::new();
        socket.read_to_string(&mut page).unwrap();
        page
    };
    // Each look is a request; the three connections show as soon as they are there.
    let connected = (0..100_000).map(|_| page()).find(|page| page.contains("culex_bench_connections 3"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(connected.is_some_and(|page| page.starts_with("HTTP/1.1 200")));
}
