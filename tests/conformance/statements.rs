//! `statements.txt`, every numbered normative statement of MQTT 5: the tests that keep it, or why no test can.
//!
//! A line is `[MQTT-x.y.z-n] FILE::TEST, FILE::TEST` or `[MQTT-x.y.z-n] - why`. FILE is `NAME` for a file beside this one
//! and `/PATH` from the root of the project.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How many statements the table holds, so that none drops out unseen.
const STATEMENTS: usize = 251;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("tests/conformance")
}

/// Each statement, `x.y.z-n`, and what stands behind it.
fn statements() -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder().join("statements.txt")).unwrap();
    let mut statements = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (number, rest) = line
            .strip_prefix("[MQTT-")
            .and_then(|line| line.split_once("] "))
            .unwrap_or_else(|| panic!("not a statement: {line}"));
        let former = statements.insert(number.to_owned(), rest.to_owned());
        assert_eq!(former, None, "{number} stands there twice");
    }
    statements
}

/// The tests named behind a statement.
fn tests(rest: &str) -> Vec<(&str, &str)> {
    if rest.starts_with("- ") {
        return Vec::new();
    }
    rest.split(", ").map(|test| test.rsplit_once("::").unwrap_or_else(|| panic!("no file: {test}"))).collect()
}

#[test]
fn every_statement_has_a_test_or_a_reason() {
    let statements = statements();
    for (number, rest) in &statements {
        assert!(rest.len() > "- ".len(), "{number}");
        for (file, test) in tests(rest) {
            let path = match file.strip_prefix('/') {
                Some(path) => root().join(path),
                None => folder().join(format!("{file}.rs")),
            };
            let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{number}: no file {file}"));
            assert!(text.contains(&format!("fn {test}(")), "{number}: no test {test} in {file}");
        }
    }
    assert_eq!(statements.len(), STATEMENTS);
}

/// `mqtt_3_1_2_22_silence` keeps 3.1.2-22.
fn statement_of(test: &str) -> Option<String> {
    let mut words = test.strip_prefix("mqtt_")?.split('_');
    let mut number = || words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    Some(format!("{}.{}.{}-{}", number()?, number()?, number()?, number()?))
}

#[test]
fn a_test_that_names_a_statement_stands_behind_it() {
    let statements = statements();
    let mut missing = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("fn mqtt_")) {
            let test = format!("mqtt_{}", line.split('(').next().unwrap());
            let Some(number) = statement_of(&test) else { continue };
            let listed = statements.get(&number).is_some_and(|rest| tests(rest).contains(&(&*file, &*test)));
            if !listed {
                missing.insert(format!("[MQTT-{number}] {file}::{test}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
}
