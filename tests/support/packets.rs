//! Packets that are right in their version, as proptest strategies.

use bytes::Bytes;
use culex::packet::{
    Acknowledgement, Auth, Connack, Connect, Disconnect, Packet, PacketIdentifier, PacketType, Place,
    Properties, Property, PropertyIdentifier, PropertyType, PropertyValue, ProtocolVersion, Publish, Qos,
    ReasonCode, RetainHandling, Sender, Suback, Subscribe, SubscriptionOptions, Text, Unsuback, Unsubscribe,
    Will,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A version, a side, and a packet that this side may send in it.
pub(crate) fn any_packet() -> impl Strategy<Value = (ProtocolVersion, Sender, Packet)> {
    let versions = select(vec![ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5]);
    versions
        .prop_flat_map(|version| (Just(version), select(vec![Sender::Client, Sender::Server])))
        .prop_flat_map(|(version, sender)| (Just(version), Just(sender), packet(version, sender)))
}

/// A packet that `sender` may send in `version`.
pub(crate) fn packet(version: ProtocolVersion, sender: Sender) -> BoxedStrategy<Packet> {
    let mut kinds = vec![publish(version, sender).prop_map(Packet::Publish).boxed()];
    for packet_type in [PacketType::Puback, PacketType::Pubrec, PacketType::Pubrel, PacketType::Pubcomp] {
        kinds.push(acknowledgement(version, packet_type).boxed());
    }
    match sender {
        Sender::Client => kinds.extend([
            connect(version).prop_map(|connect| Packet::Connect(Box::new(connect))).boxed(),
            subscribe(version).prop_map(Packet::Subscribe).boxed(),
            unsubscribe(version).prop_map(Packet::Unsubscribe).boxed(),
            Just(Packet::Pingreq).boxed(),
        ]),
        Sender::Server => kinds.extend([
            connack(version).prop_map(Packet::Connack).boxed(),
            suback(version).prop_map(Packet::Suback).boxed(),
            unsuback(version).prop_map(Packet::Unsuback).boxed(),
            Just(Packet::Pingresp).boxed(),
        ]),
    }
    if version == ProtocolVersion::V5 || sender == Sender::Client {
        kinds.push(disconnect(version, sender).prop_map(Packet::Disconnect).boxed());
    }
    if version == ProtocolVersion::V5 {
        kinds.push(auth(sender).prop_map(Packet::Auth).boxed());
    }
    proptest::strategy::Union::new(kinds).boxed()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{0,20}", 1 => "[a-zäß温度😀\u{feff}]{0,12}", 1 => "[x-z]{120,300}"]
}

/// A Topic Name without wildcards, not empty.
pub(crate) fn topic_name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-c/]{1,12}", 1 => "\\$?[ -\"$-*,-~ö]{1,30}"]
}

/// A well-formed Topic Filter.
pub(crate) fn topic_filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![3 => "[a-c]{0,2}", 1 => Just("+".to_owned())];
    (vec(level, 1..6), any::<bool>()).prop_map(|(mut levels, ends_with_hash)| {
        if ends_with_hash || levels.concat().is_empty() && levels.len() == 1 {
            levels.push("#".to_owned());
        }
        levels.join("/")
    })
}

fn as_text(strategy: impl Strategy<Value = String>) -> impl Strategy<Value = Text> {
    strategy.prop_map(|string| Text::try_from(string).unwrap())
}

fn binary() -> impl Strategy<Value = Bytes> {
    prop_oneof![9 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 100..20_000)].prop_map(Bytes::from)
}

fn packet_identifier() -> impl Strategy<Value = PacketIdentifier> {
    (1..=u16::MAX).prop_map(|number| PacketIdentifier::new(number).unwrap())
}

