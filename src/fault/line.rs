//! One connection between a client and a server, with the rules between them.

use super::edit;
use super::rule::Action;
use super::rules::{Fired, RuleId, Rules};
use super::shape::Shape;
use super::splitter::{Piece, Splitter};
use crate::journal::{Fate, Happening, Journal};
use crate::packet::{
    Connect, Disconnect, Packet, PacketIdentifier, PacketType, Properties, PropertyIdentifier,
    ProtocolVersion, Publish, ReasonCode, Sender, Text,
};
use crate::time::Time;
use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Bytes of malformed input that the journal shows.
const SHOWN_BYTES_MAX: usize = 256;

/// What a line works with, lent by whoever owns all lines.
#[derive(Debug)]
pub struct Context<'a> {
    /// The rules in force.
    pub rules: &'a mut Rules,
    /// Where everything is written down.
    pub journal: &'a mut Journal,
    /// Now by the clock that delays follow.
    pub now: Time,
    /// Now by the journal's clock.
    pub stamp: Time,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// In order: the peer sees the end behind the last byte.
    Finish,
    /// RST: at once, what was on its way may be lost.
    Reset,
}

/// A packet on its way.
#[derive(Clone, Debug)]
struct Parcel {
    sender: Sender,
    bytes: Bytes,
    packet: Option<Packet>,
}

/// One direction of a line.
#[derive(Debug, Default)]
struct Direction {
    splitter: Splitter,
    /// What has gone through and waits to be taken.
    outbox: BytesMut,
    shape: Shape,
    /// A packet that goes on behind the next one.
    swapped: Option<Parcel>,
    /// Topics by alias.
    aliases: FxHashMap<u32, Text>,
    /// Whether its sender has said its last.
    is_ended: bool,
}

/// A connection seen from between its two ends.
#[derive(Debug)]
pub struct Line {
    number: u64,
    client_identifier: Text,
    version: ProtocolVersion,
    connect: Option<Box<Connect>>,
    directions: [Direction; 2],
    /// What arrives later, by its time and a number.
    delayed: BTreeMap<(Time, u64), Parcel>,
    delays: u64,
    held: Vec<(RuleId, Parcel)>,
    /// Filters that were asked for, by identifier.
    asked: FxHashMap<PacketIdentifier, Vec<Text>>,
    is_silent: bool,
    /// Whether rules and journal leave it alone.
    is_inside: bool,
    ending: Option<Ending>,
    /// Who has sent DISCONNECT, and with which Reason Code.
    disconnect: Option<(Sender, ReasonCode)>,
    is_told_closed: bool,
}

impl Line {
    /// Connection `number`, freshly accepted; one that is inside is neither judged nor written down.
    #[must_use]
    pub fn new(number: u64, is_inside: bool) -> Self {
        Self {
            number,
            client_identifier: Text::EMPTY,
            version: ProtocolVersion::V311,
            connect: None,
            directions: [Direction::default(), Direction::default()],
            delayed: BTreeMap::new(),
            delays: 0,
            held: Vec::new(),
            asked: FxHashMap::default(),
            is_silent: false,
            is_inside,
            ending: None,
            disconnect: None,
            is_told_closed: false,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The Client Identifier of its CONNECT, or the assigned one; empty before.
    #[must_use]
    pub const fn client_identifier(&self) -> &Text {
        &self.client_identifier
    }

    /// Whether rules and journal leave it alone.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        self.is_inside
    }

    /// How it ends, once it does: what waits for the receivers is still theirs, unless it is a reset.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Whether it swallows everything, the end of either side too.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Whether `sender` has said its last and all of it has been taken.
    #[must_use]
    pub fn is_over(&self, sender: Sender) -> bool {
        let direction = &self.directions[sender as usize];
        let is_ended = direction.is_ended || self.ending.is_some();
        (is_ended && !self.is_silent && direction.outbox.is_empty() && !self.is_delaying(sender))
            || self.ending == Some(Ending::Reset)
    }

    fn is_delaying(&self, sender: Sender) -> bool {
        self.ending.is_none() && self.delayed.values().any(|parcel| parcel.sender == sender)
    }

    /// Whether both sides have said their last and nothing of it is left.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let is_ended =
            |sender| self.is_over(sender) || (self.is_silent && self.directions[sender as usize].is_ended);
        is_ended(Sender::Client) && is_ended(Sender::Server)
    }

