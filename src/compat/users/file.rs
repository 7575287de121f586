//! Password files: a user a line, `NAME:HASH`, and what SCRAM-SHA-256 needs as a comment that mosquitto passes over.

use super::UsersError;
use super::scram::{Mechanism, Verifier};
use super::stored::Stored;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// What a line of a SCRAM verifier begins with.
const SCRAM_MARK: &str = "#scram:";

/// The longest User Name of a file, in bytes; no more fits into CONNECT.
const NAME_BYTES_MAX: usize = 65_535;

/// Why a User Name cannot stand in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UserFault {
    /// It is empty.
    #[error("The user name is empty")]
    Empty,
    /// It contains a colon.
    #[error("The user name contains a ':'")]
    Colon,
    /// It contains a control character.
    #[error("The user name contains a control character")]
    Control,
    /// It begins as a comment does.
    #[error("The user name begins with '#'")]
    Comment,
    /// It is longer than 65,535 bytes.
    #[error("The user name is too long")]
    Long,
}

/// Checks a User Name.
///
/// # Errors
///
/// See [`UserFault`].
pub fn check_name(name: &str) -> Result<(), UserFault> {
    match name {
        "" => Err(UserFault::Empty),
        _ if name.contains(':') => Err(UserFault::Colon),
        _ if name.chars().any(char::is_control) => Err(UserFault::Control),
        _ if name.starts_with('#') => Err(UserFault::Comment),
        _ if name.len() > NAME_BYTES_MAX => Err(UserFault::Long),
        _ => Ok(()),
    }
}

/// What is known of a user.
#[derive(Clone, Debug, Eq, PartialEq)]
struct User {
    stored: Stored,
    scram_sha_256: Option<Verifier>,
}

/// Users and their secrets.
#[derive(Clone, Debug, Default)]
pub struct PasswordFile {
    users: HashMap<String, User>,
    /// Costs as much as the first user's secret.
    decoy: Option<Stored>,
}

impl PasswordFile {
    /// Reads a password file of mosquitto 2.0 or 2.1, or of `culex passwd`.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or its first line that is wrong.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let text = read_text("password", path)?;
        let mut file = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let place = path.display().to_string();
            file.add_line(text).map_err(|fault| UsersError::Line { fault, place, line })?;
        }
        Ok(file)
    }

    fn add_line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim_end_matches('\r');
        if let Some(rest) = line.strip_prefix(SCRAM_MARK) {
            let (name, verifier) = rest.split_once(':').ok_or("A SCRAM line has no user name")?;
            let verifier = Verifier::parse(verifier).ok_or("A SCRAM line is cut or changed")?;
            let user =
                self.users.get_mut(name).ok_or("A SCRAM line is about a user that was not named before")?;
            user.scram_sha_256 = Some(verifier);
            return Ok(());
        }
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (name, hash) = line.split_once(':').ok_or("A password line has no ':'")?;
        check_name(name).map_err(|fault| fault.to_string())?;
        let stored = Stored::parse(hash.trim()).ok_or(
            "The password is not hashed in a known way ($6$, $7$ or $argon2id$); 'culex passwd -U' hashes plain ones",
        )?;
        let user = User { stored, scram_sha_256: None };
        if self.users.contains_key(name) {
            return Err("The user is named twice".to_owned());
        }
        self.insert(name, user);
        Ok(())
    }

    fn insert(&mut self, name: &str, user: User) {
        self.decoy.get_or_insert_with(|| user.stored.decoy());
        self.users.insert(name.to_owned(), user);
    }

    /// Adds or changes a user whose password is known; `None` without randomness.
    #[must_use]
    pub fn set(&mut self, name: &str, password: &str) -> Option<()> {
        let iterations = super::stored::ITERATIONS_DEFAULT;
        let stored = Stored::new(super::Scheme::Sha512Pbkdf2, password.as_bytes(), iterations)?;
        let scram_sha_256 = Some(Verifier::new(Mechanism::Sha256, password.as_bytes(), iterations)?);
        self.insert(name, User { stored, scram_sha_256 });
        Some(())
    }

    /// Adds the users of `others`; those that are in both are as in `others`.
    pub fn extend(&mut self, others: &Self) {
        for (name, user) in &others.users {
            self.insert(name, user.clone());
        }
    }

    /// Whether there is anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether `password` is that of user `name`. Takes its time also for users that do not exist.
    #[must_use]
    pub fn verify(&self, name: &str, password: &[u8]) -> bool {
        match (self.users.get(name), &self.decoy) {
            (Some(user), _) => user.stored.verify(password),
            (None, Some(decoy)) => {
                let _ = std::hint::black_box(decoy.verify(password));
                false
            }
            (None, None) => false,
        }
    }

    /// What SCRAM needs to know of user `name`; `None` for one that does not exist or cannot do it.
    #[must_use]
    pub fn verifier(&self, name: &str, mechanism: Mechanism) -> Option<Verifier> {
        let user = self.users.get(name)?;
        match (mechanism, &user.stored) {
            (Mechanism::Sha256, _) => user.scram_sha_256.clone(),
            (Mechanism::Sha512, Stored::Sha512Pbkdf2 { iterations, salt, hash }) => {
                Some(Verifier::from_salted(mechanism, *iterations, salt.clone(), hash))
            }
            (Mechanism::Sha512, _) => None,
        }
    }

    /// Whether user `name` is there with the same secret as in `earlier`.
    #[must_use]
    pub fn agrees_with(&self, earlier: &Self, name: &str) -> bool {
        self.users.get(name).is_some_and(|user| earlier.users.get(name) == Some(user))
    }
}

