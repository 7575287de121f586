//! Finding scenarios.

use crate::check::{Loaded, load};
use crate::flags::RunFlags;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a scenario file's name ends with, in directories.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The deepest directory that is looked into.
const DEPTH_MAX: usize = 16;

/// Names that have a value in every scenario, and may be given another.
const ALWAYS: [&str; 5] = ["run", "uuid", "now", "random", "counter"];

/// The files that are named, and those of directories that are named, in order.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            walk(path, 0, &mut files)?;
            if files.len() == before {
                return Err(format!("{}: there is no scenario in this directory", path.display()));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let fault = |error: std::io::Error| format!("{}: {error}", folder.display());
    // In the order of their names, whatever the file system's is.
    let mut entries = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        entries.insert(entry.map_err(fault)?.path());
    }
    for path in entries {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_scenario =
            path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        // Names with an underscore are included by others.
        if name.starts_with(['_', '.']) {
            continue;
        }
        if path.is_dir() {
            walk(&path, depth + 1, files)?;
        } else if is_scenario {
            files.push(path);
        }
    }
    Ok(())
}

/// All scenarios that the flags ask for.
pub(super) fn load_all(flags: &RunFlags, given: &load::Given) -> Result<Vec<Loaded>, String> {
    let mut all = Vec::new();
    for (number, path) in find(&flags.files)?.into_iter().enumerate() {
        // Scenarios that run at once on one broker must not use each other's names.
        let run = format!("{}-{}", given.run, number + 1);
        let given = load::Given { run, broker: None, ..given.clone() };
        let found = load::load(&path, &given).map_err(|error| error.to_string())?;
        all.extend(found.into_iter().map(|loaded| (given.clone(), loaded)));
    }
    let names: BTreeSet<&str> =
        all.iter().flat_map(|(_, loaded)| &loaded.names).map(String::as_str).collect();
    let is_unused = |name: &&String| !names.contains(name.as_str()) && !ALWAYS.contains(&name.as_str());
    if let Some(name) = flags.var.iter().map(|(name, _)| name).find(is_unused) {
        let suggestion = load::suggestion(name, names);
        return Err(format!("--var {name}: no scenario uses this name{suggestion}"));
    }
    let is_wanted = |(_, loaded): &(load::Given, Loaded)| {
        flags.filter.is_empty()
            || flags.filter.iter().any(|text| {
                loaded.name.contains(text.as_str())
                    || loaded.path.to_string_lossy().contains(text.as_str())
                    || loaded.scenario.tags.iter().any(|tag| tag == text)
            })
    };
    all.retain(is_wanted);
    if let Some((index, count)) = flags.shard {
        let mut at = 0;
        all.retain(|_| {
            at += 1;
            at % count == index % count
        });
    }
    let Some(url) = &flags.broker else {
        return Ok(all.into_iter().map(|(_, loaded)| loaded).collect());
    };
    // Only what is to run there must be able to.
    all.iter()
        .map(|(given, loaded)| {
            let there = load::Given { broker: Some(url.clone()), ..given.clone() };
            load::load_again(loaded, &there).map_err(|error| error.to_string())
        })
        .collect()
}
