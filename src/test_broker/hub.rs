//! The lock round [`State`], and the thread behind it: timers, sockets, upstreams.

use super::end::End;
use super::state::State;
use crate::journal::Happening;
use crate::net::{Target, dial};
use crate::packet::{Sender, Text};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

/// What all parts of a test broker share.
#[derive(Debug)]
pub(super) struct Hub {
    state: Mutex<State>,
    /// Told after each change of the state.
    changed: Notify,
    /// Told when the next deadline may have come nearer.
    rearmed: Notify,
    runtime: Handle,
    /// Where connections go on to, in front of another broker.
    upstream: Option<Target>,
}

/// A wait that was not over in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TimedOut;

impl Hub {
    pub(super) fn new(state: State, runtime: Handle, upstream: Option<Target>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            rearmed: Notify::new(),
            runtime,
            upstream,
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, carries what that sets off to its end, and wakes who waits.
    pub(super) fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let before = state.poll_timeout();
        let result = act(&mut state);
        state.pump();
        let dials = std::mem::take(&mut state.dials);
        let is_rearmed = state.poll_timeout() != before;
        drop(state);
        for line in dials {
            self.runtime.spawn(Arc::clone(self).reach_upstream(line));
        }
        if is_rearmed {
            self.rearmed.notify_one();
        }
        self.changed.notify_waiters();
        result
    }

    /// Does what is due, for ever.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let wait = {
                let state = self.lock();
                state.poll_timeout().and_then(|time| state.timepiece.until(time))
            };
            match wait {
                Some(Duration::ZERO) => {
                    self.with(State::handle_timeout);
                    tokio::task::yield_now().await;
                }
                Some(wait) => {
                    let _ = tokio::time::timeout(wait, self.rearmed.notified()).await;
                }
                None => self.rearmed.notified().await,
            }
        }
    }

    /// Carries a line on to the broker that this one stands in front of.
    async fn reach_upstream(self: Arc<Self>, line: u64) {
        let Some(target) = &self.upstream else {
            return;
        };
        let mut end = End::new(Arc::clone(&self), line, Sender::Server);
        match dial(target).await {
            Ok(stream) => {
                let mut transport = stream.into_transport();
                // How it ended is in the journal.
                let _ = tokio::io::copy_bidirectional(&mut transport, &mut end).await;
            }
            Err(error) => self.with(|state| {
                let text = Text::detached(&format!("the broker behind cannot be reached: {error}"));
                state.unreachable = Some(error.to_string());
                state.write(Happening::Note { source: Text::detached("upstream"), text });
            }),
        }
    }

    /// Waits until `look` finds something, for as long as `within`.
    ///
    /// The deadline is kept by the broker's own thread, so that a runtime whose time is paused or turned has no say.
    pub(super) async fn wait<T>(
        self: &Arc<Self>,
        within: Duration,
        look: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, TimedOut> {
        self.wait_until(&mut self.deadline(within), look).await
    }

    /// Waits until `look` finds something, or `deadline` is over.
    pub(super) async fn wait_until<T>(
        self: &Arc<Self>,
        deadline: &mut oneshot::Receiver<()>,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, TimedOut> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return Ok(found);
            }
            tokio::select! {
                biased;
                () = changed => {}
                _ = &mut *deadline => return look(&mut self.lock()).ok_or(TimedOut),
            }
        }
    }

    /// Looks at the state from the broker's own thread: there nothing is between a socket and the state, neither bytes that were
    /// read nor a connection that was accepted. `None` when the thread has ended.
    pub(super) async fn look_between_turns<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Option<T> {
        let hub = Arc::clone(self);
        self.runtime.spawn(async move { look(&hub.lock()) }).await.ok()
    }

    /// Ends after `within`.
    pub(super) fn deadline(&self, within: Duration) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.runtime.spawn(async move {
            let mut tell = tell;
            tokio::select! {
                () = tokio::time::sleep(within) => drop(tell.send(())),
                () = tell.closed() => {}
            }
        });
        told
    }
}
