//! CONNECT: who is let in, with which limits (MQTT 5, section 3.1).

use super::Broker;
use super::config::ListenerConfig;
use super::connection::{ConnectionId, Phase};
use super::event::{Authentication, Event};
use super::session::NEVER;
use crate::journal::{CloseReason, Fact, PacketFact, Topics};
use crate::packet::text::TEXT_BYTES_MAX;
use crate::packet::{
    Connack, Connect, Frame, Packet, PacketError, PacketType, Properties, PropertyIdentifier,
    ProtocolVersion, ReasonCode, Sender, Text, Will,
};

/// Return Codes of CONNACK before MQTT 5.
const UNACCEPTABLE_PROTOCOL_VERSION: ReasonCode = ReasonCode(1);
const IDENTIFIER_REJECTED: ReasonCode = ReasonCode(2);
const SERVER_UNAVAILABLE: ReasonCode = ReasonCode(3);
const BAD_USER_NAME_OR_PASSWORD: ReasonCode = ReasonCode(4);
const NOT_AUTHORIZED: ReasonCode = ReasonCode(5);

impl Broker {
    /// Takes the first packet of a connection.
    pub(super) fn receive_connect(&mut self, id: ConnectionId, frame: &Frame<'_>) {
        self.tell_other(id, PacketType::Connect);
        let connect = match Packet::decode(frame, ProtocolVersion::V5, Sender::Client) {
            Ok(Packet::Connect(connect)) => connect,
            Ok(_) => return self.close(id, CloseReason::Fault(PacketError::UnexpectedPacket)),
            Err(error) => return self.refuse_malformed(id, frame, error),
        };
        if let Some(connection) = self.connections.get_mut(id) {
            connection.version = connect.version;
        }
        match self.judge_connect(id, connect) {
            Ok(connect) => self.authenticate(id, connect),
            Err(reason) => self.refuse(id, reason),
        }
    }

