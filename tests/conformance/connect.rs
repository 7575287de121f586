//! CONNECT (section 3.1).

use crate::harness::Lab;
use crate::wire::*;

rules![
    mqtt_3_1_0_1_another_first_packet_closes,
    mqtt_3_1_0_2_second_connect_is_0x82,
    mqtt_3_1_2_1_unknown_protocol_name_closes_without_connack,
    mqtt_3_1_2_2_unknown_level_is_0x84_in_the_shape_of_mqtt_5,
    old_name_with_new_level_is_return_code_1,
    mqtt_3_1_2_3_reserved_flag_is_refused,
    mqtt_3_1_2_11_will_qos_without_will_is_refused,
    mqtt_3_1_2_12_will_qos_3_is_refused,
    mqtt_3_1_2_13_will_retain_without_will_is_refused,
    mqtt_3_1_2_16_fields_follow_their_flags,
    password_without_user_name_is_for_mqtt_5_only,
    mqtt_3_1_3_5_client_identifiers_of_letters_and_digits_are_accepted,
    mqtt_3_1_3_6_empty_client_identifier_is_assigned,
    mqtt_3_1_3_7_an_assigned_identifier_names_the_session,
    empty_client_identifier_with_clean_session_0_is_return_code_2,
    empty_client_identifier_of_mqtt_3_1_is_return_code_2,
    mqtt_3_1_3_4_client_identifier_must_be_utf_8,
    mqtt_3_1_3_11_will_topic_must_be_utf_8_and_a_topic_name,
    properties_of_connect_are_judged,
    an_unknown_authentication_method_is_0x8c,
    keep_alive_0_is_legal,
    mqtt_3_1_4_5_packets_may_follow_connect_at_once,
    connect_may_come_byte_by_byte,
    a_connect_over_100000_bytes_is_refused_before_it_is_read,
    connect_cut_short_by_its_length_is_refused,
    bytes_behind_the_last_field_are_refused,
    overlong_remaining_length_is_refused_in_mqtt_5,
    mqtt_3_1_4_1_a_malformed_connect_leaves_the_old_connection_alone,
];

/// A CONNECT of which one byte has been changed by hand.
fn changed(connect: &Connect, at: usize, to: u8) -> Vec<u8> {
    let mut bytes = connect.bytes();
    bytes[at] = to;
    bytes
}

/// Where the Connect Flags stand when the protocol name is `MQTT`.
const FLAGS: usize = 9;

fn mqtt_3_1_0_1_another_first_packet_closes(lab: &Lab) {
    for packet in [
        publish(V311, "a", "x").bytes(),
        PINGREQ.to_vec(),
        DISCONNECT.to_vec(),
        subscribe(V311, &[("a", 0)]),
        ack(PUBACK, 1),
        connack(false, 0),
        vec![0xF0, 0],
        vec![0x00, 0],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        lab.refuses(&packet, &[]);
    }
}

fn mqtt_3_1_0_2_second_connect_is_0x82(lab: &Lab) {
    lab.v5("a").fails(connect(V5, "a").bytes(), 0x82);
    lab.v5("a").fails(connect(V5, "b").bytes(), 0x82);
    lab.v311("a").fails(connect(V311, "a").bytes(), 0x82);
}

fn mqtt_3_1_2_1_unknown_protocol_name_closes_without_connack(lab: &Lab) {
    for name in ["", "mqtt", "MQTTT", "MQIsdq", "HTTP"] {
        let body = [binary(name), vec![4, 2, 0, 60], binary("a")].concat();
        lab.refuses(&frame(0x10, &body), &[]);
    }
}

fn mqtt_3_1_2_2_unknown_level_is_0x84_in_the_shape_of_mqtt_5(lab: &Lab) {
    for level in [0, 1, 2, 6, 7, 255] {
        lab.refuses(&changed(&connect(V311, "a"), 8, level), &refusal(0x84));
    }
}

fn old_name_with_new_level_is_return_code_1(lab: &Lab) {
    lab.refuses(&changed(&connect(V31, "a"), 10, 4), &connack(false, 1));
    lab.refuses(&changed(&connect(V311, "a"), 8, 3), &connack(false, 1));
}

