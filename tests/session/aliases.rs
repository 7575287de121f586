//! Topic Aliases in both directions.

use super::support::*;
use culex::packet::{Connack, Packet, Property, PropertyIdentifier, Publish, ReasonCode, Text};
use culex::session::{Config, Event, SessionError};

const MAXIMUM: PropertyIdentifier = PropertyIdentifier::TopicAliasMaximum;

fn aliased(topic: &str, alias: u32) -> Publish {
    Publish {
        topic: text(topic),
        properties: numbers(&[(PropertyIdentifier::TopicAlias, alias)]),
        ..message(0, "")
    }
}

/// Topic and alias of each PUBLISH sent.
fn forms(leash: &mut Leash) -> Vec<(String, Option<u32>)> {
    leash
        .sent()
        .into_iter()
        .map(|packet| match packet {
            Packet::Publish(publish) => (
                publish.topic.to_string(),
                publish.properties.as_ref().number(PropertyIdentifier::TopicAlias),
            ),
            other => panic!("unexpected {other:?}"),
        })
        .collect()
}

fn form(topic: &str, alias: impl Into<Option<u32>>) -> (String, Option<u32>) {
    (topic.to_owned(), alias.into())
}

fn accepting() -> Config {
    let mut config = v5();
    config.connect.properties = numbers(&[(MAXIMUM, 3)]);
    config
}

#[test]
fn a_chosen_alias_carries_its_topic_once_a_connection() {
    let mut leash = Leash::limited(v5(), &[(MAXIMUM, 10)]);
    for topic in ["a", "a", "b", "b"] {
        leash.publish(aliased(topic, 7)).unwrap();
    }
    let expected = [form("a", 7), form("", 7), form("b", 7), form("", 7)];
    assert_eq!(forms(&mut leash), expected);
    leash.reopen();
    leash.accept(connack(&[(MAXIMUM, 10)]));
    leash.publish(aliased("b", 7)).unwrap();
    assert_eq!(forms(&mut leash), [form("b", 7)]);
}

#[test]
fn an_alias_above_the_servers_maximum_is_refused() {
    let mut leash = Leash::limited(v5(), &[(MAXIMUM, 10)]);
    leash.publish(aliased("a", 10)).unwrap();
    assert_eq!(leash.publish(aliased("a", 11)), Err(SessionError::TopicAliasUnusable));
    let mut leash = Leash::connected(v5());
    assert_eq!(leash.publish(aliased("a", 1)), Err(SessionError::TopicAliasUnusable));
}

#[test]
fn an_alias_that_the_next_server_does_not_take_is_left_out() {
    let mut leash = Leash::limited(durable(), &[(MAXIMUM, 10)]);
    leash.publish(Publish { qos: culex::packet::Qos::AtLeastOnce, ..aliased("a", 7) }).unwrap();
    leash.sent();
    leash.reopen();
    leash.accept(Connack::default());
    assert_eq!(forms(&mut leash), [form("a", None)]);
}

#[test]
fn an_empty_topic_stands_for_its_alias_even_on_the_next_connection() {
    let mut leash = Leash::limited(v5(), &[(MAXIMUM, 10)]);
    assert_eq!(leash.publish(aliased("", 7)), Err(SessionError::TopicAliasUnusable));
    leash.publish(aliased("a", 7)).unwrap();
    leash.publish(Publish { qos: culex::packet::Qos::AtLeastOnce, ..aliased("", 7) }).unwrap();
    assert_eq!(forms(&mut leash), [form("a", 7), form("", 7)]);
    leash.reopen();
    leash.accept(connack(&[(MAXIMUM, 10)]));
    assert_eq!(forms(&mut leash), [form("a", 7)]);
}

#[test]
fn aliases_are_assigned_up_to_the_smaller_maximum() {
    for (ours, theirs) in [(2, 10), (10, 2)] {
        let mut leash = Leash::limited(Config { assigned_aliases_max: ours, ..v5() }, &[(MAXIMUM, theirs)]);
        for topic in ["a", "b", "c", "a", "b", "c"] {
            leash.publish(Publish { topic: text(topic), ..message(0, "") }).unwrap();
        }
        let expected =
            [form("a", 1), form("b", 2), form("c", None), form("", 1), form("", 2), form("c", None)];
        assert_eq!(forms(&mut leash), expected);
    }
}

