//! One timer of the runtime that follows a deadline of the core.

use super::Clock;
use crate::time::Time;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::Sleep;

/// Becomes ready at a deadline that may move with every turn.
///
/// Deadlines mostly move later (each packet restarts a keep alive). The runtime's timer is left where it was then,
/// wakes too early once, and is set anew: cheaper than moving it for every packet.
#[derive(Debug)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// What `sleep` is set to; [`Time::MAX`] when it is not.
    set_to: Time,
}

impl Default for Timer {
    fn default() -> Self {
        Self { sleep: None, set_to: Time::MAX }
    }
}

impl Timer {
    /// Ready at `due` or, now and then, earlier: the caller looks at the clock again.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, clock: &Clock, due: Option<Time>) -> Poll<()> {
        let Some(due) = due else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(clock.instant(due))));
        if due < self.set_to {
            sleep.as_mut().reset(clock.instant(due));
            self.set_to = due;
        }
        ready!(sleep.as_mut().poll(context));
        self.set_to = Time::MAX;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn next(timer: &mut Timer, clock: &Clock, due: Time) {
        std::future::poll_fn(|context| timer.poll(context, clock, Some(due))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn earlier_deadlines_are_kept_and_later_ones_are_reached() {
        let clock = Clock::start();
        let start = tokio::time::Instant::now();
        let mut timer = Timer::default();
        let hour = Time::ZERO + Duration::from_secs(3600);
        let second = Time::ZERO + Duration::from_secs(1);
        let poll = std::future::poll_fn(|context| Poll::Ready(timer.poll(context, &clock, Some(hour)))).await;
        assert!(poll.is_pending());
        next(&mut timer, &clock, second).await;
        assert!(start.elapsed() < Duration::from_secs(2));
        next(&mut timer, &clock, hour).await;
        assert!(start.elapsed() > Duration::from_secs(3598));
    }
}
