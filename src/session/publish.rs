//! Messages to the server: taken in, queued, sent as the window allows, sent again on the next connection.

use super::alias::TopicForm;
use super::config::check_properties;
use super::inflight::{Entry, Stage};
use super::{Event, PublishId, Session, SessionError, State, TRANSMIT_BYTES, Traced};
use crate::packet::{
    Acknowledgement, FrameReader, PacketError, PacketIdentifier, PacketType, Place, Properties,
    PropertiesRef, Property, PropertyIdentifier, Publish, PublishRef, Qos, ReasonCode, SHARED_FROM, Sender,
    Text, Transmit, Verdict, text, topic,
};
use crate::time::Time;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

/// A message that has been accepted and not yet sent.
#[derive(Debug)]
struct Queued {
    identifier: PacketIdentifier,
    publish: Publish,
}

/// The messages that have been accepted and not yet sent, in order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<Queued>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    fn push(&mut self, queued: Queued) {
        self.bytes += weight(&queued.publish.as_ref());
        self.queue.push_back(queued);
    }

    fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.bytes -= weight(&queued.publish.as_ref());
        Some(queued)
    }

    /// Puts `queued` in front of everything else, in its own order.
    fn put_back(&mut self, queued: Vec<Queued>) {
        for queued in queued.into_iter().rev() {
            self.bytes += weight(&queued.publish.as_ref());
            self.queue.push_front(queued);
        }
    }

    fn drop_qos0(&mut self) {
        self.queue.retain(|queued| queued.publish.qos != Qos::AtMostOnce);
        self.bytes = self.queue.iter().map(|queued| weight(&queued.publish.as_ref())).sum();
    }
}

/// What a message counts for in [`queue_bytes_max`](super::Config::queue_bytes_max).
fn weight(publish: &PublishRef<'_>) -> usize {
    publish.topic.len() + publish.properties.wire().len() + publish.payload.len()
}

impl Session {
    /// Takes a message; its end is reported as [`Event::Acknowledged`] with the number returned.
    ///
    /// At QoS 0 and with nothing in the way it is encoded at once; otherwise it waits for the connection, the window
    /// or the transport. `dup` and `packet_identifier` of `publish` are not looked at. A Topic Alias among its
    /// properties is used as its author chose it: the first message of a connection carries topic and alias, the
    /// following ones only the alias; an empty topic stands for the alias's current one.
    ///
    /// # Errors
    ///
    /// [`SessionError::QueueFull`]; [`SessionError::Invalid`]; while connected [`SessionError::NotSupported`] for a QoS
    /// or a RETAIN flag that the server does not take, [`SessionError::TooLargeForServer`],
    /// [`SessionError::TopicAliasUnusable`]; [`SessionError::NotConnected`] for a QoS 0 message with
    /// [`drop_qos0_while_offline`](super::Config::drop_qos0_while_offline).
    #[inline]
    pub fn publish(&mut self, now: Time, publish: Publish) -> Result<PublishId, SessionError> {
        if publish.qos == Qos::AtMostOnce && self.can_send_at_once() {
            let payload = (publish.payload.len() >= SHARED_FROM).then_some(&publish.payload);
            return self.publish_at_once(now, &publish.as_ref(), payload);
        }
        self.enqueue(now, publish)
    }

    /// As [`Session::publish`], for a message whose fields are borrowed: at QoS 0 nothing is allocated for it.
    ///
    /// # Errors
    ///
    /// As [`Session::publish`].
    #[inline]
    pub fn publish_ref(&mut self, now: Time, publish: &PublishRef<'_>) -> Result<PublishId, SessionError> {
        if publish.topic.len() > text::TEXT_BYTES_MAX {
            return Err(SessionError::Invalid(PacketError::FieldTooLong));
        }
        text::check(publish.topic.as_bytes()).map_err(SessionError::Invalid)?;
        if publish.qos == Qos::AtMostOnce && self.can_send_at_once() {
            return self.publish_at_once(now, publish, None);
        }
        let owned = Publish {
            dup: false,
            qos: publish.qos,
            retain: publish.retain,
            topic: Text::detached(publish.topic),
            packet_identifier: None,
            properties: Properties::detached(publish.properties),
            payload: Bytes::copy_from_slice(publish.payload),
        };
        self.enqueue(now, owned)
    }

    #[inline]
    fn can_send_at_once(&self) -> bool {
        self.state == State::Connected
            && self.waiting.queue.is_empty()
            && self.ready.len() < TRANSMIT_BYTES
            && self.inflight.unsent().is_none()
            && self.disconnect.is_none()
    }

