//! What a test expects to be published.

use super::matcher::{Captures, Matcher, Payload, TextMatch, TopicPattern};
use super::{TestBroker, WAIT, matcher};
use crate::journal::{Published, Record};
use crate::packet::Qos;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// How long [`Expectation::none`] looks unless it is told otherwise.
const WINDOW: Duration = Duration::from_millis(500);

/// What is expected of a message, and for how long it is waited for.
#[derive(Debug)]
#[must_use = "nothing is expected until this is awaited"]
pub struct Expectation {
    broker: TestBroker,
    matcher: Matcher,
    within: Option<Duration>,
    since: Option<u64>,
    at: &'static Location<'static>,
    fault: Option<String>,
}

/// A message that was as expected.
#[derive(Clone, Debug)]
pub struct Received {
    record: Arc<Record>,
    captures: Captures,
}

impl Received {
    /// The message.
    ///
    /// # Panics
    ///
    /// Never: it is made of a message's record alone.
    #[must_use]
    pub fn message(&self) -> &Published {
        self.record.happening.message().expect("a received message is a message")
    }

    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.message().topic
    }

    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.message().payload
    }

    /// Its payload as JSON, if it is.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.payload()).ok()
    }

    /// Whose message it is; empty in front of another broker.
    #[must_use]
    pub fn publisher(&self) -> &str {
        &self.record.client_identifier
    }

    /// What `{name}`s of the topic and named groups stand for.
    #[must_use]
    pub const fn captures(&self) -> &Captures {
        &self.captures
    }

    /// Its record in the journal.
    #[must_use]
    pub const fn record(&self) -> &Arc<Record> {
        &self.record
    }
}

impl Expectation {
    #[track_caller]
    pub(super) fn new(broker: TestBroker, filter: &str) -> Self {
        let mut expectation = Self {
            broker,
            matcher: Matcher::default(),
            within: None,
            since: None,
            at: Location::caller(),
            fault: None,
        };
        match TopicPattern::parse(filter) {
            Ok(pattern) => expectation.matcher.topic = Some(pattern),
            Err(error) => expectation.fault = Some(format!("{filter}: {error}")),
        }
        expectation
    }

    /// How long it is waited for; [`WAIT`] by default.
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// Looks from the start of the journal; by default from the last message that was published by the test or
    /// expected, whichever is later.
    pub const fn since_start(mut self) -> Self {
        self.since = Some(1);
        self
    }

    /// Looks from record `number` on.
    pub const fn since(mut self, number: u64) -> Self {
        self.since = Some(number);
        self
    }

    /// The payload is this.
    pub fn payload(mut self, payload: impl Into<Bytes>) -> Self {
        self.matcher.payload.push(Payload::Equals(payload.into()));
        self
    }

    /// The payload is a text in which this pattern is found.
    pub fn regex(mut self, pattern: &str) -> Self {
        match regex::Regex::new(pattern) {
            Ok(pattern) => self.matcher.payload.push(Payload::Regex(pattern)),
            Err(error) => self.fault = Some(error.to_string()),
        }
        self
    }

    /// The payload is JSON and this; text that is no JSON is a panic when it is awaited.
    pub fn json(mut self, value: impl AsRef<str>) -> Self {
        self.push_json(value.as_ref(), Payload::JsonEquals);
        self
    }

    /// The payload is JSON with at least this in it; text that is no JSON is a panic when it is awaited.
    pub fn json_subset(mut self, value: impl AsRef<str>) -> Self {
        self.push_json(value.as_ref(), Payload::JsonSubset);
        self
    }

    fn push_json(&mut self, text: &str, make: fn(Value) -> Payload) {
        match serde_json::from_str(text) {
            Ok(value) => self.matcher.payload.push(make(value)),
            Err(error) => self.fault = Some(format!("{text}: {error}")),
        }
    }

    /// It was published with this QoS.
    pub fn qos(mut self, number: u8) -> Self {
        self.matcher.qos = Qos::from_number(number);
        if self.matcher.qos.is_none() {
            self.fault = Some(format!("QoS {number} does not exist"));
        }
        self
    }

    /// It was published with this RETAIN flag.
    pub const fn retain(mut self, retain: bool) -> Self {
        self.matcher.retain = Some(retain);
        self
    }

    /// It was published by this client; only the embedded broker knows.
    pub fn publisher(mut self, client_identifier: &str) -> Self {
        self.matcher.publisher = Some(TextMatch::Is(client_identifier.to_owned()));
        self
    }

    /// It is as `matcher` says, which takes the place of everything said before.
    pub fn matching(mut self, matcher: Matcher) -> Self {
        self.matcher = matcher;
        self
    }

    /// Waits for one such message; later expectations look behind it.
    ///
    /// # Panics
    ///
    /// When none comes in time: with the messages that came nearest, and what happened last.
    pub async fn one(self) -> Received {
        let (broker, at) = (self.broker.clone(), self.at);
        match self.try_one().await {
            Ok(received) => received,
            Err(text) => broker.fail_at(at, &text),
        }
    }

