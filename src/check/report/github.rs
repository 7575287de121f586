//! GitHub Actions: annotations at the line of the step, and a step summary.

use super::super::outcome::{Outcome, Verdict};
use std::fmt::Write as _;
use std::path::Path;

/// An annotation for an outcome that is no success, or for its warnings; nothing for the rest.
#[must_use]
pub fn annotations(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if outcome.verdict > Verdict::Skipped {
        let (first, more) = super::reason(outcome);
        let body = [vec![first], more].concat().join("\n");
        let title = property(&format!("{} {}", outcome.name, outcome.verdict.word()));
        let place = outcome.failure().map_or("", |step| step.place.as_str());
        let _ = writeln!(text, "::error {},title={title}::{}", at(outcome, place), data(&body));
    }
    for warning in &outcome.warnings {
        let place = warning.split(": ").next().unwrap_or_default();
        let title = property(&outcome.name);
        let _ = writeln!(text, "::warning {},title={title}::{}", at(outcome, place), data(warning));
    }
    text
}

/// Where a step stands, or the scenario.
fn at(outcome: &Outcome, place: &str) -> String {
    let file = |file: &Path| property(&file.display().to_string());
    match outcome.lines.get(place) {
        Some((path, line)) => format!("file={},line={line}", file(path)),
        None => format!("file={}", file(&outcome.file)),
    }
}

/// The step summary in Markdown.
#[must_use]
pub fn summary(outcomes: &[Outcome]) -> String {
    let counts = super::Counts::of(outcomes);
    let mut text =
        format!("### culex-check: {}\n\n| | scenario | took | why |\n|---|---|---|---|\n", counts.words());
    for outcome in outcomes {
        let mark = match outcome.verdict {
            Verdict::Passed => "✅",
            Verdict::Skipped => "⏭️",
            Verdict::Failed => "❌",
            Verdict::Broken => "⚠️",
        };
        let why = if outcome.verdict == Verdict::Passed { String::new() } else { super::reason(outcome).0 };
        let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
        let took = outcome.duration.as_millis();
        let _ = writeln!(text, "| {mark} | {} | {took} ms | {} |", cell(&outcome.name), cell(&why));
    }
    text
}

/// What stands behind `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
