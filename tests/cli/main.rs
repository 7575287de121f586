//! What users of the clients see, one case file each: arguments, input, environment and what the broker does; output,
//! errors and status.
//!
//! The cases are `tests/cli/*.case`; their form is described in `case.rs`. `CULEX_CLI_CASE=part` runs those
//! whose name holds the part. The cases marked `also: debian` are run against mosquitto 2.0.11 too, where it is installed;
//! with `CULEX_REQUIRE_PEERS` it must be.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(unix)]

#[path = "../support/acknowledging_server.rs"]
mod acknowledging_server;
mod broker;
mod case;
mod lines;
#[path = "../support/reserved_port.rs"]
mod reserved_port;
mod run;
mod streams;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{env, fs, thread};

/// Cases run at the same time; most of them wait rather than work.
const THREADS: usize = 8;

fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let part = env::var("CULEX_CLI_CASE").unwrap_or_default();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "case"))
        .filter(|path| path.file_stem().unwrap().to_str().unwrap().contains(&part))
        .collect();
    files.sort();
    files
}

fn hold(cases: Vec<case::Case>, programs: &run::Programs) {
    let (count, waiting, failures) = (cases.len(), Mutex::new(cases), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(case) = waiting.lock().unwrap().pop() else { break };
                    if let Err(complaint) = run::run(&case, programs) {
                        failures.lock().unwrap().push(format!("--- {}\n{complaint}", case.name));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {count} cases failed\n{}", failures.len(), failures.join("\n"));
}

fn cases() -> Vec<case::Case> {
    let cases = case_files().into_iter().map(|path| case::Case::read(&path));
    cases.filter(|case| !(case.without_psk && cfg!(feature = "psk"))).collect()
}

#[test]
fn every_case_holds() {
    hold(cases(), &run::Programs::ours());
}

#[test]
fn mosquitto_agrees_where_a_case_says_so() {
    let Some(programs) = run::Programs::of_the_system() else {
        assert!(env::var_os("CULEX_REQUIRE_PEERS").is_none(), "mosquitto_pub 2.0.11 is missing");
        return;
    };
    hold(cases().into_iter().filter(|case| case.also_debian).collect(), &programs);
}

#[test]
fn every_case_names_its_place_in_the_contract() {
    let nameless: BTreeSet<_> = case_files()
        .iter()
        .map(|path| case::Case::read(path))
        .filter(|case| case.contract.is_empty())
        .map(|case| case.name)
        .collect();
    assert!(nameless.is_empty(), "{nameless:?}");
}

#[test]
fn a_case_that_does_not_hold_is_found() {
    let text = "contract: 1\nprogram: mosquitto_pub\nargs: --version\nstatus: 0\n";
    let complaint = run::run(&case::Case::parse("wrong", text), &run::Programs::ours()).unwrap_err();
    assert!(complaint.contains("status"), "{complaint}");
    assert!(complaint.contains("stdout"), "{complaint}");
}
