//! The options of a run by their long names, as result files keep them.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};

/// What is not part of the load: where its result goes, how it is shown, and which part of it this process is.
const BESIDE: [&str; 23] = [
    "calibration",
    "segment",
    "gate",
    "prometheus",
    "start-at",
    "json",
    "out",
    "csv",
    "hdr-log",
    "html",
    "no-color",
    "fail",
    "baseline",
    "fail-regress",
    "progress",
    "quiet",
    "strict",
    "allow",
    "check-sys",
    "threads",
    "pin",
    "help",
    "version",
];

/// Options whose values nobody else may read.
const SECRETS: [&str; 2] = ["pw", "psk"];

/// The property of `-D` whose value nobody else may read.
const SECRET_PROPERTY: &str = "authentication-data";

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";

/// The options that `matches` has of `command`, defaults among them, by long name: numbers as numbers, flags as `true`,
/// what may be repeated as a list, and secrets without their values.
#[must_use]
pub(super) fn config(command: &Command, matches: &ArgMatches) -> Value {
    let arguments = command.get_arguments().filter(|argument| !BESIDE.contains(&long_name(argument)));
    let options =
        arguments.filter_map(|argument| Some((long_name(argument).to_owned(), value(argument, matches)?)));
    Value::Object(options.collect::<Map<_, _>>())
}

/// The long name of an option, the name of a word.
pub(super) fn long_name(argument: &Arg) -> &str {
    let named = argument.get_long();
    named.unwrap_or_else(|| {
        if argument.is_positional() { argument.get_id().as_str() } else { short_name(argument) }
    })
}

fn short_name(argument: &Arg) -> &str {
    match argument.get_short() {
        Some('D') => "property",
        Some('x') => "session-expiry-interval",
        _ => argument.get_id().as_str(),
    }
}

fn value(argument: &Arg, matches: &ArgMatches) -> Option<Value> {
    let id = argument.get_id().as_str();
    let source = matches.value_source(id)?;
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        return (source != ValueSource::DefaultValue).then_some(Value::Bool(true));
    }
    if SECRETS.contains(&long_name(argument)) {
        return Some(HIDDEN.into());
    }
    if long_name(argument) == "url" {
        let text = matches.get_raw(id)?.next_back()?.to_string_lossy();
        let (scheme, rest) = text.split_once("://")?;
        return Some(match rest.split_once('@') {
            Some((_, address)) => format!("{scheme}://{HIDDEN}@{address}").into(),
            None => text.into(),
        });
    }
    let occurrences = matches.get_raw_occurrences(id)?;
    let texts: Vec<Vec<String>> = occurrences
        .map(|words| words.map(|word| word.to_string_lossy().into_owned()).collect())
        .map(without_secret)
        .collect();
    Some(match argument.get_action() {
        ArgAction::Append if argument.get_num_args().is_some_and(|range| range.max_values() > 1) => {
            texts.iter().map(|words| list(words)).collect::<Vec<_>>().into()
        }
        ArgAction::Append => list(&texts.concat()),
        _ => scalar(texts.concat().last()?),
    })
}

fn list(words: &[String]) -> Value {
    words.iter().map(|word| scalar(word)).collect::<Vec<_>>().into()
}

/// A word as what it looks like.
fn scalar(word: &str) -> Value {
    match word.parse::<u64>() {
        // Other ways to write a number stay as they were written.
        Ok(number) if number.to_string() == word => number.into(),
        _ => word.into(),
    }
}

/// `connect authentication-data x` without the `x`.
fn without_secret(mut words: Vec<String>) -> Vec<String> {
    if let [_, property, secret, ..] = &mut words[..]
        && property == SECRET_PROPERTY
    {
        HIDDEN.clone_into(secret);
    }
    words
}

#[cfg(test)]
mod tests {
    use crate::flags::Bench;
    use serde_json::{Value, json};

    fn of(words: &str) -> Value {
        let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
        Bench::read(argv.map(Into::into)).unwrap().1
    }

    #[test]
    fn options_are_told_by_their_long_names_with_their_defaults() {
        let config = of("rr -c 20 --rate 5k -q 1 --ws -x 60 --filter a --filter 7");
        for (name, value) in [
            ("mode", json!("rr")),
            ("clients", json!(20)),
            ("rate", json!("5k")),
            ("qos", json!(1)),
            ("ws", json!(true)),
            ("session-expiry-interval", json!(60)),
            ("filter", json!(["a", 7])),
            ("size", json!(64)),
            ("topic", json!("bench/%i")),
        ] {
            assert_eq!(config[name], value, "{name}");
        }
        for absent in ["tls", "closed", "bind", "json", "quiet"] {
            assert_eq!(config.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn segments_of_one_load_have_one_configuration_and_other_loads_another() {
        assert_eq!(of("--segment 0/2 --json a --quiet"), of("--segment 1/2 --out b --fail p99<1s"));
        assert_ne!(of("-c 3"), of("-c 4"));
    }

    #[test]
    fn secrets_stay_out() {
        assert_eq!(of("--url mqtt://me:tiger@there")["url"], "mqtt://(hidden)@there");
        let config = of("-u me -P tiger -D connect authentication-data tiger -D connect user-property a b");
        assert!(!config.to_string().contains("tiger"), "{config}");
        assert_eq!(config["username"], "me");
        assert_eq!(config["property"][1], json!(["connect", "user-property", "a", "b"]));
    }
}
