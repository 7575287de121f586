//! JUnit XML.

use super::super::outcome::{Outcome, Verdict};
use crate::test_broker::timeline;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;

/// The whole document: each file a suite, each scenario a case with its timeline as output.
///
/// # Errors
///
/// When it cannot be written, in words.
pub fn document(outcomes: &[Outcome]) -> Result<String, String> {
    let mut report = Report::new("culex-check");
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    for outcome in outcomes {
        let file = outcome.file.display().to_string();
        let suite = suites.entry(file.clone()).or_insert_with(|| TestSuite::new(file.clone()));
        suite.add_test_case(case(outcome, &file));
    }
    report.add_test_suites(suites.into_values());
    report.to_string().map_err(|error| error.to_string())
}

fn case(outcome: &Outcome, file: &str) -> TestCase {
    let (first, more) = super::reason(outcome);
    let status = match outcome.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(outcome.reason.clone());
            status
        }
        verdict => {
            let kind =
                if verdict == Verdict::Failed { NonSuccessKind::Failure } else { NonSuccessKind::Error };
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(first.clone());
            status.set_type(verdict.word());
            status.set_description([vec![first], more].concat().join("\n"));
            status
        }
    };
    let mut case = TestCase::new(outcome.name.clone(), status);
    case.set_classname(file);
    case.set_time(outcome.duration);
    case.add_property(("seed", outcome.seed.to_string().as_str()));
    case.add_property(("round", outcome.round.to_string().as_str()));
    if outcome.verdict > Verdict::Skipped {
        case.set_system_out(timeline(outcome.failure_records()));
    }
    if !outcome.warnings.is_empty() {
        case.set_system_err(outcome.warnings.join("\n"));
    }
    case
}
