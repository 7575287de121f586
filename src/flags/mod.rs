//! Each flag, declared once: its names, its arity and its help.
//!
//! The groups are clap structs, and clap's help, completions and man pages come from them. What was typed is filled in
//! by the walker of `compat`, because mosquitto stops at the first fault from left to right and some options act when
//! they are seen. [`plan`] turns a checked [`Draft`] into the configurations of the rooms to the left.

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "bench")]
pub mod bench_result;
mod broker;
#[cfg(feature = "check")]
mod check;
mod connection;
mod general;
mod health;
mod message;
mod output;
mod passwd;
pub mod plan;
pub mod programs;
mod recording;
mod request;
mod subscription;
mod tls;
mod value;
mod will;

#[cfg(feature = "bench")]
pub use bench::Bench;
#[cfg(feature = "check")]
pub use broker::Assertion;
pub use broker::{Broker, EnvironmentForm, LogFormat};
#[cfg(feature = "check")]
pub use check::{
    Check, CheckBroker, CheckColor, CheckTask, ExpectFlags, MessageMatch, NoneFlags, Proxy, Report,
    ReportForm, RunFlags,
};
pub use connection::{Connection, PropertyLists};
pub use general::General;
pub use health::{Health, HealthFormat, HealthPlan};
pub use message::{LineForm, Message, MessageSource};
pub use output::{ColorWord, Output};
pub use passwd::{Passwd, PasswordHash};
pub use recording::{Recording, Replaying, Speed, TopicMap};
pub use request::Request;
pub use subscription::Subscription;
pub use tls::Tls;
pub use value::{Elsewhere, duration, protocol_version, retain_handling};
pub use will::WillFlags;

use clap::{Args, Command};

/// A client program; which one decides about the flags that exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tool {
    /// `culex-pub`, `mosquitto_pub`.
    Publish,
    /// `culex-sub`, `mosquitto_sub`.
    Subscribe,
    /// `culex-rr`, `mosquitto_rr`.
    Request,
    /// `culex record`, which the reference does not have.
    Record,
    /// `culex replay`, which the reference does not have.
    Replay,
    /// `culex check health`, which the reference does not have.
    Health,
}

/// What the flags of one client program say so far; groups that the program does not have stay at their defaults.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// How to reach the broker and as whom.
    pub connection: Connection,
    /// What every program has.
    pub general: General,
    /// The Will Message.
    pub will: WillFlags,
    /// Encryption.
    pub tls: Tls,
    /// What `pub` sends.
    pub message: Message,
    /// What `sub` asks for, and when it ends.
    pub subscription: Subscription,
    /// How `sub` and `rr` print.
    pub output: Output,
    /// What `rr` adds.
    pub request: Request,
    /// What `record` adds.
    pub recording: Recording,
    /// What `replay` adds.
    pub replaying: Replaying,
    /// What `check health` adds.
    pub health: Health,
}

/// Flags that only the programs under our own names have.
pub const FRIENDLY_ONLY: [&str; 21] = [
    "json",
    "json_lines",
    "tsv",
    "pw_file",
    "pw_stdin",
    "keypass_file",
    "ready_fd",
    "ready_file",
    "after_suback",
    "retained",
    "purge",
    "dry_run",
    "backup",
    "retry",
    "exec",
    "exec_jobs",
    "color",
    "until",
    "jq",
    "replies",
    "requests",
];

/// Flags of `pub` and `sub` that `rr` does not have.
const NOT_IN_REQUEST: [&str; 28] = [
    "stdin_line",
    "json_lines",
    "tsv",
    "ready_fd",
    "ready_file",
    "after_suback",
    "retain",
    "until",
    "jq",
    "exec",
    "exec_jobs",
    "retry",
    "repeat",
    "repeat_delay",
    "topics",
    "unsubscribe",
    "filter_out",
    "retained_only",
    "retained",
    "purge",
    "dry_run",
    "backup",
    "remove_retained",
    "count",
    "exit_after_subscribe",
    "random_filter",
    "message_rate",
    "watch",
];

/// Flags of `sub` that `record` has too.
const OF_RECORD: [&str; 10] = [
    "topics",
    "filter_out",
    "qos",
    "no_retain",
    "retain_handling",
    "count",
    "timeout",
    "ready_fd",
    "ready_file",
    "after_suback",
];

/// Flags of `pub` that `replay` has too.
const OF_REPLAY: [&str; 5] = ["topic", "qos", "retain", "retry", "dry_run"];

/// Flags of `pub` that `check health` has too.
const OF_HEALTH: [&str; 2] = ["topic", "qos"];

/// Flags that only the programs of the reference have.
const OF_REFERENCE: [&str; 2] = ["options_file", "strict"];

impl Tool {
    /// The declarations of this program's flags, from which parsing, help and completions are made.
    #[must_use]
    pub fn command(self) -> Command {
        let command = Command::new(self.name()).disable_help_flag(true).disable_version_flag(true);
        let command = match self {
            Self::Publish => Message::augment_args(command),
            Self::Subscribe => Output::augment_args(Subscription::augment_args(command)),
            Self::Request => request_command(command),
            Self::Record => record_command(command),
            Self::Replay => replay_command(command),
            Self::Health => health_command(command),
        };
        let command = Tls::augment_args(WillFlags::augment_args(Connection::augment_args(command)));
        // The groups would leave their own words there.
        if self.has_reference() {
            return General::augment_args(command).about(self.about());
        }
        let general = General::augment_args(Command::new("general"));
        with_flags(command, &general, |id| !OF_REFERENCE.contains(&id))
            .mut_arg("protocol_version", |arg| {
                arg.default_value(if self == Self::Health { "311" } else { "5" })
            })
            .about(self.about())
    }

