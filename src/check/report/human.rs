//! For people: one line a scenario, and everything about those that failed.

use super::super::outcome::{Outcome, Verdict};
use super::Counts;
use crate::test_broker::timeline;
use colored::Colorize;
use std::fmt::Write as _;
use std::time::Duration;

/// One outcome; `is_verbose` tells of each step of those that passed, too. Colours are as `colored` was told.
#[must_use]
pub fn outcome(outcome: &Outcome, is_verbose: bool) -> String {
    let mut text = String::new();
    let mark = mark(outcome.verdict);
    let round = if outcome.round > 1 { format!(" (round {})", outcome.round) } else { String::new() };
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{mark} {}{round} {}", outcome.name.bold(), dim(outcome.duration));
    let is_whole = is_verbose || outcome.verdict > Verdict::Skipped;
    if !outcome.reason.is_empty() {
        let _ = writeln!(text, "    {}", outcome.reason.replace('\n', "\n    "));
    }
    if is_whole {
        for step in &outcome.steps {
            let place = format!("{:10}", step.place);
            let _ =
                writeln!(text, "  {} {place} {} {}", self::mark(step.verdict), step.text, dim(step.duration));
            if !step.reason.is_empty() {
                let _ = writeln!(text, "      {}", step.reason.replace('\n', "\n      ").red());
            }
        }
    }
    for warning in &outcome.warnings {
        let _ = writeln!(text, "  {} {warning}", "warning:".yellow());
    }
    if outcome.verdict > Verdict::Skipped {
        let records = outcome.failure_records();
        if !records.is_empty() {
            let _ = writeln!(text, "\n    {}", "What happened:".bold());
            for line in timeline(records).lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
        let _ =
            writeln!(text, "\n    {} {} (seed {})\n", "in".dimmed(), outcome.file.display(), outcome.seed);
    }
    text
}

/// The last line.
#[must_use]
pub fn summary(outcomes: &[Outcome], elapsed: Duration) -> String {
    let counts = Counts::of(outcomes);
    let words = counts.words();
    let words = if counts.failed + counts.broken > 0 { words.red().bold() } else { words.green().bold() };
    format!("{words} in {}\n", plain(elapsed))
}

fn mark(verdict: Verdict) -> colored::ColoredString {
    match verdict {
        Verdict::Passed => "ok  ".green(),
        Verdict::Skipped => "skip".yellow(),
        Verdict::Failed => "FAIL".red().bold(),
        Verdict::Broken => "ERR ".red().bold(),
    }
}

fn dim(duration: Duration) -> colored::ColoredString {
    format!("({})", plain(duration)).dimmed()
}

/// Milliseconds, or seconds from one on.
fn plain(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
