//! What the server's CONNACK allows.

use super::support::*;
use culex::packet::{Packet, Properties, PropertyIdentifier as Identifier, Publish, Qos, ReasonCode};
use culex::session::{Config, ServerLimits, SessionError};

#[test]
fn without_properties_there_are_no_limits() {
    let leash = Leash::connected(v5());
    assert_eq!(*leash.session.limits(), ServerLimits::default());
}

#[test]
fn receive_maximum_narrows_the_window_and_never_widens_it() {
    for (inflight_max, receive_maximum, expected) in [(20, 3, 3), (3, 20, 3), (20, u32::from(u16::MAX), 20)] {
        let config = Config { inflight_max, ..v5() };
        let mut leash = Leash::limited(config, &[(Identifier::ReceiveMaximum, receive_maximum)]);
        for _ in 0..30 {
            leash.publish(message(1, "")).unwrap();
        }
        assert_eq!(leash.sent().len(), expected);
    }
}

#[test]
fn maximum_packet_size_counts_the_whole_packet() {
    for qos in 0..=2 {
        let identifier_length = if qos == 0 { 0 } else { 2 };
        let mut leash = Leash::limited(v5(), &[(Identifier::MaximumPacketSize, 30)]);
        let fitting = "x".repeat(30 - 6 - identifier_length);
        leash.publish(message(qos, &fitting)).unwrap();
        assert_eq!(leash.sent_bytes().len(), 30);
        let error = leash.publish(message(qos, &format!("{fitting}x")));
        assert_eq!(error, Err(SessionError::TooLargeForServer));
    }
}

#[test]
fn maximum_qos_and_retain_are_refused_by_name() {
    let mut leash = Leash::limited(v5(), &[(Identifier::MaximumQos, 1), (Identifier::RetainAvailable, 0)]);
    assert_eq!(leash.session.limits().maximum_qos, Qos::AtLeastOnce);
    leash.publish(message(1, "")).unwrap();
    let refused = |reason| Err(SessionError::NotSupported(reason));
    assert_eq!(leash.publish(message(2, "")), refused(ReasonCode::QOS_NOT_SUPPORTED));
    let retained = Publish { retain: true, ..message(0, "") };
    assert_eq!(leash.publish(retained.clone()), refused(ReasonCode::RETAIN_NOT_SUPPORTED));
    assert!(!leash.session.limits().retain_available);
    Leash::connected(v5()).publish(retained).unwrap();
}

#[test]
fn a_message_taken_offline_that_the_server_does_not_allow_is_reported_and_not_sent() {
    let mut leash = Leash::open(v5());
    for publish in [message(2, ""), Publish { retain: true, ..message(1, "") }, message(1, &"x".repeat(99))] {
        leash.publish(publish).unwrap();
    }
    leash.publish(message(1, "fits")).unwrap();
    leash.accept(connack(&[
        (Identifier::MaximumQos, 1),
        (Identifier::RetainAvailable, 0),
        (Identifier::MaximumPacketSize, 50),
    ]));
    assert_eq!(leash.sent(), [publish(1, 4, "fits")]);
    let reasons =
        [ReasonCode::QOS_NOT_SUPPORTED, ReasonCode::RETAIN_NOT_SUPPORTED, ReasonCode::PACKET_TOO_LARGE];
    let expected: Vec<_> = (1..).zip(reasons).collect();
    assert_eq!(acknowledged(&leash.events()), expected);
}

#[test]
fn a_message_in_flight_that_the_next_server_does_not_allow_is_reported() {
    let mut leash = Leash::connected(durable());
    leash.publish(message(2, "a")).unwrap();
    leash.publish(message(1, "b")).unwrap();
    leash.sent();
    leash.reopen();
    leash.accept(connack(&[(Identifier::MaximumQos, 1)]));
    assert_eq!(leash.sent(), [publish(1, 2, "b")]);
    assert_eq!(acknowledged(&leash.events()), [(1, ReasonCode::QOS_NOT_SUPPORTED)]);
}

#[test]
fn limits_end_with_their_connection() {
    let mut leash = Leash::limited(v5(), &[(Identifier::MaximumQos, 0)]);
    leash.reopen();
    leash.publish(message(2, "")).unwrap();
    leash.accept(culex::packet::Connack::default());
    assert_eq!(leash.sent(), [publish(2, 1, "")]);
}

#[test]
fn filters_that_the_server_does_not_know_are_refused_by_name() {
    let mut leash = Leash::limited(
        v5(),
        &[
            (Identifier::WildcardSubscriptionAvailable, 0),
            (Identifier::SharedSubscriptionAvailable, 0),
            (Identifier::SubscriptionIdentifierAvailable, 0),
        ],
    );
    let mut subscribe = |filter: &str, properties: Properties| {
        leash.session.subscribe(leash.now, properties, vec![(text(filter), Default::default())])
    };
    let refused = |reason| Err(SessionError::NotSupported(reason));
    assert_eq!(
        subscribe("a/#", Properties::EMPTY),
        refused(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED)
    );
    assert_eq!(
        subscribe("$share/g/a", Properties::EMPTY),
        refused(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
    );
    let identified = numbers(&[(Identifier::SubscriptionIdentifier, 1)]);
    assert_eq!(subscribe("a", identified), refused(ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED));
    assert!(subscribe("a", Properties::EMPTY).is_ok());
    assert!(matches!(leash.sent()[..], [Packet::Subscribe(_)]));
}
