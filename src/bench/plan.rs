//! What a run is to do: the flags as they are meant, checked once.

use super::payload::{Payload, StampForm};
use super::schedule::{Profile, Schedule, mix};
use super::stamp::Stamp;
use super::storm::{self, Attendance, StormKind};
use super::template::{Context, Template};
use crate::net::tls::{PreSharedKey, TlsSettings};
use crate::packet::{Connect, Properties, Publish, Qos, SubscriptionOptions, Text, Will};
use bytes::Bytes;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What kind of run it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Publishers and subscribers in one process.
    Run,
    /// Publishers alone.
    Publish,
    /// Subscribers alone, which receive what others publish.
    Subscribe,
    /// Connections that only stay.
    Connect,
    /// Requests and their replies.
    Request,
}

impl Mode {
    /// The word of the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Publish => "pub",
            Self::Subscribe => "sub",
            Self::Connect => "conn",
            Self::Request => "rr",
        }
    }
}

/// Where the broker is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// The path of a unix domain socket.
    Unix(PathBuf),
}

/// What lies between MQTT and the socket.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// TLS; its files are read before the first connection.
    pub tls: Option<TlsSettings>,
    /// Files of certificate and key that differ from client to client; read when each connects.
    pub own: Option<(Template, Template)>,
    /// Identity and pre-shared key, where they differ from client to client.
    pub own_psk: Option<(Template, Template)>,
    /// WebSocket, at this path.
    pub websocket: Option<String>,
    /// Each client resumes its TLS session.
    pub resumes_tls: bool,
}

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Where to.
    pub address: Address,
    /// What lies over the socket.
    pub layers: Layers,
    /// Local addresses, taken in turn; empty for the system's choice.
    pub sources: Vec<IpAddr>,
    /// Send small packets at once (`TCP_NODELAY`).
    pub nodelay: bool,
    /// Ask the kernel to acknowledge at once what was read.
    pub quickack: bool,
    /// Size of the socket's send buffer in bytes; the system's by default.
    pub send_buffer: Option<usize>,
    /// Size of the socket's receive buffer in bytes; the system's by default.
    pub receive_buffer: Option<usize>,
}

/// One line of the file of credentials.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Credentials {
    /// Client Identifier; empty for that of the template.
    pub id: String,
    /// User Name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Files of certificate and key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// As whom clients connect.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Client Identifiers.
    pub id: Template,
    /// User Names.
    pub user: Option<Template>,
    /// Passwords.
    pub password: Option<Template>,
    /// Taken in turn by the index of the client; goes before the templates.
    pub credentials: Vec<Credentials>,
    /// Version, Clean Start, Keep Alive, properties; the will's topic and payload are templates.
    pub connect: Connect,
    /// Topic and payload of the will.
    pub will: Option<(Template, Template)>,
    /// How many clients share a group.
    pub groups: u32,
    /// `%h`.
    pub host: String,
    /// Index of the first client of this load.
    pub start_index: u32,
}

/// Pauses between attempts to connect again, each twice as long as the one before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
}

impl Backoff {
    /// The pause after so many attempts without success, in nanoseconds: where pauses grow, shortened by up to half so
    /// that clients that were lost together do not come back together. `seed` tells clients apart.
    #[must_use]
    pub fn pause(self, attempts: u32, seed: u64) -> u64 {
        let most = nanos(self.most);
        let pause = nanos(self.first).saturating_mul(1_u64 << attempts.min(62)).min(most);
        if self.first == self.most {
            return pause;
        }
        let half = pause / 2;
        pause - mix(seed ^ u64::from(attempts) << 40) % (half + 1)
    }
}

/// Load that is counted, but not in the result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WarmUp {
    /// This long.
    For(Duration),
    /// Until throughput and median latency have settled; see [`super::steady`].
    UntilSteady,
}