    /// Whether mosquitto has such a program, whose manner ours can take on.
    #[must_use]
    pub const fn has_reference(self) -> bool {
        matches!(self, Self::Publish | Self::Subscribe | Self::Request)
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Publish => "Publish messages to an MQTT broker",
            Self::Subscribe => "Subscribe to topics of an MQTT broker and print what arrives",
            Self::Request => "Send a request over an MQTT broker and print the reply",
            Self::Record => "Record messages of an MQTT broker in a file, a line of JSON each",
            Self::Replay => "Publish recorded messages again, with the recorded pauses",
            Self::Health => {
                "See whether a broker takes a message and gives it back, for containers and monitoring"
            }
        }
    }

    /// The reference's name of this program; without one, our own.
    #[must_use]
    pub const fn mosquitto_name(self) -> &'static str {
        match self {
            Self::Publish => "mosquitto_pub",
            Self::Subscribe => "mosquitto_sub",
            Self::Request => "mosquitto_rr",
            Self::Record | Self::Replay | Self::Health => self.name(),
        }
    }

    /// The program of the reference whose options file this one reads, if it reads any.
    #[must_use]
    pub const fn options_of(self) -> Option<Self> {
        match self {
            Self::Publish | Self::Replay => Some(Self::Publish),
            Self::Subscribe | Self::Record => Some(Self::Subscribe),
            Self::Request => Some(Self::Request),
            Self::Health => None,
        }
    }

    /// Our name of this program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "culex-pub",
            Self::Subscribe => "culex-sub",
            Self::Request => "culex-rr",
            Self::Record => "culex-record",
            Self::Replay => "culex-replay",
            Self::Health => "culex-check-health",
        }
    }

    /// What one types to run it.
    #[must_use]
    pub const fn typed(self) -> &'static str {
        match self {
            Self::Record => "culex record",
            Self::Replay => "culex replay",
            Self::Health => "culex check health",
            Self::Publish | Self::Subscribe | Self::Request => self.name(),
        }
    }
}

/// The flags of `rr`: its own, and those of `pub` and `sub` that it shares.
fn request_command(command: Command) -> Command {
    let of_publish = Message::augment_args(Command::new("pub"));
    let of_subscribe = Output::augment_args(Subscription::augment_args(Command::new("sub")));
    let mut command = Request::augment_args(command);
    for arg in of_publish.get_arguments().chain(of_subscribe.get_arguments()) {
        let is_known = command.get_arguments().any(|known| known.get_id() == arg.get_id());
        if !is_known && !NOT_IN_REQUEST.contains(&arg.get_id().as_str()) {
            command = command.arg(arg.clone());
        }
    }
    command
}

/// The flags of `record`: its own, and those of `sub` that say what is recorded and until when.
fn record_command(command: Command) -> Command {
    let of_subscribe = Subscription::augment_args(Command::new("sub"));
    with_flags(Recording::augment_args(command), &of_subscribe, |id| OF_RECORD.contains(&id))
        .mut_arg("qos", |arg| arg.default_value("2"))
        .mut_arg("no_retain", |arg| arg.help("Leave out what is retained when the recording begins"))
        .mut_arg("count", |arg| arg.help("End after this many messages"))
        .mut_arg("timeout", |arg| {
            arg.help("End after this many seconds; with -C, and before them, with status 27")
        })
}

/// The flags of `replay`: its own, and those of `pub` for what a line does not say.
fn replay_command(command: Command) -> Command {
    let of_publish = Message::augment_args(Command::new("pub"));
    with_flags(Replaying::augment_args(command), &of_publish, |id| OF_REPLAY.contains(&id))
        .mut_arg("topic", |arg| arg.help("Topic of lines that name none"))
        .mut_arg("qos", |arg| arg.help("Quality of Service of lines that name none"))
        .mut_arg("retain", |arg| arg.help("Ask the broker to retain messages whose lines do not say"))
        .mut_arg("dry_run", |arg| {
            arg.help("Print the packets that would be sent, when each would be and what its bytes mean, and send nothing")
        })
}

/// The flags of `check health`: its own, and those of `pub` for its message.
fn health_command(command: Command) -> Command {
    let of_publish = Message::augment_args(Command::new("pub"));
    with_flags(Health::augment_args(command), &of_publish, |id| OF_HEALTH.contains(&id))
        .mut_arg("topic", |arg| {
            arg.help("Topic of the message; by default one of its own under culex/health/")
        })
        .mut_arg("qos", |arg| arg.help("Quality of Service of the message, both ways"))
}

/// `command` with those flags of `others` that are wanted.
fn with_flags(command: Command, others: &Command, is_wanted: impl Fn(&str) -> bool) -> Command {
    let wanted = others.get_arguments().filter(|arg| is_wanted(arg.get_id().as_str()));
    wanted.fold(command, |command, arg| command.arg(arg.clone()))
}
