//! Enhanced authentication, AUTH, and users (sections 3.15 and 4.12).

use crate::harness::{Client, Lab};
use crate::wire::*;
use culex::broker::{Authenticated, Event};
use culex::packet::ReasonCode;

rules![
    auth_from_a_client_that_did_not_begin_with_it_is_0x82,
    mqtt_3_15_1_1_reserved_flags_are_checked,
    auth_before_connect_closes,
];

fn auth_from_a_client_that_did_not_begin_with_it_is_0x82(lab: &Lab) {
    for reason in [0x00, 0x18, 0x19] {
        lab.v5("a").fails(auth(reason, "SCRAM-SHA-256", "x"), 0x82);
    }
    lab.v5("a").fails([0xF0, 0], 0x82);
}

fn mqtt_3_15_1_1_reserved_flags_are_checked(lab: &Lab) {
    for first in [0xF1, 0xF2, 0xFF] {
        let mut bytes = auth(0x18, "m", "x");
        bytes[0] = first;
        lab.v5("a").fails(&bytes, 0x81);
    }
}

fn auth_before_connect_closes(lab: &Lab) {
    lab.refuses(&auth(0x18, "m", "x"), &[]);
}

/// A broker that asks its owner about users and about the method `PING-PONG`.
fn asking() -> Lab {
    Lab::with(|config| {
        config.listeners[0].authenticate = true;
        config.authentication_methods = vec!["PING-PONG".try_into().unwrap()];
    })
}

fn with_method() -> Connect {
    let properties =
        [string(AUTHENTICATION_METHOD, "PING-PONG"), string(AUTHENTICATION_DATA, "ping")].concat();
    Connect { properties, ..connect(V5, "a") }
}

/// The one request that waits, as the password or the data that it shows.
fn request(lab: &Lab) -> Vec<u8> {
    lab.pure_server(|pure| {
        let requests: Vec<_> = pure.events.drain(..).collect();
        let [Event::Authenticate { request, .. }] = &requests[..] else {
            panic!("one request was expected: {requests:?}");
        };
        let shown = request.data.as_ref().or(request.password.as_ref());
        shown.map(|shown| shown.to_vec()).unwrap_or_default()
    })
}

fn answer(lab: &Lab, client: &Client<'_>, verdict: Authenticated) {
    lab.pure_server(|pure| {
        let (id, now) = (pure.id(client.connection), pure.now);
        pure.broker.handle_authenticated(now, id, verdict);
        pure.pump();
    });
}

fn accept(data: Option<&'static str>) -> Authenticated {
    Authenticated::Accept { user_name: None, data: data.map(Into::into) }
}

/// A client that went through the exchange.
fn authenticated<'a>(lab: &'a Lab) -> Client<'a> {
    let client = lab.open(V5);
    client.send(with_method().bytes());
    assert_eq!(request(lab), b"ping");
    answer(lab, &client, accept(None));
    assert_eq!(client.receive()[..4], [0x20, client_length(), 0, 0]);
    client
}

/// CONNACK: flags, reason, the server's properties and the method.
fn client_length() -> u8 {
    let properties = server_properties(&string(AUTHENTICATION_METHOD, "PING-PONG"));
    u8::try_from(properties.len() + 3).unwrap()
}

#[test]
fn user_and_password_are_judged_by_the_owner() {
    for version in [V31, V311, V5] {
        let lab = asking();
        let user = Connect { user_name: Some("u"), password: Some("secret"), ..connect(version, "a") };
        let client = lab.open(version);
        client.send(user.bytes());
        assert_eq!(request(&lab), b"secret");
        answer(&lab, &client, accept(None));
        assert_eq!(client.receive()[3], 0);
        client.expect_nothing();

        let client = lab.open(version);
        client.send(user.bytes());
        request(&lab);
        answer(&lab, &client, Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED));
        let refused = if version == V5 { refusal(0x87) } else { connack(false, 5) };
        client.expect_end(refused);
    }
}

#[test]
fn return_codes_before_mqtt_5_are_the_nearest() {
    for (reason, code) in [
        (ReasonCode::BAD_USER_NAME_OR_PASSWORD, 4),
        (ReasonCode::NOT_AUTHORIZED, 5),
        (ReasonCode::SERVER_UNAVAILABLE, 3),
    ] {
        let lab = asking();
        let client = lab.open(V311);
        client.send(Connect { user_name: Some("u"), ..connect(V311, "a") }.bytes());
        answer(&lab, &client, Authenticated::Refuse(reason));
        client.expect_end(connack(false, code));
    }
}

#[test]
fn what_follows_connect_waits_for_the_verdict() {
    let lab = asking();
    let client = lab.open(V311);
    let user = Connect { user_name: Some("u"), ..connect(V311, "a") };
    client.send([user.bytes(), subscribe(V311, &[("t", 0)]), PINGREQ[..1].to_vec()].concat());
    client.send([0]);
    assert!(!lab.pure_server(|pure| pure.is_closed(client.connection)));
    answer(&lab, &client, accept(None));
    client.expect(connack(false, 0));
    client.expect(suback(V311, &[0]));
    client.expect(PINGRESP);
}