    #[inline]
    fn publish_at_once(
        &mut self,
        now: Time,
        publish: &PublishRef<'_>,
        payload: Option<&Bytes>,
    ) -> Result<PublishId, SessionError> {
        let topic = self.check(publish)?;
        let topic = topic.as_deref().unwrap_or(publish.topic);
        let identifier = self.identifiers.count();
        self.now = now;
        let message = PublishRef { dup: false, topic, packet_identifier: None, ..*publish };
        self.write_publish(identifier, &message, payload)?;
        Ok(PublishId(identifier))
    }

    /// Checks a message; returns its topic when only an alias names it.
    #[inline]
    fn check(&self, publish: &PublishRef<'_>) -> Result<Option<Text>, SessionError> {
        let mut resolved = None;
        if !publish.properties.is_empty() {
            resolved = self.check_publish_properties(publish)?;
        }
        if resolved.is_none() {
            topic::check_name(publish.topic).map_err(SessionError::Invalid)?;
        }
        if self.state == State::Connected {
            let topic = resolved.as_deref().unwrap_or(publish.topic);
            // The identifier counts too, and any will do.
            let packet_identifier = (publish.qos != Qos::AtMostOnce).then_some(PacketIdentifier::FIRST);
            self.check_limits(&PublishRef { topic, packet_identifier, ..*publish })?;
        }
        Ok(resolved)
    }

    fn check_publish_properties(&self, publish: &PublishRef<'_>) -> Result<Option<Text>, SessionError> {
        check_properties(self.version(), publish.properties, Place::PublishByClient)
            .map_err(SessionError::Invalid)?;
        let Some(alias) = alias_of(publish.properties) else {
            return Ok(None);
        };
        if self.state == State::Connected && alias > self.limits.topic_alias_maximum {
            return Err(SessionError::TopicAliasUnusable);
        }
        if !publish.topic.is_empty() {
            return Ok(None);
        }
        self.outgoing_aliases.topic(alias).cloned().map(Some).ok_or(SessionError::TopicAliasUnusable)
    }

    /// Compares a message with what this server takes.
    #[inline]
    fn check_limits(&self, publish: &PublishRef<'_>) -> Result<(), SessionError> {
        let limits = &self.limits;
        if publish.qos > limits.maximum_qos {
            return Err(SessionError::NotSupported(ReasonCode::QOS_NOT_SUPPORTED));
        }
        if publish.retain && !limits.retain_available {
            return Err(SessionError::NotSupported(ReasonCode::RETAIN_NOT_SUPPORTED));
        }
        if let Some(maximum) = limits.maximum_packet_size
            && publish.packet_length(self.version()) > maximum as usize
        {
            return Err(SessionError::TooLargeForServer);
        }
        Ok(())
    }

    fn enqueue(&mut self, now: Time, mut publish: Publish) -> Result<PublishId, SessionError> {
        self.now = now;
        if publish.qos == Qos::AtMostOnce
            && self.config.drop_qos0_while_offline
            && self.state != State::Connected
        {
            return Err(SessionError::NotConnected);
        }
        if let Some(topic) = self.check(&publish.as_ref())? {
            publish.topic = topic;
        }
        let bytes = weight(&publish.as_ref());
        let waiting = &self.waiting;
        if waiting.len() >= self.config.queue_messages_max
            || (waiting.len() > 0 && waiting.bytes + bytes > self.config.queue_bytes_max)
        {
            return Err(SessionError::QueueFull);
        }
        if weight(&publish.as_ref()) > crate::packet::VARIABLE_BYTE_INTEGER_MAX as usize - 16 {
            return Err(SessionError::Invalid(PacketError::FieldTooLong));
        }
        publish.dup = false;
        let identifier = match publish.qos {
            Qos::AtMostOnce => self.identifiers.count(),
            Qos::AtLeastOnce | Qos::ExactlyOnce => self.identifiers.take().ok_or(SessionError::QueueFull)?,
        };
        publish.packet_identifier = (publish.qos != Qos::AtMostOnce).then_some(identifier);
        self.waiting.push(Queued { identifier, publish });
        self.pump();
        Ok(PublishId(identifier))
    }

    /// Makes messages ready until 64 KiB wait or the window is full: first those to be sent again, then new ones, and
    /// behind the last that can go, DISCONNECT.
    pub(super) fn pump(&mut self) {
        if self.state == State::Connected {
            while self.ready.len() < TRANSMIT_BYTES && (self.send_again() || self.send_next()) {}
            if self.ready.len() >= TRANSMIT_BYTES {
                return;
            }
        }
        if let Some(disconnect) = self.disconnect.take() {
            self.write_disconnect(disconnect);
        }
    }

    /// How many messages may be in flight [MQTT-3.3.4-7].
    fn window(&self) -> usize {
        usize::from(self.config.inflight_max.clamp(1, self.limits.receive_maximum.max(1)))
    }

