//! One file of a scenario.

use super::load::LoadError;
use super::variables::Variables;
use super::yaml::{self, Fault, Kind, Node};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The longest scenario file, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What says which values names have, and so is read before they are filled in.
const BEFORE_NAMES: [&str; 3] = ["vars", "matrix", "include"];

/// A file and what stands in it.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) root: Node,
}

impl Source {
    pub(super) fn read(path: &Path) -> Result<Self, LoadError> {
        let error = |text: String| LoadError { path: path.to_owned(), place: None, text };
        let metadata = fs::metadata(path).map_err(|wrong| error(wrong.to_string()))?;
        if metadata.len() > FILE_BYTES_MAX {
            return Err(error(format!("the file is longer than {FILE_BYTES_MAX} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|wrong| match wrong.kind() {
            io::ErrorKind::InvalidData => error("this is no text in UTF-8".to_owned()),
            _ => error(wrong.to_string()),
        })?;
        Self::of(path, text)
    }

    pub(super) fn of(path: &Path, text: String) -> Result<Self, LoadError> {
        let root = yaml::parse(&text).map_err(|fault| told(path, &text, fault))?;
        Ok(Self { path: path.to_owned(), text, root })
    }

    pub(super) fn error(&self, fault: Fault) -> LoadError {
        told(&self.path, &self.text, fault)
    }

    /// A member of the file as it stands there, names and all.
    pub(super) fn part<T: for<'de> Deserialize<'de> + Default>(&self, name: &str) -> Result<T, LoadError> {
        let part = self.root.member(name).filter(|part| !part.is_nothing());
        part.map_or_else(|| Ok(T::default()), |part| part.read().map_err(|fault| self.error(fault)))
    }

    /// With the values of names.
    pub(super) fn filled(&self, variables: &Variables) -> Result<Node, LoadError> {
        let Kind::Map(members) = &self.root.kind else {
            return Ok(self.root.clone());
        };
        let filled = members.iter().map(|(key, value)| {
            let is_read_before = key.text().is_some_and(|name| BEFORE_NAMES.contains(&name));
            let value =
                if is_read_before { value.clone() } else { yaml::fill(value, variables, &self.text)? };
            Ok((key.clone(), value))
        });
        let members = filled.collect::<Result<_, Fault>>().map_err(|fault| self.error(fault))?;
        Ok(Node { place: self.root.place, kind: Kind::Map(members) })
    }

    /// The names that it gives values to or uses.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> =
            yaml::names(&self.root, &self.text).into_iter().map(|(name, _)| name).collect();
        let parts = ["vars", "matrix"].into_iter().filter_map(|part| self.root.member(part));
        let given = parts.flat_map(Node::members).filter_map(|(key, _)| key.text());
        names.extend(given.map(str::to_owned));
        names
    }
}

fn told(path: &Path, source: &str, Fault { place, text }: Fault) -> LoadError {
    let text = format!("{text}\n{}", yaml::shown(source, place));
    LoadError { path: path.to_owned(), place: Some((place.line, place.column)), text }
}
