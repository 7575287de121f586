//! CONNECT, CONNACK, AUTH, DISCONNECT.

use super::support::*;
use bytes::Bytes;
use culex::packet::{
    Auth, Connack, Disconnect, Packet, PacketError, Properties, Property, PropertyIdentifier,
    ProtocolVersion, ReasonCode, Will,
};
use culex::session::{Config, Event, Session, SessionError};
use culex::time::Time;
use std::time::Duration;

#[test]
fn connect_carries_everything_that_the_configuration_has() {
    let mut config = v5();
    config.connect.keep_alive = 17;
    config.connect.user_name = Some(text("user"));
    config.connect.password = Some(Bytes::from_static(b"pass"));
    config.connect.properties = numbers(&[(PropertyIdentifier::SessionExpiryInterval, 9)]);
    config.connect.will = Some(Will {
        topic: text("w"),
        payload: Bytes::from_static(b"gone"),
        qos: culex::packet::Qos::AtLeastOnce,
        retain: true,
        properties: Properties::EMPTY,
    });
    let expected = config.connect.clone();
    let mut session = Session::new(config);
    session.handle_open(Time::ZERO);
    let mut leash = Leash::open(v5());
    leash.session = session;
    assert_eq!(leash.sent(), [Packet::Connect(Box::new(expected))]);
}

#[test]
fn a_connect_that_cannot_be_made_is_an_error_and_not_silence() {
    let mut config = config(ProtocolVersion::V311);
    config.connect.password = Some(Bytes::from_static(b"pass"));
    assert_eq!(config.check(), Err(PacketError::PasswordWithoutUserName));
    let mut session = Session::new(config);
    session.handle_open(Time::ZERO);
    assert_eq!(session.poll_timeout(), Some(Time::ZERO));
    let error = SessionError::Invalid(PacketError::PasswordWithoutUserName);
    assert_eq!(session.handle_timeout(Time::ZERO), Err(error));
}

#[test]
fn properties_before_version_5_are_refused() {
    let mut config = config(ProtocolVersion::V311);
    config.connect.properties = numbers(&[(PropertyIdentifier::SessionExpiryInterval, 9)]);
    assert_eq!(config.check(), Err(PacketError::PropertyNotAllowed));
    config.connect.version = ProtocolVersion::V5;
    assert_eq!(config.check(), Ok(()));
    config.connect.properties = numbers(&[(PropertyIdentifier::TopicAlias, 9)]);
    assert_eq!(config.check(), Err(PacketError::PropertyNotAllowed));
}

#[test]
fn a_refusal_is_an_event_and_closes() {
    for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
        let mut leash = Leash::open(config(version));
        let refusal = Connack { reason: ReasonCode(5), ..Connack::default() };
        leash.receive([Packet::Connack(refusal.clone()), publish(0, 0, "late")]).unwrap();
        assert_eq!(leash.events(), [Event::Refused(refusal)]);
        assert!(leash.session.is_closing() && !leash.session.is_connected());
        assert_eq!(leash.sent(), []);
    }
}

#[test]
fn nothing_but_connack_may_come_first() {
    let mut leash = Leash::open(v5());
    let error = SessionError::Packet(PacketError::UnexpectedPacket);
    assert_eq!(leash.receive([publish(0, 0, "early")]), Err(error));
    assert_eq!(leash.sent(), [], "before CONNACK nobody is told");
}

#[test]
fn a_second_connack_is_a_fault() {
    let mut leash = Leash::connected(v5());
    let error = SessionError::Packet(PacketError::UnexpectedPacket);
    assert_eq!(leash.receive([Packet::Connack(Connack::default())]), Err(error));
    let reason = ReasonCode::PROTOCOL_ERROR;
    assert_eq!(leash.sent(), [Packet::Disconnect(Disconnect { reason, ..Disconnect::default() })]);
}

#[test]
fn session_present_after_clean_start_is_a_fault() {
    let mut leash = Leash::open(v5());
    let error = SessionError::SessionPresentWithCleanStart;
    assert_eq!(leash.receive([Packet::Connack(session_present())]), Err(error));
    assert_eq!(leash.events(), []);
    Leash::open(durable()).accept(session_present());
}

#[test]
fn an_assigned_identifier_is_used_from_then_on() {
    let mut config = v5();
    config.connect.client_identifier = culex::packet::Text::EMPTY;
    let mut leash = Leash::open(config);
    let mut properties = Properties::EMPTY;
    properties.push(Property::text(PropertyIdentifier::AssignedClientIdentifier, "auto-1")).unwrap();
    leash.accept(Connack { properties, ..Connack::default() });
    assert_eq!(leash.session.client_identifier(), "auto-1");
    leash.session.handle_open(leash.now);
    let Packet::Connect(connect) = &leash.sent()[0] else { panic!("no CONNECT") };
    assert_eq!(connect.client_identifier, "auto-1");
}

