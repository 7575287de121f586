//! Properties (MQTT 5, section 2.2.2): kept as the checked wire bytes, so that order survives and forwarding copies nothing.

use super::error::PacketError;
use super::frame::share;
use super::primitive::{
    Reader, VARIABLE_BYTE_INTEGER_MAX, put_binary, put_variable_byte_integer, variable_byte_integer_length,
};
use super::{text, topic};
use bytes::{Bytes, BytesMut};
use std::fmt;

/// A property's place: one packet type, and for PUBLISH and DISCONNECT who sends it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u16)]
pub enum Place {
    /// CONNECT.
    Connect = 1,
    /// The Will Properties inside CONNECT.
    Will = 1 << 1,
    /// CONNACK.
    Connack = 1 << 2,
    /// PUBLISH from a client.
    PublishByClient = 1 << 3,
    /// PUBLISH from a server, which may carry Subscription Identifiers.
    PublishByServer = 1 << 4,
    /// PUBACK.
    Puback = 1 << 5,
    /// PUBREC.
    Pubrec = 1 << 6,
    /// PUBREL.
    Pubrel = 1 << 7,
    /// PUBCOMP.
    Pubcomp = 1 << 8,
    /// SUBSCRIBE.
    Subscribe = 1 << 9,
    /// SUBACK.
    Suback = 1 << 10,
    /// UNSUBSCRIBE.
    Unsubscribe = 1 << 11,
    /// UNSUBACK.
    Unsuback = 1 << 12,
    /// DISCONNECT from a client.
    DisconnectByClient = 1 << 13,
    /// DISCONNECT from a server.
    DisconnectByServer = 1 << 14,
    /// AUTH.
    Auth = 1 << 15,
}

/// A property's data type on the wire.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PropertyType {
    /// One byte.
    Byte,
    /// A Two Byte Integer.
    TwoByteInteger,
    /// A Four Byte Integer.
    FourByteInteger,
    /// A Variable Byte Integer.
    VariableByteInteger,
    /// Binary Data.
    Binary,
    /// A UTF-8 Encoded String.
    Text,
    /// A UTF-8 String Pair.
    TextPair,
}

/// The most that a packet's properties take, in bytes: with length, identifier and reason the packet still fits.
pub const PROPERTIES_BYTES_MAX: usize = VARIABLE_BYTE_INTEGER_MAX as usize - 7;

const PUBLISH: u16 = Place::PublishByClient as u16 | Place::PublishByServer as u16;
const DISCONNECT: u16 = Place::DisconnectByClient as u16 | Place::DisconnectByServer as u16;
const ACKNOWLEDGEMENT: u16 =
    Place::Puback as u16 | Place::Pubrec as u16 | Place::Pubrel as u16 | Place::Pubcomp as u16;

macro_rules! properties {
    ($($variant:ident = $code:literal, $name:literal, $kind:ident, $places:expr;)*) => {
        /// A property's identifier, by the standard's names.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[repr(u8)]
        #[allow(missing_docs)] // the variants are the standard's table 2-4, word for word
        pub enum PropertyIdentifier { $($variant = $code,)* }

        impl PropertyIdentifier {
            /// Every property, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The property with this code, if there is one.
            #[must_use]
            pub const fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name in lower case with hyphens, as mosquitto's `-D` takes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How the value is written.
            #[must_use]
            pub const fn property_type(self) -> PropertyType {
                match self { $(Self::$variant => PropertyType::$kind,)* }
            }

            /// Whether the property belongs in `place`.
            #[must_use]
            pub const fn is_allowed_in(self, place: Place) -> bool {
                let places: u16 = match self { $(Self::$variant => $places,)* };
                places & place as u16 != 0
            }
        }
    };
}

