//! Everything that a test broker is, without a socket: broker, lines, rules, journal, actors, clock.
//!
//! One lock holds it. Whatever comes in is carried to its end at once, by [`State::pump`]; who waits is woken then.

mod acting;
mod life;
mod observing;

pub(super) use observing::Observer;

use super::actor::{Actor, ActorId, take_bytes};
use super::clock::Timepiece;
use super::gate::Gate;
use crate::broker::{self, Broker, ConnectionId, ConnectionInfo, Event, Progress};
use crate::fault::{Context, Ending, Line, Rules};
use crate::journal::{Fact, Happening, Journal};
use crate::packet::{Sender, Text, Transmit};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// Bytes for one client from which on the broker is asked for no more until it has taken some.
const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// Bytes that one end has said and the other has not taken, from which on the first has to wait.
const UNTAKEN_BYTES_MAX: usize = 1 << 20;

/// Bytes that one end takes at a time.
pub(super) const TAKE_BYTES_MAX: usize = 64 * 1024;

/// How often a pump goes round at most; a loop of clients that answer each other goes on in the next one.
const ROUNDS_MAX: usize = 10_000;

/// What is at the server's end of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Server {
    /// Our broker.
    Broker(ConnectionId),
    /// A broker elsewhere; an [`super::end::End`] takes and gives.
    Upstream,
    /// Nothing any more.
    Gone,
}

/// A line and who is at its ends.
#[derive(Debug)]
struct Slot {
    line: Line,
    server: Server,
    actor: Option<ActorId>,
    /// Who waits to read, by side.
    wakers: [Option<Waker>; 2],
    /// Who waits to write, by side.
    writers: [Option<Waker>; 2],
    /// The client's socket, to see what it has said and nobody has read, and for a reset.
    socket: Option<Arc<OwnedFd>>,
    /// Whether the end of what the client says has been seen.
    is_client_gone: bool,
    /// Whether the broker has more than the line may hold.
    is_full: bool,
}

/// Where a new connection comes from.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// Its listener's number in the broker's configuration.
    pub(super) listener: usize,
    /// What the listener speaks.
    pub(super) kind: &'static str,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) socket: Option<Arc<OwnedFd>>,
    pub(super) actor: Option<ActorId>,
    pub(super) is_inside: bool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) broker: Option<Broker>,
    /// Whether the server's end is elsewhere.
    pub(super) is_in_front: bool,
    pub(super) rules: Rules,
    pub(super) journal: Journal,
    pub(super) timepiece: Timepiece,
    pub(super) gate: Gate,
    lines: BTreeMap<u64, Slot>,
    lines_made: u64,
    by_serial: BTreeMap<u32, u64>,
    touched: BTreeSet<u64>,
    actors: BTreeMap<ActorId, Actor>,
    actors_made: u64,
    /// Who sees the messages of another broker that this one stands in front of.
    pub(super) observer: Option<Observer>,
    /// Why the broker behind could not be reached last.
    pub(super) unreachable: Option<String>,
    /// Whether it was stopped and not started again.
    pub(super) is_stopped: bool,
    is_frozen: bool,
    /// Where connections wait until they are accepted.
    pub(super) doors: Vec<OwnedFd>,
    transmit: Transmit,
    /// Lines whose upstream is to be dialled.
    pub(super) dials: Vec<u64>,
}

