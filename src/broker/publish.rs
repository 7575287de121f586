//! PUBLISH from a client (MQTT 5, section 3.3 and 4.3).

use super::Broker;
use super::connection::ConnectionId;
use super::deliver::Passing;
use super::message::{Forwarded, MessageRef};
use super::receive::Fault;
use super::retain::RetainedMessage;
use super::subscriptions::SessionKey;
use crate::journal::{Fact, PacketFact, Topics};
use crate::packet::text::TEXT_BYTES_MAX;
use crate::packet::{
    Frame, PacketIdentifier, PacketType, PropertyIdentifier, PublishRef, Qos, Reader, ReasonCode, Sender,
    Text,
};

impl Broker {
    /// Takes a PUBLISH: checks, acknowledges, routes.
    #[inline]
    pub(super) fn receive_publish(&mut self, id: ConnectionId, frame: &Frame<'_>) -> Result<(), Fault> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        let version = connection.version;
        frame.header.check(version, Sender::Client)?;
        if frame.is_skipped {
            return self.refuse_too_large(id, frame);
        }
        let mut publish = PublishRef::decode(&frame.header, frame.body, version, Sender::Client)?;
        self.statistics.publishes_received += 1;
        self.statistics.publish_bytes_received += publish.payload.len() as u64;
        let (session, is_mounted, maximum_qos) =
            (connection.session, connection.is_mounted, connection.maximum_qos);
        if self.config.events.journal.contains(Topics::PACKETS) {
            self.tell_received_publish(id, &publish);
        }
        self.check_capabilities(&publish, maximum_qos)?;
        let resolved;
        if !publish.properties.is_empty()
            && let Some(alias) = publish.properties.number(PropertyIdentifier::TopicAlias)
        {
            resolved = self.resolve_alias(id, alias, publish.topic)?;
            publish.topic = &resolved;
        }
        let mounted;
        if is_mounted && let Some(topic) = self.mounted_topic(id, publish.topic) {
            mounted = topic;
            publish.topic = &mounted;
        }
        match publish.qos {
            Qos::AtMostOnce => self.take_at_most_once(session, &publish, frame),
            Qos::AtLeastOnce => self.take_at_least_once(id, session, &publish, frame),
            Qos::ExactlyOnce => self.take_exactly_once(id, session, &publish, frame),
        }
    }

    fn check_capabilities(&self, publish: &PublishRef<'_>, maximum_qos: Qos) -> Result<(), Fault> {
        if publish.qos > maximum_qos {
            return Err(Fault::Reason(ReasonCode::QOS_NOT_SUPPORTED));
        }
        if publish.retain && !self.config.retain_available {
            return Err(Fault::Reason(ReasonCode::RETAIN_NOT_SUPPORTED));
        }
        Ok(())
    }

    fn resolve_alias(&mut self, id: ConnectionId, alias: u32, topic: &str) -> Result<Text, Fault> {
        let alias = u16::try_from(alias).unwrap_or(u16::MAX);
        let Some(connection) = self.connections.get_mut(id) else {
            return Err(Fault::Reason(ReasonCode::PROTOCOL_ERROR));
        };
        super::alias::resolve(&mut connection.incoming_aliases, alias, topic, connection.max_topic_alias)
            .map_err(Fault::Reason)
    }

