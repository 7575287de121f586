//! Ends and beginnings: connections that break, a broker that stands still, stops and comes back.

use super::builder::StartError;
use super::shared::Restart;
use super::{TestBroker, WAIT, state};
use crate::broker;
use crate::fault::Ending;
use crate::packet::ReasonCode;
use std::io;
use std::sync::PoisonError;
use tokio::sync::oneshot;

/// What of a broker's memory outlives [`TestBroker::restart`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Keep {
    /// Durable sessions, their subscriptions and queues.
    pub sessions: bool,
    /// Retained messages.
    pub retained: bool,
}

impl Keep {
    /// Everything, as a broker with persistence does.
    pub const ALL: Self = Self { sessions: true, retained: true };
    /// Nothing, as a broker without persistence does.
    pub const NOTHING: Self = Self { sessions: false, retained: false };

    fn keeps(self, change: &broker::Change) -> bool {
        match change {
            broker::Change::Retained { .. } => self.retained,
            _ => self.sessions,
        }
    }
}

impl TestBroker {
    /// Ends a client's connections from outside, as a network that breaks: with FIN, or with RST.
    pub fn cut(&self, client: &str, is_reset: bool) -> usize {
        let ending = if is_reset { Ending::Reset } else { Ending::Finish };
        self.hub().with(|state| state.cut_client(client, ending))
    }

    /// Ends a client's connection as the server does: DISCONNECT with this Reason Code (MQTT 5), and its will is
    /// published. False when it is not connected.
    pub fn disconnect(&self, client: &str, reason: ReasonCode) -> bool {
        self.hub().with(|state| {
            let now = state.now();
            let Some(id) = state.connection_of(client) else {
                return false;
            };
            state.broker.as_mut().map(|broker| broker.disconnect(now, id, reason, true)).is_some()
        })
    }

    /// The broker stands still: nothing is read, answered or timed until [`TestBroker::resume`].
    pub fn freeze(&self) {
        self.hub().with(|state| state.freeze(true));
    }

    /// Ends [`TestBroker::freeze`].
    pub fn resume(&self) {
        self.hub().with(|state| state.freeze(false));
    }

    /// Whether it was stopped and not started again.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.hub().lock().is_stopped
    }

    /// Stops the broker: its connections end, new ones are refused, what it remembers waits for
    /// [`TestBroker::resume_from_stop`]. One that is stopped stays so.
    ///
    /// # Errors
    ///
    /// When the broker's thread has ended.
    pub async fn stop(&self) -> Result<(), StartError> {
        if self.is_stopped() {
            return Ok(());
        }
        let told = self.ask(Restart::Stop);
        told.await.map_err(|_| io::Error::other("the broker's thread has ended"))??;
        let remembered = self.hub().with(state::State::stop);
        *self.shared.remembered.lock().unwrap_or_else(PoisonError::into_inner) = remembered;
        *self.shared.publisher.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Starts a stopped broker on the same ports, with this much of what it knew.
    ///
    /// # Errors
    ///
    /// [`StartError::Running`] for one that was not stopped; when a port was taken by another program meanwhile; when the
    /// broker behind does not let our observer in.
    pub async fn resume_from_stop(&self, keep: Keep) -> Result<(), StartError> {
        if !self.is_stopped() {
            return Err(StartError::Running);
        }
        let mut remembered =
            self.shared.remembered.lock().unwrap_or_else(PoisonError::into_inner).split_off(0);
        remembered.retain(|change| keep.keeps(change));
        let is_in_front = self.hub().lock().is_in_front;
        self.hub().with(|state| {
            state.is_stopped = false;
            if !is_in_front {
                state.start(self.shared.config.clone(), remembered);
            }
        });
        self.ask(Restart::Start).await.map_err(|_| io::Error::other("the broker's thread has ended"))??;
        if is_in_front && !self.shared.observed.is_empty() {
            self.begin_observing().await.map_err(StartError::Observer)?;
        }
        Ok(())
    }

    /// Stops and starts the broker.
    ///
    /// # Errors
    ///
    /// Those of [`TestBroker::stop`] and [`TestBroker::resume_from_stop`].
    pub async fn restart(&self, keep: Keep) -> Result<(), StartError> {
        self.stop().await?;
        self.resume_from_stop(keep).await
    }

    fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), StartError>>) -> Restart,
    ) -> oneshot::Receiver<Result<(), StartError>> {
        let (tell, told) = oneshot::channel();
        // A thread that has ended is noticed by the answer that does not come.
        let _ = self.shared.restart.send(request(tell));
        told
    }

    /// Lets everything come to its end that is on its way, for as long as [`WAIT`], and ends the broker: connections are
    /// closed, wills are not published. Dropped, a broker ends at once.
    pub async fn shutdown(self) {
        // What cannot settle is given up.
        let _ = self.settled_within(WAIT).await;
        // A thread that has ended has nothing left to close.
        let _ = self.stop().await;
    }
}
