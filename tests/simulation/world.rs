//! Clients, the broker, and the network between them: one action a step, all of it decided by the seed.

use crate::client::Client;
use crate::model::Model;
use crate::plan::Plan;
use crate::random::Random;
use crate::wire::Tap;
use bytes::Bytes;
use culex::broker::{Broker, ConnectionId, ConnectionInfo, Progress};
use culex::packet::{
    Connack, Disconnect, Packet, Properties, ProtocolVersion, Publish, Qos, ReasonCode, Sender,
    SubscriptionOptions, Text, Transmit,
};
use culex::session::{Event, SessionError};
use culex::time::Time;
use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::time::Duration;

const TOPICS: usize = 3;

/// A side asks its core for no more bytes while so many are on their way.
const PIPE_BYTES_MAX: usize = 4_000;

/// Rounds without faults after which everything must have come to rest.
const SETTLE_ROUNDS_MAX: usize = 2_000;

/// The bytes on their way in one direction, and their receiver's view of them.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    tap: Tap,
}

/// One connection, which each side may think open when the other does not.
struct Link {
    client: usize,
    id: ConnectionId,
    up: Pipe,
    down: Pipe,
    client_open: bool,
    broker_open: bool,
    /// The broker has something for it.
    is_ready: bool,
    /// Whatever is sent disappears.
    is_silent: bool,
    /// What CONNACK must say.
    session_present: bool,
    /// Which session of the client's it belongs to.
    session_serial: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Up,
    Down,
}

pub(crate) struct World {
    random: Random,
    now: Time,
    broker: Broker,
    clients: Vec<Client>,
    links: BTreeMap<u32, Link>,
    links_made: u32,
    model: Model,
    faults: usize,
    /// Cut everything when so many bytes have gone in that direction.
    pub(crate) cut_at: Option<(Direction, usize)>,
    pub(crate) carried: [usize; 2],
    trace: Option<Vec<String>>,
    digest: u64,
}

impl World {
    pub(crate) fn new(plan: &Plan, is_traced: bool) -> Self {
        let mut random = Random::new(plan.seed);
        let is_lossy = random.chance(1, 4);
        let mut config = culex::broker::Config {
            seed: plan.seed,
            max_inflight_messages: u16::try_from(random.between(1, 6)).unwrap(),
            max_queued_messages: if is_lossy { 3 } else { 0 },
            queue_qos0_messages: random.chance(1, 2),
            listeners: vec![culex::broker::ListenerConfig {
                max_topic_alias: u16::try_from(random.between(0, 3)).unwrap(),
                ..culex::broker::ListenerConfig::default()
            }],
            max_topic_alias_broker: u16::try_from(random.between(0, 3)).unwrap(),
            sys_interval: Duration::ZERO,
            ..culex::broker::Config::default()
        };
        config.max_outgoing_bytes = random.one_of(&[500, 256 << 10]);
        let mut model = Model::new(is_lossy);
        let mut clients = Vec::new();
        for number in 0..plan.clients {
            let (client, qos) = Client::new(number, &mut random);
            clients.push(client);
            model.add_subscriber(qos);
        }
        Self {
            broker: Broker::new(config, Time::ZERO),
            random,
            now: Time::ZERO,
            clients,
            links: BTreeMap::new(),
            links_made: 0,
            model,
            faults: plan.faults,
            cut_at: None,
            carried: [0; 2],
            trace: is_traced.then(Vec::new),
            digest: 0,
        }
    }

    pub(crate) fn run(&mut self, plan: &Plan) -> Result<(), String> {
        for step in 0..plan.steps {
            self.step().map_err(|failure| format!("step {step}: {failure}"))?;
        }
        self.settle().map_err(|failure| format!("settling: {failure}"))?;
        self.model.check_end()
    }

