//! The flags of `check` and `proxy`.

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use serde_json::Value;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Test devices against a broker: what they must publish, what they must not, and what they do when things go wrong
#[derive(Clone, Debug, Parser)]
#[command(
    name = "culex-check",
    version,
    args_override_self = true,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Check {
    /// What to do
    #[command(subcommand)]
    pub task: CheckTask,
}

impl Check {
    /// With `health`, whose flags are a client's and read as such.
    #[must_use]
    pub fn whole_command() -> clap::Command {
        use clap::CommandFactory;
        Self::command().subcommand(super::Tool::Health.command().name("health"))
    }
}

/// What `check` does.
#[derive(Clone, Debug, Subcommand)]
pub enum CheckTask {
    /// Run scenarios from YAML or JSON files, or from all such files of a directory
    Run(RunFlags),
    /// Wait for a message; with a command, which is started once the subscription stands
    Expect(ExpectFlags),
    /// See that no such message comes
    None(NoneFlags),
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ReportForm {
    /// Lines for people, with all about what failed
    Human,
    /// TAP 14
    Tap,
    /// JUnit XML
    Junit,
    /// One JSON object a line
    Ndjson,
    /// Annotations of GitHub Actions, and a step summary where GITHUB_STEP_SUMMARY is
    Github,
    /// One page with every timeline
    Html,
}

/// A report and its file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Its form.
    pub form: ReportForm,
    /// Where it goes; `None` is the standard output.
    pub file: Option<PathBuf>,
}