    /// Sends one message of an earlier connection again, or its PUBREL; in the order of the first time [MQTT-4.6.0-1].
    fn send_again(&mut self) -> bool {
        let Some(Entry { identifier, stage, is_repeated }) = self.inflight.unsent() else {
            return false;
        };
        let identifier = *identifier;
        let mut publish = match stage {
            Stage::Released(_) => {
                self.send_pubrel(identifier, ReasonCode::SUCCESS);
                self.inflight.mark_sent();
                return true;
            }
            Stage::Published(_) if self.inflight.sent() >= self.window() => return false,
            Stage::Published(publish) => publish.clone(),
        };
        publish.dup = *is_repeated;
        if let Err(error) = self.send(identifier, &publish) {
            self.inflight.discard_unsent();
            self.give_up(identifier, &publish, error);
        } else {
            self.inflight.mark_sent();
        }
        true
    }

    /// Sends one message for the first time.
    fn send_next(&mut self) -> bool {
        let Some(first) = self.waiting.queue.front() else {
            return false;
        };
        let is_inflight = first.publish.qos != Qos::AtMostOnce;
        // Behind messages that are to be sent again, and only within the window.
        if self.inflight.unsent().is_some() || (is_inflight && self.inflight.sent() >= self.window()) {
            return false;
        }
        let Some(Queued { identifier, publish }) = self.waiting.pop() else {
            return false;
        };
        match self.send(identifier, &publish) {
            Err(error) => self.give_up(identifier, &publish, error),
            Ok(()) if is_inflight => self.inflight.push_sent(identifier, publish),
            Ok(()) => {}
        }
        true
    }

    fn send(&mut self, identifier: PacketIdentifier, publish: &Publish) -> Result<(), SessionError> {
        let message = publish.as_ref();
        self.check_limits(&message)?;
        let payload = (publish.payload.len() >= SHARED_FROM).then_some(&publish.payload);
        self.write_publish(identifier, &message, payload)
    }

    /// Reports a message that this server will never take.
    fn give_up(&mut self, identifier: PacketIdentifier, publish: &Publish, error: SessionError) {
        let reason = match error {
            SessionError::NotSupported(reason) => reason,
            _ => ReasonCode::PACKET_TOO_LARGE,
        };
        if publish.qos != Qos::AtMostOnce {
            self.identifiers.release(identifier);
        }
        self.acknowledged(identifier, publish.qos, reason, Properties::EMPTY);
    }

    /// Makes one PUBLISH ready; `payload` is the shared form of a large one.
    #[inline]
    fn write_publish(
        &mut self,
        identifier: PacketIdentifier,
        publish: &PublishRef<'_>,
        payload: Option<&Bytes>,
    ) -> Result<(), SessionError> {
        let has_aliases = self.limits.topic_alias_maximum > 0 && self.config.assigned_aliases_max > 0;
        if has_aliases || !publish.properties.is_empty() {
            return self.write_aliased(identifier, publish, payload);
        }
        self.write_plain(identifier, publish, payload)
    }

    #[inline]
    fn write_plain(
        &mut self,
        identifier: PacketIdentifier,
        publish: &PublishRef<'_>,
        payload: Option<&Bytes>,
    ) -> Result<(), SessionError> {
        let version = self.config.connect.version;
        match payload {
            None => self.ready.write(|out| publish.encode(version, out)),
            Some(payload) => self
                .ready
                .write(|out| publish.encode_head(version, out))
                .map(|()| self.ready.put_shared(payload)),
        }
        .map_err(SessionError::Invalid)?;
        if publish.qos == Qos::AtMostOnce {
            self.unhanded.push_back(PublishId(identifier));
        }
        self.keep_alive.sent(self.now);
        self.trace(|| {
            Event::Sent(Traced::Publish {
                dup: publish.dup,
                qos: publish.qos,
                retain: publish.retain,
                number: identifier.get(),
                topic: (!publish.topic.is_empty()).then(|| Text::detached(publish.topic)),
                payload_length: publish.payload.len(),
            })
        });
        Ok(())
    }

