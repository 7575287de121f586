//! `-D packet property [name] value`.

use super::fault::{Fault, shown};
use super::number::leading_number;
use crate::flags::PropertyLists;
use crate::packet::text::TEXT_BYTES_MAX;
use crate::packet::{Place, Properties, Property, PropertyIdentifier, PropertyType, PropertyValue};

/// The words after `-D`.
pub(crate) struct PropertyWords<'a> {
    pub(crate) command: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) values: &'a [&'a [u8]],
}

/// Whether `-D command name` takes two values, not one; unknown names take one.
pub(crate) fn takes_pair(name: &[u8]) -> bool {
    identifier(name) == Some(PropertyIdentifier::UserProperty)
}

/// Checks command and name, which the reference does before it looks for the values.
pub(crate) fn check_words(command: &[u8], name: &[u8]) -> Result<PropertyIdentifier, Fault> {
    let places = places(command).ok_or_else(|| Fault::PropertyCommand(shown(command)))?;
    let identifier = identifier(name).ok_or_else(|| Fault::PropertyName(shown(name)))?;
    if !is_allowed(identifier, places) {
        return Err(Fault::PropertyNotAllowed(shown(name), shown(command)));
    }
    Ok(identifier)
}

/// Adds one property to the list of its packet.
pub(crate) fn add(lists: &mut PropertyLists, words: &PropertyWords<'_>) -> Result<(), Fault> {
    let identifier = check_words(words.command, words.name)?;
    let not_supported = || Fault::PropertyNotSupported(shown(words.name), shown(words.command));
    let list: &mut Properties = match &words.command.to_ascii_lowercase()[..] {
        b"connect" => &mut lists.connect,
        b"publish" if identifier == PropertyIdentifier::SubscriptionIdentifier => return Err(not_supported()),
        b"publish" => &mut lists.publish,
        b"will" => &mut lists.will,
        b"subscribe" => &mut lists.subscribe,
        b"unsubscribe" => &mut lists.unsubscribe,
        b"disconnect" => &mut lists.disconnect,
        b"connack" => return Err(Fault::Silent),
        _ => return Err(not_supported()),
    };
    let kind = identifier.property_type();
    let value = value(kind, words)?;
    list.push(Property { identifier, value }).map_err(|_| add_error(words.name, kind))
}

fn value<'a>(kind: PropertyType, words: &PropertyWords<'a>) -> Result<PropertyValue<'a>, Fault> {
    let first = words.values.first().copied().unwrap_or_default();
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).map_err(|_| add_error(words.name, kind));
    let number_max = match kind {
        PropertyType::Byte => u32::from(u8::MAX),
        PropertyType::TwoByteInteger => u32::from(u16::MAX),
        // A Variable Byte Integer that is too large is found when it is added.
        PropertyType::FourByteInteger | PropertyType::VariableByteInteger => u32::MAX,
        PropertyType::Binary if first.len() > TEXT_BYTES_MAX => {
            return Err(Fault::PropertyTooLong(shown(words.name)));
        }
        PropertyType::Binary => return Ok(PropertyValue::Binary(first)),
        PropertyType::Text => return Ok(PropertyValue::Text(text(first)?)),
        PropertyType::TextPair => {
            let second = words.values.get(1).copied().unwrap_or_default();
            return Ok(PropertyValue::Pair(text(first)?, text(second)?));
        }
    };
    let number = leading_number(first);
    u32::try_from(number)
        .ok()
        .filter(|&number| number <= number_max)
        .map(PropertyValue::Number)
        .ok_or_else(|| Fault::PropertyRange(number, shown(words.name)))
}

/// mosquitto prints its own number of the data type.
fn add_error(name: &[u8], kind: PropertyType) -> Fault {
    let code = match kind {
        PropertyType::Byte => 1,
        PropertyType::TwoByteInteger => 2,
        PropertyType::FourByteInteger => 3,
        PropertyType::VariableByteInteger => 4,
        PropertyType::Binary => 5,
        PropertyType::Text => 6,
        PropertyType::TextPair => 7,
    };
    Fault::PropertyAdd(shown(name), code)
}

fn identifier(name: &[u8]) -> Option<PropertyIdentifier> {
    PropertyIdentifier::ALL.iter().copied().find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
}

/// The places that a packet's name stands for; those of both senders, because the reference knows no direction.
fn places(command: &[u8]) -> Option<Places> {
    let one = |place| Some([place, place]);
    match &command.to_ascii_lowercase()[..] {
        b"connect" => one(Place::Connect),
        b"will" => one(Place::Will),
        b"connack" => one(Place::Connack),
        b"publish" => Some([Place::PublishByClient, Place::PublishByServer]),
        b"puback" => one(Place::Puback),
        b"pubrec" => one(Place::Pubrec),
        b"pubrel" => one(Place::Pubrel),
        b"pubcomp" => one(Place::Pubcomp),
        b"subscribe" => one(Place::Subscribe),
        b"suback" => one(Place::Suback),
        b"unsubscribe" => one(Place::Unsubscribe),
        b"unsuback" => one(Place::Unsuback),
        b"disconnect" => Some([Place::DisconnectByClient, Place::DisconnectByServer]),
        b"auth" => one(Place::Auth),
        _ => None,
    }
}

type Places = [Place; 2];

/// mosquitto lets the will have a reason string, which the standard does not.
fn is_allowed(identifier: PropertyIdentifier, places: Places) -> bool {
    places.iter().any(|&place| {
        identifier.is_allowed_in(place)
            || (place == Place::Will && identifier == PropertyIdentifier::ReasonString)
    })
}
