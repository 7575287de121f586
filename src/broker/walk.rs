//! Retained messages for new subscriptions, given as the client takes them (MQTT 5, section 3.3.1.3).
//!
//! They are not queued: the bounds of the queue would drop what a slow client has not taken yet. A walk remembers how far
//! it has come, and goes on whenever there is room.

use super::Broker;
use super::in_flight::{Delivery, Origin};
use super::retain::RetainedMessage;
use super::session::Session;
use super::subscriptions::SessionKey;
use crate::packet::{Qos, SubscriptionOptions, Text};
use std::sync::Arc;

/// A walk over what is retained for one subscription; at most one a filter.
#[derive(Debug)]
pub(super) struct Walk {
    filter: Box<str>,
    options: SubscriptionOptions,
    origin: Option<Arc<Origin>>,
    /// The last topic that was looked at; empty before the first.
    after: Text,
}

impl Walk {
    /// Whether it needs no room in the window.
    pub(super) fn is_at_most_once(&self) -> bool {
        self.options.maximum_qos == Qos::AtMostOnce
    }
}

impl Broker {
    /// Sends what is retained for a new subscription, parents before children, now as far as there is room.
    pub(super) fn send_retained(
        &mut self,
        key: SessionKey,
        filter: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) {
        if self.retained.is_empty() {
            return;
        }
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let origin = identifier
            .map(|identifier| Arc::new(Origin { identifiers: vec![identifier], shared_filter: None }));
        session.walks.push_back(Walk { filter: filter.into(), options, origin, after: Text::EMPTY });
        self.pump(key);
    }

    /// A subscription is replaced or ended: what was still to be given for it is not.
    pub(super) fn forget_walk(&mut self, key: SessionKey, filter: &str) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.walks.retain(|walk| *walk.filter != *filter);
        }
    }

    /// The next retained message that the client is to have and can take now.
    pub(super) fn next_retained(&mut self, key: SessionKey) -> Option<Delivery> {
        loop {
            let session = self.sessions.get(key)?;
            let walk = session.walks.front()?;
            let found = self
                .retained
                .matching_behind(&walk.filter, &walk.after)
                .find(|(_, retained)| self.is_for(retained, session, key, walk.options));
            let Some((topic, retained)) = found else {
                self.sessions.get_mut(key)?.walks.pop_front();
                continue;
            };
            let message = Arc::clone(&retained.message);
            let maximum_qos = walk.options.maximum_qos;
            let qos =
                if self.config.upgrade_outgoing_qos { maximum_qos } else { maximum_qos.min(message.qos) };
            let window = session.connection.and_then(|id| self.connections.get(id))?.window;
            if qos != Qos::AtMostOnce && !session.in_flight.has_room(window, self.config.max_inflight_bytes) {
                return None;
            }
            let (origin, topic) = (walk.origin.clone(), topic.clone());
            if let Some(walk) = self.sessions.get_mut(key)?.walks.front_mut() {
                walk.after = topic;
            }
            return Some(Delivery { message, origin, number: 0, qos, retain: true });
        }
    }

    fn is_for(
        &self,
        retained: &RetainedMessage,
        session: &Session,
        key: SessionKey,
        options: SubscriptionOptions,
    ) -> bool {
        let is_own = options.no_local && retained.source.session == Some(session.serial);
        retained.deadline > self.now && !is_own && self.may_give_retained(retained, key)
    }
}
