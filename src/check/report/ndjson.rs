//! NDJSON: one object a line, for programs.

use super::super::outcome::{Outcome, StepOutcome};
use crate::test_broker::record_value;
use serde_json::{Value, json};

/// One outcome: a line for each step, and one for the scenario.
#[must_use]
pub fn lines(outcome: &Outcome) -> String {
    let mut text = String::new();
    for step in &outcome.steps {
        let mut value = step_value(step);
        value["scenario"] = json!(outcome.name);
        value["event"] = json!("step");
        text.push_str(&format!("{value}\n"));
    }
    let value = json!({
        "event": "scenario", "scenario": outcome.name, "file": outcome.file, "round": outcome.round,
        "verdict": outcome.verdict.word(), "reason": super::reason(outcome).0,
        "seconds": outcome.duration.as_secs_f64(), "seed": outcome.seed, "warnings": outcome.warnings,
    });
    text.push_str(&format!("{value}\n"));
    text
}

/// The last line.
#[must_use]
pub fn summary(outcomes: &[Outcome]) -> String {
    let counts = super::Counts::of(outcomes);
    let value = json!({
        "event": "summary", "passed": counts.passed, "failed": counts.failed, "broken": counts.broken,
        "skipped": counts.skipped,
    });
    format!("{value}\n")
}

/// A journal, one record a line.
#[must_use]
pub fn journal(outcome: &Outcome) -> String {
    outcome.journal.iter().map(|record| format!("{}\n", record_value(record))).collect()
}

fn step_value(step: &StepOutcome) -> Value {
    json!({
        "place": step.place, "text": step.text, "verdict": step.verdict.word(), "reason": step.reason,
        "seconds": step.duration.as_secs_f64(), "records": [step.records.0, step.records.1],
    })
}
