//! A scenario's file and what it includes, put together.

use super::load::{Given, LoadError, Loaded, label, settle, suggestion};
use super::names::Names;
use super::scenario::Scenario;
use super::source::Source;
use super::validate::{Wrong, validate};
use super::variables::Variables;
use super::yaml::{self, Fault, Key, Node};
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

/// What an included file may have.
const INCLUDED: [&str; 6] = ["vars", "device", "devices", "setup", "teardown", "description"];

/// A scenario's file, and those that it includes before it.
pub(super) struct Files {
    sources: Vec<Source>,
}

/// Where the steps and devices of a scenario come from: the file, and the number there.
#[derive(Default)]
struct Origins {
    setup: Vec<(usize, usize)>,
    teardown: Vec<(usize, usize)>,
    devices: BTreeMap<String, usize>,
}

impl Files {
    pub(super) fn read(path: &Path) -> Result<Self, LoadError> {
        let main = Source::read(path)?;
        let mut sources = Vec::new();
        let names = main.root.member("include");
        for (at, name) in main.part::<Vec<String>>("include")?.iter().enumerate() {
            let place =
                names.and_then(|names| names.elements().get(at)).map_or(main.root.place, |one| one.place);
            let beside = path.parent().unwrap_or(Path::new(".")).join(name);
            // Where it is asked for is more of use than where it is not.
            let source = Source::read(&beside).map_err(|error| match error.place {
                None => main.error(Fault { place, text: format!("{name}: {}", error.text) }),
                Some(_) => error,
            })?;
            for (key, _) in source.root.members() {
                let word = key.text().unwrap_or_default();
                if !INCLUDED.contains(&word) {
                    let suggestion = suggestion(word, INCLUDED);
                    let text = format!(
                        "an included file has no '{word}'{suggestion}; it has vars, device, devices, setup and teardown"
                    );
                    return Err(source.error(Fault { place: key.place, text }));
                }
            }
            sources.push(source);
        }
        sources.push(main);
        Ok(Self { sources })
    }

    /// A file that includes no other.
    #[cfg(test)]
    pub(super) fn of(source: Source) -> Self {
        Self { sources: vec![source] }
    }

    /// The scenario's own file.
    pub(super) fn main(&self) -> &Source {
        &self.sources[self.sources.len() - 1]
    }

