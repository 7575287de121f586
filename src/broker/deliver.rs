//! One message to one session: sent at once, queued, or dropped where the bounds say so.

use super::Broker;
use super::connection::Connection;
use super::encode::Form;
use super::in_flight::{Delivery, Entry, Origin, Stage};
use super::message::{Message, MessageRef};
use super::queue::Bounds;
use super::route::{NOBODY, Route, Target};
use super::subscriptions::SessionKey;
use crate::journal::{Fact, Topics};
use crate::packet::{PacketIdentifier, PacketType, Qos, ReasonCode, SHARED_FROM, Text};
use crate::session::alias::TopicForm;
use bytes::Bytes;
use std::sync::Arc;

/// A message on its way to several receivers; it is made shareable when the first needs it.
pub(super) struct Passing<'a> {
    pub(super) message: MessageRef<'a>,
    pub(super) topic: &'a Text,
    pub(super) shared: Option<Arc<Message>>,
}

impl Passing<'_> {
    pub(super) fn share(&mut self) -> Arc<Message> {
        let Self { message, topic, shared } = self;
        shared.get_or_insert_with(|| message.share(topic)).clone()
    }

    /// The payload as a block of its own, for vectored writes.
    fn payload(&mut self) -> Bytes {
        self.share().payload.clone()
    }
}

impl Broker {
    /// Gives a message to everybody on its route.
    #[inline]
    pub(super) fn deliver_all(&mut self, route: &Route, passing: &mut Passing<'_>) {
        self.frames.reset();
        for target in &route.targets {
            self.deliver(target, passing);
        }
        for &group in &route.groups {
            let length = self.frames.plain(&passing.message, true, passing.message.qos, false, self.now);
            let length = length.packet_length;
            if let Some(target) = self.choose_member(group, length, NOBODY) {
                self.deliver(&target, passing);
            }
        }
    }

    /// Gives a message to one session.
    #[inline]
    pub(super) fn deliver(&mut self, target: &Target, passing: &mut Passing<'_>) {
        if self.config.authorizer.is_some() && !self.may_receive(target.session, passing.message.topic) {
            return;
        }
        let qos =
            if self.config.upgrade_outgoing_qos { target.qos } else { target.qos.min(passing.message.qos) };
        let retain = passing.message.retain && target.retain_as_published;
        if qos == Qos::AtMostOnce {
            self.deliver_at_most_once(target, passing, retain);
        } else {
            self.deliver_acknowledged(target, passing, qos, retain);
        }
    }

    fn deliver_at_most_once(&mut self, target: &Target, passing: &mut Passing<'_>, retain: bool) {
        let Some(session) = self.sessions.get_mut(target.session) else {
            return;
        };
        let Some(connection) = session.connection.and_then(|id| self.connections.get_mut(id)) else {
            if self.config.queue_qos0_messages && session.is_durable() {
                self.enqueue(target, passing, Qos::AtMostOnce, retain);
            }
            return;
        };
        if !connection.may_grow(self.config.max_outgoing_bytes) || session.queue.has_at_most_once() {
            self.enqueue(target, passing, Qos::AtMostOnce, retain);
            return;
        }
        if target.origin.is_some() || connection.needs_own_form() {
            let delivery = Delivery {
                message: passing.share(),
                origin: target.origin.clone(),
                number: 0,
                qos: Qos::AtMostOnce,
                retain,
            };
            self.send_delivery(target.session, delivery);
            return;
        }
        let is_v5 = connection.is_v5();
        let frame = self.frames.plain(&passing.message, is_v5, Qos::AtMostOnce, retain, self.now);
        if frame.packet_length > connection.packet_bytes_max as usize {
            self.statistics.messages_dropped += 1;
            return;
        }
        self.statistics.count_publish_sent(passing.message.payload.len());
        let outgoing = self.output.to(connection);
        outgoing.put(frame.bytes);
        if passing.message.payload.len() >= SHARED_FROM {
            outgoing.put_shared(&passing.payload());
        }
        if self.config.events.journal.contains(Topics::PACKETS) {
            let id = connection.id;
            self.tell_sent_publish(id, &passing.message, Qos::AtMostOnce, retain, false, 0);
        }
    }