properties! {
    PayloadFormatIndicator = 0x01, "payload-format-indicator", Byte, PUBLISH | Place::Will as u16;
    MessageExpiryInterval = 0x02, "message-expiry-interval", FourByteInteger, PUBLISH | Place::Will as u16;
    ContentType = 0x03, "content-type", Text, PUBLISH | Place::Will as u16;
    ResponseTopic = 0x08, "response-topic", Text, PUBLISH | Place::Will as u16;
    CorrelationData = 0x09, "correlation-data", Binary, PUBLISH | Place::Will as u16;
    SubscriptionIdentifier = 0x0B, "subscription-identifier", VariableByteInteger,
        Place::PublishByServer as u16 | Place::Subscribe as u16;
    SessionExpiryInterval = 0x11, "session-expiry-interval", FourByteInteger,
        Place::Connect as u16 | Place::Connack as u16 | Place::DisconnectByClient as u16;
    AssignedClientIdentifier = 0x12, "assigned-client-identifier", Text, Place::Connack as u16;
    ServerKeepAlive = 0x13, "server-keep-alive", TwoByteInteger, Place::Connack as u16;
    AuthenticationMethod = 0x15, "authentication-method", Text,
        Place::Connect as u16 | Place::Connack as u16 | Place::Auth as u16;
    AuthenticationData = 0x16, "authentication-data", Binary,
        Place::Connect as u16 | Place::Connack as u16 | Place::Auth as u16;
    RequestProblemInformation = 0x17, "request-problem-information", Byte, Place::Connect as u16;
    WillDelayInterval = 0x18, "will-delay-interval", FourByteInteger, Place::Will as u16;
    RequestResponseInformation = 0x19, "request-response-information", Byte, Place::Connect as u16;
    ResponseInformation = 0x1A, "response-information", Text, Place::Connack as u16;
    ServerReference = 0x1C, "server-reference", Text, Place::Connack as u16 | Place::DisconnectByServer as u16;
    ReasonString = 0x1F, "reason-string", Text,
        Place::Connack as u16 | ACKNOWLEDGEMENT | Place::Suback as u16 | Place::Unsuback as u16 | DISCONNECT
            | Place::Auth as u16;
    ReceiveMaximum = 0x21, "receive-maximum", TwoByteInteger, Place::Connect as u16 | Place::Connack as u16;
    TopicAliasMaximum = 0x22, "topic-alias-maximum", TwoByteInteger, Place::Connect as u16 | Place::Connack as u16;
    TopicAlias = 0x23, "topic-alias", TwoByteInteger, PUBLISH;
    MaximumQos = 0x24, "maximum-qos", Byte, Place::Connack as u16;
    RetainAvailable = 0x25, "retain-available", Byte, Place::Connack as u16;
    UserProperty = 0x26, "user-property", TextPair, u16::MAX;
    MaximumPacketSize = 0x27, "maximum-packet-size", FourByteInteger, Place::Connect as u16 | Place::Connack as u16;
    WildcardSubscriptionAvailable = 0x28, "wildcard-subscription-available", Byte, Place::Connack as u16;
    SubscriptionIdentifierAvailable = 0x29, "subscription-identifier-available", Byte, Place::Connack as u16;
    SharedSubscriptionAvailable = 0x2A, "shared-subscription-available", Byte, Place::Connack as u16;
}

impl PropertyIdentifier {
    /// Reads the identifier, a Variable Byte Integer in its shortest form.
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, PacketError> {
        Self::from_code(reader.variable_byte_integer()?).ok_or(PacketError::UnknownProperty)
    }

    /// The fault of a property that `place` does not allow: the other side alone may send it, or nobody.
    const fn misplaced_in(self, place: Place) -> PacketError {
        let other_side = match place {
            Place::PublishByClient => Place::PublishByServer,
            Place::DisconnectByClient => Place::DisconnectByServer,
            Place::DisconnectByServer => Place::DisconnectByClient,
            _ => return PacketError::PropertyNotAllowed,
        };
        if self.is_allowed_in(other_side) {
            PacketError::PropertyFromWrongSide
        } else {
            PacketError::PropertyNotAllowed
        }
    }

    /// Whether the property may stand more than once in `place`.
    #[must_use]
    pub const fn may_repeat_in(self, place: Place) -> bool {
        match self {
            Self::UserProperty => true,
            Self::SubscriptionIdentifier => matches!(place, Place::PublishByServer),
            _ => false,
        }
    }

    /// Refuses a number that the property does not have.
    const fn check_number(self, value: u32) -> Result<(), PacketError> {
        let allowed = match self {
            Self::PayloadFormatIndicator
            | Self::RequestProblemInformation
            | Self::RequestResponseInformation
            | Self::MaximumQos
            | Self::RetainAvailable
            | Self::WildcardSubscriptionAvailable
            | Self::SubscriptionIdentifierAvailable
            | Self::SharedSubscriptionAvailable => value <= 1,
            Self::ReceiveMaximum
            | Self::TopicAlias
            | Self::MaximumPacketSize
            | Self::SubscriptionIdentifier => value != 0,
            _ => true,
        };
        if allowed { Ok(()) } else { Err(PacketError::PropertyValue) }
    }
}

