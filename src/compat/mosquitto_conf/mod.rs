//! mosquitto.conf: one option a line, sections by listener, folders of further files.

mod draft;
mod log;
mod options;
#[cfg(test)]
mod tests;
mod transport;
mod value;

pub use log::{LogDestination, LogPlan, LogTypes};
pub use value::ConfigurationFault;

use crate::broker;
use crate::net::server::ListenPlan;
use crate::net::store::StorePlan;
use draft::{Draft, Place};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use value::Setting;

/// How deeply `include_dir` may nest; a folder that includes itself ends here.
const INCLUDES_MAX: usize = 16;

/// Reads the files of a folder.
const INCLUDE_OPTION: &str = "include_dir";

/// What a configuration says, in the words of those who act on it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the broker itself; its listeners are in the order of `listeners`.
    pub broker: broker::Config,
    /// Where to listen; empty when the configuration does not say.
    pub listeners: Vec<ListenPlan>,
    /// The listener on loopback addresses when the configuration does not say where to listen.
    pub default_listener: Option<ListenPlan>,
    /// The users of each of the broker's listeners.
    pub users: Vec<UserFiles>,
    /// What is logged, and where.
    pub log: LogPlan,
    /// Where to write the process's number.
    pub pid_file: Option<PathBuf>,
    /// What is remembered on disk; nothing by default.
    pub store: Option<StorePlan>,
    /// Whose rights to take on once everything is open, when started with root's.
    pub user: Option<String>,
    /// Bytes of memory from which on nothing new is taken; 0 for no limit.
    pub memory_limit: usize,
    /// Lines for the log about options without effect.
    pub warnings: Vec<String>,
}

/// Where the users of a listener and their rights stand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UserFiles {
    /// Users and passwords; without it, everybody who may come in at all has any name.
    pub password_file: Option<PathBuf>,
    /// Rights; without it, everything is allowed.
    pub acl_file: Option<PathBuf>,
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConfigurationError {
    /// The file itself cannot be read.
    Unreadable(PathBuf),
    /// One line is wrong.
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: ConfigurationFault,
    },
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file) => write!(f, "Error: Unable to open config file {}.", file.display()),
            Self::Line { file, line, fault } => {
                write!(f, "Error: {fault}\nError found at {}:{line}.", file.display())
            }
        }
    }
}

impl std::error::Error for ConfigurationError {}

impl Settings {
    /// What holds without a configuration file: a listener for this machine, everybody let in.
    ///
    /// # Errors
    ///
    /// None: there are no options that could contradict each other.
    pub fn without_file() -> Result<Self, ConfigurationError> {
        Draft::new().finish()
    }

    /// Reads `file` and what it includes.
    ///
    /// # Errors
    ///
    /// The first line that is wrong, or a file that cannot be read.
    pub fn read(file: &Path) -> Result<Self, ConfigurationError> {
        let mut draft = Draft::new();
        read_into(&mut draft, file, 0)?;
        draft.finish()
    }
}

/// The name of every option that is understood, those without effect too; in no order.
pub fn option_names() -> impl Iterator<Item = &'static str> {
    options::names().chain([INCLUDE_OPTION])
}

fn read_into(draft: &mut Draft, file: &Path, depth: usize) -> Result<(), ConfigurationError> {
    let text = fs::read(file).map_err(|_| ConfigurationError::Unreadable(file.to_owned()))?;
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let at = |fault| ConfigurationError::Line { file: file.to_owned(), line, fault };
        let Ok(text) = std::str::from_utf8(bytes) else {
            let value = String::from_utf8_lossy(bytes).into_owned();
            return Err(at(ConfigurationFault::Invalid { name: "UTF-8".to_owned(), value }));
        };
        let text = text.trim_matches([' ', '\t', '\r']);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (name, value) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let setting = Setting { name, value: value.trim_start_matches([' ', '\t']) };
        draft.at = Place { file: file.to_owned(), line };
        if name == INCLUDE_OPTION {
            for included in included_files(setting, depth).map_err(at)? {
                read_into(draft, &included, depth + 1)?;
            }
        } else {
            draft.place = format!("{}:{line}", file.display());
            options::apply(draft, setting).map_err(at)?;
        }
    }
    Ok(())
}

/// The files of the folder whose names end in `.conf`, in the order of their names.
fn included_files(setting: Setting<'_>, depth: usize) -> Result<Vec<PathBuf>, ConfigurationFault> {
    let folder = setting.text()?;
    if depth >= INCLUDES_MAX {
        return Err(ConfigurationFault::Order("include_dir is nested too deeply."));
    }
    let fault = |error: std::io::Error| ConfigurationFault::File {
        what: "include_dir",
        path: folder.to_owned(),
        reason: error.to_string(),
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
