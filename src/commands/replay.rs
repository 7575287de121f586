//! `replay`: publishes a recording, with its pauses.

use super::publish;
use super::source::Source;
use crate::compat::{self, Failure};
use crate::flags::plan::{PublishPlan, ReplayPlan};
use crate::flags::{Draft, Tool};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::process::ExitCode;

/// Runs `replay` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let invocation = match compat::read(Tool::Replay, argv) {
        Ok(invocation) => invocation,
        Err(ending) => return ending.report(),
    };
    match prepare(&invocation.draft) {
        Ok((plan, source)) if invocation.draft.message.dry_run => {
            let shown = super::dry_run::show(&plan, source);
            super::end(&shown.err().unwrap_or_default(), invocation.draft.general.quiet)
        }
        Ok((plan, source)) => publish::run_plan(plan, source, invocation.caller.face),
        Err(failure) => super::end(&failure, invocation.draft.general.quiet),
    }
}

fn prepare(draft: &Draft) -> Result<(PublishPlan, Source), Failure> {
    let plan = PublishPlan::of_recording(draft, std::process::id())
        .map_err(|error| Failure::of_plan(&error, Tool::Replay))?;
    let file = plan.replay.as_ref().map(open).transpose()?.flatten();
    Ok((plan, Source::Lines(file)))
}

/// The recording's file, if it is one.
fn open(plan: &ReplayPlan) -> Result<Option<File>, Failure> {
    let Some(path) = &plan.path else { return Ok(None) };
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
        true => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        false => Ok(file),
    });
    opened.map(Some).map_err(|error| Failure::of_recording("read", path, &error))
}
