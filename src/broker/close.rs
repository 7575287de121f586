//! How connections and sessions end (MQTT 5, sections 3.14, 4.1 and 4.13).

use super::Broker;
use super::connection::{ConnectionId, NO_SESSION, Phase};
use super::in_flight::Delivery;
use super::receive::Fault;
use super::session::Session;
use super::subscriptions::SessionKey;
use crate::journal::{CloseReason, Fact, PacketFact, Topics};
use crate::packet::{
    Disconnect, Packet, PacketError, PacketType, Properties, Property, PropertyIdentifier, ProtocolVersion,
    Qos, ReasonCode, Will,
};
use crate::time::Time;

/// When the will is published, unless the client discarded it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum WillFate {
    /// After its delay, or when the session ends.
    Due,
    /// Now, whatever the delay.
    DueNow,
}

impl Broker {
    /// The transport of `id` has ended; everything it had not sent is lost.
    pub fn handle_closed(&mut self, now: Time, id: ConnectionId) {
        self.advance(now);
        self.close(id, CloseReason::ClosedByPeer);
        self.forget(id);
    }

    /// Ends a connection whose client is at fault: CONNACK or DISCONNECT where the version has one [MQTT-4.13.1-1].
    #[cold]
    pub(super) fn close_with(&mut self, id: ConnectionId, fault: Fault) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let reason = fault.reason();
        match connection.phase {
            Phase::Connected => self.send_disconnect(id, reason),
            // Waiting for the answer to AUTH: CONNACK is still owed.
            Phase::Challenged => return self.refuse(id, reason),
            Phase::Opened | Phase::Judged | Phase::Closing => {}
        }
        self.close(id, fault.close_reason());
    }

    /// DISCONNECT from the server, which only MQTT 5 has.
    fn send_disconnect(&mut self, id: ConnectionId, reason: ReasonCode) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        if !connection.is_v5() {
            return;
        }
        let mut properties = Properties::EMPTY;
        if self.config.reason_strings && reason.is_error() {
            let text = Property::text(PropertyIdentifier::ReasonString, reason.name());
            super::encode::push_property(&mut properties, text);
        }
        let mut packet = Packet::Disconnect(Disconnect { reason, properties });
        if !self.send_packet(id, &packet) {
            packet = Packet::Disconnect(Disconnect { reason, properties: Properties::EMPTY });
            self.send_packet(id, &packet);
        }
        self.tell(Topics::PACKETS, id, || {
            Fact::Sent(PacketFact::Result { packet_type: PacketType::Disconnect, reason })
        });
    }

    /// DISCONNECT from the client.
    pub(super) fn receive_disconnect(&mut self, id: ConnectionId, packet: &Disconnect) -> Result<(), Fault> {
        let Some(connection) = self.connections.get_mut(id) else {
            return Ok(());
        };
        let key = connection.session;
        let asked = packet.properties.as_ref().number(PropertyIdentifier::SessionExpiryInterval);
        if let (Some(seconds), Some(session)) = (asked, self.sessions.get_mut(key)) {
            if session.expiry_interval == 0 && seconds != 0 {
                return Err(Fault::Packet(PacketError::PropertyValue));
            }
            session.expiry_interval = seconds;
        }
        if packet.reason == ReasonCode::SUCCESS {
            connection.details.will = None;
        }
        self.close(id, CloseReason::Disconnected);
        Ok(())
    }

    /// Ends a connection: its session goes on alone or ends, its will is published unless it was discarded.
    ///
    /// What has been queued for it is still handed out by `poll_transmit`, then [`super::Progress::Close`].
    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        self.close_as(id, reason, WillFate::Due);
    }

    fn close_as(&mut self, id: ConnectionId, reason: CloseReason, fate: WillFate) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.phase == Phase::Closing {
            return;
        }
        let was_connected = connection.phase == Phase::Connected;
        connection.phase = Phase::Closing;
        connection.reader = crate::packet::FrameReader::default();
        let key = std::mem::replace(&mut connection.session, NO_SESSION);
        let will = connection.details.will.take();
        let info = &connection.details.info;
        let (address, port) = (info.address.clone(), info.port);
        self.output.to(connection);
        self.tell(Topics::CONNECTIONS, id, || Fact::Closed { address, port, reason });
        if !was_connected {
            return;
        }
        self.statistics.sessions_connected -= 1;
        self.detach(key);
        if let Some(will) = will {
            self.leave_will(key, will, fate == WillFate::DueNow);
        }
        self.settle(key);
    }

    /// The session has no connection any more.
    fn detach(&mut self, key: SessionKey) {
        let keeps_qos_0 = self.config.queue_qos0_messages;
        let now = self.now;
        let cap = self.config.persistent_client_expiration;
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.connection = None;
        session.ends = session.end_after(now, cap);
        if !keeps_qos_0 {
            session.queue.retain(|delivery| delivery.qos != Qos::AtMostOnce);
            session.walks.retain(|walk| !walk.is_at_most_once());
        }
        session.release();
        self.record_session(key);
    }

    /// Ends the session if it is due, else arms its timer.
    pub(super) fn settle(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if session.connection.is_none() && session.ends <= self.now {
            self.end_session(key);
        } else {
            self.arm_session(key);
        }
    }

    /// Another connection of the same client takes the session [MQTT-3.1.4-3].
    pub(super) fn take_over(&mut self, key: SessionKey, resumes: bool) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let Some(id) = session.connection else {
            return;
        };
        let is_v5 = session.version == ProtocolVersion::V5;
        self.send_disconnect(id, ReasonCode::SESSION_TAKEN_OVER);
        let fate = if is_v5 && resumes { WillFate::Due } else { WillFate::DueNow };
        self.close_as(id, CloseReason::TakenOver, fate);
    }

    /// Ends a session: its subscriptions, its queue, its will's delay [MQTT-3.1.3-9].
    pub(super) fn end_session(&mut self, key: SessionKey) {
        let Some(mut session) = self.sessions.remove(key) else {
            return;
        };
        self.record_session_end(&session);
        let filters = std::mem::take(&mut session.filters);
        self.subscriptions.remove_session(key, filters.iter());
        self.hand_on(&mut session);
        if let Some(will) = session.will.take() {
            self.publish_will(key, &session.client_identifier, &will.will);
        }
    }

    /// Gives what a shared subscription's member left unacknowledged to another member [MQTT-4.8.2-5]; QoS 2 only
    /// when it was never sent.
    fn hand_on(&mut self, session: &mut Session) {
        let in_flight = session.in_flight.drain().into_iter().filter_map(|entry| {
            let message = entry.message.filter(|_| entry.qos == Qos::AtLeastOnce)?;
            Some(Delivery { message, origin: entry.origin, number: 0, qos: entry.qos, retain: entry.retain })
        });
        let queued = session.queue.drain().into_iter().filter(|delivery| delivery.qos != Qos::AtMostOnce);
        // For its new receiver it is another delivery.
        let queued = queued.map(|delivery| Delivery { number: 0, ..delivery });
        let shared: Vec<Delivery> = in_flight
            .chain(queued)
            .filter(|delivery| delivery.origin.as_ref().is_some_and(|origin| origin.shared_filter.is_some()))
            .collect();
        for delivery in shared {
            self.give_to_other_member(delivery);
        }
    }

    fn give_to_other_member(&mut self, delivery: Delivery) {
        let Some(filter) = delivery.origin.as_ref().and_then(|origin| origin.shared_filter.as_deref()) else {
            return;
        };
        let route = self.take_route(&delivery.message.topic, NO_SESSION);
        let group =
            route.groups.iter().copied().find(|&group| {
                self.subscriptions.group(group).is_some_and(|group| **group.filter() == *filter)
            });
        self.keep_route(route);
        let length = delivery.message.payload.len() + delivery.message.topic.len();
        if let Some(target) = group.and_then(|group| self.choose_member(group, length, NO_SESSION)) {
            let qos = target.qos.min(delivery.message.qos);
            self.give(target.session, Delivery { origin: target.origin, number: 0, qos, ..delivery });
        }
    }

    /// Forgets a connection that has ended.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(id) {
            self.listener_left(connection.details.info.listener);
            self.output.recycle(connection.outgoing);
        }
    }

    /// Ends every connection: MQTT 5 clients are told 0x8B. Wills that have no delay are published first, so that those who
    /// are still there get them; a delay goes on in a session that a store remembers.
    pub fn stop(&mut self, now: Time) {
        self.advance(now);
        let ids: Vec<ConnectionId> = self.connections.iter().map(|connection| connection.id).collect();
        for &id in &ids {
            self.publish_will_before_stop(id);
        }
        for id in ids {
            if self.connections.get(id).is_some_and(|connection| connection.phase == Phase::Connected) {
                self.send_disconnect(id, ReasonCode::SERVER_SHUTTING_DOWN);
            }
            self.close(id, CloseReason::Stopping);
        }
    }

    fn publish_will_before_stop(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let key = connection.session;
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let has_delay = |will: &Will| {
            will.properties.as_ref().number(PropertyIdentifier::WillDelayInterval).unwrap_or(0) > 0
        };
        let is_kept = session.is_durable() && connection.details.will.as_deref().is_some_and(has_delay);
        if is_kept {
            return;
        }
        if let Some(will) = connection.details.will.take() {
            self.leave_will(key, will, true);
        }
    }

    /// Ends one connection from outside, with a Reason Code for MQTT 5; `keep_will` publishes its will.
    pub fn disconnect(&mut self, now: Time, id: ConnectionId, reason: ReasonCode, keep_will: bool) {
        self.advance(now);
        if let Some(connection) = self.connections.get_mut(id)
            && !keep_will
        {
            connection.details.will = None;
        }
        self.close_with(id, Fault::Reason(reason));
    }

    /// Nothing came from a client for one and a half times its Keep Alive, or no CONNECT in time.
    pub(super) fn check_silence(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        match connection.phase {
            Phase::Closing => {}
            Phase::Connected => {
                if connection.keep_alive_deadline() <= self.now {
                    self.send_disconnect(id, ReasonCode::KEEP_ALIVE_TIMEOUT);
                    self.close(id, CloseReason::KeepAliveTimeout);
                } else {
                    self.arm_connection(id);
                }
            }
            Phase::Opened | Phase::Judged | Phase::Challenged => self.close(id, CloseReason::ConnectTimeout),
        }
    }

    /// A session's timer came up: its expiry, or the delay of its will.
    pub(super) fn session_timeout(&mut self, key: SessionKey) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.connection.is_none() && session.ends <= now {
            self.statistics.sessions_expired += 1;
            self.tell_session(Topics::CONNECTIONS, key, || Fact::SessionExpired);
            return self.end_session(key);
        }
        if session.will.as_ref().is_some_and(|will| will.due <= now)
            && let Some(will) = session.will.take()
        {
            let client_identifier = session.client_identifier.clone();
            self.publish_will(key, &client_identifier, &will.will);
        }
        self.arm_session(key);
    }
}
