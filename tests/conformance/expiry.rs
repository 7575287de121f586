//! Message Expiry (section 3.3.2.3.3).

use crate::harness::{Client, Lab};
use crate::wire::*;
use std::time::Duration;

rules![an_interval_that_has_not_run_is_forwarded_as_it_came];

fn expiring(seconds: u32) -> Publish {
    publish(V5, "t", "x").properties(&four(MESSAGE_EXPIRY_INTERVAL, seconds))
}

fn an_interval_that_has_not_run_is_forwarded_as_it_came(lab: &Lab) {
    let client = lab.v5("a");
    client.subscribe("t", 0);
    for seconds in [1, 1000, u32::MAX] {
        lab.v5("p").publish(&expiring(seconds));
        client.expect_publish(&expiring(seconds));
    }
}

fn away(lab: &Lab) {
    let client = lab.connect(&durable(V5, "away"));
    client.subscribe("t", 2);
    client.vanish();
}

fn back(lab: &Lab) -> Client<'_> {
    lab.connect(&durable(V5, "away"))
}

#[test]
fn mqtt_3_3_2_5_a_queued_message_expires_and_never_early() {
    for seconds in [1, 10, 3000] {
        for (early, is_there) in [(1, true), (0, false)] {
            let lab = Lab::pure();
            away(&lab);
            lab.v5("p").publish(&expiring(seconds).qos(1, 0));
            lab.advance(Duration::from_secs(seconds.into()) - Duration::from_millis(early));
            let client = back(&lab);
            if is_there {
                assert_eq!(client.receive_publish().payload, b"x");
            }
            client.expect_nothing();
        }
    }
}

#[test]
fn mqtt_3_3_2_6_the_interval_is_what_is_left() {
    let lab = Lab::pure();
    away(&lab);
    let wire = [user("a", "b"), four(MESSAGE_EXPIRY_INTERVAL, 100), user("c", "d")].concat();
    lab.v5("p").publish(&publish(V5, "t", "x").properties(&wire).qos(1, 0));
    lab.advance_seconds(30);
    let left = [user("a", "b"), four(MESSAGE_EXPIRY_INTERVAL, 70), user("c", "d")].concat();
    back(&lab).expect_publish(&publish(V5, "t", "x").properties(&left).qos(1, 1));
}

#[test]
fn what_is_left_is_never_0_before_the_end() {
    let lab = Lab::pure();
    away(&lab);
    lab.v5("p").publish(&expiring(10).qos(1, 0));
    lab.advance(Duration::from_millis(9_500));
    assert_eq!(back(&lab).receive_publish().properties, four(MESSAGE_EXPIRY_INTERVAL, 1));
}

#[test]
fn an_interval_of_0_reaches_only_who_is_there() {
    let lab = Lab::pure();
    away(&lab);
    let here = lab.v5("here");
    here.subscribe("t", 1);
    lab.v5("p").publish(&expiring(0).qos(1, 0));
    // The standard lets a server send it at once; later it is gone.
    lab.advance(Duration::from_millis(1));
    back(&lab).expect_nothing();
}

#[test]
fn a_retained_message_expires() {
    let lab = Lab::pure();
    lab.v5("p").publish(&expiring(10).retain());
    lab.advance(Duration::from_millis(9_999));
    let client = lab.v5("a");
    client.subscribe("t", 0);
    assert_eq!(client.receive_publish().properties, four(MESSAGE_EXPIRY_INTERVAL, 1));
    lab.advance(Duration::from_millis(2));
    let client = lab.v5("b");
    client.subscribe("t", 0);
    client.expect_nothing();
}

#[test]
fn a_retained_message_that_was_replaced_does_not_end_the_new_one() {
    let lab = Lab::pure();
    lab.v5("p").publish(&expiring(10).retain());
    lab.advance_seconds(5);
    lab.v5("p").publish(&publish(V5, "t", "new").retain());
    lab.advance_seconds(100);
    let client = lab.v5("a");
    client.subscribe("t", 0);
    client.expect_publish(&publish(V5, "t", "new").retain());
}

#[test]
fn retain_expiry_interval_ends_those_without_an_expiry() {
    let lab = Lab::with(|config| config.retain_expiry_interval = 60);
    lab.v5("p").publish(&publish(V5, "t", "x").retain());
    lab.advance(Duration::from_millis(59_999));
    let client = lab.v5("a");
    client.subscribe("t", 0);
    assert_eq!(client.receive_publish().payload, b"x");
    lab.advance(Duration::from_millis(2));
    client.subscribe("t", 0);
    client.expect_nothing();
}

#[test]
fn mqtt_4_3_3_7_a_message_in_flight_is_completed_after_its_expiry() {
    let lab = Lab::pure();
    let client = lab.connect(&durable(V5, "away"));
    client.subscribe("t", 2);
    lab.v5("p").publish(&expiring(10).qos(2, 0));
    client.receive_publish();
    client.send(ack(PUBREC, 1));
    client.expect(ack(PUBREL, 1));
    client.vanish();
    lab.advance_seconds(100);
    let client = back(&lab);
    client.expect(ack(PUBREL, 1));
    client.send(ack(PUBCOMP, 1));
    client.expect_nothing();
}

#[test]
fn a_message_that_waits_for_the_window_expires() {
    let lab = Lab::pure();
    let one = Connect { properties: two(RECEIVE_MAXIMUM, 1), ..connect(V5, "s") };
    let client = lab.connect(&one);
    client.subscribe("t", 1);
    let publisher = lab.v5("p");
    publisher.say("t", "first", 1);
    publisher.publish(&expiring(10).qos(1, 0));
    publisher.say("t", "last", 1);
    let first = client.receive_publish();
    lab.advance_seconds(11);
    client.puback(first.id);
    assert_eq!(client.receive_publish().payload, b"last");
}

#[test]
fn expired_messages_make_room_in_the_queue() {
    let lab = Lab::with(|config| config.max_queued_messages = 5);
    away(&lab);
    let publisher = lab.v5("p");
    for _ in 0..100 {
        publisher.publish(&expiring(1).qos(1, 0));
    }
    lab.advance_seconds(2);
    publisher.say("t", "later", 1);
    let client = back(&lab);
    assert_eq!(client.receive_publish().payload, b"later");
    client.expect_nothing();
}

#[test]
fn expiry_crosses_to_older_versions_without_a_trace() {
    let lab = Lab::pure();
    let client = lab.connect(&durable(V311, "old"));
    client.subscribe("t", 1);
    client.vanish();
    lab.v5("p").publish(&expiring(10).qos(1, 0));
    lab.v5("p").publish(&expiring(100).qos(1, 0));
    lab.advance_seconds(50);
    let client = lab.connect(&durable(V311, "old"));
    client.expect_publish(&publish(V311, "t", "x").qos(1, 1));
    client.expect_nothing();
}

#[test]
fn mqtt_4_3_3_13_the_steps_go_on_after_the_expiry_of_what_was_received() {
    let lab = Lab::pure();
    let client = lab.connect(&durable(V5, "p"));
    client.send(expiring(1).qos(2, 5).bytes());
    client.expect_taken(PUBREC, 5);
    lab.advance_seconds(10);
    client.send(expiring(1).qos(2, 5).dup().bytes());
    client.expect_taken(PUBREC, 5);
    client.send(ack(PUBREL, 5));
    client.expect(ack(PUBCOMP, 5));
}