impl State {
    pub(super) fn new(config: Option<broker::Config>, timepiece: Timepiece, gate: Gate, seed: u64) -> Self {
        let is_in_front = config.is_none();
        let broker = config.map(|config| Broker::new(config, timepiece.now()));
        Self {
            broker,
            is_in_front,
            rules: Rules::new(seed),
            journal: Journal::default(),
            timepiece,
            gate,
            lines: BTreeMap::new(),
            lines_made: 0,
            by_serial: BTreeMap::new(),
            touched: BTreeSet::new(),
            actors: BTreeMap::new(),
            actors_made: 0,
            observer: None,
            unreachable: None,
            is_stopped: false,
            is_frozen: false,
            doors: Vec::new(),
            transmit: Transmit::new(),
            dials: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Time {
        self.timepiece.now()
    }

    /// Writes down what concerns no connection.
    pub(super) fn write(&mut self, happening: Happening) {
        self.write_for(0, &Text::EMPTY, happening);
    }

    fn write_for(&mut self, connection: u64, client: &Text, happening: Happening) {
        self.journal.push(self.timepiece.stamp(), connection, client, happening);
    }

    /// A new connection, which the rules may end or silence at once; `None` when nothing is there to take it.
    pub(super) fn accept(&mut self, arrival: &Arrival) -> Option<u64> {
        if self.broker.is_none() && !self.is_in_front {
            return None;
        }
        self.lines_made += 1;
        let number = self.lines_made;
        let slot = Slot {
            line: Line::new(number, arrival.is_inside),
            server: Server::Gone,
            actor: arrival.actor,
            wakers: [None, None],
            writers: [None, None],
            socket: arrival.socket.clone(),
            is_client_gone: false,
            is_full: false,
        };
        self.lines.insert(number, slot);
        let peer = match arrival.port {
            0 if arrival.address.is_empty() => arrival.kind.to_owned(),
            port => format!("{}:{port}", arrival.address),
        };
        self.with_line(number, |line, context| line.handle_open(context, &peer, arrival.kind));
        Some(number)
    }

    /// What the rules made of a connection that was just accepted.
    pub(super) fn admission(&self, number: u64) -> Admission {
        match self.lines.get(&number).map(|slot| &slot.line) {
            None => Admission::Ended(Ending::Finish),
            Some(line) if line.is_silent() => Admission::Silent,
            Some(line) => line.ending().map_or(Admission::Granted, Admission::Ended),
        }
    }

    /// The server's end of an accepted connection, with the User Name that its transport vouches for.
    pub(super) fn attach(&mut self, number: u64, arrival: &Arrival, identity: Option<Text>) {
        if self.admission(number) != Admission::Granted {
            return;
        }
        let now = self.now();
        let server = match &mut self.broker {
            None if self.is_in_front => Server::Upstream,
            None => return self.closed(number, Sender::Server),
            Some(broker) => Server::Broker(broker.open(
                now,
                ConnectionInfo {
                    listener: arrival.listener,
                    address: Text::detached(&arrival.address),
                    port: arrival.port,
                    identity,
                },
            )),
        };
        match server {
            Server::Broker(id) => drop(self.by_serial.insert(id.serial(), number)),
            _ => self.dials.push(number),
        }
        if let Some(slot) = self.lines.get_mut(&number) {
            slot.server = server;
        }
        self.touched.insert(number);
    }

    fn with_line<T>(&mut self, number: u64, act: impl FnOnce(&mut Line, &mut Context<'_>) -> T) -> Option<T> {
        let slot = self.lines.get_mut(&number)?;
        let mut context = Context {
            rules: &mut self.rules,
            journal: &mut self.journal,
            now: self.timepiece.now(),
            stamp: self.timepiece.stamp(),
        };
        self.touched.insert(number);
        Some(act(&mut slot.line, &mut context))
    }

    /// `sender` has said this.
    pub(super) fn input(&mut self, number: u64, sender: Sender, bytes: &[u8]) {
        self.with_line(number, |line, context| line.handle_bytes(context, sender, bytes));
    }

    /// `sender` has closed its end.
    pub(super) fn closed(&mut self, number: u64, sender: Sender) {
        if let Some(slot) = self.lines.get_mut(&number) {
            slot.is_client_gone |= sender == Sender::Client;
        }
        self.with_line(number, |line, context| line.handle_closed(context, sender));
    }

    /// An end is gone for good; a line without ends is forgotten, one that is silent lives on for the other.
    pub(super) fn dropped(&mut self, number: u64, sender: Sender) {
        self.closed(number, sender);
        // Nobody is at the other end who could close it.
        if self.lines.get(&number).is_some_and(|slot| slot.server == Server::Gone) {
            self.closed(number, Sender::Server);
        }
        if self.is_reset(number) {
            self.lines.remove(&number);
        } else if let Some(slot) = self.lines.get_mut(&number) {
            slot.wakers[sender as usize] = None;
            slot.writers[sender as usize] = None;
            if sender == Sender::Client {
                slot.socket = None;
            }
        }
    }

    /// What an end finds when it reads: bytes, the end, or nothing yet.
    pub(super) fn take(&mut self, number: u64, reader: Sender, bytes_max: usize, waker: &Waker) -> Taken {
        let Some(slot) = self.lines.get_mut(&number) else {
            return Taken::End(Ending::Finish);
        };
        let sender = other(reader);
        if slot.line.ending() == Some(Ending::Reset) {
            return Taken::End(Ending::Reset);
        }
        let bytes = slot.line.take(sender, bytes_max.min(TAKE_BYTES_MAX));
        if !bytes.is_empty() {
            if let Some(writer) = slot.writers[sender as usize].take() {
                writer.wake();
            }
            if slot.is_full || slot.line.is_over(sender) {
                self.touched.insert(number);
            }
            return Taken::Bytes(bytes);
        }
        if slot.line.is_over(sender) {
            return Taken::End(Ending::Finish);
        }
        slot.wakers[reader as usize] = Some(waker.clone());
        Taken::Nothing
    }

    /// Whether the end of `writer` may say more now; else its waker is kept.
    pub(super) fn has_room(&mut self, number: u64, writer: Sender, waker: &Waker) -> bool {
        let Some(slot) = self.lines.get_mut(&number) else {
            return true;
        };
        let has_room = slot.line.waiting(writer) < UNTAKEN_BYTES_MAX || slot.line.ending().is_some();
        if !has_room {
            slot.writers[writer as usize] = Some(waker.clone());
        }
        has_room
    }

    /// Whether a line still has both its ends.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.lines.get(&number).is_some_and(|slot| slot.line.ending().is_none())
    }

    /// Carries everything that has come in to its end.
    pub(super) fn pump(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let touched = std::mem::take(&mut self.touched);
            for number in &touched {
                self.hand_over(*number);
            }
            self.pump_broker();
            if self.touched.is_empty() {
                break;
            }
        }
        self.take_observed();
    }

    /// What has gone through a line reaches its ends.
    fn hand_over(&mut self, number: u64) {
        let now = self.timepiece.now();
        let is_frozen = self.is_frozen;
        let Some(slot) = self.lines.get_mut(&number) else {
            return;
        };
        match (slot.server, &mut self.broker) {
            (Server::Broker(id), Some(broker)) if !is_frozen => {
                let bytes = slot.line.take(Sender::Client, usize::MAX);
                if !bytes.is_empty() {
                    broker.handle_bytes(now, id, bytes);
                }
                if slot.line.is_over(Sender::Client) {
                    broker.handle_closed(now, id);
                    slot.server = Server::Gone;
                    self.by_serial.remove(&id.serial());
                }
                if std::mem::take(&mut slot.is_full) {
                    self.ask_broker(id);
                }
            }
            _ => wake(slot, Sender::Server),
        }
        self.lose_kept(number);
        self.hand_over_to_client(number);
        self.forget_when_over(number);
    }

    fn hand_over_to_client(&mut self, number: u64) {
        let now = self.timepiece.now();
        let Some(slot) = self.lines.get_mut(&number) else {
            return;
        };
        let Some(actor) = slot.actor.and_then(|id| self.actors.get_mut(&id)) else {
            return wake(slot, Sender::Client);
        };
        if actor.line != Some(number) {
            return;
        }
        let bytes = slot.line.take(Sender::Server, usize::MAX);
        if !bytes.is_empty() {
            actor.handle_bytes(now, bytes);
        }
        let said = actor.poll_bytes();
        if !said.is_empty() {
            self.input(number, Sender::Client, &said);
        }
        let Some(slot) = self.lines.get_mut(&number) else {
            return;
        };
        let Some(actor) = slot.actor.and_then(|id| self.actors.get_mut(&id)) else {
            return;
        };
        if slot.line.is_over(Sender::Server) || actor.is_leaving() {
            actor.handle_closed(now);
            self.closed(number, Sender::Client);
        }
    }

    /// The broker's end of a line is gone, and with it what rules have kept.
    fn lose_kept(&mut self, number: u64) {
        let Some(slot) = self.lines.get_mut(&number).filter(|slot| slot.server == Server::Gone) else {
            return;
        };
        if let kept @ 1.. = slot.line.lose_kept() {
            let client = slot.line.client_identifier().clone();
            let text = Text::detached(&format!("{kept} kept by a rule and lost with the connection"));
            self.write_for(number, &client, Happening::Note { source: Text::detached("fault"), text });
        }
    }

    /// Forgets a line that both sides have left; what a rule has ended, the broker hears of now.
    fn forget_when_over(&mut self, number: u64) {
        let Some(slot) = self.lines.get_mut(&number) else {
            return;
        };
        let is_reset = slot.line.ending() == Some(Ending::Reset);
        if !is_reset && !slot.line.is_finished() {
            return;
        }
        if let Server::Broker(id) = slot.server {
            slot.server = Server::Gone;
            let now = self.timepiece.now();
            self.by_serial.remove(&id.serial());
            if let Some(broker) = &mut self.broker {
                broker.handle_closed(now, id);
            }
        }
        slot.wakers.iter_mut().chain(&mut slot.writers).filter_map(Option::take).for_each(Waker::wake);
        // Whoever holds the other end of a reset must still find out.
        if !is_reset || slot.actor.is_some() {
            self.lines.remove(&number);
        }
    }

    /// Whether a line was ended by a reset.
    pub(super) fn is_reset(&self, number: u64) -> bool {
        self.lines.get(&number).is_some_and(|slot| slot.line.ending() == Some(Ending::Reset))
    }

    fn pump_broker(&mut self) {
        if self.is_frozen {
            return;
        }
        self.pump_events();
        while let Some(id) = self.broker.as_mut().and_then(Broker::poll_ready) {
            self.ask_broker(id);
            self.pump_events();
        }
    }

    /// Takes what the broker has for a connection, as long as its line has room.
    fn ask_broker(&mut self, id: ConnectionId) {
        let number = self.by_serial.get(&id.serial()).copied();
        loop {
            if let Some(slot) = number.and_then(|number| self.lines.get_mut(&number))
                && slot.line.waiting(Sender::Server) >= OUTBOX_BYTES_MAX
            {
                slot.is_full = true;
                return;
            }
            let Some(broker) = &mut self.broker else {
                return;
            };
            let progress = broker.poll_transmit(id, &mut self.transmit);
            let bytes = take_bytes(&mut self.transmit);
            let Some(number) = number else {
                return;
            };
            if !bytes.is_empty() {
                self.input(number, Sender::Server, &bytes);
            }
            match progress {
                Progress::More => {}
                Progress::Idle => return,
                Progress::Close => {
                    self.by_serial.remove(&id.serial());
                    if let Some(slot) = self.lines.get_mut(&number) {
                        slot.server = Server::Gone;
                    }
                    return self.closed(number, Sender::Server);
                }
            }
        }
    }

    fn pump_events(&mut self) {
        while let Some(event) = self.broker.as_mut().and_then(Broker::poll_event) {
            match event {
                Event::Journal(entry) => {
                    let serial = u32::try_from(entry.connection).unwrap_or(0);
                    let number = self.by_serial.get(&serial).copied().unwrap_or(0);
                    let is_inside = self.lines.get(&number).is_some_and(|slot| slot.line.is_inside());
                    if let Some(happening) = as_happening(entry.fact, is_inside) {
                        self.write_for(number, &entry.client_identifier, happening);
                    }
                }
                Event::Authenticate { connection, request } => {
                    let verdict = self.gate.judge(&request);
                    let now = self.now();
                    if let Some(broker) = &mut self.broker {
                        broker.handle_authenticated(now, connection, verdict);
                    }
                }
                Event::Change { sequence, .. } => {
                    let now = self.now();
                    if let Some(broker) = &mut self.broker {
                        broker.handle_committed(now, sequence);
                    }
                }
            }
        }
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let broker = self.broker.as_ref().and_then(Broker::poll_timeout).filter(|_| !self.is_frozen);
        let lines = self.lines.values().filter_map(|slot| slot.line.poll_timeout()).min();
        let actors = self.actors.values().filter_map(Actor::poll_timeout).min();
        [broker, lines, actors].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self) {
        let now = self.now();
        let is_due = |time: Option<Time>| time.is_some_and(|time| time <= now);
        if !self.is_frozen
            && let Some(broker) = &mut self.broker
            && is_due(broker.poll_timeout())
        {
            broker.handle_timeout(now);
        }
        let lines = self.lines.iter().filter(|(_, slot)| is_due(slot.line.poll_timeout()));
        let due: Vec<u64> = lines.map(|(number, _)| *number).collect();
        for number in due {
            self.with_line(number, |line, context| line.handle_timeout(context));
        }
        for actor in self.actors.values_mut().filter(|actor| is_due(actor.poll_timeout())) {
            actor.handle_timeout(now);
            self.touched.extend(actor.line);
        }
        self.pump();
    }

    /// Turns the clock forward, through each deadline on the way.
    pub(super) fn advance(&mut self, distance: Duration) {
        let target = self.now() + distance;
        self.write(Happening::ClockTurned(distance));
        while let Some(next) = self.poll_timeout().filter(|next| *next <= target) {
            let before = self.now();
            self.timepiece.turn_to(next.max(before));
            self.handle_timeout();
            if self.poll_timeout().is_some_and(|again| again <= next && before >= next) {
                break;
            }
        }
        self.timepiece.turn_to(target);
        self.handle_timeout();
    }

    /// Whether nothing is on its way any more, as far as this side can see.
    pub(super) fn is_settled(&self) -> bool {
        self.broker.as_ref().is_none_or(Broker::is_settled)
            && self.lines.values().all(|slot| slot.line.is_quiet())
            && self.is_read_out()
    }

    /// Whether all that clients have said, their end too, was read.
    pub(super) fn is_read_out(&self) -> bool {
        let is_empty = |door: &OwnedFd| !has_visitor(door);
        self.doors.iter().all(is_empty)
            && self.lines.values().all(|slot| {
                slot.socket.as_ref().is_none_or(|socket| !unread(socket).is_news(slot.is_client_gone))
            })
    }
}

/// Whether a connection may go on behind accept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admission {
    /// It may.
    Granted,
    /// Nobody will ever answer it.
    Silent,
    /// A rule has ended it.
    Ended(Ending),
}

