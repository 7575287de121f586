//! `pub -l` over connections that break: nothing acknowledged is lost (contract, sections 9 and 15).
//!
//! `CULEX_LINES=n` sets the number of lines, 20,000 by default.

use super::acknowledging_server::{AcknowledgingServer, Fate, Record};
use super::broker::Player;
use super::reserved_port::ReservedPort;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

const PUB: &str = env!("CARGO_BIN_EXE_culex-pub");

/// How often each run is cut off.
const CUTS: usize = 5;

fn count() -> u32 {
    let count = std::env::var("CULEX_LINES").ok();
    count.map_or(20_000, |count| count.parse().expect("CULEX_LINES is a number"))
}

/// Starts `pub -l`; `args` come first, because `--strict` must.
fn start(port: u16, args: &[&str]) -> Child {
    Command::new(PUB)
        .args(args)
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", "lines", "-l"])
        .env_clear()
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Publishes the numbers up to [`count`] to a server that is cut off [`CUTS`] times.
fn publish_over_cuts(keeps_session: bool, args: &[&str]) -> (Record, Output) {
    let total = count();
    let cuts = (1..=CUTS).map(|cut| total as usize * cut / (CUTS + 1)).collect();
    let server = AcknowledgingServer::start(Fate { cuts, keeps_session });
    let mut child = start(server.port, args);
    let mut input = std::io::BufWriter::new(child.stdin.take().unwrap());
    (0..total).for_each(|number| writeln!(input, "{number}").unwrap());
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    (server.record(), output)
}

fn assert_all_acknowledged(record: &Record) {
    let missing: Vec<_> = (0..count()).filter(|number| !record.acknowledged.contains(number)).collect();
    assert!(missing.is_empty(), "{} lines were not acknowledged: {missing:?}", missing.len());
    assert!(record.connections > CUTS, "the connection was cut {} times", record.connections);
}

/// The first delivery of each line comes in the order of the input.
fn assert_in_order(record: &Record) {
    let mut seen = std::collections::HashSet::new();
    let first: Vec<_> = record.delivered.iter().copied().filter(|number| seen.insert(*number)).collect();
    assert!(first.is_sorted(), "out of order");
}

#[test]
fn every_line_of_qos_1_is_acknowledged_over_five_cuts() {
    for args in [&["-q", "1"][..], &["--strict", "-q", "1"]] {
        let (record, _) = publish_over_cuts(false, args);
        assert_all_acknowledged(&record);
        assert_in_order(&record);
    }
}

#[test]
fn no_line_of_qos_2_is_delivered_twice_where_the_session_survives() {
    let (record, _) = publish_over_cuts(true, &["-q", "2", "-c", "-i", "lines"]);
    assert_all_acknowledged(&record);
    assert!(record.delivered.iter().copied().eq(0..count()), "{} deliveries", record.delivered.len());
}

#[test]
fn a_line_of_qos_2_whose_pubrec_was_seen_is_not_sent_again_without_the_session() {
    let (record, _) = publish_over_cuts(false, &["-q", "2"]);
    assert_all_acknowledged(&record);
    assert_in_order(&record);
    assert_eq!(record.sent_after_release, [0; 0]);
}

fn script(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The strict face reads on while there is no connection: more lines than a pipe holds are taken before the server is
/// back. What it saw from then on, and the program's end.
fn publish_while_away(qos: &str, lines: u32, line_bytes: usize) -> (Vec<String>, Output) {
    let reserved = ReservedPort::take();
    let (port, listener) = (reserved.port, reserved.listen());
    let player = |listener| Player::new(listener, mpsc::channel().0);
    let mut child = start(port, &["--strict", "-q", qos]);
    let mut before = player(listener);
    before.advance(&script(&["expect CONNECT", "connack 0"])).unwrap();
    drop(before);
    let mut input = child.stdin.take().unwrap();
    (0..lines).for_each(|number| writeln!(input, "{number:line_bytes$}").unwrap());
    let mut after = player(reserved.listen());
    drop(input);
    after.play(&script(&["serve"])).unwrap();
    (after.seen, child.wait_with_output().unwrap())
}

#[test]
fn strict_lines_of_qos_1_that_are_read_while_away_arrive_later() {
    let (seen, output) = publish_while_away("1", 500, 1000);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    let numbers: Vec<u32> = seen
        .iter()
        .filter(|packet| packet.starts_with("PUBLISH"))
        .map(|packet| packet.split(['\'', ' ']).filter_map(|word| word.parse().ok()).next_back().unwrap())
        .collect();
    assert!(numbers.iter().copied().eq(0..500), "{numbers:?}");
}

#[test]
fn strict_lines_of_qos_0_that_are_read_while_away_are_dropped_and_told() {
    let (seen, output) = publish_while_away("0", 20_000, 100);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    let dropped = complaint
        .strip_prefix("Warning: ")
        .and_then(|rest| rest.strip_suffix(" messages were dropped while there was no connection.\n"));
    let dropped: usize = dropped.expect(&complaint).parse().unwrap();
    let arrived = seen.iter().filter(|packet| packet.starts_with("PUBLISH")).count();
    assert!(dropped + arrived <= 20_000, "{dropped} dropped, {arrived} arrived");
    assert_eq!(seen.last().map(String::as_str), Some("DISCONNECT 0"));
}
