//! Scenario files: the options of one run after the other, in TOML, by their long names.

use super::config::long_name;
use super::{Bench, BenchError, ModeWord};
use crate::bench::plan::Plan;
use crate::flags::bench_result::ResultFiles;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, CommandFactory, Parser, ValueEnum};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Run what a scenario file says, one run after the other
///
/// The file names options by their long names, without the dashes: at its top those of all runs, below each `[[run]]` those
/// of one run, which go first. `mode` and `condition` are what stands before the options elsewhere, `property` is -D,
/// `session-expiry-interval` is -x, and `name` is what a run is called. Without `[[run]]` the file is one run. Files for
/// results at its top hold all runs.
#[derive(Clone, Debug, Parser)]
#[command(name = "culex-bench file", disable_version_flag = true, disable_help_flag = true)]
pub struct BenchFile {
    /// The scenario
    #[arg(value_name = "SCENARIO.toml")]
    pub file: PathBuf,
    /// Print what would be run, and check it, instead of running it
    #[arg(long)]
    pub dry_run: bool,
    /// Options of culex-bench for all runs, which go before those of the file
    #[arg(value_name = "OPTIONS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub options: Vec<OsString>,
    /// Print this help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
}

/// What is wrong with a scenario, and where.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// In this line of the file.
    #[error("line {line}: {text}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        text: String,
    },
    /// In no line of it.
    #[error("{0}")]
    Whole(String),
}

/// One run of a scenario.
#[derive(Debug)]
pub struct ScenarioRun {
    /// What it is called.
    pub name: String,
    /// Its flags.
    pub flags: Bench,
    /// What `run.config` of its results says.
    pub config: serde_json::Value,
    /// The line in which it begins.
    pub line: usize,
}

impl ScenarioRun {
    /// The plan of this run; `number` names it.
    ///
    /// # Errors
    ///
    /// What is wrong with its options, in the line where the run begins.
    pub fn plan(&self, number: u32) -> Result<Plan, ScenarioError> {
        let at = |error: BenchError| ScenarioError::Line { line: self.line, text: error.to_string() };
        self.flags.plan(number).map_err(at)
    }
}

/// A scenario file, read and checked.
#[derive(Debug)]
pub struct Scenario {
    /// Its runs, in order.
    pub runs: Vec<ScenarioRun>,
    /// Files for the results of all of them together.
    pub output: ResultFiles,
}

/// The names of the options that say where results go.
const OUTPUTS: [&str; 6] = ["json", "out", "csv", "hdr-log", "html", "no-color"];

/// Keys of one table: name, words of the command line, line.
type Entries = BTreeMap<String, (Vec<OsString>, usize)>;

impl Scenario {
    /// Reads a file's text; `options` are those of the command line, which go first.
    ///
    /// # Errors
    ///
    /// The first [`ScenarioError`].
    pub fn read(text: &str, options: &[OsString]) -> Result<Self, ScenarioError> {
        let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let line_at = |span: Option<Range<usize>>| line_of(span.unwrap_or_default().start);
        let document = DeTable::parse(text).map_err(|error| ScenarioError::Line {
            line: line_at(error.span()),
            text: error.message().to_owned(),
        })?;
        let command = Bench::command();
        let reader = Reader { command, line_of: &line_of };
        let mut tables = Vec::new();
        let mut common = Entries::new();
        for (key, value) in document.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("run", DeValue::Array(array)) => tables.extend(array.iter()),
                _ => reader.add(&mut common, key, value)?,
            }
        }
        let (shared, common): (Entries, Entries) =
            common.into_iter().partition(|(name, _)| OUTPUTS.contains(&name.as_str()));
        let mut runs = Vec::new();
        if tables.is_empty() {
            runs.push(reader.run(common.clone(), 1, "1".to_owned(), options)?);
        }
        for (number, table) in (1..).zip(tables) {
            let line = line_of(table.span().start);
            let DeValue::Table(own) = table.get_ref() else {
                return Err(ScenarioError::Line { line, text: "a run is a table: [[run]]".to_owned() });
            };
            let mut entries = Entries::new();
            let mut name = number.to_string();
            for (key, value) in own {
                match (key.get_ref().as_ref(), value.get_ref()) {
                    ("name", DeValue::String(text)) => text.as_ref().clone_into(&mut name),
                    _ => reader.add(&mut entries, key, value)?,
                }
            }
            let mut whole = common.clone();
            // What stands at the top is for the runs in which it means something.
            let mode =
                entries.get("mode").or_else(|| common.get("mode")).and_then(mode_of).unwrap_or_default();
            let idle = super::idle::options(mode);
            whole.retain(|name, _| !idle.contains(&name.as_str()));
            whole.extend(entries);
            runs.push(reader.run(whole, line, name, options)?);
        }
        let output = reader.run(shared, 1, String::new(), options)?.flags.output;
        if runs.len() > 1 || !options.is_empty() {
            // What the command line names is for all runs as well.
            runs.iter_mut().for_each(|run| without(&mut run.flags.output, &output));
        }
        Ok(Self { runs, output })
    }
}