/// Reads `FORM` or `FORM=FILE`.
fn report(text: &str) -> Result<Report, String> {
    let (word, file) = match text.split_once('=') {
        Some((word, file)) if !file.is_empty() && file != "-" => (word, Some(PathBuf::from(file))),
        Some((word, _)) => (word, None),
        None => (text, None),
    };
    let form = ReportForm::from_str(word, true).map_err(|_| {
        let words: Vec<String> = ReportForm::value_variants()
            .iter()
            .filter_map(|form| Some(form.to_possible_value()?.get_name().to_owned()))
            .collect();
        format!("the forms are {}", words.join(", "))
    })?;
    Ok(Report { form, file })
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// `/pointer=VALUE`, a JSON value or, failing that, a text.
fn place(text: &str) -> Result<(String, Value), String> {
    let (pointer, value) = text.split_once('=').ok_or("give /POINTER=VALUE")?;
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err("a JSON pointer begins with /".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((pointer.to_owned(), value))
}

/// The flags of `check run`.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub struct RunFlags {
    /// Scenario files, or directories of them
    #[arg(required = true, value_name = "file", value_hint = ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,

    /// Write a report, to a file or to the standard output; may be repeated. human is the default
    #[arg(short, long, value_name = "form[=file]", value_parser = report)]
    pub report: Vec<Report>,

    /// Tell of each step of scenarios that passed, too
    #[arg(short, long)]
    pub verbose: bool,

    /// Keep the journal, the packets, the timeline and the seed of each scenario that did not pass in this directory
    #[arg(long, value_name = "dir", value_hint = ValueHint::DirPath)]
    pub artifacts: Option<PathBuf>,

    /// Give a variable a value, before those of the files; may be repeated
    #[arg(long, value_name = "name=value", value_parser = variable)]
    pub var: Vec<(String, String)>,

    /// Run on the broker at this URL instead of those that the files name
    #[arg(long, value_name = "url")]
    pub broker: Option<String>,

    /// Run only scenarios with this in their name, file or tags; may be repeated
    #[arg(short, long, value_name = "text")]
    pub filter: Vec<String>,

    /// Run only each n-th scenario, beginning with the i-th
    #[arg(long, value_name = "i/n", value_parser = shard)]
    pub shard: Option<(usize, usize)>,

    /// Name the scenarios and end
    #[arg(long)]
    pub list: bool,

    /// Read the files, say whether they are right, and end
    #[arg(long)]
    pub dry_run: bool,

    /// How many scenarios run at once; 0 is one a processor
    #[arg(short, long, value_name = "number", default_value_t = 0)]
    pub jobs: usize,

    /// Run each scenario so often
    #[arg(long, value_name = "number", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,

    /// With --repeat: end with the first that does not pass
    #[arg(long, requires = "repeat")]
    pub until_fail: bool,

    /// End with the first that does not pass; what runs already is run to its end
    #[arg(long)]
    pub bail: bool,

    /// Seed of faults and of ${random}; another one in each run by default
    #[arg(long, value_name = "number")]
    pub seed: Option<u64>,

    /// How long all of it may take; the status is 124 then
    #[arg(long, value_name = "duration", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Run again whenever one of the files changes, until interrupted
    #[arg(short, long)]
    pub watch: bool,

    /// When to use colours
    #[arg(long, value_name = "when", default_value = "auto", value_enum)]
    pub color: CheckColor,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum CheckColor {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// In any case
    Always,
    /// Never
    Never,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let wrong = || "give i/n, with i from 1 to n".to_owned();
    let (index, count) = text.split_once('/').ok_or_else(wrong)?;
    let (index, count) = (index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
    if index < 1 || index > count { Err(wrong()) } else { Ok((index, count)) }
}

/// Which broker a one-line check is about.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Broker")]
pub struct CheckBroker {
    /// The broker: mqtt://, mqtts://, ws:// or wss://, with user and password if it wants them
    ///
    /// The command finds a proxy in front of it in `MQTT_URL`; a device that connects to the broker itself is seen too,
    /// but not told from others.
    #[arg(
        short = 'L',
        long,
        value_name = "url",
        env = "MQTT_URL",
        hide_env_values = true,
        conflicts_with = "embedded"
    )]
    pub url: Option<String>,

    /// Host of the broker
    #[arg(short = 'h', long, value_name = "name", conflicts_with_all = ["url", "embedded"])]
    pub host: Option<String>,

    /// Its port
    #[arg(short, long, value_name = "port", conflicts_with_all = ["url", "embedded"])]
    pub port: Option<u16>,

    /// The authority that its certificate comes from, PEM
    #[arg(long, value_name = "file", value_hint = ValueHint::FilePath)]
    pub cafile: Option<PathBuf>,

    /// A broker for this check alone, which the command finds in MQTT_URL, MQTT_HOST and MQTT_PORT
    #[arg(long)]
    pub embedded: bool,

    /// Print nothing unless it fails
    #[arg(short, long)]
    pub quiet: bool,

    /// Print what happened
    #[arg(short, long)]
    pub verbose: bool,
}

/// What a message must be.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Message")]
pub struct MessageMatch {
    /// Topic Filter; {name} stands for one level
    #[arg(short, long, value_name = "filter", required = true)]
    pub topic: String,

    /// The payload is this text
    #[arg(long, value_name = "text")]
    pub text: Option<String>,

    /// The payload is JSON, and this
    #[arg(long, value_name = "json", value_parser = json)]
    pub json: Option<Value>,

    /// The payload is JSON with at least this in it
    #[arg(long, value_name = "json", value_parser = json)]
    pub json_subset: Option<Value>,

    /// The payload is JSON that this schema allows
    #[arg(long, value_name = "file", value_hint = ValueHint::FilePath)]
    pub json_schema: Option<String>,

    /// The payload is JSON with this value at this place, such as /power/w=7; may be repeated
    #[arg(long, value_name = "/pointer=value", value_parser = place)]
    pub at: Vec<(String, Value)>,

    /// The payload is a text in which this pattern is found
    #[arg(long, value_name = "pattern")]
    pub regex: Option<String>,

    /// The payload in hexadecimal; ?? is any byte
    #[arg(long, value_name = "digits")]
    pub hex: Option<String>,

    /// The payload is empty
    #[arg(long)]
    pub empty: bool,

    /// How the payload becomes JSON: cbor, msgpack, or cmd:COMMAND that reads it and prints JSON
    #[arg(long, value_name = "form")]
    pub decode: Option<String>,

    /// Published with this QoS
    #[arg(long, value_name = "0..2")]
    pub qos: Option<u8>,

    /// Published with this RETAIN flag
    #[arg(long, value_name = "true|false")]
    pub retain: Option<bool>,

    /// Published by this client, where * and ? stand for characters; known with --embedded only
    #[arg(long, value_name = "id")]
    pub from: Option<String>,

    /// With this property, such as content-type=text/plain or user.name=value; may be repeated
    #[arg(long, value_name = "name=value", value_parser = variable)]
    pub prop: Vec<(String, String)>,
}

/// The flags of `check expect`.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true)]
pub struct ExpectFlags {
    /// What it must be.
    #[command(flatten)]
    pub message: MessageMatch,

    /// Which broker.
    #[command(flatten)]
    pub broker: CheckBroker,

    /// How long it is waited for
    #[arg(long, value_name = "duration", default_value = "5s", value_parser = duration)]
    pub within: Duration,

    /// At least so many messages
    #[arg(long, value_name = "number", default_value_t = 1)]
    pub count: usize,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,

    /// A command that sets it off; it must end with 0 if it ends
    #[arg(last = true, value_name = "command")]
    pub command: Vec<OsString>,
}

/// The flags of `check none`.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true)]
pub struct NoneFlags {
    /// What it must not be.
    #[command(flatten)]
    pub message: MessageMatch,

    /// Which broker.
    #[command(flatten)]
    pub broker: CheckBroker,

    /// How long it is looked for; a command is waited for in any case
    #[arg(long = "for", value_name = "duration", default_value = "2s", value_parser = duration)]
    pub window: Duration,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,

    /// A command that must not set it off; it must end with 0
    #[arg(last = true, value_name = "command")]
    pub command: Vec<OsString>,
}

/// Stand in front of a broker: see what goes through, and tamper with it by rules
#[derive(Clone, Debug, Parser)]
#[command(name = "culex-proxy", version, args_override_self = true)]
pub struct Proxy {
    /// Where to listen: host:port (`*` is every address), or a port of the loopback address; 0 takes a free one and prints it
    #[arg(short, long, value_name = "address", default_value = "0")]
    pub listen: String,

    /// The broker behind: mqtt://, mqtts://, ws:// or wss://
    #[arg(short, long, value_name = "url", env = "MQTT_URL", hide_env_values = true)]
    pub upstream: String,

    /// The authority that its certificate comes from, PEM
    #[arg(long, value_name = "file", value_hint = ValueHint::FilePath)]
    pub cafile: Option<PathBuf>,

    /// Print each packet of both directions, decoded
    #[arg(long)]
    pub log: bool,

    /// Write everything that happens to this file, one JSON object a line
    #[arg(long, value_name = "file", value_hint = ValueHint::FilePath)]
    pub journal: Option<PathBuf>,

    /// Write the packets of both directions to this file, as a capture for Wireshark
    #[arg(long, value_name = "file", value_hint = ValueHint::FilePath)]
    pub pcap: Option<PathBuf>,

    /// A rule, such as '{on: {from: "lamp-*", packet: puback, nth: 1}, do: drop}'; may be repeated
    #[arg(short, long, value_name = "rule")]
    pub fault: Vec<String>,

    /// A file with a list of rules, YAML or JSON
    #[arg(long, value_name = "file", value_hint = ValueHint::FilePath)]
    pub faults: Option<PathBuf>,

    /// Seed of probabilities, jitter and corrupted bytes
    #[arg(long, value_name = "number", default_value_t = 0)]
    pub seed: u64,

    /// Write the port to this file once it accepts
    #[arg(long, value_name = "file", value_hint = ValueHint::FilePath)]
    pub port_file: Option<PathBuf>,

    /// Run this command, which finds the proxy in MQTT_URL, MQTT_HOST and MQTT_PORT; its status becomes ours
    #[arg(last = true, value_name = "command")]
    pub command: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Check, String> {
        let words = std::iter::once("culex-check").chain(words.iter().copied());
        Check::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_one_liner_of_the_contract_is_read() {
        let words = [
            "expect",
            "-t",
            "dev/42/state",
            "--json-subset",
            r#"{"on":true}"#,
            "--within",
            "5s",
            "--",
            "./poke",
            "-x",
        ];
        let Ok(Check { task: CheckTask::Expect(flags) }) = read(&words) else { panic!("not read") };
        assert_eq!(flags.message.topic, "dev/42/state");
        assert_eq!(flags.within, Duration::from_secs(5));
        assert_eq!(flags.command, ["./poke", "-x"]);
        let Ok(Check { task: CheckTask::None(flags) }) = read(&["none", "-t", "e/#", "--for", "2s"]) else {
            panic!("not read")
        };
        assert_eq!(flags.window, Duration::from_secs(2));
    }

    #[test]
    fn wrong_values_are_named() {
        for (words, part) in [
            (vec!["expect", "-t", "a", "--json", "{"], "--json"),
            (vec!["run", "x.yaml", "--report", "pdf"], "the forms are human, tap, junit"),
            (vec!["run", "x.yaml", "--shard", "3/2"], "give i/n"),
            (vec!["expect", "-t", "a", "--at", "x=1"], "begins with /"),
            (vec!["run"], "file"),
        ] {
            let error = read(&words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