    /// As [`Expectation::one`].
    ///
    /// # Errors
    ///
    /// The text of the panic, without what happened last.
    pub async fn try_one(self) -> Result<Received, String> {
        let since = self.checked_since()?;
        let matcher = &self.matcher;
        let mut captures = Captures::new();
        let is_it = |record: &Record| match record.happening.message() {
            Some(message) => match matcher.check(&record.client_identifier, message) {
                Ok(found) => {
                    captures = found;
                    true
                }
                Err(_) => false,
            },
            None => false,
        };
        match self.broker.wait_for(since, self.within.unwrap_or(WAIT), is_it).await {
            Ok(record) => {
                let mut cursor = self.broker.cursor();
                cursor.matched = record.sequence + 1;
                cursor.taken.insert(record.sequence);
                drop(cursor);
                Ok(Received { record, captures })
            }
            Err(records) => Err(self.miss(&records)),
        }
    }

    /// Waits until the broker has settled and sees that there is no such message since the last one that the test
    /// published; those that were expected and came do not count, unless it is told from where to look.
    ///
    /// # Panics
    ///
    /// When there is one, or the broker does not settle; in front of another broker, whose state nobody knows.
    pub async fn none_when_settled(self) {
        if self.broker.hub().lock().is_in_front {
            let text =
                "only the embedded broker knows that nothing is on its way; look for a while with none()";
            self.broker.fail_at(self.at, text);
        }
        if !self.broker.settled_within(WAIT).await {
            self.broker.fail_at(self.at, "the broker has not settled");
        }
        self.assert_none();
    }

    /// Looks for a while (`within`, here 500 ms by default) and sees that there is no such message, from where
    /// [`Expectation::none_when_settled`] looks, too.
    ///
    /// # Panics
    ///
    /// When there is one.
    pub async fn none(self) {
        let window = self.within.unwrap_or(WINDOW);
        let (since, taken) = self.since_trigger();
        let is_it = |record: &Record| !taken.contains(&record.sequence) && self.holds(record);
        // What was found is told below.
        let _ = self.broker.wait_for(since, window, is_it).await;
        if let Err(reason) = self.broker.check_observer(WAIT).await {
            self.broker.fail_at(self.at, &reason);
        }
        self.assert_none();
    }

    fn holds(&self, record: &Record) -> bool {
        let message = record.happening.message();
        message.is_some_and(|message| self.matcher.check(&record.client_identifier, message).is_ok())
    }

    fn assert_none(&self) {
        if let Some(fault) = &self.fault {
            self.broker.fail_at(self.at, fault);
        }
        let (since, taken) = self.since_trigger();
        let records = self.broker.records_since(since);
        let is_it = |record: &&Arc<Record>| !taken.contains(&record.sequence) && self.holds(record);
        if let Some(record) = records.iter().find(is_it) {
            self.broker
                .fail_at(self.at, &format!("a message came that must not: {}", super::describe(record)));
        }
    }

    fn checked_since(&self) -> Result<u64, String> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(self.since.unwrap_or_else(|| {
                let cursor = self.broker.cursor();
                cursor.trigger.max(cursor.matched)
            })),
        }
    }

    /// From where it is looked for what must not be, and which messages were expected since.
    fn since_trigger(&self) -> (u64, BTreeSet<u64>) {
        match self.since {
            Some(since) => (since, BTreeSet::new()),
            None => {
                let cursor = self.broker.cursor();
                (cursor.trigger, cursor.taken.clone())
            }
        }
    }

    fn miss(&self, records: &[Arc<Record>]) -> String {
        let topic = self.matcher.topic.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut text = format!("no such message on {topic} within {:?}", self.within.unwrap_or(WAIT));
        text.push_str(&nearest_text(&self.matcher, records));
        text
    }
}

/// The messages that came nearest, with what is wrong about each; best first, at most three.
#[must_use]
pub(crate) fn nearest<'a>(
    matcher: &Matcher,
    records: &'a [Arc<Record>],
) -> Vec<(&'a Arc<Record>, Vec<matcher::Difference>)> {
    const SHOWN_MAX: usize = 3;
    let mut missed: Vec<_> = records
        .iter()
        .filter_map(|record| {
            let message = record.happening.message()?;
            let differences = matcher.check(&record.client_identifier, message).err()?;
            Some((!matcher.is_about(message), differences.len(), record, differences))
        })
        .collect();
    missed.sort_by_key(|(is_elsewhere, count, ..)| (*is_elsewhere, *count));
    missed.into_iter().take(SHOWN_MAX).map(|(_, _, record, differences)| (record, differences)).collect()
}

/// [`nearest`] as text, each line behind a line feed; what came on other topics is told when nothing else did.
pub(crate) fn nearest_text(matcher: &Matcher, records: &[Arc<Record>]) -> String {
    let mut text = String::new();
    for (record, differences) in nearest(matcher, records) {
        text.push_str(&format!("\n  nearest: {}", super::describe(record)));
        for difference in differences {
            text.push_str(&format!("\n    {difference}"));
        }
    }
    if text.is_empty() {
        text.push_str("\n  no message came at all");
    }
    text
}