#[test]
fn connack_may_be_late_only_up_to_its_time_out() {
    let timeout = Duration::from_secs(5);
    let mut leash = Leash::open(Config { connack_timeout: Some(timeout), ..v5() });
    assert_eq!(leash.session.poll_timeout(), Some(Time::ZERO + timeout));
    assert_eq!(leash.session.handle_timeout(Time::ZERO + timeout - Duration::from_nanos(1)), Ok(()));
    assert_eq!(leash.session.handle_timeout(Time::ZERO + timeout), Err(SessionError::ConnackTimeout));

    let mut leash = Leash::open(Config { connack_timeout: Some(timeout), ..v5() });
    leash.accept(Connack::default());
    assert_eq!(leash.session.handle_timeout(Time::ZERO + timeout), Ok(()));
}

#[test]
fn authentication_goes_both_ways_before_and_after_connack() {
    let mut properties = Properties::EMPTY;
    properties.push(Property::text(PropertyIdentifier::AuthenticationMethod, "m")).unwrap();
    let mut config = v5();
    config.connect.properties = properties.clone();
    let mut leash = Leash::open(config);
    let step = Auth { reason: ReasonCode::CONTINUE_AUTHENTICATION, properties };
    leash.receive([Packet::Auth(step.clone())]).unwrap();
    assert_eq!(leash.events(), [Event::Auth(step.clone())]);
    leash.session.authenticate(leash.now, step.clone()).unwrap();
    assert_eq!(leash.sent(), [Packet::Auth(step.clone())]);
    leash.accept(Connack::default());
    let again = Auth { reason: ReasonCode::REAUTHENTICATE, ..step };
    leash.session.authenticate(leash.now, again.clone()).unwrap();
    assert_eq!(leash.sent(), [Packet::Auth(again)]);
}

#[test]
fn authentication_without_a_method_in_connect_is_refused_both_ways() {
    let mut properties = Properties::EMPTY;
    properties.push(Property::text(PropertyIdentifier::AuthenticationMethod, "m")).unwrap();
    let step = Auth { reason: ReasonCode::CONTINUE_AUTHENTICATION, properties };
    let mut leash = Leash::connected(v5());
    let error = SessionError::Invalid(PacketError::MissingAuthenticationMethod);
    assert_eq!(leash.session.authenticate(leash.now, step.clone()), Err(error));
    let error = SessionError::Packet(PacketError::UnexpectedPacket);
    assert_eq!(leash.receive([Packet::Auth(step)]), Err(error));
}

#[test]
fn disconnect_waits_for_what_can_go_and_nothing_follows_it() {
    let mut leash = Leash::connected(Config { inflight_max: 1, ..v5() });
    leash.publish(message(1, "a")).unwrap();
    leash.publish(message(1, "b")).unwrap();
    let disconnect = Disconnect { reason: ReasonCode::DISCONNECT_WITH_WILL, ..Disconnect::default() };
    leash.session.disconnect(leash.now, disconnect.clone());
    leash.publish(message(0, "c")).unwrap();
    assert_eq!(leash.sent(), [publish(1, 1, "a"), Packet::Disconnect(disconnect)]);
    leash.receive([puback(1), publish(0, 0, "late")]).unwrap();
    assert_eq!(leash.events(), []);
    assert_eq!(leash.session.poll_timeout(), None);
    assert_eq!((leash.session.inflight(), leash.session.waiting()), (1, 2));
}

#[test]
fn a_disconnect_behind_more_than_one_transmission_comes_last() {
    let mut leash = Leash::connected(Config { queue_messages_max: 10_000, ..v5() });
    for _ in 0..5_000 {
        leash.publish(message(0, "sixty-four bytes or so of payload make this long")).unwrap();
    }
    leash.session.disconnect(leash.now, Disconnect::default());
    let sent = leash.sent();
    assert_eq!(sent.len(), 5_001);
    assert!(matches!(sent.last(), Some(Packet::Disconnect(_))));
}

#[test]
fn the_servers_disconnect_is_an_event_on_version_5_and_a_fault_before() {
    let mut leash = Leash::connected(v5());
    let disconnect = Disconnect { reason: ReasonCode::SERVER_SHUTTING_DOWN, ..Disconnect::default() };
    leash.receive([Packet::Disconnect(disconnect.clone()), publish(0, 0, "late")]).unwrap();
    assert_eq!(leash.events(), [Event::Disconnected(disconnect)]);
    assert!(leash.session.is_closing());

    let mut leash = Leash::connected(config(ProtocolVersion::V311));
    let error = SessionError::Packet(PacketError::UnexpectedPacket);
    assert_eq!(leash.receive_bytes(vec![0xE0, 0]), Err(error));
    assert_eq!(leash.sent(), [], "version 3 has no words for it");
}
