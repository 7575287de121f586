//! From files to scenarios that can be run.

use super::files::Files;
use super::scenario::Scenario;
use super::variables::{Variables, text_of};
use super::yaml::{self, Fault, Key};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// Combinations of a matrix at most.
const COMBINATIONS_MAX: usize = 10_000;

/// Names under `broker.` that are known when the broker has started.
pub(super) const BROKER_NAMES: [&str; 8] = [
    "broker.url",
    "broker.host",
    "broker.port",
    "broker.ws_url",
    "broker.tls_url",
    "broker.wss_url",
    "broker.ca_file",
    "prefix",
];

/// A file that is no scenario.
#[derive(Debug)]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// Line and column, from 1, if a place is wrong and not the file as a whole.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and under it the line with a caret.
    pub text: String,
}

impl LoadError {
    /// It is wrong with these values of the matrix.
    fn with(mut self, label: &str) -> Self {
        if !label.is_empty() {
            let end = self.text.find('\n').unwrap_or(self.text.len());
            self.text.insert_str(end, &format!(" [{label}]"));
        }
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.text)
    }
}

impl std::error::Error for LoadError {}

/// A scenario with one combination of its matrix.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its name, with the values of the matrix.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub scenario: Scenario,
    /// The names that its files give values to or use.
    pub names: BTreeSet<String>,
    /// The file and line of each step and device, by what reports call it: `step 3`.
    pub lines: BTreeMap<String, (PathBuf, usize)>,
    /// Which combination of its matrix it is, from 0.
    pub(super) index: usize,
    /// Names and values that were given when it was read.
    pub(super) variables: Variables,
}

impl Loaded {
    /// The folder of its file.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// A scenario that no file says.
    #[must_use]
    pub fn made(name: &str, scenario: Scenario) -> Self {
        Self {
            name: name.to_owned(),
            path: PathBuf::from("."),
            scenario,
            names: BTreeSet::new(),
            lines: BTreeMap::new(),
            index: 0,
            variables: Variables::default(),
        }
    }
}

/// What is given from outside.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--var NAME=VALUE`: these win over those of the files.
    pub variables: BTreeMap<String, String>,
    /// What `${random}` comes from.
    pub seed: u64,
    /// What `${run}` is; unique for each run.
    pub run: String,
    /// `--broker URL`: the broker, instead of the one that the file names.
    pub broker: Option<String>,
}

/// Reads one file: one scenario for each combination of its matrix.
///
/// # Errors
///
/// When it cannot be read, is no scenario, or uses a name that nothing gives a value to.
pub fn load(path: &Path, given: &Given) -> Result<Vec<Loaded>, LoadError> {
    let files = Files::read(path)?;
    let main = files.main();
    let mut matrix: BTreeMap<String, Vec<Value>> = main.part("matrix")?;
    for (name, values) in &mut matrix {
        if let Some(value) = given.variables.get(name) {
            *values = vec![Value::String(value.clone())];
        }
    }
    let combinations = combinations(&matrix).map_err(|(name, text)| {
        let path = [Key::Member("matrix".to_owned()), Key::Member(name)];
        main.error(Fault { place: main.root.find(&path), text })
    })?;
    combinations
        .iter()
        .enumerate()
        .map(|(index, combination)| {
            files.scenario(combination, given, index).map_err(|error| error.with(&label(combination)))
        })
        .collect()
}

/// The values of a matrix in one line.
pub(super) fn label(combination: &[(String, Value)]) -> String {
    let values = combination.iter().map(|(name, value)| format!("{name}={}", text_of(value)));
    values.collect::<Vec<_>>().join(", ")
}

/// The files that a scenario consists of, as far as they can be read: those that it includes, and its own.
#[must_use]
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    Files::read(path).map_or_else(|_| vec![path.to_owned()], |files| files.paths())
}

/// Reads one scenario again, with other values from outside, on the same broker.
///
/// # Errors
///
/// Those of [`load`].
pub fn load_again(before: &Loaded, given: &Given) -> Result<Loaded, LoadError> {
    let all = load(&before.path, given)?;
    Ok(all.into_iter().nth(before.index).unwrap_or_else(|| before.clone()))
}

/// Reads YAML 1.2, of which JSON is a part: `on` and `off` are texts, which devices say all day, and so is `007`.
///
/// # Errors
///
/// Where it is none, or not what is wanted.
pub fn parse<T: for<'de> serde::Deserialize<'de>>(source: &str) -> Result<T, String> {
    let read = yaml::parse(source).and_then(|node| node.read());
    read.map_err(|Fault { place, text }| {
        format!("{}:{}: {text}\n{}", place.line, place.column, yaml::shown(source, place))
    })
}