fn mqtt_3_1_2_3_reserved_flag_is_refused(lab: &Lab) {
    lab.refuses(&changed(&connect(V5, "a"), FLAGS, 0x03), &refusal(0x81));
    lab.refuses(&changed(&connect(V311, "a"), FLAGS, 0x03), &[]);
}

fn mqtt_3_1_2_11_will_qos_without_will_is_refused(lab: &Lab) {
    for flags in [0x0A, 0x12] {
        lab.refuses(&changed(&connect(V5, "a"), FLAGS, flags), &refusal(0x81));
        lab.refuses(&changed(&connect(V311, "a"), FLAGS, flags), &[]);
    }
}

fn mqtt_3_1_2_12_will_qos_3_is_refused(lab: &Lab) {
    let will = Some(Will { topic: "w", qos: 3, ..Will::default() });
    lab.refuses(&Connect { will: will.clone(), ..connect(V5, "a") }.bytes(), &refusal(0x81));
    lab.refuses(&Connect { will, ..connect(V311, "a") }.bytes(), &[]);
}

fn mqtt_3_1_2_13_will_retain_without_will_is_refused(lab: &Lab) {
    lab.refuses(&changed(&connect(V5, "a"), FLAGS, 0x22), &refusal(0x81));
    lab.refuses(&changed(&connect(V311, "a"), FLAGS, 0x22), &[]);
}

fn mqtt_3_1_2_16_fields_follow_their_flags(lab: &Lab) {
    for version in [V31, V311, V5] {
        let whole = Connect { user_name: Some("u"), password: Some("p"), ..connect(version, "a") };
        lab.connect(&whole).expect_nothing();
        lab.connect(&Connect { password: None, ..whole.clone() }).expect_nothing();
    }
    let missing = changed(&connect(V5, "a"), FLAGS, 0x82);
    lab.refuses(&missing, &refusal(0x81));
    lab.refuses(&changed(&connect(V311, "a"), FLAGS, 0x82), &[]);
}

fn password_without_user_name_is_for_mqtt_5_only(lab: &Lab) {
    lab.connect(&Connect { password: Some("p"), ..connect(V5, "a") }).expect_nothing();
    lab.refuses(&Connect { password: Some("p"), ..connect(V311, "a") }.bytes(), &[]);
}

fn mqtt_3_1_3_5_client_identifiers_of_letters_and_digits_are_accepted(lab: &Lab) {
    lab.v5("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ").expect_nothing();
    lab.v311(&"x".repeat(23)).expect_nothing();
    lab.v311(&"x".repeat(65_535)).expect_nothing();
    lab.v5("Grüße/+#$ 温度").expect_nothing();
}

fn mqtt_3_1_3_6_empty_client_identifier_is_assigned(lab: &Lab) {
    let mut assigned = Vec::new();
    for is_clean in [true, false] {
        let client = lab.connect(&Connect { is_clean, ..connect(V5, "") });
        // 20 len 00 00 len, 22 00 0a, 12 00 29, the identifier.
        assert_eq!(client.connack[8..11], [ASSIGNED_CLIENT_IDENTIFIER, 0, 41]);
        let identifier = String::from_utf8(client.connack[11..52].to_vec()).unwrap();
        assert!(identifier.starts_with("auto-"), "{identifier}");
        let own = server_properties(&string(ASSIGNED_CLIENT_IDENTIFIER, &identifier));
        assert_eq!(client.connack, connack5(false, &own));
        assigned.push(identifier);
    }
    assert_ne!(assigned[0], assigned[1]);
    assert_eq!(lab.v311("").connack, connack(false, 0));
}

fn mqtt_3_1_3_7_an_assigned_identifier_names_the_session(lab: &Lab) {
    let client = lab.connect(&Connect { id: String::new(), ..durable(V5, "") });
    let identifier = String::from_utf8(client.connack[11..52].to_vec()).unwrap();
    client.subscribe("t", 1);
    client.vanish();
    lab.v5("p").say("t", "x", 1);
    let client = lab.connect(&durable(V5, &identifier));
    assert_eq!(client.connack, connack5(true, &server_properties(&[])));
    client.expect_publish(&publish(V5, "t", "x").qos(1, 1));
}