    /// Brings the topic into the form that the aliases of this connection allow.
    fn write_aliased(
        &mut self,
        identifier: PacketIdentifier,
        publish: &PublishRef<'_>,
        payload: Option<&Bytes>,
    ) -> Result<(), SessionError> {
        let maximum = self.limits.topic_alias_maximum;
        if let Some(alias) = alias_of(publish.properties) {
            if alias > maximum {
                // Accepted for an earlier connection, whose server took more aliases.
                let properties = without_alias(publish.properties)?;
                let plain = PublishRef { properties: properties.as_ref(), ..*publish };
                return self.write_plain(identifier, &plain, payload);
            }
            let topic = match self.outgoing_aliases.chosen(alias, publish.topic) {
                TopicForm::Alias(_) => "",
                TopicForm::Introduce(_) | TopicForm::Plain => publish.topic,
            };
            return self.write_plain(identifier, &PublishRef { topic, ..*publish }, payload);
        }
        let has_room = self.limits.maximum_packet_size.is_none_or(|maximum| {
            // The alias takes three bytes, and two more when the lengths need another digit.
            publish.packet_length(self.config.connect.version) + 5 <= maximum as usize
        });
        let assigned_max = maximum.min(self.config.assigned_aliases_max);
        let form = if has_room {
            self.outgoing_aliases.assign(publish.topic, assigned_max)
        } else {
            TopicForm::Plain
        };
        let (topic, alias) = match form {
            TopicForm::Plain => return self.write_plain(identifier, publish, payload),
            TopicForm::Introduce(alias) => (publish.topic, alias),
            TopicForm::Alias(alias) => ("", alias),
        };
        let mut properties = Properties::detached(publish.properties);
        properties
            .push(Property::number(PropertyIdentifier::TopicAlias, u32::from(alias)))
            .map_err(SessionError::Invalid)?;
        let aliased = PublishRef { topic, properties: properties.as_ref(), ..*publish };
        self.write_plain(identifier, &aliased, payload)
    }

    pub(super) fn send_pubrel(&mut self, packet_identifier: PacketIdentifier, reason: ReasonCode) {
        self.answer_with(PacketType::Pubrel, packet_identifier, reason);
    }

    /// Makes an acknowledgement ready.
    #[inline]
    pub(super) fn answer_with(
        &mut self,
        packet_type: PacketType,
        packet_identifier: PacketIdentifier,
        reason: ReasonCode,
    ) {
        let version = self.config.connect.version;
        self.ready
            .write(|out| Acknowledgement::new(packet_identifier, reason).encode(packet_type, version, out));
        self.keep_alive.sent(self.now);
        self.trace(|| {
            let is_unknown = false;
            Event::Sent(Traced::Acknowledgement { packet_type, packet_identifier, reason, is_unknown })
        });
    }

    /// Takes QoS 0 messages whose bytes nobody has taken back into the queue, since they were never sent.
    pub(super) fn keep_unhanded(&mut self) {
        let mut numbers = std::mem::take(&mut self.unhanded);
        if self.config.drop_qos0_while_offline {
            self.waiting.drop_qos0();
            return;
        }
        if numbers.is_empty() {
            return;
        }
        let mut kept = Vec::with_capacity(numbers.len());
        let mut reader = FrameReader::default();
        reader.push(take_bytes(&mut self.ready));
        while let Ok(Some(frame)) = reader.next_frame(|_| Verdict::Accept) {
            if frame.header.packet_type != PacketType::Publish {
                continue;
            }
            let decoded =
                PublishRef::decode(&frame.header, frame.body, self.config.connect.version, Sender::Client);
            let Ok(publish) = decoded else { continue };
            if publish.qos != Qos::AtMostOnce {
                continue;
            }
            let Some(PublishId(identifier)) = numbers.pop_front() else { break };
            let mut publish = publish.to_owned_within(frame.block);
            if let Some(alias) = alias_of(publish.properties.as_ref()) {
                if let Some(topic) = self.outgoing_aliases.topic(alias).filter(|_| publish.topic.is_empty()) {
                    publish.topic = topic.clone();
                }
                if !self.outgoing_aliases.is_chosen() {
                    publish.properties = without_alias(publish.properties.as_ref()).unwrap_or_default();
                }
            }
            kept.push(Queued { identifier, publish });
        }
        self.waiting.put_back(kept);
    }
}

fn alias_of(properties: PropertiesRef<'_>) -> Option<u16> {
    properties.number(PropertyIdentifier::TopicAlias).and_then(|alias| u16::try_from(alias).ok())
}

fn without_alias(properties: PropertiesRef<'_>) -> Result<Properties, SessionError> {
    let mut rest = Properties::EMPTY;
    for property in properties.iter().filter(|one| one.identifier != PropertyIdentifier::TopicAlias) {
        rest.push(property).map_err(SessionError::Invalid)?;
    }
    Ok(rest)
}

/// Everything that waits, in one block; `ready` is empty afterwards.
fn take_bytes(ready: &mut Transmit) -> Bytes {
    let mut all = BytesMut::with_capacity(ready.len());
    while !ready.is_empty() {
        let before = all.len();
        let mut slices = [IoSlice::new(&[]); 8];
        let used = ready.io_slices(&mut slices);
        slices[..used].iter().for_each(|slice| all.extend_from_slice(slice));
        ready.advance(all.len() - before);
    }
    all.freeze()
}
