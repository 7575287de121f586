//! Runs one scenario: broker, setup, devices, steps, teardown.

use super::background::Responders;
use super::compile::{Compiler, Trouble};
use super::device::{Device, Stopped};
use super::load::Loaded;
use super::outcome::{Outcome, StepOutcome, Verdict};
use super::scenario::{DeviceSpec, ExpectSpec, Step};
use super::variables::Variables;
use super::{start, text};
use crate::packet::Publish;
use crate::test_broker::{FaultGuard, Player, TestBroker};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a scenario may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a step waits unless it says otherwise.
const WITHIN: Duration = Duration::from_secs(5);

/// How long teardown may take.
const TEARDOWN_MAX: Duration = Duration::from_secs(30);

/// How a scenario is run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The seed of its faults.
    pub seed: u64,
    /// Which round of `--repeat` it is, from 1.
    pub round: u32,
    /// Turns true when everything is to end: steps are given up, teardown still runs.
    pub cancelled: watch::Receiver<bool>,
    /// A name that no other run has, for topics at a shared broker.
    pub prefix: String,
}

/// Why a step did not pass.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    pub(super) reason: String,
}

impl Failure {
    /// Something was not as it must be.
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, reason: reason.into() }
    }

    /// It could not be found out.
    pub(super) fn broken(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, reason: reason.into() }
    }
}

impl From<String> for Failure {
    /// What a scenario says wrongly is found on the way, too.
    fn from(reason: String) -> Self {
        Self::broken(reason)
    }
}

/// A scenario on its way.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) broker: TestBroker,
    pub(super) variables: Variables,
    pub(super) environment: Vec<(String, String)>,
    pub(super) folder: PathBuf,
    pub(super) within: Duration,
    /// Whether the broker is our own, whose state is known.
    pub(super) is_embedded: bool,
    /// What is subscribed to at a broker that is not our own.
    pub(super) observed: Vec<String>,
    /// Where `since: start`, the last thing that set something off, the last match and the marks are in the journal.
    pub(super) begun: u64,
    pub(super) trigger: u64,
    pub(super) trigger_time: Duration,
    pub(super) matched: u64,
    /// What was expected and came since the trigger.
    pub(super) taken: BTreeSet<u64>,
    /// Where each device's output was looked for last.
    pub(super) logged: BTreeMap<String, u64>,
    pub(super) marks: BTreeMap<String, u64>,
    pub(super) faults: BTreeMap<String, FaultGuard>,
    pub(super) faults_made: usize,
    pub(super) players: BTreeMap<String, Player>,
    pub(super) devices: BTreeMap<String, Device>,
    pub(super) responders: Responders,
    /// Why a command that judges payloads could not be asked.
    pub(super) trouble: Trouble,
    /// By played client, the messages that it received and that were not those looked for.
    pub(super) passed_over: BTreeMap<String, Vec<Publish>>,
    /// Whether nothing was retained before, so that what is retained later may be cleared.
    is_ours_to_clear: bool,
    pub(super) warnings: Vec<String>,
    steps: Vec<StepOutcome>,
}

/// Runs one scenario to its end, whatever happens.
pub async fn run(loaded: &Loaded, run: &Run) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome {
        name: loaded.name.clone(),
        file: loaded.path.clone(),
        round: run.round,
        verdict: Verdict::Passed,
        reason: String::new(),
        steps: Vec::new(),
        duration: Duration::ZERO,
        seed: run.seed,
        warnings: Vec::new(),
        lines: loaded.lines.clone(),
        journal: Vec::new(),
    };
    if let Some(reason) = &loaded.scenario.skip {
        (outcome.verdict, outcome.reason) = (Verdict::Skipped, reason.clone());
        return outcome;
    }
    match prepare(loaded, run).await {
        Ok(mut play) => {
            play.play(loaded, run).await;
            let verdicts = play.steps.iter().map(|step| step.verdict);
            let failed = verdicts.filter(|verdict| *verdict > Verdict::Skipped);
            // What has failed has, whatever a teardown behind it could not do.
            outcome.verdict = failed.min().unwrap_or(Verdict::Passed);
            outcome.journal = play.broker.journal();
            outcome.warnings = std::mem::take(&mut play.warnings);
            outcome.steps = std::mem::take(&mut play.steps);
        }
        Err(reason) => (outcome.verdict, outcome.reason) = (Verdict::Broken, reason),
    }
    outcome.duration = begun.elapsed();
    outcome
}

