//! What can be found wrong with a scenario before anything runs: it ends with the status of a wrong scenario, not of a
//! broken environment, and nothing that is said is quietly left out.

use super::compile::{Compiler, Trouble, qos, regex};
use super::device::signal_number;
use super::events::EventMatcher;
use super::load::{BROKER_NAMES, Loaded, suggestion};
use super::scenario::{
    BrokerStep, ClientSpec, CommandSpec, ConnectOptions, ConnectSpec, DeviceSpec, DeviceStep, ExpectSpec,
    FaultSpec, JsonSpec, PublishSpec, RespondSpec, RunSpec, Scenario, StateSpec, Step, SubscribeOptions,
    SubscribeSpec,
};
use super::variables::Variables;
use super::{start, steps};
#[cfg(test)]
mod tests;
mod wanted;
mod whole;
mod wrong;

use wrong::Within;
pub(super) use wrong::Wrong;

use crate::fault::spec::{DurationSpec, OnSpec, ReasonSpec, RuleSpec};
use crate::packet::{ProtocolVersion, topic};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// What a name stands for that is only learnt on the way: right as a topic level, a pattern, a number, pairs of
/// hexadecimal digits and Base64.
pub(super) const SOMETHING: u64 = 1000;

/// Members of an expectation that say how long, from where, and how many, not what.
const MANNER: [&str; 9] =
    ["within", "since", "none", "for", "exactly", "count", "at_least", "at_most", "latency"];

/// Looks at every step of a scenario; `captured` are the names that it gives values to on the way.
///
/// # Errors
///
/// The first thing that cannot be, and where.
pub(super) fn validate(loaded: &Loaded, captured: &BTreeSet<String>) -> Result<(), Wrong> {
    let scenario = &loaded.scenario;
    let mut variables = loaded.variables.clone();
    for name in captured.iter().map(String::as_str).chain(BROKER_NAMES) {
        variables.set(name, json!(SOMETHING));
    }
    let checker = Checker::of(scenario, &variables, loaded.folder());
    whole::check(scenario)?;
    for (name, device) in devices(scenario) {
        let is_named = scenario.devices.contains_key(name);
        checker.device(device).map_err(|wrong| {
            let wrong = wrong.about(if is_named { name } else { "device" });
            if is_named { wrong.within(name).within("devices") } else { wrong.within("device") }
        })?;
    }
    let parts = [
        ("setup", "setup", &scenario.setup),
        ("steps", "step", &scenario.steps),
        ("teardown", "teardown", &scenario.teardown),
    ];
    for (part, word, all) in parts {
        for (at, step) in all.iter().enumerate() {
            checker.step(step).map_err(|wrong| {
                let about = format!("{word} {}, {}", at + 1, step.word());
                wrong.about(&about).within(step.word()).element(at).within(part)
            })?;
        }
    }
    whole::check_order(scenario, &variables)
}

fn devices(scenario: &Scenario) -> impl Iterator<Item = (&str, &DeviceSpec)> {
    let named = scenario.devices.iter().map(|(name, device)| (name.as_str(), device));
    scenario.device.iter().map(|device| ("device", device)).chain(named)
}

/// Looks at steps, and knows what they may name.
pub(super) struct Checker<'a> {
    pub(super) devices: Vec<&'a str>,
    pub(super) marks: Vec<&'a str>,
    pub(super) faults: Vec<String>,
    pub(super) is_embedded: bool,
    pub(super) variables: &'a Variables,
    pub(super) folder: &'a Path,
}

