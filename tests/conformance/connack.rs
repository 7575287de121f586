//! CONNACK (section 3.2).

use crate::harness::Lab;
use crate::wire::*;

rules![
    mqtt_3_2_0_1_connack_is_the_first_packet,
    mqtt_3_2_2_2_session_present_is_0_with_clean_start,
    mqtt_3_2_2_3_session_present_is_1_when_a_session_was_kept,
    mqtt_3_1_never_has_session_present,
    properties_come_in_mosquittos_order,
    mqtt_2_2_2_1_a_refusal_has_a_property_length_of_0,
    mqtt_3_2_2_6_a_refusal_has_session_present_0,
];

fn mqtt_3_2_0_1_connack_is_the_first_packet(lab: &Lab) {
    // A session with a queued message: CONNACK still goes first.
    let away = lab.connect(&durable(V5, "a"));
    away.subscribe("t", 1);
    away.vanish();
    lab.v5("p").say("t", "x", 1);
    let back = lab.connect(&durable(V5, "a"));
    assert_eq!(back.connack[2], 1);
    assert_eq!(back.receive_publish().payload, b"x");
}

fn mqtt_3_2_2_2_session_present_is_0_with_clean_start(lab: &Lab) {
    for version in [V311, V5] {
        lab.connect(&durable(version, "a")).vanish();
        let clean = lab.connect(&connect(version, "a"));
        assert_eq!(clean.connack[2], 0);
        clean.vanish();
    }
}

fn mqtt_3_2_2_3_session_present_is_1_when_a_session_was_kept(lab: &Lab) {
    for version in [V311, V5] {
        let id = format!("v{version}");
        let first = lab.connect(&durable(version, &id));
        assert_eq!(first.connack[2], 0, "there was none");
        first.disconnect();
        assert_eq!(lab.connect(&durable(version, &id)).connack[2], 1);
    }
}

fn mqtt_3_1_never_has_session_present(lab: &Lab) {
    lab.connect(&durable(V31, "a")).disconnect();
    assert_eq!(lab.connect(&durable(V31, "a")).connack, connack(false, 0));
}

fn properties_come_in_mosquittos_order(lab: &Lab) {
    assert_eq!(lab.v5("a").connack, connack5(false, &server_properties(&[])));
}

fn mqtt_2_2_2_1_a_refusal_has_a_property_length_of_0(lab: &Lab) {
    let properties = string(AUTHENTICATION_METHOD, "unknown");
    lab.refuses(&Connect { properties, ..connect(V5, "a") }.bytes(), &[0x20, 3, 0, 0x8C, 0]);
}

fn mqtt_3_2_2_6_a_refusal_has_session_present_0(lab: &Lab) {
    lab.connect(&durable(V5, "a")).disconnect();
    let properties = string(AUTHENTICATION_METHOD, "unknown");
    let refused = Connect { is_clean: false, properties, ..connect(V5, "a") };
    lab.refuses(&refused.bytes(), &refusal(0x8C));
    assert_eq!(lab.connect(&durable(V5, "a")).connack[2], 1, "and ends no session");
}

#[test]
fn mqtt_3_2_2_21_server_keep_alive_is_told_when_it_differs() {
    let lab = Lab::with(|config| config.max_keepalive = 60);
    let capped = |keep_alive| lab.connect(&Connect { keep_alive, ..connect(V5, "a") }).connack;
    let told = [two(SERVER_KEEP_ALIVE, 60), server_properties(&[])].concat();
    assert_eq!(capped(61), connack5(false, &told));
    assert_eq!(capped(0), connack5(false, &told), "0 would be for ever");
    assert_eq!(capped(60), connack5(false, &server_properties(&[])));
    let old = |keep_alive| Connect { keep_alive, ..connect(V311, "b") };
    lab.refuses(&old(61).bytes(), &connack(false, 2));
    lab.refuses(&old(0).bytes(), &connack(false, 2));
    assert_eq!(lab.connect(&old(60)).connack, connack(false, 0));
}

#[test]
fn mqtt_3_2_2_9_restrictions_are_told_at_their_places() {
    let lab = Lab::with(|config| {
        config.retain_available = false;
        config.listeners[0].maximum_qos = culex::packet::Qos::AtLeastOnce;
    });
    let told = [
        two(TOPIC_ALIAS_MAXIMUM, 10),
        byte(RETAIN_AVAILABLE, 0),
        four(MAXIMUM_PACKET_SIZE, 2_000_000),
        two(RECEIVE_MAXIMUM, 20),
        byte(MAXIMUM_QOS, 1),
    ];
    assert_eq!(lab.v5("a").connack, connack5(false, &told.concat()));
}

#[test]
fn mqtt_3_1_2_28_response_information_is_given_to_whom_asks() {
    let lab = Lab::with(|config| config.response_information = Some("answers/".try_into().unwrap()));
    let asks = |value| Connect { properties: byte(REQUEST_RESPONSE_INFORMATION, value), ..connect(V5, "a") };
    let information = string(RESPONSE_INFORMATION, "answers/");
    let has = |connack: &[u8]| connack.windows(information.len()).any(|window| window == information);
    assert!(has(&lab.connect(&asks(1)).connack));
    assert!(!has(&lab.connect(&asks(0)).connack));
    assert!(!has(&lab.v5("a").connack));
}

#[test]
fn assigned_identifiers_begin_as_configured() {
    let lab = Lab::with(|config| config.listeners[0].auto_id_prefix = "dev-".try_into().unwrap());
    let connack = lab.v5("").connack;
    assert_eq!(connack[8..15], *b"\x12\x00\x28dev-");
}