/// A value for each name of a matrix.
type Combination = Vec<(String, Value)>;

/// A name, and what is wrong with its value.
type Misnamed = (String, String);

/// All combinations of a matrix's values, the last name's changing fastest.
fn combinations(matrix: &BTreeMap<String, Vec<Value>>) -> Result<Vec<Combination>, Misnamed> {
    let mut all = vec![Vec::new()];
    for (name, values) in matrix {
        if values.is_empty() {
            return Err((name.clone(), format!("matrix: '{name}' has no values")));
        }
        if all.len() * values.len() > COMBINATIONS_MAX {
            return Err((name.clone(), format!("matrix: more than {COMBINATIONS_MAX} combinations")));
        }
        all = all
            .into_iter()
            .flat_map(|combination: Combination| {
                values.iter().map(move |value| {
                    let mut longer = combination.clone();
                    longer.push((name.clone(), value.clone()));
                    longer
                })
            })
            .collect();
    }
    Ok(all)
}

/// The values of all names; they may use each other, and those that are always there.
pub(super) fn settle(
    values: Vec<(String, Value)>,
    given: &Given,
    index: usize,
) -> Result<Variables, Misnamed> {
    let run = format!("{}{}", given.run, if index == 0 { String::new() } else { format!("-{index}") });
    let mut variables = Variables::given(run, given.seed, index);
    // What the broker is known by when it runs is filled in then.
    let mut with_deferred = variables.clone();
    for name in BROKER_NAMES {
        with_deferred.set(name, yaml::deferred(name));
    }
    let mut waiting = values;
    // Later ones win.
    let mut seen = BTreeSet::new();
    waiting.reverse();
    waiting.retain(|(name, _)| seen.insert(name.clone()));
    for _ in 0..=waiting.len() {
        let mut left = Vec::new();
        for (name, value) in waiting {
            match with_deferred.fill_value(&value) {
                Ok(value) => {
                    with_deferred.set(&name, value.clone());
                    variables.set(&name, value);
                }
                Err(_) => left.push((name, value)),
            }
        }
        if left.is_empty() {
            return Ok(variables);
        }
        waiting = left;
    }
    let (name, value) = &waiting[0];
    let missing = with_deferred.missing(&text_of(value)).unwrap_or_default();
    let text = if seen.contains(&missing) {
        format!("'{name}' needs '{missing}', and that has no value without it")
    } else {
        format!("nothing gives '{missing}' a value{}", suggestion(&missing, with_deferred.names()))
    };
    Err((name.clone(), text))
}

