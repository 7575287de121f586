//! What the server sends: blocks into packets, packets into events and answers.

use super::inflight::{Entry, Stage};
use super::{Event, Offered, PublishId, READY_BYTES_MAX, ServerLimits, Session, SessionError, State, Traced};
use crate::packet::{
    Acknowledgement, Auth, Connack, Disconnect, FixedHeader, Frame, Packet, PacketError, PacketIdentifier,
    PacketType, Properties, PropertiesRef, PropertyIdentifier, ProtocolVersion, Publish, PublishRef, Qos,
    ReasonCode, Sender, Text, Verdict, detach,
};
use crate::time::Time;
use bytes::Bytes;
use rustc_hash::FxHashMap;

/// QoS 2 messages that wait for their PUBREL; kept from one connection to the next while the session lives.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Each with the number of the connection on which it came last.
    messages: FxHashMap<PacketIdentifier, (Publish, u32)>,
    bytes: usize,
    connection: u32,
    /// How many came on this connection; only those occupy our Receive Maximum (MQTT 5, section 4.9).
    on_this_connection: usize,
}

impl Received {
    fn clear(&mut self) {
        *self = Self { connection: self.connection, ..Self::default() };
    }

    pub(super) fn connection_lost(&mut self) {
        self.connection = self.connection.wrapping_add(1);
        self.on_this_connection = 0;
    }

    /// Whether the message is here already; it has come again, on this connection.
    fn is_repeated(&mut self, identifier: PacketIdentifier) -> bool {
        let Some((_, connection)) = self.messages.get_mut(&identifier) else {
            return false;
        };
        if *connection != self.connection {
            *connection = self.connection;
            self.on_this_connection += 1;
        }
        true
    }

    fn insert(&mut self, identifier: PacketIdentifier, publish: Publish) {
        self.bytes += held(&publish);
        self.on_this_connection += 1;
        self.messages.insert(identifier, (publish, self.connection));
    }

    fn remove(&mut self, identifier: PacketIdentifier) -> Option<Publish> {
        let (publish, connection) = self.messages.remove(&identifier)?;
        self.bytes -= held(&publish);
        self.on_this_connection -= usize::from(connection == self.connection);
        Some(publish)
    }
}

fn held(publish: &Publish) -> usize {
    publish.topic.len() + publish.properties.as_ref().wire().len() + publish.payload.len()
}

impl Session {
    /// Takes a block as it was read from the transport; the rest of an unfinished packet is kept.
    ///
    /// # Errors
    ///
    /// What the server did wrong. On MQTT 5 a DISCONNECT with the Reason Code is ready by then: write it if possible,
    /// and close the transport. Bytes behind the fault are ignored.
    pub fn handle_bytes(&mut self, now: Time, block: Bytes) -> Result<(), SessionError> {
        self.handle_bytes_with(now, block, |_| Offered::Declined)
    }

