//! Steps, one after another.

use super::compile::regex;
use super::device::{Device, Stopped, check_exit};
use super::engine::{Failure, Play};
use super::group::{Group, keep_together};
use super::outcome::Verdict;
use super::scenario::{
    BrokerStep, DeviceStep, FaultSpec, KeepSpec, PublishSpec, ReadySpec, RunSpec, StateSpec, Step,
};
use super::variables::text_of;
use crate::fault::spec::RuleSpec;
use crate::journal::{Happening, Record};
use crate::packet::{ReasonCode, topic};
use crate::test_broker::{Keep, printable};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How long a device may take to become ready.
const READY_MAX: Duration = Duration::from_secs(10);

/// How long a command may take.
const RUN_MAX: Duration = Duration::from_secs(30);

/// How long what lies in sockets may take to be read before a clock is turned.
const READ_OUT_MAX: Duration = Duration::from_secs(1);

/// How often a state is looked at that is not yet as it must be.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Play {
    pub(super) async fn take(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Publish(spec) => {
                self.set_off();
                self.publish(spec).await
            }
            Step::Expect(spec) => self.expect(spec).await,
            Step::Fault(spec) => self.fault(spec).await,
            Step::Broker(spec) => self.change_broker(spec).await,
            Step::Advance(distance) => {
                if !self.is_embedded {
                    return Err(Failure::broken("advance: only the embedded broker's clock can be turned"));
                }
                // What was sent and ended before has happened before.
                let _ = self.broker.read_out_within(READ_OUT_MAX).await;
                self.set_off();
                self.broker.advance(distance.0);
                Ok(())
            }
            Step::Mark(name) => {
                let position = self.broker.mark(name);
                self.marks.insert(name.clone(), position);
                Ok(())
            }
            Step::Settle(true) => self.settle().await,
            Step::Settle(false) => Ok(()),
            Step::Wait(duration) => {
                self.warn(&format!("'wait: {:?}' waits blindly; expect an event instead", duration.0));
                tokio::time::sleep(duration.0).await;
                Ok(())
            }
            Step::Client(spec) => self.play_client(spec).await,
            Step::Respond(spec) => self.respond(spec),
            Step::Run(spec) => {
                self.set_off();
                self.run_command(spec).await
            }
            Step::Device(spec) => self.change_device(spec).await,
            Step::State(spec) => self.check_state(spec).await,
        }
    }

    pub(super) async fn publish(&mut self, spec: &PublishSpec) -> Result<(), Failure> {
        let publish = self.compiler().publish(spec)?;
        for _ in 0..spec.repeat.unwrap_or(1) {
            let since = self.broker.position();
            let reason = match &spec.client {
                Some(id) => {
                    let id = self.variables.fill(id)?;
                    let player = self.player(&id)?;
                    if spec.nowait {
                        player.send(publish.clone()).map_err(|error| super::clients::told(&id, &error))?;
                        continue;
                    }
                    let sent = player.publish(publish.clone(), self.within).await;
                    sent.map_err(|error| super::clients::told(&id, &error))?
                }
                None => self.broker.publish_packet(publish.clone(), spec.nowait).await?,
            };
            match spec.reason {
                Some(wanted) if wanted.0 != reason => {
                    let text = format!(
                        "answered with 0x{:02x} {}, must be 0x{:02x}",
                        reason.0,
                        reason.name(),
                        wanted.0.0
                    );
                    return Err(Failure::failed(text));
                }
                None if reason.is_error() => {
                    return Err(Failure::failed(format!(
                        "refused with 0x{:02x} {}",
                        reason.0,
                        reason.name()
                    )));
                }
                _ => {}
            }
            if let Some(client) = &spec.acked_by {
                let client = self.variables.fill(client)?;
                let is_acked = self.broker.acknowledged(since, &publish, &client, self.within).await;
                if !is_acked {
                    return Err(Failure::failed(format!(
                        "{client} has not acknowledged it within {:?}",
                        self.within
                    )));
                }
            }
        }
        Ok(())
    }

    async fn fault(&mut self, spec: &FaultSpec) -> Result<(), Failure> {
        let named = |play: &Self, name: &str| {
            let known = play.faults.keys().map(String::as_str);
            Failure::broken(format!("there is no fault '{name}'{}", super::load::suggestion(name, known)))
        };
        if let Some(name) = &spec.release {
            self.set_off();
            let guard = self.faults.get(name).ok_or_else(|| named(self, name))?;
            if guard.release() == 0 {
                return Err(Failure::failed(format!("'{name}' holds nothing")));
            }
        }
        if let Some(fired) = &spec.fired {
            let guard = self.faults.get(&fired.name).ok_or_else(|| named(self, &fired.name))?;
            let times = fired.exactly.or(fired.times).unwrap_or(1);
            let within = fired.within.map_or(self.within, |within| within.0);
            let has_fired = guard.fired_within(times, within).await;
            if fired.exactly.is_some() {
                self.let_come(None).await?;
            }
            let hits = guard.hits();
            if !has_fired || fired.exactly.is_some_and(|exactly| exactly != hits) {
                let bound = if fired.exactly.is_some() { "exactly" } else { "at least" };
                return Err(Failure::failed(format!(
                    "'{}' fired {hits} times, must fire {bound} {times} times",
                    fired.name
                )));
            }
        }
        if let Some(name) = &spec.remove {
            self.set_off();
            drop(self.faults.remove(name).ok_or_else(|| named(self, name))?);
        }
        if spec.clear {
            self.set_off();
            self.faults.clear();
        }
        let Some(action) = &spec.action else {
            return Ok(());
        };
        self.faults_made += 1;
        let name = spec.name.clone().unwrap_or_else(|| format!("fault {}", self.faults_made));
        let mut on = spec.on.clone();
        for text in [&mut on.from, &mut on.to, &mut on.client, &mut on.topic].into_iter().flatten() {
            *text = self.variables.fill(text)?;
        }
        let rule = RuleSpec { name: Some(name.clone()), on, action: action.clone() }.rule()?;
        self.set_off();
        let guard = self.broker.fault(rule);
        self.faults.insert(name, guard);
        Ok(())
    }

    async fn change_broker(&mut self, spec: &BrokerStep) -> Result<(), Failure> {
        self.set_off();
        let needs_own = !matches!(spec, BrokerStep::Cut { .. } | BrokerStep::Stop(_) | BrokerStep::Start(_));
        if needs_own && !self.is_embedded {
            return Err(Failure::broken(
                "broker: another broker can only be cut off, stopped and started (its proxy)",
            ));
        }
        match spec {
            BrokerStep::Stop(_) if self.broker.is_stopped() => {
                Err(Failure::broken("broker: it is stopped already"))
            }
            BrokerStep::Stop(_) => {
                self.broker.stop().await.map_err(|error| Failure::broken(error.to_string()))
            }
            BrokerStep::Start(spec) => {
                let started = self.broker.resume_from_stop(keep(spec)?).await;
                started.map_err(|error| Failure::broken(error.to_string()))
            }
            BrokerStep::Restart(spec) => {
                let restarted = self.broker.restart(keep(spec)?).await;
                restarted.map_err(|error| Failure::broken(error.to_string()))
            }
            BrokerStep::Freeze(_) => {
                self.broker.freeze();
                Ok(())
            }
            BrokerStep::Resume(_) => {
                self.broker.resume();
                Ok(())
            }
            BrokerStep::Cut { client, reset } => {
                let client = self.variables.fill(client)?;
                match self.broker.cut(&client, *reset) {
                    0 => Err(Failure::failed(format!("{client} has no connection to cut"))),
                    _ => Ok(()),
                }
            }
            BrokerStep::Disconnect { client, reason } => {
                let client = self.variables.fill(client)?;
                let reason = reason.map_or(ReasonCode::ADMINISTRATIVE_ACTION, |reason| reason.0);
                if self.broker.disconnect(&client, reason) {
                    Ok(())
                } else {
                    Err(Failure::failed(format!("{client} is not connected")))
                }
            }
        }
    }

    async fn run_command(&mut self, spec: &RunSpec) -> Result<(), Failure> {
        let (words, name) = self.compiler().command(&spec.cmd)?;
        let environment = self.full_environment(&spec.env)?;
        let folder =
            if self.folder.as_os_str().is_empty() { std::path::Path::new(".") } else { &self.folder };
        let mut command = tokio::process::Command::new(&words[0]);
        command.args(&words[1..]).envs(environment).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        keep_together(&mut command);
        let mut child = command.spawn().map_err(|error| Failure::broken(format!("{}: {error}", words[0])))?;
        let group = Group::of(&child);
        let input =
            spec.stdin.as_ref().map(|input| self.variables.fill(input)).transpose()?.unwrap_or_default();
        if let Some(mut stdin) = child.stdin.take() {
            tokio::spawn(async move {
                // A command need not read all of it.
                let _ = stdin.write_all(input.as_bytes()).await;
            });
        }
        let within = spec.within.map_or(RUN_MAX, |within| within.0);
        let Ok(output) = tokio::time::timeout(within, child.wait_with_output()).await else {
            return Err(Failure::failed(format!("'{name}' has not ended within {within:?}")));
        };
        let output = output.map_err(|error| Failure::broken(error.to_string()))?;
        // What it has left running in the background is meant to run.
        if let Some(group) = group {
            group.release();
        }
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for line in stdout.lines().chain(stderr.lines()) {
            self.broker.note("run", line);
        }
        if let Err(reason) = check_exit(&format!("'{name}'"), output.status, Some(spec.exit.unwrap_or(0))) {
            let said = if stderr.trim().is_empty() { &stdout } else { &stderr };
            return Err(Failure::failed(format!("{reason}{}", indented(said))));
        }
        for (what, text, pattern) in [("stdout", &stdout, &spec.stdout), ("stderr", &stderr, &spec.stderr)] {
            if let Some(pattern) = pattern {
                self.match_text(what, text, pattern)?;
            }
        }
        if let Some(name) = &spec.save {
            self.variables.set(name, json!(stdout.trim_end_matches(['\r', '\n'])));
        }
        Ok(())
    }

    /// Holds a text against a pattern and keeps its named groups.
    fn match_text(&mut self, what: &str, text: &str, pattern: &str) -> Result<(), Failure> {
        let pattern = regex(&self.variables.fill(pattern)?)?;
        let Some(found) = pattern.captures(text) else {
            return Err(Failure::failed(format!("{what} does not match /{pattern}/{}", indented(text))));
        };
        for name in pattern.capture_names().flatten() {
            if let Some(text) = found.name(name) {
                self.variables.set(name, json!(text.as_str()));
            }
        }
        Ok(())
    }

    fn device_name(&self, spec: &DeviceStep) -> Result<String, Failure> {
        let name = match (&spec.name, self.devices.len()) {
            (Some(name), _) => name.clone(),
            (None, 1) => self.devices.keys().next().cloned().unwrap_or_default(),
            (None, count) => return Err(Failure::broken(format!("device: which of {count}? give its name"))),
        };
        if self.devices.contains_key(&name) {
            return Ok(name);
        }
        let known = self.devices.keys().map(String::as_str);
        Err(Failure::broken(format!("there is no device '{name}'{}", super::load::suggestion(&name, known))))
    }

    fn device(&mut self, name: &str) -> Result<&mut Device, Failure> {
        self.devices.get_mut(name).ok_or_else(|| Failure::broken(format!("there is no device '{name}'")))
    }

    async fn change_device(&mut self, spec: &DeviceStep) -> Result<(), Failure> {
        let name = self.device_name(spec)?;
        let broker = self.broker.clone();
        let within = spec.within.map_or(self.within, |within| within.0);
        let begun = self.trigger;
        let is_change = spec.kill
            || spec.signal.is_some()
            || spec.stop
            || spec.start
            || spec.restart
            || spec.send.is_some();
        if (spec.kill || spec.stop) && !self.device(&name)?.is_started() {
            return Err(Failure::failed(format!("{name} does not run")));
        }
        if is_change {
            self.set_off();
        }
        if spec.kill || spec.restart {
            self.device(&name)?.kill(&broker).await;
        }
        if let Some(signal) = &spec.signal {
            self.device(&name)?.signal(signal).map_err(Failure::failed)?;
        }
        if spec.stop
            && let Stopped::Killed(warning) =
                self.device(&name)?.stop(&broker).await.map_err(Failure::failed)?
        {
            self.warnings.push(warning);
        }
        if spec.start || spec.restart {
            self.start_device(&name).await?;
        }
        if let Some(line) = &spec.send {
            let line = self.variables.fill(line)?;
            let sent = tokio::time::timeout(within, self.device(&name)?.send(&line)).await;
            sent.map_err(|_| Failure::failed(format!("{name} has not taken a line within {within:?}")))?
                .map_err(Failure::failed)?;
        }
        if spec.exit.is_some() {
            let device = self.device(&name)?;
            let Ok(ended) = tokio::time::timeout(within, device.ended()).await else {
                return Err(Failure::failed(format!("{name} has not ended within {within:?}")));
            };
            let status = ended.map_err(|error| Failure::broken(error.to_string()))?;
            device.finish(&broker, status).await;
            check_exit(&name, status, spec.exit).map_err(Failure::failed)?;
        }
        if let Some(pattern) = &spec.log {
            let since = if is_change { self.trigger } else { begun };
            let since = since.max(self.logged.get(&name).copied().unwrap_or(0));
            self.expect_log(&name, pattern, since, within).await?;
        }
        Ok(())
    }

    async fn expect_log(
        &mut self,
        name: &str,
        pattern: &str,
        since: u64,
        within: Duration,
    ) -> Result<(), Failure> {
        let found = regex(&self.variables.fill(pattern)?)?;
        let is_it = |record: &Record| matches!(&record.happening, Happening::Output { source, text } if source == name && found.is_match(text));
        let waited = self.broker.wait_for(since, within, is_it).await;
        let Ok(record) = waited else {
            return Err(Failure::failed(format!(
                "{name} has logged nothing that matches /{found}/ within {within:?}"
            )));
        };
        self.logged.insert(name.to_owned(), record.sequence + 1);
        if let Happening::Output { text, .. } = &record.happening {
            let text = text.to_string();
            self.match_text(name, &text, pattern)?;
        }
        Ok(())
    }

    /// Starts a device and waits until it is ready.
    pub(super) async fn start_device(&mut self, name: &str) -> Result<(), Failure> {
        let broker = self.broker.clone();
        let since = broker.position();
        let device = self.device(name)?;
        if device.is_started() {
            return Err(Failure::broken(format!("{name} runs already")));
        }
        device.start(&broker).map_err(Failure::broken)?;
        let Some(ready) = device.spec.ready.clone() else {
            return Ok(());
        };
        let within = ready.within.map_or(READY_MAX, |within| within.0);
        let signs = self.signs(name, &ready)?;
        for (text, is_sign) in signs {
            let waiting = broker.wait_for(since, within, |record| is_sign(record));
            match self.unless_ended(name, within, waiting).await? {
                Some(Ok(_)) => {}
                _ => return Err(Failure::broken(format!("{name} is not ready within {within:?}: {text}"))),
            }
        }
        Ok(())
    }

    /// What must happen before a device counts as ready.
    fn signs(&self, name: &str, ready: &ReadySpec) -> Result<Vec<(String, Sign)>, String> {
        let mut signs: Vec<(String, Sign)> = Vec::new();
        let client = ready.client.as_ref().map(|client| self.variables.fill(client)).transpose()?;
        if let Some(client) = client.clone() {
            let text = format!("{client} has not connected");
            signs.push((
                text,
                Box::new(move |record| {
                    record.client_identifier == client.as_str()
                        && matches!(record.happening, Happening::Connected { .. })
                }),
            ));
        }
        if let Some(filter) = &ready.subscribed {
            let filter = self.variables.fill(filter)?;
            let text = format!("nobody has subscribed to {filter}");
            signs.push((
                text,
                Box::new(move |record| {
                    client.as_ref().is_none_or(|client| record.client_identifier == client.as_str())
                        && matches!(&record.happening, Happening::Subscribed { filter: name, reason }
                        if !reason.is_error() && *name == filter.as_str())
                }),
            ));
        }
        if let Some(filter) = &ready.topic {
            let filter = self.variables.fill(filter)?;
            let text = format!("no message came on {filter}");
            signs.push((
                text,
                Box::new(move |record| {
                    record.happening.message().is_some_and(|message| topic::matches(&filter, &message.topic))
                }),
            ));
        }
        if let Some(pattern) = &ready.log {
            let pattern = regex(&self.variables.fill(pattern)?)?;
            let (name, text) = (name.to_owned(), format!("no line of output matches /{pattern}/"));
            signs.push((
                text,
                Box::new(move |record| {
                    matches!(&record.happening, Happening::Output { source, text }
                    if *source == name.as_str() && pattern.is_match(text))
                }),
            ));
        }
        Ok(signs)
    }

    async fn check_state(&mut self, spec: &StateSpec) -> Result<(), Failure> {
        if !self.is_embedded {
            return Err(Failure::broken("state: only the embedded broker shows its state"));
        }
        let within = spec.within.map_or(self.within, |within| within.0);
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let differences = self.state_differences(spec)?;
            if differences.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Failure::failed(format!("after {within:?}:\n  {}", differences.join("\n  "))));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn state_differences(&self, spec: &StateSpec) -> Result<Vec<String>, String> {
        let mut differences = Vec::new();
        for (filter, wanted) in &spec.retained {
            let filter = self.variables.fill(filter)?;
            let found = self.broker.retained(&filter);
            let is_right = match wanted {
                Value::Number(count) => count.as_u64() == Some(found.len() as u64),
                wanted => {
                    let text = text_of(&self.variables.fill_value(wanted)?);
                    found.len() == 1 && found[0].payload() == text.as_bytes()
                }
            };
            if !is_right {
                let payload = |payload: &[u8]| crate::test_broker::matcher::shown(payload);
                let list: Vec<String> = found
                    .iter()
                    .map(|message| format!("{} {}", message.topic(), payload(message.payload())))
                    .collect();
                differences.push(format!("retained {filter}: [{}], must be {wanted}", list.join(", ")));
            }
        }
        for (what, counts) in [("queue", &spec.queue), ("in flight", &spec.in_flight)] {
            for (client, wanted) in counts {
                let client = self.variables.fill(client)?;
                if !self.broker.sessions().iter().any(|view| view.client_identifier == client.as_str()) {
                    differences.push(format!("{what} of {client}: there is no such session"));
                    continue;
                }
                let is = if what == "queue" {
                    self.broker.queue_len(&client)
                } else {
                    self.broker.in_flight(&client)
                };
                if is != *wanted {
                    differences.push(format!("{what} of {client}: is {is}, must be {wanted}"));
                }
            }
        }
        if let Some(wanted) = &spec.sessions {
            let mut wanted =
                wanted.iter().map(|name| self.variables.fill(name)).collect::<Result<Vec<_>, _>>()?;
            let mut is: Vec<String> =
                self.broker.sessions().iter().map(|view| view.client_identifier.to_string()).collect();
            wanted.sort();
            is.sort();
            if is != wanted {
                differences.push(format!("sessions: are {is:?}, must be {wanted:?}"));
            }
        }
        if spec.clean == Some(true) {
            differences.extend(self.broker.complaints());
        }
        Ok(differences)
    }

    /// Nothing may be retained under the filters of `clean` at a broker that others use.
    pub(super) async fn check_nothing_is_retained(&mut self, filters: &[String]) -> Result<(), Failure> {
        let filters =
            filters.iter().map(|filter| self.variables.fill(filter)).collect::<Result<Vec<_>, _>>()?;
        let found = self.broker.retained_behind(&filters).await.map_err(Failure::broken)?;
        match found.first() {
            None => Ok(()),
            Some(topic) => Err(Failure {
                verdict: Verdict::Broken,
                reason: format!("retained messages are there already, {topic} first of {}", found.len()),
            }),
        }
    }

    pub(super) async fn clear_retained(&mut self, filters: &[String]) -> Result<(), String> {
        let filters =
            filters.iter().map(|filter| self.variables.fill(filter)).collect::<Result<Vec<_>, _>>()?;
        for topic in self.broker.retained_behind(&filters).await? {
            self.broker.publish(&topic).qos(1).retain(true).try_publish().await?;
        }
        Ok(())
    }
}

/// Whether a record is what is waited for.
type Sign = Box<dyn Fn(&Record) -> bool + Send + Sync>;

pub(super) fn keep(spec: &KeepSpec) -> Result<Keep, String> {
    Ok(match spec.keep.as_deref() {
        None | Some("all") => Keep::ALL,
        Some("sessions") => Keep { sessions: true, retained: false },
        Some("retained") => Keep { sessions: false, retained: true },
        Some("nothing") => Keep::NOTHING,
        Some(other) => return Err(format!("keep: '{other}' is none of all, sessions, retained, nothing")),
    })
}

/// Output under a failure, each line indented; only the last ones.
fn indented(text: &str) -> String {
    const LINES_MAX: usize = 15;
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LINES_MAX)..];
    shown.iter().map(|line| format!("\n  {}", printable(line))).collect()
}