/// `; did you mean 'x'?` for the nearest of `known`, or nothing.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const NEAR_ENOUGH: f64 = 0.75;
    let near = known.into_iter().map(|name| (strsim::jaro_winkler(word, name), name));
    let best = near.filter(|(score, _)| *score > NEAR_ENOUGH).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| format!("; did you mean '{name}'?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;
    use serde_json::json;
    use std::fs;

    /// Wherever a number or a flag may stand, a `${name}` may.
    fn allow_names(schema: &mut schemars::Schema) {
        schemars::transform::transform_subschemas(&mut allow_names, schema);
        let types: Vec<Value> = match schema.get("type") {
            Some(Value::Array(types)) => types.clone(),
            Some(Value::String(one)) => vec![json!(one)],
            _ => return,
        };
        let is_plain = |name: &Value| ["integer", "number", "boolean"].iter().any(|plain| name == plain);
        if types.iter().any(is_plain) && !types.contains(&json!("string")) {
            schema.insert("type".to_owned(), types.into_iter().chain([json!("string")]).collect());
            schema.insert("pattern".to_owned(), json!(r"^\$\{[^}]+\}$"));
        }
    }

    /// The schema that editors complete scenarios by; `CULEX_REGENERATE=1 cargo test --lib published_check_schema`
    /// writes it anew.
    #[test]
    fn published_check_schema_is_that_of_the_types() {
        let mut schema = schemars::schema_for!(Scenario);
        schemars::transform::transform_subschemas(&mut allow_names, &mut schema);
        schema.insert("$id".to_owned(), "https://culex.invalid/check.schema.json".into());
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check.schema.json");
        if std::env::var_os("CULEX_REGENERATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert!(
            fs::read_to_string(path).unwrap_or_default() == text,
            "docs/check.schema.json is out of date"
        );
    }

    /// Files in a folder of their own.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("culex-load-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn load(&self, text: &str) -> Result<Vec<Loaded>, LoadError> {
            fs::write(self.0.join("m.yaml"), text).unwrap();
            let variables = [("given".to_owned(), "a\"b\\c # d: e".to_owned())].into();
            load(&self.0.join("m.yaml"), &Given { variables, ..Given::default() })
        }

        /// What is wrong with a file: file, line, column and text.
        fn fault(&self, text: &str) -> String {
            let error = self.load(text).unwrap_err().to_string();
            error.replace(&format!("{}/", self.0.display()), "").lines().next().unwrap_or_default().to_owned()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn published(loaded: &Loaded) -> &super::super::scenario::PublishSpec {
        match &loaded.scenario.steps[0] {
            super::super::scenario::Step::Publish(publish) => publish,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_matrix_gives_each_combination_and_its_values_stand_in_the_file() {
        let folder = Folder::new("matrix");
        let text = "matrix: { qos: [0, 1, 2], v: ['5', '3.1.1'] }\nvars: { id: 'x-${qos}' }\nsteps:\n  - publish: { topic: 'a/${id}', qos: ${qos} }\n";
        let loaded = folder.load(text).unwrap();
        assert_eq!(loaded.len(), 6);
        assert_eq!(loaded[5].name, "m [qos=2, v=3.1.1]");
        let publish = published(&loaded[5]);
        assert_eq!((publish.topic.as_str(), publish.qos), ("a/x-2", Some(2)));
        assert_eq!(loaded[5].lines["step 1"].1, 4);
        let loaded = folder.load("matrix: { given: [1, 2] }\nsteps: [mark: a]").unwrap();
        assert_eq!(loaded.len(), 1);
        assert!(loaded[0].name.starts_with("m [given=a"), "{}", loaded[0].name);
    }

    #[test]
    fn what_is_included_comes_in_the_order_of_its_files_and_before_the_scenario() {
        let folder = Folder::new("included");
        for name in ["a", "b"] {
            let text = format!("setup: [mark: {name}]\nteardown: [mark: {name}-]\n");
            fs::write(folder.0.join(format!("_{name}.yaml")), text).unwrap();
        }
        let text = "include: [_a.yaml, _b.yaml]\nsetup: [mark: c]\nsteps: [mark: d]\nteardown: [mark: e]";
        let loaded = folder.load(text).unwrap().remove(0);
        let marks = |steps: &[super::super::scenario::Step]| {
            steps.iter().map(super::super::text::step).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(marks(&loaded.scenario.setup), "mark a, mark b, mark c");
        assert_eq!(marks(&loaded.scenario.teardown), "mark e, mark a-, mark b-");
        assert!(loaded.lines["setup 2"].0.ends_with("_b.yaml"));
        assert_eq!(files_of(&folder.0.join("m.yaml")).len(), 3);
    }

    #[test]
    fn values_may_hold_what_has_a_meaning_in_yaml_and_what_only_the_broker_knows() {
        let folder = Folder::new("values");
        let text = "vars: { j: '{\"on\":true}', p: '${prefix}/x' }\nsteps:\n  - publish: { topic: '${p}', text: ${j} }\n  - publish: { topic: a, text: ${given} }\n";
        let loaded = folder.load(text).unwrap().remove(0);
        let publish = published(&loaded);
        assert_eq!((publish.topic.as_str(), publish.text.as_deref()), ("${prefix}/x", Some("{\"on\":true}")));
        let super::super::scenario::Step::Publish(second) = &loaded.scenario.steps[1] else { panic!() };
        assert_eq!(second.text.as_deref(), Some("a\"b\\c # d: e"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_file_line_and_column() {
        let folder = Folder::new("faults");
        let mut wrong = Vec::new();
        for (name, text) in [
            ("_steps.yaml", "vars: { a: b }\nsteps: []\n"),
            ("_cycle.yaml", "include: [m.yaml]\n"),
            ("_setup.yaml", "setup:\n  - mark: x\n  - publish: { topic: 'a/#' }\n"),
        ] {
            fs::write(folder.0.join(name), text).unwrap();
        }
        for (text, told) in [
            ("", "m.yaml:1:1: there is nothing in it"),
            ("# nothing\n", "m.yaml:1:1: there is nothing in it"),
            ("name: x\n", "m.yaml:1:1: there are no steps"),
            ("name: x\nsteps: []\n", "m.yaml:2:1: there are no steps"),
            (
                "include: [_steps.yaml]\nsteps: [mark: a]",
                "_steps.yaml:2:1: an included file has no 'steps'; did you mean 'setup'?; it has vars, device, devices, setup and teardown",
            ),
            (
                "include: [_cycle.yaml]\nsteps: [mark: a]",
                "_cycle.yaml:1:1: an included file has no 'include'; it has vars, device, devices, setup and teardown",
            ),
            (
                "include: [_nowhere.yaml]\n",
                "m.yaml:1:11: _nowhere.yaml: No such file or directory (os error 2)",
            ),
            (
                "include: [_setup.yaml]\nsteps: [mark: a]",
                "_setup.yaml:3:23: setup 2, publish: topic \"a/#\": topic name is malformed",
            ),
            (
                "matrix: { q: [1, 3] }\nsteps:\n  - publish: { topic: a, qos: ${q} }",
                "m.yaml:3:31: step 1, publish: QoS 3 does not exist [q=3]",
            ),
            ("matrix: { qos: [] }\nsteps: []", "m.yaml:1:11: matrix: 'qos' has no values"),
            (
                "vars: { a: '${b}', b: '${a}' }\nsteps: []",
                "m.yaml:1:23: 'b' needs 'a', and that has no value without it",
            ),
            (
                "vars: { lamp: x }\nsteps:\n  - publish: { topic: '${lmap}' }\n",
                "m.yaml:3:24: nothing gives 'lmap' a value; did you mean 'lamp'?",
            ),
            (
                "steps:\n  - publish: { topic: '${env.CULEX_NO_SUCH}' }\n",
                "m.yaml:2:24: the environment has no 'CULEX_NO_SUCH'",
            ),
            (
                "steps:\n  - publish: { topic: 'x/${a' }\n",
                "m.yaml:2:26: '${' has no '}'; '$${' stands for itself",
            ),
            (
                "steps:\n  - publish: { topic: 'x/${who}' }\n  - expect: { topic: 'x/{who}' }",
                "m.yaml:2:26: 'who' has no value yet; a later step gives it one",
            ),
            (
                "vars: { id: x }\nsteps:\n  - expect: { topic: 'state/{id}' }",
                "m.yaml:3:30: 'id' has a value already and keeps no other; '${id}' is that value",
            ),
            (
                "steps:\n  - publish: { topic: a, qos: 3 }",
                "m.yaml:2:31: step 1, publish: QoS 3 does not exist",
            ),
            (
                "steps:\n  - mark: a\n  - expect:\n      topic: a\n      at: { x/y: 1 }",
                "m.yaml:5:18: step 2, expect: at: 'x/y' does not begin with '/'",
            ),
            (
                "steps:\n  - fault: { on: { from: a, probability: 1.5 }, do: drop }",
                "m.yaml:2:42: step 1, fault: a probability is between 0 and 1",
            ),
            ("device: { run: [] }\nsteps: [mark: a]", "m.yaml:1:11: device: a command has at least one word"),
        ] {
            let fault = folder.fault(text);
            if fault != told {
                wrong.push(format!("{text}\n{fault}\n{told}\n"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn names_have_their_values_in_the_order_of_the_steps() {
        let folder = Folder::new("order");
        for right in [
            "steps:\n  - respond: { when: { topic: 'q/{n}' }, publish: { topic: 'a/${n}' } }",
            "steps:\n  - run: { cmd: x, save: y }\n  - publish: { topic: '${y}' }\nteardown:\n  - publish: { topic: '${z}' }\n  - expect: { topic: '{z}' }",
            "steps:\n  - expect: { topic: a, regex: '(?<v>.)', at: { /b: { save: w } } }\n  - publish: { topic: '${v}/${w}' }",
        ] {
            match folder.load(right) {
                Ok(_) => {}
                Err(error) => {
                    assert!(right.contains("{z}") && error.text.contains("'z' has no value yet"), "{error}")
                }
            }
        }
    }

    proptest::proptest! {
        /// A file may be anything: it is read or refused, never worse.
        #[test]
        fn no_file_does_harm(at in 0_usize..900, length in 0_usize..20, noise in "[ -~\n]{0,20}") {
            let mut text = include_str!("../../tests/check/pass/lamp.yaml").to_owned();
            let begin = text.floor_char_boundary(at.min(text.len()));
            let end = text.floor_char_boundary((begin + length).min(text.len()));
            text.replace_range(begin..end, &noise);
            if let Ok(source) = Source::of(Path::new("a"), text) {
                let files = Files::of(source);
                let _ = files.scenario(&[], &Given::default(), 0).map_err(|error| error.to_string());
            }
        }
    }
}