fn empty_client_identifier_with_clean_session_0_is_return_code_2(lab: &Lab) {
    lab.refuses(&Connect { is_clean: false, ..connect(V311, "") }.bytes(), &connack(false, 2));
}

fn empty_client_identifier_of_mqtt_3_1_is_return_code_2(lab: &Lab) {
    for is_clean in [true, false] {
        lab.refuses(&Connect { is_clean, ..connect(V31, "") }.bytes(), &connack(false, 2));
    }
}

fn mqtt_3_1_3_4_client_identifier_must_be_utf_8(lab: &Lab) {
    for bad in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"a\0b", b"a\x01b", b"\x7f", b"\xef\xbf\xbf"] {
        for version in [V311, V5] {
            let mut body = [binary("MQTT"), vec![version, 2, 0, 60]].concat();
            if version == V5 {
                body.push(0);
            }
            body.extend(binary(bad));
            let answer = if version == V5 { refusal(0x81) } else { Vec::new() };
            lab.refuses(&frame(0x10, &body), &answer);
        }
    }
}

fn mqtt_3_1_3_11_will_topic_must_be_utf_8_and_a_topic_name(lab: &Lab) {
    for topic in ["w/+", "#", "a\u{1}b"] {
        let will = Some(Will { topic, ..Will::default() });
        lab.refuses(&Connect { will: will.clone(), ..connect(V5, "a") }.bytes(), &refusal(0x81));
        lab.refuses(&Connect { will, ..connect(V311, "a") }.bytes(), &[]);
    }
    let will = Some(Will::default());
    lab.refuses(&Connect { will, ..connect(V5, "a") }.bytes(), &refusal(0x82));
}

fn properties_of_connect_are_judged(lab: &Lab) {
    let session_expiry = four(SESSION_EXPIRY_INTERVAL, 1);
    for (wire, reason) in [
        (two(RECEIVE_MAXIMUM, 0), 0x82),
        (four(MAXIMUM_PACKET_SIZE, 0), 0x82),
        (byte(REQUEST_PROBLEM_INFORMATION, 2), 0x82),
        (byte(REQUEST_RESPONSE_INFORMATION, 2), 0x82),
        (session_expiry.repeat(2), 0x82),
        (string(AUTHENTICATION_DATA, "x"), 0x82),
        (two(TOPIC_ALIAS, 1), 0x81),
        (vec![0x7F, 0], 0x81),
        (vec![SESSION_EXPIRY_INTERVAL, 0, 0], 0x81),
    ] {
        let connect = Connect { properties: wire.clone(), ..connect(V5, "a") };
        let client = lab.open(V5);
        client.send(connect.bytes());
        client.expect_end(refusal(reason));
    }
    let all = [
        session_expiry,
        two(RECEIVE_MAXIMUM, 1),
        four(MAXIMUM_PACKET_SIZE, 1000),
        two(TOPIC_ALIAS_MAXIMUM, 0),
        byte(REQUEST_PROBLEM_INFORMATION, 0),
        byte(REQUEST_RESPONSE_INFORMATION, 1),
        user("a", "b"),
        user("a", "b"),
    ];
    lab.connect(&Connect { properties: all.concat(), ..connect(V5, "a") }).expect_nothing();
}

fn an_unknown_authentication_method_is_0x8c(lab: &Lab) {
    let properties = string(AUTHENTICATION_METHOD, "CARRIER-PIGEON");
    lab.refuses(&Connect { properties, ..connect(V5, "a") }.bytes(), &refusal(0x8C));
}

fn keep_alive_0_is_legal(lab: &Lab) {
    for version in [V31, V311, V5] {
        lab.connect(&Connect { keep_alive: 0, ..connect(version, "a") }).expect_nothing();
    }
}

