//! The written form of a scenario.

mod broker;
mod command;
mod expect;
mod played;

pub use broker::{AclSpec, BrokerSpec, EmbeddedSpec, LimitsSpec};
pub use command::CommandSpec;
pub use expect::{ExpectSpec, JsonSpec};
pub use played::{ClientSpec, ConnectOptions, ConnectSpec, SubscribeOptions, SubscribeSpec, WillSpec};

use crate::fault::spec::{ActionSpec, DurationSpec, OnSpec, ReasonSpec};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One scenario: a broker, devices, and what is to happen.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What reports call it; the file's name by default.
    #[serde(default)]
    pub name: Option<String>,
    /// What it shows, for readers.
    #[serde(default)]
    pub description: Option<String>,
    /// Words that `--filter` finds it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Why it is not run.
    #[serde(default)]
    pub skip: Option<String>,
    /// How long it may take in all; 30 s by default.
    #[serde(default)]
    pub timeout: Option<DurationSpec>,
    /// How long a step waits unless it says otherwise; 5 s by default.
    #[serde(default)]
    pub within: Option<DurationSpec>,
    /// The broker; an embedded one by default.
    #[serde(default)]
    pub broker: BrokerSpec,
    /// Names for values, used as `${name}`.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    /// Names for lists of values: the scenario is run once for each combination.
    #[serde(default)]
    pub matrix: BTreeMap<String, Vec<Value>>,
    /// Files whose vars, devices, setup and teardown come first, relative to this one.
    #[serde(default)]
    pub include: Vec<String>,
    /// The device under test.
    #[serde(default)]
    pub device: Option<DeviceSpec>,
    /// Devices by name.
    #[serde(default)]
    pub devices: BTreeMap<String, DeviceSpec>,
    /// Steps before the devices start.
    #[serde(default)]
    pub setup: Vec<Step>,
    /// The steps.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Steps that are taken in any case, at the end.
    #[serde(default)]
    pub teardown: Vec<Step>,
}

/// A process under test.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    /// The command: a list of words, or a line for the shell.
    pub run: CommandSpec,
    /// Its environment, beside ours and the broker's addresses.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its folder, relative to the scenario's file.
    #[serde(default)]
    pub dir: Option<String>,
    /// When it counts as ready.
    #[serde(default)]
    pub ready: Option<ReadySpec>,
    /// How it is stopped at the end.
    #[serde(default)]
    pub stop: Option<StopSpec>,
    /// Whether it starts before the first step; default yes. A `device: {start: true}` step starts it otherwise.
    #[serde(default)]
    pub start: Option<bool>,
}

/// When a device counts as ready; all that is named must have happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadySpec {
    /// This client is connected.
    #[serde(default)]
    pub client: Option<String>,
    /// And has subscribed to this.
    #[serde(default)]
    pub subscribed: Option<String>,
    /// A message came on this topic.
    #[serde(default)]
    pub topic: Option<String>,
    /// A line of its output matches this.
    #[serde(default)]
    pub log: Option<String>,
    /// How long that may take; 10 s by default.
    #[serde(default)]
    pub within: Option<DurationSpec>,
}

/// How a device is stopped.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StopSpec {
    /// With which signal; TERM by default.
    #[serde(default)]
    pub signal: Option<String>,
    /// How long it has before it is killed, which is a failure then; 3 s and a warning by default.
    #[serde(default)]
    pub within: Option<DurationSpec>,
    /// The exit status it must have; any by default, but 0 when it ends by itself.
    #[serde(default)]
    pub exit: Option<i32>,
}

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Publishes a message.
    Publish(Box<PublishSpec>),
    /// Expects messages, or none, or an event.
    Expect(Box<ExpectSpec>),
    /// Adds, releases, removes or counts a fault.
    Fault(Box<FaultSpec>),
    /// Stops, starts, restarts, freezes or resumes the broker; ends connections.
    Broker(Box<BrokerStep>),
    /// Turns the embedded broker's clock forward.
    Advance(DurationSpec),
    /// Names this place for `since: mark NAME`.
    Mark(String),
    /// Waits until nothing is on its way any more.
    Settle(bool),
    /// Waits blindly; there is nearly always something to wait for instead.
    Wait(DurationSpec),
    /// Plays a client of its own.
    Client(Box<ClientSpec>),
    /// Answers each message on a topic with another, from here on.
    Respond(Box<RespondSpec>),
    /// Runs a command to its end.
    Run(Box<RunSpec>),
    /// Does something to a device.
    Device(Box<DeviceStep>),
    /// Looks at the broker's state.
    State(Box<StateSpec>),
}

impl Step {
    /// Its word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Publish(_) => "publish",
            Self::Expect(_) => "expect",
            Self::Fault(_) => "fault",
            Self::Broker(_) => "broker",
            Self::Advance(_) => "advance",
            Self::Mark(_) => "mark",
            Self::Settle(_) => "settle",
            Self::Wait(_) => "wait",
            Self::Client(_) => "client",
            Self::Respond(_) => "respond",
            Self::Run(_) => "run",
            Self::Device(_) => "device",
            Self::State(_) => "state",
        }
    }
}