/// Takes out of `own` the files that `shared` has already.
fn without(own: &mut ResultFiles, shared: &ResultFiles) {
    for (own, shared) in [
        (&mut own.json, &shared.json),
        (&mut own.out, &shared.out),
        (&mut own.csv, &shared.csv),
        (&mut own.hdr_log, &shared.hdr_log),
        (&mut own.html, &shared.html),
    ] {
        own.take_if(|path| Some(&*path) == shared.as_ref());
    }
    own.no_color |= shared.no_color;
}

struct Reader<'a> {
    command: Command,
    line_of: &'a dyn Fn(usize) -> usize,
}

impl Reader<'_> {
    /// Adds a key with its value, as the words that say so on the command line.
    fn add(
        &self,
        entries: &mut Entries,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ScenarioError> {
        let line = (self.line_of)(key.span().start);
        let name = key.get_ref().replace('_', "-");
        let wrong = |text: String| ScenarioError::Line { line, text };
        let found = self.command.get_arguments().find(|argument| is_called(argument, &name));
        let Some(argument) = found.filter(|argument| !["help", "version"].contains(&long_name(argument)))
        else {
            return Err(wrong(format!("no option is called '{name}'{}", self.suggestion(&name))));
        };
        let words = words(argument, value.get_ref()).map_err(|text| wrong(format!("{name}: {text}")))?;
        entries.insert(long_name(argument).to_owned(), (words, line));
        Ok(())
    }

    /// What a misspelt name may have meant.
    fn suggestion(&self, name: &str) -> String {
        let error = self.command.clone().try_get_matches_from(["culex-bench", &format!("--{name}=x")]).err();
        let meant = error.as_ref().and_then(|error| error.get(ContextKind::SuggestedArg));
        match meant {
            Some(ContextValue::String(meant)) => {
                format!("; did you mean '{}'?", meant.trim_start_matches('-'))
            }
            Some(ContextValue::Strings(all)) if !all.is_empty() => {
                format!("; did you mean '{}'?", all[0].trim_start_matches('-'))
            }
            _ => String::new(),
        }
    }

    /// Reads the words of one run as a command line.
    fn run(
        &self,
        entries: Entries,
        line: usize,
        name: String,
        options: &[OsString],
    ) -> Result<ScenarioRun, ScenarioError> {
        let mut argv = vec![OsString::from("culex-bench")];
        // The words that stand for themselves come first, the mode before its condition.
        for place in ["mode", "condition"] {
            argv.extend(entries.get(place).map(|(words, _)| words.clone()).unwrap_or_default());
        }
        let rest = entries.iter().filter(|(name, _)| !["mode", "condition"].contains(&name.as_str()));
        argv.extend(rest.flat_map(|(_, (words, _))| words.clone()));
        argv.extend(options.iter().cloned());
        // What the command line says is for the runs in which it means something.
        let (flags, config) = Bench::read_for(argv, |name| entries.contains_key(name)).map_err(|error| {
            let about = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::String(about)) => about.clone(),
                Some(ContextValue::Strings(all)) => all.first().cloned().unwrap_or_default(),
                _ => String::new(),
            };
            let named = about.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default();
            let line =
                entries.get(&named.trim_matches(['[', ']']).to_lowercase()).map_or(line, |(_, line)| *line);
            let text = error.to_string();
            let text = text.split("\n\n").next().unwrap_or_default();
            ScenarioError::Line { line, text: text.trim_start_matches("error: ").trim_end().to_owned() }
        })?;
        Ok(ScenarioRun { name, flags, config, line })
    }
}

/// The mode that an entry names; what is none is told when the run is read.
fn mode_of((words, _): &(Vec<OsString>, usize)) -> Option<ModeWord> {
    ModeWord::from_str(words.first()?.to_str()?, false).ok()
}

fn is_called(argument: &Arg, name: &str) -> bool {
    let aliases = argument.get_all_aliases().unwrap_or_default();
    long_name(argument) == name || aliases.contains(&name)
}

