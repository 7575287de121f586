//! Verdicts about clients, and the AUTH exchange (MQTT 5, section 4.12).

use super::Broker;
use super::connection::{ConnectionId, Phase};
use super::encode::push_property;
use super::event::{Authenticated, Authentication, Event};
use super::receive::Fault;
use crate::journal::{Fact, PacketFact, Topics};
use crate::packet::{Auth, Packet, PacketType, Properties, Property, PropertyIdentifier, ReasonCode, Text};
use crate::time::Time;
use bytes::Bytes;

impl Broker {
    /// Answers [`Event::Authenticate`]; ignored when the connection is gone or did not ask.
    pub fn handle_authenticated(&mut self, now: Time, id: ConnectionId, verdict: Authenticated) {
        self.advance(now);
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let is_again = connection.details.is_authenticating_again;
        if connection.phase != Phase::Judged && !(connection.phase == Phase::Connected && is_again) {
            return;
        }
        match verdict {
            Authenticated::Continue { data } => {
                if !is_again {
                    connection.phase = Phase::Challenged;
                }
                self.send_auth(id, ReasonCode::CONTINUE_AUTHENTICATION, Some(&data));
            }
            Authenticated::Accept { user_name, data } if is_again => {
                connection.details.is_authenticating_again = false;
                if let Some(user_name) = user_name {
                    let key = connection.session;
                    connection.details.user_name = Some(user_name.clone());
                    self.sessions[key].user_name = Some(user_name);
                }
                self.send_auth(id, ReasonCode::SUCCESS, data.as_ref());
            }
            Authenticated::Accept { user_name, data } => {
                let Some(mut connect) = connection.details.connect.take() else {
                    return;
                };
                if user_name.is_some() {
                    connect.user_name = user_name;
                }
                self.accept(id, &connect, data.as_ref());
            }
            // Re-authentication that fails ends the connection with DISCONNECT [MQTT-4.12.1-2].
            Authenticated::Refuse(reason) if is_again => self.close_with(id, Fault::Reason(reason)),
            Authenticated::Refuse(reason) => self.refuse(id, reason),
        }
        self.read_held(id);
    }

    /// Whether a verdict about connection `id` is awaited: bytes that come before it are held, a bounded number of them, so
    /// whoever can had better leave them in the socket.
    #[must_use]
    pub fn awaits_verdict(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| connection.phase == Phase::Judged)
    }

    /// Goes on with what arrived while the verdict was awaited.
    fn read_held(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if matches!(connection.phase, Phase::Judged | Phase::Closing) {
            return;
        }
        let reader = std::mem::take(&mut connection.reader);
        let held = std::mem::take(&mut connection.details.held);
        self.read_packets(id, reader);
        let now = self.now;
        if !held.is_empty() {
            self.handle_bytes(now, id, Bytes::from(held));
        }
    }

    /// Takes AUTH: a step of an exchange that is under way, or the start of a re-authentication.
    pub(super) fn receive_auth(&mut self, id: ConnectionId, auth: &Auth) -> Result<(), Fault> {
        self.tell_other(id, PacketType::Auth);
        let Some(connection) = self.connections.get_mut(id) else {
            return Ok(());
        };
        let details = &mut connection.details;
        let properties = auth.properties.as_ref();
        let method = properties.text(PropertyIdentifier::AuthenticationMethod);
        let Some(method) = method.filter(|method| details.method.as_deref() == Some(method)) else {
            // No other method than CONNECT's [MQTT-4.12.0-5], and none without one [MQTT-4.12.0-7].
            return Err(Fault::Reason(match details.method {
                Some(_) => ReasonCode::BAD_AUTHENTICATION_METHOD,
                None => ReasonCode::PROTOCOL_ERROR,
            }));
        };
        let is_connected = connection.phase == Phase::Connected;
        let is_expected = match auth.reason {
            ReasonCode::CONTINUE_AUTHENTICATION => !is_connected || details.is_authenticating_again,
            ReasonCode::REAUTHENTICATE => is_connected && !details.is_authenticating_again,
            _ => false,
        };
        if !is_expected {
            return Err(Fault::Reason(ReasonCode::PROTOCOL_ERROR));
        }
        details.is_authenticating_again = is_connected;
        if !is_connected {
            connection.phase = Phase::Judged;
        }
        let client_identifier = details
            .connect
            .as_ref()
            .map_or_else(|| details.client_identifier.clone(), |connect| connect.client_identifier.clone());
        let request = Authentication {
            client_identifier,
            listener: details.info.listener,
            user_name: details.user_name.clone(),
            password: None,
            method: Some(Text::detached(method)),
            data: properties.binary(PropertyIdentifier::AuthenticationData).map(Bytes::copy_from_slice),
            is_again: is_connected,
        };
        self.events.push_back(Event::Authenticate { connection: id, request: Box::new(request) });
        Ok(())
    }

    fn send_auth(&mut self, id: ConnectionId, reason: ReasonCode, data: Option<&Bytes>) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let mut properties = Properties::EMPTY;
        if let Some(method) = &connection.details.method {
            push_property(&mut properties, Property::text(PropertyIdentifier::AuthenticationMethod, method));
        }
        if let Some(data) = data {
            push_property(&mut properties, Property::binary(PropertyIdentifier::AuthenticationData, data));
        }
        self.send_packet(id, &Packet::Auth(Auth { reason, properties }));
        self.tell(Topics::PACKETS, id, || {
            Fact::Sent(PacketFact::Result { packet_type: PacketType::Auth, reason })
        });
    }
}
