//! From files to scenarios that can be run.

use super::scenario::Scenario;
use super::validate::validate;
use super::variables::{Variables, captured, masked, text_of, unmask, uses};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Combinations of a matrix at most.
const COMBINATIONS_MAX: usize = 10_000;

/// The longest scenario file, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

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
#[derive(Debug, Error)]
#[error("{}: {text}", path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with line and caret where there are some.
    pub text: String,
}

/// A scenario with one combination of its matrix.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its name, with the values of the matrix.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub scenario: Scenario,
    /// Which combination of its matrix it is, from 0.
    index: usize,
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
        let variables = Variables::default();
        Self { name: name.to_owned(), path: PathBuf::from("."), scenario, index: 0, variables }
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
}

/// What is needed of a file before names are replaced.
#[derive(serde::Deserialize)]
struct Preface {
    #[serde(default)]
    vars: BTreeMap<String, Value>,
    #[serde(default)]
    matrix: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    include: Vec<String>,
}

/// Reads one file: one scenario for each combination of its matrix.
///
/// # Errors
///
/// When it cannot be read, is no scenario, or uses a name that nothing gives a value to.
pub fn load(path: &Path, given: &Given) -> Result<Vec<Loaded>, LoadError> {
    let fault = |text: String| LoadError {
        path: path.to_owned(),
        text: text.replace("<input>", &path.display().to_string()),
    };
    let source = read(path).map_err(fault)?;
    let preface = read_preface(&source).map_err(fault)?;
    let mut included = Vec::new();
    for name in &preface.include {
        let beside = path.parent().unwrap_or(Path::new(".")).join(name);
        let source = read(&beside).map_err(|text| fault(format!("include {name}: {text}")))?;
        let preface = read_preface(&source).map_err(|text| fault(format!("include {name}: {text}")))?;
        included.push((name.clone(), source, preface.vars));
    }
    let combinations = combinations(&preface.matrix).map_err(fault)?;
    let mut loaded = Vec::new();
    for (index, combination) in combinations.into_iter().enumerate() {
        let mut values: Vec<(String, Value)> = Vec::new();
        for (_, _, vars) in &included {
            values.extend(vars.clone());
        }
        values.extend(preface.vars.clone());
        values.extend(combination.clone());
        values
            .extend(given.variables.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))));
        let variables = settle(values, given, index).map_err(fault)?;
        let mut scenario = read_scenario(&source, &variables).map_err(fault)?;
        for (name, source, _) in &included {
            let part =
                read_scenario(source, &variables).map_err(|text| fault(format!("include {name}: {text}")))?;
            merge(&mut scenario, part);
        }
        let name = scenario.name.clone().unwrap_or_else(|| {
            path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
        });
        let label: Vec<String> =
            combination.iter().map(|(name, value)| format!("{name}={}", text_of(value))).collect();
        let name = if label.is_empty() { name } else { format!("{name} [{}]", label.join(", ")) };
        let one = Loaded { name, path: path.to_owned(), scenario, index, variables };
        let sources = included.iter().map(|(_, source, _)| source).chain([&source]);
        let names = sources.flat_map(|source| captured(source)).collect();
        validate(&one, &names).map_err(|text| fault(format!("{}: {text}", one.name)))?;
        loaded.push(one);
    }
    Ok(loaded)
}

/// Reads one scenario again, with other values from outside, on the same broker.
///
/// # Errors
///
/// Those of [`load`].
pub fn load_again(before: &Loaded, given: &Given) -> Result<Loaded, LoadError> {
    let all = load(&before.path, given)?;
    let mut again = all.into_iter().nth(before.index).unwrap_or_else(|| before.clone());
    again.scenario.broker = before.scenario.broker.clone();
    Ok(again)
}

