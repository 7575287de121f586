//! `check run`: all scenarios, some at once, and their reports.

use super::{complain, files};
use crate::check::engine::{self, Run};
use crate::check::load::{Given, files_of, load_again};
use crate::check::report::{github, html, human, junit, ndjson, tap};
use crate::check::{Loaded, Outcome, Verdict};
use crate::compat::check_status;
use crate::flags::{CheckColor, Report, ReportForm, RunFlags};
use crate::test_broker::{capture, timeline};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// How often `--watch` looks at its files.
const WATCH_INTERVAL: Duration = Duration::from_millis(300);

/// Why a run was ended from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Signal(i32),
    Deadline,
}

pub(super) fn run(flags: &RunFlags) -> u8 {
    colored::control::set_override(match flags.color {
        CheckColor::Always => true,
        CheckColor::Never => false,
        CheckColor::Auto => {
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    });
    if flags.watch {
        return watch(flags);
    }
    run_once(flags)
}

/// Runs again whenever a file changes; ends with a signal alone.
fn watch(flags: &RunFlags) -> u8 {
    loop {
        let before = stamps(flags);
        let status = run_once(flags);
        if [check_status::INTERRUPTED, check_status::TERMINATED, check_status::HUNG_UP].contains(&status) {
            return status;
        }
        complain("Waiting for a change of the files; interrupt to end.\n");
        while stamps(flags) == before {
            thread::sleep(WATCH_INTERVAL);
        }
    }
}

/// When each file was changed last.
fn stamps(flags: &RunFlags) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let files = files::find(&flags.files).unwrap_or_default();
    let files: Vec<PathBuf> = files.iter().flat_map(|file| files_of(file)).collect();
    let folders: Vec<PathBuf> = files.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
    let mut stamps = BTreeMap::new();
    let beside = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    for path in files.into_iter().chain(beside.map(|entry| entry.path())) {
        let changed = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        stamps.insert(path, changed);
    }
    stamps
}

fn run_once(flags: &RunFlags) -> u8 {
    let seed = flags.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
    let run = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    let variables = flags.var.iter().cloned().collect();
    let given = Given { variables, seed, run, broker: flags.broker.clone() };
    let scenarios = match files::load_all(flags, &given) {
        Ok(scenarios) => scenarios,
        Err(text) => {
            complain(&format!("Error: {text}\n"));
            return check_status::USAGE;
        }
    };
    if flags.list {
        let lines = scenarios.iter().map(|loaded| format!("{}\t{}\n", loaded.path.display(), loaded.name));
        super::super::say(&lines.collect::<String>());
        return 0;
    }
    if flags.dry_run {
        let count = scenarios.len();
        let words = if count == 1 { "scenario is" } else { "scenarios are" };
        super::super::say(&format!("{count} {words} right\n"));
        return 0;
    }
    if scenarios.is_empty() {
        complain("Error: no scenario is left to run.\n");
        return check_status::USAGE;
    }
    let begun = Instant::now();
    let (outcomes, end) = run_all(flags, &scenarios, &given);
    if let Err(text) = deliver(flags, &outcomes, begun.elapsed()) {
        complain(&format!("Error: {text}\n"));
        return check_status::ENVIRONMENT;
    }
    match end {
        Some(End::Signal(libc::SIGTERM)) => check_status::TERMINATED,
        Some(End::Signal(libc::SIGHUP)) => check_status::HUNG_UP,
        Some(End::Signal(_)) => check_status::INTERRUPTED,
        Some(End::Deadline) => {
            complain("Error: it took longer than --timeout allows.\n");
            check_status::DEADLINE
        }
        None => super::status(&outcomes),
    }
}