    /// Whether nothing is on its way: nothing delayed, held, half read or untaken.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_silent
            || (self.delayed.is_empty()
                && self.held.is_empty()
                && self.directions.iter().all(|direction| {
                    direction.outbox.is_empty()
                        && direction.swapped.is_none()
                        && !direction.splitter.is_waiting()
                }))
    }

    /// Nobody is there any more for what rules have kept: forgets it; how many packets that were.
    pub fn lose_kept(&mut self) -> usize {
        let swapped = self.directions.iter_mut().filter_map(|direction| direction.swapped.take()).count();
        let kept = self.held.len() + self.delayed.len() + swapped;
        self.held.clear();
        self.delayed.clear();
        kept
    }

    /// Asks the rules about the new connection; true when a rule ended or silenced it.
    pub fn handle_open(&mut self, context: &mut Context<'_>, peer: &str, listener: &str) {
        if self.is_inside {
            return;
        }
        let (peer, listener) = (Text::detached(peer), Text::detached(listener));
        self.write(context, Happening::Opened { peer, listener });
        if let Some(fired) = context.rules.judge_accept(context.now) {
            self.write_fault(context, &fired, None);
            match fired.action {
                Action::Silence | Action::Drop | Action::Hold => self.is_silent = true,
                Action::Reset => self.end(context, Ending::Reset),
                Action::Latency { delay, jitter } => self.shape_both(|shape| {
                    shape.delay = delay;
                    shape.jitter = jitter;
                }),
                Action::Bandwidth(bytes) => self.shape_both(|shape| shape.bandwidth = bytes),
                _ => self.end(context, Ending::Finish),
            }
        }
    }

    /// Takes what `sender` has said.
    pub fn handle_bytes(&mut self, context: &mut Context<'_>, sender: Sender, bytes: &[u8]) {
        if self.ending.is_some() {
            return;
        }
        if self.is_inside {
            // Only its identity is of interest.
            self.directions[sender as usize].outbox.extend_from_slice(bytes);
            return;
        }
        self.directions[sender as usize].splitter.push(bytes);
        while self.ending.is_none()
            && let Some(piece) = self.directions[sender as usize].splitter.next()
        {
            self.handle_piece(context, sender, piece);
        }
    }

    fn handle_piece(&mut self, context: &mut Context<'_>, sender: Sender, piece: Piece) {
        match piece {
            Piece::Packet(bytes) => self.handle_packet(context, sender, bytes),
            Piece::Malformed(bytes, error) => {
                let shown = bytes.slice(..bytes.len().min(SHOWN_BYTES_MAX));
                self.write(context, Happening::Malformed { sender, bytes: shown, error });
                self.pass_raw(sender, &bytes);
            }
            Piece::Part(bytes) | Piece::Raw(bytes) => self.pass_raw(sender, &bytes),
        }
    }

    fn pass_raw(&mut self, sender: Sender, bytes: &[u8]) {
        if !self.is_silent {
            self.directions[sender as usize].outbox.extend_from_slice(bytes);
        }
    }

    fn handle_packet(&mut self, context: &mut Context<'_>, sender: Sender, bytes: Bytes) {
        let packet = match Packet::decode_one(&bytes, self.version, sender) {
            Ok(packet) => packet,
            Err(error) => {
                let shown = bytes.slice(..bytes.len().min(SHOWN_BYTES_MAX));
                self.write(context, Happening::Malformed { sender, bytes: shown, error });
                return self.pass_raw(sender, &bytes);
            }
        };
        self.learn(sender, &packet);
        if self.is_silent {
            return self.write_packet(context, sender, &bytes, &packet, Fate::Stopped);
        }
        let resolved = self.resolved(sender, &packet);
        let judged = resolved.as_ref().unwrap_or(&packet);
        let client = self.client_identifier.clone();
        let packet_type = packet.packet_type();
        let fired =
            context.rules.judge_packet(context.now, sender, &client, packet_type, Some(judged), self.version);
        let fate = match &fired {
            None => Fate::Passed,
            Some(fired) if is_passing(&fired.action) => Fate::Passed,
            Some(_) => Fate::Stopped,
        };
        self.write_packet(context, sender, &bytes, &packet, fate);
        let parcel = Parcel { sender, bytes, packet: Some(packet) };
        match fired {
            None => self.send(context, parcel),
            Some(fired) => {
                self.write_fault(context, &fired, Some(packet_type));
                self.act(context, fired, parcel);
            }
        }
    }

    /// Remembers what later packets are understood by.
    fn learn(&mut self, sender: Sender, packet: &Packet) {
        match packet {
            Packet::Connect(connect) if self.connect.is_none() => {
                self.version = connect.version;
                self.client_identifier = Text::detached(&connect.client_identifier);
                let mut connect = connect.clone();
                connect.password = None;
                self.connect = Some(connect);
            }
            Packet::Connack(connack) if self.client_identifier.is_empty() => {
                let assigned = connack.properties.as_ref().text(PropertyIdentifier::AssignedClientIdentifier);
                self.client_identifier = Text::detached(assigned.unwrap_or_default());
            }
            Packet::Publish(publish) => {
                if let Some(alias) = publish.properties.as_ref().number(PropertyIdentifier::TopicAlias)
                    && !publish.topic.is_empty()
                    && alias <= u32::from(u16::MAX)
                {
                    let topic = Text::detached(&publish.topic);
                    self.directions[sender as usize].aliases.insert(alias, topic);
                }
            }
            Packet::Subscribe(subscribe) => {
                let filters = subscribe.filters.iter().map(|(filter, _)| Text::detached(filter)).collect();
                self.asked.insert(subscribe.packet_identifier, filters);
            }
            Packet::Unsubscribe(unsubscribe) => {
                let filters = unsubscribe.filters.iter().map(|filter| Text::detached(filter)).collect();
                self.asked.insert(unsubscribe.packet_identifier, filters);
            }
            _ => {}
        }
    }

    /// A PUBLISH that has but an alias, with the topic that it stands for.
    fn resolved(&self, sender: Sender, packet: &Packet) -> Option<Packet> {
        let Packet::Publish(publish) = packet else {
            return None;
        };
        if !publish.topic.is_empty() {
            return None;
        }
        let alias = publish.properties.as_ref().number(PropertyIdentifier::TopicAlias)?;
        let topic = self.directions[sender as usize].aliases.get(&alias)?.clone();
        Some(Packet::Publish(Publish { topic, ..publish.clone() }))
    }

    fn act(&mut self, context: &mut Context<'_>, fired: Fired, parcel: Parcel) {
        let sender = parcel.sender;
        match fired.action {
            Action::Drop => {}
            Action::Delay(delay) => self.put_off(context.now + delay, parcel),
            Action::Duplicate => {
                let copy = parcel.packet.as_ref().map(|packet| edit::duplicate(packet, &parcel.bytes));
                self.send(context, parcel);
                if let Some(copy) = copy {
                    self.send_made(context, sender, copy);
                }
            }
            Action::Hold => self.held.push((fired.id, parcel)),
            Action::Swap => {
                let before = self.directions[sender as usize].swapped.replace(parcel);
                if let Some(before) = before {
                    self.deliver(context, before);
                }
            }
            Action::Disconnect(reason) => {
                self.send_disconnect(context, reason);
                self.end(context, Ending::Finish);
            }
            Action::Cut { after, reset } => {
                let part = parcel.bytes.slice(..after.min(parcel.bytes.len()));
                self.directions[sender as usize].outbox.extend_from_slice(&part);
                self.end(context, if reset { Ending::Reset } else { Ending::Finish });
            }
            Action::Close => self.end(context, Ending::Finish),
            Action::Reset => self.end(context, Ending::Reset),
            Action::Silence => self.is_silent = true,
            Action::Latency { delay, jitter } => {
                self.shape(sender, fired.is_for_both, |shape| {
                    shape.delay = delay;
                    shape.jitter = jitter;
                });
                self.send(context, parcel);
            }
            Action::Bandwidth(bytes) => {
                self.shape(sender, fired.is_for_both, |shape| shape.bandwidth = bytes);
                self.send(context, parcel);
            }
            Action::Reason(_)
            | Action::Identifier(_)
            | Action::Corrupt
            | Action::Truncate(_)
            | Action::Connack(_) => self.send_edited(context, &fired.action, parcel),
        }
    }

    fn send_edited(&mut self, context: &mut Context<'_>, action: &Action, parcel: Parcel) {
        let Parcel { sender, bytes, packet } = parcel;
        let edited = match (action, packet) {
            (Action::Corrupt, packet) => {
                Some(edit::corrupted(packet.as_ref(), &bytes, context.rules.random()))
            }
            (_, None) => None,
            (Action::Reason(reason), Some(packet)) => {
                edit::encode(&edit::with_reason(packet, *reason), self.version)
            }
            (Action::Identifier(identifier), Some(packet)) => {
                edit::encode(&edit::with_identifier(packet, *identifier), self.version)
            }
            (Action::Truncate(length), Some(packet)) => {
                edit::encode(&edit::truncated(packet, *length), self.version)
            }
            (Action::Connack(change), Some(packet)) => {
                edit::encode(&edit::with_connack(packet, change), self.version)
            }
            (_, Some(packet)) => edit::encode(&packet, self.version),
        };
        self.send_made(context, sender, edited.unwrap_or(bytes));
    }

    /// Sends a packet that a rule made.
    fn send_made(&mut self, context: &mut Context<'_>, sender: Sender, bytes: Bytes) {
        let packet = Packet::decode_one(&bytes, self.version, sender).ok();
        if let Some(packet) = &packet {
            self.write_packet(context, sender, &bytes, packet, Fate::Made);
        }
        self.send(context, Parcel { sender, bytes, packet });
    }

    /// Tells an MQTT 5 client why; before, there is nothing to tell it with.
    fn send_disconnect(&mut self, context: &mut Context<'_>, reason: ReasonCode) {
        if self.version != ProtocolVersion::V5 || self.connect.is_none() {
            return;
        }
        let disconnect = Packet::Disconnect(Disconnect { reason, properties: Properties::EMPTY });
        if let Some(bytes) = edit::encode(&disconnect, self.version) {
            self.write_packet(context, Sender::Server, &bytes, &disconnect, Fate::Made);
            self.directions[Sender::Server as usize].outbox.extend_from_slice(&bytes);
        }
    }

    /// Lets a packet go on its way: at once, or as long as the way is.
    fn send(&mut self, context: &mut Context<'_>, parcel: Parcel) {
        let direction = &mut self.directions[parcel.sender as usize];
        if direction.shape.is_plain() {
            self.deliver(context, parcel);
            return;
        }
        let arrival = direction.shape.arrival(context.now, parcel.bytes.len(), context.rules.random());
        self.put_off(arrival, parcel);
    }

    fn put_off(&mut self, until: Time, parcel: Parcel) {
        self.delays += 1;
        self.delayed.insert((until, self.delays), parcel);
    }

    /// A packet arrives at the other end.
    fn deliver(&mut self, context: &mut Context<'_>, parcel: Parcel) {
        if let Some(packet) = &parcel.packet {
            self.tell_outcome(context, parcel.sender, packet);
        }
        let direction = &mut self.directions[parcel.sender as usize];
        direction.outbox.extend_from_slice(&parcel.bytes);
        if let Some(swapped) = direction.swapped.take() {
            self.deliver(context, swapped);
        }
    }

    /// What a packet that arrived means.
    fn tell_outcome(&mut self, context: &mut Context<'_>, sender: Sender, packet: &Packet) {
        match packet {
            Packet::Connack(connack) if connack.reason.is_error() || connack.reason.0 != 0 => {
                self.write(context, Happening::Refused(connack.reason));
            }
            Packet::Connack(connack) => {
                if let Some(connect) = &self.connect {
                    let happening = Happening::Connected {
                        version: connect.version,
                        clean_start: connect.clean_start,
                        keep_alive: connect.keep_alive,
                        user_name: connect.user_name.clone(),
                        session_present: connack.session_present,
                        has_will: connect.will.is_some(),
                    };
                    self.write(context, happening);
                }
            }
            Packet::Suback(suback) => {
                let filters = self.asked.remove(&suback.packet_identifier).unwrap_or_default();
                for (filter, reason) in filters.into_iter().zip(suback.reasons.iter().copied()) {
                    self.write(context, Happening::Subscribed { filter, reason });
                }
            }
            Packet::Unsuback(unsuback) => {
                for filter in self.asked.remove(&unsuback.packet_identifier).unwrap_or_default() {
                    self.write(context, Happening::Unsubscribed { filter });
                }
            }
            Packet::Disconnect(disconnect) => self.disconnect = Some((sender, disconnect.reason)),
            _ => {}
        }
    }

    /// `sender` has closed its end; what it said before still arrives.
    pub fn handle_closed(&mut self, context: &mut Context<'_>, sender: Sender) {
        let direction = &mut self.directions[sender as usize];
        if direction.is_ended {
            return;
        }
        direction.is_ended = true;
        // A packet that will never be whole goes on as far as it came.
        let rest = direction.splitter.rest();
        let swapped = direction.swapped.take();
        if self.is_silent {
            return;
        }
        if let Some(swapped) = swapped {
            self.deliver(context, swapped);
        }
        self.pass_raw(sender, &rest);
        self.tell_closed(context, Some(sender));
    }

    /// Ends both directions.
    pub fn end(&mut self, context: &mut Context<'_>, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.delayed.clear();
            self.held.clear();
            self.tell_closed(context, None);
        }
    }

    fn tell_closed(&mut self, context: &mut Context<'_>, by: Option<Sender>) {
        if !std::mem::replace(&mut self.is_told_closed, true) {
            // Who says that it is over has ended it, whoever closes first then.
            let by = by.map(|closed| self.disconnect.map_or(closed, |(sender, _)| sender));
            let disconnect = self.disconnect.map(|(_, reason)| reason);
            self.write(context, Happening::Closed { by, disconnect });
        }
    }

    /// When something that is on its way arrives.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.delayed.keys().next().map(|(time, _)| *time)
    }

    /// Lets arrive what is due.
    pub fn handle_timeout(&mut self, context: &mut Context<'_>) {
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= context.now
        {
            let parcel = entry.remove();
            if !self.is_silent {
                self.deliver(context, parcel);
            }
        }
    }

    /// Lets go what `rule` holds, in the order in which it came; how many packets that were.
    pub fn release(&mut self, context: &mut Context<'_>, rule: RuleId) -> usize {
        let held = std::mem::take(&mut self.held);
        let (released, kept): (Vec<_>, Vec<_>) = held.into_iter().partition(|(id, _)| *id == rule);
        self.held = kept;
        let count = released.len();
        for (_, parcel) in released {
            self.send(context, parcel);
        }
        count
    }

    /// Takes at most `bytes_max` bytes of what `sender` said and has gone through.
    pub fn take(&mut self, sender: Sender, bytes_max: usize) -> Bytes {
        let outbox = &mut self.directions[sender as usize].outbox;
        if outbox.len() <= bytes_max {
            return std::mem::take(outbox).freeze();
        }
        outbox.split_to(bytes_max).freeze()
    }

    /// How many bytes of `sender` wait to be taken.
    #[must_use]
    pub fn waiting(&self, sender: Sender) -> usize {
        self.directions[sender as usize].outbox.len()
    }

    fn shape(&mut self, sender: Sender, is_for_both: bool, set: impl Fn(&mut Shape)) {
        if is_for_both {
            self.shape_both(set);
        } else {
            set(&mut self.directions[sender as usize].shape);
        }
    }

    fn shape_both(&mut self, set: impl Fn(&mut Shape)) {
        self.directions.iter_mut().for_each(|direction| set(&mut direction.shape));
    }

    fn write(&self, context: &mut Context<'_>, happening: Happening) {
        if !self.is_inside {
            context.journal.push(context.stamp, self.number, &self.client_identifier, happening);
        }
    }

    fn write_fault(&self, context: &mut Context<'_>, fired: &Fired, packet_type: Option<PacketType>) {
        let action = Text::detached(&fired.action.to_string());
        self.write(context, Happening::Fault { rule: fired.name.clone(), action, packet_type });
    }

    fn write_packet(
        &self,
        context: &mut Context<'_>,
        sender: Sender,
        bytes: &Bytes,
        packet: &Packet,
        fate: Fate,
    ) {
        let bytes = without_password(packet, self.version).unwrap_or_else(|| Bytes::copy_from_slice(bytes));
        let happening = Happening::Packet { sender, version: self.version, bytes, fate };
        self.write(context, happening);
    }
}

/// Whether the packet that a rule fired at goes on all the same.
const fn is_passing(action: &Action) -> bool {
    matches!(action, Action::Duplicate | Action::Latency { .. } | Action::Bandwidth(_))
}

/// A CONNECT whose password may be shown.
fn without_password(packet: &Packet, version: ProtocolVersion) -> Option<Bytes> {
    let Packet::Connect(connect) = packet else {
        return None;
    };
    connect.password.as_ref()?;
    let mut connect = connect.clone();
    connect.password = Some(Bytes::from_static(b"***"));
    edit::encode(&Packet::Connect(connect), version)
}
