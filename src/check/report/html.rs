//! One self-contained HTML page: every scenario, its steps and its timeline.

use super::super::outcome::{Outcome, Verdict};
use crate::journal::{Fate, Happening, Record};
use crate::packet::Sender;
use crate::test_broker::describe;
use std::fmt::Write as _;

/// Records of one scenario that the page shows.
const RECORDS_MAX: usize = 2000;

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}\
summary{cursor:pointer;padding:.3rem 0}h1{font-size:1.3rem}table{border-collapse:collapse;width:100%}\
td,th{padding:.15rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid #8883}\
td.t{font:12px ui-monospace,monospace;white-space:nowrap;color:#888}td.m{font:12px ui-monospace,monospace;\
white-space:pre-wrap;word-break:break-word}.passed{color:#2a8a3e}.failed,.broken{color:#c62828}.skipped{color:#b08000}\
tr.in{background:#4a90d914}tr.out{background:#2a8a3e14}tr.fault{background:#d98a0033}tr.error{background:#c6282833}\
tr.note td{color:#888}tr.step td{font-weight:600;border-top:2px solid #8886}pre{white-space:pre-wrap;color:#c62828}";

/// The page.
#[must_use]
pub fn document(outcomes: &[Outcome]) -> String {
    let counts = super::Counts::of(outcomes).words();
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>culex-check: {counts}</title><style>{STYLE}</style>\
         <h1>culex-check: {counts}</h1>\n"
    );
    for outcome in outcomes {
        put_outcome(outcome, &mut page);
    }
    page.push_str("</html>\n");
    page
}

fn put_outcome(outcome: &Outcome, page: &mut String) {
    let word = outcome.verdict.word();
    let open = if outcome.verdict > Verdict::Skipped { " open" } else { "" };
    let (name, took) = (escaped(&outcome.name), outcome.duration.as_millis());
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        page,
        "<details{open}><summary><b class=\"{word}\">{word}</b> {name} <small>({took} ms, round {}, seed {})</small>\
         </summary>",
        outcome.round, outcome.seed
    );
    if !outcome.reason.is_empty() {
        let _ = writeln!(page, "<pre>{}</pre>", escaped(&outcome.reason));
    }
    page.push_str("<table><tr><th>step</th><th>what</th><th>took</th></tr>\n");
    for step in &outcome.steps {
        let _ = write!(
            page,
            "<tr><td class=\"{}\">{}</td><td>{}",
            step.verdict.word(),
            escaped(&step.place),
            escaped(&step.text)
        );
        if !step.reason.is_empty() {
            let _ = write!(page, "<pre>{}</pre>", escaped(&step.reason));
        }
        let _ = writeln!(page, "</td><td>{} ms</td></tr>", step.duration.as_millis());
    }
    page.push_str("</table>\n<details><summary>timeline</summary><table>\n");
    for record in outcome.journal.iter().take(RECORDS_MAX) {
        put_record(record, outcome, page);
    }
    if let Some(left) = outcome.journal.len().checked_sub(RECORDS_MAX).filter(|left| *left > 0) {
        let _ = writeln!(page, "<tr><td></td><td>and {left} records more</td></tr>");
    }
    page.push_str("</table></details></details>\n");
}

fn put_record(record: &Record, outcome: &Outcome, page: &mut String) {
    let class = match &record.happening {
        Happening::Packet { fate: Fate::Stopped | Fate::Made, .. } | Happening::Fault { .. } => "fault",
        Happening::Packet { sender: Sender::Client, .. } => "in",
        Happening::Packet { .. } => "out",
        happening if happening.is_protocol_error() => "error",
        Happening::Note { source, .. } if outcome.steps.iter().any(|step| step.place == source.as_str()) => {
            "step"
        }
        Happening::Note { .. } | Happening::Mark(_) => "note",
        _ => "",
    };
    let micros = record.time.as_nanos() / 1000;
    let _ = writeln!(
        page,
        "<tr class=\"{class}\"><td class=\"t\">{}.{:06}</td><td class=\"m\">{}</td></tr>",
        micros / 1_000_000,
        micros % 1_000_000,
        escaped(&describe(record))
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
