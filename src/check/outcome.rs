//! What became of a scenario.

use crate::journal::Record;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a scenario or a step ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// All was as it must be.
    Passed,
    /// It was not run.
    Skipped,
    /// Something was not as it must be.
    Failed,
    /// It could not be found out: a broker or device did not start.
    Broken,
}

impl Verdict {
    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Broken => "broken",
        }
    }
}

/// One step, and what became of it.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    /// Its part and number: `setup 1`, `step 3`, `device lamp`, `teardown 1`.
    pub place: String,
    /// What it does, in a few words.
    pub text: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass: the first line says it, the others explain.
    pub reason: String,
    /// How long it took.
    pub duration: Duration,
    /// The journal from its beginning to its end: first and behind the last.
    pub records: (u64, u64),
}

/// One run of one scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name, with the values of its matrix.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Which of `--repeat` it is, from 1.
    pub round: u32,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it was skipped or could not begin.
    pub reason: String,
    /// Its steps, as far as they were taken.
    pub steps: Vec<StepOutcome>,
    /// How long it took.
    pub duration: Duration,
    /// The seed of its faults.
    pub seed: u64,
    /// What is not wrong but not good either.
    pub warnings: Vec<String>,
    /// The file and line of each step, by its place.
    pub lines: BTreeMap<String, (PathBuf, usize)>,
    /// All that happened.
    pub journal: Vec<Arc<Record>>,
}

impl Outcome {
    /// The step that did not pass, if one did not.
    #[must_use]
    pub fn failure(&self) -> Option<&StepOutcome> {
        self.steps.iter().find(|step| step.verdict > Verdict::Skipped)
    }

    /// The records round the step that did not pass: from a little before its beginning to its end.
    #[must_use]
    pub fn failure_records(&self) -> &[Arc<Record>] {
        const BEFORE: u64 = 8;
        const SHOWN_MAX: usize = 60;
        let Some(step) = self.failure() else {
            return &[];
        };
        let (from, to) = (step.records.0.saturating_sub(BEFORE), step.records.1);
        let begin = self.journal.partition_point(|record| record.sequence < from);
        let end = self.journal.partition_point(|record| record.sequence < to);
        let begin = begin.max(end.saturating_sub(SHOWN_MAX));
        &self.journal[begin..end]
    }
}
