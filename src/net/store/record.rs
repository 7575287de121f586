//! The broker's changes as they lie on the disk: moments by the wall clock, a message once for all its receivers.

use crate::broker::subscriptions::Subscription;
use crate::broker::{Change, Message, StoredDelivery, StoredSession};
use crate::packet::{
    PacketIdentifier, Place, Properties, PropertiesRef, ProtocolVersion, Qos, SubscriptionOptions, Text, Will,
};
use crate::time::Time;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// One change; a message stands before the first change that refers to it.
///
/// What is on a user's disk depends on the order of variants and fields: new ones go to the end, and the number in the
/// file's header goes up.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Record<'a> {
    Session {
        client_identifier: &'a str,
        version: u8,
        expiry_interval: u32,
        ends: u64,
        is_connected: bool,
        user_name: Option<&'a str>,
        listener: u16,
        #[serde(borrow)]
        will: Option<WillRecord<'a>>,
    },
    SessionEnded {
        client_identifier: &'a str,
    },
    Subscribed {
        client_identifier: &'a str,
        filter: &'a str,
        options: u8,
        identifier: Option<u32>,
    },
    Unsubscribed {
        client_identifier: &'a str,
        filter: &'a str,
    },
    Message {
        number: u64,
        topic: &'a str,
        #[serde(with = "serde_bytes")]
        payload: &'a [u8],
        #[serde(with = "serde_bytes")]
        properties: &'a [u8],
        qos: u8,
        retain: bool,
        deadline: u64,
    },
    Queued {
        client_identifier: &'a str,
        number: u64,
        message: u64,
        qos: u8,
        retain: bool,
        subscription_identifiers: Vec<u32>,
        shared_filter: Option<&'a str>,
        packet_identifier: Option<u16>,
    },
    Sent {
        client_identifier: &'a str,
        number: u64,
        packet_identifier: u16,
    },
    Released {
        client_identifier: &'a str,
        number: u64,
    },
    Done {
        client_identifier: &'a str,
        number: u64,
    },
    Received {
        client_identifier: &'a str,
        packet_identifier: u16,
        is_open: bool,
    },
    Retained {
        topic: &'a str,
        message: u64,
        deadline: u64,
    },
    Cleared {
        topic: &'a str,
    },
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct WillRecord<'a> {
    topic: &'a str,
    #[serde(with = "serde_bytes")]
    payload: &'a [u8],
    #[serde(with = "serde_bytes")]
    properties: &'a [u8],
    qos: u8,
    retain: bool,
    due: u64,
}

/// The wall clock's reading at [`Time::ZERO`], by which moments outlive the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock(pub(super) Duration);

impl WallClock {
    /// Nanoseconds since 1970; [`Time::MAX`] stays what it is.
    fn store(self, time: Time) -> u64 {
        if time == Time::MAX { u64::MAX } else { (time + self.0).as_nanos() }
    }

    /// A moment that passed while nobody ran becomes the start.
    fn restore(self, nanos: u64) -> Time {
        if nanos == u64::MAX { Time::MAX } else { Time::from_nanos(nanos) - self.0 }
    }
}

/// Turns changes into bytes.
#[derive(Debug)]
pub(super) struct Writer {
    clock: WallClock,
    numbered: u64,
    /// The numbers of messages that were written and may be referred to again, by address; each is held, so that its address
    /// stays its own.
    known: FxHashMap<usize, (u64, Arc<Message>)>,
}

impl Writer {
    pub(super) fn new(clock: WallClock) -> Self {
        Self { clock, numbered: 0, known: FxHashMap::default() }
    }

    /// Lets the messages go; the next change that needs one writes it again.
    pub(super) fn forget_messages(&mut self) {
        self.known.clear();
    }

    /// Appends `change`.
    pub(super) fn put(&mut self, change: &Change, out: &mut Vec<u8>) {
        match change {
            Change::Session { client_identifier, session } => {
                self.put_session(client_identifier, session, out)
            }
            Change::SessionEnded { client_identifier } => {
                append(out, &Record::SessionEnded { client_identifier })
            }
            Change::Subscription { client_identifier, filter, subscription: Some(subscription) } => {
                let Subscription { options, identifier } = *subscription;
                append(
                    out,
                    &Record::Subscribed { client_identifier, filter, options: options.byte(), identifier },
                );
            }
            Change::Subscription { client_identifier, filter, subscription: None } => {
                append(out, &Record::Unsubscribed { client_identifier, filter });
            }
            Change::Queued { client_identifier, delivery } => {
                self.put_delivery(client_identifier, delivery, out)
            }
            Change::Sent { client_identifier, number, packet_identifier } => {
                let packet_identifier = packet_identifier.get();
                append(out, &Record::Sent { client_identifier, number: *number, packet_identifier });
            }
            Change::Released { client_identifier, number } => {
                append(out, &Record::Released { client_identifier, number: *number });
            }
            Change::Done { client_identifier, number } => {
                append(out, &Record::Done { client_identifier, number: *number });
            }
            Change::Received { client_identifier, packet_identifier, is_open } => {
                let packet_identifier = packet_identifier.get();
                append(out, &Record::Received { client_identifier, packet_identifier, is_open: *is_open });
            }
            Change::Retained { topic, message: Some((message, deadline)) } => {
                let message = self.put_message(message, out);
                append(out, &Record::Retained { topic, message, deadline: self.clock.store(*deadline) });
            }
            Change::Retained { topic, message: None } => append(out, &Record::Cleared { topic }),
        }
    }

