//! Session state, its end, and taking over (sections 3.1.2.4, 3.1.2.11, 3.1.4 and 4.1).

use crate::harness::Lab;
use crate::wire::*;
use std::time::Duration;

rules![
    mqtt_3_1_2_4_clean_start_forgets_everything,
    mqtt_3_1_2_5_a_kept_session_goes_on,
    session_expiry_0_ends_with_the_connection,
    clean_start_with_an_expiry_begins_a_session_that_stays,
    clean_session_1_ends_with_the_connection,
    old_subscriptions_are_gone_after_clean_session_1,
    mqtt_3_1_4_3_a_second_connection_takes_over_with_0x8e,
    takeover_before_mqtt_5_closes_the_old_connection,
    takeover_with_queued_packets_loses_none,
    takeover_across_versions,
    the_offline_queue_keeps_qos_1_and_2_in_order,
    qos_0_is_not_kept_for_who_is_away,
    subscriptions_survive_and_may_be_made_anew,
    messages_from_before_and_after_a_reconnect_stay_in_order,
];

fn mqtt_3_1_2_4_clean_start_forgets_everything(lab: &Lab) {
    for version in [V311, V5] {
        let id = format!("a{version}");
        let client = lab.connect(&durable(version, &id));
        client.subscribe("t", 2);
        lab.v5("p").say("t", "in flight", 2);
        client.receive_publish();
        client.vanish();
        lab.v5("p").say("t", "queued", 1);
        let clean = Connect { is_clean: true, ..durable(version, &id) };
        let client = lab.connect(&clean);
        assert_eq!(client.connack[2], 0);
        client.expect_nothing();
        lab.v5("p").say("t", "not subscribed", 1);
        client.expect_nothing();
        client.vanish();
    }
}

fn mqtt_3_1_2_5_a_kept_session_goes_on(lab: &Lab) {
    for version in [V31, V311, V5] {
        let id = format!("a{version}");
        let client = lab.connect(&durable(version, &id));
        client.subscribe("t", 1);
        client.disconnect();
        lab.v5("p").say("t", "x", 1);
        let client = lab.connect(&durable(version, &id));
        client.expect_publish(&publish(version, "t", "x").qos(1, 1));
        client.puback(1);
        client.expect_nothing();
        client.vanish();
    }
}

fn session_expiry_0_ends_with_the_connection(lab: &Lab) {
    let short = Connect { is_clean: false, ..connect(V5, "a") };
    for end in [true, false] {
        let client = lab.connect(&short);
        assert_eq!(client.connack[2], 0);
        client.subscribe("t", 1);
        if end { client.disconnect() } else { client.vanish() }
    }
    assert_eq!(lab.connect(&short).connack[2], 0);
}

fn clean_start_with_an_expiry_begins_a_session_that_stays(lab: &Lab) {
    let begin = Connect { is_clean: true, ..durable(V5, "a") };
    let client = lab.connect(&begin);
    client.subscribe("t", 1);
    client.disconnect();
    lab.v5("p").say("t", "x", 1);
    let client = lab.connect(&durable(V5, "a"));
    assert_eq!(client.connack[2], 1);
    assert_eq!(client.receive_publish().payload, b"x");
}

fn clean_session_1_ends_with_the_connection(lab: &Lab) {
    for version in [V31, V311] {
        let id = format!("a{version}");
        let client = lab.connect(&connect(version, &id));
        client.subscribe("t", 1);
        client.vanish();
        lab.v5("p").say("t", "x", 1);
        let client = lab.connect(&durable(version, &id));
        assert_eq!(client.connack, connack(false, 0));
        client.expect_nothing();
    }
}

fn old_subscriptions_are_gone_after_clean_session_1(lab: &Lab) {
    let client = lab.connect(&durable(V311, "a"));
    client.subscribe("t", 1);
    client.disconnect();
    lab.v311("a").disconnect();
    let client = lab.connect(&durable(V311, "a"));
    assert_eq!(client.connack, connack(false, 0));
    lab.v5("p").say("t", "x", 1);
    client.expect_nothing();
}

fn mqtt_3_1_4_3_a_second_connection_takes_over_with_0x8e(lab: &Lab) {
    let old = lab.v5("a");
    old.subscribe("t", 0);
    let new = lab.v5("a");
    old.expect_disconnect(0x8E);
    new.expect_nothing();
    let newest = lab.connect(&Connect { is_clean: false, ..connect(V5, "a") });
    new.expect_disconnect(0x8E);
    newest.expect_nothing();
}

fn takeover_before_mqtt_5_closes_the_old_connection(lab: &Lab) {
    for version in [V31, V311] {
        let id = format!("a{version}");
        let old = lab.connect(&durable(version, &id));
        old.subscribe("t", 1);
        let new = lab.connect(&durable(version, &id));
        old.expect_end([]);
        lab.v5("p").say("t", "x", 1);
        new.expect_publish(&publish(version, "t", "x").qos(1, 1));
        new.vanish();
    }
}

