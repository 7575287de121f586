//! `record` and `replay` through Debian's mosquitto and through our broker: what is replayed and recorded again is the same.

use crate::support::{Broker, Process, scratch, start};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const MESSAGES: &[&str] = &[
    r#"{"topic":"in/a","qos":0,"retain":false,"payload":"plain"}"#,
    r#"{"topic":"in/b","qos":1,"retain":true,"payload":"kept"}"#,
    r#"{"topic":"in/c","qos":2,"retain":false,"payload":"AP/+","encoding":"base64"}"#,
    r#"{"topic":"in/d","qos":1,"retain":false,"payload":""}"#,
    r#"{"topic":"in/ü","qos":2,"retain":false,"properties":{"user-properties":[{"k":"1"},{"k":"\"2\""}],"content-type":"text/plain","payload-format-indicator":1,"response-topic":"re","correlation-data-base64":"/wA="},"payload":"line\n\u0000"}"#,
];

fn culex(broker: &Broker, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_culex"));
    command.args([words[0], "-h", "127.0.0.1", "-p", &broker.port.to_string()]).args(&words[1..]);
    for variable in ["MQTT_URL", "MQTT_HOST", "MQTT_PORT"] {
        command.env_remove(variable);
    }
    command
}

/// A recorder of that filter that has subscribed.
fn record(broker: &Broker, filter: &str, file: &Path) -> Process {
    let count = MESSAGES.len().to_string();
    let file = file.to_str().unwrap();
    let words = ["record", "-t", filter, "-o", file, "-C", &count, "-R", "--after-suback", "echo ready"];
    let (process, mut lines) = start(&mut culex(broker, &words));
    assert_eq!(lines.next(), "ready");
    process
}

/// What a recording says, without what belongs to one connection.
fn messages(file: &Path, prefix: &str) -> Vec<String> {
    let lines = BufReader::new(std::fs::File::open(file).unwrap()).lines();
    let mut messages: Vec<String> = lines
        .map(|line| {
            let mut message: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let members = message.as_object_mut().unwrap();
            for name in ["tst", "mid", "dup", "payloadlen"] {
                members.remove(name);
            }
            let topic = members["topic"].as_str().unwrap().strip_prefix(prefix).unwrap().to_owned();
            members["topic"] = topic.into();
            members.sort_keys();
            if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
                properties.sort_keys();
            }
            message.to_string()
        })
        .collect();
    // Order is promised within a topic, not between flows of different QoS.
    messages.sort();
    messages
}

fn a_recording_comes_back_whole(broker: &Broker) {
    let (given, first, second) = (scratch("given.ndjson"), scratch("first.ndjson"), scratch("second.ndjson"));
    std::fs::write(&given, MESSAGES.join("\n")).unwrap();
    let mut recorder = record(broker, "in/#", &first);
    let mut publisher = culex(broker, &["pub", "--json-lines"]).stdin(Stdio::piped()).spawn().unwrap();
    publisher.stdin.take().unwrap().write_all(MESSAGES.join("\n").as_bytes()).unwrap();
    assert!(publisher.wait().unwrap().success());
    assert!(recorder.wait().success());
    assert_eq!(messages(&first, "in/"), messages(&given, "in/"));

    let mut recorder = record(broker, "out/#", &second);
    let first_name = first.to_str().unwrap();
    let words = ["replay", first_name, "--speed", "1000", "--map", "in/=out/"];
    assert!(culex(broker, &words).status().unwrap().success());
    assert!(recorder.wait().success());
    assert_eq!(messages(&second, "out/"), messages(&first, "in/"));
    for file in [given, first, second] {
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_recording_comes_back_whole_through_mosquitto() {
    if let Some(broker) = Broker::mosquitto() {
        a_recording_comes_back_whole(&broker);
    }
}

#[test]
fn a_recording_comes_back_whole_through_our_broker() {
    a_recording_comes_back_whole(&Broker::ours());
}