fn mqtt_3_1_4_5_packets_may_follow_connect_at_once(lab: &Lab) {
    let client = lab.open(V5);
    let message = publish(V5, "a", "x");
    client.send([connect(V5, "c").bytes(), subscribe(V5, &[("a", 0)]), message.bytes()].concat());
    client.expect(connack5(false, &server_properties(&[])));
    client.expect(suback(V5, &[0]));
    client.expect_publish(&message);
}

fn connect_may_come_byte_by_byte(lab: &Lab) {
    let client = lab.open(V311);
    for byte in connect(V311, "c").bytes() {
        client.send([byte]);
    }
    client.expect(connack(false, 0));
}

fn a_connect_over_100000_bytes_is_refused_before_it_is_read(lab: &Lab) {
    // Only the fixed header is sent: 100,001 and 268,435,455 bytes are announced.
    for header in [&[0x10, 0xA1, 0x8D, 0x06][..], &[0x10, 0xFF, 0xFF, 0xFF, 0x7F]] {
        lab.refuses(header, &[]);
    }
}

fn connect_cut_short_by_its_length_is_refused(lab: &Lab) {
    let whole = Connect { user_name: Some("user"), password: Some("pass"), ..connect(V311, "abc") }.bytes();
    for length in 0..whole.len() - 2 {
        lab.refuses(&frame(0x10, &whole[2..2 + length]), &[]);
    }
}

fn bytes_behind_the_last_field_are_refused(lab: &Lab) {
    let longer = |version| frame(0x10, &[&connect(version, "a").bytes()[2..], b"x"].concat());
    lab.refuses(&longer(V5), &refusal(0x81));
    lab.refuses(&longer(V311), &[]);
}

fn overlong_remaining_length_is_refused_in_mqtt_5(lab: &Lab) {
    let bytes = connect(V5, "a").bytes();
    let overlong = [&[0x10, bytes[1] | 0x80, 0][..], &bytes[2..]].concat();
    lab.refuses(&overlong, &refusal(0x81));
    lab.refuses(&[0x10, 0x80, 0x80, 0x80, 0x80, 0x01], &[]);
}

fn mqtt_3_1_4_1_a_malformed_connect_leaves_the_old_connection_alone(lab: &Lab) {
    let client = lab.v5("a");
    lab.refuses(&changed(&connect(V5, "a"), FLAGS, 0x03), &refusal(0x81));
    client.expect_nothing();
}

#[test]
fn a_silent_socket_is_closed_after_the_connect_timeout() {
    let lab = Lab::with(|config| config.connect_timeout = std::time::Duration::from_secs(30));
    let silent = lab.open(V5);
    let slow = lab.open(V5);
    slow.send([0x10]);
    let connected = lab.v5("a");
    lab.advance_seconds(29);
    assert!(!lab.pure_server(|pure| pure.is_closed(silent.connection)));
    lab.advance_seconds(1);
    silent.expect_end([]);
    slow.expect_end([]);
    connected.expect_nothing();
}

#[test]
fn mqtt_3_1_3_8_empty_client_identifiers_can_be_refused() {
    let lab = Lab::with(|config| config.listeners[0].allow_zero_length_clientid = false);
    lab.refuses(&connect(V5, "").bytes(), &refusal(0x85));
    lab.refuses(&connect(V311, "").bytes(), &connack(false, 2));
}

#[test]
fn versions_that_a_listener_does_not_take_are_told_so() {
    let lab = Lab::with(|config| config.listeners[0].accept_protocol_versions = [false, true, false]);
    lab.refuses(&connect(V5, "a").bytes(), &refusal(0x84));
    lab.refuses(&connect(V31, "a").bytes(), &connack(false, 1));
    lab.v311("a").expect_nothing();
}

#[test]
fn anonymous_clients_can_be_refused() {
    let lab = Lab::with(|config| config.listeners[0].allow_anonymous = false);
    lab.refuses(&connect(V5, "a").bytes(), &refusal(0x87));
    lab.refuses(&connect(V311, "a").bytes(), &connack(false, 5));
}
