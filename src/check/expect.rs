//! `expect`: messages that must come, or must not.

use super::engine::{Failure, Play};
use super::events::EventMatcher;
use super::scenario::ExpectSpec;
use crate::journal::Record;
use crate::test_broker::matcher::{Captures, Matcher};
use crate::test_broker::{describe, nearest_text};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a scenario looks for what must not come.
const WINDOW: Duration = Duration::from_millis(500);

/// What is looked for: a message, or an event.
#[derive(Debug)]
enum Wanted {
    Message(Box<Matcher>),
    Event(EventMatcher),
}

impl Wanted {
    fn check(&self, record: &Record) -> Option<Captures> {
        match self {
            Self::Message(matcher) => {
                let message = record.happening.message()?;
                matcher.check(&record.client_identifier, message).ok()
            }
            Self::Event(matcher) => matcher.check(record),
        }
    }

    /// What came nearest instead.
    fn miss(&self, records: &[Arc<Record>]) -> String {
        match self {
            Self::Message(matcher) => nearest_text(matcher, records),
            Self::Event(matcher) => matcher.miss(records),
        }
    }
}

impl Play {
    pub(super) async fn expect(&mut self, spec: &ExpectSpec) -> Result<(), Failure> {
        let since = self.since(spec)?;
        if !spec.all.is_empty() {
            return self.expect_all(&spec.all, since, self.patience(spec)).await;
        }
        if !spec.any.is_empty() {
            return self.expect_any(&spec.any, since, self.patience(spec)).await;
        }
        if !spec.sequence.is_empty() {
            return self.expect_sequence(&spec.sequence, since, self.patience(spec)).await;
        }
        let wanted = self.wanted(spec)?;
        match &spec.none {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => return self.expect_none(&wanted, spec, since, false).await,
            Some(Value::String(word)) if word == "window" => {
                return self.expect_none(&wanted, spec, since, false).await;
            }
            Some(Value::String(word)) if word == "settled" => {
                return self.expect_none(&wanted, spec, since, true).await;
            }
            Some(other) => return Err(Failure::broken(format!("none: {other} is neither true nor settled"))),
        }
        if spec.exact_count().is_some() || spec.at_least.is_some() || spec.at_most.is_some() {
            return self.expect_count(&wanted, spec, since).await;
        }
        let found = self.find(&wanted, since, self.patience(spec), 1).await;
        let (record, captures) = found.map_err(|records| self.missed(&wanted, spec, &records))?.remove(0);
        self.check_latency(spec, &record)?;
        self.matched = record.sequence + 1;
        self.variables.extend(captures);
        Ok(())
    }

    fn patience(&self, spec: &ExpectSpec) -> Duration {
        spec.within.map_or(self.within, |within| within.0)
    }

    fn since(&self, spec: &ExpectSpec) -> Result<u64, Failure> {
        match spec.since.as_deref() {
            None => Ok(self.trigger.max(self.matched)),
            Some("start") => Ok(self.begun),
            Some("last-trigger") => Ok(self.trigger),
            Some("last-match") => Ok(self.matched),
            Some(word) => {
                let name = word.strip_prefix("mark ").unwrap_or(word).trim();
                self.marks.get(name).copied().ok_or_else(|| {
                    let known = self.marks.keys().map(String::as_str);
                    Failure::broken(format!(
                        "since: there is no mark '{name}'{}",
                        super::load::suggestion(name, known)
                    ))
                })
            }
        }
    }

    fn wanted(&self, spec: &ExpectSpec) -> Result<Wanted, Failure> {
        let compiler = self.compiler();
        if spec.event.is_some() || spec.packet.is_some() {
            return Ok(Wanted::Event(EventMatcher::compile(spec, &self.variables)?));
        }
        if spec.topic.is_none() {
            return Err(Failure::broken(
                "expect: what? 'topic' for a message, 'event' for an event, or 'all', 'any', 'sequence'",
            ));
        }
        Ok(Wanted::Message(Box::new(compiler.matcher(spec)?)))
    }

    /// Waits until `count` records fit; the first of them, or all records when there are fewer in time.
    async fn find(
        &self,
        wanted: &Wanted,
        since: u64,
        within: Duration,
        count: usize,
    ) -> Result<Vec<(Arc<Record>, Captures)>, Vec<Arc<Record>>> {
        let mut found = Vec::new();
        let is_it = |record: &Record| {
            if let Some(captures) = wanted.check(record) {
                found.push((Arc::new(record.clone()), captures));
            }
            found.len() >= count
        };
        match self.broker.wait_for_each(since, within, is_it).await {
            Ok(()) => Ok(found),
            Err(records) => Err(records),
        }
    }