    #[inline]
    fn take_at_most_once(
        &mut self,
        session: SessionKey,
        publish: &PublishRef<'_>,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        match self.judge_publish(session, publish) {
            ReasonCode::SUCCESS => {
                self.route(session, publish, frame, |_, _| ());
                Ok(())
            }
            ReasonCode::PAYLOAD_FORMAT_INVALID => Err(Fault::Reason(ReasonCode::PAYLOAD_FORMAT_INVALID)),
            _ => Ok(()),
        }
    }

    fn take_at_least_once(
        &mut self,
        id: ConnectionId,
        session: SessionKey,
        publish: &PublishRef<'_>,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        let Some(identifier) = publish.packet_identifier else {
            return Ok(());
        };
        self.check_receive_maximum(session)?;
        let reason = match self.judge_publish(session, publish) {
            ReasonCode::SUCCESS => {
                // The publisher sees its own message before the PUBACK, as with mosquitto.
                let mut reason = ReasonCode::SUCCESS;
                self.route(session, publish, frame, |_, is_matched| reason = matched(is_matched));
                reason
            }
            refused => refused,
        };
        self.acknowledge(id, PacketType::Puback, identifier, reason, "");
        Ok(())
    }

    fn take_exactly_once(
        &mut self,
        id: ConnectionId,
        session: SessionKey,
        publish: &PublishRef<'_>,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        let Some(identifier) = publish.packet_identifier else {
            return Ok(());
        };
        let is_new = !self.sessions[session].received.contains(identifier);
        if is_new {
            self.check_receive_maximum(session)?;
            let refused = self.judge_publish(session, publish);
            if refused != ReasonCode::SUCCESS {
                // On MQTT 5 an error in PUBREC ends the exchange; before, PUBREL and PUBCOMP still follow.
                if self.connections.get(id).is_some_and(|connection| !connection.is_v5()) {
                    self.sessions[session].received.open(identifier);
                }
                self.acknowledge(id, PacketType::Pubrec, identifier, refused, "");
                return Ok(());
            }
        }
        self.sessions[session].received.open(identifier);
        if !is_new {
            self.acknowledge(id, PacketType::Pubrec, identifier, ReasonCode::SUCCESS, "");
            return Ok(());
        }
        self.record_received(session, identifier, true);
        // PUBREC goes out before anything that the publisher receives of its own message.
        self.route(session, publish, frame, |broker, is_matched| {
            broker.acknowledge(id, PacketType::Pubrec, identifier, matched(is_matched), "");
        });
        Ok(())
    }

    /// One PUBLISH more than the Receive Maximum allows is a fault on MQTT 5 [MQTT-3.3.4-7]; what was acknowledged does
    /// not count any more, and a PUBACK is queued in the same turn.
    fn check_receive_maximum(&self, session: SessionKey) -> Result<(), Fault> {
        let Some(session) = self.sessions.get(session) else {
            return Ok(());
        };
        let is_v5 = session.version == crate::packet::ProtocolVersion::V5;
        if is_v5 && session.received.counted() >= usize::from(self.config.receive_maximum()) {
            return Err(Fault::Reason(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED));
        }
        Ok(())
    }

    /// Whether the message is let in: limits, payload format, topic, authorisation.
    #[inline]
    fn judge_publish(&mut self, session: SessionKey, publish: &PublishRef<'_>) -> ReasonCode {
        let limit = self.config.message_size_limit;
        if limit != 0 && publish.payload.len() > limit {
            self.statistics.messages_dropped += 1;
            self.tell_session(Topics::NOTICES, session, || Fact::PublishTooLarge {
                packet_length: publish.payload.len(),
            });
            return ReasonCode::IMPLEMENTATION_SPECIFIC;
        }
        if !publish.properties.is_empty() && !has_valid_format(publish) {
            return ReasonCode::PAYLOAD_FORMAT_INVALID;
        }
        // Only a mount point can make a topic too long.
        let is_denied = publish.topic.starts_with("$SYS") || publish.topic.len() > TEXT_BYTES_MAX;
        if is_denied || (self.config.authorizer.is_some() && !self.may_publish(session, publish)) {
            self.statistics.messages_dropped += 1;
            self.tell_session(Topics::NOTICES, session, || Fact::PublishDenied {
                topic: Text::detached(publish.topic),
                payload_length: publish.payload.len(),
            });
            return ReasonCode::NOT_AUTHORIZED;
        }
        ReasonCode::SUCCESS
    }

    fn may_publish(&self, session: SessionKey, publish: &PublishRef<'_>) -> bool {
        let (Some(authorizer), Some(session)) = (&self.config.authorizer, self.sessions.get(session)) else {
            return true;
        };
        authorizer.publish(session.as_client(), publish.topic, publish.qos, publish.retain)
    }

    /// Finds the receivers, tells `answer` whether there are any, and delivers.
    #[inline]
    fn route(
        &mut self,
        publisher: SessionKey,
        publish: &PublishRef<'_>,
        frame: &Frame<'_>,
        answer: impl FnOnce(&mut Self, bool),
    ) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let message = MessageRef {
            topic: publish.topic,
            payload: publish.payload,
            properties: Forwarded::new(publish.properties, self.now, &mut scratch),
            qos: publish.qos,
            retain: publish.retain,
            block: Some(frame.block),
        };
        if self.config.events.journal.contains(Topics::MESSAGES) {
            self.tell_session(Topics::MESSAGES, publisher, || message.as_fact(publish.dup, false));
        }
        self.route_message(publisher, message, answer);
        self.scratch = scratch;
    }

    /// Routes what a client, a will or the broker itself publishes.
    #[inline]
    pub(super) fn route_message(
        &mut self,
        publisher: SessionKey,
        message: MessageRef<'_>,
        answer: impl FnOnce(&mut Self, bool),
    ) {
        let route = self.take_route(message.topic, publisher);
        answer(self, !route.is_empty());
        let mut passing = Passing { message, topic: &route.topic, shared: None };
        if message.retain {
            self.retain_message(publisher, &mut passing);
        }
        if !route.is_empty() {
            self.deliver_all(&route, &mut passing);
        }
        self.keep_route(route);
    }

    fn retain_message(&mut self, publisher: SessionKey, passing: &mut Passing<'_>) {
        if passing.message.payload.is_empty() {
            self.clear_retained(passing.message.topic);
            return;
        }
        let source = self.retain_source(publisher);
        let message = passing.share();
        let deadline = self.retain_deadline(&message);
        self.set_retained(RetainedMessage { message, deadline, source });
    }

    /// A payload over the limit was swallowed; at QoS 1 and 2 the client is told, on MQTT 5 with 0x83.
    #[cold]
    fn refuse_too_large(&mut self, id: ConnectionId, frame: &Frame<'_>) -> Result<(), Fault> {
        self.statistics.publishes_received += 1;
        self.statistics.messages_dropped += 1;
        self.tell(Topics::NOTICES, id, || Fact::PublishTooLarge {
            packet_length: frame.header.packet_length(),
        });
        let answer = match frame.header.first >> 1 & 3 {
            0 => return Ok(()),
            1 => PacketType::Puback,
            _ => PacketType::Pubrec,
        };
        let mut reader = Reader::new(frame.body);
        reader.text()?;
        let identifier = reader.packet_identifier()?;
        self.acknowledge(id, answer, identifier, ReasonCode::IMPLEMENTATION_SPECIFIC, "payload is too large");
        Ok(())
    }

    #[cold]
    fn tell_received_publish(&mut self, id: ConnectionId, publish: &PublishRef<'_>) {
        self.tell(Topics::PACKETS, id, || {
            Fact::Received(PacketFact::Publish {
                dup: publish.dup,
                qos: publish.qos,
                retain: publish.retain,
                packet_identifier: publish.packet_identifier.map_or(0, PacketIdentifier::get),
                topic: Text::detached(publish.topic),
                payload_length: publish.payload.len(),
            })
        });
    }
}

const fn matched(is_matched: bool) -> ReasonCode {
    if is_matched { ReasonCode::SUCCESS } else { ReasonCode::NO_MATCHING_SUBSCRIBERS }
}

/// Whether a payload that calls itself UTF-8 is [MQTT-3.3.2-4].
fn has_valid_format(publish: &PublishRef<'_>) -> bool {
    publish.properties.number(PropertyIdentifier::PayloadFormatIndicator) != Some(1)
        || std::str::from_utf8(publish.payload).is_ok()
}
