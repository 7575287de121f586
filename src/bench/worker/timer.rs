//! Waits for absolute moments, to the microsecond: a timerfd beside the sockets.

use crate::time::Time;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// A timer of the kernel that makes the poll return at a moment of [`rustix::time::ClockId::Monotonic`].
#[derive(Debug)]
pub(super) struct Timer {
    descriptor: OwnedFd,
    /// The moment that it is set to, so that setting it to the same one again costs nothing.
    set_to: Option<Time>,
    /// The core's zero by the kernel's clock, in nanoseconds.
    base: u64,
}

impl Timer {
    /// A timer that is not set; `base` is when [`Time::ZERO`] was by the monotonic clock, in nanoseconds.
    pub(super) fn new(registry: &Registry, token: Token, base: u64) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&descriptor.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { descriptor, set_to: None, base })
    }

    /// Makes the poll return at `moment`; at once for one in the past, never for [`Time::MAX`].
    pub(super) fn set(&mut self, moment: Time) -> io::Result<()> {
        if self.set_to == Some(moment) {
            return Ok(());
        }
        self.set_to = Some(moment);
        let at = if moment == Time::MAX { 0 } else { self.base.saturating_add(moment.as_nanos()).max(1) };
        let value = Timespec {
            tv_sec: i64::try_from(at / 1_000_000_000).unwrap_or(i64::MAX),
            #[allow(clippy::cast_possible_wrap)] // below a billion
            tv_nsec: (at % 1_000_000_000) as _,
        };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(
            &self.descriptor,
            TimerfdTimerFlags::ABSTIME,
            &Itimerspec { it_interval: zero, it_value: value },
        )?;
        Ok(())
    }

    /// It has rung: it is set no more.
    pub(super) const fn rang(&mut self) {
        self.set_to = None;
    }
}