async fn prepare(loaded: &Loaded, run: &Run) -> Result<Play, String> {
    let scenario = &loaded.scenario;
    let mut variables = loaded.variables.clone();
    variables.set("prefix", json!(run.prefix));
    let observed = observed(loaded, &variables)?;
    let broker = start::start(scenario, run.seed, &observed).await?;
    start::name_broker(&broker, &mut variables);
    let environment = start::environment(&broker);
    let mut play = Play {
        variables,
        environment,
        folder: loaded.folder().to_owned(),
        within: scenario.within.map_or(WITHIN, |within| within.0),
        is_embedded: scenario.broker.url.is_none(),
        observed,
        ..Play::beside(broker, loaded.folder())
    };
    let named = scenario.devices.iter().map(|(name, spec)| (name.as_str(), spec));
    let single = scenario.device.iter().map(|spec| ("device", spec));
    for (name, spec) in single.chain(named) {
        let device = play.make_device(name, spec)?;
        play.devices.insert(name.to_owned(), device);
    }
    Ok(play)
}

/// All filters that the scenario asks about, for the observer in front of another broker.
fn observed(loaded: &Loaded, variables: &Variables) -> Result<Vec<String>, String> {
    let mut filters = Vec::new();
    let scenario = &loaded.scenario;
    for step in scenario.setup.iter().chain(&scenario.steps).chain(&scenario.teardown) {
        match step {
            Step::Expect(expect) => collect(expect, &mut filters),
            Step::Respond(respond) => collect(&respond.when, &mut filters),
            _ => {}
        }
    }
    let devices = scenario.device.iter().chain(scenario.devices.values());
    filters.extend(devices.filter_map(|device| device.ready.as_ref()?.topic.clone()));
    let mut known: Vec<String> = Vec::new();
    for filter in filters {
        // A name that is learnt on the way may be anything on its level.
        let levels = filter.split('/').map(|level| match variables.fill(level) {
            Ok(level) if level.starts_with('{') => "+".to_owned(),
            Ok(level) => level,
            Err(_) => "+".to_owned(),
        });
        let filter = levels.collect::<Vec<_>>().join("/");
        crate::packet::topic::check_filter(&filter).map_err(|error| format!("topic {filter}: {error}"))?;
        if !known.contains(&filter) {
            known.push(filter);
        }
    }
    Ok(known)
}

/// Where a step about a device is: its name, which may be the word itself.
fn place_of(device: &str) -> String {
    if device == "device" { device.to_owned() } else { format!("device {device}") }
}

fn collect(expect: &ExpectSpec, filters: &mut Vec<String>) {
    filters.extend(expect.topic.clone());
    expect.all.iter().chain(&expect.any).chain(&expect.sequence).for_each(|part| collect(part, filters));
}

impl Play {
    /// Steps about a broker that runs already.
    pub(super) fn beside(broker: TestBroker, folder: &Path) -> Self {
        let mut variables = Variables::default();
        start::name_broker(&broker, &mut variables);
        let environment = start::environment(&broker);
        let trigger = broker.position();
        Self {
            broker,
            variables,
            environment,
            folder: folder.to_owned(),
            within: WITHIN,
            is_embedded: true,
            observed: Vec::new(),
            begun: 1,
            trigger,
            trigger_time: Duration::ZERO,
            matched: trigger,
            taken: BTreeSet::new(),
            logged: BTreeMap::new(),
            marks: BTreeMap::new(),
            faults: BTreeMap::new(),
            faults_made: 0,
            players: BTreeMap::new(),
            devices: BTreeMap::new(),
            responders: Responders::default(),
            trouble: Trouble::default(),
            passed_over: BTreeMap::new(),
            is_ours_to_clear: false,
            warnings: Vec::new(),
            steps: Vec::new(),
        }
    }

