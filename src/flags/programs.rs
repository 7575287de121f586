//! Every program's declarations together: for `culex --help`, completions, man pages and the README's tables.

use super::{Broker, Passwd, Tool};
use clap::{Arg, Command, CommandFactory, ValueHint, builder::PossibleValuesParser};

/// The shells that `culex completions` knows.
pub const SHELLS: [&str; 6] = ["bash", "elvish", "fish", "nushell", "powershell", "zsh"];

/// The programs that have a name of their own, and so completions and a man page each.
pub const PROGRAMS: &[&str] = &[
    "culex",
    #[cfg(feature = "bench")]
    "culex-bench",
    "culex-broker",
    #[cfg(feature = "check")]
    "culex-check",
    "culex-pub",
    "culex-sub",
    "culex-rr",
    "culex-record",
    "culex-replay",
];

/// The declarations of the program of that name; `None` for a name that is not in [`PROGRAMS`].
#[must_use]
pub fn program(name: &str) -> Option<Command> {
    Some(match name {
        "culex" => culex(),
        #[cfg(feature = "bench")]
        "culex-bench" => super::Bench::command(),
        "culex-broker" => Broker::command(),
        #[cfg(feature = "check")]
        "culex-check" => super::Check::whole_command(),
        "culex-pub" => Tool::Publish.command(),
        "culex-sub" => Tool::Subscribe.command(),
        "culex-rr" => Tool::Request.command(),
        "culex-record" => Tool::Record.command(),
        "culex-replay" => Tool::Replay.command(),
        _ => return None,
    })
}

/// `culex`, which has the other programs as its subcommands.
#[must_use]
pub fn culex() -> Command {
    let command = Command::new("culex")
        .about("MQTT from the shell, in tests and under load")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(Tool::Publish.command().name("pub"))
        .subcommand(Tool::Subscribe.command().name("sub"))
        .subcommand(Tool::Request.command().name("rr"))
        .subcommand(Tool::Record.command().name("record"))
        .subcommand(Tool::Replay.command().name("replay"))
        .subcommand(Broker::command().name("broker"))
        .subcommand(Passwd::command().name("passwd"));
    #[cfg(feature = "bench")]
    let command = command.subcommand(super::Bench::command().name("bench"));
    #[cfg(feature = "check")]
    let command = command
        .subcommand(super::Check::whole_command().name("check"))
        .subcommand(super::Proxy::command().name("proxy"));
    command.subcommand(completions()).subcommand(man()).subcommand(links())
}

/// `culex completions SHELL [PROGRAM]`.
#[must_use]
pub fn completions() -> Command {
    Command::new("completions")
        .about("Print a shell's completion script")
        .arg(
            Arg::new("shell")
                .help("Shell that reads the script")
                .required(true)
                .value_parser(PossibleValuesParser::new(SHELLS)),
        )
        .arg(
            Arg::new("program")
                .help("Program that the script completes")
                .default_value("culex")
                .value_parser(PossibleValuesParser::new(PROGRAMS.iter().copied())),
        )
}

/// `culex man DIRECTORY`.
#[must_use]
pub fn man() -> Command {
    Command::new("man").about("Write the man pages of all programs into a directory").arg(directory())
}

/// `culex links DIRECTORY`.
#[must_use]
pub fn links() -> Command {
    Command::new("links")
        .about(
            "Make links called mosquitto_pub, mosquitto_sub and mosquitto_rr to this program in a directory",
        )
        .arg(directory())
}

fn directory() -> Arg {
    Arg::new("directory")
        .help("Directory, made if it does not exist")
        .required(true)
        .value_parser(clap::value_parser!(std::path::PathBuf))
        .value_hint(ValueHint::DirPath)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declaration_is_sound_to_clap() {
        for &name in PROGRAMS {
            program(name).unwrap().debug_assert();
        }
        assert!(program("culex-").is_none());
    }
}
