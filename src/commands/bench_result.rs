//! `bench merge`, `bench report`, `bench compare`, and what becomes of a run's results.

use super::complain;
use crate::bench::compare;
use crate::bench::merge;
use crate::bench::result::{EXIT_FAILURE, EXIT_GATE, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, RunResult, file};
use crate::bench::summary::{self, Style};
use crate::bench::threshold::Condition;
use crate::bench::view::{csv, hdr_log, html};
use crate::flags::bench_result::{BenchCompare, BenchMerge, BenchReport, Gates, ResultFiles};
use anyhow::{Context, bail};
use clap::Parser;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

/// Runs the subcommand that the second of `argv` names; `None` when it is none of these.
#[must_use]
pub fn run(argv: &[OsString]) -> Option<ExitCode> {
    let run: fn(&[OsString]) -> Result<u8, Ending> = match argv.get(1)?.to_str()? {
        "merge" => |argv| merge_files(&BenchMerge::try_parse_from(argv)?),
        "report" => |argv| report(&BenchReport::try_parse_from(argv)?),
        "compare" => |argv| compare_files(&BenchCompare::try_parse_from(argv)?),
        _ => return None,
    };
    Some(run(&below(argv)).unwrap_or_else(Ending::tell).into())
}

/// The words of a subcommand, which is called by both names in its texts.
pub(super) fn below(argv: &[OsString]) -> Vec<OsString> {
    let name = argv.get(1).map_or_else(String::new, |word| format!("culex-bench {}", word.to_string_lossy()));
    std::iter::once(name.into()).chain(argv.iter().skip(2).cloned()).collect()
}

/// Why a subcommand ends without having done anything.
enum Ending {
    Usage(clap::Error),
    /// Conditions that cannot be read.
    Conditions(String),
    Failure(anyhow::Error),
}

impl From<clap::Error> for Ending {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
    }
}

impl From<anyhow::Error> for Ending {
    fn from(error: anyhow::Error) -> Self {
        Self::Failure(error)
    }
}

impl Ending {
    /// Says what it is on the right stream; the exit status.
    fn tell(self) -> u8 {
        match self {
            Self::Usage(error)
                if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
            {
                // A reader that has gone away has seen what it wanted.
                let _ = error.print();
                EXIT_OK
            }
            Self::Usage(error) => {
                complain(&format!("Error: {error}").replacen("Error: error: ", "Error: ", 1));
                EXIT_USAGE
            }
            Self::Conditions(text) => {
                complain(&format!("Error: {text}\n"));
                EXIT_USAGE
            }
            Self::Failure(error) => {
                complain(&format!("Error: {error:#}\n"));
                EXIT_FAILURE
            }
        }
    }
}

fn merge_files(flags: &BenchMerge) -> Result<u8, Ending> {
    let conditions = flags.gates.conditions().map_err(Ending::Conditions)?;
    flags.gates.regressions().map_err(Ending::Conditions)?;
    let parts = flags.files.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    // A file of repeated runs holds one segment of each.
    let runs = parts.iter().map(Vec::len).max().unwrap_or_default();
    let mut merged = Vec::new();
    for number in 0..runs {
        let segments: Vec<_> = parts.iter().filter_map(|part| part.get(number).cloned()).collect();
        let hint = "--force merges all the same";
        let whole = merge::merge(&segments, &conditions, flags.force);
        merged.push(whole.map_err(|error| anyhow::anyhow!("{error}; {hint}")).context("merging")?);
    }
    Ok(deliver(&mut merged, &flags.output, &flags.gates)?)
}

fn report(flags: &BenchReport) -> Result<u8, Ending> {
    let conditions = flags.gates.conditions().map_err(Ending::Conditions)?;
    flags.gates.regressions().map_err(Ending::Conditions)?;
    let mut results = read_all(flags.files.iter().map(std::path::PathBuf::as_path))?;
    if !conditions.is_empty() {
        results.iter_mut().for_each(|result| result.conclude(&conditions));
    }
    Ok(deliver(&mut results, &flags.output, &flags.gates)?)
}

fn compare_files(flags: &BenchCompare) -> Result<u8, Ending> {
    let regressions = flags.regressions().map_err(Ending::Conditions)?;
    let side = |first: &Path, more: &[std::path::PathBuf]| {
        read_all(std::iter::once(first).chain(more.iter().map(std::path::PathBuf::as_path)))
    };
    let (base, new) = (side(&flags.base, &flags.more_base)?, side(&flags.new, &flags.more_new)?);
    print(compare::render(&base, &new).as_bytes())?;
    if let Some(path) = &flags.html {
        let both = [base.clone(), new.clone()].concat();
        write_to(path, |out| html::write(&both, out))?;
    }
    let mut status = EXIT_OK;
    for regression in regressions {
        let gate = regression.check(&base, &new);
        print(
            format!(" {}  {}  {}\n", gate.expr, gate.text, if gate.pass { "pass" } else { "FAIL" })
                .as_bytes(),
        )?;
        status = status.max(if gate.pass { EXIT_OK } else { EXIT_GATE });
    }
    Ok(status)
}

/// Checks the results against the baseline, prints their summaries and writes the files; the exit status of all.
///
/// # Errors
///
/// When a file cannot be read or written.
pub fn deliver(results: &mut [RunResult], output: &ResultFiles, gates: &Gates) -> anyhow::Result<u8> {
    conclude(results, output, gates, false)
}

