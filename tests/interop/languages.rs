//! Client libraries of other languages against our broker: paho-mqtt and aiomqtt (Python), npm's mqtt (JavaScript).

use crate::support::{Broker, node, python, run_script, script, start};

#[test]
fn paho_keeps_the_guarantees_in_every_version() {
    if let Some(python) = python() {
        run_script(python, "paho_guarantees.py", Broker::ours().port);
    }
}

#[test]
fn paho_as_a_tutorial_writes_it() {
    let (Some(mut subscriber), Some(mut publisher)) = (python(), python()) else { return };
    let broker = Broker::ours();
    let port = broker.port.to_string();
    for command in [&mut subscriber, &mut publisher] {
        command.env("MQTT_HOST", "127.0.0.1").env("MQTT_PORT", &port).env("PYTHONUNBUFFERED", "1");
    }
    let (_subscriber, mut heard) = start(subscriber.arg(script("tutorial_subscriber.py")));
    assert_eq!(heard.next(), "Connected: Success");
    assert_eq!(heard.next(), "Subscribed");
    let (_publisher, mut sent) = start(publisher.arg(script("tutorial_publisher.py")));
    for _ in 0..2 {
        let number = sent.next().strip_prefix("Published ").unwrap().to_owned();
        assert_eq!(heard.next(), format!("example/basic {number}"));
    }
    // The last number is retained: who comes now has it at once.
    let mut late = python().unwrap();
    late.env("MQTT_HOST", "127.0.0.1").env("MQTT_PORT", &port).env("PYTHONUNBUFFERED", "1");
    let (_late, mut heard_late) = start(late.arg(script("tutorial_subscriber.py")));
    assert_eq!([heard_late.next(), heard_late.next()], ["Connected: Success", "Subscribed"]);
    assert!(heard_late.next().starts_with("example/basic "));
}

#[test]
fn aiomqtt_in_both_roles() {
    if let Some(python) = python() {
        run_script(python, "aiomqtt_roles.py", Broker::ours().port);
    }
}

#[test]
fn mqtt_js_in_both_roles() {
    if let Some(node) = node() {
        run_script(node, "mqtt_js_roles.js", Broker::ours().port);
    }
}
