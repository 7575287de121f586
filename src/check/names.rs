//! Which names have a value when they are used.

use super::load::{BROKER_NAMES, suggestion};
use super::variables::{Variables, captures_of};
use super::yaml::{Fault, Kind, Node, locate, names};
use std::collections::BTreeSet;

/// Steps that give names values, as members of what is looked for or as output of what is run.
const TEACHERS: [&str; 4] = ["expect", "client", "run", "device"];

/// What is known at a step, and what is learnt on the way.
#[derive(Debug)]
pub(super) struct Names {
    /// What has its value before anything runs.
    given: BTreeSet<String>,
    known: BTreeSet<String>,
    learnt: BTreeSet<String>,
}

impl Names {
    /// At the beginning of the scenario that these files say.
    pub(super) fn of(trees: &[Node], variables: &Variables) -> Self {
        let given: BTreeSet<String> = variables.names().chain(BROKER_NAMES).map(str::to_owned).collect();
        let known = given.clone();
        let parts = trees
            .iter()
            .flat_map(|tree| ["setup", "steps", "teardown"].into_iter().filter_map(|part| tree.member(part)));
        let learnt = parts.flat_map(Node::elements).flat_map(|step| captured(step, true)).collect();
        Self { given, known, learnt }
    }

    /// All names that steps give values to.
    pub(super) const fn learnt(&self) -> &BTreeSet<String> {
        &self.learnt
    }

    /// Whatever may have been learnt counts from here on: teardown comes behind any step.
    pub(super) fn know_all(&mut self) {
        self.known.extend(self.learnt.iter().cloned());
    }

    /// What is no step, and is read before the first; but when a device is ready is asked when it has started.
    pub(super) fn look_outside_of_steps(&self, tree: &Node, source: &str) -> Result<(), Fault> {
        for (key, value) in tree.members() {
            match key.text().unwrap_or_default() {
                "vars" | "matrix" | "include" | "setup" | "steps" | "teardown" => {}
                "device" => self.look_at_device(value, source)?,
                "devices" => {
                    value.members().iter().try_for_each(|(_, device)| self.look_at_device(device, source))?;
                }
                _ => self.look(value, source, &self.known)?,
            }
        }
        Ok(())
    }

    fn look_at_device(&self, device: &Node, source: &str) -> Result<(), Fault> {
        let mut later = self.known.clone();
        later.extend(self.learnt.iter().cloned());
        device.members().iter().try_for_each(|(key, value)| {
            let known = if key.text() == Some("ready") { &later } else { &self.known };
            self.look(value, source, known)
        })
    }

    /// A step, and what it teaches.
    pub(super) fn step(&mut self, step: &Node, source: &str) -> Result<(), Fault> {
        if let Some(name) = kept(step).into_iter().find(|name| self.given.contains(name)) {
            let place = locate(source, step.place, &name);
            let text =
                format!("'{name}' has a value already and keeps no other; '${{{name}}}' is that value");
            return Err(Fault { place, text });
        }
        if step.member("respond").is_some() {
            // Its answer may name what it answers to; nobody else may.
            let mut known = self.known.clone();
            known.extend(captured(step, true));
            return self.look(step, source, &known);
        }
        self.look(step, source, &self.known)?;
        self.known.extend(captured(step, false));
        Ok(())
    }

    fn look(&self, node: &Node, source: &str, known: &BTreeSet<String>) -> Result<(), Fault> {
        let missing = names(node, source).into_iter().find(|(name, _)| !known.contains(name));
        let Some((name, place)) = missing else {
            return Ok(());
        };
        let text = if self.learnt.contains(&name) {
            format!("'{name}' has no value yet; a later step gives it one")
        } else if let Some(name) = name.strip_prefix("env.") {
            format!("the environment has no '{name}'")
        } else {
            let all = self.known.iter().chain(&self.learnt).map(String::as_str);
            format!("nothing gives '{name}' a value{}", suggestion(&name, all))
        };
        Err(Fault { place, text })
    }
}

/// The names that a step gives values to; those of a responder are its own.
fn captured(step: &Node, with_own: bool) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (word, value) in step.members() {
        let word = word.text().unwrap_or_default();
        if TEACHERS.contains(&word) || with_own && word == "respond" {
            collect(value, &mut names);
        }
    }
    names
}

/// The names that a step says it keeps something under: `save: name`, `{name}` in a topic. (In other texts braces may mean
/// something else.)
fn kept(node: &Node) -> Vec<String> {
    let inside = node.members().iter().flat_map(|(key, value)| match (key.text(), value.text()) {
        (Some("save"), Some(name)) => vec![name.to_owned()],
        (Some("topic"), Some(topic)) => captures_of(topic),
        _ => kept(value),
    });
    inside.chain(node.elements().iter().flat_map(kept)).collect()
}

/// `save: name`, `{name}` in a topic, named groups.
pub(super) fn collect(node: &Node, names: &mut BTreeSet<String>) {
    match &node.kind {
        Kind::Scalar(text, _) => names.extend(captures_of(text)),
        Kind::List(elements) => elements.iter().for_each(|element| collect(element, names)),
        Kind::Map(members) => {
            for (key, value) in members {
                match (key.text(), value.text()) {
                    (Some("save"), Some(name)) => drop(names.insert(name.to_owned())),
                    _ => collect(value, names),
                }
            }
        }
    }
}
