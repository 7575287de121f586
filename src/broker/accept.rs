//! From an accepted CONNECT to CONNACK: the session is found or made, an older connection gives way.

use super::Broker;
use super::connect::expiry_interval;
use super::connection::{ConnectionId, Phase};
use super::encode::push_property;
use super::session::NEVER;
use super::subscriptions::SessionKey;
use crate::journal::{CloseReason, Fact, PacketFact, Topics, WillFact};
use crate::packet::{
    Connack, Connect, Packet, Properties, Property, PropertyIdentifier, ProtocolVersion, Qos, ReasonCode,
    Text, Will,
};
use crate::time::Time;
use bytes::Bytes;

impl Broker {
    /// Lets the client in; `data` is the last Authentication Data of an enhanced authentication.
    pub(super) fn accept(&mut self, id: ConnectionId, connect: &Connect, data: Option<&Bytes>) {
        if let Some(refused) = self.judge_session(id, connect) {
            return self.refuse(id, refused);
        }
        let (key, session_present) = self.attach(id, connect);
        self.set_up(id, key, connect);
        let connack = self.connack(id, connect, session_present, data);
        let connack = Packet::Connack(connack);
        if !self.send_packet(id, &connack) {
            return self.close(id, CloseReason::Refused(ReasonCode::PACKET_TOO_LARGE));
        }
        self.tell_connected(id, connect, session_present);
        self.arm_connection(id);
        self.pump(key);
    }

    /// Last checks, once the User Name is certain.
    fn judge_session(&self, id: ConnectionId, connect: &Connect) -> Option<ReasonCode> {
        let connection = self.connections.get(id)?;
        let listener = connection.details.info.listener;
        if let Some(authorizer) = &self.config.authorizer {
            let reason = authorizer.connect(super::authorize::Client {
                client_identifier: &connect.client_identifier,
                user_name: connect.user_name.as_deref(),
                listener,
            });
            if reason != ReasonCode::SUCCESS {
                return Some(reason);
            }
        }
        let limit = self.config.global_max_clients;
        let is_full = limit != 0
            && self.sessions.len() >= limit
            && self.sessions.find(&connect.client_identifier).is_none();
        is_full.then_some(ReasonCode::QUOTA_EXCEEDED)
    }

    /// Finds or makes the session [MQTT-3.1.2-4], [MQTT-3.1.2-5], [MQTT-3.1.2-6]; another connection that carries it
    /// ends [MQTT-3.1.4-3]. Returns whether an earlier session goes on.
    fn attach(&mut self, id: ConnectionId, connect: &Connect) -> (SessionKey, bool) {
        if let Some(key) = self.sessions.find(&connect.client_identifier) {
            let resumes = !connect.clean_start && self.sessions[key].is_durable();
            self.take_over(key, resumes);
            // The session of an older connection may have ended with it.
            if let Some(key) = self.sessions.find(&connect.client_identifier) {
                if resumes {
                    self.sessions[key].will = None;
                    return (key, true);
                }
                self.end_session(key);
            }
        }
        let key = self.sessions.create(Text::detached(&connect.client_identifier));
        if let Some(session) = self.sessions.get_mut(key) {
            session.connection = Some(id);
        }
        (key, false)
    }

