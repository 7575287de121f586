//! The faults of our scenarios through the proxy in front of Debian's mosquitto, and the same scenarios on our own broker.

use crate::support::Broker;
use std::path::Path;
use std::process::Command;

fn run(arguments: &[&str]) {
    let ran = Command::new(env!("CARGO_BIN_EXE_culex-check"))
        .args(["run", "tests/check/any-broker"])
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{report}");
}

#[test]
fn scenarios_with_faults_pass_in_front_of_mosquitto() {
    if let Some(broker) = Broker::mosquitto() {
        run(&["--broker", &format!("mqtt://127.0.0.1:{}", broker.port)]);
    }
}

#[test]
fn the_same_scenarios_pass_on_our_broker() {
    run(&[]);
}