    fn deliver_acknowledged(&mut self, target: &Target, passing: &mut Passing<'_>, qos: Qos, retain: bool) {
        let Some(session) = self.sessions.get_mut(target.session) else {
            return;
        };
        let Some(connection) = session.connection.and_then(|id| self.connections.get_mut(id)) else {
            if session.is_durable() {
                self.enqueue(target, passing, qos, retain);
            }
            return;
        };
        if !session.queue.is_empty()
            || session.in_flight.has_unsent()
            || !session.in_flight.has_room(connection.window, self.config.max_inflight_bytes)
            || !connection.may_grow(self.config.max_outgoing_bytes)
        {
            self.enqueue(target, passing, qos, retain);
            return;
        }
        let delivery =
            Delivery { message: passing.share(), origin: target.origin.clone(), number: 0, qos, retain };
        if delivery.origin.is_some() || connection.needs_own_form() || self.config.events.changes {
            self.send_delivery(target.session, delivery);
            return;
        }
        let is_v5 = connection.is_v5();
        let frame = self.frames.plain(&passing.message, is_v5, qos, retain, self.now);
        if frame.packet_length > connection.packet_bytes_max as usize {
            self.statistics.messages_dropped += 1;
            return;
        }
        let Some(identifier) = session.in_flight.push(delivery) else {
            return;
        };
        self.statistics.count_publish_sent(passing.message.payload.len());
        let outgoing = self.output.to(connection);
        outgoing.write(|out| {
            let at = out.len() + frame.identifier_at;
            out.extend_from_slice(frame.bytes);
            out[at..at + 2].copy_from_slice(&identifier.get().to_be_bytes());
        });
        if passing.message.payload.len() >= SHARED_FROM {
            outgoing.put_shared(&passing.payload());
        }
        if self.config.events.journal.contains(Topics::PACKETS) {
            let id = connection.id;
            self.tell_sent_publish(id, &passing.message, qos, retain, false, identifier.get());
        }
    }

    /// Lets a message wait, or drops it when the bounds are reached.
    #[cold]
    fn enqueue(&mut self, target: &Target, passing: &mut Passing<'_>, qos: Qos, retain: bool) {
        // Before anything is made for it: a client that has stopped reading must not cost the others.
        if !self.make_room(target.session, passing.message.payload.len()) {
            return;
        }
        let delivery =
            Delivery { message: passing.share(), origin: target.origin.clone(), number: 0, qos, retain };
        self.append(target.session, delivery);
    }

    pub(super) fn enqueue_delivery(&mut self, key: SessionKey, delivery: Delivery) {
        if self.make_room(key, delivery.message.bytes()) {
            self.append(key, delivery);
        } else {
            self.record_done(key, delivery.number);
        }
    }

    fn append(&mut self, key: SessionKey, mut delivery: Delivery) {
        self.record_queued(key, &mut delivery);
        if let Some(session) = self.sessions.get_mut(key) {
            session.queue.push(delivery);
        }
    }

    /// Whether a message of so many bytes may wait for this session, perhaps where others have expired; if not, it counts
    /// as dropped.
    fn make_room(&mut self, key: SessionKey, bytes: usize) -> bool {
        let mut bounds =
            Bounds { messages_max: self.config.max_queued_messages, bytes_max: self.config.max_queued_bytes };
        if self.is_short_of_memory {
            bounds.messages_max = 1;
        }
        let now = self.now;
        let Some(session) = self.sessions.get_mut(key) else {
            return false;
        };
        if session.queue.has_room(bytes, bounds) {
            return true;
        }
        let expired = session.queue.take_expired(now);
        let has_room = session.queue.has_room(bytes, bounds);
        let is_news = !has_room && !std::mem::replace(&mut session.is_dropping, true);
        for number in expired {
            self.statistics.messages_expired += 1;
            self.record_done(key, number);
        }
        self.statistics.messages_dropped += u64::from(!has_room);
        if is_news {
            self.tell_session(Topics::NOTICES, key, || Fact::MessagesDropped);
        }
        has_room
    }

    /// Sends what the client's window and the bounds allow: first what an earlier connection left, then the queue.
    pub(super) fn pump(&mut self, key: SessionKey) {
        while let Some(delivery) = self.next_to_send(key) {
            match delivery {
                Next::Again(entry) => self.send_again(key, &entry),
                Next::Queued(delivery) => self.send_delivery(key, delivery),
            }
        }
    }

    fn next_to_send(&mut self, key: SessionKey) -> Option<Next> {
        if !self.may_send_next(key) {
            return None;
        }
        let session = self.sessions.get_mut(key)?;
        if session.in_flight.has_unsent() {
            return session.in_flight.send_next().map(Next::Again);
        }
        let Some(delivery) = session.queue.pop() else {
            return self.next_retained(key).map(Next::Queued);
        };
        if session.queue.is_empty() {
            session.is_dropping = false;
        }
        Some(Next::Queued(delivery))
    }

    /// Whether something waits that the client's window and the bounds let out now.
    pub(super) fn may_send_next(&mut self, key: SessionKey) -> bool {
        let Some(session) = self.sessions.get_mut(key) else {
            return false;
        };
        let Some(connection) = session.connection.and_then(|id| self.connections.get(id)) else {
            return false;
        };
        if !connection.may_grow(self.config.max_outgoing_bytes) {
            return false;
        }
        if session.in_flight.has_unsent() {
            return session.in_flight.may_resend(connection.window);
        }
        if session.queue.front().is_some_and(|first| first.message.is_expired(self.now)) {
            return self.drop_expired(key) && self.may_send_next(key);
        }
        let is_at_most_once = match (session.queue.front(), session.walks.front()) {
            (Some(first), _) => first.qos == Qos::AtMostOnce,
            (None, Some(walk)) => walk.is_at_most_once(),
            (None, None) => return false,
        };
        is_at_most_once || session.in_flight.has_room(connection.window, self.config.max_inflight_bytes)
    }