    pub(crate) fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = format!("{:>10.3} {}", self.now.since(Time::ZERO).as_secs_f64(), line());
            trace.push(line);
        }
    }

    /// Makes `bytes` part of what the same seed must repeat.
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3).rotate_left(7);
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let client = self.random.below(self.clients.len());
        let link = self.random_link();
        match (self.random.below(100), link) {
            (0..20, _) => self.publish(client),
            (20..35, _) => self.flush_client(client),
            (35..52, Some(link)) => self.carry(link, Direction::Up),
            (52..70, Some(link)) => self.carry(link, Direction::Down),
            (70..80, _) => self.flush_broker(),
            (80..90, _) => self.connect(client),
            (90..95, _) => {
                let milliseconds = self.random.between(0, 200) as u64;
                self.advance(Duration::from_millis(milliseconds))
            }
            (95..96, _) => self.disconnect(client),
            (96.., link) if self.faults > 0 => {
                self.faults -= 1;
                self.fault(link)
            }
            _ => Ok(()),
        }
    }

    fn random_link(&mut self) -> Option<u32> {
        if self.links.is_empty() {
            return None;
        }
        let place = self.random.below(self.links.len());
        self.links.keys().nth(place).copied()
    }

    pub(crate) fn connect(&mut self, number: usize) -> Result<(), String> {
        let client = &mut self.clients[number];
        if client.link.is_some() {
            return Ok(());
        }
        self.links_made += 1;
        let serial = self.links_made;
        client.session.handle_open(self.now);
        client.link = Some(serial);
        let id = self.broker.open(self.now, ConnectionInfo::default());
        let link = Link {
            client: number,
            id,
            up: Pipe::default(),
            down: Pipe::default(),
            client_open: true,
            broker_open: true,
            is_ready: false,
            is_silent: false,
            session_present: false,
            session_serial: 0,
        };
        self.links.insert(serial, link);
        self.note(|| format!("client {number} opens link {serial}"));
        self.flush_client(number)
    }

    pub(crate) fn publish(&mut self, number: usize) -> Result<(), String> {
        let topic = self.random.below(TOPICS);
        let qos = Qos::from_number(u8::try_from(self.random.below(3)).unwrap()).unwrap();
        self.publish_as(number, topic, qos)
    }

    pub(crate) fn publish_as(&mut self, number: usize, topic: usize, qos: Qos) -> Result<(), String> {
        let message = self.model.next_message();
        // Some payloads are so large that they are shared, and cut into many pieces.
        let padding = if message % 37 == 36 { 5_000 } else { 0 };
        let payload = Bytes::from(format!("{message} {:padding$}", ""));
        let publish = Publish {
            qos,
            topic: Text::try_from(format!("t/{topic}")).unwrap(),
            payload,
            ..Publish::default()
        };
        let client = &mut self.clients[number];
        match client.session.publish(self.now, publish) {
            Ok(id) => {
                self.note(|| format!("client {number} publishes message {message}, {qos:?}, as {id}"));
                self.model.accepted(number, topic, qos, id.get())?;
                let session = &self.clients[number].session;
                if session.waiting() > session.config().queue_messages_max {
                    return Err(format!("client {number} took message {message} into a full queue"));
                }
            }
            Err(SessionError::QueueFull) => {}
            Err(error) => return Err(format!("client {number} cannot publish: {error}")),
        }
        self.drain_events(number)
    }

    /// Writes what a client has ready.
    pub(crate) fn flush_client(&mut self, number: usize) -> Result<(), String> {
        let client = &mut self.clients[number];
        let Some(serial) = client.link else { return Ok(()) };
        let Some(link) = self.links.get_mut(&serial) else { return Ok(()) };
        if link.up.bytes.len() > PIPE_BYTES_MAX {
            return Ok(());
        }
        let mut transmit = Transmit::new();
        client.session.poll_transmit(&mut transmit);
        let bytes = bytes_of(&transmit);
        let packets = Tap::default().packets(bytes.clone(), client.version, Sender::Client)?;
        client.conversation.client_sent(&packets)?;
        if !link.is_silent {
            link.up.bytes.extend(&bytes);
        }
        let is_closing = client.session.is_closing();
        self.mix(&bytes);
        self.note_packets(&packets, || format!("client {number} writes"));
        self.drain_events(number)?;
        if is_closing && self.clients[number].session.pending() == 0 {
            self.client_closes(serial);
        }
        Ok(())
    }

    /// Writes what the broker has ready.
    pub(crate) fn flush_broker(&mut self) -> Result<(), String> {
        self.flush_broker_up_to(PIPE_BYTES_MAX)
    }

    fn flush_broker_up_to(&mut self, pipe_bytes_max: usize) -> Result<(), String> {
        while let Some(id) = self.broker.poll_ready() {
            if let Some(link) = self.links.values_mut().find(|link| link.id == id) {
                link.is_ready = true;
            }
        }
        let ready: Vec<u32> =
            self.links.iter().filter(|(_, link)| link.is_ready).map(|(serial, _)| *serial).collect();
        for serial in ready {
            self.flush_link(serial, pipe_bytes_max)?;
        }
        Ok(())
    }

    fn flush_link(&mut self, serial: u32, pipe_bytes_max: usize) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&serial) else { return Ok(()) };
        if link.down.bytes.len() > pipe_bytes_max {
            return Ok(());
        }
        let mut transmit = Transmit::new();
        let progress = self.broker.poll_transmit(link.id, &mut transmit);
        link.is_ready = progress == Progress::More;
        let bytes = bytes_of(&transmit);
        if link.client_open && !link.is_silent {
            link.down.bytes.extend(&bytes);
        }
        let number = link.client;
        let client = &mut self.clients[number];
        let packets = Tap::default().packets(bytes.clone(), client.version, Sender::Server)?;
        if client.server_link == Some(serial) {
            client.conversation.server_sent(&packets)?;
        }
        self.mix(&bytes);
        self.note_packets(&packets, || format!("broker writes on link {serial}"));
        if progress == Progress::Close {
            self.note(|| format!("broker closes link {serial}"));
            self.broker_closed(serial);
        }
        Ok(())
    }

    /// Brings some bytes, or all, to their receiver.
    fn carry(&mut self, serial: u32, direction: Direction) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&serial) else { return Ok(()) };
        let waiting = match direction {
            Direction::Up => link.up.bytes.len(),
            Direction::Down => link.down.bytes.len(),
        };
        let count =
            if waiting == 0 || self.random.chance(1, 3) { waiting } else { self.random.between(1, waiting) };
        self.carry_bytes(serial, direction, count)
    }

    fn carry_bytes(&mut self, serial: u32, direction: Direction, mut count: usize) -> Result<(), String> {
        let mut is_cut = false;
        if let Some((at, place)) = self.cut_at.filter(|(at, _)| *at == direction) {
            let left = place - self.carried[at as usize];
            is_cut = count >= left;
            count = count.min(left);
        }
        self.carried[direction as usize] += count;
        match direction {
            Direction::Up => self.carry_up(serial, count)?,
            Direction::Down => self.carry_down(serial, count)?,
        }
        if is_cut {
            self.cut_at = None;
            self.cut(serial)?;
        }
        Ok(())
    }

    fn carry_up(&mut self, serial: u32, count: usize) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&serial) else { return Ok(()) };
        let bytes: Bytes = link.up.bytes.drain(..count).collect();
        if link.broker_open && !bytes.is_empty() {
            let client = &mut self.clients[link.client];
            let packets = link.up.tap.packets(bytes.clone(), client.version, Sender::Client)?;
            if packets.iter().any(|packet| matches!(packet, Packet::Connect(_))) {
                link.session_present = client.broker_connects(self.now, serial);
                link.session_serial = client.session_serial;
            }
            if client.server_link == Some(serial) {
                client.conversation.server_received(&packets);
            }
            let id = link.id;
            if packets.iter().any(|packet| matches!(packet, Packet::Disconnect(_))) {
                client.broker_lost(self.now, serial);
            }
            self.note_packets(&packets, || format!("broker reads on link {serial}"));
            self.broker.handle_bytes(self.now, id, bytes);
        }
        let link = &self.links[&serial];
        if !link.client_open && link.up.bytes.is_empty() && link.broker_open {
            self.broker.handle_closed(self.now, link.id);
            self.note(|| format!("broker sees link {serial} closed"));
            self.broker_closed(serial);
        }
        Ok(())
    }

    fn carry_down(&mut self, serial: u32, count: usize) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&serial) else { return Ok(()) };
        let bytes: Bytes = link.down.bytes.drain(..count).collect();
        let number = link.client;
        if link.client_open && !bytes.is_empty() {
            let client = &mut self.clients[number];
            let packets = link.down.tap.packets(bytes.clone(), client.version, Sender::Server)?;
            // Behind its own DISCONNECT a client hears nothing.
            if !client.session.is_closing() {
                client.conversation.client_received(&packets);
            }
            self.note_packets(&packets, || format!("client {number} reads"));
            let client = &mut self.clients[number];
            client
                .session
                .handle_bytes(self.now, bytes)
                .map_err(|error| format!("client {number} says of the broker: {error}"))?;
            self.drain_events(number)?;
        }
        let Some(link) = self.links.get(&serial) else { return Ok(()) };
        if !link.broker_open && link.down.bytes.is_empty() && link.client_open {
            self.client_closes(serial);
        }
        Ok(())
    }

    /// The client's end of the link is gone.
    fn client_closes(&mut self, serial: u32) {
        let Some(link) = self.links.get_mut(&serial) else { return };
        let number = link.client;
        if link.client_open {
            link.client_open = false;
            link.down.bytes.clear();
            let client = &mut self.clients[number];
            if client.link == Some(serial) {
                client.link = None;
                client.session.handle_closed(self.now);
                client.conversation.by_client.connection_lost();
            }
            self.note(|| format!("client {number} leaves link {serial}"));
        }
        self.forget_if_closed(serial);
    }

    /// The broker's end of the link is gone.
    fn broker_closed(&mut self, serial: u32) {
        let Some(link) = self.links.get_mut(&serial) else { return };
        link.broker_open = false;
        link.is_ready = false;
        link.up.bytes.clear();
        let client = &mut self.clients[link.client];
        client.broker_lost(self.now, serial);
        self.forget_if_closed(serial);
    }

    fn forget_if_closed(&mut self, serial: u32) {
        if self.links.get(&serial).is_some_and(|link| !link.client_open && !link.broker_open) {
            self.links.remove(&serial);
        }
    }

    pub(crate) fn drain_events(&mut self, number: usize) -> Result<(), String> {
        while let Some(event) = self.clients[number].session.poll_event() {
            match event {
                Event::Connected(connack) => self.connected(number, &connack)?,
                Event::Subscribed(suback) => {
                    if suback.reasons.iter().any(|reason| reason.is_error()) {
                        return Err(format!("client {number} may not subscribe: {suback:?}"));
                    }
                    self.model.subscribed(number);
                }
                Event::Message(publish) => {
                    let text = String::from_utf8_lossy(&publish.payload);
                    let message = text.split(' ').next().and_then(|word| word.parse().ok());
                    let topic = publish.topic.strip_prefix("t/").and_then(|topic| topic.parse().ok());
                    let (Some(message), Some(topic)) = (message, topic) else {
                        return Err(format!("client {number} got {publish:?}"));
                    };
                    self.model.delivered(number, message, topic)?;
                    self.note(|| format!("client {number} gets message {message}"));
                }
                Event::Acknowledged { id, qos, reason, .. } => {
                    if reason.is_error() {
                        return Err(format!("client {number}: message {id} was refused: {reason:?}"));
                    }
                    self.model.acknowledged(number, qos, id.get())?;
                }
                Event::Disconnected(Disconnect { reason, .. }) => {
                    if !matches!(reason, ReasonCode::KEEP_ALIVE_TIMEOUT | ReasonCode::SESSION_TAKEN_OVER) {
                        return Err(format!("client {number} is thrown out: {reason:?}"));
                    }
                }
                Event::Refused(connack) => return Err(format!("client {number} is refused: {connack:?}")),
                Event::Unsubscribed(_) | Event::Auth(_) | Event::Quiet => {
                    return Err(format!("client {number}: {event:?}"));
                }
                Event::Sent(_) | Event::Received(_) => {}
            }
        }
        Ok(())
    }

    fn connected(&mut self, number: usize, connack: &Connack) -> Result<(), String> {
        let client = &mut self.clients[number];
        let Some(link) = client.link.and_then(|serial| self.links.get(&serial)) else {
            return Err(format!("client {number} is connected over nothing"));
        };
        let (session_present, serial) = (link.session_present, link.session_serial);
        let has_flag = client.version != ProtocolVersion::V31;
        if has_flag && connack.session_present != session_present {
            return Err(format!("client {number}: session present is {}", connack.session_present));
        }
        if !session_present {
            client.conversation.by_client.session_lost();
        }
        // The session that is present may be one whose CONNACK the client never saw: it cannot tell.
        if client.known_serial != serial {
            client.known_serial = serial;
            self.model.session_lost(number);
        }
        if self.model.is_subscribed(number) {
            return Ok(());
        }
        let maximum_qos = self.model.subscribed_qos(number);
        let options = SubscriptionOptions { maximum_qos, ..SubscriptionOptions::default() };
        let filters = vec![(Text::try_from("t/+").unwrap(), options)];
        let client = &mut self.clients[number];
        match client.session.subscribe(self.now, Properties::EMPTY, filters) {
            // The server ended the connection in the same block.
            Ok(_) | Err(SessionError::NotConnected) => Ok(()),
            Err(error) => Err(format!("client {number} cannot subscribe: {error}")),
        }
    }

    pub(crate) fn advance(&mut self, duration: Duration) -> Result<(), String> {
        self.now = self.now + duration;
        if self.broker.poll_timeout().is_some_and(|due| due <= self.now) {
            self.broker.handle_timeout(self.now);
            // What it closes now is closed now, which decides about the expiry of sessions.
            self.flush_broker_up_to(usize::MAX)?;
        }
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            if client.session.poll_timeout().is_none_or(|due| due > self.now) {
                continue;
            }
            if client.session.handle_timeout(self.now).is_err()
                && let Some(serial) = client.link
            {
                self.note(|| format!("client {number} waits no longer"));
                self.client_closes(serial);
            }
            self.drain_events(number)?;
        }
        Ok(())
    }

    fn disconnect(&mut self, number: usize) -> Result<(), String> {
        self.note(|| format!("client {number} disconnects"));
        self.clients[number].session.disconnect(self.now, Disconnect::default());
        self.flush_client(number)
    }

    fn fault(&mut self, link: Option<u32>) -> Result<(), String> {
        let Some(serial) = link else {
            return self.jump();
        };
        match self.random.below(6) {
            0 => self.jump(),
            1 => {
                self.note(|| format!("link {serial} falls silent"));
                if let Some(link) = self.links.get_mut(&serial) {
                    link.is_silent = true;
                    link.up.bytes.clear();
                    link.down.bytes.clear();
                }
                Ok(())
            }
            2 => self.cut(serial),
            // One side notices; the other gets a part of what was on its way and notices when that is read.
            3 => {
                self.lose_tail(serial, Direction::Up);
                self.client_closes(serial);
                Ok(())
            }
            4 => {
                self.lose_tail(serial, Direction::Down);
                if let Some(link) = self.links.get(&serial).filter(|link| link.broker_open) {
                    self.broker.handle_closed(self.now, link.id);
                    self.note(|| format!("broker loses link {serial}"));
                    self.broker_closed(serial);
                }
                Ok(())
            }
            _ => {
                self.lose_tail(serial, Direction::Up);
                self.lose_tail(serial, Direction::Down);
                self.client_closes(serial);
                Ok(())
            }
        }
    }

    fn jump(&mut self) -> Result<(), String> {
        let seconds = self.random.between(1, 120) as u64;
        self.note(|| format!("the clock jumps by {seconds} s"));
        self.advance(Duration::from_secs(seconds))
    }

    fn lose_tail(&mut self, serial: u32, direction: Direction) {
        let Some(link) = self.links.get_mut(&serial) else { return };
        let bytes = match direction {
            Direction::Up => &mut link.up.bytes,
            Direction::Down => &mut link.down.bytes,
        };
        let kept = self.random.between(0, bytes.len());
        bytes.truncate(kept);
    }

    /// Both sides lose the link at once, with everything on its way.
    pub(crate) fn cut(&mut self, serial: u32) -> Result<(), String> {
        self.note(|| format!("link {serial} is cut"));
        if let Some(link) = self.links.get(&serial).filter(|link| link.broker_open) {
            self.broker.handle_closed(self.now, link.id);
            self.broker_closed(serial);
        }
        self.client_closes(serial);
        Ok(())
    }

    /// One round in which everything that can move does.
    pub(crate) fn round(&mut self) -> Result<(), String> {
        for number in 0..self.clients.len() {
            self.connect(number)?;
            self.flush_client(number)?;
        }
        for direction in [Direction::Up, Direction::Down] {
            let serials: Vec<u32> = self.links.keys().copied().collect();
            for serial in serials {
                let Some(link) = self.links.get(&serial) else { continue };
                let count = match direction {
                    Direction::Up => link.up.bytes.len(),
                    Direction::Down => link.down.bytes.len(),
                };
                self.carry_bytes(serial, direction, count)?;
            }
            self.flush_broker()?;
        }
        Ok(())
    }

    /// Without faults everything comes to rest: all are connected, nothing waits, nothing is on its way.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        let silent: Vec<u32> =
            self.links.iter().filter(|(_, link)| link.is_silent).map(|(serial, _)| *serial).collect();
        for serial in silent {
            self.cut(serial)?;
        }
        for _ in 0..SETTLE_ROUNDS_MAX {
            self.round()?;
            if self.is_at_rest() {
                return Ok(());
            }
        }
        let stuck: Vec<_> = (0..)
            .zip(&self.clients)
            .map(|(number, client): (usize, _)| {
                let session = &client.session;
                (number, session.is_connected(), session.inflight(), session.waiting(), session.pending())
            })
            .collect();
        Err(format!("stuck, as (client, connected, in flight, waiting, ready): {stuck:?}"))
    }

    fn is_at_rest(&self) -> bool {
        let is_quiet = |client: &Client| {
            let session = &client.session;
            session.is_connected() && session.inflight() + session.waiting() + session.pending() == 0
        };
        let is_empty = |link: &Link| link.up.bytes.is_empty() && link.down.bytes.is_empty() && !link.is_ready;
        self.clients.iter().all(is_quiet)
            && self.links.values().all(is_empty)
            && (0..self.clients.len()).all(|client| self.model.is_subscribed(client))
    }

    fn note_packets(&mut self, packets: &[Packet], who: impl Fn() -> String) {
        if self.trace.is_some() {
            for packet in packets {
                let text: String = format!("{packet:?}").chars().take(160).collect();
                self.note(|| format!("{} {text}", who()));
            }
        }
    }

    pub(crate) fn check_end(&self) -> Result<(), String> {
        self.model.check_end()
    }
}

fn bytes_of(transmit: &Transmit) -> Bytes {
    let mut slices = [IoSlice::new(&[]); 256];
    let used = transmit.io_slices(&mut slices);
    let bytes: Bytes = slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect();
    assert_eq!(bytes.len(), transmit.len(), "more slices than expected");
    bytes
}