impl<'a> Checker<'a> {
    /// For the steps of a scenario.
    fn of(scenario: &'a Scenario, variables: &'a Variables, folder: &'a Path) -> Self {
        let mut marks = Vec::new();
        let mut faults = Vec::new();
        for step in scenario.setup.iter().chain(&scenario.steps).chain(&scenario.teardown) {
            match step {
                Step::Mark(name) => marks.push(name.as_str()),
                Step::Fault(fault) if fault.action.is_some() => {
                    let number = faults.len() + 1;
                    faults.push(fault.name.clone().unwrap_or_else(|| format!("fault {number}")));
                }
                _ => {}
            }
        }
        let devices = devices(scenario).map(|(name, _)| name).collect();
        let is_embedded = scenario.broker.url.is_none();
        Self { devices, marks, faults, is_embedded, variables, folder }
    }

    fn compiler(&self) -> Compiler<'_> {
        Compiler {
            variables: self.variables,
            folder: self.folder,
            environment: &[],
            trouble: Trouble::default(),
        }
    }

    fn device(&self, device: &DeviceSpec) -> Result<(), Wrong> {
        self.command(&device.run).within("run")?;
        if let Some(ready) = &device.ready {
            let has_sign = ready.client.is_some() || ready.subscribed.is_some() || ready.topic.is_some();
            if !has_sign && ready.log.is_none() {
                return Err("ready: what? client, subscribed, topic or log").within("ready");
            }
            self.pattern("log", ready.log.as_deref()).within("ready")?;
            for (member, filter) in [("subscribed", &ready.subscribed), ("topic", &ready.topic)] {
                filter
                    .as_ref()
                    .map_or(Ok(()), |filter| self.filter(filter))
                    .within(member)
                    .within("ready")?;
            }
        }
        let stop = device.stop.as_ref();
        status(stop.and_then(|stop| stop.exit)).within("stop")?;
        match device.stop.as_ref().and_then(|stop| stop.signal.as_ref()) {
            Some(signal) => signal_number(signal).map(drop).within("signal").within("stop"),
            None => Ok(()),
        }
    }

    /// What is wrong about a step.
    pub(super) fn step(&self, step: &Step) -> Result<(), Wrong> {
        match step {
            Step::Publish(spec) => self.publish(spec),
            Step::Expect(spec) => self.expect(spec),
            Step::Fault(spec) => self.fault(spec),
            Step::Broker(spec) => self.change_broker(spec),
            Step::Advance(_) => self.needs_embedded("turning the clock"),
            Step::Client(spec) => self.client(spec),
            Step::Respond(spec) => self.respond(spec),
            Step::Run(spec) => self.run(spec),
            Step::Device(spec) => self.change_device(spec),
            Step::State(spec) => self.state(spec),
            Step::Settle(true) => self.needs_embedded("'settle'"),
            Step::Settle(false) => Err("false asks for nothing; leave the step out".into()),
            Step::Mark(_) | Step::Wait(_) => Ok(()),
        }
    }

    fn needs_embedded(&self, what: &str) -> Result<(), Wrong> {
        if self.is_embedded { Ok(()) } else { Err(format!("{what} needs the embedded broker").into()) }
    }

    fn filter(&self, text: &str) -> Result<(), Wrong> {
        let filter = self.variables.fill(text)?;
        topic::check_filter(&filter).map_err(|error| format!("{filter}: {error}").into())
    }

    fn command(&self, command: &CommandSpec) -> Result<(), Wrong> {
        match command {
            CommandSpec::Line(line) if line.trim().is_empty() => {
                Err("a command has at least one word".into())
            }
            _ => self.compiler().command(command).map(drop).map_err(Wrong::from),
        }
    }

    /// The pattern of a member.
    fn pattern(&self, member: &str, pattern: Option<&str>) -> Result<(), Wrong> {
        let Some(pattern) = pattern else {
            return Ok(());
        };
        let read = self.variables.fill(pattern).and_then(|pattern| regex(&pattern));
        read.map(drop).map_err(|text| format!("{member}: {text}")).within(member)
    }

    fn publish(&self, spec: &PublishSpec) -> Result<(), Wrong> {
        let payloads = [
            spec.text.is_some(),
            spec.json.is_some(),
            spec.hex.is_some(),
            spec.base64.is_some(),
            spec.file.is_some(),
        ];
        if payloads.iter().filter(|is_said| **is_said).count() > 1 {
            return Err("a message has one payload: text, json, hex, base64 or file".into());
        }
        if spec.nowait && (spec.reason.is_some() || spec.acked_by.is_some()) {
            return Err("'nowait' waits for no 'reason' and no 'acked_by'").within("nowait");
        }
        if spec.repeat == Some(0) {
            return Err("'repeat: 0' is never; it counts from 1").within("repeat");
        }
        if spec.reason.is_some() && spec.qos.unwrap_or(0) == 0 {
            return Err("at QoS 0 there is no answer, and so no 'reason'").within("reason");
        }
        let compiler = self.compiler();
        // A step before may write the file.
        let Err(text) = compiler.publish(&PublishSpec { file: None, ..spec.clone() }) else {
            return Ok(());
        };
        // The member that is wrong alone, too.
        let topic = || "a".to_owned();
        let is_wrong = |alone: PublishSpec| compiler.publish(&alone).is_err();
        let props = spec.props.iter().find(|(name, value)| {
            let props = [((*name).clone(), (*value).clone())].into();
            is_wrong(PublishSpec { topic: topic(), props, ..PublishSpec::default() })
        });
        let wrong = Wrong::from(text);
        Err(if let Some((name, _)) = props {
            wrong.within(name).within("props")
        } else if is_wrong(PublishSpec { topic: spec.topic.clone(), ..PublishSpec::default() }) {
            wrong.within("topic")
        } else if is_wrong(PublishSpec { topic: topic(), qos: spec.qos, ..PublishSpec::default() }) {
            wrong.within("qos")
        } else {
            let payloads = [(&spec.text, "text"), (&spec.hex, "hex"), (&spec.base64, "base64")];
            let said =
                payloads.iter().find(|(payload, _)| payload.is_some()).map_or("json", |(_, word)| word);
            wrong.within(said)
        })
    }

    fn expect(&self, spec: &ExpectSpec) -> Result<(), Wrong> {
        let said = spec.said();
        let groups = [("all", &spec.all), ("any", &spec.any), ("sequence", &spec.sequence)];
        if let Some((word, parts)) = groups.iter().find(|(_, parts)| !parts.is_empty()) {
            only(&said, &[word, "within", "since"], word)?;
            self.since(spec).within("since")?;
            return parts.iter().enumerate().try_for_each(|(at, part)| {
                let about = format!("a part of '{word}'");
                without(&part.said(), &MANNER, &about)
                    .and_then(|()| without(&part.said(), &["all", "any", "sequence"], &about))
                    .and_then(|()| self.wanted(part))
                    .map_err(|wrong| wrong.element(at).within(word))
            });
        }
        self.since(spec).within("since")?;
        let counts: Vec<&str> = said
            .iter()
            .copied()
            .filter(|word| ["exactly", "count", "at_least", "at_most"].contains(word))
            .collect();
        if spec.none.is_some() {
            without(&said, &["exactly", "count", "at_least", "at_most", "latency", "within"], "'none'")?;
            self.none(spec).within("none")?;
        } else if spec.window.is_some() && (counts.is_empty() || counts == ["at_least"]) {
            return Err("'for' goes with 'none', 'exactly' or 'at_most'").within("for");
        }
        if !counts.is_empty() {
            without(&said, &["latency"], "a count")?;
        }
        if counts.contains(&"exactly") && counts.len() > 1 || counts.contains(&"count") && counts.len() > 1 {
            return Err(format!("an exact count is the only one, here are {}", counts.join(", ")).into());
        }
        if spec.at_least == Some(0) && spec.at_most.is_none() {
            return Err("'at_least: 0' is always so").within("at_least");
        }
        if let (Some(least), Some(most)) = (spec.at_least, spec.at_most)
            && least > most
        {
            return Err(format!("nothing is at least {least} and at most {most}")).within("at_most");
        }
        self.wanted(spec)
    }

    fn none(&self, spec: &ExpectSpec) -> Result<(), Wrong> {
        match &spec.none {
            Some(Value::Bool(true)) => Ok(()),
            Some(Value::String(word)) if word == "window" => Ok(()),
            Some(Value::String(word)) if word == "settled" => self.needs_embedded("'none: settled'"),
            Some(Value::Bool(false)) => Err("'none: false' asks for nothing; leave it out".into()),
            Some(other) => Err(format!("none: {other} is neither true nor settled").into()),
            None => Ok(()),
        }
    }

    fn since(&self, spec: &ExpectSpec) -> Result<(), Wrong> {
        let Some(since) = spec.since.as_deref() else {
            return Ok(());
        };
        if ["start", "last-trigger", "last-match"].contains(&since) {
            return Ok(());
        }
        let name = since.strip_prefix("mark ").unwrap_or(since).trim();
        if self.marks.contains(&name) {
            return Ok(());
        }
        Err(format!("since: there is no mark '{name}'{}", suggestion(name, self.marks.iter().copied()))
            .into())
    }

    /// What is looked for: a message, or an event.
    fn wanted(&self, spec: &ExpectSpec) -> Result<(), Wrong> {
        const OF_EVENTS: [&str; 10] = [
            "event",
            "client",
            "session_present",
            "packet",
            "topic",
            "text",
            "qos",
            "retain",
            "dup",
            "record",
        ];
        let said = spec.said();
        if spec.event.is_some() || spec.packet.is_some() {
            only(&said, &[&OF_EVENTS[..], &MANNER[..]].concat(), "an event")?;
            wanted::check_event(spec, &said)?;
            return EventMatcher::compile(spec, self.variables).map(drop).map_err(|text| {
                let mut members = ["event", "packet"].into_iter().filter(|word| said.contains(word));
                let member = members.clone().find(|word| text.contains(&format!("no {word} ")));
                Wrong::from(text).within(member.or(members.next_back()).unwrap_or("event"))
            });
        }
        if spec.topic.is_none() {
            return Err(
                "what? 'topic' for a message, 'event' for an event, or 'all', 'any', 'sequence'".into()
            );
        }
        without(&said, &["client", "session_present", "record"], "a message")?;
        if !self.is_embedded {
            let unknown = without(&said, &["from", "will"], "a message");
            unknown.map_err(|_| "'from' and 'will' are known with the embedded broker only".to_owned())?;
        }
        if let Some(JsonSpec { equals: None, subset: None, schema: None }) = &spec.json {
            return Err("json: what? 'equals', 'subset' or 'schema'").within("json");
        }
        // A step before may write the schema's file.
        let mut spec = spec.clone();
        if let Some(JsonSpec { schema: schema @ Some(Value::String(_)), .. }) = &mut spec.json {
            *schema = None;
        }
        wanted::check_topic(&self.variables.fill(spec.topic.as_deref().unwrap_or_default())?)
            .within("topic")?;
        if let Some(pointer) = spec.at.keys().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/'))
        {
            let wrong = Wrong::from(format!("at: '{pointer}' does not begin with '/'"));
            return Err(wrong.within(pointer).within("at"));
        }
        let compiler = self.compiler();
        let Err(text) = compiler.matcher(&spec) else {
            return Ok(());
        };
        let is_wrong = |alone: &ExpectSpec| compiler.matcher(alone).is_err();
        let member = said.iter().find(|member| is_wrong(&spec.alone(member))).copied().unwrap_or("topic");
        let inner = [("at", &spec.at), ("props", &spec.props)].into_iter().find(|(name, _)| *name == member);
        let name = inner.and_then(|(_, values)| {
            values.keys().find(|name| {
                let mut alone = spec.alone(member);
                let values = if member == "at" { &mut alone.at } else { &mut alone.props };
                values.retain(|other, _| other == *name);
                is_wrong(&alone)
            })
        });
        let wrong = Wrong::from(text);
        Err(if let Some(name) = name { wrong.within(name) } else { wrong }.within(member))
    }

    fn fault(&self, spec: &FaultSpec) -> Result<(), Wrong> {
        let named = [&spec.release, &spec.remove].into_iter().flatten();
        let named = named.chain(spec.fired.iter().map(|fired| &fired.name));
        let mut is_about_known = false;
        if let Some(fired) = &spec.fired {
            if fired.times == Some(0) {
                return Err("fired: 'times: 0' is always so; 'exactly: 0' is never")
                    .within("times")
                    .within("fired");
            }
            if fired.times.is_some() && fired.exactly.is_some() {
                return Err("fired: 'times' is at least, 'exactly' is all; give one")
                    .within("exactly")
                    .within("fired");
            }
        }
        for name in named {
            is_about_known = true;
            if !self.faults.contains(name) {
                let suggestion = suggestion(name, self.faults.iter().map(String::as_str));
                let said = [(&spec.release, "release"), (&spec.remove, "remove")];
                let member = said.iter().find(|(said, _)| said.as_ref() == Some(name));
                let wrong = Wrong::from(format!("there is no fault '{name}'{suggestion}"));
                return Err(member.map_or_else(|| "fired", |(_, word)| word))
                    .map_err(|word| wrong.within(word));
            }
        }
        let Some(action) = &spec.action else {
            if spec.on != OnSpec::default() || spec.name.is_some() {
                return Err("'on' and 'name' belong to a new fault, which has a 'do'".into());
            }
            if !is_about_known && !spec.clear {
                return Err("what? 'do' for a new one, or 'release', 'remove', 'fired', 'clear'".into());
            }
            return Ok(());
        };
        let rule = RuleSpec { name: spec.name.clone(), on: spec.on.clone(), action: action.clone() };
        rule.rule().map(drop).map_err(|text| {
            let everywhere = RuleSpec { on: OnSpec::default(), ..rule.clone() };
            match text.contains("probability") {
                _ if everywhere.rule().is_err() => Wrong::from(text).within("do"),
                true => Wrong::from(text).within("probability").within("on"),
                false => Wrong::from(text).within("on"),
            }
        })
    }

    fn change_broker(&self, spec: &BrokerStep) -> Result<(), Wrong> {
        match spec {
            BrokerStep::Stop(false) | BrokerStep::Freeze(false) | BrokerStep::Resume(false) => {
                Err("false asks for nothing; leave the step out".into())
            }
            BrokerStep::Stop(true) | BrokerStep::Cut { .. } => Ok(()),
            BrokerStep::Start(keep) => steps::keep(keep).map(drop).within("keep").within("start"),
            BrokerStep::Restart(keep) => {
                self.needs_embedded("a restart")?;
                steps::keep(keep).map(drop).within("keep").within("restart")
            }
            BrokerStep::Freeze(true) | BrokerStep::Resume(true) => self.needs_embedded("standing still"),
            BrokerStep::Disconnect { .. } => self.needs_embedded("a disconnect by the broker"),
        }
    }

    fn client(&self, spec: &ClientSpec) -> Result<(), Wrong> {
        if matches!(spec.connect, Some(ConnectSpec::Plain(false))) {
            return Err("'connect: false' asks for nothing; leave it out").within("connect");
        }
        let does_something = spec.connect.is_some()
            || spec.subscribe.is_some()
            || !spec.unsubscribe.is_empty()
            || spec.publish.is_some()
            || spec.receive.is_some()
            || spec.receive_nothing
            || spec.disconnect.is_some()
            || spec.kill;
        if !does_something {
            return Err(
                "what? connect, subscribe, unsubscribe, publish, receive, receive_nothing, disconnect or kill".into(),
            );
        }
        if let Some(ConnectSpec::With(options)) = &spec.connect {
            self.connect(options).within("connect")?;
        }
        match &spec.subscribe {
            Some(SubscribeSpec::With(options)) => {
                options.qos.map(qos).transpose().within("qos").within("subscribe")?;
                self.filters(&options.filters).within("filters").within("subscribe")?;
            }
            Some(SubscribeSpec::One(filter)) => self.filter(filter).within("subscribe")?,
            Some(SubscribeSpec::Many(filters)) => self.filters(filters).within("subscribe")?,
            None => {}
        }
        if let Some(SubscribeSpec::Many(filters))
        | Some(SubscribeSpec::With(SubscribeOptions { filters, .. })) = &spec.subscribe
            && filters.is_empty()
        {
            return Err("there is no filter").within("subscribe");
        }
        self.filters(&spec.unsubscribe).within("unsubscribe")?;
        if let Some(publish) = &spec.publish {
            if publish.client.is_some() {
                return Err("'publish' is this client's, it names no other").within("publish");
            }
            self.publish(publish).within("publish")?;
        }
        if let Some(receive) = &spec.receive {
            let said = receive.said();
            let nothing_of = ["since", "none", "for", "exactly", "count", "at_least", "at_most", "latency"];
            let neither = ["event", "packet", "all", "any", "sequence", "from", "will"];
            without(&said, &[&nothing_of[..], &neither[..]].concat(), "'receive'")
                .and_then(|()| self.wanted(receive))
                .within("receive")?;
        }
        match &spec.disconnect {
            None | Some(Value::Bool(_)) => Ok(()),
            Some(reason) => serde_json::from_value::<ReasonSpec>(reason.clone())
                .map(drop)
                .map_err(|error| format!("disconnect: {error}"))
                .within("disconnect"),
        }
    }

    fn connect(&self, options: &ConnectOptions) -> Result<(), Wrong> {
        options.version.as_ref().map(start::version).transpose().within("version")?;
        self.compiler().properties(&options.props).within("props")?;
        whole_seconds(options.session_expiry).within("session_expiry")?;
        whole_seconds(options.will.as_ref().and_then(|will| will.delay)).within("delay").within("will")?;
        let version = options.version.as_ref().map_or(Ok(ProtocolVersion::V5), start::version)?;
        if version != ProtocolVersion::V5 {
            if !options.props.is_empty() {
                return Err("properties need MQTT 5").within("props");
            }
            if options.session_expiry.is_some() {
                return Err("'session_expiry' needs MQTT 5; before, 'clean: false' keeps the session")
                    .within("session_expiry");
            }
            if options.will.as_ref().is_some_and(|will| will.delay.is_some()) {
                return Err("a will's 'delay' needs MQTT 5").within("delay").within("will");
            }
        }
        if let Some(will) = &options.will {
            let topic = self.variables.fill(&will.topic)?;
            topic::check_name(&topic)
                .map_err(|error| format!("will: {topic}: {error}"))
                .within("topic")
                .within("will")?;
            will.qos.map(qos).transpose().within("qos").within("will")?;
            self.compiler().will_payload(will).within("will")?;
        }
        if options.refused.is_some() && options.session_present.is_some() {
            let text = "a refused client has no session: 'refused' or 'session_present'";
            return Err(text).within("session_present");
        }
        Ok(())
    }

    fn filters(&self, filters: &[String]) -> Result<(), Wrong> {
        filters
            .iter()
            .enumerate()
            .try_for_each(|(at, filter)| self.filter(filter).map_err(|wrong| wrong.element(at)))
    }

    fn respond(&self, spec: &RespondSpec) -> Result<(), Wrong> {
        let said = spec.when.said();
        let neither = [&MANNER[..], &["event", "packet", "all", "any", "sequence"]].concat();
        without(&said, &neither, "'when'").and_then(|()| self.wanted(&spec.when)).within("when")?;
        if spec.times == Some(0) {
            return Err("'times: 0' is never; it counts from 1").within("times");
        }
        let unheard = [
            (spec.publish.client.is_some(), "client"),
            (spec.publish.acked_by.is_some(), "acked_by"),
            (spec.publish.reason.is_some(), "reason"),
            (spec.publish.nowait, "nowait"),
            (spec.publish.repeat.is_some(), "repeat"),
        ];
        if let Some((_, word)) = unheard.iter().find(|(is_said, _)| *is_said) {
            let text = format!("'{word}' means nothing in an answer");
            return Err(text).within(word).within("publish");
        }
        self.publish(&spec.publish).within("publish")
    }

    fn run(&self, spec: &RunSpec) -> Result<(), Wrong> {
        self.command(&spec.cmd).within("cmd")?;
        status(spec.exit)?;
        self.pattern("stdout", spec.stdout.as_deref())?;
        self.pattern("stderr", spec.stderr.as_deref())
    }

    fn change_device(&self, spec: &DeviceStep) -> Result<(), Wrong> {
        let known = &self.devices;
        match &spec.name {
            Some(name) if !known.contains(&name.as_str()) => {
                let suggestion = suggestion(name, known.iter().copied());
                return Err(format!("there is no device '{name}'{suggestion}")).within("name");
            }
            None if known.len() != 1 => return Err(format!("which of {}? give its name", known.len()).into()),
            _ => {}
        }
        let does_something = spec.kill
            || spec.signal.is_some()
            || spec.stop
            || spec.exit.is_some()
            || spec.start
            || spec.restart
            || spec.send.is_some()
            || spec.log.is_some();
        if !does_something {
            return Err("what? start, stop, kill, restart, signal, send, log or exit".into());
        }
        status(spec.exit)?;
        spec.signal.as_deref().map(signal_number).transpose().within("signal")?;
        self.pattern("log", spec.log.as_deref())
    }

    fn state(&self, spec: &StateSpec) -> Result<(), Wrong> {
        self.needs_embedded("a look at the state")?;
        if spec.clean == Some(false) {
            return Err("'clean: false' asks for nothing").within("clean");
        }
        let asks_for_something = !spec.retained.is_empty()
            || !spec.queue.is_empty()
            || !spec.in_flight.is_empty()
            || spec.sessions.is_some()
            || spec.clean.is_some();
        if !asks_for_something {
            return Err("what? retained, queue, in_flight, sessions or clean".into());
        }
        spec.retained.keys().try_for_each(|filter| self.filter(filter).within(filter)).within("retained")
    }
}

/// An exit status.
fn status(status: Option<i32>) -> Result<(), Wrong> {
    match status {
        Some(status) if !(0..=255).contains(&status) => Err("a status is between 0 and 255").within("exit"),
        _ => Ok(()),
    }
}

/// A time that a packet carries.
fn whole_seconds(duration: Option<DurationSpec>) -> Result<(), Wrong> {
    match duration {
        Some(DurationSpec(duration)) if duration.subsec_nanos() > 0 => {
            Err(format!("MQTT counts whole seconds, {duration:?} is none").into())
        }
        _ => Ok(()),
    }
}

/// An error when something else than `allowed` is said.
fn only(said: &[&str], allowed: &[&str], about: &str) -> Result<(), Wrong> {
    match said.iter().find(|word| !allowed.contains(word)) {
        Some(word) => Err(format!("'{word}' means nothing for {about}")).within(word),
        None => Ok(()),
    }
}

/// An error when something of `forbidden` is said.
fn without(said: &[&str], forbidden: &[&str], about: &str) -> Result<(), Wrong> {
    match said.iter().find(|word| forbidden.contains(word)) {
        Some(word) => Err(format!("'{word}' means nothing for {about}")).within(word),
        None => Ok(()),
    }
}
