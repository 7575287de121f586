//! Keep Alive as the owner of a session sees it.

use super::support::*;
use culex::packet::{Packet, PropertyIdentifier, ProtocolVersion};
use culex::session::{Config, Event, Session, SessionError};
use culex::time::Time;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn second_silent_keep_alive_ends_the_session() {
    let mut leash = Leash::connected(v5());
    assert_eq!(leash.session.poll_timeout(), Some(Time::ZERO + MINUTE));
    assert_eq!(leash.session.handle_timeout(Time::ZERO + MINUTE), Ok(()));
    assert_eq!(leash.sent(), [Packet::Pingreq]);
    assert_eq!(leash.session.poll_timeout(), Some(Time::ZERO + 2 * MINUTE));
    assert_eq!(leash.session.handle_timeout(Time::ZERO + 2 * MINUTE), Err(SessionError::PingTimeout));
    assert_eq!(leash.sent(), []);
}

#[test]
fn an_answered_pingreq_keeps_the_session() {
    let mut leash = Leash::connected(v5());
    for minute in 1..10 {
        leash.now = Time::ZERO + minute * MINUTE;
        assert_eq!(leash.session.handle_timeout(leash.now), Ok(()));
        assert_eq!(leash.sent(), [Packet::Pingreq]);
        leash.receive([Packet::Pingresp]).unwrap();
    }
}

#[test]
fn traffic_in_both_directions_makes_a_pingreq_unnecessary() {
    let mut leash = Leash::connected(v5());
    leash.wait(MINUTE / 2);
    leash.publish(message(0, "")).unwrap();
    leash.receive([publish(0, 0, "")]).unwrap();
    assert_eq!(leash.session.poll_timeout(), Some(leash.now + MINUTE));
    assert_eq!(leash.session.handle_timeout(Time::ZERO + MINUTE), Ok(()));
    assert_eq!(leash.sent(), [publish(0, 0, "")]);
}

#[test]
fn the_servers_keep_alive_replaces_ours() {
    let mut leash = Leash::limited(v5(), &[(PropertyIdentifier::ServerKeepAlive, 7)]);
    assert_eq!(leash.session.poll_timeout(), Some(Time::ZERO + Duration::from_secs(7)));
    leash = Leash::limited(v5(), &[(PropertyIdentifier::ServerKeepAlive, 0)]);
    assert_eq!(leash.session.poll_timeout(), None);
}

#[test]
fn a_shorter_ping_time_out_ends_the_session_sooner() {
    let timeout = Duration::from_secs(3);
    let mut leash = Leash::connected(Config { ping_timeout: Some(timeout), ..v5() });
    let asked = Time::ZERO + MINUTE;
    leash.session.handle_timeout(asked).unwrap();
    assert_eq!(leash.session.poll_timeout(), Some(asked + timeout));
    assert_eq!(leash.session.handle_timeout(asked + timeout), Err(SessionError::PingTimeout));
}

#[test]
fn nobody_is_given_up_while_nobody_reads() {
    let mut leash = Leash::connected(v5());
    leash.session.set_reading(leash.now, false);
    for minute in 1..5 {
        leash.now = Time::ZERO + minute * MINUTE;
        assert_eq!(leash.session.handle_timeout(leash.now), Ok(()));
        assert_eq!(leash.sent(), [Packet::Pingreq]);
    }
    leash.session.set_reading(leash.now, true);
    assert_eq!(leash.session.handle_timeout(leash.now), Ok(()));
    leash.wait(MINUTE);
    assert_eq!(leash.session.handle_timeout(leash.now), Err(SessionError::PingTimeout));
}

#[test]
fn there_is_no_deadline_without_a_connection() {
    let mut leash = Leash::open(v5());
    assert_eq!(leash.session.poll_timeout(), None);
    leash.accept(Default::default());
    leash.session.handle_closed(leash.now);
    assert_eq!(leash.session.poll_timeout(), None);
    assert_eq!(leash.session.handle_timeout(Time::MAX), Ok(()));
}

#[test]
fn fence_is_quiet_once_nothing_came_between_the_ping_and_its_answer() {
    let mut leash = Leash::connected(config(ProtocolVersion::V311));
    leash.session.fence(leash.now).unwrap();
    assert_eq!(leash.sent(), [Packet::Pingreq]);
    leash.receive([Packet::Publish(message(0, "x")), Packet::Pingresp]).unwrap();
    assert!(!leash.events().contains(&Event::Quiet), "a message came");
    assert_eq!(leash.sent(), [Packet::Pingreq], "so it asks again");
    leash.receive([Packet::Pingresp]).unwrap();
    assert_eq!(leash.events(), [Event::Quiet]);
    leash.receive([Packet::Pingresp]).unwrap();
    assert_eq!(leash.events(), [], "it was asked once");
}

#[test]
fn fence_needs_a_connection_and_ends_with_it() {
    let mut session = Session::new(config(ProtocolVersion::V311));
    assert_eq!(session.fence(Time::ZERO), Err(SessionError::NotConnected));
    let mut leash = Leash::connected(config(ProtocolVersion::V311));
    leash.session.fence(leash.now).unwrap();
    leash.session.handle_closed(leash.now);
    assert!(!leash.events().contains(&Event::Quiet));
}
