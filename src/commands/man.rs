//! `culex man`: the man pages, made from the flag declarations and from what `src/commands/man` adds to them.

use crate::flags::programs;
use clap::Command;
use clap_mangen::Man;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The one page that is about no program, and so is written by hand.
const FORMATS: (&str, &str) = ("culex-formats.5", include_str!("man/culex-formats.5"));

/// What a program's page has that the flags do not say.
struct Addition {
    program: &'static str,
    synopsis: &'static str,
    sections: &'static [&'static str],
}

const ADDITIONS: &[Addition] = &[
    Addition {
        program: "culex",
        synopsis: ".B culex\n.I command\n[\\fIarguments\\fR]\n",
        sections: &[include_str!("man/culex.roff")],
    },
    #[cfg(feature = "bench")]
    Addition {
        program: "culex-bench",
        synopsis: ".B culex\\-bench\n[\\fImode\\fR]\n[\\fIoptions\\fR]\n",
        sections: &[include_str!("man/culex-bench.roff"), SEE_ALSO],
    },
    Addition {
        program: "culex-broker",
        synopsis: ".B culex\\-broker\n[\\fIoptions\\fR]\n.br\n.B culex\\-broker\n[\\fIoptions\\fR]\n\
                   \\fB\\-\\-exec \\-\\-\\fR \\fIcommand\\fR [\\fIargument\\fR ...]\n",
        sections: &[include_str!("man/culex-broker.roff"), SEE_ALSO],
    },
    #[cfg(feature = "check")]
    Addition {
        program: "culex-check",
        synopsis: ".B culex\\-check run\n[\\fIoptions\\fR]\n\\fIfile\\fR ...\n.br\n\
                   .B culex\\-check expect\n[\\fIoptions\\fR]\n\\fB\\-t\\fR \\fIfilter\\fR\n\
                   [\\fB\\-\\-\\fR \\fIcommand\\fR [\\fIargument\\fR ...]]\n.br\n\
                   .B culex\\-check none\n[\\fIoptions\\fR]\n\\fB\\-t\\fR \\fIfilter\\fR\n\
                   [\\fB\\-\\-\\fR \\fIcommand\\fR [\\fIargument\\fR ...]]\n.br\n\
                   .B culex\\-check health\n[\\fIoptions\\fR]\n",
        sections: &[include_str!("man/culex-check.roff"), SEE_ALSO],
    },
    Addition {
        program: "culex-pub",
        synopsis: ".B culex\\-pub\n[\\fIoptions\\fR]\n\\fB\\-t\\fR \\fItopic\\fR\n\
                   {\\fB\\-m\\fR \\fIpayload\\fR | \\fB\\-f\\fR \\fIfile\\fR | \\fB\\-l\\fR | \\fB\\-n\\fR | \\fB\\-s\\fR}\n",
        sections: &[include_str!("man/culex-pub.roff"), CLIENT, PUB_DIFFERENCES, SEE_ALSO],
    },
    Addition {
        program: "culex-sub",
        synopsis: ".B culex\\-sub\n[\\fIoptions\\fR]\n\\fB\\-t\\fR \\fIfilter\\fR ...\n",
        sections: &[include_str!("man/culex-sub.roff"), CLIENT, SUB_DIFFERENCES, SEE_ALSO],
    },
    Addition {
        program: "culex-rr",
        synopsis: ".B culex\\-rr\n[\\fIoptions\\fR]\n\\fB\\-t\\fR \\fItopic\\fR\n\\fB\\-e\\fR \\fItopic\\fR\n\
                   {\\fB\\-m\\fR \\fIpayload\\fR | \\fB\\-f\\fR \\fIfile\\fR | \\fB\\-n\\fR | \\fB\\-s\\fR}\n",
        sections: &[include_str!("man/culex-rr.roff"), CLIENT, RR_DIFFERENCES, SEE_ALSO],
    },
    Addition {
        program: "culex-record",
        synopsis: ".B culex record\n[\\fIoptions\\fR]\n\\fB\\-t\\fR \\fIfilter\\fR ...\n[\\fB\\-o\\fR \\fIfile\\fR]\n",
        sections: &[include_str!("man/culex-record.roff"), RECORDER, SEE_ALSO],
    },
    Addition {
        program: "culex-replay",
        synopsis: ".B culex replay\n[\\fIoptions\\fR]\n\\fIfile\\fR\n",
        sections: &[include_str!("man/culex-replay.roff"), RECORDER, SEE_ALSO],
    },
];
const RECORDER: &str = include_str!("man/recorder.roff");
const CLIENT: &str = include_str!("man/client.roff");
const PUB_DIFFERENCES: &str = include_str!("man/differences-pub.roff");
const SUB_DIFFERENCES: &str = include_str!("man/differences-sub.roff");
const RR_DIFFERENCES: &str = include_str!("man/differences-rr.roff");
const SEE_ALSO: &str = include_str!("man/see-also.roff");