    async fn play(&mut self, loaded: &Loaded, run: &Run) {
        let scenario = &loaded.scenario;
        let timeout = scenario.timeout.map_or(TIMEOUT, |timeout| timeout.0);
        let mut cancelled = run.cancelled.clone();
        let ended = {
            let steps = self.play_steps(scenario.broker.clean.clone(), &scenario.setup, &scenario.steps);
            tokio::select! {
                ended = tokio::time::timeout(timeout, steps) => ended.map_err(|_| {
                    Failure::failed(format!("the scenario took longer than {timeout:?}"))
                }),
                _ = cancelled.wait_for(|is_cancelled| *is_cancelled) => Err(Failure::broken("interrupted")),
            }
        };
        if let Err(failure) = ended {
            self.close_open_step(failure);
        }
        self.responders.stop();
        let teardown = self.tear_down(&scenario.teardown, &scenario.broker.clean);
        if tokio::time::timeout(TEARDOWN_MAX, teardown).await.is_err() {
            self.close_open_step(Failure::failed(format!("teardown took longer than {TEARDOWN_MAX:?}")));
        }
    }

    /// Everything up to the last step; whatever does not pass is the last.
    async fn play_steps(&mut self, clean: Vec<String>, setup: &[Step], steps: &[Step]) {
        if !clean.is_empty() {
            let check = self.check_nothing_is_retained(&clean);
            let checked = check.await;
            if !self.closed("broker", "nothing is retained before", checked) {
                return;
            }
            self.is_ours_to_clear = true;
        }
        if !self.take_all("setup", setup).await {
            return;
        }
        let names: Vec<String> = self.devices.keys().cloned().collect();
        for name in names {
            let is_wanted = self.devices.get(&name).is_some_and(|device| device.spec.start != Some(false));
            if !is_wanted {
                continue;
            }
            let is_waited_for = self.devices.get(&name).is_some_and(|device| device.spec.ready.is_some());
            self.open(&place_of(&name), if is_waited_for { "starts and becomes ready" } else { "starts" });
            let started = self.start_device(&name).await;
            if !self.close(started) {
                return;
            }
        }
        self.take_all("step", steps).await;
    }

    async fn tear_down(&mut self, teardown: &[Step], clean: &[String]) {
        for (at, step) in teardown.iter().enumerate() {
            self.open(&format!("teardown {}", at + 1), &text::step(step));
            let taken = self.take(step).await;
            self.close(taken);
        }
        let names: Vec<String> = self.devices.keys().cloned().collect();
        for name in names {
            let broker = self.broker.clone();
            if let Some(device) = self.devices.get_mut(&name)
                && device.is_started()
            {
                match device.stop(&broker).await {
                    Ok(Stopped::InTime) => {}
                    Ok(Stopped::Killed(warning)) => self.warnings.push(warning),
                    Err(reason) => {
                        self.open(&place_of(&name), "stops");
                        self.close(Err(Failure::failed(reason)));
                    }
                }
            }
        }
        if self.is_ours_to_clear
            && let Err(reason) = self.clear_retained(clean).await
        {
            self.warnings.push(format!("retained messages could not be cleared: {reason}"));
        }
    }

    async fn take_all(&mut self, part: &str, steps: &[Step]) -> bool {
        for (at, step) in steps.iter().enumerate() {
            self.open(&format!("{part} {}", at + 1), &text::step(step));
            let taken = self.take(step).await;
            if !self.close(taken) {
                return false;
            }
        }
        true
    }

