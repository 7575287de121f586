//! A device with three bugs that can be switched on: the scenarios of examples/device pass without them, and each bug is
//! found by the one that is about it.
#![cfg(feature = "check")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `cargo test` builds the examples beside the tests.
fn device() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/device")
}

fn run(bug: &str) -> Output {
    let device = device();
    assert!(device.is_file(), "{} is not built: cargo build --examples", device.display());
    Command::new(env!("CARGO_BIN_EXE_culex-check"))
        .args(["run", "examples/device", "--report", "tap", "--seed", "1"])
        .args(["--var", &format!("device={}", device.display()), "--var", &format!("bug={bug}")])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// The names of the scenarios that did not pass.
fn failed(bug: &str) -> (Option<i32>, Vec<String>, String) {
    let ran = run(bug);
    let report = String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap();
    let names = report.lines().filter_map(|line| line.strip_prefix("not ok ")?.split_once(" - "));
    let names = names.map(|(_, name)| name.split(" #").next().unwrap().trim().to_owned()).collect();
    (ran.status.code(), names, report)
}

#[test]
fn without_a_bug_every_scenario_passes() {
    let (status, names, report) = failed("none");
    assert_eq!((status, names), (Some(0), Vec::new()), "{report}");
}

#[test]
fn each_bug_is_found_by_the_scenario_that_is_about_it() {
    for (bug, scenario) in [
        ("no-resend", "the device sends again what was not acknowledged"),
        ("no-will", "the device leaves a will"),
        ("twice", "the device counts a command that comes twice once"),
    ] {
        let (status, names, report) = failed(bug);
        assert_eq!((status, names), (Some(1), vec![scenario.to_owned()]), "{bug}: {report}");
    }
}
