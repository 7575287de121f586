//! `pub -l` with many lines through Debian's mosquitto: every one arrives, in order.
//!
//! `CULEX_LINES=n` sets the number of lines, 20,000 by default; a million is what the requirement says.

use crate::support::{Broker, start};
use std::io::Write;
use std::process::{Command, Stdio};

fn every_line_arrives_in_order(qos: &str) {
    let count = std::env::var("CULEX_LINES").ok();
    let count: u32 = count.map_or(20_000, |count| count.parse().expect("CULEX_LINES is a number"));
    // mosquitto drops what waits beyond these for a subscriber, and tells nobody.
    let Some(broker) = Broker::mosquitto_with("max_queued_messages 0\nmax_inflight_messages 0\n") else {
        return;
    };
    let program = |verb: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_culex"));
        command.args([verb, "-h", "127.0.0.1", "-p", &broker.port.to_string(), "-q", qos, "-t", "lines"]);
        for variable in ["MQTT_URL", "MQTT_HOST", "MQTT_PORT"] {
            command.env_remove(variable);
        }
        command
    };
    // The retained message comes behind the SUBACK, so that no line can be too early.
    let ready = program("pub").args(["-r", "-m", "ready"]).status().unwrap();
    assert!(ready.success());
    let messages = (count + 1).to_string();
    let (_subscriber, mut heard) = start(program("sub").args(["-C", &messages]));
    assert_eq!(heard.next(), "ready");
    let mut publisher = program("pub").args(["-M", "1000", "-l"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = std::io::BufWriter::new(publisher.stdin.take().unwrap());
    let writing = std::thread::spawn(move || (0..count).try_for_each(|number| writeln!(input, "{number}")));
    for number in 0..count {
        assert_eq!(heard.next(), number.to_string(), "QoS {qos}");
    }
    writing.join().unwrap().unwrap();
    assert!(publisher.wait().unwrap().success());
}

#[test]
fn every_line_of_qos_1_arrives_in_order_through_mosquitto() {
    every_line_arrives_in_order("1");
}

#[test]
fn every_line_of_qos_2_arrives_in_order_through_mosquitto() {
    every_line_arrives_in_order("2");
}
