//! What a client may not do, and how it is told (broker contract, section 2).

use crate::harness::Lab;
use crate::wire::*;
use culex::broker::{Authorizer, Client};
use culex::packet::Qos;
use std::sync::Arc;

/// Nobody writes to or reads `secret`, and nobody hears what is said on `muted`.
#[derive(Debug)]
struct Secrets;

impl Authorizer for Secrets {
    fn publish(&self, _: Client<'_>, topic: &str, _: Qos, _: bool) -> bool {
        topic != "secret"
    }

    fn subscribe(&self, _: Client<'_>, filter: &str, _: Qos) -> bool {
        filter != "secret"
    }

    fn deliver(&self, _: Client<'_>, topic: &str) -> bool {
        topic != "muted"
    }
}

fn lab() -> Lab {
    Lab::with(|config| config.authorizer = Some(Arc::new(Secrets)))
}

#[test]
fn a_refused_subscribe_is_0x87_and_0x80_before_mqtt_5() {
    let lab = lab();
    for (version, code) in [(V5, 0x87), (V311, 0x80), (V31, 1)] {
        let client = lab.connect(&connect(version, "a"));
        client.send(subscribe(version, &[("open", 1), ("secret", 1)]));
        client.expect(suback(version, &[1, code]));
        client.send(subscribe(version, &[("$share/g/secret", 1)]));
        client.expect(suback(version, &[code]));
        client.send(unsubscribe(version, &["secret"]));
        client.expect(unsuback(version, &[0x11]));
        client.vanish();
    }
}

#[test]
fn a_refused_publish_is_0x87_where_there_is_an_answer_and_dropped() {
    let lab = lab();
    let watcher = lab.v5("watcher");
    watcher.subscribe("#", 2);
    let client = lab.v5("a");
    client.send(publish(V5, "secret", "x").bytes());
    client.expect_nothing();
    client.send(publish(V5, "secret", "x").qos(1, 1).bytes());
    client.expect(ack_with(PUBACK, 1, 0x87));
    client.send(publish(V5, "secret", "x").qos(2, 2).retain().bytes());
    client.expect(ack_with(PUBREC, 2, 0x87));
    let old = lab.v311("o");
    old.send(publish(V311, "secret", "x").bytes());
    old.send(publish(V311, "secret", "x").qos(1, 1).bytes());
    old.expect(ack(PUBACK, 1));
    old.send(publish(V311, "secret", "x").qos(2, 2).bytes());
    old.expect(ack(PUBREC, 2));
    old.send(ack(PUBREL, 2));
    old.expect(ack(PUBCOMP, 2));
    watcher.expect_nothing();
}

#[test]
fn what_may_not_be_delivered_is_not() {
    let lab = lab();
    let client = lab.v5("a");
    client.subscribe("#", 1);
    lab.v5("p").publish(&publish(V5, "muted", "x").retain().qos(1, 0));
    client.expect_nothing();
    client.subscribe("muted", 0);
    client.expect_nothing();
}

#[test]
fn a_will_that_may_not_be_published_is_not() {
    let lab = lab();
    let watcher = lab.v5("watcher");
    watcher.subscribe("#", 0);
    let will = Some(Will { topic: "secret", payload: "x", ..Will::default() });
    let client = lab.open(V5);
    client.send(Connect { will, ..connect(V5, "a") }.bytes());
    client.vanish();
    watcher.expect_nothing();
}

/// Subscribing to `t` is refused, publishing to it is not.
#[derive(Debug)]
struct Unheard;

impl Authorizer for Unheard {
    fn publish(&self, _: Client<'_>, _: &str, _: Qos, _: bool) -> bool {
        true
    }

    fn subscribe(&self, _: Client<'_>, filter: &str, _: Qos) -> bool {
        filter != "t"
    }

    fn deliver(&self, _: Client<'_>, _: &str) -> bool {
        true
    }
}

#[test]
fn a_refused_subscription_brings_nothing_not_even_retained_messages() {
    let lab = Lab::with(|config| config.authorizer = Some(Arc::new(Unheard)));
    let publisher = lab.v5("p");
    publisher.publish(&publish(V5, "t", "x").retain());
    for version in [V31, V311, V5] {
        let client = lab.connect(&connect(version, "a"));
        client.send(subscribe(version, &[("t", 1)]));
        client.receive();
        publisher.say("t", "x", 1);
        client.expect_nothing();
        client.vanish();
    }
}

/// Allows what its flag says to be published, and everything to be read.
#[derive(Debug)]
struct Publishing(bool);

impl Authorizer for Publishing {
    fn publish(&self, _: Client<'_>, _: &str, _: Qos, _: bool) -> bool {
        self.0
    }

    fn subscribe(&self, _: Client<'_>, _: &str, _: Qos) -> bool {
        true
    }

    fn deliver(&self, _: Client<'_>, _: &str) -> bool {
        true
    }
}

#[test]
fn check_retain_source_holds_back_what_its_publisher_may_not_publish_any_more() {
    for is_checked in [true, false] {
        let authorizer = |allows| Some(Arc::new(Publishing(allows)) as Arc<dyn Authorizer>);
        let lab = Lab::with(|config| {
            config.check_retain_source = is_checked;
            config.authorizer = authorizer(true);
        });
        lab.v5("publisher").publish(&publish(V5, "t", "x").qos(1, 1).retain());
        lab.pure_server(|pure| {
            let config =
                culex::broker::Config { authorizer: authorizer(false), ..pure.broker.config().clone() };
            let now = pure.now;
            pure.broker.reconfigure(now, config);
        });
        let late = lab.v5("late");
        late.subscribe("t", 0);
        if !is_checked {
            assert!(late.receive_publish().retain);
        }
        late.expect_nothing();
    }
}
