//! The change log: what a store must remember, told as it changes, and put back after a restart.
//!
//! Only sessions that outlive their connection and retained messages are told. Times are the core's own; a store adds
//! [`super::Config::wall_clock`] to keep them.

use super::Broker;
use super::in_flight::{Delivery, Entry, Origin, Stage};
use super::message::Message;
use super::retain::{RetainedMessage, Source};
use super::session::{DelayedWill, Session};
use super::snapshot::stored_delivery;
use super::subscriptions::{SessionKey, Subscription};
use crate::packet::{PacketIdentifier, ProtocolVersion, Qos, Text, Will};
use crate::time::Time;
use std::sync::Arc;

/// One change of what must survive a restart; applied in order to an empty broker, they make it anew.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A session was made, or its connection or expiry changed.
    Session {
        /// Whose session it is.
        client_identifier: Text,
        /// What is known of it.
        session: Box<StoredSession>,
    },
    /// A session has ended, and all that belonged to it.
    SessionEnded {
        /// Whose session it was.
        client_identifier: Text,
    },
    /// A subscription was made or replaced (`Some`) or ended (`None`).
    Subscription {
        /// Whose subscription it is.
        client_identifier: Text,
        /// The filter, with `$share/NAME/` if shared.
        filter: Text,
        /// Its options and Subscription Identifier.
        subscription: Option<Subscription>,
    },
    /// A message is to be delivered at QoS 1 or 2.
    Queued {
        /// The receiver.
        client_identifier: Text,
        /// What is to be delivered.
        delivery: Box<StoredDelivery>,
    },
    /// A queued message was sent for the first time.
    Sent {
        /// The receiver.
        client_identifier: Text,
        /// The delivery's number.
        number: u64,
        /// The identifier it was sent with.
        packet_identifier: PacketIdentifier,
    },
    /// PUBREC came; only PUBREL and PUBCOMP are left of the delivery.
    Released {
        /// The receiver.
        client_identifier: Text,
        /// The delivery's number.
        number: u64,
    },
    /// A delivery has ended: acknowledged, expired or dropped.
    Done {
        /// The receiver.
        client_identifier: Text,
        /// The delivery's number.
        number: u64,
    },
    /// A QoS 2 PUBLISH came from a client (`is_open`), or its PUBREL.
    Received {
        /// The sender.
        client_identifier: Text,
        /// The sender's identifier.
        packet_identifier: PacketIdentifier,
        /// Whether PUBREL is still to come.
        is_open: bool,
    },
    /// A retained message was set (`Some`) or cleared (`None`).
    Retained {
        /// Its topic.
        topic: Text,
        /// The message, and when it expires; [`Time::MAX`] for never.
        message: Option<(Arc<Message>, Time)>,
    },
}

/// What is known of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredSession {
    /// The version of its last connection.
    pub version: ProtocolVersion,
    /// Session Expiry Interval in seconds.
    pub expiry_interval: u32,
    /// When it ends; [`Time::MAX`] while it is connected or when it never does.
    pub ends: Time,
    /// Whether a connection carries it.
    pub is_connected: bool,
    /// The User Name it last connected with.
    pub user_name: Option<Text>,
    /// The number of the listener of its last connection.
    pub listener: u16,
    /// The will that waits for the end of the connection or of its delay, and when it is due then.
    pub will: Option<(Will, Time)>,
}

/// A delivery at QoS 1 or 2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredDelivery {
    /// Names it for as long as it lives; numbers go up.
    pub number: u64,
    /// The message, shared by all its receivers.
    pub message: Arc<Message>,
    /// With which QoS it is delivered.
    pub qos: Qos,
    /// With which RETAIN flag it is delivered.
    pub retain: bool,
    /// Subscription Identifiers that go with it.
    pub subscription_identifiers: Vec<u32>,
    /// `$share/NAME/FILTER`, for a shared subscription.
    pub shared_filter: Option<Arc<str>>,
    /// The identifier it was sent with, once it was.
    pub packet_identifier: Option<PacketIdentifier>,
}

impl Broker {
    /// Whether changes are told at all.
    #[inline]
    pub(super) const fn is_recording(&self) -> bool {
        self.config.events.changes
    }

    /// Tells a change of a session that outlives its connection.
    #[cold]
    fn record(&mut self, key: SessionKey, change: impl FnOnce(Text) -> Change) {
        if self.sessions.get(key).is_some_and(Session::is_durable) {
            self.record_any(key, change);
        }
    }

