//! `culex passwd`: makes and edits password files, as `mosquitto_passwd` does.

use super::complain;
use crate::compat::secret;
use crate::compat::users::{Scheme, Stored, check_name, edit, lines_of};
use crate::flags::{Passwd, PasswordHash};
use clap::Parser;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

/// Runs `passwd` with these arguments, of which the first is its name.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match Passwd::try_parse_from(argv) {
        Ok(flags) => flags,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match change(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(&format!("Error: {fault}.\n"));
            ExitCode::FAILURE
        }
    }
}

fn change(flags: &Passwd) -> Result<(), String> {
    let path = &flags.file;
    let unreadable = |error: io::Error| format!("Unable to open password file {}: {error}", path.display());
    let text = if flags.create { String::new() } else { fs::read_to_string(path).map_err(unreadable)? };
    let scheme = match flags.hash {
        PasswordHash::Sha512 => Scheme::Sha512,
        PasswordHash::Sha512Pbkdf2 => Scheme::Sha512Pbkdf2,
        PasswordHash::Argon2id => Scheme::Argon2id,
    };
    let Some(name) = &flags.user else {
        return write(path, &upgraded(&text, scheme, flags.iterations)?);
    };
    check_name(name).map_err(|fault| fault.to_string())?;
    let lines = if flags.delete {
        Vec::new()
    } else {
        let password = password(flags)?;
        lines_of(name, scheme, &password, flags.iterations).ok_or(NO_RANDOMNESS)?
    };
    let edited = edit(&text, name, &lines).ok_or_else(|| format!("User {name} not found"))?;
    write(path, &edited)
}

const NO_RANDOMNESS: &str = "There is no randomness for a salt";

fn password(flags: &Passwd) -> Result<Vec<u8>, String> {
    if flags.batch {
        let password = flags.password.as_ref().ok_or("-b needs a password behind the user")?;
        return Ok(password.clone().into_bytes());
    }
    let password = if io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map_err(|error| error.to_string());
        let password = ask("Password: ")?;
        if ask("Reenter password: ")? != password {
            return Err("Passwords do not match".to_owned());
        }
        password.into_bytes()
    } else {
        secret::of_standard_input().map_err(|error| format!("Unable to read the password: {error}"))?
    };
    if password.is_empty() { Err("Empty password".to_owned()) } else { Ok(password) }
}

/// Hashes what stands plain behind a colon; everything else stays.
fn upgraded(text: &str, scheme: Scheme, iterations: u32) -> Result<String, String> {
    let mut upgraded = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let is_other = line.starts_with('#') || line.trim().is_empty();
        let Some((name, password)) = line.split_once(':').filter(|_| !is_other) else {
            if !is_other {
                return Err(format!("Line {number} has no ':'"));
            }
            upgraded.extend([line, "\n"]);
            continue;
        };
        if Stored::parse(password).is_some() {
            upgraded.extend([line, "\n"]);
            continue;
        }
        check_name(name).map_err(|fault| format!("{fault} in line {number}"))?;
        let lines = lines_of(name, scheme, password.as_bytes(), iterations).ok_or(NO_RANDOMNESS)?;
        lines.iter().for_each(|line| upgraded.extend([line, "\n"]));
    }
    Ok(upgraded)
}

/// Puts the new file in the place of the old one as a whole, readable for its owner unless it was for others.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("Unable to write password file {}: {error}", path.display());
    let metadata = fs::metadata(path);
    if metadata.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
        // A terminal or a pipe.
        return File::options()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(failed);
    }
    // Behind a link, the file itself is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = metadata.map_or(0o600, |metadata| metadata.permissions().mode() & 0o777);
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}.new", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}