    /// A step begins.
    fn open(&mut self, place: &str, text: &str) {
        self.broker.note(place, text);
        let position = self.broker.position();
        self.steps.push(StepOutcome {
            place: place.to_owned(),
            text: text.to_owned(),
            verdict: Verdict::Skipped,
            reason: String::new(),
            duration: self.broker.elapsed(),
            records: (position, position),
        });
    }

    /// What is not wrong about the step that was begun last, but not good either.
    pub(super) fn warn(&mut self, text: &str) {
        let place = self.steps.last().map(|step| format!("{}: ", step.place)).unwrap_or_default();
        self.warnings.push(format!("{place}{text}"));
    }

    /// The step that was begun last ends; whether it passed.
    fn close(&mut self, taken: Result<(), Failure>) -> bool {
        let (position, now) = (self.broker.position(), self.broker.elapsed());
        let Some(step) = self.steps.last_mut() else {
            return taken.is_ok();
        };
        step.records.1 = position;
        step.duration = now.saturating_sub(step.duration);
        match taken {
            Ok(()) => step.verdict = Verdict::Passed,
            Err(failure) => (step.verdict, step.reason) = (failure.verdict, failure.reason),
        }
        step.verdict == Verdict::Passed
    }

    fn closed(&mut self, place: &str, text: &str, taken: Result<(), Failure>) -> bool {
        self.open(place, text);
        self.close(taken)
    }

    /// What was under way did not end by itself.
    fn close_open_step(&mut self, failure: Failure) {
        if self.steps.last().is_none_or(|step| step.verdict != Verdict::Skipped) {
            self.open("scenario", "as a whole");
        }
        self.close(Err(failure));
    }

    pub(super) fn compiler(&self) -> Compiler<'_> {
        Compiler {
            variables: &self.variables,
            folder: &self.folder,
            environment: &self.environment,
            trouble: self.trouble.clone(),
        }
    }

    /// Whatever comes now is an answer to what is done now.
    pub(super) fn set_off(&mut self) {
        self.trigger = self.broker.position();
        self.trigger_time = self.broker.elapsed();
        self.taken.clear();
    }

    fn make_device(&self, name: &str, spec: &DeviceSpec) -> Result<Device, String> {
        let (words, _) = self.compiler().command(&spec.run)?;
        let environment = self.full_environment(&spec.env)?;
        Ok(Device::new(name, spec, words, environment, &self.folder))
    }

    /// The broker's addresses and what a step or device adds.
    pub(super) fn full_environment(
        &self,
        more: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, String)>, String> {
        let mut environment = self.environment.clone();
        for (name, value) in more {
            environment.push((name.clone(), self.variables.fill(value)?));
        }
        Ok(environment)
    }

    /// Waits for `ready` for as long as `within`, unless the device ends before.
    pub(super) async fn unless_ended<T>(
        &mut self,
        name: &str,
        within: Duration,
        ready: impl Future<Output = T>,
    ) -> Result<Option<T>, Failure> {
        let broker = self.broker.clone();
        let Some(device) = self.devices.get_mut(name) else {
            return Err(Failure::broken(format!("there is no device '{name}'")));
        };
        let mut ready = std::pin::pin!(ready);
        let ended = tokio::select! {
            ready = tokio::time::timeout(within, &mut ready) => return Ok(ready.ok()),
            ended = device.ended() => ended,
        };
        let status = ended.map_err(|error| Failure::broken(error.to_string()))?;
        // It may have become ready in its last moment.
        device.read_out().await;
        let _ = broker.read_out_within(within).await;
        if let Ok(ready) = tokio::time::timeout(Duration::ZERO, ready).await {
            return Ok(Some(ready));
        }
        device.finish(&broker, status).await;
        Err(Failure::broken(format!(
            "{name} ended with {} before it was ready",
            super::device::words(status)
        )))
    }
}
