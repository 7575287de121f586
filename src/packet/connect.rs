//! CONNECT (MQTT 3.1.1 and 5, section 3.1; MQTT 3.1, section 3.1).

use super::error::PacketError;
use super::frame::share;
use super::primitive::{Reader, put_binary};
use super::property::{Place, Properties, PropertiesRef};
use super::text::Text;
use super::{ProtocolVersion, Qos, topic};
use bytes::Bytes;

const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL: u8 = 0x04;
const CLEAN_START: u8 = 0x02;
const RESERVED: u8 = 0x01;

/// The message that the server publishes when the connection ends uncleanly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Will {
    /// Where it is published.
    pub topic: Text,
    /// What is published.
    pub payload: Bytes,
    /// With which Quality of Service.
    pub qos: Qos,
    /// Whether it is retained.
    pub retain: bool,
    /// Will Properties, MQTT 5 only.
    pub properties: Properties,
}

/// The first packet of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connect {
    /// Protocol name and level.
    pub version: ProtocolVersion,
    /// Clean Start, before MQTT 5 Clean Session.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// MQTT 5 only.
    pub properties: Properties,
    /// May be empty where the version allows the server to assign one.
    pub client_identifier: Text,
    /// The Will Message, if one is set.
    pub will: Option<Will>,
    /// The User Name, if one is given.
    pub user_name: Option<Text>,
    /// The Password, if one is given.
    pub password: Option<Bytes>,
}

impl Default for Connect {
    /// MQTT 3.1.1, Clean Session, Keep Alive 60 s, an empty Client Identifier.
    fn default() -> Self {
        Self {
            version: ProtocolVersion::V311,
            clean_start: true,
            keep_alive: 60,
            properties: Properties::EMPTY,
            client_identifier: Text::EMPTY,
            will: None,
            user_name: None,
            password: None,
        }
    }
}

impl Connect {
    /// Reads the body of a CONNECT that lies in `block`.
    ///
    /// # Errors
    ///
    /// [`PacketError::ProtocolName`] and [`PacketError::ProtocolVersion`] before anything else is looked at, then
    /// every fault in flags, fields and properties. An empty Client Identifier is the server's to judge, except
    /// with MQTT 3.1.1 and Clean Session 0 [3.1.1: MQTT-3.1.3-8] and in MQTT 3.1.
    pub fn decode(block: &Bytes, body: &[u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let version = decode_version(&mut reader)?;
        let flags = reader.u8()?;
        check_flags(flags, version)?;
        let keep_alive = reader.u16()?;
        let properties = decode_properties(block, &mut reader, version, Place::Connect)?;
        let client_identifier = Text::within(block, reader.text()?);
        let clean_start = flags & CLEAN_START != 0;
        let may_be_empty = match version {
            ProtocolVersion::V31 => false,
            ProtocolVersion::V311 => clean_start,
            ProtocolVersion::V5 => true,
        };
        let will =
            if flags & WILL == 0 { None } else { Some(decode_will(block, &mut reader, version, flags)?) };
        // MQTT 3.1 lets the Remaining Length win over the flags: an announced field may be missing.
        let announced = |reader: &Reader<'_>, flag: u8| {
            flags & flag != 0 && !(version == ProtocolVersion::V31 && reader.is_empty())
        };
        let user_name = match announced(&reader, USER_NAME) {
            true => Some(Text::within(block, reader.text()?)),
            false => None,
        };
        let password = match announced(&reader, PASSWORD) {
            true => Some(share(block, reader.binary()?)),
            false => None,
        };
        reader.finish()?;
        if client_identifier.is_empty() && !may_be_empty {
            return Err(PacketError::EmptyClientIdentifier);
        }
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            properties,
            client_identifier,
            will,
            user_name,
            password,
        })
    }

    /// Appends the body.
    ///
    /// # Errors
    ///
    /// [`PacketError::FieldTooLong`], [`PacketError::PasswordWithoutUserName`] before MQTT 5.
    pub(super) fn encode_body(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        if self.version != ProtocolVersion::V5 && self.password.is_some() && self.user_name.is_none() {
            return Err(PacketError::PasswordWithoutUserName);
        }
        put_binary(out, self.version.name().as_bytes())?;
        out.push(self.version.level());
        out.push(self.flags());
        out.extend_from_slice(&self.keep_alive.to_be_bytes());
        if self.version == ProtocolVersion::V5 {
            self.properties.as_ref().encode(out);
        }
        put_binary(out, self.client_identifier.as_bytes())?;
        if let Some(will) = &self.will {
            if self.version == ProtocolVersion::V5 {
                will.properties.as_ref().encode(out);
            }
            put_binary(out, will.topic.as_bytes())?;
            put_binary(out, &will.payload)?;
        }
        if let Some(user_name) = &self.user_name {
            put_binary(out, user_name.as_bytes())?;
        }
        if let Some(password) = &self.password {
            put_binary(out, password)?;
        }
        Ok(())
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_start {
            flags |= CLEAN_START;
        }
        if let Some(will) = &self.will {
            flags |= WILL | (will.qos as u8) << 3;
            if will.retain {
                flags |= WILL_RETAIN;
            }
        }
        if self.user_name.is_some() {
            flags |= USER_NAME;
        }
        if self.password.is_some() {
            flags |= PASSWORD;
        }
        flags
    }
}