/// A property's value, borrowed from the packet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PropertyValue<'a> {
    /// A Byte, Two Byte, Four Byte or Variable Byte Integer.
    Number(u32),
    /// A UTF-8 Encoded String.
    Text(&'a str),
    /// Binary Data.
    Binary(&'a [u8]),
    /// A User Property: name and value.
    Pair(&'a str, &'a str),
}

/// One property.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Property<'a> {
    /// Which property it is.
    pub identifier: PropertyIdentifier,
    /// Its value, of the type that [`PropertyIdentifier::property_type`] names.
    pub value: PropertyValue<'a>,
}

impl<'a> Property<'a> {
    /// A property with a number.
    #[must_use]
    pub const fn number(identifier: PropertyIdentifier, value: u32) -> Self {
        Self { identifier, value: PropertyValue::Number(value) }
    }

    /// A property with a string.
    #[must_use]
    pub const fn text(identifier: PropertyIdentifier, value: &'a str) -> Self {
        Self { identifier, value: PropertyValue::Text(value) }
    }

    /// A property with binary data.
    #[must_use]
    pub const fn binary(identifier: PropertyIdentifier, value: &'a [u8]) -> Self {
        Self { identifier, value: PropertyValue::Binary(value) }
    }

    /// A User Property.
    #[must_use]
    pub const fn user(name: &'a str, value: &'a str) -> Self {
        Self { identifier: PropertyIdentifier::UserProperty, value: PropertyValue::Pair(name, value) }
    }

    /// Reads one property and checks its own value, not its place.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, PacketError> {
        let identifier = PropertyIdentifier::decode(reader)?;
        Self::decode_value(identifier, reader)
    }

    fn decode_value(identifier: PropertyIdentifier, reader: &mut Reader<'a>) -> Result<Self, PacketError> {
        let value = match identifier.property_type() {
            PropertyType::Byte => PropertyValue::Number(u32::from(reader.u8()?)),
            PropertyType::TwoByteInteger => PropertyValue::Number(u32::from(reader.u16()?)),
            PropertyType::FourByteInteger => PropertyValue::Number(reader.u32()?),
            PropertyType::VariableByteInteger => PropertyValue::Number(reader.variable_byte_integer()?),
            PropertyType::Binary => PropertyValue::Binary(reader.binary()?),
            PropertyType::Text => PropertyValue::Text(reader.text()?),
            PropertyType::TextPair => PropertyValue::Pair(reader.text()?, reader.text()?),
        };
        let property = Self { identifier, value };
        property.check_value()?;
        Ok(property)
    }

    fn check_value(&self) -> Result<(), PacketError> {
        match (self.identifier, self.value) {
            (_, PropertyValue::Number(number)) => self.identifier.check_number(number),
            (PropertyIdentifier::ResponseTopic, PropertyValue::Text(topic)) => {
                topic::check_name(topic).map_err(|_| PacketError::PropertyValue)
            }
            _ => Ok(()),
        }
    }

    /// Appends the property as it stands on the wire.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        use PropertyType as Type;
        put_variable_byte_integer(out, u32::from(self.identifier as u8));
        match (self.identifier.property_type(), self.value) {
            (Type::Byte, PropertyValue::Number(number)) => {
                out.push(u8::try_from(number).map_err(|_| PacketError::PropertyValue)?);
            }
            (Type::TwoByteInteger, PropertyValue::Number(number)) => {
                let number = u16::try_from(number).map_err(|_| PacketError::PropertyValue)?;
                out.extend_from_slice(&number.to_be_bytes());
            }
            (Type::FourByteInteger, PropertyValue::Number(number)) => {
                out.extend_from_slice(&number.to_be_bytes());
            }
            (Type::VariableByteInteger, PropertyValue::Number(number)) => {
                if number > VARIABLE_BYTE_INTEGER_MAX {
                    return Err(PacketError::PropertyValue);
                }
                put_variable_byte_integer(out, number);
            }
            (Type::Binary, PropertyValue::Binary(bytes)) => put_binary(out, bytes)?,
            (Type::Text, PropertyValue::Text(value)) => put_text(out, value)?,
            (Type::TextPair, PropertyValue::Pair(name, value)) => {
                put_text(out, name)?;
                put_text(out, value)?;
            }
            _ => return Err(PacketError::PropertyValue),
        }
        Ok(())
    }
}

