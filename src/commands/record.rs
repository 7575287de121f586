//! `record`: writes what arrives into a file, a line of JSON each.

use super::subscribe;
use crate::compat::{self, Failure};
use crate::flags::plan::{Existing, RecordingPlan, SubscribePlan};
use crate::flags::{Draft, Tool};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

/// Runs `record` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let invocation = match compat::read(Tool::Record, argv) {
        Ok(invocation) => invocation,
        Err(ending) => return ending.report(),
    };
    match prepare(&invocation.draft) {
        Ok(plan) => subscribe::run_plan(plan, invocation.caller.face),
        Err(failure) => super::end(&failure, invocation.draft.general.quiet),
    }
}

/// A file that must not be touched is found out before there is a connection.
fn prepare(draft: &Draft) -> Result<SubscribePlan, Failure> {
    let plan = SubscribePlan::of_recording(draft, std::process::id())
        .map_err(|error| Failure::of_plan(&error, Tool::Record))?;
    match &plan.recording {
        Some(RecordingPlan { path: Some(path), existing: Existing::Keep, .. }) if path.is_file() => {
            Err(Failure::recording_exists(path))
        }
        _ => Ok(plan),
    }
}

/// Opens the file that the plan names, once the broker has taken the connection, so that an attempt that fails leaves
/// none behind; `None` is the standard output.
///
/// # Errors
///
/// Why it cannot be written to.
pub(super) fn open(plan: &RecordingPlan) -> Result<Option<File>, Failure> {
    let Some(path) = &plan.path else { return Ok(None) };
    open_file(path, plan.existing).map(Some).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::recording_exists(path),
        _ => Failure::of_recording("write", path, &error),
    })
}

fn open_file(path: &Path, existing: Existing) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe or a device is there to be written to, and nobody is waited for.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    }
    match existing {
        Existing::Keep => options.write(true).create_new(true).open(path),
        Existing::Overwrite => options.write(true).create(true).truncate(true).open(path),
        Existing::Append => {
            let mut file = options.read(true).append(true).create(true).open(path)?;
            end_last_line(&mut file)?;
            Ok(file)
        }
    }
}

/// A line whose writer was killed gets its end, so that it spoils none of ours.
fn end_last_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}
