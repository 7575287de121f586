//! One thread of the load: an event loop that waits for sockets and for absolute moments, and for nothing else.
//!
//! Everything that is due is coalesced into one write per connection and wake-up; all reads go through one block; an idle
//! connection holds no buffer.

mod checks;
mod client;
pub(crate) mod clock;
mod core;
mod far;
mod pipe;
#[cfg(feature = "psk")]
mod psk;
pub(crate) mod rumqttc;
mod sender;
mod settle;
pub(crate) mod shared;
mod slow;
pub(crate) mod socket;
mod storm;
pub(crate) mod tally;
mod timer;
mod traffic;

use self::core::Core;
use super::plan::Member;
use client::{Client, Stage};
use mio::{Events, Poll, Token, Waker};
use shared::{Report, Shared};
use std::cmp::Reverse;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;
use timer::Timer;

const TIMER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Events that one poll returns.
const EVENTS_MAX: usize = 1024;

/// Connections of a worker that are on their way at once: more would overflow the broker's backlog.
const OPENING_MAX: u32 = 256;

/// The loop wakes up for due messages no more often than this, in nanoseconds: what falls due meanwhile shares a wake-up.
const WAKE_GAP: u64 = 50_000;

/// How long the server's end is awaited after DISCONNECT, in nanoseconds.
const CLOSE_WAIT: u64 = 2_000_000_000;

/// Connections that are begun in one turn.
const OPENS_PER_TURN_MAX: u32 = 64;

/// A worker before it runs.
pub(crate) struct Worker {
    poll: Poll,
    timer: Timer,
    core: Core,
    clients: Vec<Client>,
    /// The client that connects next, and the places of all of them in the order of the whole load.
    next_open: usize,
    order: Vec<u64>,
    last_wake: u64,
    has_left: bool,
}

