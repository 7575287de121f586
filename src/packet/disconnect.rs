//! DISCONNECT and AUTH (MQTT 5, sections 3.14 and 3.15; MQTT 3.1.1, section 3.14).

use super::error::PacketError;
use super::header::Sender;
use super::primitive::Reader;
use super::property::{Place, Properties, PropertiesRef, PropertyIdentifier};
use super::{ProtocolVersion, ReasonCode};
use bytes::Bytes;

/// The last packet of a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Disconnect {
    /// MQTT 5; [`ReasonCode::SUCCESS`] before.
    pub reason: ReasonCode,
    /// MQTT 5 only.
    pub properties: Properties,
}

/// One step of an extended authentication, MQTT 5 only.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Auth {
    /// Success, Continue authentication or Re-authenticate.
    pub reason: ReasonCode,
    /// Holds the Authentication Method, unless the packet is a bare success.
    pub properties: Properties,
}

impl Disconnect {
    pub(super) fn decode(
        block: &Bytes,
        body: &[u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        if version != ProtocolVersion::V5 || reader.is_empty() {
            reader.finish()?;
            return Ok(Self::default());
        }
        let reason = ReasonCode(reader.u8()?);
        if !is_disconnect_reason(reason, sender) {
            return Err(PacketError::ReasonCode);
        }
        let place = match sender {
            Sender::Client => Place::DisconnectByClient,
            Sender::Server => Place::DisconnectByServer,
        };
        // With a Remaining Length below 2 the Property Length is left out.
        let properties =
            if reader.is_empty() { PropertiesRef::EMPTY } else { PropertiesRef::decode(&mut reader, place)? };
        reader.finish()?;
        Ok(Self { reason, properties: Properties::within(block, properties) })
    }

    pub(super) fn encode_body(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        // The shortest form: nothing for a bare success, and no Property Length without properties.
        if version != ProtocolVersion::V5
            || (self.reason == ReasonCode::SUCCESS && self.properties.is_empty())
        {
            return;
        }
        out.push(self.reason.0);
        if !self.properties.is_empty() {
            self.properties.as_ref().encode(out);
        }
    }
}

impl Auth {
    pub(super) fn decode(block: &Bytes, body: &[u8], sender: Sender) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let reason = if body.is_empty() { ReasonCode::SUCCESS } else { ReasonCode(reader.u8()?) };
        if !is_auth_reason(reason, sender) {
            return Err(PacketError::ReasonCode);
        }
        if body.is_empty() {
            return Ok(Self::default());
        }
        let properties = PropertiesRef::decode(&mut reader, Place::Auth)?;
        reader.finish()?;
        if properties.find(PropertyIdentifier::AuthenticationMethod).is_none() {
            return Err(PacketError::MissingAuthenticationMethod);
        }
        Ok(Self { reason, properties: Properties::within(block, properties) })
    }

    pub(super) fn encode_body(&self, out: &mut Vec<u8>) {
        // Unlike DISCONNECT, AUTH has no form with a Reason Code and without a Property Length.
        if self.reason != ReasonCode::SUCCESS || !self.properties.is_empty() {
            out.push(self.reason.0);
            self.properties.as_ref().encode(out);
        }
    }
}

/// [MQTT-3.15.2-1].
const fn is_auth_reason(reason: ReasonCode, sender: Sender) -> bool {
    match reason {
        ReasonCode::SUCCESS => matches!(sender, Sender::Server),
        ReasonCode::CONTINUE_AUTHENTICATION => true,
        ReasonCode::REAUTHENTICATE => matches!(sender, Sender::Client),
        _ => false,
    }
}

/// [MQTT-3.14.2-1]; table 2-6 lists Bad authentication method for DISCONNECT, table 3-10 forgets it.
fn is_disconnect_reason(reason: ReasonCode, sender: Sender) -> bool {
    match sender {
        Sender::Client => {
            matches!(reason.0, 0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99)
        }
        Sender::Server => {
            matches!(reason.0, 0x00 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B..=0x90 | 0x93..=0xA2)
        }
    }
}