#[test]
fn mqtt_3_1_4_6_what_follows_a_refused_connect_is_not_read() {
    let lab = asking();
    let watcher = lab.v5("watcher");
    watcher.subscribe("t", 0);
    let client = lab.open(V311);
    let user = Connect { user_name: Some("u"), ..connect(V311, "a") };
    client.send([user.bytes(), publish(V311, "t", "secret").bytes()].concat());
    answer(&lab, &client, Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED));
    client.expect_end(connack(false, 5));
    watcher.expect_nothing();
}

#[test]
fn a_client_that_waits_for_ever_is_closed() {
    let lab = asking();
    let client = lab.open(V5);
    client.send(with_method().bytes());
    request(&lab);
    answer(&lab, &client, Authenticated::Continue { data: "pong".into() });
    client.expect(auth(0x18, "PING-PONG", "pong"));
    lab.advance_seconds(31);
    assert!(lab.pure_server(|pure| pure.is_closed(client.connection)));
}

#[test]
fn mqtt_4_12_0_2_an_exchange_goes_to_and_fro_and_ends_in_connack() {
    let lab = asking();
    let client = lab.open(V5);
    client.send(with_method().bytes());
    assert_eq!(request(&lab), b"ping");
    answer(&lab, &client, Authenticated::Continue { data: "pong".into() });
    client.expect(auth(0x18, "PING-PONG", "pong"));
    client.send(auth(0x18, "PING-PONG", "ping again"));
    assert_eq!(request(&lab), b"ping again");
    answer(&lab, &client, accept(Some("done")));
    let connack = client.receive();
    for property in [string(AUTHENTICATION_METHOD, "PING-PONG"), string(AUTHENTICATION_DATA, "done")] {
        assert!(connack.windows(property.len()).any(|window| window == property), "{connack:02x?}");
    }
    client.expect_nothing();
}

#[test]
fn mqtt_4_12_0_4_a_refused_exchange_ends_in_connack() {
    let lab = asking();
    let client = lab.open(V5);
    client.send(with_method().bytes());
    answer(&lab, &client, Authenticated::Continue { data: "pong".into() });
    client.expect(auth(0x18, "PING-PONG", "pong"));
    client.send(auth(0x18, "PING-PONG", "wrong"));
    answer(&lab, &client, Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED));
    client.expect_end(refusal(0x87));
}

#[test]
fn mqtt_3_1_2_30_only_auth_and_disconnect_during_the_exchange() {
    for packet in [publish(V5, "t", "x").bytes(), PINGREQ.to_vec(), subscribe(V5, &[("t", 0)])] {
        let lab = asking();
        let client = lab.open(V5);
        client.send(with_method().bytes());
        answer(&lab, &client, Authenticated::Continue { data: "pong".into() });
        client.expect(auth(0x18, "PING-PONG", "pong"));
        client.send(packet);
        client.expect_end(refusal(0x82));
    }
}

#[test]
fn mqtt_4_12_0_5_another_method_is_refused() {
    let lab = asking();
    let client = lab.open(V5);
    client.send(with_method().bytes());
    answer(&lab, &client, Authenticated::Continue { data: "pong".into() });
    client.expect(auth(0x18, "PING-PONG", "pong"));
    client.send(auth(0x18, "PONG-PING", "x"));
    let answer = client.receive();
    assert!(answer[3] >= 0x80, "{answer:02x?}");
}

#[test]
fn mqtt_4_12_1_1_re_authentication_goes_on_while_messages_flow() {
    let lab = asking();
    let client = authenticated(&lab);
    client.subscribe("t", 0);
    client.send(auth(0x19, "PING-PONG", "again"));
    assert_eq!(request(&lab), b"again");
    answer(&lab, &client, Authenticated::Continue { data: "pong".into() });
    client.expect(auth(0x18, "PING-PONG", "pong"));
    client.send(publish(V5, "t", "x").bytes());
    client.expect_publish(&publish(V5, "t", "x"));
    client.send(auth(0x18, "PING-PONG", "ping"));
    request(&lab);
    answer(&lab, &client, accept(None));
    client.expect(frame(0xF0, &[vec![0], properties(&string(AUTHENTICATION_METHOD, "PING-PONG"))].concat()));
    client.expect_nothing();
}

#[test]
fn mqtt_4_12_1_2_a_refused_re_authentication_ends_the_connection() {
    let lab = asking();
    let client = authenticated(&lab);
    client.send(auth(0x19, "PING-PONG", "again"));
    answer(&lab, &client, Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED));
    client.expect_disconnect(0x87);
}

#[test]
fn re_authentication_with_another_method_is_refused() {
    let lab = asking();
    let client = authenticated(&lab);
    client.send(auth(0x19, "OTHER", "x"));
    let reason = client.receive();
    assert!(matches!(reason[2], 0x82 | 0x8C), "{reason:02x?}");
}

#[test]
fn a_verdict_for_a_connection_that_has_gone_is_ignored() {
    let lab = asking();
    let client = lab.open(V5);
    client.send(with_method().bytes());
    let id = lab.pure_server(|pure| pure.id(client.connection));
    client.vanish();
    lab.pure_server(|pure| {
        let now = pure.now;
        pure.broker.handle_authenticated(now, id, accept(None));
        pure.pump();
    });
    assert_eq!(lab.v5("other").connack[3], 0);
}
