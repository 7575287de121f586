//! The committed completions, man pages and option tables are what the flag declarations make today.
//!
//! After a change of flags, `CULEX_REGENERATE=1 cargo test --test generated` writes them anew.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use culex::commands::{completions, man};
use culex::flags::programs::{PROGRAMS, SHELLS};
use std::{collections::BTreeMap, env, fs, path::Path};

#[path = "generated/option_table.rs"]
mod option_table;

const REPAIR: &str = "CULEX_REGENERATE=1 cargo test --test generated";

/// Every generated file by its path from the root of the project.
fn generated() -> BTreeMap<String, Vec<u8>> {
    let scripts = SHELLS.iter().flat_map(|shell| {
        PROGRAMS.iter().map(move |program| {
            let path = format!("completions/{shell}/{}", completions::file_name(shell, program));
            (path, completions::script(shell, program).unwrap())
        })
    });
    let pages = man::pages().unwrap().into_iter().map(|(name, page)| (format!("man/{name}"), page));
    scripts.chain(pages).collect()
}

fn files_below(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(
            |path| if path.is_dir() { files_below(&path) } else { vec![path.to_str().unwrap().to_owned()] },
        )
        .collect()
}

fn regenerate() -> bool {
    env::var_os("CULEX_REGENERATE").is_some()
}

#[test]
fn completions_and_man_pages_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = generated();
    let mut stale = Vec::new();
    for (path, content) in &files {
        if fs::read(root.join(path)).is_ok_and(|committed| committed == *content) {
            continue;
        }
        if regenerate() {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), content).unwrap();
        } else {
            stale.push(path.clone());
        }
    }
    for directory in ["completions", "man"] {
        for path in files_below(&root.join(directory)) {
            let name = Path::new(&path).strip_prefix(root).unwrap().to_str().unwrap();
            if files.contains_key(name) {
                continue;
            }
            if regenerate() {
                fs::remove_file(&path).unwrap();
            } else {
                stale.push(format!("{name} (made by nothing)"));
            }
        }
    }
    assert!(stale.is_empty(), "out of date: {}\nrepair with: {REPAIR}", stale.join(", "));
}

#[test]
fn option_tables_are_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let text = option_table::page();
    if regenerate() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "out of date: docs/options.md\nrepair with: {REPAIR}");
}

#[test]
fn no_script_or_page_names_the_version() {
    for (path, content) in generated() {
        let text = String::from_utf8(content).unwrap();
        assert!(!text.contains(env!("CARGO_PKG_VERSION")), "{path}");
    }
}