/// How much is sent, and when.
#[derive(Clone, Debug)]
pub struct Load {
    /// When each message is due; `None` sends as fast as broker and window allow, each message when the last one of the
    /// window is acknowledged.
    pub schedule: Option<Schedule>,
    /// Messages of the whole load, warm-up included; no limit by default.
    pub messages: Option<u64>,
    /// Load that is counted, but not in the result.
    pub warm_up: WarmUp,
    /// Whether a load that was not steady fails the run.
    pub demands_steady: bool,
    /// What the result is about.
    pub duration: Duration,
    /// How long nothing may arrive before what is missing counts as lost.
    pub drain: Duration,
    /// Messages later than this are not sent but counted.
    pub lag_max: Option<Duration>,
    /// Connections a second; as fast as they are accepted by default.
    pub connect_rate: Option<f64>,
    /// How long one connection may take to CONNACK.
    pub connect_timeout: Duration,
    /// When the load begins, by the wall clock; as soon as all clients are ready by default.
    pub start_at: Option<SystemTime>,
    /// The load begins when a message comes that matches this filter; retained ones count.
    pub gate: Option<String>,
    /// Clocks are compared with those of other processes.
    pub syncs_clocks: bool,
    /// How long a lost connection waits before it is made again; never again by default.
    pub reconnect: Option<Backoff>,
}

/// What is published.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where to.
    pub topic: Template,
    /// Quality of Service.
    pub qos: Qos,
    /// The RETAIN flag.
    pub retain: bool,
    /// The properties of each PUBLISH.
    pub properties: Properties,
    /// What it carries.
    pub payload: Payload,
    /// How it is marked.
    pub stamp: StampForm,
    /// Messages of QoS 1 and 2 in flight for each client; 0 for the server's Receive Maximum.
    pub window: u16,
}

/// What is subscribed to.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The filters of each client.
    pub filters: Vec<Template>,
    /// Publishers are shared out among the subscribers: each has the filters as its publishers would have them.
    pub is_paired: bool,
    /// Messages with the RETAIN flag are passed over.
    pub skips_retained: bool,
    /// Their options.
    pub options: SubscriptionOptions,
    /// The properties of each SUBSCRIBE.
    pub properties: Properties,
    /// Name of the shared subscription's group.
    pub share: Option<Template>,
    /// Messages a second that a subscriber reads at most while the load lasts, and how many subscribers do so.
    pub slow: Option<(f64, u32)>,
    /// The properties of the UNSUBSCRIBE at the end; none is sent by default.
    pub unsubscribe: Option<Properties>,
}

/// What makes the load.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Engine {
    /// Our own event loops.
    #[default]
    Own,
    /// The client library rumqttc.
    Rumqttc,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What kind.
    pub mode: Mode,
    /// A storm at the beginning of the load, in [`Mode::Connect`].
    pub storm: Option<StormKind>,
    /// What it is made of: topics that are retained, SUBSCRIBE packets of all clients, messages that wait for all of them.
    pub storm_total: u64,
    /// How connections are made.
    pub transport: Transport,
    /// As whom.
    pub identity: Identity,
    /// Publishers of the whole load; requesters in [`Mode::Request`].
    pub publishers: u32,
    /// Subscribers of the whole load; responders in [`Mode::Request`].
    pub subscribers: u32,
    /// How much.
    pub load: Load,
    /// What is published.
    pub message: Message,
    /// What is subscribed to.
    pub subscription: Subscription,
    /// What makes the load.
    pub engine: Engine,
    /// The properties of each DISCONNECT.
    pub disconnect: Properties,
    /// Event loops, each a thread.
    pub threads: usize,
    /// Each thread keeps to one processor.
    pub is_pinned: bool,
    /// This part of the load, of how many.
    pub segment: (u32, u32),
    /// The run, 24 bits.
    pub run: u32,
}

/// What a client does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Publishes.
    Publisher,
    /// Subscribes.
    Subscriber,
    /// Publishes requests and subscribes to their replies.
    Requester,
    /// Answers requests.
    Responder,
    /// Nothing.
    Idle,
}