    /// Where they are.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.sources.iter().map(|source| source.path.clone()).collect()
    }

    /// The scenario with one combination of its matrix.
    pub(super) fn scenario(
        &self,
        combination: &[(String, Value)],
        given: &Given,
        index: usize,
    ) -> Result<Loaded, LoadError> {
        let main = self.main();
        let variables = self.variables(combination, given, index)?;
        let trees = self.sources.iter().map(|source| source.filled(&variables));
        let trees = trees.collect::<Result<Vec<Node>, _>>()?;
        let names = self.check_names(&trees, &variables)?;
        let own = &trees[trees.len() - 1];
        let mut scenario: Scenario = own.read().map_err(|fault| main.error(fault))?;
        if scenario.steps.is_empty() && scenario.skip.is_none() {
            let place = own.find(&[Key::Member("steps".to_owned())]);
            return Err(main.error(Fault { place, text: "there are no steps".to_owned() }));
        }
        let last = self.sources.len() - 1;
        let own_steps = |count: usize| (0..count).map(|at| (last, at)).collect::<Vec<_>>();
        let mut origins = Origins {
            setup: own_steps(scenario.setup.len()),
            teardown: own_steps(scenario.teardown.len()),
            devices: BTreeMap::new(),
        };
        for (number, tree) in trees[..last].iter().enumerate() {
            let part: Scenario = tree.read().map_err(|fault| self.sources[number].error(fault))?;
            merge(&mut scenario, part, &mut origins, number);
        }
        if let Some(url) = &given.broker {
            let embedded = own.member("broker").and_then(|broker| broker.member("embedded"));
            if let Some(asked) = embedded.filter(|embedded| !embedded.members().is_empty()) {
                let text = format!("what an embedded broker is to be means nothing for the one at {url}");
                return Err(main.error(Fault { place: asked.place, text }));
            }
            scenario.broker.embedded = None;
            scenario.broker.url = Some(url.clone());
        }
        let name = scenario.name.clone().unwrap_or_else(|| {
            main.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
        });
        let label = label(combination);
        let name = if label.is_empty() { name } else { format!("{name} [{label}]") };
        let used = self.sources.iter().flat_map(Source::names).collect();
        let lines = self.lines(&trees, &origins, &scenario);
        let path = main.path.clone();
        let one = Loaded { name, path, scenario, names: used, lines, index, variables };
        validate(&one, names.learnt()).map_err(|wrong| self.wrong(&trees, &origins, &wrong))?;
        Ok(one)
    }

    /// All names that have a value before anything runs.
    fn variables(
        &self,
        combination: &[(String, Value)],
        given: &Given,
        index: usize,
    ) -> Result<Variables, LoadError> {
        let mut values: Vec<(String, Value)> = Vec::new();
        for source in &self.sources {
            values.extend(source.part::<BTreeMap<String, Value>>("vars")?);
        }
        values.extend(combination.iter().cloned());
        let from_outside = given.variables.iter();
        values.extend(from_outside.map(|(name, value)| (name.clone(), Value::String(value.clone()))));
        settle(values, given, index).map_err(|(name, text)| {
            let path = |part: &str| [Key::Member(part.to_owned()), Key::Member(name.clone())];
            let with_it = self.sources.iter().rev().find_map(|source| {
                let has_it =
                    |part: &&str| source.root.member(part).is_some_and(|part| part.member(&name).is_some());
                ["matrix", "vars"].iter().find(|part| has_it(part)).map(|part| (source, path(part)))
            });
            match with_it {
                Some((source, path)) => source.error(Fault { place: source.root.find(&path), text }),
                None => self.main().error(Fault { place: self.main().root.place, text }),
            }
        })
    }

    /// Looks whether each name has a value when it is used.
    fn check_names(&self, trees: &[Node], variables: &Variables) -> Result<Names, LoadError> {
        let mut names = Names::of(trees, variables);
        let all = || self.sources.iter().zip(trees);
        let steps =
            |tree: &Node, part: &str| tree.member(part).map_or(Vec::new(), |part| part.elements().to_vec());
        for (source, tree) in all() {
            names.look_outside_of_steps(tree, &source.text).map_err(|fault| source.error(fault))?;
        }
        for part in ["setup", "steps", "teardown"] {
            for (source, tree) in all() {
                for step in steps(tree, part) {
                    names.step(&step, &source.text).map_err(|fault| source.error(fault))?;
                }
            }
            if part == "steps" {
                names.know_all();
            }
        }
        Ok(names)
    }

    /// Where each step and device stands, by the name that it has in reports.
    fn lines(
        &self,
        trees: &[Node],
        origins: &Origins,
        scenario: &Scenario,
    ) -> BTreeMap<String, (PathBuf, usize)> {
        let mut lines = BTreeMap::new();
        let counts = [
            ("setup", "setup", scenario.setup.len()),
            ("steps", "step", scenario.steps.len()),
            ("teardown", "teardown", scenario.teardown.len()),
        ];
        for (part, word, count) in counts {
            for at in 0..count {
                let path = vec![Key::Member(part.to_owned()), Key::Element(at)];
                let (source, place) = self.find(trees, origins, &path);
                lines.insert(format!("{word} {}", at + 1), (self.sources[source].path.clone(), place.line));
            }
        }
        let named = scenario.devices.keys().map(|name| (name.as_str(), vec!["devices", name]));
        for (name, path) in named.chain(scenario.device.iter().map(|_| ("device", vec!["device"]))) {
            let path: Vec<Key> = path.iter().map(|key| Key::Member((*key).to_owned())).collect();
            let (source, place) = self.find(trees, origins, &path);
            lines.insert(format!("device {name}"), (self.sources[source].path.clone(), place.line));
        }
        lines
    }

    /// What was found wrong behind YAML, where it stands.
    fn wrong(&self, trees: &[Node], origins: &Origins, wrong: &Wrong) -> LoadError {
        let (source, place) = self.find(trees, origins, &wrong.path);
        self.sources[source].error(Fault { place, text: wrong.text.clone() })
    }

    /// The file and the place of a part of a scenario.
    fn find(&self, trees: &[Node], origins: &Origins, path: &[Key]) -> (usize, yaml::Place) {
        let last = self.sources.len() - 1;
        let mut path = path.to_vec();
        let source = match &mut path[..] {
            [Key::Member(part), Key::Element(at), ..] if part != "steps" => {
                let steps = if part == "setup" { &origins.setup } else { &origins.teardown };
                let (source, number) = steps.get(*at).copied().unwrap_or((last, *at));
                *at = number;
                source
            }
            [Key::Member(part), Key::Member(name), ..] if part == "devices" => {
                origins.devices.get(name).copied().unwrap_or(last)
            }
            [Key::Member(part), ..] if part == "device" => {
                origins.devices.get("device").copied().unwrap_or(last)
            }
            _ => last,
        };
        (source, trees[source].find(&path))
    }
}

fn merge(scenario: &mut Scenario, part: Scenario, origins: &mut Origins, number: usize) {
    for (name, device) in part.devices {
        if let Entry::Vacant(place) = scenario.devices.entry(name.clone()) {
            place.insert(device);
            origins.devices.insert(name, number);
        }
    }
    if scenario.device.is_none() && part.device.is_some() {
        origins.devices.insert("device".to_owned(), number);
        scenario.device = part.device;
    }
    // Behind those of the files before, in front of the scenario's own.
    let before = origins.setup.iter().take_while(|(source, _)| *source < number).count();
    origins.setup.splice(before..before, (0..part.setup.len()).map(|at| (number, at)));
    scenario.setup.splice(before..before, part.setup);
    origins.teardown.extend((0..part.teardown.len()).map(|at| (number, at)));
    scenario.teardown.extend(part.teardown);
}
