//! Listeners and sessions that are configured otherwise (broker contract, section 4).

use crate::harness::Lab;
use crate::wire::*;
use culex::broker::Config;
use std::time::Duration;

#[test]
fn the_user_name_can_be_the_client_identifier() {
    let lab = Lab::with(|config| config.listeners[0].use_username_as_clientid = true);
    let named = |id, user_name| Connect { user_name, ..durable(V311, id) };
    lab.connect(&named("one", Some("user"))).vanish();
    assert_eq!(lab.connect(&named("two", Some("user"))).connack, connack(true, 0));
    let refused = lab.open(V5);
    refused.send(connect(V5, "three").bytes());
    let answer = refused.receive();
    assert!(answer[0] == 0x20 && answer[3] >= 0x80, "{answer:02x?}");
}

#[test]
fn client_identifiers_must_begin_as_configured() {
    let lab = Lab::with(|config| config.listeners[0].clientid_prefixes = "dev-".try_into().unwrap());
    lab.v5("dev-1").expect_nothing();
    let refused = lab.open(V5);
    refused.send(connect(V5, "prod-1").bytes());
    let answer = refused.receive();
    assert!(matches!(answer[3], 0x85 | 0x87), "{answer:02x?}");
    let refused = lab.open(V311);
    refused.send(connect(V311, "prod-1").bytes());
    assert!(matches!(refused.receive()[3], 2 | 5));
}

#[test]
fn a_new_configuration_holds_from_now_on_and_connections_stay() {
    let lab = Lab::pure();
    let client = lab.v5("a");
    client.subscribe("t", 0);
    lab.pure_server(|pure| {
        let mut config = pure.broker.config().clone();
        config.retain_available = false;
        config.listeners[0].max_connections = 1;
        let now = pure.now;
        pure.broker.reconfigure(now, config);
        pure.pump();
    });
    client.send(publish(V5, "t", "x").bytes());
    client.expect_publish(&publish(V5, "t", "x"));
    lab.open(V5).expect_end([]);
    client.fails(publish(V5, "t", "x").retain().bytes(), 0x9A);
}

#[test]
fn a_new_configuration_holds_for_topics_that_were_in_use() {
    let lab = Lab::pure();
    let client = lab.v5("a");
    client.subscribe("t", 0);
    client.subscribe("#", 0);
    client.send(publish(V5, "t", "x").bytes());
    client.receive_publish();
    client.expect_nothing();
    lab.pure_server(|pure| {
        let config = Config { allow_duplicate_messages: true, ..pure.broker.config().clone() };
        let now = pure.now;
        pure.broker.reconfigure(now, config);
    });
    client.send(publish(V5, "t", "x").bytes());
    client.receive_publish();
    client.receive_publish();
    client.expect_nothing();
}

#[test]
fn sys_topics_are_published_and_retained() {
    let lab = Lab::with(|config| config.sys_interval = Duration::from_secs(10));
    let client = lab.v5("a");
    client.subscribe("$SYS/broker/clients/connected", 0);
    lab.advance_seconds(21);
    let message = client.receive_publish();
    assert_eq!(
        (message.topic.as_str(), message.payload.as_slice()),
        ("$SYS/broker/clients/connected", &b"1"[..])
    );
    let late = lab.v5("b");
    late.subscribe("$SYS/broker/clients/connected", 0);
    let message = late.receive_publish();
    assert!(message.retain && message.topic == "$SYS/broker/clients/connected");
    // Wildcards at the root do not see them.
    let everything = lab.v5("c");
    everything.subscribe("#", 0);
    lab.advance_seconds(30);
    everything.expect_nothing();
}