    fn put_session(&self, client_identifier: &Text, session: &StoredSession, out: &mut Vec<u8>) {
        let will = session.will.as_ref().map(|(will, due)| WillRecord {
            topic: &will.topic,
            payload: &will.payload,
            properties: will.properties.as_ref().wire(),
            qos: will.qos as u8,
            retain: will.retain,
            due: self.clock.store(*due),
        });
        let record = Record::Session {
            client_identifier,
            version: session.version as u8,
            expiry_interval: session.expiry_interval,
            ends: self.clock.store(session.ends),
            is_connected: session.is_connected,
            user_name: session.user_name.as_deref(),
            listener: session.listener,
            will,
        };
        append(out, &record);
    }

    fn put_delivery(&mut self, client_identifier: &Text, delivery: &StoredDelivery, out: &mut Vec<u8>) {
        let message = self.put_message(&delivery.message, out);
        let record = Record::Queued {
            client_identifier,
            number: delivery.number,
            message,
            qos: delivery.qos as u8,
            retain: delivery.retain,
            subscription_identifiers: delivery.subscription_identifiers.clone(),
            shared_filter: delivery.shared_filter.as_deref(),
            packet_identifier: delivery.packet_identifier.map(PacketIdentifier::get),
        };
        append(out, &record);
    }

    /// The number of `message`, which is written first if it is not known.
    fn put_message(&mut self, message: &Arc<Message>, out: &mut Vec<u8>) -> u64 {
        let address = Arc::as_ptr(message).addr();
        if let Some((number, _)) = self.known.get(&address) {
            return *number;
        }
        self.numbered += 1;
        let number = self.numbered;
        self.known.insert(address, (number, Arc::clone(message)));
        let record = Record::Message {
            number,
            topic: message.topic(),
            payload: message.payload(),
            properties: message.properties(),
            qos: message.qos() as u8,
            retain: message.retain(),
            deadline: self.clock.store(message.deadline()),
        };
        append(out, &record);
        number
    }
}

fn append(out: &mut Vec<u8>, record: &Record<'_>) {
    // A `Vec` takes everything; it is taken out because that is how the library extends.
    if let Ok(extended) = postcard::to_extend(record, std::mem::take(out)) {
        *out = extended;
    }
}

/// Turns bytes into changes.
#[derive(Debug)]
pub(super) struct Reader {
    clock: WallClock,
    messages: FxHashMap<u64, Arc<Message>>,
}

/// A record that says what cannot be.
#[derive(Debug)]
pub(super) struct Nonsense;

impl Reader {
    pub(super) fn new(clock: WallClock) -> Self {
        Self { clock, messages: FxHashMap::default() }
    }

    /// Gives the changes in `bytes`, a run of whole records, to `take`.
    ///
    /// # Errors
    ///
    /// At the first record that is none; what stands before it has been given.
    pub(super) fn read(&mut self, mut bytes: &[u8], take: &mut impl FnMut(Change)) -> Result<(), Nonsense> {
        while !bytes.is_empty() {
            let (record, rest) = postcard::take_from_bytes::<Record<'_>>(bytes).map_err(|_| Nonsense)?;
            bytes = rest;
            if let Some(change) = self.change(record).ok_or(Nonsense)? {
                take(change);
            }
        }
        Ok(())
    }

