//! The signals that ask a client to leave.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why a client is to leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// SIGINT or SIGTERM, with its number.
    Stop(i32),
    /// SIGALRM, which stands for the end of `-W`.
    Alarm,
}

/// SIGINT, SIGTERM and SIGALRM, watched from now on.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    alarm: Signal,
}

impl Signals {
    /// Begins to watch; needs the runtime.
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            alarm: signal(SignalKind::alarm())?,
        })
    }

    /// The next one; safe to be dropped while it waits.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop(libc::SIGINT),
            _ = self.terminate.recv() => Asked::Stop(libc::SIGTERM),
            _ = self.alarm.recv() => Asked::Alarm,
        }
    }
}

/// Ends this process by `number`, so that whoever started it sees which signal it was.
pub(super) fn end_by(number: i32) {
    // SAFETY: restoring the default action and raising are sound at any time.
    unsafe {
        libc::signal(number, libc::SIG_DFL);
        libc::raise(number);
    }
}
