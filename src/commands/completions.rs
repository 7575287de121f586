//! `culex completions`: a shell's completion script, made from the flag declarations.

use crate::flags::programs;
use clap::Command;
use clap_complete::{Shell, generate};
use clap_complete_nushell::Nushell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints the script that `arguments` ask for; the first of them is the subcommand itself.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = programs::completions().bin_name("culex completions").get_matches_from(arguments);
    let word = |id: &str| matches.get_one::<String>(id).map_or("", String::as_str);
    let script = script(word("shell"), word("program")).unwrap_or_default();
    // A reader that has gone away has seen what it wanted.
    let _ = io::stdout().write_all(&script);
    ExitCode::SUCCESS
}

/// The completion script for one of [`programs::PROGRAMS`] in one of [`programs::SHELLS`].
#[must_use]
pub fn script(shell: &str, program: &str) -> Option<Vec<u8>> {
    let mut command = completable(programs::program(program)?);
    let mut out = Vec::new();
    match shell {
        "nushell" => generate(Nushell, &mut command, program, &mut out),
        _ => generate(shell.parse::<Shell>().ok()?, &mut command, program, &mut out),
    }
    Some(out)
}

/// The file name under which `shell` looks for the completions of `program`.
#[must_use]
pub fn file_name(shell: &str, program: &str) -> String {
    match shell {
        "elvish" => format!("{program}.elv"),
        "fish" => format!("{program}.fish"),
        "nushell" => format!("{program}.nu"),
        "powershell" => format!("_{program}.ps1"),
        "zsh" => format!("_{program}"),
        _ => format!("{program}.bash"),
    }
}

/// Without the version of the package, so that a release changes no script.
fn completable(command: Command) -> Command {
    command.version(None).disable_version_flag(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use programs::{PROGRAMS, SHELLS};

    #[test]
    fn every_shell_completes_every_program() {
        for shell in SHELLS {
            for program in PROGRAMS {
                let script = String::from_utf8(script(shell, program).unwrap()).unwrap();
                assert!(script.contains(program), "{shell} {program}");
                assert!(script.contains("quiet"), "{shell} {program}");
            }
        }
        assert_eq!(script("csh", "culex"), None);
        assert_eq!(script("bash", "other"), None);
    }
}