    fn record_any(&mut self, key: SessionKey, change: impl FnOnce(Text) -> Change) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let change = change(session.client_identifier.clone());
        let connection = session.connection;
        let sequence = self.push_change(change);
        if let Some(connection) = connection.and_then(|id| self.connections.get_mut(id)) {
            connection.promise = sequence;
        }
    }

    /// Whether a store must know of a session: it outlives its connection, or leaves a will, which a crash of ours sets off.
    pub(super) fn must_survive(&self, session: &Session) -> bool {
        let connection = session.connection.and_then(|id| self.connections.get(id));
        session.is_durable()
            || session.will.is_some()
            || connection.is_some_and(|connection| connection.details.will.is_some())
    }

    #[inline]
    pub(super) fn record_session(&mut self, key: SessionKey) {
        if !self.is_recording() {
            return;
        }
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let is_kept = self.must_survive(session);
        let stored = is_kept.then(|| Box::new(self.stored_session(session)));
        let client_identifier = session.client_identifier.clone();
        let was_recorded = std::mem::replace(&mut self.sessions[key].is_recorded, is_kept);
        let Some(stored) = stored else {
            // What was durable on its last connection ends with this one, also by a crash.
            if was_recorded {
                self.push_change(Change::SessionEnded { client_identifier });
            }
            return;
        };
        self.record_any(key, |client_identifier| Change::Session { client_identifier, session: stored });
    }

    #[inline]
    pub(super) fn record_session_end(&mut self, session: &Session) {
        if self.is_recording() && session.is_recorded {
            self.push_change(Change::SessionEnded { client_identifier: session.client_identifier.clone() });
        }
    }

    #[inline]
    pub(super) fn record_subscription(
        &mut self,
        key: SessionKey,
        filter: &str,
        subscription: Option<Subscription>,
    ) {
        if self.is_recording() {
            self.record(key, |client_identifier| Change::Subscription {
                client_identifier,
                filter: Text::detached(filter),
                subscription,
            });
        }
    }

    /// Tells a delivery that begins, and numbers it.
    #[inline]
    pub(super) fn record_queued(&mut self, key: SessionKey, delivery: &mut Delivery) {
        if !self.is_recording() || delivery.number != 0 || delivery.qos == Qos::AtMostOnce {
            return;
        }
        self.deliveries_recorded += 1;
        delivery.number = self.deliveries_recorded;
        let stored = Box::new(stored_delivery(delivery));
        self.record(key, |client_identifier| Change::Queued { client_identifier, delivery: stored });
    }

    #[inline]
    pub(super) fn record_sent(&mut self, key: SessionKey, number: u64, packet_identifier: PacketIdentifier) {
        if self.is_recording() && number != 0 {
            self.record(key, |client_identifier| Change::Sent {
                client_identifier,
                number,
                packet_identifier,
            });
        }
    }

    #[inline]
    pub(super) fn record_released(&mut self, key: SessionKey, number: u64) {
        if self.is_recording() && number != 0 {
            self.record(key, |client_identifier| Change::Released { client_identifier, number });
        }
    }

    #[inline]
    pub(super) fn record_done(&mut self, key: SessionKey, number: u64) {
        if self.is_recording() && number != 0 {
            self.record(key, |client_identifier| Change::Done { client_identifier, number });
        }
    }

    #[inline]
    pub(super) fn record_received(
        &mut self,
        key: SessionKey,
        packet_identifier: PacketIdentifier,
        is_open: bool,
    ) {
        if self.is_recording() {
            self.record(key, |client_identifier| Change::Received {
                client_identifier,
                packet_identifier,
                is_open,
            });
        }
    }

    #[inline]
    pub(super) fn record_retained(&mut self, topic: &str, retained: Option<&RetainedMessage>) {
        if self.is_recording() && !topic.starts_with("$SYS") {
            let message = retained.map(|retained| (Arc::clone(&retained.message), retained.deadline));
            self.push_change(Change::Retained { topic: Text::detached(topic), message });
        }
    }

    /// Puts a remembered change back, in the order in which they were told, before the first connection.
    ///
    /// What refers to a session that is not there is ignored. Sessions that were connected count as disconnected now.
    pub fn restore(&mut self, now: Time, change: Change) {
        self.advance(now);
        match change {
            Change::Session { client_identifier, session } => {
                self.restore_session(client_identifier, *session)
            }
            Change::SessionEnded { client_identifier } => {
                if let Some(key) = self.sessions.find(&client_identifier) {
                    self.forget_session(key);
                }
            }
            Change::Retained { topic, message } => match message {
                Some((message, deadline)) => {
                    self.set_retained(RetainedMessage { message, deadline, source: Source::default() });
                }
                None => self.clear_retained(&topic),
            },
            Change::Subscription { ref client_identifier, .. }
            | Change::Queued { ref client_identifier, .. }
            | Change::Sent { ref client_identifier, .. }
            | Change::Released { ref client_identifier, .. }
            | Change::Done { ref client_identifier, .. }
            | Change::Received { ref client_identifier, .. } => {
                if let Some(key) = self.sessions.find(client_identifier) {
                    self.restore_part(key, change);
                }
            }
        }
    }

    fn restore_session(&mut self, client_identifier: Text, stored: StoredSession) {
        let key = match self.sessions.find(&client_identifier) {
            Some(key) => key,
            None => self.sessions.create(client_identifier),
        };
        let (now, cap) = (self.now, self.config.persistent_client_expiration);
        let session = &mut self.sessions[key];
        session.is_recorded = true;
        session.version = stored.version;
        session.expiry_interval = stored.expiry_interval;
        session.user_name = stored.user_name;
        session.listener = stored.listener;
        session.ends = if stored.is_connected { session.end_after(now, cap) } else { stored.ends };
        session.will = stored.will.map(|(will, due)| {
            use crate::packet::PropertyIdentifier::WillDelayInterval;
            let delay = will.properties.as_ref().number(WillDelayInterval).unwrap_or(0);
            let delay = std::time::Duration::from_secs(u64::from(delay));
            let due = if due == Time::MAX { now + delay } else { due };
            Box::new(DelayedWill { will, due })
        });
        self.arm_session(key);
    }

    fn restore_part(&mut self, key: SessionKey, change: Change) {
        let session = &mut self.sessions[key];
        match change {
            Change::Subscription { filter, subscription: Some(subscription), .. } => {
                session.filters.insert(&filter);
                self.subscriptions.subscribe(key, &filter, subscription);
            }
            Change::Subscription { filter, subscription: None, .. } => {
                session.filters.remove(&filter);
                self.subscriptions.unsubscribe(key, &filter);
            }
            Change::Queued { delivery, .. } => {
                self.deliveries_recorded = self.deliveries_recorded.max(delivery.number);
                let packet_identifier = delivery.packet_identifier;
                let delivery = restored_delivery(*delivery);
                match packet_identifier {
                    Some(identifier) => session.in_flight.restore(restored_entry(delivery, identifier)),
                    None => session.queue.push(delivery),
                }
            }
            Change::Sent { number, packet_identifier, .. } => {
                if let Some(delivery) = session.queue.take(number) {
                    session.in_flight.restore(restored_entry(delivery, packet_identifier));
                }
            }
            Change::Released { number, .. } => session.in_flight.restore_release(number),
            Change::Done { number, .. } => {
                if session.queue.take(number).is_none() {
                    session.in_flight.restore_end(number);
                }
            }
            Change::Received { packet_identifier, is_open: true, .. } => {
                session.received.restore(packet_identifier);
            }
            Change::Received { packet_identifier, is_open: false, .. } => {
                session.received.close(packet_identifier);
            }
            Change::Session { .. } | Change::SessionEnded { .. } | Change::Retained { .. } => {}
        }
    }

    /// Takes a session out without publishing its will or handing its messages on.
    fn forget_session(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.remove(key) {
            self.subscriptions.remove_session(key, session.filters.iter());
        }
    }
}

fn restored_delivery(stored: StoredDelivery) -> Delivery {
    let origin = (!stored.subscription_identifiers.is_empty() || stored.shared_filter.is_some()).then(|| {
        Arc::new(Origin { identifiers: stored.subscription_identifiers, shared_filter: stored.shared_filter })
    });
    Delivery {
        message: stored.message,
        origin,
        number: stored.number,
        qos: stored.qos,
        retain: stored.retain,
    }
}

fn restored_entry(delivery: Delivery, identifier: PacketIdentifier) -> Entry {
    Entry {
        message: Some(delivery.message),
        origin: delivery.origin,
        number: delivery.number,
        identifier,
        qos: delivery.qos,
        retain: delivery.retain,
        stage: Stage::Publish,
        is_repeated: true,
    }
}