/// Reads protocol name and level [MQTT-3.1.2-1], [MQTT-3.1.2-2].
fn decode_version(reader: &mut Reader<'_>) -> Result<ProtocolVersion, PacketError> {
    let name = reader.binary()?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(PacketError::ProtocolName);
    }
    let level = reader.u8()?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok(ProtocolVersion::V31),
        (b"MQTT", 4) => Ok(ProtocolVersion::V311),
        (b"MQTT", 5) => Ok(ProtocolVersion::V5),
        _ => Err(PacketError::ProtocolVersion { level, known_apart: matches!(level, 3..=5) }),
    }
}

fn check_flags(flags: u8, version: ProtocolVersion) -> Result<(), PacketError> {
    // MQTT 3.1 leaves bit 0 unused and does not ask for a value.
    if flags & RESERVED != 0 && version != ProtocolVersion::V31 {
        return Err(PacketError::ConnectFlags);
    }
    let will_qos = flags >> 3 & 3;
    let is_stray = will_qos != 0 || flags & WILL_RETAIN != 0;
    let is_wrong = match flags & WILL {
        // Without a Will, MQTT 3.1 disregards the two fields.
        0 => is_stray && version != ProtocolVersion::V31,
        _ => will_qos == 3,
    };
    if is_wrong {
        return Err(PacketError::WillFlags);
    }
    if version != ProtocolVersion::V5 && flags & PASSWORD != 0 && flags & USER_NAME == 0 {
        return Err(PacketError::PasswordWithoutUserName);
    }
    Ok(())
}

fn decode_will(
    block: &Bytes,
    reader: &mut Reader<'_>,
    version: ProtocolVersion,
    flags: u8,
) -> Result<Will, PacketError> {
    let properties = decode_properties(block, reader, version, Place::Will)?;
    let topic = reader.text()?;
    topic::check_name(topic)?;
    Ok(Will {
        topic: Text::within(block, topic),
        payload: share(block, reader.binary()?),
        qos: Qos::from_number(flags >> 3 & 3).ok_or(PacketError::WillFlags)?,
        retain: flags & WILL_RETAIN != 0,
        properties,
    })
}

/// Reads the properties that only MQTT 5 has.
pub(super) fn decode_properties(
    block: &Bytes,
    reader: &mut Reader<'_>,
    version: ProtocolVersion,
    place: Place,
) -> Result<Properties, PacketError> {
    match version {
        ProtocolVersion::V5 => Ok(Properties::within(block, PropertiesRef::decode(reader, place)?)),
        ProtocolVersion::V31 | ProtocolVersion::V311 => Ok(Properties::EMPTY),
    }
}
