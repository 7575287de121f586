//! The flags of `culex passwd`.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Make and edit password files for a broker
///
/// The password is asked for, twice, at a terminal; otherwise it is the first line of the standard input.
#[derive(Clone, Debug, Parser)]
#[command(name = "passwd", version, disable_version_flag = true)]
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub struct Passwd {
    /// Take the password from the command line, where every user of the machine can see it
    #[arg(short, conflicts_with_all = ["delete", "upgrade"])]
    pub batch: bool,

    /// Create a new file; one that is there is overwritten
    #[arg(short, conflicts_with_all = ["delete", "upgrade"])]
    pub create: bool,

    /// Delete the user
    #[arg(short = 'D', conflicts_with = "upgrade")]
    pub delete: bool,

    /// Hash the plain passwords of a file
    #[arg(short = 'U', conflicts_with = "user")]
    pub upgrade: bool,

    /// How passwords are hashed; SCRAM needs sha512-pbkdf2
    #[arg(short = 'H', value_name = "hash", default_value = "sha512-pbkdf2")]
    pub hash: PasswordHash,

    /// Rounds of sha512-pbkdf2
    #[arg(
        short = 'I',
        value_name = "iterations",
        default_value = "4096",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    pub iterations: u32,

    /// Password file
    #[arg(value_name = "file")]
    pub file: PathBuf,

    /// Name of the user
    #[arg(value_name = "user", required_unless_present = "upgrade")]
    pub user: Option<String>,

    /// Password, with -b
    #[arg(value_name = "password", requires = "batch")]
    pub password: Option<String>,
}

/// How a password is hashed, as `mosquitto_passwd` names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum PasswordHash {
    /// One round of salted SHA-512, for mosquitto before 2.0.
    Sha512,
    /// PBKDF2 with HMAC-SHA-512.
    #[value(name = "sha512-pbkdf2")]
    Sha512Pbkdf2,
    /// Argon2id, for mosquitto from 2.1 on.
    Argon2id,
}