fn takeover_with_queued_packets_loses_none(lab: &Lab) {
    let old = lab.connect(&durable(V5, "a"));
    old.subscribe("t", 1);
    let publisher = lab.v5("p");
    for number in 0..30 {
        publisher.say("t", &number.to_string(), 1);
    }
    let new = lab.connect(&durable(V5, "a"));
    assert_eq!(new.connack[2], 1);
    for number in 0..30 {
        let message = new.receive_publish();
        assert_eq!((message.payload, message.dup), (number.to_string().into_bytes(), number < 20));
        new.puback(message.id);
    }
    new.expect_nothing();
    // Twenty went to the old connection, and the reason is the last that it hears.
    for number in 0..20 {
        assert_eq!(old.receive_publish().payload, number.to_string().as_bytes());
    }
    old.expect_disconnect(0x8E);
}

fn takeover_across_versions(lab: &Lab) {
    let old = lab.connect(&durable(V5, "a"));
    old.subscribe("t", 1);
    let middle = lab.connect(&durable(V311, "a"));
    old.expect_disconnect(0x8E);
    assert_eq!(middle.connack, connack(true, 0));
    lab.v5("p").say("t", "x", 1);
    middle.expect_publish(&publish(V311, "t", "x").qos(1, 1));
    let new = lab.connect(&durable(V5, "a"));
    middle.expect_end([]);
    new.expect_publish(&publish(V5, "t", "x").qos(1, 1).dup());
}

fn the_offline_queue_keeps_qos_1_and_2_in_order(lab: &Lab) {
    for version in [V31, V311, V5] {
        let id = format!("a{version}");
        let client = lab.connect(&durable(version, &id));
        client.subscribe("t", 2);
        client.vanish();
        let publisher = lab.v5("p");
        for number in 0..10_u8 {
            publisher.say("t", &number.to_string(), number % 2 + 1);
        }
        let client = lab.connect(&durable(version, &id));
        for number in 0..10_u8 {
            let id = u16::from(number) + 1;
            client.expect_publish(&publish(version, "t", number.to_string()).qos(number % 2 + 1, id));
        }
        client.vanish();
    }
}

fn qos_0_is_not_kept_for_who_is_away(lab: &Lab) {
    let client = lab.connect(&durable(V311, "a"));
    client.subscribe("t", 2);
    client.vanish();
    lab.v5("p").say("t", "x", 0);
    lab.connect(&durable(V311, "a")).expect_nothing();
}

fn subscriptions_survive_and_may_be_made_anew(lab: &Lab) {
    let client = lab.connect(&durable(V5, "a"));
    client.subscribe("t", 0);
    client.disconnect();
    let client = lab.connect(&durable(V5, "a"));
    client.subscribe("t", 1);
    lab.v5("p").say("t", "x", 1);
    client.expect_publish(&publish(V5, "t", "x").qos(1, 1));
    client.expect_nothing();
}

fn messages_from_before_and_after_a_reconnect_stay_in_order(lab: &Lab) {
    let publisher = lab.v5("p");
    let client = lab.connect(&durable(V5, "a"));
    client.subscribe("t", 1);
    publisher.say("t", "1", 1);
    client.receive_publish();
    client.vanish();
    publisher.say("t", "2", 1);
    let client = lab.connect(&durable(V5, "a"));
    publisher.say("t", "3", 1);
    let payloads = [(); 3].map(|()| client.receive_publish().payload);
    assert_eq!(payloads, [b"1", b"2", b"3"]);
}

/// A session with a subscription and one message, left at once; returns whether it is still there after `after`.
fn is_kept(expiry: u32, changed: Option<u32>, after: Duration) -> bool {
    let lab = Lab::pure();
    let begin = Connect { properties: four(SESSION_EXPIRY_INTERVAL, expiry), ..connect(V5, "a") };
    let client = lab.connect(&begin);
    client.subscribe("t", 1);
    match changed {
        Some(seconds) => {
            client.send(disconnect_with(0, &four(SESSION_EXPIRY_INTERVAL, seconds)));
            client.expect_end([]);
        }
        None => client.vanish(),
    }
    lab.v5("p").say("t", "x", 1);
    lab.advance(after);
    let client = lab.connect(&durable(V5, "a"));
    let is_kept = client.connack[2] == 1;
    if is_kept {
        assert_eq!(client.receive_publish().payload, b"x");
    }
    client.expect_nothing();
    is_kept
}