#[test]
fn no_alias_is_assigned_where_it_would_exceed_the_packet_size() {
    let config = Config { assigned_aliases_max: 5, ..v5() };
    let limits = [(MAXIMUM, 5), (PropertyIdentifier::MaximumPacketSize, 30)];
    let mut leash = Leash::limited(config, &limits);
    leash.publish(message(0, &"x".repeat(24))).unwrap();
    leash.publish(message(0, "x")).unwrap();
    assert_eq!(forms(&mut leash), [form("t", None), form("t", 1)]);
}

#[test]
fn a_message_kept_from_a_lost_connection_has_its_topic_again() {
    let mut leash = Leash::limited(Config { assigned_aliases_max: 5, ..v5() }, &[(MAXIMUM, 5)]);
    leash.publish(message(0, "a")).unwrap();
    leash.publish(message(0, "b")).unwrap();
    leash.reopen();
    leash.accept(Connack::default());
    assert_eq!(leash.sent(), [publish(0, 0, "a"), publish(0, 0, "b")]);
}

#[test]
fn a_received_alias_stands_for_the_topic_set_last() {
    let mut leash = Leash::connected(accepting());
    let packets = [aliased("a", 3), aliased("", 3), aliased("b", 3), aliased("", 3)];
    leash.receive(packets.map(Packet::Publish)).unwrap();
    let topics: Vec<Text> = leash
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Message(publish) => publish.topic,
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(topics, ["a", "a", "b", "b"]);
}

#[test]
fn a_received_alias_also_names_the_topic_of_a_qos_2_message() {
    let mut leash = Leash::connected(accepting());
    let exactly_once = Publish {
        qos: culex::packet::Qos::ExactlyOnce,
        packet_identifier: Some(identifier(4)),
        ..aliased("", 3)
    };
    leash.receive([Packet::Publish(aliased("a", 3)), Packet::Publish(exactly_once), pubrel(4)]).unwrap();
    assert!(matches!(&leash.events()[1], Event::Message(publish) if publish.topic == "a"));
}

#[test]
fn received_aliases_out_of_range_or_unknown_are_faults() {
    for (packet, error, reason) in [
        (aliased("a", 4), SessionError::TopicAliasInvalid, ReasonCode::TOPIC_ALIAS_INVALID),
        (aliased("", 2), SessionError::TopicAliasUnknown, ReasonCode::PROTOCOL_ERROR),
    ] {
        let mut leash = Leash::connected(accepting());
        assert_eq!(leash.receive([Packet::Publish(packet)]), Err(error));
        assert!(matches!(&leash.sent()[..], [Packet::Disconnect(packet)] if packet.reason == reason));
    }
    let mut leash = Leash::connected(accepting());
    leash.receive([Packet::Publish(aliased("a", 2))]).unwrap();
    leash.reopen();
    leash.accept(Connack::default());
    let forgotten = leash.receive([Packet::Publish(aliased("", 2))]);
    assert_eq!(forgotten, Err(SessionError::TopicAliasUnknown));
}

#[test]
fn other_properties_stay_in_order_beside_an_assigned_alias() {
    let mut leash = Leash::limited(Config { assigned_aliases_max: 5, ..v5() }, &[(MAXIMUM, 5)]);
    let mut properties = culex::packet::Properties::EMPTY;
    properties.push(Property::user("k", "v")).unwrap();
    properties.push(Property::text(PropertyIdentifier::ContentType, "x")).unwrap();
    let mut expected = properties.clone();
    expected.push(Property::number(PropertyIdentifier::TopicAlias, 1)).unwrap();
    leash.publish(Publish { properties, ..message(0, "") }).unwrap();
    assert!(matches!(&leash.sent()[..], [Packet::Publish(publish)] if publish.properties == expected));
}