fn qos() -> impl Strategy<Value = Qos> {
    select(vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
}

/// Some of the properties that `place` allows, in any order; none before MQTT 5.
fn properties(version: ProtocolVersion, place: Place) -> BoxedStrategy<Properties> {
    if version != ProtocolVersion::V5 {
        return Just(Properties::EMPTY).boxed();
    }
    let allowed: Vec<_> =
        PropertyIdentifier::ALL.iter().copied().filter(|property| property.is_allowed_in(place)).collect();
    let repeated: Vec<_> = allowed.iter().copied().filter(|property| property.may_repeat_in(place)).collect();
    let once = subsequence(allowed.clone(), 0..=allowed.len()).prop_shuffle();
    (once, vec(select(repeated), 0..3))
        .prop_map(|(once, repeated)| [once, repeated].concat())
        .prop_flat_map(|identifiers| identifiers.into_iter().map(property_value).collect::<Vec<_>>())
        .prop_map(move |values| wire(place, &values))
        .boxed()
}

#[derive(Clone, Debug)]
enum Value {
    Number(u32),
    Text(String),
    Binary(Bytes),
    Pair(String, String),
}

fn property_value(identifier: PropertyIdentifier) -> BoxedStrategy<(PropertyIdentifier, Value)> {
    use PropertyIdentifier as Identifier;
    let value = match identifier.property_type() {
        PropertyType::Byte => (0..=1_u32).prop_map(Value::Number).boxed(),
        PropertyType::TwoByteInteger => (1..=65_535_u32).prop_map(Value::Number).boxed(),
        PropertyType::FourByteInteger => (1..=u32::MAX).prop_map(Value::Number).boxed(),
        PropertyType::VariableByteInteger => {
            prop_oneof![1..=127_u32, 128..=16_384_u32, 2_097_000..=268_435_455_u32]
                .prop_map(Value::Number)
                .boxed()
        }
        PropertyType::Binary => binary().prop_map(Value::Binary).boxed(),
        PropertyType::Text if identifier == Identifier::ResponseTopic => {
            topic_name().prop_map(Value::Text).boxed()
        }
        PropertyType::Text => text().prop_map(Value::Text).boxed(),
        PropertyType::TextPair => (text(), text()).prop_map(|(name, value)| Value::Pair(name, value)).boxed(),
    };
    value.prop_map(move |value| (identifier, value)).boxed()
}

fn wire(place: Place, values: &[(PropertyIdentifier, Value)]) -> Properties {
    let mut properties = Properties::default();
    let method = PropertyIdentifier::AuthenticationMethod;
    let has = |wanted| values.iter().any(|(identifier, _)| *identifier == wanted);
    let needs_method = place == Place::Auth || has(PropertyIdentifier::AuthenticationData);
    if needs_method && !has(method) {
        properties.push(Property::text(method, "SCRAM-SHA-256")).unwrap();
    }
    for (identifier, value) in values {
        let value = match value {
            Value::Number(number) => PropertyValue::Number(*number),
            Value::Text(text) => PropertyValue::Text(text),
            Value::Binary(binary) => PropertyValue::Binary(binary),
            Value::Pair(name, value) => PropertyValue::Pair(name, value),
        };
        properties.push(Property { identifier: *identifier, value }).unwrap();
    }
    assert_eq!(properties.check(place), Ok(()));
    properties
}

fn publish(version: ProtocolVersion, sender: Sender) -> impl Strategy<Value = Publish> {
    let place = match sender {
        Sender::Client => Place::PublishByClient,
        Sender::Server => Place::PublishByServer,
    };
    let fields = (any::<[bool; 3]>(), qos(), as_text(topic_name()), packet_identifier());
    (fields, properties(version, place), binary()).prop_map(
        |(([dup, retain, aliased], qos, topic, identifier), properties, payload)| {
            let has_alias = properties.as_ref().find(PropertyIdentifier::TopicAlias).is_some();
            Publish {
                dup: dup && qos != Qos::AtMostOnce,
                qos,
                retain,
                topic: if aliased && has_alias { Text::EMPTY } else { topic },
                packet_identifier: (qos != Qos::AtMostOnce).then_some(identifier),
                properties,
                payload,
            }
        },
    )
}

fn reason(version: ProtocolVersion, codes: &'static [u8]) -> BoxedStrategy<ReasonCode> {
    match version {
        ProtocolVersion::V5 => select(codes).prop_map(ReasonCode).boxed(),
        ProtocolVersion::V31 | ProtocolVersion::V311 => Just(ReasonCode::SUCCESS).boxed(),
    }
}

fn acknowledgement(version: ProtocolVersion, packet_type: PacketType) -> impl Strategy<Value = Packet> {
    let (place, codes, wrap): (_, &[u8], fn(Acknowledgement) -> Packet) = match packet_type {
        PacketType::Pubrec => {
            (Place::Pubrec, &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99], Packet::Pubrec)
        }
        PacketType::Pubrel => (Place::Pubrel, &[0, 0x92], Packet::Pubrel),
        PacketType::Pubcomp => (Place::Pubcomp, &[0, 0x92], Packet::Pubcomp),
        _ => (Place::Puback, &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99], Packet::Puback),
    };
    (packet_identifier(), reason(version, codes), properties(version, place)).prop_map(
        move |(packet_identifier, reason, properties)| {
            wrap(Acknowledgement { packet_identifier, reason, properties })
        },
    )
}

