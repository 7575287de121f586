//! What is told of outcomes: for people, for CI servers, for programs.

pub mod github;
pub mod html;
pub mod human;
pub mod junit;
pub mod ndjson;
pub mod tap;

use super::outcome::{Outcome, Verdict};

/// How many outcomes there are of each kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Not run.
    pub skipped: usize,
    /// Not as they must be.
    pub failed: usize,
    /// Could not be run.
    pub broken: usize,
}

impl Counts {
    /// Counts `outcomes`.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Self {
        let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
        Self {
            passed: count(Verdict::Passed),
            skipped: count(Verdict::Skipped),
            failed: count(Verdict::Failed),
            broken: count(Verdict::Broken),
        }
    }

    /// In words, without what there is none of.
    #[must_use]
    pub fn words(self) -> String {
        let all = [
            (self.passed, "passed"),
            (self.failed, "failed"),
            (self.broken, "broken"),
            (self.skipped, "skipped"),
        ];
        let some: Vec<String> = all
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        if some.is_empty() { "nothing was run".to_owned() } else { some.join(", ") }
    }
}

/// Why an outcome is no success, in one line and the lines behind it.
fn reason(outcome: &Outcome) -> (String, Vec<String>) {
    let (place, reason) = match outcome.failure() {
        Some(step) => (format!("{}, {}: ", step.place, step.text), step.reason.as_str()),
        None => (String::new(), outcome.reason.as_str()),
    };
    let mut lines = reason.lines().map(str::to_owned);
    let first = format!("{place}{}", lines.next().unwrap_or_default());
    (first, lines.collect())
}