/// How an option with this value is written on the command line; nothing for `false`.
fn words(argument: &Arg, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    let flag = match (argument.get_long(), argument.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    };
    let takes_several = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        return match value {
            DeValue::Boolean(true) => Ok(vec![flag.into()]),
            DeValue::Boolean(false) => Ok(Vec::new()),
            _ => Err("either true or false is meant".to_owned()),
        };
    }
    let single = |value: &DeValue<'_>| -> Result<Vec<OsString>, String> {
        if takes_several {
            let DeValue::Array(parts) = value else { return Err("a list of lists is meant".to_owned()) };
            let parts = parts.iter().map(|part| scalar(part.get_ref()).map(OsString::from));
            return std::iter::once(Ok(flag.clone().into())).chain(parts).collect();
        }
        let text = scalar(value)?;
        Ok(vec![match (argument.get_long(), flag.as_str()) {
            (Some(_), flag) => format!("{flag}={text}").into(),
            (None, flag) => format!("{flag}{text}").into(),
        }])
    };
    match (argument.get_action(), value) {
        (ArgAction::Append, DeValue::Array(values)) => {
            let words = values.iter().map(|value| single(value.get_ref()));
            Ok(words.collect::<Result<Vec<_>, String>>()?.concat())
        }
        _ => single(value),
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(_) => Err("a text or a number is meant, not true or false".to_owned()),
        DeValue::Datetime(time) => Ok(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => Err("a text or a number is meant".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::Mode;

    fn read(text: &str) -> Result<Scenario, String> {
        Scenario::read(text, &[]).map_err(|error| error.to_string())
    }

    #[test]
    fn options_at_the_top_are_those_of_all_runs_and_a_runs_own_go_first() {
        let scenario = read(
            "host = '127.0.0.1'\nclients = 5\nqos = 1\njson = 'all.json'\n\n[[run]]\nname = 'first'\nrate = '5k'\n\n\
             [[run]]\nmode = 'conn'\nclients = 7\nconnect_rate = 2.5\nproperty = [['connect', 'user-property', 'a', 'b']]\n",
        )
        .unwrap();
        let [first, second] = &scenario.runs[..] else { panic!("{scenario:?}") };
        assert_eq!((first.name.as_str(), first.line, second.name.as_str()), ("first", 6, "2"));
        assert_eq!((first.flags.load.clients, second.flags.load.clients), (5, 7));
        assert_eq!(first.plan(1).unwrap().rate_asked(), Some(5000.0));
        let second = second.plan(1).unwrap();
        assert_eq!((second.mode, second.load.connect_rate), (Mode::Connect, Some(2.5)));
        assert_eq!(second.identity.connect.properties.as_ref().user_properties().count(), 1);
        assert_eq!(scenario.output.json, Some(PathBuf::from("all.json")));
        assert_eq!(first.flags.output.json, None);
    }

    #[test]
    fn file_without_runs_is_one() {
        let scenario =
            read("mode = 'find'\ncondition = 'p99<50ms'\nembedded = true\nquiet = false\n").unwrap();
        assert_eq!(scenario.runs.len(), 1);
        assert_eq!(scenario.runs[0].flags.condition.as_deref(), Some("p99<50ms"));
        assert!(scenario.runs[0].flags.connection.embedded && !scenario.runs[0].flags.generator.quiet);
    }

    #[test]
    fn command_line_goes_before_the_file() {
        let options = ["--clients", "9", "--csv", "x"].map(OsString::from);
        let scenario = Scenario::read("clients = 3\n[[run]]\n[[run]]\nclients = 4\n", &options).unwrap();
        assert!(
            scenario.runs.iter().all(|run| run.flags.load.clients == 9 && run.flags.output.csv.is_none())
        );
        assert_eq!(scenario.output.csv, Some(PathBuf::from("x")));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            ("clients = 5\nmesage = 'x'\n", "line 2: no option is called 'mesage'; did you mean 'message'?"),
            ("[[run]]\nrte = 5\n", "line 2: no option is called 'rte'; did you mean 'rate'?"),
            ("version = true\n", "line 1: no option is called 'version'"),
            ("clients = true\n", "line 1: clients: a text or a number is meant"),
            ("embedded = 1\n", "line 1: embedded: either true or false is meant"),
            ("\nqos = 7\n", "line 2: invalid value '7'"),
            ("rate = 'fast'\n", "line 1: invalid value 'fast'"),
            ("topic = 'a'\nmode = 'pab'\n", "line 2: invalid value 'pab'"),
            ("run = [1]\n", "line 1: a run is a table"),
            ("[[run]]\nmode = 'conn'\nrate = 5\n", "line 3: --rate does nothing in conn"),
            ("a = \n", "line 1: "),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let run = &read("\n[[run]]\ntopic = 'a/#'\n").unwrap().runs[0];
        assert!(run.plan(1).unwrap_err().to_string().starts_with("line 2: --topic"));
    }
}
