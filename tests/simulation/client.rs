//! One client of the world: its session, its subscription, and what the broker must know of it.

use crate::random::Random;
use crate::wire::Conversation;
use culex::packet::{Properties, Property, PropertyIdentifier, ProtocolVersion, Qos, Text};
use culex::session::{Config, Session};
use culex::time::Time;
use std::time::Duration;

pub(crate) struct Client {
    pub(crate) session: Session,
    pub(crate) version: ProtocolVersion,
    pub(crate) is_durable: bool,
    /// How long the broker keeps the session without a connection; `None` for ever.
    expiry: Option<Duration>,
    pub(crate) conversation: Conversation,
    /// The link over which the session runs, as the client sees it.
    pub(crate) link: Option<u32>,
    /// The link over which the session runs, as the broker sees it.
    pub(crate) server_link: Option<u32>,
    /// Whether the broker keeps a session, and until when if there is an end.
    session_kept: Option<Option<Time>>,
    /// Counts the sessions that the broker has made for this client.
    pub(crate) session_serial: u32,
    /// The one that the client took part in last.
    pub(crate) known_serial: u32,
}

impl Client {
    pub(crate) fn new(number: usize, random: &mut Random) -> (Self, Qos) {
        let version = random.one_of(&[
            ProtocolVersion::V31,
            ProtocolVersion::V311,
            ProtocolVersion::V5,
            ProtocolVersion::V5,
        ]);
        let is_durable = random.chance(2, 3);
        let expiry = random.one_of(&[None, Some(5), Some(60)]).map(Duration::from_secs);
        // Only MQTT 5 names an expiry.
        let expiry = expiry.filter(|_| version == ProtocolVersion::V5);
        let mut config = Config {
            inflight_max: u16::try_from(random.between(1, 5)).unwrap(),
            queue_messages_max: random.between(1, 50),
            assigned_aliases_max: u16::try_from(random.between(0, 3)).unwrap(),
            trace: random.chance(1, 2),
            ..Config::default()
        };
        config.connect.version = version;
        config.connect.client_identifier = Text::try_from(format!("client-{number}")).unwrap();
        config.connect.clean_start = !is_durable;
        config.connect.keep_alive = random.one_of(&[0, 5, 60]);
        if version == ProtocolVersion::V5 {
            config.connect.properties = properties(is_durable, expiry, random);
        }
        let client = Self {
            session: Session::new(config),
            version,
            is_durable,
            expiry,
            conversation: Conversation::default(),
            link: None,
            server_link: None,
            session_kept: None,
            session_serial: 0,
            known_serial: 0,
        };
        (client, Qos::from_number(u8::try_from(random.between(0, 2)).unwrap()).unwrap())
    }

    /// The broker reads CONNECT on `link`: whether CONNACK must say that the session is present.
    pub(crate) fn broker_connects(&mut self, now: Time, link: u32) -> bool {
        let is_kept = match self.session_kept {
            Some(Some(end)) => now < end,
            Some(None) => true,
            None => false,
        };
        let session_present = self.is_durable && is_kept;
        self.server_link = Some(link);
        self.session_kept = Some(None);
        self.conversation.by_server.connection_lost();
        if !session_present {
            self.session_serial += 1;
            self.conversation.by_server.session_lost();
        }
        session_present
    }

    /// The broker has forgotten the connection over `link`.
    pub(crate) fn broker_lost(&mut self, now: Time, link: u32) {
        if self.server_link != Some(link) {
            return;
        }
        self.server_link = None;
        self.conversation.by_server.connection_lost();
        self.session_kept = self.is_durable.then(|| self.expiry.map(|expiry| now + expiry));
    }
}

fn properties(is_durable: bool, expiry: Option<Duration>, random: &mut Random) -> Properties {
    let mut properties = Properties::EMPTY;
    let mut push = |identifier, number| properties.push(Property::number(identifier, number)).unwrap();
    if is_durable {
        let seconds = expiry.map_or(u32::MAX, |expiry| u32::try_from(expiry.as_secs()).unwrap());
        push(PropertyIdentifier::SessionExpiryInterval, seconds);
    }
    let small = |random: &mut Random, low, high| u32::try_from(random.between(low, high)).unwrap();
    if random.chance(1, 2) {
        push(PropertyIdentifier::ReceiveMaximum, small(random, 1, 4));
    }
    if random.chance(1, 2) {
        push(PropertyIdentifier::TopicAliasMaximum, small(random, 0, 3));
    }
    properties
}
