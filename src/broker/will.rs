//! Wills: published when a connection ends uncleanly, at once or after their delay (MQTT 5, section 3.1.2.5).

use super::Broker;
use super::message::{Forwarded, MessageRef};
use super::session::DelayedWill;
use super::subscriptions::SessionKey;
use crate::journal::{Fact, Topics};
use crate::packet::{PropertyIdentifier, Text, Will};
use std::time::Duration;

impl Broker {
    /// The connection of session `key` has ended: its will is published now, or waits out its Will Delay Interval.
    ///
    /// A session that ends now publishes it as it ends [MQTT-3.1.2-8].
    pub(super) fn leave_will(&mut self, key: SessionKey, will: Box<Will>, is_due_now: bool) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if let Some(authorizer) = &self.config.authorizer
            && !authorizer.publish(session.as_client(), &will.topic, will.qos, will.retain)
        {
            self.statistics.messages_dropped += 1;
            let (topic, payload_length) = (will.topic.clone(), will.payload.len());
            self.tell_session(Topics::NOTICES, key, || Fact::PublishDenied { topic, payload_length });
            return;
        }
        let seconds = will.properties.as_ref().number(PropertyIdentifier::WillDelayInterval).unwrap_or(0);
        let ends_now = session.ends <= self.now;
        if !ends_now && (is_due_now || seconds == 0) {
            let client_identifier = session.client_identifier.clone();
            return self.publish_will(key, &client_identifier, &will);
        }
        let due = self.now + Duration::from_secs(u64::from(seconds));
        self.sessions[key].will = Some(Box::new(DelayedWill { will: *will, due }));
        self.record_session(key);
    }

    /// Publishes the will of `client_identifier`, whose session `key` may have ended.
    pub(super) fn publish_will(&mut self, key: SessionKey, client_identifier: &Text, will: &Will) {
        self.tell_client(Topics::NOTICES, client_identifier, || Fact::WillPublished {
            topic: will.topic.clone(),
        });
        let mut scratch = Vec::new();
        let message = MessageRef {
            topic: &will.topic,
            payload: &will.payload,
            // The Message Expiry Interval counts from now, not from the CONNECT.
            properties: Forwarded::new(will.properties.as_ref(), self.now, &mut scratch),
            qos: will.qos,
            retain: will.retain,
            block: Some(&will.payload),
        };
        if self.config.events.journal.contains(Topics::MESSAGES) {
            let client_identifier = client_identifier.clone();
            self.tell_client(Topics::MESSAGES, &client_identifier, || message.as_fact(false, true));
        }
        self.route_message(key, message, |_, _| ());
    }
}
