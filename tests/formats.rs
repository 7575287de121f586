//! `-F` formats and the plain forms: every row of `formats/table.txt`, by our own printer and, where the table says that it
//! agrees, by Debian's mosquitto_sub 2.0.
//!
//! mosquitto_sub is fed by a broker of one message, so that packet identifiers, Subscription Identifiers and the order of
//! properties are those of the row. Without mosquitto_sub that test is skipped, unless `CULEX_REQUIRE_PEERS` is set.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it skips")]

use culex::output::{Fault, Form, FormatError, InvalidJson, LocalTime, Message, Printer, Template, WallTime};
use culex::packet::{PropertiesRef, PublishRef, Qos};
use proptest::prelude::*;
use table::{Expected, Row};

#[path = "formats/one_message_broker.rs"]
mod one_message_broker;
#[path = "formats/table.rs"]
mod table;

/// 2026-11-22T06:02:12.361034567Z.
const RECEIVED: WallTime = WallTime { seconds: 1_795_327_332, nanoseconds: 361_034_567 };
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn template(row: &Row) -> Result<Option<Template>, FormatError> {
    if row.has("plain") || row.has("verbose") { Ok(None) } else { Template::parse(row.format).map(Some) }
}

fn ours(row: &Row) -> Expected {
    match template(row) {
        Err(refused) => Expected::Refused(refused),
        Ok(template) => {
            let (out, faults) = print(row, template);
            Expected::Printed(out, faults)
        }
    }
}

fn print(row: &Row, template: Option<Template>) -> (Vec<u8>, Vec<Fault>) {
    let form = match template {
        Some(template) => Form::Template(template),
        None if row.has("verbose") => Form::TopicAndPayload,
        None => Form::Payload,
    };
    let mut printer = Printer::new(form, LocalTime::posix(ZONE).unwrap())
        .line_end(!row.has("no-line-end"))
        .pretty(row.has("pretty"))
        .invalid_json(if row.has("wrap") { InvalidJson::Wrap } else { InvalidJson::Omit });
    let received = if printer.needs_time() { RECEIVED } else { WallTime::default() };
    let (mut out, mut faults) = (Vec::new(), Vec::new());
    printer.print(&Message { publish: row.publish.as_ref(), received }, &mut out, &mut faults);
    (out, faults)
}

#[test]
fn every_row_prints_what_the_table_says() {
    let rows = table::rows();
    assert!(rows.len() >= 300, "{} rows", rows.len());
    let complaints: String = rows.iter().filter_map(|row| complaint(row, ours(row), false)).collect();
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn mosquitto_sub_agrees_where_the_table_says_so() {
    let Some(mosquitto_sub) = one_message_broker::mosquitto_sub_2_0() else {
        return;
    };
    let rows = table::rows();
    let rows: Vec<&Row> = rows.iter().filter(|row| row.who == "=" || row.who == "json").collect();
    let compare = |share: &[&Row]| -> String {
        let differing = share.iter().filter_map(|row| {
            let printed = mosquitto_sub.print(row, ZONE);
            complaint(row, printed, row.who == "json")
        });
        differing.collect()
    };
    let complaints = std::thread::scope(|scope| {
        let shares: Vec<_> = rows.chunks(rows.len().div_ceil(8)).collect();
        let threads: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| compare(share))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<String>()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

fn complaint(row: &Row, printed: Expected, but_for_time: bool) -> Option<String> {
    let wanted = row.expected.clone();
    let (printed, wanted) =
        if but_for_time { (printed.without_time(), wanted.without_time()) } else { (printed, wanted) };
    (printed != wanted).then(|| format!("{row}\n    wanted  {wanted}\n    printed {printed}\n"))
}

/// Formats of the characters that mean something, with numbers short enough to print.
fn any_format() -> impl Strategy<Value = String> {
    let piece =
        proptest::string::string_regex("[%@\\\\]?[-0]?[0-9]{0,2}(\\.[0-9]{0,2})?[:_ ]?[a-zA-Z0%@\\\\é]")
            .unwrap();
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn message<'a>(topic: &'a str, payload: &'a [u8], second: i64) -> Message<'a> {
    let publish = PublishRef {
        dup: false,
        qos: Qos::AtMostOnce,
        retain: false,
        topic,
        packet_identifier: None,
        properties: PropertiesRef::EMPTY,
        payload,
    };
    Message { publish, received: WallTime { seconds: second, nanoseconds: 999_999_999 } }
}

proptest! {
    #[test]
    fn no_format_payload_or_time_stops_the_printer(
        format in any_format(),
        payload in proptest::collection::vec(any::<u8>(), 0..40),
        second in any::<i64>(),
    ) {
        if let Ok(template) = Template::parse(&format) {
            let mut printer = Printer::new(Form::Template(template), LocalTime::posix(ZONE).unwrap());
            let (mut out, mut faults) = (Vec::new(), Vec::new());
            printer.print(&message("a/b", &payload, second), &mut out, &mut faults);
            prop_assert_eq!(out.last(), Some(&b'\n'));
        }
    }

    #[test]
    fn json_is_json_whatever_the_payload_says(payload in "\\PC{0,30}|[\\[\\]{}:,\"\\\\0-9eE.+ a-z\t]{0,30}") {
        for format in ["%j", "%J"] {
            let template = Template::parse(format).unwrap();
            let mut printer = Printer::new(Form::Template(template), LocalTime::utc()).invalid_json(InvalidJson::Wrap);
            let (mut out, mut faults) = (Vec::new(), Vec::new());
            printer.print(&message("a\"b", payload.as_bytes(), 0), &mut out, &mut faults);
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(&value["topic"], "a\"b");
            if format == "%j" && !payload.is_empty() {
                prop_assert_eq!(&value["payload"], payload.as_str());
            }
        }
    }
}
