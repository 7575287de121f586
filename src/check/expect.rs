//! `expect`: messages that must come, or must not.

use super::engine::{Failure, Play};
use super::events::EventMatcher;
use super::scenario::ExpectSpec;
use crate::journal::Record;
use crate::test_broker::matcher::{Captures, Matcher};
use crate::test_broker::{describe, nearest_text};
use crate::time::Time;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a scenario looks for what must not come.
const WINDOW: Duration = Duration::from_millis(500);

/// Where it is looked: from record `since` on, past those of `taken`.
#[derive(Clone, Debug)]
struct Scope {
    since: u64,
    taken: BTreeSet<u64>,
}

impl Scope {
    fn has(&self, record: &Record) -> bool {
        record.sequence >= self.since && !self.taken.contains(&record.sequence)
    }
}

/// What is looked for: a message, or an event.
#[derive(Debug)]
enum Wanted {
    Message(Box<Matcher>),
    Event(Box<EventMatcher>),
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
        let looked = self.look(spec).await;
        // A command that cannot be asked has found nothing wrong, and nothing right.
        match self.trouble.take() {
            Some(trouble) => Err(Failure::broken(trouble)),
            None => looked,
        }
    }

    async fn look(&mut self, spec: &ExpectSpec) -> Result<(), Failure> {
        let scope = self.scope(spec)?;
        let since = scope.since;
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
            Some(Value::Bool(true)) => return self.expect_none(&wanted, spec, &scope, false).await,
            Some(Value::String(word)) if word == "window" => {
                return self.expect_none(&wanted, spec, &scope, false).await;
            }
            Some(Value::String(word)) if word == "settled" => {
                return self.expect_none(&wanted, spec, &scope, true).await;
            }
            Some(other) => return Err(Failure::broken(format!("none: {other} is neither true nor settled"))),
        }
        if spec.exact_count().is_some() || spec.at_least.is_some() || spec.at_most.is_some() {
            return self.expect_count(&wanted, spec, &scope).await;
        }
        let (record, captures) = match self.find(&wanted, &scope, self.patience(spec), 1).await {
            Ok(mut found) => found.remove(0),
            Err(records) => return Err(self.missed(&wanted, spec, &records).await),
        };
        self.check_latency(spec, &record)?;
        self.took([record.sequence], captures);
        Ok(())
    }

    /// These records are what was expected: later steps look behind the last of them.
    fn took(&mut self, records: impl IntoIterator<Item = u64>, captures: Captures) {
        let mut last = None;
        for sequence in records {
            last = last.max(Some(sequence));
            self.taken.insert(sequence);
        }
        self.matched = last.map_or(self.matched, |last| last + 1);
        self.variables.extend(captures);
    }

    fn patience(&self, spec: &ExpectSpec) -> Duration {
        spec.within.map_or(self.within, |within| within.0)
    }

    /// Where a step looks. What must not come, or not too often, may not have come before the last match either, so that is
    /// looked for from the last trigger on; what earlier steps expected does not count.
    fn scope(&self, spec: &ExpectSpec) -> Result<Scope, Failure> {
        let is_bounded = spec.none.as_ref().is_some_and(|none| *none != Value::Bool(false))
            || spec.exact_count().is_some()
            || spec.at_most.is_some();
        if spec.since.is_none() && is_bounded {
            return Ok(Scope { since: self.trigger, taken: self.taken.clone() });
        }
        Ok(Scope { since: self.since(spec)?, taken: BTreeSet::new() })
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

    /// In front of another broker, that it can be seen at all: a value that was learnt on the way may have more levels than the
    /// one that was subscribed for it.
    fn check_observed(&self, spec: &ExpectSpec) -> Result<(), Failure> {
        let Some(filter) = spec.topic.as_deref().filter(|_| !self.is_embedded) else {
            return Ok(());
        };
        let filter = self.variables.fill(filter)?;
        let levels = filter.split('/').map(|level| if level.starts_with('{') { "+" } else { level });
        let filter = levels.collect::<Vec<_>>().join("/");
        if self.observed.iter().any(|wide| crate::packet::topic::covers(wide, &filter)) {
            return Ok(());
        }
        Err(Failure::broken(format!(
            "nothing is known of '{filter}': at the start '{}' were subscribed to, with one level for each name that is learnt \
             on the way, and its value has a '/'",
            self.observed.join("', '")
        )))
    }

    fn wanted(&self, spec: &ExpectSpec) -> Result<Wanted, Failure> {
        let compiler = self.compiler();
        if spec.event.is_some() || spec.packet.is_some() {
            return Ok(Wanted::Event(Box::new(EventMatcher::compile(spec, &self.variables)?)));
        }
        if spec.topic.is_none() {
            return Err(Failure::broken(
                "expect: what? 'topic' for a message, 'event' for an event, or 'all', 'any', 'sequence'",
            ));
        }
        self.check_observed(spec)?;
        Ok(Wanted::Message(Box::new(compiler.matcher(spec)?)))
    }

    /// Waits until `count` records fit; the first of them, or all records when there are fewer in time.
    async fn find(
        &self,
        wanted: &Wanted,
        scope: &Scope,
        within: Duration,
        count: usize,
    ) -> Result<Vec<(Arc<Record>, Captures)>, Vec<Arc<Record>>> {
        let mut found = Vec::new();
        let is_it = |record: &Record| {
            if scope.has(record)
                && let Some(captures) = wanted.check(record)
            {
                found.push((Arc::new(record.clone()), captures));
            }
            found.len() >= count
        };
        match self.broker.wait_for_each(scope.since, within, is_it).await {
            Ok(()) => Ok(found),
            Err(records) => Err(records),
        }
    }

    async fn missed(&self, wanted: &Wanted, spec: &ExpectSpec, records: &[Arc<Record>]) -> Failure {
        if let Err(reason) = self.broker.check_observer(self.within).await {
            return Failure::broken(reason);
        }
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
        let latency = record.time.since(Time::ZERO).saturating_sub(self.trigger_time);
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
    pub(super) async fn let_come(&self, window: Option<Duration>) -> Result<(), Failure> {
        if let Some(window) = window.or((!self.is_embedded).then_some(WINDOW)) {
            tokio::time::sleep(window).await;
            return self.check_sight().await;
        }
        self.settle().await
    }

    /// Sees that nothing came only because nothing can be seen.
    async fn check_sight(&self) -> Result<(), Failure> {
        self.broker.check_observer(self.within).await.map_err(Failure::broken)
    }

    /// Waits until nothing is on its way and our own responders have answered what they are to answer.
    pub(super) async fn settle(&self) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + self.within;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let answers = self.responders.answers();
            if !self.broker.settled_within(left).await {
                break;
            }
            let position = self.broker.position();
            if tokio::time::timeout_at(deadline, self.responders.have_seen(position)).await.is_err() {
                return Err(Failure::failed(format!(
                    "a responder has not answered within {:?}",
                    self.within
                )));
            }
            // An answer sets off more.
            if self.responders.answers() == answers {
                return Ok(());
            }
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
        scope: &Scope,
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
        let mut found = self.find(wanted, scope, within, 1).await;
        if found.is_err() {
            self.check_sight().await?;
            // What was published in the window has reached us by now.
            found = self.find(wanted, scope, Duration::ZERO, 1).await;
        }
        if let Ok(found) = found {
            let what = super::text::expectation(spec);
            return Err(Failure::failed(format!("{what} came that must not: {}", describe(&found[0].0))));
        }
        Ok(())
    }

    async fn expect_count(
        &mut self,
        wanted: &Wanted,
        spec: &ExpectSpec,
        scope: &Scope,
    ) -> Result<(), Failure> {
        let least = spec.exact_count().or(spec.at_least).unwrap_or(0);
        let most = spec.exact_count().or(spec.at_most);
        if least > 0 {
            let within = self.patience(spec);
            let found = self.find(wanted, scope, within, least).await;
            if let (Ok(found), None) = (&found, most) {
                // More may have come by chance; the next step finds them.
                let (records, captures): (Vec<_>, Vec<_>) =
                    found.iter().map(|(record, captures)| (record.sequence, captures.clone())).unzip();
                self.took(records, captures.into_iter().flatten().collect());
                return Ok(());
            }
            if let Err(records) = found {
                self.check_sight().await?;
                let is_it = |record: &&Arc<Record>| scope.has(record) && wanted.check(record).is_some();
                let found: Vec<_> = records.iter().filter(is_it).collect();
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
        self.let_come(spec.window.map(|window| window.0)).await?;
        let records = self.broker.records_since(scope.since);
        let found: Vec<_> = records
            .iter()
            .filter(|record| scope.has(record))
            .filter_map(|record| Some((record, wanted.check(record)?)))
            .collect();
        if let Some(most) = most
            && found.len() > most
        {
            let bound = if spec.exact_count().is_some() { "exactly" } else { "at most" };
            let mut text = format!("{}, must be {bound} {most}", super::text::counted(found.len(), spec));
            found.iter().for_each(|(record, _)| text.push_str(&format!("\n  {}", describe(record))));
            return Err(Failure::failed(text));
        }
        let records: Vec<u64> = found.iter().map(|(record, _)| record.sequence).collect();
        self.took(records, found.into_iter().flat_map(|(_, captures)| captures).collect());
        Ok(())
    }

    async fn expect_all(
        &mut self,
        parts: &[ExpectSpec],
        since: u64,
        within: Duration,
    ) -> Result<(), Failure> {
        let wanted = parts.iter().map(|part| self.wanted(part)).collect::<Result<Vec<_>, _>>()?;
        let mut group = Group { fits: Vec::new(), parts: vec![None; wanted.len()] };
        let is_it = |record: &Record| {
            let fits: BTreeMap<usize, Captures> = wanted
                .iter()
                .enumerate()
                .filter_map(|(at, wanted)| Some((at, wanted.check(record)?)))
                .collect();
            group.add(record.sequence, fits)
        };
        let waited = self.broker.wait_for_each(since, within, is_it).await;
        if let Err(records) = waited {
            self.check_sight().await?;
            let open = group.parts.iter().filter(|part| part.is_none()).count();
            let mut text = format!("{open} of {} did not come within {within:?}:", parts.len());
            for ((part, wanted), found) in parts.iter().zip(&wanted).zip(&group.parts) {
                if found.is_none() {
                    let what = super::text::expectation(part);
                    text.push_str(&format!("\n  no {what}{}", wanted.miss(&records)));
                }
            }
            return Err(Failure::failed(text));
        }
        let (records, captures) = group.found();
        self.took(records, captures);
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
            self.check_sight().await?;
            let mut text = format!("none of {} came within {within:?}:", parts.len());
            for (part, wanted) in parts.iter().zip(&wanted) {
                text.push_str(&format!("\n  no {}{}", super::text::expectation(part), wanted.miss(&records)));
            }
            return Err(Failure::failed(text));
        }
        if let Some((sequence, captures)) = found {
            self.took([sequence], captures);
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
        let (mut next, mut captured, mut found) = (0, Captures::new(), Vec::new());
        let mut intruder = None;
        let is_it = |record: &Record| {
            if let Some(captures) = wanted.get(next).and_then(|wanted| wanted.check(record)) {
                next += 1;
                captured.extend(captures);
                found.push(record.sequence);
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
            self.check_sight().await?;
            let part = super::text::expectation(&parts[next]);
            let miss = wanted[next].miss(&records);
            return Err(Failure::failed(format!(
                "number {}, {part}, did not come within {within:?}{miss}",
                next + 1
            )));
        }
        self.took(found, captured);
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

/// Messages that come in any order, each for one part of a group.
#[derive(Debug)]
struct Group {
    /// The messages that fit a part: their numbers, and what each part makes of them.
    fits: Vec<(u64, BTreeMap<usize, Captures>)>,
    /// By part, which of them it is given.
    parts: Vec<Option<usize>>,
}

impl Group {
    /// A message and the parts that it fits; true when every part has one. Where two parts fit, the earlier message moves to
    /// another part if that makes room.
    fn add(&mut self, sequence: u64, fits: BTreeMap<usize, Captures>) -> bool {
        self.fits.push((sequence, fits));
        let message = self.fits.len() - 1;
        self.place(message, &mut BTreeSet::new());
        self.parts.iter().all(Option::is_some)
    }

    /// Finds a part for a message, moving others on the way; `tried` are the parts that cannot be freed.
    fn place(&mut self, message: usize, tried: &mut BTreeSet<usize>) -> bool {
        let parts: Vec<usize> = self.fits[message].1.keys().copied().collect();
        // One that nobody has is taken first.
        let (free, taken): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| self.parts[*part].is_none());
        for part in free.into_iter().chain(taken) {
            if tried.insert(part) && self.parts[part].is_none_or(|other| self.place(other, tried)) {
                self.parts[part] = Some(message);
                return true;
            }
        }
        false
    }

    /// The numbers of the messages and what the parts have learnt.
    fn found(&self) -> (Vec<u64>, Captures) {
        let found = self.parts.iter().enumerate().filter_map(|(part, message)| {
            let (sequence, fits) = self.fits.get((*message)?)?;
            Some((*sequence, fits.get(&part).cloned().unwrap_or_default()))
        });
        let (records, captures): (Vec<u64>, Vec<Captures>) = found.unzip();
        (records, captures.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(parts: &[usize]) -> BTreeMap<usize, Captures> {
        parts.iter().map(|part| (*part, Captures::new())).collect()
    }

    #[test]
    fn a_message_makes_room_for_one_that_fits_less() {
        let mut group = Group { fits: Vec::new(), parts: vec![None; 3] };
        assert!(!group.add(1, fits(&[0, 1])));
        assert!(!group.add(2, fits(&[0])));
        assert!(!group.add(3, fits(&[0, 1])));
        assert!(!group.add(4, fits(&[])));
        assert!(group.add(5, fits(&[1, 2])));
        assert_eq!(group.found().0.len(), 3);
        assert!(group.found().0.contains(&5));
    }
}
