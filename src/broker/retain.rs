//! Retained messages: set, replaced, cleared, expired (MQTT 5, section 3.3.1.3).

use super::Broker;
use super::message::Message;
use super::subscriptions::SessionKey;
use super::timer::Owner;
use crate::packet::Text;
use crate::time::Time;
use std::sync::Arc;
use std::time::Duration;

/// A retained message and who published it.
#[derive(Clone, Debug)]
pub(super) struct RetainedMessage {
    pub(super) message: Arc<Message>,
    /// Its own expiry or the configured one; [`Time::MAX`] for never.
    pub(super) deadline: Time,
    pub(super) source: Source,
}

/// Who published a retained message.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    /// The serial number of the publisher's session, for No Local.
    pub(super) session: Option<u32>,
    /// Client Identifier, User Name and listener, kept only when an authorizer may be asked again.
    pub(super) client: Option<Box<(Text, Option<Text>, usize)>>,
}

/// How often expired retained messages are cleared away; they are invisible at once.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

impl Broker {
    pub(super) fn retain_source(&self, publisher: SessionKey) -> Source {
        let Some(session) = self.sessions.get(publisher) else {
            return Source::default();
        };
        let is_checked = self.config.authorizer.is_some() && self.config.check_retain_source;
        let client = is_checked.then(|| {
            let listener = usize::from(session.listener);
            Box::new((session.client_identifier.clone(), session.user_name.clone(), listener))
        });
        Source { session: Some(session.serial), client }
    }

    pub(super) fn retain_deadline(&self, message: &Message) -> Time {
        match self.config.retain_expiry_interval {
            0 => message.deadline,
            _ if message.deadline < Time::MAX => message.deadline,
            seconds => self.now + Duration::from_secs(u64::from(seconds)),
        }
    }

    /// Retains `message` on its topic [MQTT-3.3.1-5]; beyond the configured number, new topics are not retained.
    pub(super) fn set_retained(&mut self, retained: RetainedMessage) {
        let topic = retained.message.topic.clone();
        let limit = self.config.max_retained_messages;
        if limit != 0 && self.retained.len() >= limit && self.retained.get(&topic).is_none() {
            self.statistics.messages_dropped += 1;
            return;
        }
        if retained.deadline < Time::MAX && !self.is_sweeping {
            self.is_sweeping = true;
            self.timers.arm(self.now + SWEEP_INTERVAL, Owner::Retained);
        }
        self.record_retained(&topic, Some(&retained));
        self.statistics.retained_bytes += retained.message.bytes() as u64;
        if let Some(replaced) = self.retained.set(topic, retained) {
            self.statistics.retained_bytes -= replaced.message.bytes() as u64;
        }
    }

    /// Forgets what is retained on `topic` [MQTT-3.3.1-6].
    pub(super) fn clear_retained(&mut self, topic: &str) {
        if let Some(cleared) = self.retained.clear(topic) {
            self.statistics.retained_bytes -= cleared.message.bytes() as u64;
            self.record_retained(topic, None);
        }
    }

    /// Clears expired retained messages away; returns whether any may expire later.
    pub(super) fn sweep_retained(&mut self) {
        let now = self.now;
        let expired: Vec<Text> = self
            .retained
            .iter()
            .filter(|(_, retained)| retained.deadline <= now)
            .map(|(topic, _)| topic.clone())
            .collect();
        self.statistics.messages_expired += expired.len() as u64;
        for topic in expired {
            self.clear_retained(&topic);
        }
        self.is_sweeping = self.retained.iter().any(|(_, retained)| retained.deadline < Time::MAX);
        if self.is_sweeping {
            self.timers.arm(now + SWEEP_INTERVAL, Owner::Retained);
        }
    }

    /// Whether the reader may have it, and its publisher could still publish it.
    pub(super) fn may_give_retained(&self, retained: &RetainedMessage, reader: SessionKey) -> bool {
        let (Some(authorizer), Some(session)) = (&self.config.authorizer, self.sessions.get(reader)) else {
            return true;
        };
        let message = &retained.message;
        let is_still_allowed = retained.source.client.as_ref().is_none_or(|source| {
            let (client_identifier, user_name, listener) = &**source;
            let client = super::authorize::Client {
                client_identifier,
                user_name: user_name.as_deref(),
                listener: *listener,
            };
            authorizer.publish(client, &message.topic, message.qos, true)
        });
        is_still_allowed && authorizer.deliver(session.as_client(), &message.topic)
    }
}
