//! Users, passwords and rights in mosquitto's file formats.
//!
//! What is secret is compared in constant time, and whoever asks for a user that does not exist waits as long and hears
//! the same as one with a wrong password.

mod acl;
mod file;
mod scram;
mod stored;

pub use acl::{AccessLists, AclFile};
pub use file::{PasswordFile, UserFault, check_name, edit, lines_of};
pub use scram::{Exchange, Mechanism, Outcome, Verifier};
pub use stored::{ITERATIONS_DEFAULT, Scheme, Stored};

use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::path::PathBuf;

/// A line of a file of users or rights that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UsersError {
    /// The file itself.
    Unreadable {
        /// `password` or `acl`.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// One line.
    Line {
        /// What is wrong with it; never what stands in it.
        fault: String,
        /// The file, or the flag.
        place: String,
        /// The line, from 1.
        line: usize,
    },
}

impl fmt::Display for UsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { what, path, reason } => {
                write!(f, "Error: Unable to open {what} file {}: {reason}.", path.display())
            }
            Self::Line { fault, place, line } => write!(f, "Error: {fault}.\nError found at {place}:{line}."),
        }
    }
}

impl std::error::Error for UsersError {}

/// Fills an array with what nobody can guess; `None` when the system has no randomness.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}
