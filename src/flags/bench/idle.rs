//! Options that would do nothing: said before the run, for who gives one expects something of it.

use super::config::long_name;
use super::{Arrived, Bench, ModeWord, Rate};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// When messages are sent, and how many.
const PACE: [&str; 8] =
    ["rate", "rate-per-client", "message-interval", "ramp", "stages", "closed", "arrival", "max-lag"];

/// How many receivers there are.
const RECEIVERS: [&str; 3] = ["subs", "fan-out", "fan-in"];

/// What is received, and how.
const RECEIVING: [&str; 7] =
    ["filter", "sub-qos", "sub-id", "share", "slow-consumer", "no-retained", "unsubscribe"];

/// What is sent.
const CONTENT: [&str; 11] = [
    "topic",
    "qos",
    "retain",
    "size",
    "compressible",
    "message",
    "file",
    "lines",
    "template",
    "stamp",
    "window",
];

/// Where another broker would be.
const ELSEWHERE: [&str; 6] = ["host", "port", "url", "unix", "ws", "ws-path"];

/// Encryption, which brokers in this process do not have.
const ENCRYPTION: [&str; 12] = [
    "psk",
    "psk-identity",
    "tls",
    "cafile",
    "capath",
    "cert",
    "key",
    "insecure",
    "ciphers",
    "tls-version",
    "tls-resume",
    "tls-alpn",
];

/// The long names of the options that mean nothing in `mode`.
pub(super) fn options(mode: ModeWord) -> Vec<&'static str> {
    match mode {
        ModeWord::Run => Vec::new(),
        ModeWord::Pub => [&RECEIVERS[..], &RECEIVING].concat(),
        // What is said of the payload tells what stamp to look for.
        ModeWord::Sub => [&PACE[..], &RECEIVERS, &["messages", "retain", "compressible", "window"]].concat(),
        ModeWord::Conn => {
            [&PACE[..], &RECEIVERS, &RECEIVING, &CONTENT, &["messages", "drain", "steady", "sync-clocks"]]
                .concat()
        }
        ModeWord::Rr => vec!["fan-out", "fan-in", "sync-clocks"],
        ModeWord::Reflect => {
            [&PACE[..], &RECEIVERS, &["messages", "retain", "size", "compressible", "message", "sync-clocks"]]
                .concat()
        }
        ModeWord::Find => vec!["ramp", "stages", "arrival", "sync-clocks"],
        ModeWord::Storm => {
            [&PACE[..], &RECEIVERS, &["slow-consumer", "no-retained", "steady", "sync-clocks"]].concat()
        }
        ModeWord::Calibrate => {
            let others = ["embedded", "check-sys", "gate", "calibration", "sync-clocks"];
            [&PACE[..6], &["arrival", "max-lag"], &RECEIVERS, &RECEIVING, &ELSEWHERE, &ENCRYPTION, &others]
                .concat()
        }
    }
}

impl Bench {
    /// Refuses what the words behind `matches` ask for in vain, of the options that `is_own` names.
    pub(super) fn check_idle(
        &self,
        command: &mut Command,
        matches: &ArgMatches,
        is_own: impl Fn(&str) -> bool,
    ) -> Result<(), clap::Error> {
        let given = |name: &str| {
            is_own(name)
                && command.get_arguments().any(|argument| {
                    let id = argument.get_id().as_str();
                    long_name(argument) == name && matches.value_source(id) == Some(ValueSource::CommandLine)
                })
        };
        let paces = ["rate", "rate-per-client", "message-interval", "ramp", "stages"];
        let names_rate = |name: &&str| {
            given(name) && !(*name == "rate" && self.load.closed && self.load.rate == Rate::Max)
        };
        let idle = options(self.mode);
        let in_vain = idle.into_iter().find(|name| given(name)).map(|name| (name, self.mode_name()));
        let in_vain = in_vain.or_else(|| {
            let elsewhere =
                self.connection.embedded.then(|| ELSEWHERE.into_iter().find(|name| given(name)))?;
            Some((elsewhere?, "a run with --embedded".to_owned()))
        });
        let in_vain = in_vain.or_else(|| {
            let has_own = match self.load.arrival {
                _ if self.load.closed => "--closed, which sends as fast as it goes",
                Arrived::Burst(..) => "--arrival burst, which is its own rate",
                _ => return None,
            };
            Some((paces.into_iter().find(names_rate)?, has_own.to_owned()))
        });
        let in_vain = in_vain.or_else(|| {
            let is_one = self.subscribers.fan_out.is_some() && given("clients");
            is_one.then(|| ("clients", "--fan-out, which has one publisher".to_owned()))
        });
        let Some((name, place)) = in_vain else { return Ok(()) };
        let text = format!("--{name} does nothing in {place}");
        let mut error = command.error(ErrorKind::ArgumentConflict, text);
        error.insert(ContextKind::InvalidArg, ContextValue::String(format!("--{name}")));
        Err(error)
    }

    fn mode_name(&self) -> String {
        use clap::ValueEnum;
        let value = self.mode.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn fault(words: &str) -> Option<String> {
        let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
        let error = Bench::read(argv.map(Into::into)).err()?.to_string();
        error.lines().next().map(str::to_owned)
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        for (words, expected) in [
            ("conn --rate 5", "--rate does nothing in conn"),
            ("conn -t a", "--topic does nothing in conn"),
            ("sub -L 5", "--messages does nothing in sub"),
            ("pub --share x", "--share does nothing in pub"),
            ("find p99<1s --ramp 0..1k/1s", "--ramp does nothing in find"),
            ("storm --kind will --rate 5", "--rate does nothing in storm"),
            ("calibrate -h there", "--host does nothing in calibrate"),
            ("reflect --rate 5", "--rate does nothing in reflect"),
            ("--embedded -p 1883", "--port does nothing in a run with --embedded"),
            ("--closed --rate 5", "--rate does nothing in --closed"),
            ("--rate 1k --arrival burst:5/1s", "--rate does nothing in --arrival burst"),
            ("--fan-out 3 -c 5", "--clients does nothing in --fan-out"),
        ] {
            let found = fault(words).unwrap_or_default();
            assert!(found.contains(expected), "{words}: {found}");
        }
    }

    #[test]
    fn what_does_something_is_not() {
        for words in [
            "",
            "--closed --rate max",
            "sub -s 16",
            "storm --kind retain -L 5 -s 100 -t a",
            "rr --share g",
            "calibrate -c 3 -s 16 -q 1 -w 5 -A 127.0.0.2",
            "--arrival poisson --rate 5",
            "--fan-in 2 -c 5",
        ] {
            assert_eq!(fault(words), None, "{words}");
        }
    }

    #[test]
    fn every_name_is_an_option() {
        let command = Bench::command();
        let modes = [ModeWord::Pub, ModeWord::Sub, ModeWord::Conn, ModeWord::Rr, ModeWord::Reflect];
        for mode in modes.into_iter().chain([ModeWord::Find, ModeWord::Storm, ModeWord::Calibrate]) {
            for name in options(mode) {
                assert!(command.get_arguments().any(|argument| long_name(argument) == name), "{name}");
            }
        }
    }
}
