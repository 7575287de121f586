//! `rr` and `sub` against responders of other makers: paho-mqtt and npm's mqtt, over our broker and Debian's.

use crate::support::{Broker, node, python, script, start};
use std::process::{Command, Output, Stdio};

fn culex(verb: &str, broker: &Broker, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_culex"));
    command.args([verb, "-h", "127.0.0.1", "-p", &broker.port.to_string(), "-W", "30"]).args(arguments);
    for variable in ["MQTT_URL", "MQTT_HOST", "MQTT_PORT"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).output().unwrap()
}

fn assert_prints(output: &Output, expected: &str) {
    let told = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!((told(&output.stdout), told(&output.stderr)), (expected.to_owned(), String::new()));
    assert!(output.status.success(), "{}", output.status);
}

/// Asks a responder that is started by `responder` and calls itself `name`, in both versions and all qualities.
fn ask(name: &str, responder: impl Fn() -> Option<Command>) {
    for broker in [Some(Broker::ours()), Broker::mosquitto()].into_iter().flatten() {
        for version in ["5", "311"] {
            let Some(mut command) = responder() else { return };
            let variables = [("MQTT_HOST", "127.0.0.1".to_owned()), ("MQTT_PORT", broker.port.to_string())];
            let (_responder, mut said) = start(command.arg(version).envs(variables));
            assert_eq!(said.next(), "ready");
            for qos in ["0", "1", "2"] {
                let request =
                    ["-V", version, "-q", qos, "-t", "request/x", "-e", "response/fixed", "-m", "ping"];
                assert_prints(&culex("rr", &broker, &request), "PING\n");
            }
            if version == "5" {
                let request = ["-t", "request/x", "-e", "response/own", "-m", "ping", "-q", "1"];
                let extra = ["-D", "publish", "correlation-data", "number 7", "-F", "%t|%p|%D|%P|%q"];
                let output = culex("rr", &broker, &[&request[..], &extra[..]].concat());
                assert_prints(&output, &format!("response/own|PING|number 7|answered-by:{name}|1\n"));
            }
        }
    }
}

#[test]
fn paho_answers_what_rr_asks() {
    ask("paho", || {
        python().map(|mut command| {
            command.arg(script("responder.py"));
            command
        })
    });
}

#[test]
fn mqtt_js_answers_what_rr_asks() {
    ask("mqtt.js", || {
        node().map(|mut command| {
            command.arg(script("responder.js"));
            command
        })
    });
}

/// `sub` sees everything that a responder put into its answer.
fn listen(name: &str, responder: Option<Command>) {
    let Some(mut command) = responder else { return };
    let broker = Broker::ours();
    let variables = [("MQTT_HOST", "127.0.0.1".to_owned()), ("MQTT_PORT", broker.port.to_string())];
    let (_responder, mut said) = start(command.arg("5").envs(variables));
    assert_eq!(said.next(), "ready");
    // Retained, so that it cannot be missed.
    let ready = culex_publish(&broker, &["-r", "-t", "sub/ready", "-m", "ready"]);
    assert_prints(&ready, "");
    let mut subscriber = Command::new(env!("CARGO_BIN_EXE_culex"));
    subscriber
        .args(["sub", "-h", "127.0.0.1", "-p", &broker.port.to_string(), "-V", "5", "-W", "30", "-C", "2"])
        .args(["-t", "sub/ready", "-t", "answers/#", "-q", "2", "-F", "%t|%p|%D|%P|%q|%r"]);
    let (_subscriber, mut heard) = start(&mut subscriber);
    assert_eq!(heard.next(), "sub/ready|ready|||0|1");
    let request = [
        "-V",
        "5",
        "-q",
        "2",
        "-t",
        "request/y",
        "-m",
        "pong",
        "-D",
        "publish",
        "response-topic",
        "answers/y",
    ];
    let correlation = ["-D", "publish", "correlation-data", "c"];
    assert_prints(&culex_publish(&broker, &[&request[..], &correlation[..]].concat()), "");
    assert_eq!(heard.next(), format!("answers/y|PONG|c|answered-by:{name}|2|0"));
}

fn culex_publish(broker: &Broker, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_culex"));
    command.args(["pub", "-h", "127.0.0.1", "-p", &broker.port.to_string()]).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn sub_prints_what_paho_answers() {
    let python = python().map(|mut command| {
        command.arg(script("responder.py"));
        command
    });
    listen("paho", python);
}

#[test]
fn sub_prints_what_mqtt_js_answers() {
    let node = node().map(|mut command| {
        command.arg(script("responder.js"));
        command
    });
    listen("mqtt.js", node);
}