fn connect(version: ProtocolVersion) -> impl Strategy<Value = Connect> {
    let will =
        (as_text(topic_name()), binary(), qos(), any::<bool>(), properties(version, Place::Will)).prop_map(
            |(topic, payload, qos, retain, properties)| Will { topic, payload, qos, retain, properties },
        );
    let login = (option::of(as_text(text())), option::of(binary()));
    let head = (any::<bool>(), any::<u16>(), properties(version, Place::Connect), as_text(text()));
    (head, option::of(will), login).prop_map(
        move |((clean_start, keep_alive, properties, client_identifier), will, (user_name, password))| {
            let is_named = !client_identifier.is_empty();
            Connect {
                version,
                clean_start: clean_start || !is_named,
                keep_alive,
                properties,
                client_identifier: match version {
                    ProtocolVersion::V31 if !is_named => Text::detached("c"),
                    _ => client_identifier,
                },
                will,
                password: password.filter(|_| version == ProtocolVersion::V5 || user_name.is_some()),
                user_name,
            }
        },
    )
}

fn connack(version: ProtocolVersion) -> impl Strategy<Value = Connack> {
    let codes: &[u8] = match version {
        ProtocolVersion::V5 => &[0, 0, 0x80, 0x84, 0x85, 0x87, 0x8A, 0x95, 0x9D, 0x9F],
        ProtocolVersion::V31 | ProtocolVersion::V311 => &[0, 0, 1, 2, 3, 4, 5],
    };
    (any::<bool>(), select(codes), properties(version, Place::Connack)).prop_map(
        move |(session_present, code, properties)| Connack {
            session_present: session_present && code == 0 && version != ProtocolVersion::V31,
            reason: ReasonCode(code),
            properties,
        },
    )
}

fn subscription_options(version: ProtocolVersion) -> BoxedStrategy<SubscriptionOptions> {
    if version != ProtocolVersion::V5 {
        return qos()
            .prop_map(|maximum_qos| SubscriptionOptions { maximum_qos, ..Default::default() })
            .boxed();
    }
    let handling = select(vec![RetainHandling::Always, RetainHandling::IfNew, RetainHandling::Never]);
    (qos(), any::<bool>(), any::<bool>(), handling)
        .prop_map(|(maximum_qos, no_local, retain_as_published, retain_handling)| SubscriptionOptions {
            maximum_qos,
            no_local,
            retain_as_published,
            retain_handling,
        })
        .boxed()
}

fn subscribe(version: ProtocolVersion) -> impl Strategy<Value = Subscribe> {
    let filters = vec((as_text(topic_filter()), subscription_options(version)), 1..5);
    (packet_identifier(), properties(version, Place::Subscribe), filters).prop_map(
        |(packet_identifier, properties, filters)| Subscribe { packet_identifier, properties, filters },
    )
}

fn unsubscribe(version: ProtocolVersion) -> impl Strategy<Value = Unsubscribe> {
    (packet_identifier(), properties(version, Place::Unsubscribe), vec(as_text(topic_filter()), 1..5))
        .prop_map(|(packet_identifier, properties, filters)| Unsubscribe {
            packet_identifier,
            properties,
            filters,
        })
}

fn suback(version: ProtocolVersion) -> impl Strategy<Value = Suback> {
    let codes: &[u8] = match version {
        ProtocolVersion::V5 => &[0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
        ProtocolVersion::V31 | ProtocolVersion::V311 => &[0, 1, 2, 0x80],
    };
    (packet_identifier(), properties(version, Place::Suback), vec(select(codes).prop_map(ReasonCode), 1..5))
        .prop_map(|(packet_identifier, properties, reasons)| Suback {
            packet_identifier,
            properties,
            reasons,
        })
}

fn unsuback(version: ProtocolVersion) -> impl Strategy<Value = Unsuback> {
    let codes: &[u8] = &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
    let count = if version == ProtocolVersion::V5 { 1..5 } else { 0..1 };
    (
        packet_identifier(),
        properties(version, Place::Unsuback),
        vec(select(codes).prop_map(ReasonCode), count),
    )
        .prop_map(|(packet_identifier, properties, reasons)| Unsuback {
            packet_identifier,
            properties,
            reasons,
        })
}

fn disconnect(version: ProtocolVersion, sender: Sender) -> impl Strategy<Value = Disconnect> {
    let (place, codes): (_, &[u8]) = match sender {
        Sender::Client => (Place::DisconnectByClient, &[0, 4, 0x80, 0x81, 0x90, 0x93, 0x99]),
        Sender::Server => (Place::DisconnectByServer, &[0, 0x80, 0x82, 0x87, 0x8B, 0x8D, 0x8E, 0x95, 0xA2]),
    };
    (reason(version, codes), properties(version, place))
        .prop_map(|(reason, properties)| Disconnect { reason, properties })
}

fn auth(sender: Sender) -> impl Strategy<Value = Auth> {
    let codes: &[u8] = match sender {
        Sender::Client => &[0x18, 0x19],
        Sender::Server => &[0, 0x18],
    };
    (reason(ProtocolVersion::V5, codes), properties(ProtocolVersion::V5, Place::Auth))
        .prop_map(|(reason, properties)| Auth { reason, properties })
}
