//! What is known of the messages of another broker: those that our observer there receives.

use super::super::actor::{ActorId, Told};
use super::State;
use crate::journal::{Happening, Published};
use crate::packet::{PropertyIdentifier, PropertyValue, ProtocolVersion, Publish, Text, topic};

/// Our client at the broker behind.
#[derive(Debug)]
pub(in crate::test_broker) struct Observer {
    pub(in crate::test_broker) actor: ActorId,
    pub(in crate::test_broker) version: ProtocolVersion,
    /// What it subscribed to, in the order of its Subscription Identifiers, from 1.
    pub(in crate::test_broker) filters: Vec<String>,
    /// Messages that it has received.
    pub(in crate::test_broker) received: u64,
    /// Why it sees nothing any more.
    pub(in crate::test_broker) blind: Option<String>,
}

impl Observer {
    /// Whether this is the one copy of a message that counts: a broker may send one for each subscription that matches, and
    /// before MQTT 5 what was retained long ago looks like this, too.
    fn counts(&self, publish: &Publish) -> bool {
        if self.version != ProtocolVersion::V5 {
            return !publish.retain;
        }
        let properties = publish.properties.as_ref();
        let mut identifiers = properties.iter().filter_map(|property| match property.value {
            PropertyValue::Number(number)
                if property.identifier == PropertyIdentifier::SubscriptionIdentifier =>
            {
                Some(number)
            }
            _ => None,
        });
        let first = self.filters.iter().position(|filter| topic::matches(filter, &publish.topic));
        let first = first.and_then(|at| u32::try_from(at + 1).ok());
        let mut identifiers = identifiers.by_ref().peekable();
        identifiers.peek().is_none() || identifiers.any(|identifier| Some(identifier) == first)
    }
}

impl State {
    /// What the observer has been told since.
    pub(super) fn take_observed(&mut self) {
        let Some(observer) = &mut self.observer else {
            return;
        };
        let Some(actor) = self.actors.get_mut(&observer.actor) else {
            return;
        };
        let mut messages = Vec::new();
        let mut lost = None;
        actor.told.retain(|told| match told {
            Told::Message(publish) => {
                observer.received += 1;
                if observer.counts(publish) {
                    messages.push(published(publish));
                }
                false
            }
            Told::Disconnected(disconnect) => {
                lost = Some(format!("{} (0x{:02x})", disconnect.reason.name(), disconnect.reason.0));
                false
            }
            Told::Closed(fault) => {
                lost.get_or_insert_with(|| {
                    fault.clone().unwrap_or_else(|| "the connection ended".to_owned())
                });
                false
            }
            _ => true,
        });
        let is_new = observer.blind.is_none();
        if let Some(lost) = &lost {
            observer.blind.get_or_insert_with(|| lost.clone());
        }
        for message in messages {
            self.write(Happening::Message(Box::new(message)));
        }
        if let Some(lost) = lost.filter(|_| is_new) {
            let text = Text::detached(&format!("sees nothing any more: {lost}"));
            self.write(Happening::Note { source: Text::detached("observer"), text });
        }
    }
}

/// A message as the observer received it.
fn published(publish: &Publish) -> Published {
    Published {
        topic: Text::detached(&publish.topic),
        payload: publish.payload.clone(),
        qos: publish.qos,
        retain: publish.retain,
        dup: publish.dup,
        properties: publish.properties.clone(),
        is_will: false,
    }
}