/// Runs all of them, `--jobs` at once; in the order in which they ended.
fn run_all(flags: &RunFlags, scenarios: &[Loaded], given: &Given) -> (Vec<Outcome>, Option<End>) {
    let total = scenarios.len() * flags.repeat as usize;
    let jobs = match flags.jobs {
        0 => thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let (cancel, cancelled) = watch::channel(false);
    let next = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let stops_at_failure = flags.bail || flags.until_fail;
    let (tell, told) = mpsc::channel();
    let ends = Ends::watch(flags.timeout, cancel);
    let progress = progress(flags, total);
    let mut outcomes = Vec::new();
    let turns = Turns::default();
    thread::scope(|scope| {
        for _ in 0..jobs.min(total) {
            let (tell, cancelled, next, is_over) = (tell.clone(), cancelled.clone(), &next, &is_over);
            let turns = &turns;
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= total || is_over.load(Ordering::Relaxed) || *cancelled.borrow() {
                        return;
                    }
                    let round = u32::try_from(at / scenarios.len()).unwrap_or(u32::MAX) + 1;
                    let seed = given.seed.wrapping_add(u64::from(round) - 1);
                    let given = Given { run: format!("{}-r{at}", given.run), seed, ..given.clone() };
                    let outcome =
                        run_one(&scenarios[at % scenarios.len()], round, &given, cancelled.clone(), turns);
                    if stops_at_failure && outcome.verdict > Verdict::Skipped {
                        is_over.store(true, Ordering::Relaxed);
                    }
                    // Whoever collects them stays to the end.
                    let _ = tell.send((at, outcome));
                }
            });
        }
        drop(tell);
        let shows = flags.report.is_empty() || flags.report.iter().any(is_human_output);
        for (at, mut outcome) in told {
            progress.inc(1);
            if flags.repeat > 1 && outcome.verdict == Verdict::Passed {
                // A thousand rounds would fill the memory with what nobody asks about.
                outcome.journal = Vec::new();
            }
            // Many rounds of what passes would hide what does not.
            let is_shown = outcome.verdict > Verdict::Skipped || flags.repeat <= 1;
            if shows && is_shown {
                progress.suspend(|| super::super::say(&human::outcome(&outcome, flags.verbose)));
            }
            outcomes.push((at, outcome));
        }
    });
    progress.finish_and_clear();
    outcomes.sort_by_key(|(at, _)| *at);
    (outcomes.into_iter().map(|(_, outcome)| outcome).collect(), ends.finish())
}

fn is_human_output(report: &Report) -> bool {
    report.form == ReportForm::Human && report.file.is_none()
}

fn progress(flags: &RunFlags, total: usize) -> ProgressBar {
    // A few scenarios are over before a bar could be read.
    const WORTH_A_BAR: usize = 20;
    if total < WORTH_A_BAR || flags.verbose || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// Whose turn it is at each broker that is not embedded.
#[derive(Debug, Default)]
struct Turns(Mutex<BTreeMap<String, Arc<Mutex<()>>>>);

impl Turns {
    fn of(&self, url: &str) -> Arc<Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(url.to_owned()).or_default())
    }
}

fn run_one(
    loaded: &Loaded,
    round: u32,
    given: &Given,
    cancelled: watch::Receiver<bool>,
    turns: &Turns,
) -> Outcome {
    // Each round has its own `${run}`, or rounds that run at once would meet on one broker.
    let again = if round > 1 { load_again(loaded, given).ok() } else { None };
    let loaded = again.as_ref().unwrap_or(loaded);
    // What others share, one has for itself: scenarios know nothing of each other's topics and clients.
    let turn = loaded.scenario.broker.url.as_ref().map(|url| turns.of(url));
    let _turn = turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
    let seed = given.seed;
    let prefix = format!("culex-check/{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let run = Run { seed, round, cancelled, prefix };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(engine::run(loaded, &run)),
        Err(error) => Outcome {
            name: loaded.name.clone(),
            file: loaded.path.clone(),
            round,
            verdict: Verdict::Broken,
            reason: error.to_string(),
            steps: Vec::new(),
            duration: Duration::ZERO,
            seed,
            warnings: Vec::new(),
            lines: loaded.lines.clone(),
            journal: Vec::new(),
        },
    }
}

/// Whatever ends a run from outside.
struct Ends {
    happened: Arc<std::sync::Mutex<Option<End>>>,
    thread: Option<(signal_hook::iterator::Handle, thread::JoinHandle<()>)>,
    deadline: Option<mpsc::Sender<()>>,
}