pub(super) fn read_text(what: &'static str, path: &Path) -> Result<String, UsersError> {
    let unreadable = |reason| UsersError::Unreadable { what, path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))
}

/// Changes one user in the text of a password file: `lines` take the place of the old ones, or are added; without any,
/// the user goes. All other lines stay as they are. `None` when there was no such user to remove.
#[must_use]
pub fn edit(text: &str, name: &str, lines: &[String]) -> Option<String> {
    let is_about = |line: &str| {
        let line = line.strip_prefix(SCRAM_MARK).unwrap_or(line);
        line.split_once(':').is_some_and(|(user, _)| user == name)
    };
    let mut edited = String::new();
    let mut is_placed = false;
    for line in text.lines() {
        if !is_about(line) {
            edited.push_str(line);
            edited.push('\n');
        } else if !is_placed {
            is_placed = true;
            lines.iter().for_each(|line| edited.extend([line, "\n"]));
        }
    }
    if !is_placed {
        if lines.is_empty() {
            return None;
        }
        lines.iter().for_each(|line| edited.extend([line, "\n"]));
    }
    Some(edited)
}

/// The lines of one user: the hash, and for PBKDF2 what SCRAM-SHA-256 needs beside it.
#[must_use]
pub fn lines_of(name: &str, scheme: super::Scheme, password: &[u8], iterations: u32) -> Option<Vec<String>> {
    let stored = Stored::new(scheme, password, iterations)?;
    let mut lines = vec![format!("{name}:{}", stored.to_text())];
    if scheme == super::Scheme::Sha512Pbkdf2 {
        let verifier = Verifier::new(Mechanism::Sha256, password, iterations)?;
        lines.push(format!("{SCRAM_MARK}{name}:{}", verifier.to_text()));
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::users::Scheme;

    fn read(lines: &[&str]) -> Result<PasswordFile, String> {
        let mut file = PasswordFile::default();
        lines.iter().try_for_each(|line| file.add_line(line)).map(|()| file)
    }

    fn hashed(name: &str, password: &str) -> Vec<String> {
        lines_of(name, Scheme::Sha512Pbkdf2, password.as_bytes(), 101).unwrap()
    }

    #[test]
    fn users_are_told_apart_and_unknown_ones_are_refused() {
        let (one, two) = (hashed("one", "1"), hashed("two", "2"));
        let file = read(&["# users", "", &one[0], &two[0], &two[1]]).unwrap();
        assert!(file.verify("one", b"1") && file.verify("two", b"2"));
        assert!(!file.verify("one", b"2") && !file.verify("three", b"1") && !file.verify("", b""));
        assert!(!PasswordFile::default().verify("one", b"1"));
        assert!(file.verifier("two", Mechanism::Sha256).is_some());
        assert!(file.verifier("one", Mechanism::Sha256).is_none());
        assert!(file.verifier("one", Mechanism::Sha512).is_some());
        let later = read(&[&two[0], &two[1], &hashed("one", "1")[0]]).unwrap();
        assert!(later.agrees_with(&file, "two"), "the order does not matter");
        assert!(!later.agrees_with(&file, "one") && !later.agrees_with(&file, "three"));
    }

    #[test]
    fn wrong_lines_are_told_without_their_secrets() {
        let good = hashed("one", "1");
        for (lines, fault) in [
            (&["one"][..], "has no ':'"),
            (&[":x"], "is empty"),
            (&["one:secret"], "not hashed"),
            (&["one:$7$101$AAAA$AAAA"], "not hashed"),
            (&[good[0].as_str(), &good[0]], "named twice"),
            (&[good[1].as_str()], "not named before"),
            (&[good[0].as_str(), &good[1][..good[1].len() - 3]], "cut or changed"),
            (&["a\u{7}b:x"], "control character"),
        ] {
            let error = read(lines).unwrap_err();
            assert!(error.contains(fault) && !error.contains("secret"), "{lines:?}: {error}");
        }
    }

    #[test]
    fn editing_touches_one_user_alone() {
        let text = "# mine\none:a\ntwo:b\n#scram:two:c\n\nthree:d\n";
        let new = ["two:x".to_owned(), "#scram:two:y".to_owned()];
        assert_eq!(edit(text, "two", &new).unwrap(), "# mine\none:a\ntwo:x\n#scram:two:y\n\nthree:d\n");
        assert_eq!(edit(text, "two", &[]).unwrap(), "# mine\none:a\n\nthree:d\n");
        assert_eq!(edit("one:a", "four", &new[..1]).unwrap(), "one:a\ntwo:x\n");
        assert_eq!(edit(text, "four", &[]), None);
    }
}