/// Writes every page into the directory that `arguments` name; the first of them is the subcommand itself.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = programs::man().bin_name("culex man").get_matches_from(arguments);
    let directory = matches.get_one::<PathBuf>("directory").cloned().unwrap_or_default();
    match write_all(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "culex man: writing to {}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, page) in pages()? {
        fs::write(directory.join(name), page)?;
    }
    Ok(())
}

/// Every page by its file name.
///
/// # Errors
///
/// None in practice: the pages are written to memory.
pub fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = vec![(FORMATS.0.to_owned(), FORMATS.1.as_bytes().to_vec())];
    for addition in ADDITIONS {
        let Some(command) = programs::program(addition.program) else { continue };
        pages.push((format!("{}.1", addition.program), page(command, addition)?));
    }
    Ok(pages)
}

fn page(command: Command, addition: &Addition) -> io::Result<Vec<u8>> {
    let tasks: Vec<Command> = command.get_subcommands().cloned().collect();
    let commands: String = command.get_subcommands().map(command_entry).collect();
    // Without the version of the package, so that a release changes no page.
    let command = command.version(None).disable_version_flag(true);
    let man = Man::new(command).title(addition.program.to_uppercase()).source("culex").manual("MQTT");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    write!(page, ".SH SYNOPSIS\n{}", addition.synopsis)?;
    if commands.is_empty() {
        man.render_options_section(&mut page)?;
    } else {
        write!(page, ".SH COMMANDS\n{commands}")?;
    }
    for task in described(addition.program, &tasks) {
        let mut options = Vec::new();
        Man::new(task.clone()).render_options_section(&mut options)?;
        let name = task.get_name().to_uppercase();
        let options = String::from_utf8_lossy(&options);
        page.extend_from_slice(
            options.replacen(".SH OPTIONS", &format!(".SH OPTIONS OF {name}"), 1).as_bytes(),
        );
    }
    addition.sections.iter().for_each(|section| page.extend_from_slice(section.as_bytes()));
    Ok(page)
}

/// The subcommands of which the page tells the options; the programs under `culex` have pages of their own.
fn described<'a>(program: &str, tasks: &'a [Command]) -> &'a [Command] {
    if program == "culex" { &[] } else { tasks }
}

/// A subcommand with its positional arguments and its sentence.
fn command_entry(command: &Command) -> String {
    let arguments = command.get_positionals().map(|arg| match arg.is_required_set() {
        true => format!(" \\fI{}\\fR", arg.get_id()),
        false => format!(" [\\fI{}\\fR]", arg.get_id()),
    });
    let arguments: String = arguments.collect();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!(".TP\n\\fB{}\\fR{arguments}\n{about}.\n", command.get_name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Template;

    #[test]
    fn every_program_has_its_page() {
        for program in programs::PROGRAMS {
            assert!(ADDITIONS.iter().any(|addition| addition.program == *program), "{program}");
        }
    }

    #[test]
    fn every_specifier_is_on_the_page_of_formats() {
        for letter in ('a'..='z').chain('A'..='Z') {
            let known = Template::parse(format!("%{letter}")).is_ok();
            assert_eq!(FORMATS.1.contains(&format!("\n.B %{letter}\n")), known, "%{letter}");
        }
    }
}
