//! The written form of a scenario.

mod command;
mod played;

pub use command::CommandSpec;
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

/// Which broker a scenario runs on.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BrokerSpec {
    /// One of our own, fresh for this scenario.
    #[serde(default)]
    pub embedded: Option<EmbeddedSpec>,
    /// Another one, which everything goes to through a proxy of ours.
    #[serde(default)]
    pub url: Option<String>,
    /// The authority that its certificate comes from, PEM.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Retained messages under these filters are an error at the start and are cleared at the end.
    #[serde(default)]
    pub clean: Vec<String>,
}

/// An embedded broker.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSpec {
    /// Listeners beside plain TCP: `tls`, `ws`, `wss`.
    #[serde(default)]
    pub listeners: Vec<String>,
    /// Users and passwords; nobody else is let in then.
    #[serde(default)]
    pub auth: BTreeMap<String, String>,
    /// What clients may do; nothing else then. The first line that fits decides.
    #[serde(default)]
    pub acl: Vec<AclSpec>,
    /// Protocol versions that are let in: `3.1`, `3.1.1`, `5`.
    #[serde(default)]
    pub versions: Vec<Value>,
    /// `manual` for a clock that only `advance` moves.
    #[serde(default)]
    pub clock: Option<String>,
    /// What is wrong about the certificate: `expired`, `wrong-host`, `unknown-ca`.
    #[serde(default)]
    pub certificate: Option<String>,
    /// What the broker offers.
    #[serde(default)]
    pub limits: LimitsSpec,
}

/// One line of an access list.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AclSpec {
    /// The User Name; anybody by default.
    #[serde(default)]
    pub user: Option<String>,
    /// The Client Identifier; any by default.
    #[serde(default)]
    pub client: Option<String>,
    /// A filter that may be published to.
    #[serde(default)]
    pub publish: Option<String>,
    /// A filter that may be subscribed to and received from.
    #[serde(default)]
    pub subscribe: Option<String>,
}

/// What an embedded broker offers.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Receive Maximum, and messages in flight to a client.
    #[serde(default)]
    pub receive_maximum: Option<u16>,
    /// The highest QoS.
    #[serde(default)]
    pub maximum_qos: Option<u8>,
    /// Whether messages are retained.
    #[serde(default)]
    pub retain: Option<bool>,
    /// The longest packet, in bytes.
    #[serde(default)]
    pub packet_size: Option<u32>,
    /// Topic Alias Maximum.
    #[serde(default)]
    pub topic_alias_maximum: Option<u16>,
    /// Messages that wait for one client.
    #[serde(default)]
    pub queue: Option<usize>,
    /// The longest Keep Alive, in seconds.
    #[serde(default)]
    pub keep_alive: Option<u16>,
    /// Connections at most.
    #[serde(default)]
    pub connections: Option<usize>,
    /// The longest time that a session outlives its connection.
    #[serde(default)]
    pub session_expiry: Option<DurationSpec>,
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

/// What is expected.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectSpec {
    /// The Topic Filter; `{name}` stands for one level that is kept.
    #[serde(default)]
    pub topic: Option<String>,
    /// How long it is waited for.
    #[serde(default)]
    pub within: Option<DurationSpec>,
    /// From where it is looked: `start`, `last-trigger`, `last-match` or `mark NAME`. By default from the last thing that
    /// set something off (publish, fault, device ...) or the last match, whichever is later.
    #[serde(default)]
    pub since: Option<String>,
    /// `true` or `window`: no such message for a while (`for`); `settled`: none when nothing is on its way any more.
    #[serde(default)]
    pub none: Option<Value>,
    /// How long `none: true` looks; 500 ms by default.
    #[serde(default, rename = "for")]
    pub window: Option<DurationSpec>,
    /// Exactly so many, counted when nothing is on its way any more (or after `for`).
    #[serde(default)]
    pub exactly: Option<usize>,
    /// The same as `exactly`.
    #[serde(default)]
    pub count: Option<usize>,
    /// At least so many.
    #[serde(default)]
    pub at_least: Option<usize>,
    /// At most so many, counted when nothing is on its way any more (or after `for`).
    #[serde(default)]
    pub at_most: Option<usize>,
    /// All of these, in any order.
    #[serde(default)]
    pub all: Vec<ExpectSpec>,
    /// One of these.
    #[serde(default)]
    pub any: Vec<ExpectSpec>,
    /// These in this order; no other message on their topics may come between.
    #[serde(default)]
    pub sequence: Vec<ExpectSpec>,

    /// The payload is this text.
    #[serde(default)]
    pub text: Option<String>,
    /// The payload is these bytes: text, as `text`.
    #[serde(default)]
    pub equals: Option<String>,
    /// The payload matches; named groups are kept.
    #[serde(default)]
    pub regex: Option<String>,
    /// The payload in hexadecimal; `??` is any byte.
    #[serde(default)]
    pub hex: Option<String>,
    /// The payload in Base64.
    #[serde(default)]
    pub base64: Option<String>,
    /// Whether the payload is empty.
    #[serde(default)]
    pub empty: Option<bool>,
    /// The payload's size in bytes: a number, or `{min, max}`.
    #[serde(default)]
    pub size: Option<Value>,
    /// The payload as JSON.
    #[serde(default)]
    pub json: Option<JsonSpec>,
    /// Places in the payload's JSON, by pointer: a value, or what must hold.
    #[serde(default)]
    pub at: BTreeMap<String, Value>,
    /// How the payload becomes JSON: `cbor`, `msgpack`, or `{cmd: [...]}` that reads the payload and prints JSON.
    #[serde(default)]
    pub decode: Option<Value>,
    /// A command that reads the payload and ends with 0 if it is right.
    #[serde(default)]
    pub cmd: Option<CommandSpec>,

    /// The QoS it was published with.
    #[serde(default)]
    pub qos: Option<u8>,
    /// Its RETAIN flag.
    #[serde(default)]
    pub retain: Option<bool>,
    /// Its DUP flag.
    #[serde(default)]
    pub dup: Option<bool>,
    /// Whether it is a will; only the embedded broker knows.
    #[serde(default)]
    pub will: Option<bool>,
    /// Its publisher; `*` and `?` stand for characters, `~` begins a pattern. Only the embedded broker knows.
    #[serde(default)]
    pub from: Option<String>,
    /// Properties by name; a text that begins with `~` is a pattern, `user` is an object.
    #[serde(default)]
    pub props: BTreeMap<String, Value>,
    /// How long after the last trigger it may come at most.
    #[serde(default)]
    pub latency: Option<DurationSpec>,

    /// An event of a client: `connect`, `refused`, `disconnect`, `close`, `subscribe`, `unsubscribe`, `packet`, `fault`,
    /// `malformed`, `session-expired`, `will`, `drop`.
    #[serde(default)]
    pub event: Option<String>,
    /// Whose event, as in `from`.
    #[serde(default)]
    pub client: Option<String>,
    /// Of `connect`: whether an earlier session goes on.
    #[serde(default)]
    pub session_present: Option<bool>,
    /// Of `packet`: its type.
    #[serde(default)]
    pub packet: Option<String>,
    /// Of any event: members of its record in the journal, as NDJSON has them.
    #[serde(default)]
    pub record: Option<Value>,
}

