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
            Verdict::Passed => writeln!(text, "ok {number} - {name}"),
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
                if !more.is_empty() {
                    block.push_str("  details:\n");
                    for line in &more {
                        let _ = writeln!(block, "    - {}", quoted(line.trim()));
                    }
                }
                writeln!(text, "{block}  ...")
            }
        };
    }
    text
}

/// A description; `#` begins a directive and `\` escapes it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace('\n', " ")
}

/// A text in YAML's double quotes, which are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
