//! What all clients of a worker share: buffers, counts, the heap of due times.

use super::checks::Checks;
use super::shared::Report;
use super::shared::Shared;
use super::tally::{Outcome, Tally};
use crate::bench::plan::Mode;
use crate::bench::result::Phase;
use crate::bench::schedule::{Lookup, Schedule};
use crate::bench::stamp::Stamp;
use crate::bench::sync::Peer;
use crate::bench::wheel::Wheel;
use crate::packet::{ProtocolVersion, topic};
use crate::time::Time;
use mio::Registry;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// All reads of a worker go through one block of this many bytes.
const BLOCK_BYTES: usize = 64 << 10;

const SECOND: u64 = 1_000_000_000;

/// A worker without its clients.
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) registry: Registry,
    reports: Sender<Report>,
    number: usize,
    /// The time of the clock when it was last asked.
    now: Time,
    /// When the load starts, by the clock.
    start_at: u64,
    pub(super) measure_from: u64,
    pub(super) load_end: u64,
    pub(super) version: ProtocolVersion,
    pub(super) keep_alive: u16,
    pub(super) is_closed_loop: bool,
    pub(super) shares_clock: bool,
    pub(super) lag_max: Option<u64>,
    /// What the current client is about to write.
    pub(super) out: Vec<u8>,
    pub(super) block: Vec<u8>,
    /// Clients that are to be looked at again without waiting.
    pub(super) again: Vec<usize>,
    /// Due times of senders that wait for nothing else, by the start of the load.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    pub(super) wheel: Wheel,
    /// Clients that connect later: when, by the clock, and which.
    pub(super) reconnects: BinaryHeap<Reverse<(u64, usize)>>,
    /// Slow subscribers that read later: when, by the clock, and which.
    pub(super) reads: BinaryHeap<Reverse<(u64, usize)>>,
    pub(super) checks: Vec<Checks>,
    lookups: FxHashMap<u32, Lookup>,
    tally: Box<Tally>,
    pub(super) outcome: Box<Outcome>,
    /// The client that has its turn.
    pub(super) current: u32,
    pub(super) opening: u32,
    pub(super) ready: u32,
    pub(super) failed: u32,
    pub(super) lost_connections: u32,
    connected: u32,
    /// Senders that have not sent their last message.
    pub(super) sending: u32,
    sent: u64,
    pub(super) acked: u64,
    pub(super) received: u64,
    pub(super) expected: u64,
    pub(super) unmarked: u64,
    /// Clients of a storm that have all they waited for, and those that are offline before it.
    served: u32,
    pub(super) away: u32,
    /// Others whose clocks are known, and where the last message came from.
    pub(super) peers: Vec<Arc<Peer>>,
    pub(super) last_peer: usize,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// What both were when the measured phase began.
    bytes_before: (u64, u64),
    cpu_before: u64,
}

impl Core {
    pub(super) fn new(
        shared: Arc<Shared>,
        registry: Registry,
        reports: Sender<Report>,
        number: usize,
    ) -> Self {
        let plan = &shared.plan;
        let connect = &plan.identity.connect;
        let (version, keep_alive) = (connect.version, connect.keep_alive);
        let connect_timeout = u16::try_from(plan.load.connect_timeout.as_secs()).unwrap_or(u16::MAX);
        let lag_max = plan.load.lag_max.map(|most| u64::try_from(most.as_nanos()).unwrap_or(u64::MAX));
        Self {
            is_closed_loop: plan.load.schedule.is_none(),
            shares_clock: matches!(plan.mode, Mode::Run | Mode::Request),
            wheel: Wheel::new(keep_alive.max(connect_timeout).saturating_add(1)),
            start_at: u64::MAX,
            measure_from: 0,
            load_end: u64::MAX,
            version,
            keep_alive,
            lag_max,
            now: shared.clock.now(),
            shared,
            registry,
            reports,
            number,
            out: Vec::with_capacity(BLOCK_BYTES + 4096),
            block: vec![0; BLOCK_BYTES],
            again: Vec::new(),
            due: BinaryHeap::new(),
            reconnects: BinaryHeap::new(),
            reads: BinaryHeap::new(),
            checks: Vec::new(),
            lookups: FxHashMap::default(),
            tally: Box::new(Tally::new(Phase::Connect, 0)),
            outcome: Box::default(),
            current: 0,
            opening: 0,
            ready: 0,
            failed: 0,
            lost_connections: 0,
            connected: 0,
            sending: 0,
            sent: 0,
            acked: 0,
            received: 0,
            expected: 0,
            unmarked: 0,
            served: 0,
            away: 0,
            peers: Vec::new(),
            last_peer: 0,
            bytes_in: 0,
            bytes_out: 0,
            bytes_before: (0, 0),
            cpu_before: 0,
        }
    }

    /// Asks the clock.
    #[inline]
    pub(super) fn refresh(&mut self) {
        self.now = self.shared.clock.now();
    }