fn read(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("the file is longer than {FILE_BYTES_MAX} bytes"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Reads YAML 1.2, of which JSON is a part: `on` and `off` are texts, which devices say all day, and so is `007`.
///
/// # Errors
///
/// Where it is none, or not what is wanted.
pub fn parse<T: for<'de> serde::Deserialize<'de>>(source: &str) -> Result<T, String> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    serde_saphyr::from_str_with_options(source, options).map_err(|error| with_suggestion(&error.to_string()))
}

/// Names are no YAML where a brace has a meaning, so they are put aside for this.
fn read_preface(source: &str) -> Result<Preface, String> {
    let mut preface: Preface = parse(&masked(source))?;
    preface.vars.values_mut().for_each(unmask);
    preface.matrix.values_mut().flatten().for_each(unmask);
    Ok(preface)
}

/// All combinations of a matrix's values, the last name's changing fastest.
fn combinations(matrix: &BTreeMap<String, Vec<Value>>) -> Result<Vec<Vec<(String, Value)>>, String> {
    let mut all = vec![Vec::new()];
    for (name, values) in matrix {
        if values.is_empty() {
            return Err(format!("matrix: '{name}' has no values"));
        }
        if all.len() * values.len() > COMBINATIONS_MAX {
            return Err(format!("matrix: more than {COMBINATIONS_MAX} combinations"));
        }
        all = all
            .into_iter()
            .flat_map(|combination: Vec<(String, Value)>| {
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

/// The values of all names; they may use each other, and `${run}`, `${env.NAME}`, `${uuid}`, `${now}`, `${random}`,
/// `${counter}`.
fn settle(values: Vec<(String, Value)>, given: &Given, index: usize) -> Result<Variables, String> {
    let run = format!("{}{}", given.run, if index == 0 { String::new() } else { format!("-{index}") });
    let mut variables = Variables::given(run, given.seed, index);
    let mut waiting = values;
    // Later ones win.
    let mut seen = BTreeSet::new();
    waiting.reverse();
    waiting.retain(|(name, _)| seen.insert(name.clone()));
    for _ in 0..=waiting.len() {
        let mut left = Vec::new();
        for (name, value) in waiting {
            match variables.fill_value(&value) {
                Ok(value) => variables.set(&name, value),
                Err(_) => left.push((name, value)),
            }
        }
        if left.is_empty() {
            return Ok(variables);
        }
        waiting = left;
    }
    let (name, value) = &waiting[0];
    let reason = variables.fill_value(value).err().unwrap_or_default();
    Err(format!("vars: {name}: {reason}"))
}

fn read_scenario(source: &str, variables: &Variables) -> Result<Scenario, String> {
    let replaced = variables.replace_known(source)?;
    let captured = captured(source);
    for (line, name) in uses(&replaced) {
        if !captured.contains(&name) && !BROKER_NAMES.contains(&name.as_str()) {
            let known = captured.iter().map(String::as_str).chain(BROKER_NAMES);
            return Err(format!("line {line}: nothing gives '{name}' a value{}", suggestion(&name, known)));
        }
    }
    parse(&replaced)
}

fn merge(scenario: &mut Scenario, part: Scenario) {
    for (name, device) in part.devices {
        scenario.devices.entry(name).or_insert(device);
    }
    scenario.device = scenario.device.take().or(part.device);
    scenario.setup.splice(0..0, part.setup);
    scenario.teardown.extend(part.teardown);
}

/// `; did you mean 'x'?` for the nearest of `known`, or nothing.
pub(super) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const NEAR_ENOUGH: f64 = 0.75;
    let near = known.into_iter().map(|name| (strsim::jaro_winkler(word, name), name));
    let best = near.filter(|(score, _)| *score > NEAR_ENOUGH).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| format!("; did you mean '{name}'?")).unwrap_or_default()
}

/// An error about a word that is not known, with what it may have been meant to be.
fn with_suggestion(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let is_about_words = first.contains("unknown field") || first.contains("unknown variant");
    let Some(word) = first.split('`').nth(1).filter(|_| is_about_words) else {
        return text.to_owned();
    };
    let known = first.split_once("expected one of ").map_or("", |(_, known)| known);
    let suggestion = suggestion(word, known.split(", ").map(|known| known.trim_matches('`')));
    // The words that are known are told once.
    let rest = match first.split_once(", expected one of ") {
        Some((_, known)) => rest.replace(&format!(", expected one of {known}"), ""),
        None => rest.to_owned(),
    };
    format!("{first}{suggestion}\n{rest}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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

    #[test]
    fn a_matrix_gives_each_combination_and_its_values_stand_in_the_file() {
        let folder = std::env::temp_dir().join(format!("culex-load-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("m.yaml");
        let text = "matrix: { qos: [0, 1, 2], v: ['5', '3.1.1'] }\nvars: { id: 'x-${qos}' }\nsteps:\n  - publish: { topic: 'a/${id}', qos: ${qos} }\n";
        fs::write(&path, text).unwrap();
        let loaded = load(&path, &Given::default()).unwrap();
        assert_eq!(loaded.len(), 6);
        assert_eq!(loaded[5].name, "m [qos=2, v=3.1.1]");
        let super::super::scenario::Step::Publish(publish) = &loaded[5].scenario.steps[0] else {
            panic!("another step")
        };
        assert_eq!((publish.topic.as_str(), publish.qos), ("a/x-2", Some(2)));
        fs::write(&path, "steps:\n  - publish: { topic: 'a/${idd}' }\n").unwrap();
        assert!(
            load(&path, &Given::default())
                .unwrap_err()
                .to_string()
                .contains("line 2: nothing gives 'idd' a value")
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn words_that_yaml_once_took_for_something_else_are_texts() {
        let value: Value = parse("[on, off, yes, no, 007, 1_000, true, 7]").unwrap();
        assert_eq!(value, json!(["on", "off", "yes", "no", "007", "1_000", true, 7]));
        let text = "steps: [run: { cmd: [sleep, 1] }, client: { id: 7, subscribe: [on, 2] }]";
        assert!(parse::<Scenario>(text).is_ok());
        let text = "steps:\n  - client: { id: a, subscribe: { filter: b } }";
        assert!(parse::<Scenario>(text).unwrap_err().contains("did you mean 'filters'?"));
    }

    #[test]
    fn a_misspelt_word_is_told_with_its_place_and_what_it_may_have_meant() {
        let text = parse::<Scenario>("steps:\n  - publish: { topc: a }\n").unwrap_err();
        assert!(text.contains("line 2") && text.contains("did you mean 'topic'?"), "{text}");
    }

    proptest::proptest! {
        /// A file may be anything: it is read or refused, never worse.
        #[test]
        fn no_file_does_harm(at in 0_usize..900, length in 0_usize..20, noise in "[ -~\n]{0,20}") {
            let mut text = include_str!("../../tests/check/pass/lamp.yaml").to_owned();
            let begin = text.floor_char_boundary(at.min(text.len()));
            let end = text.floor_char_boundary((begin + length).min(text.len()));
            text.replace_range(begin..end, &noise);
            let variables = Variables::default();
            if let Ok(preface) = read_preface(&text) {
                let _ = combinations(&preface.matrix);
                let _ = settle(preface.vars.into_iter().collect(), &Given::default(), 0);
            }
            let _ = read_scenario(&text, &variables);
        }
    }
}