    /// Drops what has expired from the front of the queue; returns whether anything was.
    #[cold]
    fn drop_expired(&mut self, key: SessionKey) -> bool {
        let now = self.now;
        let mut numbers = Vec::new();
        if let Some(session) = self.sessions.get_mut(key) {
            while session.queue.front().is_some_and(|first| first.message.is_expired(now)) {
                numbers.extend(session.queue.pop().map(|delivery| delivery.number));
            }
        }
        for &number in &numbers {
            self.record_done(key, number);
        }
        self.statistics.messages_expired += numbers.len() as u64;
        !numbers.is_empty()
    }

    /// Sends one message for the first time, in the form that this client needs.
    pub(super) fn send_delivery(&mut self, key: SessionKey, mut delivery: Delivery) {
        self.record_queued(key, &mut delivery);
        let number = delivery.number;
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let Some(connection) = session.connection.and_then(|id| self.connections.get_mut(id)) else {
            return;
        };
        let message = Arc::clone(&delivery.message);
        let origin = delivery.origin.clone();
        let mut form = form_for(connection, &message, &delivery, origin.as_deref());
        if form.packet_length(&connection.view(&message)) > connection.packet_bytes_max as usize {
            // Discarded as if it had been sent and acknowledged [MQTT-3.1.2-25].
            self.statistics.messages_dropped += 1;
            self.record_done(key, number);
            return;
        }
        if delivery.qos != Qos::AtMostOnce {
            let Some(identifier) = session.in_flight.push(delivery) else {
                self.record_done(key, number);
                return;
            };
            form.identifier = Some(identifier);
            self.record_sent(key, number, identifier);
        }
        self.send_form(key, form, &message);
    }

    /// Sends again what an earlier connection left unacknowledged [MQTT-4.4.0-1].
    fn send_again(&mut self, key: SessionKey, entry: &Entry) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let Some(connection) = session.connection.and_then(|id| self.connections.get_mut(id)) else {
            return;
        };
        let (Stage::Publish, Some(message)) = (entry.stage, &entry.message) else {
            let id = connection.id;
            self.acknowledge(id, PacketType::Pubrel, entry.identifier, ReasonCode::SUCCESS, "");
            return;
        };
        let delivery = Delivery {
            message: Arc::clone(message),
            origin: entry.origin.clone(),
            number: entry.number,
            qos: entry.qos,
            retain: entry.retain,
        };
        let mut form = form_for(connection, message, &delivery, entry.origin.as_deref());
        form.dup = entry.is_repeated;
        form.identifier = Some(entry.identifier);
        if form.packet_length(&connection.view(message)) > connection.packet_bytes_max as usize {
            self.statistics.messages_dropped += 1;
            session.in_flight.abandon(entry.identifier);
            self.record_done(key, entry.number);
            return;
        }
        self.send_form(key, form, message);
    }

    fn send_form(&mut self, key: SessionKey, form: Form<'_>, message: &Arc<Message>) {
        let Some(connection) = self.sessions[key].connection.and_then(|id| self.connections.get_mut(id))
        else {
            return;
        };
        if let TopicForm::Introduce(alias) = form.topic {
            connection.outgoing_aliases.take(&message.topic, alias);
        }
        self.statistics.count_publish_sent(message.payload.len());
        let id = connection.id;
        let view = connection.view(message);
        let outgoing = self.output.to(connection);
        outgoing.write(|out| form.put_head(&view, self.now, out));
        outgoing.put_shared(&message.payload);
        if self.config.events.journal.contains(Topics::PACKETS) {
            let identifier = form.identifier.map_or(0, PacketIdentifier::get);
            self.tell_sent_publish(id, &view, form.qos, form.retain, form.dup, identifier);
        }
    }

    /// Whether the authorizer lets this session see the topic.
    #[cold]
    fn may_receive(&self, key: SessionKey, topic: &str) -> bool {
        let (Some(authorizer), Some(session)) = (&self.config.authorizer, self.sessions.get(key)) else {
            return true;
        };
        authorizer.deliver(session.as_client(), topic)
    }
}

/// What is sent next.
enum Next {
    Again(Entry),
    Queued(Delivery),
}

fn form_for<'a>(
    connection: &Connection,
    message: &Message,
    delivery: &Delivery,
    origin: Option<&'a Origin>,
) -> Form<'a> {
    let is_v5 = connection.is_v5();
    Form {
        is_v5,
        dup: false,
        qos: delivery.qos,
        retain: delivery.retain,
        identifier: None,
        topic: connection.outgoing_aliases.form(&message.topic),
        subscription_identifiers: origin.map_or(&[], |origin| &origin.identifiers),
    }
}
