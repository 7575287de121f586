//! Processes and what they start, ended together.

use std::time::Duration;
use tokio::process::{Child, Command};

/// A process group of our own; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Group(i32);

impl Group {
    /// That of a child which was started with `process_group(0)`.
    pub(crate) fn of(child: &Child) -> Option<Self> {
        Self::of_id(child.id())
    }

    /// As [`Group::of`], by the child's process number.
    pub(crate) fn of_id(id: Option<u32>) -> Option<Self> {
        id.and_then(|id| i32::try_from(id).ok()).map(Self)
    }

    /// Sends it a signal; whether anybody is in it.
    pub(crate) fn signal(&self, number: i32) -> bool {
        // SAFETY: a signal to a group that this process has made; at worst nobody is in it any more.
        unsafe { libc::kill(-self.0, number) == 0 }
    }

    /// Waits until nobody is in it any more, for as long as `within`, then kills it.
    pub(crate) async fn end(self, within: Duration) {
        const LOOK_AGAIN: Duration = Duration::from_millis(5);
        let deadline = tokio::time::Instant::now() + within;
        while self.signal(0) && tokio::time::Instant::now() < deadline {
            // The end of a process that is not our child is told to nobody.
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Lets it live on.
    pub(crate) fn release(self) {
        std::mem::forget(self);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
    }
}

/// Makes a command's process the first of a group of its own, which ends with us, however we end.
pub(crate) fn keep_together(command: &mut Command) {
    command.process_group(0).kill_on_drop(true);
    #[cfg(target_os = "linux")]
    // SAFETY: prctl is safe to call between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}