/// What an end found.
#[derive(Debug)]
pub(super) enum Taken {
    Bytes(bytes::Bytes),
    End(Ending),
    Nothing,
}

pub(super) const fn other(sender: Sender) -> Sender {
    match sender {
        Sender::Client => Sender::Server,
        Sender::Server => Sender::Client,
    }
}

/// Wakes the end of `side` if there is something for it.
fn wake(slot: &mut Slot, side: Sender) {
    let sender = other(side);
    let is_something = slot.line.waiting(sender) > 0 || slot.line.is_over(sender);
    if is_something && let Some(waker) = slot.wakers[side as usize].take() {
        waker.wake();
    }
}

/// What of the broker's facts the packets do not show.
fn as_happening(fact: Fact, is_inside: bool) -> Option<Happening> {
    match fact {
        Fact::Published(message) => Some(Happening::Message(message)),
        Fact::Opened { .. } | Fact::Connected { .. } | Fact::WillStated(_) => None,
        _ if is_inside => None,
        fact => Some(Happening::Fact(fact)),
    }
}

/// What lies in a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unread {
    Nothing,
    Bytes,
    End,
}

impl Unread {
    /// Whether it is something that was not seen before; an end stays in its socket.
    fn is_news(self, is_end_seen: bool) -> bool {
        self == Self::Bytes || (self == Self::End && !is_end_seen)
    }
}

/// Whether a connection waits at a listening socket.
fn has_visitor(door: &OwnedFd) -> bool {
    use std::os::fd::AsRawFd;
    let mut asked = libc::pollfd { fd: door.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which lives as long as the call.
    let ready = unsafe { libc::poll(&raw mut asked, 1, 0) };
    ready == 1 && asked.revents == libc::POLLIN
}

/// What has arrived at a socket and was not read.
fn unread(socket: &OwnedFd) -> Unread {
    use std::os::fd::AsRawFd;
    let mut byte = 0_u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the descriptor is open as long as it is owned, and at most one byte is written, to one.
    let peeked = unsafe { libc::recv(socket.as_raw_fd(), (&raw mut byte).cast(), 1, flags) };
    match peeked {
        0 => Unread::End,
        1.. => Unread::Bytes,
        // A reset is an end, too.
        _ if std::io::Error::last_os_error().kind() == std::io::ErrorKind::WouldBlock => Unread::Nothing,
        _ => Unread::End,
    }
}