    /// As [`Session::handle_bytes`], but offers each message of QoS 0 and 1 to `take` first, borrowed, as long as no
    /// event waits before it. [`Offered`] tells what becomes of it.
    ///
    /// # Errors
    ///
    /// As [`Session::handle_bytes`].
    pub fn handle_bytes_with(
        &mut self,
        now: Time,
        block: Bytes,
        mut take: impl FnMut(&PublishRef<'_>) -> Offered,
    ) -> Result<(), SessionError> {
        self.now = now;
        if matches!(self.state, State::Offline | State::Closing) {
            return Ok(());
        }
        self.keep_alive.received(now);
        // A new block ends the pause: what is left of the one before comes first.
        while self.is_paused {
            self.handle_frames(&mut take)?;
        }
        if self.state == State::Closing {
            return Ok(());
        }
        self.reader.push(block);
        self.handle_frames(&mut take).map(drop)
    }

    /// Goes on behind the message that [`Config::pause_at_messages`](super::Config::pause_at_messages) stopped at;
    /// false when nothing is left of the block. To be called until then, before the next block is handed in.
    ///
    /// # Errors
    ///
    /// As [`Session::handle_bytes`].
    pub fn handle_rest(&mut self, now: Time) -> Result<bool, SessionError> {
        self.now = now;
        if matches!(self.state, State::Offline | State::Closing) {
            return Ok(false);
        }
        self.handle_frames(&mut |_| Offered::Declined)
    }

    /// Handles what the reader has; true when it stopped at a message.
    #[inline]
    fn handle_frames(
        &mut self,
        take: &mut impl FnMut(&PublishRef<'_>) -> Offered,
    ) -> Result<bool, SessionError> {
        self.is_paused = false;
        // Taken out, so that frames can borrow from it while the session changes.
        let mut reader = std::mem::take(&mut self.reader);
        while !self.is_paused {
            let frame = match reader.next_frame(|header| self.judge(header)) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return Err(self.fault(SessionError::Packet(error))),
            };
            self.handle_frame(&frame, take).map_err(|error| self.fault(error))?;
            if self.state == State::Closing {
                return Ok(false);
            }
            if self.config.pause_at_messages && matches!(self.events.back(), Some(Event::Message(_))) {
                self.is_paused = true;
            }
        }
        self.reader = reader;
        if self.ready.len() > READY_BYTES_MAX {
            return Err(self.fault(SessionError::ServerNotReading));
        }
        self.pump();
        Ok(self.is_paused)
    }

    /// Decides about a packet by its fixed header, before its body is kept.
    #[inline]
    fn judge(&self, header: &FixedHeader) -> Verdict {
        if header.packet_length() > self.packet_bytes_max {
            return Verdict::Refuse(PacketError::PacketTooLarge);
        }
        if let Err(error) = header.check(self.config.connect.version, Sender::Server) {
            return Verdict::Refuse(error);
        }
        let is_expected = match self.state {
            State::Connected => header.packet_type != PacketType::Connack,
            _ => matches!(header.packet_type, PacketType::Connack | PacketType::Auth),
        };
        if is_expected { Verdict::Accept } else { Verdict::Refuse(PacketError::UnexpectedPacket) }
    }

    #[inline]
    fn handle_frame(
        &mut self,
        frame: &Frame<'_>,
        take: &mut impl FnMut(&PublishRef<'_>) -> Offered,
    ) -> Result<(), SessionError> {
        let version = self.config.connect.version;
        let packet_type = frame.header.packet_type;
        self.has_heard |= packet_type != PacketType::Pingresp;
        match packet_type {
            PacketType::Publish => {
                let publish = match PublishRef::decode(&frame.header, frame.body, version, Sender::Server) {
                    Ok(publish) => publish,
                    Err(error) => return Err(SessionError::Packet(error)),
                };
                self.handle_publish(publish, frame.block, take)
            }
            PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp => {
                let acknowledgement = Acknowledgement::decode(packet_type, frame.block, frame.body, version)
                    .map_err(SessionError::Packet)?;
                match packet_type {
                    PacketType::Puback => self.handle_puback(acknowledgement),
                    PacketType::Pubrec => self.handle_pubrec(acknowledgement),
                    PacketType::Pubcomp => self.handle_pubcomp(acknowledgement),
                    _ => {
                        self.handle_pubrel(&acknowledgement, take);
                        Ok(())
                    }
                }
            }
            _ => self.handle_other(frame),
        }
    }

    #[cold]
    fn handle_other(&mut self, frame: &Frame<'_>) -> Result<(), SessionError> {
        let packet = Packet::decode(frame, self.version(), Sender::Server).map_err(SessionError::Packet)?;
        match packet {
            Packet::Connack(connack) => self.handle_connack(connack),
            Packet::Suback(suback) => self.handle_suback(suback),
            Packet::Unsuback(unsuback) => self.handle_unsuback(unsuback),
            Packet::Pingresp => {
                self.keep_alive.pingresp_received();
                self.trace(|| Event::Received(Traced::Pingresp));
                if self.is_fenced && std::mem::take(&mut self.has_heard) {
                    self.send_pingreq();
                } else if std::mem::take(&mut self.is_fenced) {
                    self.events.push_back(Event::Quiet);
                }
                Ok(())
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect),
            Packet::Auth(auth) => self.handle_auth(auth),
            _ => Err(SessionError::Packet(PacketError::UnexpectedPacket)),
        }
    }

    fn handle_connack(&mut self, connack: Connack) -> Result<(), SessionError> {
        self.trace(|| Event::Received(Traced::Connack { reason: connack.reason }));
        self.connack_deadline = None;
        if connack.reason != ReasonCode::SUCCESS {
            self.events.push_back(Event::Refused(connack));
            self.close();
            return Ok(());
        }
        if connack.session_present && self.config.connect.clean_start {
            return Err(SessionError::SessionPresentWithCleanStart);
        }
        self.state = State::Connected;
        self.limits = ServerLimits::from_connack(&connack);
        let assigned = connack.properties.as_ref().text(PropertyIdentifier::AssignedClientIdentifier);
        if let Some(assigned) = assigned {
            self.client_identifier = Text::detached(assigned);
        }
        let seconds = self.limits.server_keep_alive.unwrap_or(self.config.connect.keep_alive);
        self.keep_alive.start(self.now, seconds, self.config.ping_timeout);
        // MQTT 3.1 has no Session Present: there a session that was not to be cleaned counts as kept.
        let is_kept = connack.session_present
            || (self.version() == ProtocolVersion::V31 && !self.config.connect.clean_start);
        self.events.push_back(Event::Connected(connack));
        if !is_kept {
            self.session_lost();
        }
        Ok(())
    }

    /// The server starts with a new session: what it took over is done, all else is sent to it anew.
    fn session_lost(&mut self) {
        self.received.clear();
        for Entry { identifier, stage, .. } in self.inflight.session_lost() {
            self.identifiers.release(identifier);
            let reason = match stage {
                Stage::Released(reason) => reason,
                Stage::Published(_) => ReasonCode::SUCCESS,
            };
            self.acknowledged(identifier, Qos::ExactlyOnce, reason, Properties::EMPTY);
        }
    }

    fn handle_disconnect(&mut self, disconnect: Disconnect) -> Result<(), SessionError> {
        if self.version() != ProtocolVersion::V5 {
            return Err(SessionError::Packet(PacketError::UnexpectedPacket));
        }
        self.trace(|| Event::Received(Traced::Disconnect { reason: disconnect.reason }));
        self.events.push_back(Event::Disconnected(disconnect));
        self.close();
        Ok(())
    }

    fn handle_auth(&mut self, auth: Auth) -> Result<(), SessionError> {
        // [MQTT-4.12.0-6]: without a method in CONNECT the server must not send AUTH.
        if !self.has_authentication_method() {
            return Err(SessionError::Packet(PacketError::UnexpectedPacket));
        }
        self.trace(|| Event::Received(Traced::Auth { reason: auth.reason }));
        self.events.push_back(Event::Auth(auth));
        Ok(())
    }

    #[inline]
    fn handle_publish(
        &mut self,
        publish: PublishRef<'_>,
        block: &Bytes,
        take: &mut impl FnMut(&PublishRef<'_>) -> Offered,
    ) -> Result<(), SessionError> {
        self.trace(|| {
            Event::Received(Traced::Publish {
                dup: publish.dup,
                qos: publish.qos,
                retain: publish.retain,
                number: publish.packet_identifier.map_or(0, PacketIdentifier::get),
                topic: (!publish.topic.is_empty()).then(|| Text::detached(publish.topic)),
                payload_length: publish.payload.len(),
            })
        });
        let topic;
        let mut publish = publish;
        if !publish.properties.is_empty()
            && let Some(resolved) = self.resolve_alias(publish.topic, publish.properties)?
        {
            topic = resolved;
            publish.topic = &topic;
        }
        match publish.packet_identifier {
            None => {}
            Some(_) if self.leaves_messages => return Ok(()),
            Some(identifier) if publish.qos == Qos::ExactlyOnce => {
                return self.receive_exactly_once(identifier, &publish, block);
            }
            Some(identifier) => self.answer_with(PacketType::Puback, identifier, ReasonCode::SUCCESS),
        }
        if !self.offer(&publish, take) {
            self.events.push_back(Event::Message(publish.to_owned_within(block)));
        }
        Ok(())
    }

    /// Sets the alias beside a topic, or returns the topic that a lone alias stands for.
    #[cold]
    fn resolve_alias(
        &mut self,
        topic: &str,
        properties: PropertiesRef<'_>,
    ) -> Result<Option<Text>, SessionError> {
        let Some(alias) = properties.number(PropertyIdentifier::TopicAlias) else {
            return Ok(None);
        };
        let alias = u16::try_from(alias).map_err(|_| SessionError::TopicAliasInvalid)?;
        if alias > self.topic_alias_maximum {
            return Err(SessionError::TopicAliasInvalid);
        }
        if topic.is_empty() {
            let known = self.incoming_aliases.topic(alias).cloned();
            return known.map(Some).ok_or(SessionError::TopicAliasUnknown);
        }
        self.incoming_aliases.set(alias, topic);
        Ok(None)
    }

    /// Keeps a QoS 2 message until its PUBREL; one that is already kept is only answered again [MQTT-4.3.3-10].
    fn receive_exactly_once(
        &mut self,
        identifier: PacketIdentifier,
        publish: &PublishRef<'_>,
        block: &Bytes,
    ) -> Result<(), SessionError> {
        if !self.received.is_repeated(identifier) {
            let in_flight_max =
                usize::from(self.receive_maximum) + usize::from(self.config.receive_excess_max);
            if self.received.on_this_connection >= in_flight_max {
                return Err(SessionError::ReceiveMaximumExceeded);
            }
            let held = publish.topic.len() + publish.properties.wire().len() + publish.payload.len();
            if self.received.bytes > 0 && self.received.bytes + held > self.config.receive_bytes_max {
                return Err(SessionError::ReceiveQuotaExceeded);
            }
            self.received.insert(
                identifier,
                Publish {
                    dup: publish.dup,
                    qos: publish.qos,
                    retain: publish.retain,
                    topic: Text::detached(publish.topic),
                    packet_identifier: publish.packet_identifier,
                    properties: Properties::detached(publish.properties),
                    payload: detach(block, publish.payload),
                },
            );
        }
        self.answer_with(PacketType::Pubrec, identifier, ReasonCode::SUCCESS);
        Ok(())
    }

    fn handle_pubrel(&mut self, pubrel: &Acknowledgement, take: &mut impl FnMut(&PublishRef<'_>) -> Offered) {
        let identifier = pubrel.packet_identifier;
        let message = self.received.remove(identifier);
        self.trace_received(PacketType::Pubrel, pubrel, message.is_none());
        let reason = match message {
            Some(_) => ReasonCode::SUCCESS,
            None => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
        };
        self.answer_with(PacketType::Pubcomp, identifier, reason);
        if let Some(publish) = message
            && !self.offer(&publish.as_ref(), take)
        {
            self.events.push_back(Event::Message(publish));
        }
    }

    /// Offers a message before which no event waits; true when it is done.
    #[inline]
    fn offer(&mut self, publish: &PublishRef<'_>, take: &mut impl FnMut(&PublishRef<'_>) -> Offered) -> bool {
        if !self.events.is_empty() {
            return false;
        }
        let offered = take(publish);
        self.is_paused |= offered == Offered::TakenAndPause;
        offered != Offered::Declined
    }

    fn handle_puback(&mut self, puback: Acknowledgement) -> Result<(), SessionError> {
        let identifier = puback.packet_identifier;
        let position = self.inflight.position(identifier);
        self.trace_received(PacketType::Puback, &puback, position.is_none());
        let Some(position) = position else {
            return Ok(());
        };
        match self.inflight.get_mut(position).map(|entry| &entry.stage) {
            Some(Stage::Published(publish)) if publish.qos == Qos::AtLeastOnce => {}
            _ => return Err(SessionError::AcknowledgementMismatch),
        }
        self.finish(position, Qos::AtLeastOnce, puback.reason, puback.properties);
        Ok(())
    }

    fn handle_pubrec(&mut self, pubrec: Acknowledgement) -> Result<(), SessionError> {
        let identifier = pubrec.packet_identifier;
        let position = self.inflight.position(identifier);
        self.trace_received(PacketType::Pubrec, &pubrec, position.is_none());
        let Some(position) = position else {
            if !pubrec.reason.is_error() {
                self.send_pubrel(identifier, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
            }
            return Ok(());
        };
        let Some(entry) = self.inflight.get_mut(position) else {
            return Ok(());
        };
        match &entry.stage {
            Stage::Published(publish) if publish.qos == Qos::AtLeastOnce => {
                return Err(SessionError::AcknowledgementMismatch);
            }
            Stage::Published(_) if pubrec.reason.is_error() => {
                self.finish(position, Qos::ExactlyOnce, pubrec.reason, pubrec.properties);
                return Ok(());
            }
            Stage::Published(_) => entry.stage = Stage::Released(pubrec.reason),
            Stage::Released(_) => {}
        }
        self.send_pubrel(identifier, ReasonCode::SUCCESS);
        Ok(())
    }

    fn handle_pubcomp(&mut self, pubcomp: Acknowledgement) -> Result<(), SessionError> {
        let position = self.inflight.position(pubcomp.packet_identifier);
        self.trace_received(PacketType::Pubcomp, &pubcomp, position.is_none());
        let Some(position) = position else {
            return Ok(());
        };
        match self.inflight.get_mut(position).map(|entry| &entry.stage) {
            // Whatever PUBCOMP says: with PUBREC the server has taken the message.
            Some(&Stage::Released(reason)) => {
                self.finish(position, Qos::ExactlyOnce, reason, pubcomp.properties);
                Ok(())
            }
            _ => Err(SessionError::AcknowledgementMismatch),
        }
    }

    /// Ends the exchange at `position` and makes room for the next message.
    fn finish(&mut self, position: usize, qos: Qos, reason: ReasonCode, properties: Properties) {
        if let Some(entry) = self.inflight.remove(position) {
            self.identifiers.release(entry.identifier);
            self.acknowledged(entry.identifier, qos, reason, properties);
        }
    }

    pub(super) fn acknowledged(
        &mut self,
        identifier: PacketIdentifier,
        qos: Qos,
        reason: ReasonCode,
        properties: Properties,
    ) {
        let id = PublishId(identifier);
        self.events.push_back(Event::Acknowledged { id, qos, reason, properties });
    }

    #[inline]
    fn trace_received(&mut self, packet_type: PacketType, packet: &Acknowledgement, is_unknown: bool) {
        let Acknowledgement { packet_identifier, reason, .. } = *packet;
        self.trace(|| {
            Event::Received(Traced::Acknowledgement { packet_type, packet_identifier, reason, is_unknown })
        });
    }
}