    /// The clock when it was last asked, in nanoseconds.
    #[inline]
    pub(super) const fn now(&self) -> u64 {
        self.now.as_nanos()
    }

    /// Nanoseconds since the start of the load; 0 before it.
    #[inline]
    pub(super) const fn since_start(&self) -> u64 {
        self.now.as_nanos().saturating_sub(self.start_at)
    }

    /// Seconds of the clock, for keep alives.
    pub(super) const fn second(&self) -> u64 {
        self.now.as_nanos() / SECOND
    }

    pub(super) const fn is_started(&self) -> bool {
        self.start_at != u64::MAX
    }

    /// Takes what the coordinator has decided; true when the load has just begun.
    pub(super) fn look_at_shared(&mut self) -> bool {
        self.measure_from = self.shared.measure_from.load(Relaxed);
        self.load_end = self.shared.load_end.load(Relaxed);
        let start_at = self.shared.start_at.load(Relaxed);
        let begins = start_at != self.start_at && start_at <= self.now();
        if begins {
            self.start_at = start_at;
        }
        begins
    }

    /// When the worker has to wake up at the latest, by the clock.
    pub(super) fn next_moment(&self, connect_at: Option<u64>) -> u64 {
        let start = self.shared.start_at.load(Relaxed);
        let due = match (self.is_started(), self.due.peek()) {
            (true, Some(Reverse((due, _)))) => self.start_at.saturating_add(*due),
            _ => u64::MAX,
        };
        let begin = if self.is_started() { u64::MAX } else { start };
        // The second ends for everyone, so that what was counted in it is told.
        let tick = match self.is_started() {
            true => self.start_at + (self.since_start() / SECOND + 1) * SECOND,
            false => u64::MAX,
        };
        let wheel = self.wheel.first().map_or(u64::MAX, |second| second * SECOND);
        let reconnect = self.reconnects.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        let read = self.reads.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        [due, begin, tick, wheel, reconnect, read, connect_at.unwrap_or(u64::MAX)]
            .into_iter()
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Lets a client wait for the time at which its next message is due.
    pub(super) fn queue(&mut self, due: u64, client: usize) {
        self.due.push(Reverse((due, client)));
    }

    /// A client of a storm has one more of what it waits for; whether that was the last.
    pub(super) fn served(&mut self, is_complete: bool) {
        if is_complete {
            self.served += 1;
            self.outcome.completion.record_nanoseconds(self.since_start());
        }
    }

    /// Counts SUBSCRIBE packets that go out.
    pub(super) const fn count_subscriptions(&mut self, count: u64) {
        self.sent += count;
    }

    /// The next client whose message is due.
    pub(super) fn pop_due(&mut self) -> Option<usize> {
        let Reverse((due, client)) = *self.due.peek()?;
        if due > self.since_start() {
            return None;
        }
        self.due.pop();
        Some(client)
    }

    pub(super) fn index_of(&self, token: usize) -> u32 {
        u32::try_from(token).unwrap_or(u32::MAX)
    }

    /// Counts a connection that took `nanos` to CONNACK.
    pub(super) fn connected(&mut self, nanos: u64, is_again: bool) {
        self.outcome.counts.connect_ok += 1;
        self.outcome.counts.reconnects += u64::from(is_again);
        self.connected += 1;
        let connected_at = &self.shared.gauges[self.number].connected_at;
        connected_at.store(self.now.as_nanos(), Relaxed);
        self.turn_tally();
        self.tally.connected += 1;
        self.tally.latency.connect.record_nanoseconds(nanos);
    }

    /// Counts a TLS handshake.
    pub(super) fn shook_hands(&mut self, took: Duration, is_resumed: bool) {
        self.outcome.counts.tls_resumed += u64::from(is_resumed);
        self.turn_tally();
        self.tally.latency.tls.record_microseconds(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Lets a lost connection come back, if it shall.
    pub(super) fn schedule_reconnect(&mut self, client: usize, attempts: u32, seed: u64) {
        if let Some(backoff) = self.shared.plan.load.reconnect {
            let pause = backoff.pause(attempts, seed);
            self.reconnects.push(Reverse((self.now().saturating_add(pause), client)));
        }
    }

    /// The stamp of a message.
    #[inline]
    pub(super) fn stamp(&self, stream: u32, sequence: u64, due: u64) -> Stamp {
        Stamp { run: self.shared.plan.run, stream, sequence, due, is_warm_up: due < self.measure_from }
    }

    /// Counts messages that go out in one write.
    #[inline]
    pub(super) fn count_batch(&mut self, messages: u64) {
        self.sent += messages;
        self.outcome.packets_out += messages;
        if messages > 0 && self.is_measuring() {
            self.outcome.writes += 1;
            self.outcome.messages_written += messages;
        }
    }

    /// Whether nothing more is due.
    pub(super) const fn is_past_load(&self) -> bool {
        self.is_started() && self.since_start() >= self.load_end
    }

    /// Whether the measured phase has begun.
    #[inline]
    pub(super) const fn is_measuring(&self) -> bool {
        self.is_started() && self.since_start() >= self.measure_from
    }

    /// Deliveries that a message of this topic brings.
    pub(super) fn receivers_of(&self, name: &str) -> u32 {
        let filters = self.shared.filters.iter();
        filters.filter(|(filter, _)| topic::matches(filter, name)).map(|(_, count)| count).sum()
    }

    /// Remembers the first message of a stream that is measured.
    #[inline]
    pub(super) fn mark_first_measured(&self, stream: u32, sequence: u64) {
        if let Some(first) = self.shared.first_measured.get(stream as usize)
            && first.load(Relaxed) == u64::MAX
        {
            first.store(sequence, Relaxed);
        }
    }

    /// Whether a message of a stream without due times is measured.
    pub(super) fn is_measured(&self, stream: u32, sequence: u64) -> bool {
        let first = self.shared.first_measured.get(stream as usize);
        first.is_some_and(|first| sequence >= first.load(Relaxed))
    }

    /// When a message of a random schedule was due.
    pub(super) fn lookup(&mut self, schedule: &Schedule, stream: u32, sequence: u64) -> Option<u64> {
        let lookup = self.lookups.entry(stream).or_insert_with(|| Lookup::new(schedule, stream));
        lookup.due(schedule, sequence)
    }

    /// Where to count a message: what belongs to the warm-up never reaches the measured phase.
    #[inline]
    pub(super) fn tally_of(&mut self, is_measured: bool) -> &mut Tally {
        self.turn_tally();
        if !is_measured && self.tally.phase != Phase::Warmup {
            return &mut self.outcome.late_warm_up;
        }
        &mut self.tally
    }

    /// The phase and the second of it, by the clock.
    #[allow(clippy::cast_possible_truncation)] // seconds of a run
    fn place(&self) -> (Phase, u32) {
        if !self.is_started() {
            return (Phase::Connect, 0);
        }
        let since = self.since_start();
        let phase = if since < self.measure_from {
            Phase::Warmup
        } else if since < self.load_end {
            Phase::Measure
        } else {
            Phase::Drain
        };
        (phase, (since / SECOND) as u32)
    }

    /// Hands the tally over when its second or its phase has passed.
    #[inline]
    pub(super) fn turn_tally(&mut self) {
        let (phase, second) = self.place();
        if (phase, second) != (self.tally.phase, self.tally.second) {
            self.hand_over(phase, second);
        }
    }

    #[cold]
    fn hand_over(&mut self, phase: Phase, second: u32) {
        let done = std::mem::replace(&mut self.tally, Box::new(Tally::new(phase, second)));
        if done.phase != Phase::Measure && phase == Phase::Measure {
            self.cpu_before = super::clock::thread_nanos();
            self.bytes_before = (self.bytes_in, self.bytes_out);
        }
        if done.phase == Phase::Measure && phase != Phase::Measure {
            self.end_of_measuring();
        }
        // Nobody listens any more when the run was broken off.
        let _ = self.reports.send(Report::Tally(done));
    }

    fn end_of_measuring(&mut self) {
        self.outcome.cpu_nanos = super::clock::thread_nanos() - self.cpu_before;
        let counts = &mut self.outcome.counts;
        counts.bytes_in = self.bytes_in - self.bytes_before.0;
        counts.bytes_out = self.bytes_out - self.bytes_before.1;
    }

    /// Tells where the worker stands.
    pub(super) fn publish_gauge(&self) {
        let gauge = &self.shared.gauges[self.number];
        gauge.connected.store(self.connected, Relaxed);
        gauge.ready.store(self.ready, Relaxed);
        gauge.failed.store(self.failed, Relaxed);
        gauge.lost_connections.store(self.lost_connections, Relaxed);
        gauge.sent.store(self.sent, Relaxed);
        gauge.acked.store(self.acked, Relaxed);
        gauge.received.store(self.received, Relaxed);
        gauge.expected.store(self.expected, Relaxed);
        gauge.served.store(self.served, Relaxed);
        gauge.away.store(self.away, Relaxed);
        gauge.sending.store(self.sending, Relaxed);
        gauge.has_begun.store(self.is_started(), Release);
    }

    /// Ends: hands everything over.
    pub(super) fn finish(mut self) {
        self.hand_in();
    }

    /// Hands everything over.
    pub(super) fn hand_in(&mut self) {
        if self.tally.phase == Phase::Measure {
            self.end_of_measuring();
        }
        self.outcome.counts.received += self.unmarked;
        let tally = std::mem::replace(&mut self.tally, Box::new(Tally::new(Phase::Drain, u32::MAX)));
        let _ = self.reports.send(Report::Tally(tally));
        let _ = self.reports.send(Report::Done(std::mem::take(&mut self.outcome)));
    }
}
