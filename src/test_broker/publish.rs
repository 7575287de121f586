//! Messages that a test publishes through the broker itself.

use super::{Cursor, TestBroker, WAIT};
use crate::journal::{Happening, Record};
use crate::packet::{
    Packet, PacketIdentifier, PacketType, Properties, Property, Publish, Qos, ReasonCode, Sender, Text,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;

/// A message before it is published; awaited, it is, and the broker has given it to all who are to have it.
#[derive(Debug)]
#[must_use = "nothing is published until this is awaited"]
pub struct Publication {
    broker: TestBroker,
    topic: String,
    payload: Bytes,
    qos: Qos,
    retain: bool,
    properties: Properties,
    at: &'static Location<'static>,
    fault: Option<String>,
}

impl Publication {
    #[track_caller]
    pub(super) fn new(broker: TestBroker, topic: &str) -> Self {
        Self {
            broker,
            topic: topic.to_owned(),
            payload: Bytes::new(),
            qos: Qos::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            at: Location::caller(),
            fault: None,
        }
    }

    /// The payload; empty by default.
    pub fn payload(mut self, payload: impl Into<Bytes>) -> Self {
        self.payload = payload.into();
        self
    }

    /// A payload of JSON.
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.payload(value.to_string())
    }

    /// 0, 1 or 2; 0 by default, and a panic for anything else when it is awaited.
    pub fn qos(mut self, number: u8) -> Self {
        match Qos::from_number(number) {
            Some(qos) => self.qos = qos,
            None => self.fault = Some(format!("QoS {number} does not exist")),
        }
        self
    }

    /// Whether the broker retains it; not by default.
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// A property; one that a PUBLISH cannot have is a panic when it is awaited.
    pub fn property(mut self, property: Property<'_>) -> Self {
        if let Err(error) = self.properties.push(property) {
            self.fault = Some(error.to_string());
        }
        self
    }

    /// Publishes; what the server said about it at QoS 1 and 2.
    ///
    /// # Errors
    ///
    /// What is wrong with the message, or why there was no answer.
    pub async fn try_publish(self) -> Result<Delivery, String> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let topic =
            Text::try_from(self.topic.as_str()).map_err(|error| format!("{}: {error}", self.topic))?;
        let publish = Publish {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic: topic.clone(),
            packet_identifier: None,
            properties: self.properties,
            payload: self.payload.clone(),
        };
        let broker = self.broker;
        let player = broker.publisher().await.map_err(|error| error.to_string())?;
        let since = broker.position();
        *broker.cursor() = Cursor { trigger: since, matched: since, taken: BTreeSet::new() };
        let reason = player.publish(publish, WAIT).await.map_err(|error| error.to_string())?;
        Ok(Delivery { broker, topic, payload: self.payload, since, reason })
    }
}

impl IntoFuture for Publication {
    type Output = Delivery;
    type IntoFuture = Pin<Box<dyn Future<Output = Delivery> + Send>>;

    /// # Panics
    ///
    /// Where [`Publication::try_publish`] has an error.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let broker = self.broker.clone();
            let (topic, at) = (self.topic.clone(), self.at);
            match self.try_publish().await {
                Ok(delivery) => delivery,
                Err(error) => broker.fail_at(at, &format!("publishing to {topic:?}: {error}")),
            }
        })
    }
}

/// A message that was published.
#[derive(Debug)]
pub struct Delivery {
    broker: TestBroker,
    topic: Text,
    payload: Bytes,
    since: u64,
    reason: ReasonCode,
}

impl Delivery {
    /// What the server said: success, or that nobody subscribes; success at QoS 0.
    #[must_use]
    pub const fn reason(&self) -> ReasonCode {
        self.reason
    }

    /// Waits until `client` has acknowledged the message: PUBACK or PUBCOMP; at QoS 0, until it was sent to it. What the
    /// client has sent counts, also when a rule keeps it from the broker.
    ///
    /// # Panics
    ///
    /// When that takes longer than [`WAIT`].
    pub async fn acked_by(self, client: &str) -> Self {
        let mut seen = Acknowledging { topic: &self.topic, payload: &self.payload, client, open: None };
        let waited = self.broker.wait_for(self.since, WAIT, |record| seen.look(record)).await;
        if waited.is_err() {
            self.broker.fail(&format!("{client} has not acknowledged the message on {}", self.topic));
        }
        self
    }
}

/// Follows one message to one client.
pub(super) struct Acknowledging<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a Bytes,
    pub(super) client: &'a str,
    /// The identifier it was sent with.
    pub(super) open: Option<PacketIdentifier>,
}

impl Acknowledging<'_> {
    /// Whether `record` is the end of it.
    pub(super) fn look(&mut self, record: &Record) -> bool {
        if record.client_identifier != self.client {
            return false;
        }
        let Happening::Packet { sender, .. } = &record.happening else {
            return false;
        };
        let is_of_interest = matches!(
            record.happening.packet_type(),
            Some(PacketType::Publish | PacketType::Puback | PacketType::Pubcomp)
        );
        if !is_of_interest {
            return false;
        }
        match (sender, record.happening.packet()) {
            (Sender::Server, Some(Packet::Publish(publish))) => {
                let is_it = publish.payload == self.payload
                    && (publish.topic == self.topic || publish.topic.is_empty());
                if is_it {
                    self.open = publish.packet_identifier;
                }
                is_it && publish.packet_identifier.is_none()
            }
            (Sender::Client, Some(Packet::Puback(packet) | Packet::Pubcomp(packet))) => {
                self.open == Some(packet.packet_identifier)
            }
            _ => false,
        }
    }
}
