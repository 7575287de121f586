//! The commands in `docs/`: each `console` block is typed as it stands, and must print what stands below it.
//!
//! A command that ends in `&` runs in the background; `wait` prints what it printed, `kill -9 %2` kills the second of its
//! block. The broker is found through options files, because programs called by mosquitto's names read no environment, and
//! through the environment, because `record` and `replay` read no options files.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::Path;

#[path = "docs/shell.rs"]
mod shell;

/// A command as it is typed, and the lines that it prints.
struct Step {
    line: usize,
    command: String,
    output: Vec<String>,
}

/// The `console` blocks of a page.
fn blocks(page: &str) -> Vec<Vec<Step>> {
    let mut blocks: Vec<Vec<Step>> = Vec::new();
    let mut inside = false;
    for (index, line) in page.lines().enumerate() {
        let continued = |block: &Vec<Step>| {
            block.last().is_some_and(|step| step.output.is_empty() && step.command.ends_with('\\'))
        };
        match (line, blocks.last_mut()) {
            ("```console", _) => {
                blocks.push(Vec::new());
                inside = true;
            }
            (_, Some(_)) if line.starts_with("```") => inside = false,
            (_, Some(block)) if inside => {
                if let Some(command) = line.strip_prefix("$ ") {
                    block.push(Step { line: index + 1, command: command.to_owned(), output: Vec::new() });
                } else if continued(block) {
                    let step = block.last_mut().unwrap();
                    step.command = format!("{}{line}", step.command.trim_end_matches('\\'));
                } else {
                    block.last_mut().expect("a block begins with a command").output.push(line.to_owned());
                }
            }
            _ => {}
        }
    }
    blocks
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let page = std::fs::read_to_string(path).unwrap();
    let blocks = blocks(&page);
    assert!(!blocks.is_empty(), "{name} shows no command");
    let shell = shell::Shell::start();
    let mut complaints = String::new();
    for block in blocks {
        let mut jobs = shell.jobs();
        for step in block {
            let printed = jobs.run(&step.command);
            if printed.lines().ne(step.output.iter().map(String::as_str)) {
                let wanted = step.output.join("\n");
                let Step { line, command, .. } = step;
                writeln!(complaints, "{name}:{line}: $ {command}\nwanted:\n{wanted}\nprinted:\n{printed}")
                    .unwrap();
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn basics_prints_what_it_says() {
    check("basics.md");
}

#[test]
fn from_mosquitto_prints_what_it_says() {
    check("from-mosquitto.md");
}

#[test]
fn a_block_is_commands_with_their_output() {
    let blocks = blocks("text\n```console\n$ a \\\n    b\n$ c\nd\n\ne\n```\n```sh\n$ f\n```\n");
    let steps: Vec<_> =
        blocks.iter().flatten().map(|step| (step.command.as_str(), step.output.join("|"))).collect();
    assert_eq!(steps, [("a     b", String::new()), ("c", "d||e".to_owned())]);
}
