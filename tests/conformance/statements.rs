//! `statements.txt` and `statements-3.1.1.txt`, every numbered normative statement of MQTT 5 and 3.1.1: the tests that keep it,
//! or why no test can; and `traps.txt`, what must not happen to a broker, with the tests that keep ours from it.
//!
//! A line is `[MQTT-x.y.z-n] FILE::TEST, FILE::TEST` or `[MQTT-x.y.z-n] - why`. FILE is `NAME` for a file beside this one
//! and `/PATH` from the root of the project.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A section, and the numbers of its first and last statement.
type Section = (&'static str, u16, u16);

/// A table, and the sections of its standard that have statements. In each section the numbers have no gap; in MQTT 5 the first
/// of 2.2.1 is 2.
const TABLES: [(&str, &[Section]); 2] = [("statements.txt", &MQTT_5), ("statements-3.1.1.txt", &MQTT_3_1_1)];

#[rustfmt::skip]
const MQTT_5: [Section; 56] = [
    ("1.5.4", 1, 3), ("1.5.5", 1, 1), ("1.5.7", 1, 1), ("2.1.3", 1, 1), ("2.2.1", 2, 6), ("2.2.2", 1, 1),
    ("3.1.0", 1, 2), ("3.1.2", 1, 30), ("3.1.3", 1, 12), ("3.1.4", 1, 6), ("3.2.0", 1, 2), ("3.2.2", 1, 22),
    ("3.3.1", 1, 13), ("3.3.2", 1, 20), ("3.3.4", 1, 10), ("3.4.2", 1, 3), ("3.5.2", 1, 3), ("3.6.1", 1, 1),
    ("3.6.2", 1, 3), ("3.7.2", 1, 3), ("3.8.1", 1, 1), ("3.8.3", 1, 5), ("3.8.4", 1, 8), ("3.9.2", 1, 2),
    ("3.9.3", 1, 2), ("3.10.1", 1, 1), ("3.10.3", 1, 2), ("3.10.4", 1, 6), ("3.11.2", 1, 2),
    ("3.11.3", 1, 2), ("3.12.4", 1, 1), ("3.14.0", 1, 1), ("3.14.1", 1, 1), ("3.14.2", 1, 4),
    ("3.14.4", 1, 3), ("3.15.1", 1, 1), ("3.15.2", 1, 3), ("4.1.0", 1, 2), ("4.2.0", 1, 1), ("4.3.1", 1, 1),
    ("4.3.2", 1, 5), ("4.3.3", 1, 13), ("4.4.0", 1, 2), ("4.5.0", 1, 2), ("4.6.0", 1, 6), ("4.7.0", 1, 1),
    ("4.7.1", 1, 2), ("4.7.2", 1, 1), ("4.7.3", 1, 4), ("4.8.2", 1, 6), ("4.9.0", 1, 3), ("4.12.0", 1, 7),
    ("4.12.1", 1, 2), ("4.13.1", 1, 1), ("4.13.2", 1, 1), ("6.0.0", 1, 4),
];

#[rustfmt::skip]
const MQTT_3_1_1: [Section; 40] = [
    ("1.5.3", 1, 3), ("2.2.2", 1, 2), ("2.3.1", 1, 7), ("3.1.0", 1, 2), ("3.1.2", 1, 24), ("3.1.3", 1, 11),
    ("3.1.4", 1, 5), ("3.2.0", 1, 1), ("3.2.2", 1, 6), ("3.3.1", 1, 12), ("3.3.2", 1, 3), ("3.3.4", 1, 1),
    ("3.3.5", 1, 2), ("3.6.1", 1, 1), ("3.8.1", 1, 1), ("3.8.3", 1, 4), ("3.8.4", 1, 6), ("3.9.3", 1, 2),
    ("3.10.1", 1, 1), ("3.10.3", 1, 2), ("3.10.4", 1, 6), ("3.12.4", 1, 1), ("3.14.1", 1, 1),
    ("3.14.4", 1, 3), ("4.1.0", 1, 2), ("4.2.0", 1, 1), ("4.3.1", 1, 1), ("4.3.2", 1, 2), ("4.3.3", 1, 2),
    ("4.4.0", 1, 1), ("4.5.0", 1, 2), ("4.6.0", 1, 6), ("4.7.1", 1, 3), ("4.7.2", 1, 1), ("4.7.3", 1, 4),
    ("4.8.0", 1, 2), ("6.0.0", 1, 4), ("7.0.0", 1, 2), ("7.1.1", 1, 1), ("7.1.2", 1, 1),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("tests/conformance")
}

/// Each statement of a table, `x.y.z-n`, and what stands behind it.
fn statements(table: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder().join(table)).unwrap();
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
    for (table, _) in TABLES {
        for (number, rest) in statements(table) {
            assert!(rest.len() > "- ".len(), "{number} of {table}");
            tests(&rest).into_iter().for_each(|(file, test)| assert_exists(&number, file, test));
        }
    }
}

/// The test is there, and not taken out of the run.
fn assert_exists(what: &str, file: &str, test: &str) {
    let path = match file.strip_prefix('/') {
        Some(path) => root().join(path),
        None => folder().join(format!("{file}.rs")),
    };
    let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{what}: no file {file}"));
    let at = text.find(&format!("fn {test}(")).unwrap_or_else(|| panic!("{what}: no test {test} in {file}"));
    let attributes = text[..at].rsplit("\n\n").next().unwrap_or_default();
    assert!(!attributes.contains("#[ignore"), "{what}: {test} in {file} is not run");
}

#[test]
fn every_trap_has_its_test() {
    let text = fs::read_to_string(folder().join("traps.txt")).unwrap();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (trap, rest) = line.split_once(" | ").unwrap_or_else(|| panic!("no test: {line}"));
        let named = tests(rest);
        assert!(!named.is_empty(), "{trap}");
        named.into_iter().for_each(|(file, test)| assert_exists(trap, file, test));
    }
}

#[test]
fn no_statement_of_a_standard_is_left_out() {
    for (table, sections) in TABLES {
        let numbers = sections.iter().flat_map(|(section, first, last)| {
            (*first..=*last).map(move |number| format!("{section}-{number}"))
        });
        let wanted: BTreeSet<String> = numbers.collect();
        let found: BTreeSet<String> = statements(table).into_keys().collect();
        let difference: Vec<_> = wanted.symmetric_difference(&found).collect();
        assert!(difference.is_empty(), "{table} and its standard differ in {difference:?}");
    }
}

/// `mqtt_3_1_2_22_silence` keeps 3.1.2-22.
fn statement_of(test: &str) -> Option<String> {
    let mut words = test.strip_prefix("mqtt_")?.split('_');
    let mut number = || words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    Some(format!("{}.{}.{}-{}", number()?, number()?, number()?, number()?))
}

#[test]
fn a_test_that_names_a_statement_stands_behind_it() {
    let statements = statements("statements.txt");
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
