//! Everything that must survive a restart as one list of changes: what a store writes anew when its log has grown long.

use super::Broker;
use super::change::{Change, StoredDelivery, StoredSession};
use super::in_flight::{Delivery, Entry, Stage};
use super::message::Message;
use super::session::Session;
use super::subscriptions::SessionKey;
use crate::packet::{PropertiesRef, Qos, Text};
use crate::time::Time;
use bytes::Bytes;
use std::sync::Arc;

impl Broker {
    /// Tells the changes that make this broker anew, given to [`Broker::restore`] of an empty one in their order.
    pub fn snapshot(&self, mut tell: impl FnMut(Change)) {
        let released = Arc::new(released_message());
        for (key, session) in self.sessions.iter().filter(|(_, session)| self.must_survive(session)) {
            let client_identifier = &session.client_identifier;
            let stored = Box::new(self.stored_session(session));
            tell(Change::Session { client_identifier: client_identifier.clone(), session: stored });
            if !session.is_durable() {
                continue;
            }
            self.tell_subscriptions(key, session, &mut tell);
            for entry in session.in_flight.entries() {
                let delivery = Box::new(stored_entry(entry, &released));
                let number = delivery.number;
                tell(Change::Queued { client_identifier: client_identifier.clone(), delivery });
                if entry.stage == Stage::Pubrel {
                    tell(Change::Released { client_identifier: client_identifier.clone(), number });
                }
            }
            for delivery in session.queue.iter().filter(|delivery| delivery.qos != Qos::AtMostOnce) {
                let delivery = Box::new(stored_delivery(delivery));
                tell(Change::Queued { client_identifier: client_identifier.clone(), delivery });
            }
            for packet_identifier in session.received.identifiers() {
                tell(Change::Received {
                    client_identifier: client_identifier.clone(),
                    packet_identifier,
                    is_open: true,
                });
            }
        }
        for (topic, retained) in self.retained.iter().filter(|(topic, _)| !topic.starts_with("$SYS")) {
            let message = Some((Arc::clone(&retained.message), retained.deadline));
            tell(Change::Retained { topic: topic.clone(), message });
        }
    }

    fn tell_subscriptions(&self, key: SessionKey, session: &Session, tell: &mut impl FnMut(Change)) {
        for filter in session.filters.iter() {
            tell(Change::Subscription {
                client_identifier: session.client_identifier.clone(),
                filter: Text::detached(filter),
                subscription: self.subscriptions.find_subscription(key, filter),
            });
        }
    }

    /// What a store must know of a session beside its parts.
    pub(super) fn stored_session(&self, session: &Session) -> StoredSession {
        let connection = session.connection.and_then(|id| self.connections.get(id));
        let will = match (&session.will, connection.and_then(|connection| connection.details.will.as_ref())) {
            (Some(delayed), _) => Some((delayed.will.clone(), delayed.due)),
            (None, Some(will)) => Some(((**will).clone(), Time::MAX)),
            (None, None) => None,
        };
        StoredSession {
            version: session.version,
            expiry_interval: session.expiry_interval,
            ends: session.ends,
            is_connected: connection.is_some(),
            user_name: session.user_name.clone(),
            listener: session.listener,
            will,
        }
    }
}

/// Stands for a message that its receiver has taken over, so that it is not kept.
fn released_message() -> Message {
    Message::new(Text::EMPTY, Bytes::new(), PropertiesRef::EMPTY, Qos::ExactlyOnce, false, Time::MAX)
}

fn stored_entry(entry: &Entry, released: &Arc<Message>) -> StoredDelivery {
    let delivery = Delivery {
        message: Arc::clone(entry.message.as_ref().unwrap_or(released)),
        origin: entry.origin.clone(),
        number: entry.number,
        qos: entry.qos,
        retain: entry.retain,
    };
    StoredDelivery { packet_identifier: Some(entry.identifier), ..stored_delivery(&delivery) }
}

/// A delivery that was not sent yet.
pub(super) fn stored_delivery(delivery: &Delivery) -> StoredDelivery {
    let origin = delivery.origin.as_ref();
    StoredDelivery {
        number: delivery.number,
        message: Arc::clone(&delivery.message),
        qos: delivery.qos,
        retain: delivery.retain,
        subscription_identifiers: origin.map_or_else(Vec::new, |origin| origin.identifiers.clone()),
        shared_filter: origin.and_then(|origin| origin.shared_filter.clone()),
        packet_identifier: None,
    }
}