/// As [`deliver`], without summaries when `is_silent`.
///
/// # Errors
///
/// As [`deliver`].
pub fn conclude(
    results: &mut [RunResult],
    output: &ResultFiles,
    gates: &Gates,
    is_silent: bool,
) -> anyhow::Result<u8> {
    check_baseline(results, gates)?;
    if !is_silent {
        print_all(results, output)?;
    }
    write_files(results, output)?;
    Ok(worst_status(results))
}

/// Prints the summaries of `results`, unless JSON takes the standard output.
///
/// # Errors
///
/// When it cannot be written to.
fn print_all(results: &[RunResult], output: &ResultFiles) -> anyhow::Result<()> {
    let is_json_alone = output.json.as_deref() == Some(Path::new("-"));
    if !is_json_alone {
        let color = !output.no_color && std::env::var_os("NO_COLOR").is_none() && io::stdout().is_terminal();
        let texts: Vec<_> = results.iter().map(|result| summary::render(result, Style { color })).collect();
        print(texts.join("\n").as_bytes())?;
        if results.len() > 1 {
            print(format!("\n{}", compare::spread(results)).as_bytes())?;
        }
    }
    Ok(())
}

/// Writes the files that `output` names, each with all of `results`.
///
/// # Errors
///
/// When one cannot be written.
pub fn write_files(results: &[RunResult], output: &ResultFiles) -> anyhow::Result<()> {
    if let Some(path) = &output.json {
        write_to(path, |mut out| results.iter().try_for_each(|result| file::write_json(result, &mut out)))?;
    }
    if let Some(path) = &output.out {
        write_to(path, |mut out| results.iter().try_for_each(|result| file::write(result, &mut out)))?;
    }
    if let Some(path) = &output.csv {
        write_to(path, |out| csv::write(results, out))?;
    }
    if let Some(path) = &output.hdr_log {
        write_to(path, |out| hdr_log::write(results, out))?;
    }
    if let Some(path) = &output.html {
        write_to(path, |out| html::write(results, out))?;
    }
    Ok(())
}

/// The exit status of several results: interrupted if one was, else the highest.
#[must_use]
pub fn worst_status(results: &[RunResult]) -> u8 {
    let status = |result: &RunResult| result.verdict.exit_code;
    let interrupted = results.iter().map(status).find(|status| *status == EXIT_INTERRUPTED);
    interrupted.or_else(|| results.iter().map(status).max()).unwrap_or(EXIT_OK)
}

/// Adds what `--fail-regress` says to the gates of the last result, which then stands for all of them.
fn check_baseline(results: &mut [RunResult], gates: &Gates) -> anyhow::Result<()> {
    let regressions = gates.regressions().map_err(anyhow::Error::msg)?;
    if regressions.is_empty() {
        return Ok(());
    }
    let base = read_all(gates.baseline.iter().map(std::path::PathBuf::as_path))?;
    let checked: Vec<_> = regressions.iter().map(|regression| regression.check(&base, results)).collect();
    let conditions: Vec<Condition> = gates.conditions().map_err(anyhow::Error::msg)?;
    if let Some(last) = results.last_mut() {
        last.thresholds.retain(|threshold| !threshold.baseline);
        last.thresholds.extend(checked);
        last.conclude(&conditions);
    }
    Ok(())
}

/// Reads the baseline, to find out whether it can be.
///
/// # Errors
///
/// Why it cannot.
pub fn check_baseline_files(gates: &Gates) -> anyhow::Result<()> {
    read_all(gates.baseline.iter().map(std::path::PathBuf::as_path)).map(|_| ())
}

/// The ceiling that `bench calibrate` found, in messages a second.
///
/// # Errors
///
/// When the file cannot be read, or says nothing of a ceiling.
pub fn ceiling(path: &Path) -> anyhow::Result<f64> {
    let found = read(path)?.iter().rev().find_map(|result| result.host.calibrated_msgs_per_s);
    found.with_context(|| {
        format!("{}: not what culex-bench calibrate wrote with --json or --out", path.display())
    })
}

fn read_all<'a>(paths: impl Iterator<Item = &'a Path>) -> anyhow::Result<Vec<RunResult>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(read(path)?);
    }
    Ok(all)
}

/// All results of one file; `-` is the standard input.
fn read(path: &Path) -> anyhow::Result<Vec<RunResult>> {
    let reading = || format!("reading {}", path.display());
    let results = if path == Path::new("-") {
        file::read_all(io::stdin().lock()).with_context(reading)?
    } else {
        if path.is_dir() {
            bail!("reading {}: it is a directory", path.display());
        }
        file::read_all(BufReader::new(File::open(path).with_context(reading)?)).with_context(reading)?
    };
    Ok(results)
}

/// Writes a whole file beside its place and moves it there, so that nobody reads half of one; `-` is the standard output.
fn write_to(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let writing = || format!("writing {}", path.display());
    if path == Path::new("-") {
        return write(&mut BufWriter::new(io::stdout().lock())).with_context(writing);
    }
    // What is no ordinary file, such as a pipe or /dev/null, is written to as it is.
    if path.exists() && !path.is_file() {
        let mut out = BufWriter::new(File::create(path).with_context(writing)?);
        return write(&mut out).and_then(|()| out.flush()).with_context(writing);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let mut out = BufWriter::new(File::create(&part).with_context(writing)?);
    let written = write(&mut out).and_then(|()| out.flush()).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // The first failure is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(writing)
}

fn print(text: &[u8]) -> anyhow::Result<()> {
    io::stdout().write_all(text).context("writing the standard output")
}
