//! Passwords and enhanced authentication, judged outside (sections 3.1.3.5 and 4.12).

use super::rig::{Peer, Rig, properties, text};
use crate::broker::{Authenticated, Authentication, Config, Event, ListenerConfig};
use crate::packet::{
    Auth, Connect, Disconnect, Packet, Property, PropertyIdentifier, ProtocolVersion, ReasonCode,
};
use bytes::Bytes;

fn rig() -> Rig {
    let listener = ListenerConfig { authenticate: true, allow_anonymous: false, ..ListenerConfig::default() };
    Rig::new(Config {
        listeners: vec![listener],
        authentication_methods: vec![text("M")],
        ..Config::default()
    })
}

fn request(rig: &mut Rig) -> Authentication {
    match rig.broker.poll_event() {
        Some(Event::Authenticate { request, .. }) => *request,
        other => panic!("no request but {other:?}"),
    }
}

fn method(data: &'static str) -> crate::packet::Properties {
    properties(&[
        Property::text(PropertyIdentifier::AuthenticationMethod, "M"),
        Property::binary(PropertyIdentifier::AuthenticationData, data.as_bytes()),
    ])
}

fn answer(rig: &mut Rig, peer: Peer, verdict: Authenticated) {
    rig.broker.handle_authenticated(rig.now, peer.id, verdict);
}

#[test]
fn a_user_waits_for_the_verdict_and_what_it_sent_meanwhile_is_kept() {
    for (version, refusal) in
        [(ProtocolVersion::V311, ReasonCode(4)), (ProtocolVersion::V5, ReasonCode::BAD_USER_NAME_OR_PASSWORD)]
    {
        for is_right in [true, false] {
            let mut rig = rig();
            let peer = rig.open(version);
            let connect = Packet::Connect(Box::new(Connect {
                version,
                client_identifier: text("c"),
                user_name: Some(text("u")),
                password: Some(Bytes::from_static(b"secret")),
                ..Connect::default()
            }));
            rig.send(peer, &connect);
            rig.send(peer, &Packet::Pingreq);
            assert_eq!(rig.packets(peer), []);
            let request = request(&mut rig);
            assert_eq!(request.password.as_deref(), Some(&b"secret"[..]));
            assert!(!format!("{request:?}").contains("secret"), "secrets are not for logs");
            if is_right {
                answer(&mut rig, peer, Authenticated::Accept { user_name: None, data: None });
                assert!(matches!(rig.packets(peer)[..], [Packet::Connack(_), Packet::Pingresp]));
            } else {
                answer(&mut rig, peer, Authenticated::Refuse(ReasonCode::BAD_USER_NAME_OR_PASSWORD));
                let (packets, is_closed) = rig.take(peer);
                assert!(matches!(&packets[..], [Packet::Connack(connack)] if connack.reason == refusal));
                assert!(is_closed);
            }
        }
    }
}

#[test]
fn without_a_user_nobody_is_let_in() {
    for (version, refusal) in
        [(ProtocolVersion::V311, ReasonCode(5)), (ProtocolVersion::V5, ReasonCode::NOT_AUTHORIZED)]
    {
        let mut rig = rig();
        let peer = rig.open(version);
        rig.send(peer, &Packet::Connect(Box::new(Connect { version, ..Connect::default() })));
        let (packets, is_closed) = rig.take(peer);
        assert!(
            matches!(&packets[..], [Packet::Connack(connack)] if connack.reason == refusal),
            "{packets:?}"
        );
        assert!(is_closed);
    }
}

#[test]
fn an_exchange_of_several_steps_ends_in_connack_and_may_be_repeated() {
    let mut rig = rig();
    let peer = rig.open(ProtocolVersion::V5);
    let connect = Connect {
        version: ProtocolVersion::V5,
        client_identifier: text("c"),
        properties: method("first"),
        ..Connect::default()
    };
    rig.send(peer, &Packet::Connect(Box::new(connect)));
    assert_eq!(request(&mut rig).data.as_deref(), Some(&b"first"[..]));
    answer(&mut rig, peer, Authenticated::Continue { data: Bytes::from_static(b"challenge") });
    let challenge = Auth { reason: ReasonCode::CONTINUE_AUTHENTICATION, properties: method("challenge") };
    assert_eq!(rig.packets(peer), [Packet::Auth(challenge)]);
    let proof = Auth { reason: ReasonCode::CONTINUE_AUTHENTICATION, properties: method("proof") };
    rig.send(peer, &Packet::Auth(proof));
    assert_eq!(request(&mut rig).data.as_deref(), Some(&b"proof"[..]));
    let data = Some(Bytes::from_static(b"done"));
    answer(&mut rig, peer, Authenticated::Accept { user_name: Some(text("u")), data });
    let packets = rig.packets(peer);
    let Packet::Connack(connack) = &packets[0] else {
        panic!("{packets:?}");
    };
    let data = connack.properties.as_ref().binary(PropertyIdentifier::AuthenticationData);
    assert_eq!(data, Some(&b"done"[..]));

    rig.send(peer, &Packet::Auth(Auth { reason: ReasonCode::REAUTHENTICATE, properties: method("again") }));
    assert!(request(&mut rig).is_again);
    answer(&mut rig, peer, Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED));
    let told = Disconnect { reason: ReasonCode::NOT_AUTHORIZED, ..Disconnect::default() };
    assert_eq!(rig.take(peer), (vec![Packet::Disconnect(told)], true));
}

#[test]
fn an_unknown_method_is_refused_and_auth_without_one_is_a_protocol_error() {
    let mut rig = rig();
    let peer = rig.open(ProtocolVersion::V5);
    let unknown = properties(&[Property::text(PropertyIdentifier::AuthenticationMethod, "X")]);
    let connect = Connect { version: ProtocolVersion::V5, properties: unknown, ..Connect::default() };
    rig.send(peer, &Packet::Connect(Box::new(connect)));
    let (packets, _) = rig.take(peer);
    let refused = ReasonCode::BAD_AUTHENTICATION_METHOD;
    assert!(matches!(&packets[..], [Packet::Connack(connack)] if connack.reason == refused));

    let mut rig = Rig::new(Config::default());
    let peer = rig.connect(ProtocolVersion::V5, "c");
    rig.send(peer, &Packet::Auth(Auth { reason: ReasonCode::REAUTHENTICATE, properties: method("x") }));
    let told = Disconnect { reason: ReasonCode::PROTOCOL_ERROR, ..Disconnect::default() };
    assert_eq!(rig.take(peer), (vec![Packet::Disconnect(told)], true));
}
