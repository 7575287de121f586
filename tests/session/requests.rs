//! SUBSCRIBE and UNSUBSCRIBE.

use super::support::*;
use culex::packet::{
    Packet, PacketError, Properties, PropertyIdentifier, ProtocolVersion, ReasonCode, Suback, Subscribe,
    SubscriptionOptions, Unsuback, Unsubscribe,
};
use culex::session::{Event, SessionError};

fn suback(number: u16, codes: &[u8]) -> Suback {
    let reasons = codes.iter().copied().map(ReasonCode).collect();
    Suback { packet_identifier: identifier(number), properties: Properties::EMPTY, reasons }
}

fn unsuback(number: u16, codes: &[u8]) -> Unsuback {
    let reasons = codes.iter().copied().map(ReasonCode).collect();
    Unsuback { packet_identifier: identifier(number), properties: Properties::EMPTY, reasons }
}

fn filters(names: &[&str]) -> Vec<(culex::packet::Text, SubscriptionOptions)> {
    names.iter().map(|name| (text(name), SubscriptionOptions::default())).collect()
}

#[test]
fn a_subscription_is_asked_for_and_answered() {
    for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
        let mut leash = Leash::connected(config(version));
        let packet_identifier =
            leash.session.subscribe(leash.now, Properties::EMPTY, filters(&["a", "b/#"])).unwrap();
        let subscribe =
            Subscribe { packet_identifier, properties: Properties::EMPTY, filters: filters(&["a", "b/#"]) };
        assert_eq!(leash.sent(), [Packet::Subscribe(subscribe)]);
        leash.receive([Packet::Suback(suback(1, &[0, 0x80]))]).unwrap();
        assert_eq!(leash.events(), [Event::Subscribed(suback(1, &[0, 0x80]))]);
    }
}

#[test]
fn an_unsubscription_is_asked_for_and_answered_with_codes_only_on_version_5() {
    for (version, codes) in [(ProtocolVersion::V311, &[][..]), (ProtocolVersion::V5, &[0, 0x11])] {
        let mut leash = Leash::connected(config(version));
        let names = vec![text("a"), text("b")];
        let packet_identifier =
            leash.session.unsubscribe(leash.now, Properties::EMPTY, names.clone()).unwrap();
        let unsubscribe = Unsubscribe { packet_identifier, properties: Properties::EMPTY, filters: names };
        assert_eq!(leash.sent(), [Packet::Unsubscribe(unsubscribe)]);
        leash.receive([Packet::Unsuback(unsuback(1, codes))]).unwrap();
        assert_eq!(leash.events(), [Event::Unsubscribed(unsuback(1, codes))]);
    }
}

#[test]
fn an_answer_to_nothing_is_passed_over() {
    let mut leash = Leash::connected(v5());
    leash.receive([Packet::Suback(suback(7, &[0])), Packet::Unsuback(unsuback(7, &[0]))]).unwrap();
    assert_eq!(leash.events(), []);
    leash.session.subscribe(leash.now, Properties::EMPTY, filters(&["a"])).unwrap();
    leash.receive([Packet::Unsuback(unsuback(1, &[0]))]).unwrap();
    assert_eq!(leash.events(), [], "UNSUBACK does not answer SUBSCRIBE");
    leash.receive([Packet::Suback(suback(1, &[0])), Packet::Suback(suback(1, &[0]))]).unwrap();
    assert_eq!(leash.events().len(), 1, "one answer is enough");
}

#[test]
fn a_wrong_number_of_codes_is_a_fault() {
    let mut leash = Leash::connected(v5());
    leash.session.subscribe(leash.now, Properties::EMPTY, filters(&["a", "b"])).unwrap();
    let answer = leash.receive([Packet::Suback(suback(1, &[0]))]);
    assert_eq!(answer, Err(SessionError::ReasonCountMismatch));
}

#[test]
fn requests_need_a_connection_and_end_with_it() {
    let mut leash = Leash::open(v5());
    let not_connected = Err(SessionError::NotConnected);
    assert_eq!(leash.session.subscribe(leash.now, Properties::EMPTY, filters(&["a"])), not_connected);
    leash.accept(Default::default());
    leash.session.subscribe(leash.now, Properties::EMPTY, filters(&["a"])).unwrap();
    leash.reopen();
    leash.accept(Default::default());
    leash.receive([Packet::Suback(suback(1, &[0]))]).unwrap();
    assert_eq!(leash.events(), []);
}

#[test]
fn malformed_requests_are_refused() {
    let mut leash = Leash::connected(v5());
    let mut subscribe = |properties, filters| leash.session.subscribe(leash.now, properties, filters);
    let invalid = |error| Err(SessionError::Invalid(error));
    assert_eq!(subscribe(Properties::EMPTY, vec![]), invalid(PacketError::EmptyList));
    assert_eq!(subscribe(Properties::EMPTY, filters(&["a#"])), invalid(PacketError::TopicFilter));
    let shared_no_local = SubscriptionOptions { no_local: true, ..SubscriptionOptions::default() };
    assert_eq!(
        subscribe(Properties::EMPTY, vec![(text("$share/g/a"), shared_no_local)]),
        invalid(PacketError::NoLocalOnShared)
    );
    let wrong = numbers(&[(PropertyIdentifier::TopicAlias, 1)]);
    assert_eq!(subscribe(wrong, filters(&["a"])), invalid(PacketError::PropertyNotAllowed));
    assert_eq!(leash.sent(), []);
    let unsubscribed = leash.session.unsubscribe(leash.now, Properties::EMPTY, vec![text("a#")]);
    assert_eq!(unsubscribed, invalid(PacketError::TopicFilter));
}
