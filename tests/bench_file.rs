//! Scenario files, as a user runs them.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::process::{Command, Output};

const BENCH: &str = env!("CARGO_BIN_EXE_culex-bench");

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("culex-scenario-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Runs the scenario `text` with these options.
    fn run(&self, text: &str, words: &str) -> Output {
        std::fs::write(self.0.join("load.toml"), text).unwrap();
        let command = Command::new(BENCH)
            .args(["file", "load.toml"])
            .args(words.split_whitespace())
            .current_dir(&self.0)
            .output();
        command.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn runs_come_one_after_the_other_and_their_results_in_one_file() {
    let folder = Folder::new("runs");
    let text = "embedded = true\nquiet = true\nduration = '60s'\njson = 'all.json'\n\n[[run]]\nname = 'load'\nclients = 2\n\
                messages = 100\nqos = 1\nfail = ['loss=0']\n\n[[run]]\nmode = 'storm'\nkind = 'reconnect'\nclients = 5\n";
    let output = folder.run(text, "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = String::from_utf8(output.stdout).unwrap();
    assert!(summary.contains("Run load\n") && summary.contains("\nRun 2\n"), "{summary}");
    assert_eq!(summary.matches(" Result   ").count(), 2, "{summary}");
    let all = std::fs::read_to_string(folder.0.join("all.json")).unwrap();
    let all: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&all).into_iter().collect::<Result<_, _>>().unwrap();
    let modes: Vec<_> = all.iter().map(|result| result["run"]["mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["run", "storm"]);
    assert_eq!(all[0]["counts"]["received"], 100);
    assert_eq!(all[0]["run"]["config"]["messages"], 100);
}

#[test]
fn failed_gate_of_one_run_is_the_status_of_all() {
    let folder = Folder::new("gate");
    let text = "embedded = true\nquiet = true\nmessages = 50\n[[run]]\nfail = ['p50>60s']\n[[run]]\n";
    let output = folder.run(text, "--json -");
    assert_eq!(output.status.code(), Some(4));
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.starts_with('{') && !out.contains(" Result "), "the standard output is JSON alone: {out}");
}

#[test]
fn dry_run_prints_the_plan_and_connects_to_nobody() {
    let folder = Folder::new("dry");
    let text =
        "host = 'broker.invalid'\n[[run]]\nname = 'warm'\nrate = '5k'\n[[run]]\nmode = 'conn'\nclients = 3\n";
    let output = folder.run(text, "--dry-run --qos 2");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let out = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "run warm\n",
        "open loop 5,000/s",
        "    qos = 2\n",
        "run 2\n",
        "3 connections",
        "    host = \"broker.invalid\"\n",
    ] {
        assert!(out.contains(expected), "no {expected} in: {out}");
    }
}

#[test]
fn mistakes_are_told_with_file_and_line_before_anything_runs() {
    let folder = Folder::new("wrong");
    for (text, expected) in [
        (
            "embedded = true\n[[run]]\n[[run]]\nclents = 3\n",
            "load.toml: line 4: no option is called 'clents'; did you mean 'clients'?",
        ),
        (
            "embedded = true\n[[run]]\n[[run]]\ntopic = 'a/#'\n",
            "load.toml: line 3: --topic: 'a/#' cannot be used",
        ),
        ("[[run]]\nfail = 'p99<<5'\n", "load.toml: line 1: --fail"),
    ] {
        let output = folder.run(text, "");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}
