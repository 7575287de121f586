//! What tests ask a broker: who is there, what waits, what is retained.

use super::Broker;
use super::connection::ConnectionId;
use super::message::Message;
use crate::packet::{Text, topic};
use crate::time::Time;
use std::sync::Arc;

/// What is known of one session at a moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionView {
    /// Whose session it is.
    pub client_identifier: Text,
    /// The connection that carries it, if one does.
    pub connection: Option<ConnectionId>,
    /// The number of the listener of its last connection.
    pub listener: usize,
    /// Whether it outlives its connection.
    pub is_durable: bool,
    /// Messages of QoS 1 and 2 sent to it and not acknowledged.
    pub in_flight: usize,
    /// Messages that wait for it beyond those in flight.
    pub queued: usize,
    /// QoS 2 messages from it whose PUBREL has not come.
    pub unreleased: usize,
    /// Its Topic Filters.
    pub filters: Vec<Text>,
}

impl Broker {
    /// All sessions, in no particular order.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView> {
        self.sessions.iter().map(|(_, session)| SessionView {
            client_identifier: session.client_identifier.clone(),
            connection: session.connection,
            listener: usize::from(session.listener),
            is_durable: session.is_durable(),
            in_flight: session.in_flight.entries().count(),
            queued: session.queue.len(),
            unreleased: session.received.identifiers().count(),
            filters: session.filters.iter().map(Text::detached).collect(),
        })
    }

    /// Whether every connected client has been given and has acknowledged all that it is to have, and nobody owes a
    /// PUBREL. What waits for clients that are away does not count.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.sessions.iter().filter(|(_, session)| session.connection.is_some()).all(|(_, session)| {
            !session.has_more()
                && session.in_flight.entries().next().is_none()
                && session.received.identifiers().next().is_none()
        })
    }

    /// What is retained at `now` under `filter` outside of `$SYS`, by topic.
    pub fn retained(&self, filter: &str, now: Time) -> Vec<Arc<Message>> {
        let is_wanted = |name: &str| !name.starts_with("$SYS") && topic::matches(filter, name);
        self.retained
            .iter()
            .filter(|(name, retained)| is_wanted(name) && retained.deadline > now)
            .map(|(_, retained)| Arc::clone(&retained.message))
            .collect()
    }
}
