//! One file a program: plan, run, status.

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "bench")]
pub mod bench_result;
pub mod broker;
#[cfg(feature = "check")]
pub mod check;
pub mod completions;
pub mod dispatch;
pub mod doorway;
mod dry_run;
mod executor;
mod feed;
#[cfg(feature = "check")]
pub mod health;
mod lines;
mod link;
pub mod links;
pub mod man;
mod pace;
pub mod passwd;
mod printer;
#[cfg(feature = "check")]
pub mod proxy;
pub mod publish;
mod publish_progress;
mod purge;
mod ready;
mod receiver;
pub mod record;
#[cfg(feature = "check")]
mod records;
pub mod replay;
pub mod request;
mod signals;
mod source;
mod standard_output;
pub mod subscribe;

use crate::compat::Failure;
use std::fs;
use std::future::Future;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Runs a client on this thread alone; a second one would cost more than it brings.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}

/// Says what went wrong, unless the user wants quiet, and ends with its status.
fn end(failure: &Failure, quiet: bool) -> ExitCode {
    if !quiet {
        complain(&failure.text);
    }
    failure.status.into()
}

/// Makes a file that is there whole or not at all: whoever waits for it must not read half of it.
fn make_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    fs::write(&beside, content)?;
    fs::rename(&beside, path)
}

/// Writes to the standard output at once.
fn say(text: &str) {
    let mut output = io::stdout();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Writes to the standard error; when even that is impossible, nobody is there to be told.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
