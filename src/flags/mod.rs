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
mod message;
mod output;
mod passwd;
pub mod plan;
pub mod programs;
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
pub use message::{LineForm, Message, MessageSource};
pub use output::{ColorWord, Output};
pub use passwd::{Passwd, PasswordHash};
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

impl Tool {
    /// The declarations of this program's flags, from which parsing, help and completions are made.
    #[must_use]
    pub fn command(self) -> Command {
        let command = Command::new(self.name()).disable_help_flag(true).disable_version_flag(true);
        let command = match self {
            Self::Publish => Message::augment_args(command),
            Self::Subscribe => Output::augment_args(Subscription::augment_args(command)),
            Self::Request => request_command(command),
        };
        let command = Tls::augment_args(WillFlags::augment_args(Connection::augment_args(command)));
        // The groups would leave their own words there.
        General::augment_args(command).about(self.about())
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Publish => "Publish messages to an MQTT broker",
            Self::Subscribe => "Subscribe to topics of an MQTT broker and print what arrives",
            Self::Request => "Send a request over an MQTT broker and print the reply",
        }
    }

    /// The reference's name of this program.
    #[must_use]
    pub const fn mosquitto_name(self) -> &'static str {
        match self {
            Self::Publish => "mosquitto_pub",
            Self::Subscribe => "mosquitto_sub",
            Self::Request => "mosquitto_rr",
        }
    }

    /// Our name of this program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "culex-pub",
            Self::Subscribe => "culex-sub",
            Self::Request => "culex-rr",
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