impl Role {
    /// Whether it sends by the schedule.
    #[must_use]
    pub const fn publishes(self) -> bool {
        matches!(self, Self::Publisher | Self::Requester)
    }

    /// Whether it takes messages.
    #[must_use]
    pub const fn subscribes(self) -> bool {
        matches!(self, Self::Subscriber | Self::Requester | Self::Responder)
    }
}

/// A client of the whole load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its index among all clients, publishers first.
    pub client: u32,
    /// Its index among those of its role.
    pub index: u32,
    /// What it does.
    pub role: Role,
}

impl Plan {
    /// Clients of the whole load.
    #[must_use]
    pub const fn clients(&self) -> u32 {
        self.publishers + self.subscribers
    }

    /// The clients of this segment, in the order in which they connect: subscribers first, which must be there before
    /// the first message.
    pub fn members(&self) -> impl Iterator<Item = Member> + Clone + use<> {
        let (mode, publishers, subscribers) = (self.mode, self.publishers, self.subscribers);
        let (segment, segments) = self.segment;
        let receivers = (0..subscribers).map(move |index| Member {
            client: publishers + index,
            index,
            role: if mode == Mode::Request { Role::Responder } else { Role::Subscriber },
        });
        let senders = (0..publishers).map(move |index| Member {
            client: index,
            index,
            role: match mode {
                Mode::Connect => Role::Idle,
                Mode::Request => Role::Requester,
                _ => Role::Publisher,
            },
        });
        receivers.chain(senders).filter(move |member| member.index % segments.max(1) == segment)
    }

    /// The TLS settings of a client that has its own certificate.
    #[must_use]
    pub fn own_tls(&self, member: Member) -> Option<TlsSettings> {
        let layers = &self.transport.layers;
        let settings = layers.tls.as_ref()?;
        let mut context = self.context(member, "", "");
        context.index = member.client + self.identity.start_index;
        if let Some(both) = &layers.own_psk {
            return Some(TlsSettings { psk: Some(pre_shared(both, &context)), ..settings.clone() });
        }
        let listed = self.credentials(context.index).and_then(|row| row.certificate.clone());
        let rendered = || {
            let (certificate, key) = layers.own.as_ref()?;
            Some((certificate.render(&context).into(), key.render(&context).into()))
        };
        let (certificate, key) = listed.or_else(rendered)?;
        Some(TlsSettings { certificate: Some(certificate), key: Some(key), ..settings.clone() })
    }

    /// The line of the file of credentials that a client has.
    fn credentials(&self, number: u32) -> Option<&Credentials> {
        let all = &self.identity.credentials;
        all.get((number as usize).checked_rem(all.len())?)
    }

    /// The group of a client.
    #[must_use]
    pub const fn group(&self, index: u32) -> u32 {
        if self.identity.groups == 0 { 0 } else { index % self.identity.groups }
    }

    /// The CONNECT of a client.
    #[must_use]
    pub fn connect(&self, member: Member) -> Connect {
        let mut connect = self.identity.connect.clone();
        let number = member.client + self.identity.start_index;
        let mut context = self.context(member, "", "");
        context.index = number;
        let row = self.credentials(number);
        let render =
            |template: &Option<Template>| template.as_ref().map(|template| template.render(&context));
        let user = row.and_then(|row| row.user.clone()).or_else(|| render(&self.identity.user));
        let password = row.and_then(|row| row.password.clone()).or_else(|| render(&self.identity.password));
        let own_id = row.map(|row| row.id.clone()).filter(|id| !id.is_empty());
        let id = own_id.unwrap_or_else(|| self.identity.id.render(&context));
        if let (Some(will), Some((topic, payload))) = (&mut connect.will, &self.identity.will) {
            let context = Context { client: &id, user: user.as_deref().unwrap_or_default(), ..context };
            *will = Will {
                topic: Text::new(topic.render(&context)).unwrap_or(Text::EMPTY),
                payload: payload.render(&context).into(),
                ..will.clone()
            };
        }
        connect.client_identifier = Text::new(id).unwrap_or(Text::EMPTY);
        connect.user_name = user.and_then(|user| Text::new(user).ok());
        connect.password = password.map(Bytes::from);
        connect
    }