    fn missed(&self, wanted: &Wanted, spec: &ExpectSpec, records: &[Arc<Record>]) -> Failure {
        let what = super::text::expectation(spec);
        let within = self.patience(spec);
        let mut text = format!("no {what} within {within:?}{}", wanted.miss(records));
        let begin =
            records.first().map_or(u64::MAX, |record| record.sequence).min(self.trigger.max(self.matched));
        let earlier = self.broker.records_since(1);
        let earlier = earlier.iter().take_while(|record| record.sequence < begin);
        if let Some(record) = earlier.filter(|record| wanted.check(record).is_some()).last() {
            text.push_str(&format!("\n  before that, where it is not looked for: {}", describe(record)));
            text.push_str("\n    'since: start' or 'since: mark NAME' looks there, too");
        }
        Failure::failed(text)
    }

    fn check_latency(&self, spec: &ExpectSpec, record: &Record) -> Result<(), Failure> {
        let Some(most) = spec.latency else {
            return Ok(());
        };
        let begun = self.broker.records_since(self.trigger).first().map(|first| first.time);
        let latency = begun.map_or(Duration::ZERO, |begun| record.time.since(begun));
        if latency <= most.0 {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "it came after {} ms, must come within {:?} of the trigger",
            latency.as_millis(),
            most.0
        )))
    }

    /// Lets everything come that is to come: until nothing is on its way, or for a while.
    async fn let_come(&self, spec: &ExpectSpec) -> Result<(), Failure> {
        if let Some(window) = spec.window {
            tokio::time::sleep(window.0).await;
            return Ok(());
        }
        if !self.is_embedded {
            tokio::time::sleep(WINDOW).await;
            return Ok(());
        }
        self.settle().await
    }

    /// Waits until nothing is on its way.
    pub(super) async fn settle(&self) -> Result<(), Failure> {
        if self.broker.settled_within(self.within).await {
            return Ok(());
        }
        let mut text = format!("the broker has not settled within {:?}", self.within);
        for line in self.broker.unacknowledged() {
            text.push_str(&format!("\n  {line}"));
        }
        Err(Failure::failed(text))
    }

    async fn expect_none(
        &mut self,
        wanted: &Wanted,
        spec: &ExpectSpec,
        since: u64,
        is_settled: bool,
    ) -> Result<(), Failure> {
        if is_settled && !self.is_embedded {
            return Err(Failure::broken(
                "none: settled needs the embedded broker; give 'none: true' and 'for'",
            ));
        }
        let window = spec.window.map_or(WINDOW, |window| window.0);
        if is_settled {
            self.settle().await?;
            if spec.window.is_some() {
                tokio::time::sleep(window).await;
            }
        }
        let within = if is_settled { Duration::ZERO } else { window };
        if let Ok(found) = self.find(wanted, since, within, 1).await {
            let what = super::text::expectation(spec);
            return Err(Failure::failed(format!("{what} came that must not: {}", describe(&found[0].0))));
        }
        Ok(())
    }

    async fn expect_count(&mut self, wanted: &Wanted, spec: &ExpectSpec, since: u64) -> Result<(), Failure> {
        let least = spec.exact_count().or(spec.at_least).unwrap_or(0);
        let most = spec.exact_count().or(spec.at_most);
        if least > 0 {
            let within = self.patience(spec);
            if let Err(records) = self.find(wanted, since, within, least).await {
                let found: Vec<_> = records.iter().filter(|record| wanted.check(record).is_some()).collect();
                let bound = if most == Some(least) { "exactly" } else { "at least" };
                let what = super::text::counted(found.len(), spec);
                let mut text = format!("{what} within {within:?}, must be {bound} {least}");
                found.iter().for_each(|record| text.push_str(&format!("\n  {}", describe(record))));
                if found.is_empty() {
                    text.push_str(&wanted.miss(&records));
                }
                return Err(Failure::failed(text));
            }
        }
        if most.is_some() {
            self.let_come(spec).await?;
        }
        let records = self.broker.records_since(since);
        let found: Vec<_> =
            records.iter().filter_map(|record| Some((record, wanted.check(record)?))).collect();
        if let Some(most) = most
            && found.len() > most
        {
            let bound = if spec.exact_count().is_some() { "exactly" } else { "at most" };
            let mut text = format!("{}, must be {bound} {most}", super::text::counted(found.len(), spec));
            found.iter().for_each(|(record, _)| text.push_str(&format!("\n  {}", describe(record))));
            return Err(Failure::failed(text));
        }
        if let Some((record, captures)) = found.last() {
            self.matched = record.sequence + 1;
            self.variables.extend(captures.clone());
        }
        Ok(())
    }

    async fn expect_all(
        &mut self,
        parts: &[ExpectSpec],
        since: u64,
        within: Duration,
    ) -> Result<(), Failure> {
        let wanted = parts.iter().map(|part| self.wanted(part)).collect::<Result<Vec<_>, _>>()?;
        let mut open: Vec<bool> = vec![true; wanted.len()];
        let (mut captured, mut last) = (Captures::new(), since);
        let is_it = |record: &Record| {
            for (at, wanted) in wanted.iter().enumerate() {
                if open[at]
                    && let Some(captures) = wanted.check(record)
                {
                    // One message is one of them.
                    open[at] = false;
                    captured.extend(captures);
                    last = record.sequence + 1;
                    break;
                }
            }
            open.iter().all(|is_open| !is_open)
        };
        let waited = self.broker.wait_for_each(since, within, is_it).await;
        if let Err(records) = waited {
            let mut text = format!(
                "{} of {} did not come within {within:?}:",
                open.iter().filter(|open| **open).count(),
                parts.len()
            );
            for ((part, wanted), _) in parts.iter().zip(&wanted).zip(&open).filter(|(_, is_open)| **is_open) {
                text.push_str(&format!("\n  no {}{}", super::text::expectation(part), wanted.miss(&records)));
            }
            return Err(Failure::failed(text));
        }
        self.matched = last;
        self.variables.extend(captured);
        Ok(())
    }

    async fn expect_any(
        &mut self,
        parts: &[ExpectSpec],
        since: u64,
        within: Duration,
    ) -> Result<(), Failure> {
        let wanted = parts.iter().map(|part| self.wanted(part)).collect::<Result<Vec<_>, _>>()?;
        let mut found = None;
        let is_it = |record: &Record| {
            found = wanted
                .iter()
                .find_map(|wanted| wanted.check(record))
                .map(|captures| (record.sequence, captures));
            found.is_some()
        };
        if let Err(records) = self.broker.wait_for_each(since, within, is_it).await {
            let mut text = format!("none of {} came within {within:?}:", parts.len());
            for (part, wanted) in parts.iter().zip(&wanted) {
                text.push_str(&format!("\n  no {}{}", super::text::expectation(part), wanted.miss(&records)));
            }
            return Err(Failure::failed(text));
        }
        if let Some((sequence, captures)) = found {
            self.matched = sequence + 1;
            self.variables.extend(captures);
        }
        Ok(())
    }

    /// One after the other; a message on one of their topics that is not the next one is an error at once.
    async fn expect_sequence(
        &mut self,
        parts: &[ExpectSpec],
        since: u64,
        within: Duration,
    ) -> Result<(), Failure> {
        let wanted = parts.iter().map(|part| self.wanted(part)).collect::<Result<Vec<_>, _>>()?;
        let (mut next, mut captured, mut last) = (0, Captures::new(), since);
        let mut intruder = None;
        let is_it = |record: &Record| {
            if let Some(captures) = wanted.get(next).and_then(|wanted| wanted.check(record)) {
                next += 1;
                captured.extend(captures);
                last = record.sequence + 1;
            } else if is_on_a_topic(&wanted, record) {
                intruder = Some(Arc::new(record.clone()));
            }
            next == wanted.len() || intruder.is_some()
        };
        let waited = self.broker.wait_for_each(since, within, is_it).await;
        if let Some(intruder) = intruder {
            let part = super::text::expectation(&parts[next]);
            let miss = wanted[next].miss(&[Arc::clone(&intruder)]);
            return Err(Failure::failed(format!("number {} must be {part}, but this came:{miss}", next + 1)));
        }
        if let Err(records) = waited {
            let part = super::text::expectation(&parts[next]);
            let miss = wanted[next].miss(&records);
            return Err(Failure::failed(format!(
                "number {}, {part}, did not come within {within:?}{miss}",
                next + 1
            )));
        }
        self.matched = last;
        self.variables.extend(captured);
        Ok(())
    }
}

fn is_on_a_topic(wanted: &[Wanted], record: &Record) -> bool {
    let Some(message) = record.happening.message() else {
        return false;
    };
    wanted.iter().any(|wanted| match wanted {
        Wanted::Message(matcher) => matcher.is_about(message),
        Wanted::Event(_) => false,
    })
}
