//! `culex`: every tool by its first word, or by the name it is called by.

use super::{broker, complain, completions, links, man, passwd, publish, record, replay, request, subscribe};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Runs a tool with these arguments, of which the first is its name.
type Run = fn(Vec<OsString>) -> ExitCode;

/// A tool: its word, our name and mosquitto's for its program (empty without one), what it does, and its way in.
struct Tool {
    word: &'static str,
    name: &'static str,
    mosquitto_name: &'static str,
    about: &'static str,
    run: Run,
}

const TOOLS: &[Tool] = &[
    Tool {
        word: "pub",
        name: "culex-pub",
        mosquitto_name: "mosquitto_pub",
        about: "publish messages",
        run: |argv| publish::run(argv),
    },
    Tool {
        word: "sub",
        name: "culex-sub",
        mosquitto_name: "mosquitto_sub",
        about: "subscribe to topics and print what arrives",
        run: |argv| subscribe::run(argv),
    },
    Tool {
        word: "rr",
        name: "culex-rr",
        mosquitto_name: "mosquitto_rr",
        about: "send a request and print the reply",
        run: |argv| request::run(argv),
    },
    Tool {
        word: "record",
        name: "culex-record",
        mosquitto_name: "",
        about: "record messages in a file, a line of JSON each",
        run: |argv| record::run(argv),
    },
    Tool {
        word: "replay",
        name: "culex-replay",
        mosquitto_name: "",
        about: "publish recorded messages again, with the recorded pauses",
        run: |argv| replay::run(argv),
    },
    Tool {
        word: "broker",
        name: "culex-broker",
        mosquitto_name: "mosquitto",
        about: "serve as a broker, also for the time of one command (--exec)",
        run: |argv| broker::run(argv),
    },
    #[cfg(feature = "bench")]
    Tool {
        word: "bench",
        name: "culex-bench",
        mosquitto_name: "",
        about: "load a broker and measure it",
        run: |argv| super::bench::run(argv),
    },
    #[cfg(feature = "check")]
    Tool {
        word: "check",
        name: "culex-check",
        mosquitto_name: "",
        about: "test devices: expect messages, run scenarios, with faults",
        run: |argv| super::check::run(argv),
    },
    #[cfg(feature = "check")]
    Tool {
        word: "proxy",
        name: "",
        mosquitto_name: "",
        about: "stand in front of a broker: show packets, tamper with them",
        run: |argv| super::proxy::run(argv),
    },
    Tool {
        word: "passwd",
        name: "",
        mosquitto_name: "mosquitto_passwd",
        about: "make and edit password files for a broker",
        run: |argv| passwd::run(argv),
    },
    Tool {
        word: "completions",
        name: "",
        mosquitto_name: "",
        about: "print a shell's completion script",
        run: |argv| completions::main(argv),
    },
    Tool {
        word: "man",
        name: "",
        mosquitto_name: "",
        about: "write the man pages of all programs into a directory",
        run: |argv| man::main(argv),
    },
    Tool {
        word: "links",
        name: "",
        mosquitto_name: "",
        about: "make links with mosquitto's names in a directory",
        run: |argv| links::main(argv),
    },
];

/// Runs the tool that the arguments of the process name.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os().collect())
}

/// Runs the tool that `argv` names.
#[must_use]
pub fn run(mut argv: Vec<OsString>) -> ExitCode {
    let called_as = argv.first().and_then(|program| Path::new(program).file_name());
    let is_called =
        |tool: &&Tool| called_as.is_some_and(|name| name == tool.name || name == tool.mosquitto_name);
    if let Some(tool) = TOOLS.iter().find(is_called) {
        return (tool.run)(argv);
    }
    let word = argv.get(1).cloned().unwrap_or_default();
    if let Some(tool) = TOOLS.iter().find(|tool| word == tool.word) {
        argv.remove(0);
        argv[0] = if tool.name.is_empty() { word } else { tool.name.into() };
        return (tool.run)(argv);
    }
    answer(&word)
}

/// What `culex` itself has to say.
fn answer(word: &OsStr) -> ExitCode {
    let text = match word.to_str() {
        Some("--help" | "-h" | "help") => help(),
        Some("--version" | "-V") => format!("culex {}\n", env!("CARGO_PKG_VERSION")),
        Some("") => {
            complain(&help());
            return ExitCode::FAILURE;
        }
        _ => {
            let words = TOOLS.iter().map(|tool| tool.word).collect::<Vec<_>>().join(", ");
            complain(&format!(
                "Error: Unknown command '{}'.\n\nThe commands are {words}; 'culex --help' tells more.\n",
                word.to_string_lossy()
            ));
            return ExitCode::FAILURE;
        }
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn help() -> String {
    let mut text =
        "MQTT from the shell, in tests and under load\n\nUsage: culex <command> [options]\n\nCommands:\n"
            .to_owned();
    for Tool { word, about, .. } in TOOLS {
        text.push_str(&format!("  {word:13}{about}\n"));
    }
    text.push_str("\n'culex <command> --help' explains a command. Called by the name of a program\n(culex-pub, mosquitto_pub ...), for instance through a link, culex is that program.\n");
    text
}