    /// What templates of topics and payloads see of a client.
    #[must_use]
    pub fn context<'a>(&'a self, member: Member, client: &'a str, user: &'a str) -> Context<'a> {
        Context {
            index: member.index + self.identity.start_index,
            group: self.group(member.index),
            client,
            user,
            host: &self.identity.host,
            sequence: 0,
        }
    }

    /// The topic of a publisher, where it is the same for all its messages.
    #[must_use]
    pub fn topic(&self, member: Member) -> String {
        let connect = self.connect(member);
        let user = connect.user_name.as_deref().unwrap_or_default();
        self.message.topic.render(&self.context(member, &connect.client_identifier, user))
    }

    /// The filters of a subscriber without the shared subscription's prefix.
    #[must_use]
    pub fn filters(&self, member: Member) -> Vec<String> {
        let partners = if self.subscription.is_paired { self.partners(member) } else { Vec::new() };
        let names = if partners.is_empty() { vec![member] } else { partners };
        let filters = names.into_iter().flat_map(|named| {
            let connect = self.connect(named);
            let user = connect.user_name.as_deref().unwrap_or_default();
            let context = self.context(named, &connect.client_identifier, user);
            self.subscription.filters.iter().map(|filter| filter.render(&context)).collect::<Vec<_>>()
        });
        filters.collect()
    }

    /// The publishers whose messages are for this subscriber alone.
    fn partners(&self, member: Member) -> Vec<Member> {
        let role = if self.mode == Mode::Request { Role::Requester } else { Role::Publisher };
        let every = self.subscribers.max(1) as usize;
        let indices = (member.index..self.publishers).step_by(every);
        indices.map(|index| Member { client: index, index, role }).collect()
    }

    /// The name of the shared subscription that a subscriber is a member of.
    #[must_use]
    pub fn share(&self, member: Member) -> Option<String> {
        let context = self.context(member, "", "");
        self.subscription.share.as_ref().map(|share| share.render(&context))
    }

    /// What a client of a storm waits for.
    #[must_use]
    pub fn attendance(&self, member: Member) -> Option<Attendance> {
        let kind = self.storm.filter(|kind| kind.is_attended() && member.role == Role::Idle)?;
        Some(Attendance::new(match kind {
            StormKind::Retain => self.storm_total,
            _ => storm::share(self.storm_total, member.index, self.publishers),
        }))
    }

    /// The messages that are published before a storm that delivers them, each with the stamp by which it is known.
    pub fn storm_messages(&self) -> impl Iterator<Item = Publish> + '_ {
        let everybody = self.members().filter(|member| member.role == Role::Idle);
        let is_retained = self.storm == Some(StormKind::Retain);
        // What is retained is one client's.
        let authors = everybody.take(if is_retained { 1 } else { usize::MAX });
        authors.flat_map(move |member| {
            let count = self.attendance(member).map_or(0, |attendance| attendance.awaited());
            (0..count).map(move |sequence| self.storm_message(member, sequence, is_retained))
        })
    }

    fn storm_message(&self, member: Member, sequence: u64, retain: bool) -> Publish {
        let topic = self.storm_topic(member, sequence);
        let context = Context { sequence, ..self.context(member, "", "") };
        let mut payload = self.message.payload.with(&context, <[u8]>::to_vec);
        if payload.len() >= super::stamp::FULL_BYTES {
            let (run, stream) = (self.run, member.index);
            Stamp { run, stream, sequence, due: 0, is_warm_up: false }.write_full(&mut payload);
        }
        Publish {
            // The broker has to have it before the storm begins; how it delivers it is the subscription's choice.
            qos: self.message.qos.max(Qos::AtLeastOnce),
            retain,
            topic: Text::new(topic).unwrap_or(Text::EMPTY),
            properties: self.message.properties.clone(),
            payload: payload.into(),
            ..Publish::default()
        }
    }

    fn storm_topic(&self, member: Member, sequence: u64) -> String {
        let connect = self.connect(member);
        let user = connect.user_name.as_deref().unwrap_or_default();
        let context = self.context(member, &connect.client_identifier, user);
        self.message.topic.render(&Context { sequence, ..context })
    }

    /// The filter of SUBSCRIBE number `sequence` of a client, for each of its templates.
    pub fn storm_filters(&self, member: Member, sequence: u64) -> Vec<String> {
        let connect = self.connect(member);
        let user = connect.user_name.as_deref().unwrap_or_default();
        let context = Context { sequence, ..self.context(member, &connect.client_identifier, user) };
        self.subscription.filters.iter().map(|filter| filter.render(&context)).collect()
    }

    /// Where the reply to a request of `topic` comes.
    #[must_use]
    pub fn response_topic(topic: &str) -> String {
        format!("{topic}/response")
    }

    /// Nanoseconds of load, warm-up included; `u64::MAX` when only the number of messages ends it.
    #[must_use]
    pub fn load_nanos(&self) -> u64 {
        match self.load.warm_up {
            WarmUp::For(length) => nanos(length.saturating_add(self.load.duration)),
            WarmUp::UntilSteady => u64::MAX,
        }
    }

    /// Nanoseconds of warm-up; `u64::MAX` when the load itself ends it.
    #[must_use]
    pub fn warm_up_nanos(&self) -> u64 {
        match self.load.warm_up {
            WarmUp::For(length) => nanos(length),
            WarmUp::UntilSteady => u64::MAX,
        }
    }

    /// Messages a second that are asked for on average while it is measured, which begins `from` seconds into the load;
    /// `None` without a schedule.
    #[must_use]
    pub fn rate_asked_from(&self, from: f64) -> Option<f64> {
        let schedule = self.load.schedule.as_ref()?;
        let length = self.load.duration.as_secs_f64();
        let due = schedule.profile.count_until(from + length) - schedule.profile.count_until(from);
        (length > 0.0).then(|| due / length)
    }

    /// What part of the whole rate is this segment's.
    #[must_use]
    pub fn rate_share(&self) -> f64 {
        let own = self.members().filter(|member| member.role.publishes()).count();
        #[allow(clippy::cast_precision_loss)] // publishers are fewer than 2^32
        let own = own as f64;
        own / f64::from(self.publishers.max(1))
    }

    /// As [`Plan::rate_asked_from`], from the end of the warm-up as far as that is known.
    #[must_use]
    pub fn rate_asked(&self) -> Option<f64> {
        match self.load.warm_up {
            WarmUp::For(length) => self.rate_asked_from(length.as_secs_f64()),
            WarmUp::UntilSteady => self.rate_asked_from(0.0),
        }
    }
}

/// The key of a client, and its name.
#[must_use]
pub fn pre_shared(templates: &(Template, Template), context: &Context<'_>) -> PreSharedKey {
    PreSharedKey { identity: templates.0.render(context), key: templates.1.render(context) }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// A rate that never changes, for the whole load.
#[must_use]
pub fn constant(rate: f64, publishers: u32) -> Schedule {
    Schedule { profile: Profile::constant(rate), arrival: super::schedule::Arrival::Uniform, publishers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_differ_between_clients() {
        let seconds = Duration::from_secs;
        let growing = Backoff { first: seconds(1), most: seconds(30) };
        for (attempt, most) in [(0, 1), (1, 2), (2, 4), (4, 16), (5, 30), (400, 30)] {
            let (pause, most) = (growing.pause(attempt, 1), nanos(seconds(most)));
            assert!((most / 2..=most).contains(&pause), "attempt {attempt}: {pause}");
        }
        assert_ne!(growing.pause(3, 1), growing.pause(3, 2));
        let fixed = Backoff { first: seconds(5), most: seconds(5) };
        assert_eq!((fixed.pause(0, 1), fixed.pause(9, 2)), (5_000_000_000, 5_000_000_000));
    }
}
