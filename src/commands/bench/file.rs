//! `bench file`: one run of a scenario after the other.

use super::{Ending, Known, measure, run_number, title};
use crate::bench::plan::Plan;
use crate::bench::preflight;
use crate::bench::result::{EXIT_INTERRUPTED, EXIT_OK, Status};
use crate::commands::{bench_result, complain, say};
use crate::flags::bench::{BenchFile, Scenario, ScenarioRun};
use anyhow::Context;
use std::path::Path;

/// A run that has been checked: what it is called, its plan, its gates.
struct Ready<'a> {
    run: &'a ScenarioRun,
    plan: Plan,
    known: Known,
}

pub(super) fn run(flags: &BenchFile) -> Result<u8, Ending> {
    let text =
        std::fs::read_to_string(&flags.file).with_context(|| format!("reading {}", flags.file.display()))?;
    let wrong = |text: String| Ending::Usage(format!("{}: {text}", flags.file.display()));
    let scenario = Scenario::read(&text, &flags.options).map_err(|error| wrong(error.to_string()))?;
    // All of it, before the first connection: what is wrong with the last run shows now and not in an hour.
    let ready = scenario.runs.iter().map(|run| {
        let plan = run.plan(run_number(&run.flags, &run.config)).map_err(|error| error.to_string())?;
        let known = Known::of(&run.flags).map_err(|text| format!("line {}: {text}", run.line))?;
        Ok(Ready { run, plan, known })
    });
    let ready = ready.collect::<Result<Vec<_>, String>>().map_err(wrong)?;
    if flags.dry_run {
        ready.iter().for_each(show);
        return Ok(EXIT_OK);
    }
    Ok(carry_out(ready, &scenario)?)
}

/// Runs all, until one is interrupted or finds no broker; the exit status of the worst.
fn carry_out(ready: Vec<Ready<'_>>, scenario: &Scenario) -> anyhow::Result<u8> {
    let (mut all, mut worst) = (Vec::new(), EXIT_OK);
    // The standard output is one document then.
    let is_silent = scenario.output.json.as_deref() == Some(Path::new("-"));
    let is_one_of_many = ready.len() > 1;
    for Ready { run, plan, known } in ready {
        let flags = &run.flags;
        if is_one_of_many && !flags.generator.quiet {
            complain(&format!("run {}\n", run.name));
        }
        let has_summary = !is_silent && flags.output.json.as_deref() != Some(Path::new("-"));
        let mut results = measure(plan, flags, run.config.clone(), &known)?;
        if is_one_of_many && has_summary {
            say(&format!("{}Run {}\n", if all.is_empty() { "" } else { "\n" }, run.name));
        }
        let status = bench_result::conclude(&mut results, &flags.output, &flags.gates, is_silent)?;
        let is_over =
            status == EXIT_INTERRUPTED || results.iter().any(|result| result.verdict.status == Status::Error);
        worst = if status == EXIT_INTERRUPTED { status } else { worst.max(status) };
        all.append(&mut results);
        if is_over {
            break;
        }
    }
    bench_result::write_files(&all, &scenario.output)?;
    Ok(worst)
}

/// What would be run, as it was understood.
fn show(ready: &Ready<'_>) {
    let Ready { run, plan, .. } = ready;
    let is_embedded = run.flags.connection.embedded;
    let limits = preflight::prepare(plan, is_embedded);
    let found = preflight::check(plan, is_embedded, limits);
    let mut text = format!("run {}\n  {}\n", run.name, title(plan, is_embedded));
    found.lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    found.problems.iter().for_each(|line| text.push_str(&format!("  Warning: {line}\n")));
    for (name, value) in run.config.as_object().into_iter().flatten() {
        text.push_str(&format!("    {name} = {value}\n"));
    }
    say(&text);
}
