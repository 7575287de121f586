//! The reference: what was promised to whom, and what came of it.

use culex::packet::Qos;
use std::collections::BTreeMap;

/// A message as its publisher sees it.
#[derive(Debug)]
struct Message {
    publisher: usize,
    topic: usize,
    qos: Qos,
    acknowledged: usize,
    /// The publisher's session was lost while this was in flight, so it may have been sent anew, or given up.
    is_restarted: bool,
    /// Who was subscribed when it was published, each with the generation of the session.
    promised: Vec<(usize, u32)>,
}

/// One client's subscription to everything, as far as it can be relied on.
#[derive(Clone, Copy, Debug, Default)]
struct Subscriber {
    qos: Qos,
    /// Counts sessions.
    generation: u32,
    is_subscribed: bool,
}

/// The promises of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Model {
    messages: Vec<Message>,
    subscribers: Vec<Subscriber>,
    /// Messages of QoS 1 and 2 by publisher and identifier, while they are unacknowledged.
    unacknowledged: BTreeMap<(usize, u16), usize>,
    /// How often a message came to a subscriber.
    deliveries: BTreeMap<(usize, usize), usize>,
    /// The last message of its kind that came to a subscriber for the first time.
    last: BTreeMap<(usize, usize, usize, Qos), usize>,
    qos0_accepted: usize,
    qos0_handed: usize,
    /// The broker's queues are so short that messages may be dropped.
    is_lossy: bool,
}

impl Model {
    pub(crate) fn new(is_lossy: bool) -> Self {
        Self { is_lossy, ..Self::default() }
    }

    /// Adds the next client, which subscribes with this QoS.
    pub(crate) fn add_subscriber(&mut self, qos: Qos) {
        self.subscribers.push(Subscriber { qos, ..Subscriber::default() });
    }

    /// The QoS of a client's subscription.
    pub(crate) fn subscribed_qos(&self, client: usize) -> Qos {
        self.subscribers[client].qos
    }

    /// The number that the next message carries as its payload.
    pub(crate) fn next_message(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn accepted(
        &mut self,
        publisher: usize,
        topic: usize,
        qos: Qos,
        identifier: u16,
    ) -> Result<(), String> {
        let number = self.messages.len();
        let promised = (0..).zip(&self.subscribers).filter(|(_, one)| one.is_subscribed);
        let promised = promised.map(|(subscriber, one)| (subscriber, one.generation)).collect();
        self.messages.push(Message { publisher, topic, qos, acknowledged: 0, is_restarted: false, promised });
        if qos == Qos::AtMostOnce {
            self.qos0_accepted += 1;
        } else if let Some(other) = self.unacknowledged.insert((publisher, identifier), number) {
            return Err(format!("client {publisher} gave identifier {identifier} of message {other} again"));
        }
        Ok(())
    }

    pub(crate) fn acknowledged(&mut self, publisher: usize, qos: Qos, identifier: u16) -> Result<(), String> {
        if qos == Qos::AtMostOnce {
            self.qos0_handed += 1;
            return Ok(());
        }
        let number = self.unacknowledged.remove(&(publisher, identifier)).ok_or_else(|| {
            format!("client {publisher} saw {identifier} acknowledged, which was not in flight")
        })?;
        self.messages[number].acknowledged += 1;
        Ok(())
    }

    /// The server has a new session for this client.
    pub(crate) fn session_lost(&mut self, client: usize) {
        let subscriber = &mut self.subscribers[client];
        subscriber.generation += 1;
        subscriber.is_subscribed = false;
        for ((publisher, _), number) in &self.unacknowledged {
            if *publisher == client {
                self.messages[*number].is_restarted = true;
            }
        }
    }

    /// SUBACK came.
    pub(crate) fn subscribed(&mut self, client: usize) {
        self.subscribers[client].is_subscribed = true;
    }

    pub(crate) fn is_subscribed(&self, client: usize) -> bool {
        self.subscribers[client].is_subscribed
    }

    pub(crate) fn delivered(&mut self, subscriber: usize, number: usize, topic: usize) -> Result<(), String> {
        let message =
            self.messages.get(number).ok_or_else(|| format!("message {number} was never published"))?;
        if message.topic != topic {
            return Err(format!("message {number} came on topic {topic} and not on {}", message.topic));
        }
        let count = self.deliveries.entry((number, subscriber)).or_default();
        *count += 1;
        if *count > 1 {
            let effective = message.qos.min(self.subscribers[subscriber].qos);
            let is_once = match message.qos {
                Qos::AtMostOnce => true,
                Qos::AtLeastOnce => false,
                Qos::ExactlyOnce => effective != Qos::AtLeastOnce && !message.is_restarted,
            };
            if is_once {
                return Err(format!("client {subscriber} got message {number} {count} times: {message:?}"));
            }
            return Ok(());
        }
        // A repetition of a message that could not be delivered the first time may come late.
        if message.qos != Qos::AtMostOnce && !self.is_promised(message, subscriber) {
            return Ok(());
        }
        let kind = (subscriber, message.publisher, topic, message.qos);
        if let Some(last) = self.last.insert(kind, number)
            && last > number
        {
            return Err(format!("client {subscriber} got message {number} after {last}"));
        }
        Ok(())
    }

    /// Whether nothing may keep the message from the subscriber.
    fn is_promised(&self, message: &Message, client: usize) -> bool {
        let subscriber = &self.subscribers[client];
        message.promised.contains(&(client, subscriber.generation))
            && subscriber.is_subscribed
            && message.qos.min(subscriber.qos) != Qos::AtMostOnce
            && !self.is_lossy
            && !(message.is_restarted && message.qos == Qos::ExactlyOnce)
    }

    /// What must hold when everything has come to rest.
    pub(crate) fn check_end(&self) -> Result<(), String> {
        if let Some(((publisher, identifier), number)) = self.unacknowledged.first_key_value() {
            return Err(format!(
                "message {number} ({identifier} of client {publisher}) was never acknowledged"
            ));
        }
        if self.qos0_accepted != self.qos0_handed {
            return Err(format!("{} QoS 0 messages accepted, {} sent", self.qos0_accepted, self.qos0_handed));
        }
        for (number, message) in self.messages.iter().enumerate() {
            if message.qos != Qos::AtMostOnce && message.acknowledged != 1 {
                return Err(format!("message {number} was acknowledged {} times", message.acknowledged));
            }
            self.check_deliveries(number, message)?;
        }
        Ok(())
    }

    fn check_deliveries(&self, number: usize, message: &Message) -> Result<(), String> {
        let is_missing = |client: &usize| {
            self.is_promised(message, *client) && !self.deliveries.contains_key(&(number, *client))
        };
        match (0..self.subscribers.len()).find(is_missing) {
            Some(client) => Err(format!("client {client} never got message {number}: {message:?}")),
            None => Ok(()),
        }
    }
}