/// A message to publish; at most one kind of payload.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishSpec {
    /// Where to.
    pub topic: String,
    /// Payload: text as it is.
    #[serde(default)]
    pub text: Option<String>,
    /// Payload: JSON.
    #[serde(default)]
    pub json: Option<Value>,
    /// Payload: hexadecimal digits.
    #[serde(default)]
    pub hex: Option<String>,
    /// Payload: Base64.
    #[serde(default)]
    pub base64: Option<String>,
    /// Payload: a file's content, relative to the scenario's file.
    #[serde(default)]
    pub file: Option<String>,
    /// QoS; 0 by default.
    #[serde(default)]
    pub qos: Option<u8>,
    /// Whether it is retained.
    #[serde(default)]
    pub retain: Option<bool>,
    /// Properties by name; `user` is an object.
    #[serde(default)]
    pub props: BTreeMap<String, Value>,
    /// The played client that publishes it; the broker's own client by default.
    #[serde(default)]
    pub client: Option<String>,
    /// Waits until this client has acknowledged it; an acknowledgement that a rule keeps from the broker counts.
    #[serde(default)]
    pub acked_by: Option<String>,
    /// The Reason Code that PUBACK or PUBREC must have.
    #[serde(default)]
    pub reason: Option<ReasonSpec>,
    /// Does not wait for the acknowledgement.
    #[serde(default)]
    pub nowait: bool,
    /// How often; once by default.
    #[serde(default)]
    pub repeat: Option<u32>,
}

/// What is done about a fault: a new one has `do`; the others name one that is there.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// What the journal and later steps call a new one.
    #[serde(default)]
    pub name: Option<String>,
    /// Which packets a new one is about.
    #[serde(default)]
    pub on: OnSpec,
    /// What a new one does.
    #[serde(default, rename = "do")]
    pub action: Option<ActionSpec>,
    /// Lets go what this one holds.
    #[serde(default)]
    pub release: Option<String>,
    /// Takes this one back.
    #[serde(default)]
    pub remove: Option<String>,
    /// Waits until one has fired so often.
    #[serde(default)]
    pub fired: Option<FiredSpec>,
    /// Takes all back.
    #[serde(default)]
    pub clear: bool,
}

/// How often a fault must have fired.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FiredSpec {
    /// Its name.
    pub name: String,
    /// At least so often; once by default.
    #[serde(default)]
    pub times: Option<u64>,
    /// So often and no more, once nothing is on its way any more; 0 is never.
    #[serde(default)]
    pub exactly: Option<u64>,
    /// How long that may take.
    #[serde(default)]
    pub within: Option<DurationSpec>,
}

/// What is done to the broker; one thing.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BrokerStep {
    /// Stops; connections are refused.
    Stop(bool),
    /// Starts again after a stop.
    Start(KeepSpec),
    /// Both.
    Restart(KeepSpec),
    /// Stands still.
    Freeze(bool),
    /// Goes on.
    Resume(bool),
    /// Ends a client's connections as a broken network does.
    Cut {
        /// Whose.
        client: String,
        /// With RST instead of FIN.
        #[serde(default)]
        reset: bool,
    },
    /// Ends a client's connection as the server does.
    Disconnect {
        /// Whose.
        client: String,
        /// With this Reason Code.
        #[serde(default)]
        reason: Option<ReasonSpec>,
    },
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeepSpec {
    /// `all` (default), `sessions`, `retained` or `nothing`.
    #[serde(default)]
    pub keep: Option<String>,
}

/// Answers messages.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RespondSpec {
    /// Which messages; `{name}`s can be used in the answer.
    pub when: ExpectSpec,
    /// The answer.
    pub publish: PublishSpec,
    /// How often at most.
    #[serde(default)]
    pub times: Option<u64>,
}

/// A command that is run to its end.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// The command.
    pub cmd: CommandSpec,
    /// Its environment, beside ours and the broker's addresses.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What it reads.
    #[serde(default)]
    pub stdin: Option<String>,
    /// Its exit status; 0 by default.
    #[serde(default)]
    pub exit: Option<i32>,
    /// What its output must match; named groups are kept.
    #[serde(default)]
    pub stdout: Option<String>,
    /// What its errors must match.
    #[serde(default)]
    pub stderr: Option<String>,
    /// The name under which its output is kept, without the last line feed.
    #[serde(default)]
    pub save: Option<String>,
    /// How long it may take; 30 s by default.
    #[serde(default)]
    pub within: Option<DurationSpec>,
}

/// What is done to a device; what is named is done in this order.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceStep {
    /// Which; the only one by default.
    #[serde(default)]
    pub name: Option<String>,
    /// It is killed at once.
    #[serde(default)]
    pub kill: bool,
    /// It is sent this signal.
    #[serde(default)]
    pub signal: Option<String>,
    /// It is stopped as at the end.
    #[serde(default)]
    pub stop: bool,
    /// It must end by itself, with this status.
    #[serde(default)]
    pub exit: Option<i32>,
    /// It is started, and ready when the step is over.
    #[serde(default)]
    pub start: bool,
    /// It is killed and started again.
    #[serde(default)]
    pub restart: bool,
    /// A line for its standard input.
    #[serde(default)]
    pub send: Option<String>,
    /// A line of its output, since the last trigger, must match this; named groups are kept.
    #[serde(default)]
    pub log: Option<String>,
    /// How long all that may take.
    #[serde(default)]
    pub within: Option<DurationSpec>,
}

/// What the embedded broker's state must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StateSpec {
    /// Retained messages by filter: how many, or the one payload as text.
    #[serde(default)]
    pub retained: BTreeMap<String, Value>,
    /// Waiting messages by client.
    #[serde(default)]
    pub queue: BTreeMap<String, usize>,
    /// Unacknowledged messages by client.
    #[serde(default)]
    pub in_flight: BTreeMap<String, usize>,
    /// Clients that have a session, exactly.
    #[serde(default)]
    pub sessions: Option<Vec<String>>,
    /// Whether there are no protocol errors, unacknowledged messages and retained leftovers.
    #[serde(default)]
    pub clean: Option<bool>,
    /// How long the state may take to become so.
    #[serde(default)]
    pub within: Option<DurationSpec>,
}
