//! Waiting for what a client does.

use super::{TestBroker, WAIT};
use crate::journal::{Happening, Record};
use crate::packet::topic;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A client by its Client Identifier; it need not have connected yet.
#[derive(Clone, Debug)]
pub struct ClientHandle {
    broker: TestBroker,
    client_identifier: String,
    within: Duration,
    at: &'static Location<'static>,
}

impl ClientHandle {
    #[track_caller]
    pub(super) fn new(broker: TestBroker, client_identifier: &str) -> Self {
        Self { broker, client_identifier: client_identifier.to_owned(), within: WAIT, at: Location::caller() }
    }

    /// How long waits take at most; [`WAIT`] by default.
    #[must_use]
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Waits until it has been let in; also when that was before, but not before a restart.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn connected(&self) -> Arc<Record> {
        self.wait("has not connected", |happening| matches!(happening, Happening::Connected { .. })).await
    }

    /// Waits until it has subscribed to `filter` and SUBACK granted it; also when that was before, but not before a restart.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn subscribed(&self, filter: &str) -> Arc<Record> {
        let text = format!("has not subscribed to {filter}");
        self.wait(&text, |happening| {
            matches!(happening, Happening::Subscribed { filter: name, reason }
                if !reason.is_error() && (name == filter || topic::matches(name, filter)))
        })
        .await
    }

    /// Waits until its connection has ended; also when that was before.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn disconnected(&self) -> Arc<Record> {
        self.wait("is still connected", |happening| matches!(happening, Happening::Closed { .. })).await
    }

    /// Waits until it is connected once more, after record `since`.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn reconnected(&self, since: u64) -> Arc<Record> {
        let is_it = |record: &Record| {
            record.client_identifier == self.client_identifier.as_str()
                && matches!(record.happening, Happening::Connected { .. })
        };
        match self.broker.wait_for(since, self.within, is_it).await {
            Ok(record) => record,
            Err(_) => {
                self.broker.fail_at(self.at, &format!("{} has not connected again", self.client_identifier))
            }
        }
    }

    async fn wait(&self, text: &str, is_wanted: impl Fn(&Happening) -> bool) -> Arc<Record> {
        let is_it = |record: &Record| {
            record.client_identifier == self.client_identifier.as_str() && is_wanted(&record.happening)
        };
        // What was before the broker stopped is no more.
        let since = self.broker.with_journal(|journal| {
            let stopped = journal.iter().rev().find(|record| record.happening == Happening::Stopped);
            stopped.map_or(1, |record| record.sequence)
        });
        match self.broker.wait_for(since, self.within, is_it).await {
            Ok(record) => record,
            Err(_) => {
                let within = self.within;
                self.broker.fail_at(self.at, &format!("{} {text} within {within:?}", self.client_identifier))
            }
        }
    }

    /// Ends its connections as a network that breaks; how many there were.
    pub fn cut(&self) -> usize {
        self.broker.cut(&self.client_identifier, false)
    }
}