fn put_text(out: &mut Vec<u8>, value: &str) -> Result<(), PacketError> {
    text::check(value.as_bytes())?;
    put_binary(out, value.as_bytes())
}

/// The properties of a packet, borrowed: wire bytes that have been checked, without their length prefix.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct PropertiesRef<'a>(&'a [u8]);

impl<'a> PropertiesRef<'a> {
    /// No properties.
    pub const EMPTY: Self = Self(&[]);

    /// Reads the Property Length and checks every property against `place`.
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`], [`PacketError::VariableByteInteger`], [`PacketError::UnknownProperty`],
    /// [`PacketError::PropertyNotAllowed`], [`PacketError::DuplicateProperty`], [`PacketError::PropertyValue`],
    /// [`PacketError::MissingAuthenticationMethod`], and faults in strings.
    #[inline]
    pub fn decode(reader: &mut Reader<'a>, place: Place) -> Result<Self, PacketError> {
        let length = reader.variable_byte_integer()?;
        if length == 0 {
            return Ok(Self::EMPTY);
        }
        Self::check(reader.take(length as usize)?, place)
    }

    /// Checks wire bytes without their length prefix.
    pub(crate) fn check(wire: &'a [u8], place: Place) -> Result<Self, PacketError> {
        let mut reader = Reader::new(wire);
        let mut seen = 0_u64;
        while !reader.is_empty() {
            let identifier = PropertyIdentifier::decode(&mut reader)?;
            if !identifier.is_allowed_in(place) {
                return Err(identifier.misplaced_in(place));
            }
            let bit = 1_u64 << identifier as u8;
            if seen & bit != 0 && !identifier.may_repeat_in(place) {
                return Err(PacketError::DuplicateProperty);
            }
            seen |= bit;
            Property::decode_value(identifier, &mut reader)?;
        }
        let data = 1_u64 << PropertyIdentifier::AuthenticationData as u8;
        let method = 1_u64 << PropertyIdentifier::AuthenticationMethod as u8;
        if seen & data != 0 && seen & method == 0 {
            return Err(PacketError::MissingAuthenticationMethod);
        }
        Ok(Self(wire))
    }

    /// Checks that these properties may stand in `place`, as [`Properties::check`] does.
    ///
    /// # Errors
    ///
    /// As [`PropertiesRef::decode`].
    pub fn check_place(&self, place: Place) -> Result<(), PacketError> {
        Self::check(self.0, place).map(drop)
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The wire bytes without the length prefix.
    #[must_use]
    pub const fn wire(&self) -> &'a [u8] {
        self.0
    }

    /// The properties in wire order.
    #[must_use]
    pub const fn iter(&self) -> PropertyIter<'a> {
        PropertyIter { reader: Reader::new(self.0) }
    }

    /// The first property of that kind.
    #[must_use]
    pub fn find(&self, identifier: PropertyIdentifier) -> Option<PropertyValue<'a>> {
        self.iter().find(|property| property.identifier == identifier).map(|property| property.value)
    }

    /// The number of the first property of that kind.
    #[must_use]
    pub fn number(&self, identifier: PropertyIdentifier) -> Option<u32> {
        match self.find(identifier)? {
            PropertyValue::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The string of the first property of that kind.
    #[must_use]
    pub fn text(&self, identifier: PropertyIdentifier) -> Option<&'a str> {
        match self.find(identifier)? {
            PropertyValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of the first property of that kind.
    #[must_use]
    pub fn binary(&self, identifier: PropertyIdentifier) -> Option<&'a [u8]> {
        match self.find(identifier)? {
            PropertyValue::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The User Properties in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|property| match property.value {
            PropertyValue::Pair(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// How many bytes the properties take with their length prefix.
    #[must_use]
    #[inline]
    pub const fn encoded_length(&self) -> usize {
        // A packet is at most 268,435,455 bytes, so its properties are too.
        #[allow(clippy::cast_possible_truncation)]
        let length = self.0.len() as u32;
        variable_byte_integer_length(length) + self.0.len()
    }

    /// Appends the length prefix and the properties.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        #[allow(clippy::cast_possible_truncation)] // as in `encoded_length`
        put_variable_byte_integer(out, self.0.len() as u32);
        out.extend_from_slice(self.0);
    }
}

impl<'a> IntoIterator for PropertiesRef<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for PropertiesRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|property| (property.identifier, property.value))).finish()
    }
}

/// Walks checked properties in wire order.
#[derive(Clone, Debug)]
pub struct PropertyIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        if self.reader.is_empty() {
            return None;
        }
        // The bytes were checked when the properties were made, so an error can only be the end.
        Property::decode(&mut self.reader).ok()
    }
}

/// The properties of a packet, owned: order as given, one shared block.
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct Properties(Bytes);

impl Properties {
    /// No properties.
    pub const EMPTY: Self = Self(Bytes::new());

    /// A copy of `properties` that keeps no larger block alive.
    #[must_use]
    pub fn detached(properties: PropertiesRef<'_>) -> Self {
        if properties.is_empty() {
            return Self::EMPTY;
        }
        Self(Bytes::copy_from_slice(properties.wire()))
    }

    /// Shares the part of `block` that `properties` borrow; copies when they lie elsewhere.
    #[must_use]
    pub fn within(block: &Bytes, properties: PropertiesRef<'_>) -> Self {
        Self(share(block, properties.wire()))
    }

    /// Appends one property; what belongs where is checked by [`Properties::check`].
    ///
    /// # Errors
    ///
    /// [`PacketError::PropertyValue`] for a value of another type or size than the identifier has,
    /// [`PacketError::FieldTooLong`] for a field over 65,535 bytes or properties over [`PROPERTIES_BYTES_MAX`], and
    /// faults in strings. Nothing is appended then.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), PacketError> {
        let mut wire = Vec::new();
        property.encode(&mut wire)?;
        if self.0.len() + wire.len() > PROPERTIES_BYTES_MAX {
            return Err(PacketError::FieldTooLong);
        }
        let mut all = match std::mem::take(&mut self.0).try_into_mut() {
            Ok(own) => own,
            Err(shared) => BytesMut::from(&shared[..]),
        };
        all.extend_from_slice(&wire);
        self.0 = all.freeze();
        Ok(())
    }

    /// The properties, borrowed.
    #[must_use]
    #[inline]
    pub fn as_ref(&self) -> PropertiesRef<'_> {
        PropertiesRef(&self.0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that these properties may stand in `place`, each with a legal value and as often as it is.
    ///
    /// # Errors
    ///
    /// As [`PropertiesRef::decode`].
    pub fn check(&self, place: Place) -> Result<(), PacketError> {
        PropertiesRef::check(&self.0, place).map(drop)
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_repeated_user_properties_survive() {
        let mut properties = Properties::default();
        properties.push(Property::user("b", "1")).unwrap();
        properties.push(Property::number(PropertyIdentifier::MessageExpiryInterval, 9)).unwrap();
        properties.push(Property::user("a", "2")).unwrap();
        assert_eq!(properties.check(Place::PublishByClient), Ok(()));
        let names: Vec<_> = properties.as_ref().user_properties().collect();
        assert_eq!(names, [("b", "1"), ("a", "2")]);
        assert_eq!(properties.as_ref().number(PropertyIdentifier::MessageExpiryInterval), Some(9));
    }

    #[test]
    fn a_value_of_another_type_is_refused_and_changes_nothing() {
        let mut properties = Properties::default();
        let wrong = Property::text(PropertyIdentifier::TopicAlias, "x");
        assert_eq!(properties.push(wrong), Err(PacketError::PropertyValue));
        assert!(properties.is_empty());
    }

    #[test]
    fn authentication_data_needs_its_method() {
        let mut properties = Properties::default();
        properties.push(Property::binary(PropertyIdentifier::AuthenticationData, b"x")).unwrap();
        assert_eq!(properties.check(Place::Connect), Err(PacketError::MissingAuthenticationMethod));
        properties.push(Property::text(PropertyIdentifier::AuthenticationMethod, "m")).unwrap();
        assert_eq!(properties.check(Place::Connect), Ok(()));
    }
}
