//! `check`: scenarios, and checks of one line.

mod files;
mod one_line;
mod suite;

use super::complain;
use crate::check::{Outcome, Verdict};
use crate::compat::check_status;
use crate::flags::{Check, CheckTask};
use clap::FromArgMatches;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs `check` with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs `check` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let argv: Vec<OsString> = argv.into_iter().collect();
    if argv.get(1).is_some_and(|word| word == "health") {
        return super::health::run(argv.into_iter().skip(1));
    }
    let matches = Check::whole_command().try_get_matches_from(argv);
    let flags = match matches.and_then(|matches| Check::from_arg_matches(&matches)) {
        Ok(flags) => flags,
        Err(error) => return report_usage(&error).into(),
    };
    match flags.task {
        CheckTask::Run(flags) => suite::run(&flags).into(),
        CheckTask::Expect(flags) => one_line::expect(&flags).into(),
        CheckTask::None(flags) => one_line::none(&flags).into(),
    }
}

/// Help and version are no errors; everything else is.
pub(super) fn report_usage(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone away has seen what it wanted.
            let _ = error.print();
            0
        }
        _ => {
            complain(&format!("Error: {error}").replacen("Error: error: ", "Error: ", 1));
            check_status::USAGE
        }
    }
}

/// The exit status for these outcomes.
fn status(outcomes: &[Outcome]) -> u8 {
    match outcomes.iter().map(|outcome| outcome.verdict).max() {
        Some(Verdict::Broken) if !outcomes.iter().any(|outcome| outcome.verdict == Verdict::Failed) => {
            check_status::ENVIRONMENT
        }
        Some(Verdict::Broken | Verdict::Failed) => check_status::FAILED,
        Some(Verdict::Passed | Verdict::Skipped) | None => 0,
    }
}
