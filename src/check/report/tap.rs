//! TAP 14.

use super::super::outcome::{Outcome, Verdict};
use std::fmt::Write as _;

/// The whole document: each scenario a test, with a YAML block about what is wrong.
#[must_use]
pub fn document(outcomes: &[Outcome]) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", outcomes.len());
    for (at, outcome) in outcomes.iter().enumerate() {
        let number = at + 1;
        let name = escaped(&outcome.name);
        // Writing to a string cannot fail.
        let _ = match outcome.verdict {
            Verdict::Passed if outcome.warnings.is_empty() => writeln!(text, "ok {number} - {name}"),
            Verdict::Passed => {
                let mut block = format!("ok {number} - {name}\n  ---\n");
                put_list("warnings", &outcome.warnings, &mut block);
                writeln!(text, "{block}  ...")
            }
            Verdict::Skipped => writeln!(text, "ok {number} - {name} # SKIP {}", escaped(&outcome.reason)),
            Verdict::Failed | Verdict::Broken => {
                let (first, more) = super::reason(outcome);
                let mut block = format!("not ok {number} - {name}\n  ---\n  message: {}\n", quoted(&first));
                let _ = writeln!(
                    block,
                    "  severity: {}",
                    if outcome.verdict == Verdict::Failed { "fail" } else { "error" }
                );
                let _ = writeln!(block, "  file: {}", quoted(&outcome.file.display().to_string()));
                let _ = writeln!(block, "  duration_ms: {}", outcome.duration.as_millis());
                let _ = writeln!(block, "  seed: {}", outcome.seed);
                put_list("details", &more, &mut block);
                put_list("warnings", &outcome.warnings, &mut block);
                let steps: Vec<String> = outcome
                    .steps
                    .iter()
                    .map(|step| format!("{} {}, {}", step.verdict.word(), step.place, step.text))
                    .collect();
                put_list("steps", &steps, &mut block);
                writeln!(text, "{block}  ...")
            }
        };
    }
    text
}

/// A list of texts in a YAML block, unless it is empty.
fn put_list(name: &str, lines: &[String], block: &mut String) {
    if lines.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(block, "  {name}:");
    for line in lines {
        let _ = writeln!(block, "    - {}", quoted(line.trim()));
    }
}

/// A description; `#` begins a directive and `\` escapes it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace('\n', " ")
}

/// A text in YAML's double quotes, which are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