    /// The change that `record` stands for, if it is one; the outer `None` for nonsense.
    #[allow(clippy::option_option)] // a message is no change, and no nonsense either
    fn change(&mut self, record: Record<'_>) -> Option<Option<Change>> {
        Some(Some(match record {
            Record::Message { number, .. } => {
                let message = self.message(record)?;
                self.messages.insert(number, Arc::new(message));
                return Some(None);
            }
            // Its message was in a part that is lost.
            Record::Queued { message, .. } | Record::Retained { message, .. }
                if !self.messages.contains_key(&message) =>
            {
                return Some(None);
            }
            Record::Session { .. } => self.session(record)?,
            Record::Queued { .. } => self.queued(record)?,
            Record::SessionEnded { client_identifier } => {
                Change::SessionEnded { client_identifier: text(client_identifier)? }
            }
            Record::Subscribed { client_identifier, filter, options, identifier } => Change::Subscription {
                client_identifier: text(client_identifier)?,
                filter: text(filter)?,
                subscription: Some(Subscription {
                    options: SubscriptionOptions::decode(options, ProtocolVersion::V5).ok()?,
                    identifier,
                }),
            },
            Record::Unsubscribed { client_identifier, filter } => Change::Subscription {
                client_identifier: text(client_identifier)?,
                filter: text(filter)?,
                subscription: None,
            },
            Record::Sent { client_identifier, number, packet_identifier } => Change::Sent {
                client_identifier: text(client_identifier)?,
                number,
                packet_identifier: PacketIdentifier::new(packet_identifier)?,
            },
            Record::Released { client_identifier, number } => {
                Change::Released { client_identifier: text(client_identifier)?, number }
            }
            Record::Done { client_identifier, number } => {
                Change::Done { client_identifier: text(client_identifier)?, number }
            }
            Record::Received { client_identifier, packet_identifier, is_open } => Change::Received {
                client_identifier: text(client_identifier)?,
                packet_identifier: PacketIdentifier::new(packet_identifier)?,
                is_open,
            },
            Record::Retained { topic, message, deadline } => {
                let message = Arc::clone(self.messages.get(&message)?);
                let message = Some((message, self.clock.restore(deadline)));
                Change::Retained { topic: text(topic)?, message }
            }
            Record::Cleared { topic } => Change::Retained { topic: text(topic)?, message: None },
        }))
    }

    fn session(&self, record: Record<'_>) -> Option<Change> {
        let Record::Session {
            client_identifier,
            version,
            expiry_interval,
            ends,
            is_connected,
            user_name,
            listener,
            will,
        } = record
        else {
            return None;
        };
        let will = match will {
            Some(will) => Some((stored_will(&will)?, self.clock.restore(will.due))),
            None => None,
        };
        let session = StoredSession {
            version: version_of(version)?,
            expiry_interval,
            ends: self.clock.restore(ends),
            is_connected,
            user_name: match user_name {
                Some(name) => Some(text(name)?),
                None => None,
            },
            listener,
            will,
        };
        Some(Change::Session { client_identifier: text(client_identifier)?, session: Box::new(session) })
    }

    fn message(&self, record: Record<'_>) -> Option<Message> {
        let Record::Message { topic, payload, properties, qos, retain, deadline, .. } = record else {
            return None;
        };
        let properties = PropertiesRef::check(properties, Place::PublishByClient).ok()?;
        let (qos, deadline) = (Qos::from_number(qos)?, self.clock.restore(deadline));
        Some(Message::new(text(topic)?, Bytes::copy_from_slice(payload), properties, qos, retain, deadline))
    }

    fn queued(&self, record: Record<'_>) -> Option<Change> {
        let Record::Queued {
            client_identifier,
            number,
            message,
            qos,
            retain,
            subscription_identifiers,
            shared_filter,
            packet_identifier,
        } = record
        else {
            return None;
        };
        let delivery = StoredDelivery {
            number,
            message: Arc::clone(self.messages.get(&message)?),
            qos: Qos::from_number(qos)?,
            retain,
            subscription_identifiers,
            shared_filter: shared_filter.map(Arc::from),
            packet_identifier: match packet_identifier {
                Some(number) => Some(PacketIdentifier::new(number)?),
                None => None,
            },
        };
        Some(Change::Queued { client_identifier: text(client_identifier)?, delivery: Box::new(delivery) })
    }
}

fn stored_will(will: &WillRecord<'_>) -> Option<Will> {
    Some(Will {
        topic: text(will.topic)?,
        payload: Bytes::copy_from_slice(will.payload),
        qos: Qos::from_number(will.qos)?,
        retain: will.retain,
        properties: Properties::detached(PropertiesRef::check(will.properties, Place::Will).ok()?),
    })
}

fn text(stored: &str) -> Option<Text> {
    Text::try_from(stored).ok()
}

const fn version_of(number: u8) -> Option<ProtocolVersion> {
    match number {
        0 => Some(ProtocolVersion::V31),
        1 => Some(ProtocolVersion::V311),
        2 => Some(ProtocolVersion::V5),
        _ => None,
    }
}
