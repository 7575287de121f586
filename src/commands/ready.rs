//! Telling others that the broker has answered the subscription: a descriptor, a file, a command.

use super::make_file;
use super::signals::{Asked, Signals};
use crate::compat::Failure;
use crate::flags::plan::ReadyPlan;
use crate::net::process;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::FromRawFd;
use std::process::ExitStatus;
use tokio::process::Child;

const LINE: &[u8] = b"ready\n";

/// Those who wait for the subscription; told once, however often the connection is made again.
pub(super) struct Ready {
    plan: ReadyPlan,
    /// The command, while it runs.
    child: Option<Child>,
}

impl Ready {
    pub(super) const fn new(plan: ReadyPlan) -> Self {
        Self { plan, child: None }
    }

    /// Tells everybody who has not been told.
    ///
    /// # Errors
    ///
    /// Who could not be told, and why.
    pub(super) fn tell(&mut self) -> Result<(), Failure> {
        let ReadyPlan { descriptor, file, command } = std::mem::take(&mut self.plan);
        if let Some(descriptor) = descriptor {
            // SAFETY: the user left it open for this use, and the plan, which is gone now, had the only number.
            let mut file = unsafe { File::from_raw_fd(descriptor) };
            file.write_all(LINE).map_err(|error| Failure::of_ready("--ready-fd", &error))?;
        }
        if let Some(path) = file {
            make_file(&path, LINE).map_err(|error| Failure::of_ready("--ready-file", &error))?;
        }
        if let Some(command) = command {
            let child = process::shell(&command).stdin(std::process::Stdio::null()).spawn();
            self.child = Some(child.map_err(|error| Failure::of_ready("--after-suback", &error))?);
        }
        Ok(())
    }

    /// Waits until the command ends, and tells how it failed; never comes when there is none, or when it succeeds.
    ///
    /// Safe to be dropped while it waits.
    pub(super) async fn failed(&mut self) -> Failure {
        if let Some(child) = &mut self.child {
            let ended = child.wait().await;
            self.child = None;
            if let Some(failure) = failure(ended) {
                return failure;
            }
        }
        std::future::pending().await
    }

    /// Waits for a command that still runs when the program is about to end, so that its failure shows; a signal is
    /// handed on to it, and a second one ends the waiting.
    pub(super) async fn finish(&mut self, signals: &mut Signals) -> Option<Failure> {
        let child = self.child.as_mut()?;
        let mut is_asked = false;
        loop {
            tokio::select! {
                ended = child.wait() => return failure(ended),
                asked = signals.next() => {
                    if is_asked {
                        return None;
                    }
                    is_asked = true;
                    if let Asked::Stop(number) = asked {
                        process::send_signal(child, number);
                    }
                }
            }
        }
    }
}

fn failure(ended: io::Result<ExitStatus>) -> Option<Failure> {
    match ended {
        Ok(status) if status.success() => None,
        Ok(status) => Some(Failure::of_command("--after-suback", process::shell_status(status))),
        Err(error) => Some(Failure::of_ready("--after-suback", &error)),
    }
}