impl ExpectSpec {
    /// The members that are there, by their names in the file.
    pub(super) fn said(&self) -> Vec<&'static str> {
        let all = [
            (self.topic.is_some(), "topic"),
            (self.within.is_some(), "within"),
            (self.since.is_some(), "since"),
            (self.none.is_some(), "none"),
            (self.window.is_some(), "for"),
            (self.exactly.is_some(), "exactly"),
            (self.count.is_some(), "count"),
            (self.at_least.is_some(), "at_least"),
            (self.at_most.is_some(), "at_most"),
            (!self.all.is_empty(), "all"),
            (!self.any.is_empty(), "any"),
            (!self.sequence.is_empty(), "sequence"),
            (self.text.is_some(), "text"),
            (self.equals.is_some(), "equals"),
            (self.regex.is_some(), "regex"),
            (self.hex.is_some(), "hex"),
            (self.base64.is_some(), "base64"),
            (self.empty.is_some(), "empty"),
            (self.size.is_some(), "size"),
            (self.json.is_some(), "json"),
            (!self.at.is_empty(), "at"),
            (self.decode.is_some(), "decode"),
            (self.cmd.is_some(), "cmd"),
            (self.qos.is_some(), "qos"),
            (self.retain.is_some(), "retain"),
            (self.dup.is_some(), "dup"),
            (self.will.is_some(), "will"),
            (self.from.is_some(), "from"),
            (!self.props.is_empty(), "props"),
            (self.latency.is_some(), "latency"),
            (self.event.is_some(), "event"),
            (self.client.is_some(), "client"),
            (self.session_present.is_some(), "session_present"),
            (self.packet.is_some(), "packet"),
            (self.record.is_some(), "record"),
        ];
        all.into_iter().filter(|(is_said, _)| *is_said).map(|(_, word)| word).collect()
    }

    /// One member on a topic of its own, to see whether that one is wrong.
    pub(super) fn alone(&self, member: &str) -> Self {
        let mut alone = Self { topic: Some("a".to_owned()), ..Self::default() };
        match member {
            "topic" => alone.topic.clone_from(&self.topic),
            "text" => alone.text.clone_from(&self.text),
            "equals" => alone.equals.clone_from(&self.equals),
            "regex" => alone.regex.clone_from(&self.regex),
            "hex" => alone.hex.clone_from(&self.hex),
            "base64" => alone.base64.clone_from(&self.base64),
            "size" => alone.size.clone_from(&self.size),
            "json" => alone.json.clone_from(&self.json),
            "at" => alone.at.clone_from(&self.at),
            "decode" => alone.decode.clone_from(&self.decode),
            "cmd" => alone.cmd.clone_from(&self.cmd),
            "qos" => alone.qos = self.qos,
            "from" => alone.from.clone_from(&self.from),
            "props" => alone.props.clone_from(&self.props),
            _ => {}
        }
        alone
    }

    /// How many there must be, if that is said.
    pub(super) fn exact_count(&self) -> Option<usize> {
        self.exactly.or(self.count)
    }
}

/// What the payload is as JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JsonSpec {
    /// This.
    #[serde(default)]
    pub equals: Option<Value>,
    /// At least this.
    #[serde(default)]
    pub subset: Option<Value>,
    /// What this JSON Schema allows: the schema, or the name of its file.
    #[serde(default)]
    pub schema: Option<Value>,
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