    /// A CONNECT that cannot be read is answered where the standard or mosquitto does, in the version it names.
    fn refuse_malformed(&mut self, id: ConnectionId, frame: &Frame<'_>, error: PacketError) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.version = match error {
            PacketError::ProtocolVersion { known_apart: true, .. } => ProtocolVersion::V311,
            PacketError::ProtocolVersion { .. } => ProtocolVersion::V5,
            _ => version_named_in(frame.body),
        };
        match (error, connection.version) {
            (PacketError::ProtocolName, _) => {}
            (PacketError::ProtocolVersion { known_apart, .. }, _) => {
                let reason = if known_apart {
                    UNACCEPTABLE_PROTOCOL_VERSION
                } else {
                    ReasonCode::UNSUPPORTED_PROTOCOL_VERSION
                };
                return self.refuse_with(id, reason, CloseReason::Fault(error));
            }
            (PacketError::EmptyClientIdentifier, ProtocolVersion::V31 | ProtocolVersion::V311) => {
                return self.refuse_with(id, IDENTIFIER_REJECTED, CloseReason::Fault(error));
            }
            (_, ProtocolVersion::V5) => {
                return self.refuse_with(id, error.reason_code(), CloseReason::Fault(error));
            }
            _ => {}
        }
        self.close(id, CloseReason::Fault(error));
    }

    /// Applies the configuration; the error is the MQTT 5 code of the refusal.
    fn judge_connect(
        &mut self,
        id: ConnectionId,
        mut connect: Box<Connect>,
    ) -> Result<Box<Connect>, ReasonCode> {
        let Some(connection) = self.connections.get_mut(id) else {
            return Err(ReasonCode::UNSPECIFIED);
        };
        let info = &connection.details.info;
        let Some(listener) = self.config.listener(info.listener) else {
            return Err(ReasonCode::SERVER_UNAVAILABLE);
        };
        if !listener.accepts(connect.version) {
            return Err(ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
        }
        if let Some(identity) = &info.identity {
            connect.user_name = Some(identity.clone());
            connect.password = None;
        }
        let cap = self.config.max_keepalive;
        let exceeds_cap = cap != 0 && (connect.keep_alive == 0 || connect.keep_alive > cap);
        if exceeds_cap && connect.version != ProtocolVersion::V5 {
            return Err(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
        }
        if let Some(will) = &connect.will {
            if will.qos > listener.maximum_qos {
                return Err(ReasonCode::QOS_NOT_SUPPORTED);
            }
            if will.retain && !self.config.retain_available {
                return Err(ReasonCode::RETAIN_NOT_SUPPORTED);
            }
            let mount_point = listener.mount_point.as_deref().unwrap_or_default();
            judge_will(will, mount_point)?;
        }
        let is_assigned = connect.client_identifier.is_empty() && !listener.use_username_as_clientid;
        if is_assigned {
            if !listener.allow_zero_length_clientid {
                return Err(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
            }
            let assigned = format!("{}{}", listener.auto_id_prefix, self.random.uuid());
            connect.client_identifier = Text::detached(&assigned);
        } else {
            judge_client_identifier(listener, &mut connect)?;
        }
        connection.details.is_identifier_assigned = is_assigned;
        if connect.user_name.is_none()
            && !listener.allow_anonymous
            && connect.properties.as_ref().find(PropertyIdentifier::AuthenticationMethod).is_none()
        {
            return Err(ReasonCode::NOT_AUTHORIZED);
        }
        Ok(connect)
    }

    /// Lets the client in, or asks whoever knows users and passwords.
    fn authenticate(&mut self, id: ConnectionId, connect: Box<Connect>) {
        let method = connect.properties.as_ref().text(PropertyIdentifier::AuthenticationMethod);
        if let Some(method) = method
            && !self.config.authentication_methods.iter().any(|known| known == method)
        {
            return self.refuse(id, ReasonCode::BAD_AUTHENTICATION_METHOD);
        }
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let info = &connection.details.info;
        let is_asked = self.config.listener(info.listener).is_some_and(|listener| listener.authenticate);
        let is_vouched_for = info.identity.is_some();
        if method.is_none() && (!is_asked || connect.user_name.is_none() || is_vouched_for) {
            return self.accept(id, &connect, None);
        }
        let data = connect.properties.as_ref().binary(PropertyIdentifier::AuthenticationData);
        let request = Authentication {
            client_identifier: connect.client_identifier.clone(),
            listener: info.listener,
            user_name: connect.user_name.clone(),
            password: connect.password.clone(),
            method: method.map(Text::detached),
            data: data.map(bytes::Bytes::copy_from_slice),
            is_again: false,
        };
        connection.details.method = request.method.clone();
        connection.details.connect = Some(connect);
        connection.phase = Phase::Judged;
        self.events.push_back(Event::Authenticate { connection: id, request: Box::new(request) });
    }

    /// Refuses with CONNACK; `reason` is MQTT 5's code.
    pub(super) fn refuse(&mut self, id: ConnectionId, reason: ReasonCode) {
        self.refuse_with(id, reason, CloseReason::Refused(reason));
    }

    fn refuse_with(&mut self, id: ConnectionId, reason: ReasonCode, close_reason: CloseReason) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        self.statistics.connections_refused += 1;
        let reason = match connection.version {
            ProtocolVersion::V5 => Some(reason),
            ProtocolVersion::V31 | ProtocolVersion::V311 => return_code(reason),
        };
        if let Some(reason) = reason {
            let connack = Connack { session_present: false, reason, properties: Properties::EMPTY };
            self.send_packet(id, &Packet::Connack(connack));
            self.tell(Topics::PACKETS, id, || {
                Fact::Sent(PacketFact::Connack { session_present: false, reason })
            });
        }
        self.close(id, close_reason);
    }
}

/// The Return Code before MQTT 5 for a code of MQTT 5; `None` when nothing may be said.
const fn return_code(reason: ReasonCode) -> Option<ReasonCode> {
    Some(match reason {
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => UNACCEPTABLE_PROTOCOL_VERSION,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => IDENTIFIER_REJECTED,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED | ReasonCode::BANNED => NOT_AUTHORIZED,
        ReasonCode(0x01..=0x05) => reason,
        ReasonCode::SERVER_UNAVAILABLE
        | ReasonCode::SERVER_BUSY
        | ReasonCode::QUOTA_EXCEEDED
        | ReasonCode::CONNECTION_RATE_EXCEEDED => SERVER_UNAVAILABLE,
        _ => return None,
    })
}

/// The version that a CONNECT names, when the rest of it cannot be read.
fn version_named_in(body: &[u8]) -> ProtocolVersion {
    match body {
        [0, 4, b'M', b'Q', b'T', b'T', 5, ..] => ProtocolVersion::V5,
        [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, ..] => ProtocolVersion::V31,
        _ => ProtocolVersion::V311,
    }
}

fn judge_will(will: &Will, mount_point: &str) -> Result<(), ReasonCode> {
    if mount_point.len() + will.topic.len() > TEXT_BYTES_MAX {
        return Err(ReasonCode::TOPIC_NAME_INVALID);
    }
    let is_text = will.properties.as_ref().number(PropertyIdentifier::PayloadFormatIndicator) == Some(1);
    if is_text && std::str::from_utf8(&will.payload).is_err() {
        return Err(ReasonCode::PAYLOAD_FORMAT_INVALID);
    }
    if will.topic.starts_with("$SYS") {
        return Err(ReasonCode::NOT_AUTHORIZED);
    }
    Ok(())
}

fn judge_client_identifier(listener: &ListenerConfig, connect: &mut Connect) -> Result<(), ReasonCode> {
    if listener.use_username_as_clientid {
        let Some(user_name) = connect.user_name.clone().filter(|user_name| !user_name.is_empty()) else {
            return Err(ReasonCode::NOT_AUTHORIZED);
        };
        connect.client_identifier = user_name;
    }
    if !connect.client_identifier.starts_with(&*listener.clientid_prefixes) {
        return Err(ReasonCode::NOT_AUTHORIZED);
    }
    Ok(())
}

/// The Session Expiry Interval that a CONNECT asks for, in seconds; before MQTT 5 all or nothing.
pub(super) fn expiry_interval(connect: &Connect) -> u32 {
    match connect.version {
        ProtocolVersion::V5 => {
            connect.properties.as_ref().number(PropertyIdentifier::SessionExpiryInterval).unwrap_or(0)
        }
        ProtocolVersion::V31 | ProtocolVersion::V311 if connect.clean_start => 0,
        ProtocolVersion::V31 | ProtocolVersion::V311 => NEVER,
    }
}