impl Ends {
    /// Watches for SIGINT, SIGTERM and the deadline, and says `cancel` when one comes; a second signal ends the process.
    fn watch(timeout: Option<Duration>, cancel: watch::Sender<bool>) -> Self {
        let happened = Arc::new(std::sync::Mutex::new(None));
        let cancel = Arc::new(cancel);
        let thread = signal_hook::iterator::Signals::new([libc::SIGINT, libc::SIGTERM, libc::SIGHUP])
            .ok()
            .map(|mut signals| {
                let (handle, happened, cancel) =
                    (signals.handle(), Arc::clone(&happened), Arc::clone(&cancel));
                let watching = thread::spawn(move || {
                    for (count, signal) in signals.forever().enumerate() {
                        if count > 0 {
                            std::process::exit(128 + signal);
                        }
                        set(&happened, End::Signal(signal));
                        // All scenarios may have ended.
                        let _ = cancel.send(true);
                    }
                });
                (handle, watching)
            });
        let deadline = timeout.map(|timeout| {
            let (keep, kept) = mpsc::channel::<()>();
            let happened = Arc::clone(&happened);
            thread::spawn(move || {
                if kept.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
                    set(&happened, End::Deadline);
                    let _ = cancel.send(true);
                }
            });
            keep
        });
        Self { happened, thread, deadline }
    }

    fn finish(self) -> Option<End> {
        drop(self.deadline);
        if let Some((handle, thread)) = self.thread {
            handle.close();
            // It ends with its signals.
            let _ = thread.join();
        }
        *self.happened.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn set(happened: &std::sync::Mutex<Option<End>>, end: End) {
    happened.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(end);
}

/// Writes all reports but what was shown on the way, and keeps artifacts.
fn deliver(flags: &RunFlags, outcomes: &[Outcome], elapsed: Duration) -> Result<(), String> {
    let default = [Report { form: ReportForm::Human, file: None }];
    let reports = if flags.report.is_empty() { &default[..] } else { &flags.report };
    for report in reports {
        let text = match report.form {
            ReportForm::Human => {
                let is_shown = report.file.is_none();
                let all = outcomes.iter().map(|outcome| human::outcome(outcome, flags.verbose));
                let body: String = if is_shown { String::new() } else { all.collect() };
                body + &human::summary(outcomes, elapsed)
            }
            ReportForm::Tap => tap::document(outcomes),
            ReportForm::Junit => junit::document(outcomes)?,
            ReportForm::Ndjson => {
                outcomes.iter().map(ndjson::lines).collect::<String>() + &ndjson::summary(outcomes)
            }
            ReportForm::Github => {
                summarize_for_github(outcomes)?;
                outcomes.iter().map(github::annotations).collect()
            }
            ReportForm::Html => html::document(outcomes),
        };
        match &report.file {
            None => super::super::say(&text),
            Some(path) => fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?,
        }
    }
    match &flags.artifacts {
        Some(folder) => {
            keep_artifacts(folder, outcomes).map_err(|error| format!("{}: {error}", folder.display()))
        }
        None => Ok(()),
    }
}

fn summarize_for_github(outcomes: &[Outcome]) -> Result<(), String> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let file = fs::OpenOptions::new().append(true).create(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(github::summary(outcomes).as_bytes()));
    written.map_err(|error| format!("{}: {error}", Path::new(&path).display()))
}

/// A folder of its own, however many scenarios have the same name.
fn folder_name(outcome: &Outcome, taken: &mut BTreeSet<String>) -> String {
    let plain = |text: char| if text.is_ascii_alphanumeric() || "-_.=".contains(text) { text } else { '_' };
    let name: String = outcome.name.chars().map(plain).collect();
    let mut folder = format!("{name}-{}", outcome.round);
    let mut number = 2;
    while !taken.insert(folder.to_lowercase()) {
        folder = format!("{name}-{}-no{number}", outcome.round);
        number += 1;
    }
    folder
}

/// What is of use for each scenario that did not pass, in a folder of its own.
fn keep_artifacts(folder: &Path, outcomes: &[Outcome]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("report.html"), html::document(outcomes))?;
    let mut taken = BTreeSet::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.verdict > Verdict::Skipped) {
        let folder = folder.join(folder_name(outcome, &mut taken));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("journal.ndjson"), ndjson::journal(outcome))?;
        let records = outcome.journal.iter().map(std::convert::AsRef::as_ref);
        fs::write(folder.join("packets.pcap"), capture(records))?;
        fs::write(folder.join("timeline.txt"), timeline(&outcome.journal))?;
        fs::write(folder.join("seed.txt"), format!("{}\n", outcome.seed))?;
        fs::write(folder.join("steps.ndjson"), ndjson::lines(outcome))?;
    }
    Ok(())
}
