//! `docs/options.md`: every option of every program in tables, as Markdown.

use clap::{Arg, Command};
use culex::flags::programs::{PROGRAMS, program};
use std::fmt::Write as _;

pub(crate) fn page() -> String {
    let mut out =
        String::from("# Options\n\nMade from the flag declarations by `tests/generated.rs`; do not edit.\n");
    for name in PROGRAMS {
        let command = program(name).unwrap();
        write!(out, "\n## {name}\n\n{}.\n", command.get_about().unwrap()).unwrap();
        tables(&command, &mut out);
        for subcommand in command.get_subcommands() {
            if PROGRAMS.contains(&format!("{name}-{}", subcommand.get_name()).as_str()) {
                continue;
            }
            let about = subcommand.get_about().unwrap();
            write!(out, "\n### {name} {}\n\n{about}.\n", subcommand.get_name()).unwrap();
            tables(subcommand, &mut out);
        }
    }
    out
}

/// One table for each heading, in the order in which the headings appear.
fn tables(command: &Command, out: &mut String) {
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    let mut headings: Vec<&str> = Vec::new();
    for arg in &shown {
        let heading = arg.get_help_heading().unwrap_or("Options");
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        write!(out, "\n| {heading} | |\n|---|---|\n").unwrap();
        for arg in shown.iter().filter(|arg| arg.get_help_heading().unwrap_or("Options") == heading) {
            writeln!(out, "| {} | {} |", names(arg), cell(&help(arg))).unwrap();
        }
    }
}

fn names(arg: &Arg) -> String {
    let values: String = match arg.get_value_names() {
        Some(names) if arg.get_action().takes_values() => {
            names.iter().map(|name| format!(" <{name}>")).collect()
        }
        _ => String::new(),
    };
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let names = if arg.is_positional() { arg.get_id().to_string() } else { names.join(", ") + &values };
    format!("`{names}`")
}

fn help(arg: &Arg) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> =
        arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !values.is_empty() && arg.get_action().takes_values() {
        write!(help, " ({})", values.join(", ")).unwrap();
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        write!(help, "; default `{}`", defaults.join(" ")).unwrap();
    }
    help
}

/// Text that ends no cell and starts no tag.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