    fn set_up(&mut self, id: ConnectionId, key: SessionKey, connect: &Connect) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let properties = connect.properties.as_ref();
        let is_v5 = connect.version == ProtocolVersion::V5;
        let number = |identifier| properties.number(identifier);
        connection.session = key;
        connection.phase = Phase::Connected;
        connection.last_received = self.now;
        connection.keep_alive = capped_keep_alive(connect.keep_alive, self.config.max_keepalive);
        if let Some(listener) = self.config.listener(connection.details.info.listener) {
            connection.maximum_qos = listener.maximum_qos;
            connection.max_topic_alias = listener.max_topic_alias;
        }
        let receive_maximum = number(PropertyIdentifier::ReceiveMaximum)
            .and_then(|maximum| u16::try_from(maximum).ok())
            .unwrap_or(u16::MAX);
        connection.window = self.config.receive_maximum().min(receive_maximum);
        connection.packet_bytes_max = number(PropertyIdentifier::MaximumPacketSize).unwrap_or(u32::MAX);
        connection.wants_problems = number(PropertyIdentifier::RequestProblemInformation) != Some(0);
        let aliases = number(PropertyIdentifier::TopicAliasMaximum)
            .and_then(|maximum| u16::try_from(maximum).ok())
            .unwrap_or(0);
        if is_v5 {
            connection.outgoing_aliases.allow(aliases.min(self.config.max_topic_alias_broker));
        }
        let details = &mut connection.details;
        details.client_identifier = Text::detached(&connect.client_identifier);
        details.user_name = connect.user_name.as_deref().map(Text::detached);
        details.mount_point = self.config.mount_point(details.info.listener);
        connection.is_mounted = details.mount_point.is_some();
        let mount_point = details.mount_point.as_deref().unwrap_or_default();
        details.will = connect.will.as_ref().map(|will| Box::new(detached_will(will, mount_point)));
        let session = &mut self.sessions[key];
        session.connection = Some(id);
        session.version = connect.version;
        session.listener = u16::try_from(details.info.listener).unwrap_or(u16::MAX);
        session.user_name = details.user_name.clone();
        session.expiry_interval = expiry_interval(connect);
        session.ends = Time::MAX;
        session.in_flight.rewind();
        session.received.restart_count();
        self.statistics.clients_connected_ever += 1;
        self.statistics.sessions_connected += 1;
        self.statistics.sessions_connected_maximum =
            self.statistics.sessions_connected_maximum.max(self.statistics.sessions_connected);
        self.record_session(key);
    }

    /// CONNACK with what the client must know, in mosquitto's order; what it lacks has the default of the standard.
    fn connack(
        &self,
        id: ConnectionId,
        connect: &Connect,
        session_present: bool,
        data: Option<&Bytes>,
    ) -> Connack {
        let mut properties = Properties::EMPTY;
        let mut put = |property| push_property(&mut properties, property);
        let config = &self.config;
        let asked = connect.properties.as_ref();
        let connection = self.connections.get(id);
        let details = connection.map(|connection| &connection.details);
        let keep_alive = capped_keep_alive(connect.keep_alive, config.max_keepalive);
        if keep_alive != connect.keep_alive {
            put(Property::number(PropertyIdentifier::ServerKeepAlive, u32::from(keep_alive)));
        }
        let max_topic_alias = connection.map_or(0, |connection| connection.max_topic_alias);
        if max_topic_alias > 0 {
            put(Property::number(PropertyIdentifier::TopicAliasMaximum, u32::from(max_topic_alias)));
        }
        if !config.retain_available {
            put(Property::number(PropertyIdentifier::RetainAvailable, 0));
        }
        if details.is_some_and(|details| details.is_identifier_assigned) {
            let assigned = &connect.client_identifier;
            put(Property::text(PropertyIdentifier::AssignedClientIdentifier, assigned));
        }
        if config.max_packet_size > 0 {
            put(Property::number(PropertyIdentifier::MaximumPacketSize, config.max_packet_size));
        }
        if config.receive_maximum() < u16::MAX {
            let maximum = u32::from(config.receive_maximum());
            put(Property::number(PropertyIdentifier::ReceiveMaximum, maximum));
        }
        let maximum_qos = connection.map_or(Qos::ExactlyOnce, |connection| connection.maximum_qos);
        if maximum_qos < Qos::ExactlyOnce {
            put(Property::number(PropertyIdentifier::MaximumQos, maximum_qos as u32));
        }
        if let Some(seconds) = self.shortened_expiry(connect) {
            put(Property::number(PropertyIdentifier::SessionExpiryInterval, seconds));
        }
        let wants_response_information =
            asked.number(PropertyIdentifier::RequestResponseInformation) == Some(1);
        if let Some(information) = config.response_information.as_ref().filter(|_| wants_response_information)
        {
            put(Property::text(PropertyIdentifier::ResponseInformation, information));
        }
        if let Some(method) = details.and_then(|details| details.method.as_ref()) {
            put(Property::text(PropertyIdentifier::AuthenticationMethod, method));
            if let Some(data) = data {
                put(Property::binary(PropertyIdentifier::AuthenticationData, data));
            }
        }
        Connack {
            session_present: session_present && connect.version != ProtocolVersion::V31,
            reason: ReasonCode::SUCCESS,
            properties,
        }
    }

    /// The Session Expiry Interval in force, when it is shorter than the client asked for [MQTT 5, 3.2.2.3.2].
    fn shortened_expiry(&self, connect: &Connect) -> Option<u32> {
        let cap = self.config.persistent_client_expiration?;
        let cap = u32::try_from(cap.as_secs()).unwrap_or(NEVER);
        (expiry_interval(connect) > cap).then_some(cap)
    }

    fn tell_connected(&mut self, id: ConnectionId, connect: &Connect, session_present: bool) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let keep_alive = connection.keep_alive;
        let info = &connection.details.info;
        let (address, port) = (info.address.clone(), info.port);
        self.tell(Topics::CONNECTIONS, id, || Fact::Connected {
            address,
            port,
            version: connect.version,
            clean_start: connect.clean_start,
            keep_alive,
            user_name: connect.user_name.as_deref().map(Text::detached),
            session_present,
        });
        self.tell(Topics::PACKETS, id, || {
            Fact::WillStated(connect.will.as_ref().map(|will| WillFact {
                topic: Text::detached(&will.topic),
                qos: will.qos,
                retain: will.retain,
                payload_length: will.payload.len(),
            }))
        });
        let session_present = session_present && connect.version != ProtocolVersion::V31;
        self.tell(Topics::PACKETS, id, || {
            Fact::Sent(PacketFact::Connack { session_present, reason: ReasonCode::SUCCESS })
        });
    }
}

const fn capped_keep_alive(asked: u16, cap: u16) -> u16 {
    if cap != 0 && (asked == 0 || asked > cap) { cap } else { asked }
}

/// A will that keeps no read block alive, on its topic behind the mount point.
fn detached_will(will: &Will, mount_point: &str) -> Will {
    Will {
        topic: Text::detached(&format!("{mount_point}{}", will.topic)),
        payload: Bytes::copy_from_slice(&will.payload),
        qos: will.qos,
        retain: will.retain,
        properties: Properties::detached(will.properties.as_ref()),
    }
}