#[test]
fn mqtt_3_1_2_23_a_session_is_kept_for_its_expiry_and_no_shorter() {
    let millisecond = Duration::from_millis(1);
    for seconds in [1, 2, 59, 3600, 100_000] {
        let expiry = Duration::from_secs(seconds.into());
        assert!(is_kept(seconds, None, expiry - millisecond), "{seconds} s is early");
        assert!(!is_kept(seconds, None, expiry + millisecond), "{seconds} s is late");
    }
    assert!(is_kept(u32::MAX, None, Duration::from_secs(10_000_000_000)), "for ever");
}

#[test]
fn disconnect_may_change_the_session_expiry() {
    assert!(!is_kept(3600, Some(0), Duration::ZERO));
    assert!(!is_kept(3600, Some(5), Duration::from_millis(5001)));
    assert!(is_kept(5, Some(3600), Duration::from_secs(3000)));
    assert!(is_kept(5, Some(u32::MAX), Duration::from_secs(1_000_000_000)));
}

#[test]
fn the_expiry_counts_from_the_last_disconnection() {
    let lab = Lab::pure();
    let again =
        Connect { is_clean: false, properties: four(SESSION_EXPIRY_INTERVAL, 10), ..connect(V5, "a") };
    for _ in 0..4 {
        let client = lab.connect(&again);
        lab.advance_seconds(8);
        client.vanish();
        lab.advance_seconds(8);
    }
    assert_eq!(lab.connect(&again).connack[2], 1);
}

#[test]
fn durable_sessions_before_mqtt_5_never_expire_by_default() {
    let lab = Lab::pure();
    lab.connect(&durable(V311, "a")).vanish();
    lab.advance(Duration::from_secs(1_000_000_000));
    assert_eq!(lab.connect(&durable(V311, "a")).connack[2], 1);
}

#[test]
fn persistent_client_expiration_ends_them() {
    let lab = Lab::with(|config| config.persistent_client_expiration = Some(Duration::from_secs(100)));
    lab.connect(&durable(V311, "a")).vanish();
    let for_ever = Connect { properties: four(SESSION_EXPIRY_INTERVAL, u32::MAX), ..connect(V5, "b") };
    lab.connect(&for_ever).vanish();
    lab.advance(Duration::from_millis(99_999));
    let (a, b) =
        (lab.connect(&durable(V311, "a")), lab.connect(&Connect { is_clean: false, ..for_ever.clone() }));
    assert_eq!((a.connack[2], b.connack[2]), (1, 1));
    a.vanish();
    b.vanish();
    lab.advance(Duration::from_millis(100_001));
    assert_eq!(lab.connect(&durable(V311, "a")).connack[2], 0);
    assert_eq!(lab.connect(&Connect { is_clean: false, ..for_ever }).connack[2], 0);
}

#[test]
fn the_offline_queue_is_bounded_and_the_newest_are_dropped() {
    let lab = Lab::with(|config| {
        config.max_queued_messages = 10;
        config.max_inflight_messages = 5;
    });
    let client = lab.connect(&durable(V311, "a"));
    client.subscribe("t", 1);
    client.vanish();
    let publisher = lab.v311("p");
    for number in 0..100 {
        publisher.say("t", &number.to_string(), 1);
    }
    let client = lab.connect(&durable(V311, "a"));
    let mut count = 0;
    client.send(PINGREQ);
    loop {
        let packet = client.receive();
        if packet == PINGRESP {
            break;
        }
        let message = Publish::parse(V311, &packet);
        assert_eq!(message.payload, count.to_string().as_bytes());
        count += 1;
        if count % 5 == 0 {
            client.expect(PINGRESP);
            (count - 4..=count).for_each(|id| client.puback(u16::try_from(id).unwrap()));
            client.send(PINGREQ);
        }
    }
    assert!((10..=15).contains(&count), "{count}");
}

#[test]
fn queue_qos0_messages_keeps_them_too() {
    let lab = Lab::with(|config| config.queue_qos0_messages = true);
    let client = lab.connect(&durable(V311, "a"));
    client.subscribe("t", 0);
    client.vanish();
    lab.v5("p").say("t", "x", 0);
    lab.connect(&durable(V311, "a")).expect_publish(&publish(V311, "t", "x"));
}

#[test]
fn queued_bytes_are_bounded() {
    let lab = Lab::with(|config| config.max_queued_bytes = 1000);
    let client = lab.connect(&durable(V311, "a"));
    client.subscribe("t", 1);
    client.vanish();
    let publisher = lab.v311("p");
    for _ in 0..30 {
        publisher.publish(&publish(V311, "t", [b'x'; 100]).qos(1, 0));
    }
    let client = lab.connect(&durable(V311, "a"));
    let mut count: u16 = 0;
    client.send(PINGREQ);
    while client.receive() != PINGRESP {
        count += 1;
    }
    assert!((9..=11).contains(&count), "{count}");
}
