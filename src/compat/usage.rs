//! What is printed when a program ends before it has begun: faults with their hint, help, version.

use super::face::{Caller, Face};
use super::fault::{Fault, Stop};
use clap::Command;
use clap::error::{ContextKind, ContextValue};
use std::io::{self, Write};

/// The version of the reference whose behaviour the strict manner keeps, and of its library.
const REFERENCE_VERSION: &str = "2.1.2 running on libmosquitto 2.1.0.";

/// The end of a program that does not run: what it prints, and its status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ending {
    /// For the standard output.
    pub stdout: String,
    /// For the standard error.
    pub stderr: String,
    /// The exit status.
    pub status: u8,
}

impl Ending {
    /// What `stop` means to the user of `command`.
    pub(super) fn of(stop: &Stop, caller: Caller, command: Command) -> Self {
        match stop {
            Stop::Help => {
                Self { stdout: help(caller, command), stderr: String::new(), status: caller.help_status() }
            }
            Stop::Version => {
                Self { stdout: version(caller), stderr: String::new(), status: caller.help_status() }
            }
            Stop::Fault(fault) => Self::of_fault(fault, caller, command),
        }
    }

    fn of_fault(fault: &Fault, caller: Caller, mut command: Command) -> Self {
        let mut stderr = format!("{fault}\n");
        if let (Face::Friendly, Fault::UnknownOption(option)) = (caller.face, fault)
            && let Some(known) = suggestion(&mut command, option)
        {
            stderr.push_str(&format!("A similar option exists: '{known}'.\n"));
        }
        if fault.has_hint() {
            stderr.push_str(&format!("\nUse '{} --help' to see usage.\n", caller.name()));
        }
        let stdout = match fault {
            Fault::TopicAndMessage => help(caller, command),
            _ => String::new(),
        };
        Self { stdout, stderr, status: 1 }
    }

    /// Prints and returns the status; what cannot be printed is let go.
    #[must_use]
    pub fn report(&self) -> std::process::ExitCode {
        let _ = io::stdout().write_all(self.stdout.as_bytes());
        let _ = io::stdout().flush();
        let _ = io::stderr().write_all(self.stderr.as_bytes());
        self.status.into()
    }
}

/// The help of a program under the name it was called by.
pub(super) fn help(caller: Caller, command: Command) -> String {
    command.name(caller.name()).bin_name(caller.name()).render_help().to_string()
}

fn version(caller: Caller) -> String {
    match caller.face {
        Face::Strict => format!("{} version {REFERENCE_VERSION}\n", caller.name()),
        Face::Friendly => format!("{} {}\n", caller.tool.name(), env!("CARGO_PKG_VERSION")),
    }
}

/// The option that clap finds similar to an unknown one.
fn suggestion(command: &mut Command, unknown: &str) -> Option<String> {
    let error = command.try_get_matches_from_mut(["culex", unknown]).err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(known) => Some(known.clone()),
        _ => None,
    }
}