impl Worker {
    /// A worker for `members`, each with its place in the order of connecting.
    pub(crate) fn new(
        shared: Arc<Shared>,
        number: usize,
        members: &[(u64, Member)],
        reports: mpsc::Sender<Report>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER, shared.clock.base())?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let registry = poll.registry().try_clone()?;
        let mut core = Core::new(shared.clone(), registry, reports, number);
        let parts = settle::parts(&mut core, members);
        let clients = parts
            .into_iter()
            .map(|(member, sender, checks)| Client::new(&shared.plan, member, sender, checks))
            .collect();
        let order = members.iter().map(|(place, _)| *place).collect();
        Ok((Self { poll, timer, core, clients, next_open: 0, order, last_wake: 0, has_left: false }, waker))
    }

    /// Runs until the coordinator says that it is over.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut closing_since = None;
        loop {
            self.wait(&mut events, closing_since)?;
            self.core.refresh();
            let turn_began = self.core.now();
            self.begin_load();
            for event in &events {
                match event.token() {
                    TIMER => self.timer.rang(),
                    WAKER => {}
                    Token(token) => self.handle(token, event),
                }
            }
            self.do_what_is_due();
            self.open_next();
            if self.core.shared.leave.load(Relaxed) && !self.core.is_started() {
                self.leave();
            }
            if self.core.shared.close.load(Relaxed) && closing_since.is_none() {
                closing_since = Some(self.core.now());
                self.close_all();
            }
            self.tell(turn_began);
            if let Some(since) = closing_since {
                let is_over = self.core.now() > since + CLOSE_WAIT;
                if is_over || self.clients.iter().all(|client| client.stage == Stage::Offline) {
                    self.finish();
                    return Ok(());
                }
            }
        }
    }

    fn wait(&mut self, events: &mut Events, closing_since: Option<u64>) -> io::Result<()> {
        let mut moment = self.core.next_moment(self.connect_moment());
        if moment > self.core.now() {
            // Only what is due soon is worth gathering; a moment in the future stays what it is.
            moment = moment.max(self.last_wake + WAKE_GAP);
        }
        if let Some(since) = closing_since {
            moment = moment.min(since + CLOSE_WAIT + 1);
        }
        let timeout = if self.core.again.is_empty() {
            self.timer.set(crate::time::Time::from_nanos(moment))?;
            None
        } else {
            Some(Duration::ZERO)
        };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.last_wake = self.core.shared.clock.now().as_nanos();
        Ok(())
    }

    /// Lets all senders begin once the load has.
    fn begin_load(&mut self) {
        if !self.core.look_at_shared() {
            return;
        }
        let plan = &self.core.shared.clone().plan;
        for (token, client) in self.clients.iter_mut().enumerate() {
            if let Some(kind) = plan.storm {
                self.core.current = u32::try_from(token).unwrap_or(u32::MAX);
                client.begin_storm(&mut self.core, token, kind);
            }
            if let Some(sender) = &mut client.sender {
                sender.start(plan);
                self.core.sending += 1;
                self.core.again.push(token);
            }
        }
    }

    fn handle(&mut self, token: usize, event: &mio::event::Event) {
        let Some(client) = self.clients.get_mut(token) else { return };
        self.core.current = u32::try_from(token).unwrap_or(u32::MAX);
        if event.is_writable() {
            client.writable(&mut self.core, token);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            client.readable(&mut self.core, token, event.is_read_closed() || event.is_error());
        }
    }

    fn do_what_is_due(&mut self) {
        for token in std::mem::take(&mut self.core.again) {
            self.core.current = u32::try_from(token).unwrap_or(u32::MAX);
            self.clients[token].readable(&mut self.core, token, false);
        }
        while let Some(Reverse((at, token))) = self.core.reads.peek().copied() {
            if at > self.core.now() {
                break;
            }
            self.core.reads.pop();
            self.core.current = u32::try_from(token).unwrap_or(u32::MAX);
            self.clients[token].read_again(&mut self.core, token);
        }
        while let Some(token) = self.core.pop_due() {
            let client = &mut self.clients[token];
            if let Some(sender) = &mut client.sender {
                sender.is_queued = false;
            }
            if let Err(fault) = client.turn_to_send(&mut self.core, token) {
                client.lost(&mut self.core, token, &fault);
            }
        }
        for client in self.core.wheel.turn(self.core.second()) {
            self.core.current = client;
            let token = client as usize;
            self.clients[token].tick(&mut self.core, token);
        }
    }

    /// When the next client connects, by the clock; none while enough are on their way.
    fn connect_moment(&self) -> Option<u64> {
        let place = self.order.get(self.next_open)?;
        if self.core.opening >= OPENING_MAX || self.core.shared.close.load(Relaxed) {
            return None;
        }
        let shared = &self.core.shared;
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let offset = shared.plan.load.connect_rate.map_or(0, |rate| (*place as f64 / rate * 1e9) as u64);
        Some(shared.connect_from.saturating_add(offset))
    }

    fn open_next(&mut self) {
        for _ in 0..OPENS_PER_TURN_MAX {
            match self.connect_moment() {
                Some(moment) if moment <= self.core.now() => {
                    let token = self.next_open;
                    self.next_open += 1;
                    self.core.refresh();
                    self.clients[token].open(&mut self.core, token);
                }
                _ => break,
            }
        }
        while let Some(Reverse((at, token))) = self.core.reconnects.peek().copied() {
            if at > self.core.now() || self.core.opening >= OPENING_MAX {
                break;
            }
            self.core.reconnects.pop();
            self.clients[token].open(&mut self.core, token);
        }
    }

    /// Lets the clients of a storm go away before it, and tells how many have.
    fn leave(&mut self) {
        if !std::mem::replace(&mut self.has_left, true) {
            self.clients.iter_mut().for_each(|client| client.leave(&mut self.core));
        }
        let away = self.clients.iter().filter(|client| client.stage == Stage::Offline).count();
        self.core.away = u32::try_from(away).unwrap_or(u32::MAX);
    }

    fn close_all(&mut self) {
        self.core.reconnects.clear();
        self.core.reads.clear();
        for client in &mut self.clients {
            client.close(&mut self.core, true);
        }
    }

    /// Tells the coordinator where things stand, and how long this turn took.
    fn tell(&mut self, turn_began: u64) {
        self.core.refresh();
        self.core.turn_tally();
        if self.core.is_measuring() {
            let took = self.core.now() - turn_began;
            self.core.outcome.turn_max_nanos = self.core.outcome.turn_max_nanos.max(took);
        }
        self.core.publish_gauge();
    }

    /// Adds up what clients and receivers have counted.
    fn finish(mut self) {
        for sender in self.clients.iter_mut().filter_map(|client| client.sender.as_mut()) {
            settle::sender(&mut self.core, sender, 0);
        }
        settle::checks(&mut self.core);
        self.core.finish();
    }
}
