//! What there is at a moment, and what of it should not be.

use super::{TestBroker, describe};
use crate::broker::{self, Message, SessionView};
use std::sync::Arc;

impl TestBroker {
    /// The sessions that there are, but for our own.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionView> {
        let state = self.hub().lock();
        let sessions = state.broker.iter().flat_map(broker::Broker::sessions);
        sessions.filter(|view| view.listener != self.shared.inside).collect()
    }

    /// What is retained under `filter`, by topic.
    #[must_use]
    pub fn retained(&self, filter: &str) -> Vec<Arc<Message>> {
        let state = self.hub().lock();
        let now = state.now();
        state.broker.as_ref().map(|broker| broker.retained(filter, now)).unwrap_or_default()
    }

    /// Messages of QoS 1 and 2 that were sent to a client and not acknowledged.
    #[must_use]
    pub fn in_flight(&self, client: &str) -> usize {
        self.sessions().iter().find(|view| view.client_identifier == client).map_or(0, |view| view.in_flight)
    }

    /// Messages that wait for a client beyond those in flight.
    #[must_use]
    pub fn queue_len(&self, client: &str) -> usize {
        self.sessions().iter().find(|view| view.client_identifier == client).map_or(0, |view| view.queued)
    }

    /// What is not clean: protocol errors, messages that nobody acknowledged, retained messages that were left.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.protocol_errors();
        complaints.extend(self.unacknowledged());
        complaints.extend(self.left_retained());
        complaints
    }

    /// Protocol errors of clients so far.
    #[must_use]
    pub fn protocol_errors(&self) -> Vec<String> {
        let state = self.hub().lock();
        let errors = state.journal.iter().filter(|record| record.happening.is_protocol_error());
        errors.map(|record| format!("protocol error: {}", describe(record))).collect()
    }

    /// Clients that have not acknowledged everything.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<String> {
        let owing = self.sessions().into_iter().filter(|view| view.in_flight + view.unreleased > 0);
        owing
            .map(|view| {
                format!(
                    "unacknowledged: {} messages in flight to {}, {} of its own without PUBREL",
                    view.in_flight, view.client_identifier, view.unreleased
                )
            })
            .collect()
    }

    /// Retained messages that there are.
    #[must_use]
    pub fn left_retained(&self) -> Vec<String> {
        self.retained("#").iter().map(|message| format!("retained: {}", message.topic())).collect()
    }

    /// # Panics
    ///
    /// When there are [`TestBroker::complaints`]; in front of another broker, whose state nobody knows.
    #[track_caller]
    pub fn assert_clean(&self) {
        if self.hub().lock().is_in_front {
            self.fail("only the embedded broker knows whether all is clean");
        }
        let complaints = self.complaints();
        if !complaints.is_empty() {
            self.fail(&complaints.join("\n"));
        }
    }
}
