//! What is wrong with a scenario beside its steps, and with their order.

use super::super::scenario::{BrokerSpec, EmbeddedSpec, Scenario, Step};
use super::super::start;
use super::super::variables::Variables;
use super::super::yaml::Key;
use super::{Within, Wrong, whole_seconds};
use crate::packet::topic;
use crate::test_broker::{TestBroker, check_url};
use std::collections::BTreeSet;

/// Looks at everything but devices and steps.
pub(super) fn check(scenario: &Scenario) -> Result<(), Wrong> {
    broker(&scenario.broker).map_err(|wrong| wrong.within("broker").about("broker"))?;
    match scenario.timeout {
        Some(timeout) if timeout.0.is_zero() => Err("'timeout: 0' leaves no time").within("timeout"),
        _ => Ok(()),
    }
}

fn broker(broker: &BrokerSpec) -> Result<(), Wrong> {
    if broker.embedded.is_some() && broker.url.is_some() {
        return Err("either 'embedded' or 'url'".into());
    }
    if broker.url.is_none() && broker.ca_file.is_some() {
        return Err("'ca_file' goes with 'url'").within("ca_file");
    }
    if let Some(url) = &broker.url {
        check_url(url).map_err(|error| error.to_string()).within("url")?;
    }
    for (at, filter) in broker.clean.iter().enumerate() {
        // One with names is known when it is used.
        if !filter.contains("${") {
            topic::check_filter(filter).map_err(|error| {
                Wrong::from(format!("clean: {filter}: {error}")).element(at).within("clean")
            })?;
        }
    }
    broker.embedded.as_ref().map_or(Ok(()), embedded).within("embedded")
}

fn embedded(spec: &EmbeddedSpec) -> Result<(), Wrong> {
    start::embed(TestBroker::builder(), Some(spec)).map(drop).map_err(|text| {
        let member = text.split(':').next().unwrap_or_default().to_owned();
        let member = if text.contains("version") { "versions".to_owned() } else { member };
        Wrong::from(text).within(&member)
    })?;
    let has_tls = spec.listeners.iter().any(|listener| listener == "tls" || listener == "wss");
    if spec.certificate.is_some() && !has_tls {
        return Err("'certificate' needs a listener tls or wss").within("certificate");
    }
    whole_seconds(spec.limits.session_expiry).within("session_expiry").within("limits")?;
    for (at, line) in spec.acl.iter().enumerate() {
        let wrong = |wrong: Wrong| wrong.element(at).within("acl");
        if line.publish.is_none() && line.subscribe.is_none() {
            return Err(wrong("acl: what? 'publish' or 'subscribe', and whose".into()));
        }
        for (member, filter) in [("publish", &line.publish), ("subscribe", &line.subscribe)] {
            let checked = filter.as_deref().map_or(Ok(()), topic::check_filter);
            checked.map_err(|error| format!("acl: {error}")).within(member).map_err(wrong)?;
        }
    }
    Ok(())
}

/// What is only right when something else came before, or did not.
pub(super) fn check_order(scenario: &Scenario, variables: &Variables) -> Result<(), Wrong> {
    let (mut marks, mut faults, mut clients) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let parts = [
        ("setup", "setup", &scenario.setup),
        ("steps", "step", &scenario.steps),
        ("teardown", "teardown", &scenario.teardown),
    ];
    for (part, word, steps) in parts {
        for (at, step) in steps.iter().enumerate() {
            let checked = match step {
                Step::Mark(name) if !marks.insert(name.as_str()) => {
                    Err(Wrong::from(format!("there is a mark '{name}' already")))
                }
                Step::Fault(fault) => {
                    faults = if fault.clear { BTreeSet::new() } else { faults };
                    if let Some(name) = &fault.remove {
                        faults.remove(name.as_str());
                    }
                    match &fault.name {
                        Some(name) if fault.action.is_some() && !faults.insert(name.as_str()) => {
                            Err(format!("there is a fault '{name}' already")).within("name")
                        }
                        _ => Ok(()),
                    }
                }
                Step::Client(client) => {
                    let id = variables.fill(&client.id)?;
                    if client.connect.is_some() {
                        clients.insert(id);
                        Ok(())
                    } else if clients.contains(&id) {
                        Ok(())
                    } else {
                        let suggestion = super::suggestion(&id, clients.iter().map(String::as_str));
                        Err(format!("the client '{id}' has not connected{suggestion}")).within("id")
                    }
                }
                _ => Ok(()),
            };
            checked.map_err(|wrong| {
                let wrong = wrong.about(&format!("{word} {}, {}", at + 1, step.word()));
                let mut path = vec![Key::Member(part.to_owned()), Key::Element(at)];
                path.push(Key::Member(step.word().to_owned()));
                path.extend(wrong.path);
                Wrong { path, text: wrong.text }
            })?;
        }
    }
    Ok(())
}
