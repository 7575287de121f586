//! Connect, warm up, measure, drain, close.

use super::collect::Collected;
use super::storm::StormWatch;
use crate::bench::machine;
use crate::bench::plan::Mode;
use crate::bench::result::{Phase, Phases, RunResult};
use crate::bench::side::{Side, SideError};
use crate::bench::steady;
use crate::bench::sync::Syncing;
use crate::bench::view::prometheus::Snapshot;
use crate::bench::worker::shared::{Report, Shared, Standing};
use crate::packet::Qos;
use mio::Waker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

/// How often the coordinator looks where things stand.
const LOOK: Duration = Duration::from_millis(5);

/// From the moment that all clients are ready to the first due time, in nanoseconds: long enough to tell all workers.
const LEAD: u64 = 5_000_000;

/// Workers send what was due for this long behind the end, in nanoseconds.
const GRACE: u64 = 110_000_000;

/// How long a load may take to settle, in nanoseconds.
const WARM_UP_MAX: u64 = 60_000_000_000;

/// From the decision to measure to the first moment that is, in nanoseconds: long enough to tell all workers.
const MEASURE_LEAD: u64 = 250_000_000;

/// Breaks a run off; may be set from a signal handler's thread.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A stop over a flag that somebody else sets.
    #[must_use]
    pub const fn of(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    /// Breaks the run off: what was measured until then stands.
    pub fn set(&self) {
        self.0.store(true, Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Where a run stands, several times a second.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The phase.
    pub phase: Phase,
    /// Seconds since the phase began.
    pub elapsed: f64,
    /// Seconds that it takes; `None` where that depends on what happens.
    pub length: Option<f64>,
    /// Clients of this segment.
    pub clients: u32,
    /// Those that are connected and subscribed.
    pub ready: u32,
    /// Those that could not connect.
    pub failed: u32,
    /// Connections that were made and not lost.
    pub connected: u32,
    /// Messages written, acknowledged and read since the start, the warm-up's among them.
    pub sent: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Read, each message once for each receiver.
    pub received: u64,
    /// Deliveries that what was sent must bring.
    pub expected: u64,
    /// Median, 99th percentile and maximum of the last whole second's latencies in microseconds.
    pub latency_us: (u64, u64, u64),
}

impl Live {
    /// The same for Prometheus.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (p50_us, p99_us, max_us) = self.latency_us;
        Snapshot {
            connected: u64::from(self.connected),
            connect_failed: u64::from(self.failed),
            sent: self.sent,
            acked: self.acked,
            received: self.received,
            expected: self.expected,
            p50_us,
            p99_us,
            max_us,
        }
    }
}

/// Leads the workers through the phases.
pub(super) struct Coordinator {
    pub(super) shared: Arc<Shared>,
    wakers: Vec<Waker>,
    reports: Receiver<Report>,
    pub(super) collected: Collected,
    clients: u32,
    pub(super) phases: Phases,
    started_ns: u64,
    resident_before: u64,
    resident_connected: u64,
    pub(super) interrupted: bool,
    pub(super) storm: Option<StormWatch>,
    syncing: Option<Syncing>,
}

impl Coordinator {
    pub(super) fn new(
        shared: Arc<Shared>,
        wakers: Vec<Waker>,
        reports: Receiver<Report>,
        resident_before: u64,
    ) -> Self {
        let clients = u32::try_from(shared.plan.members().count()).unwrap_or(u32::MAX);
        Self {
            shared,
            wakers,
            reports,
            collected: Collected::default(),
            clients,
            phases: Phases::default(),
            started_ns: 0,
            resident_before,
            resident_connected: 0,
            interrupted: false,
            storm: None,
            syncing: None,
        }
    }

    pub(super) fn lead(mut self, stop: &Stop, watch: &mut dyn FnMut(&Live)) -> Result<RunResult, SideError> {
        let stolen_before = machine::stolen_ticks();
        let mut prepared = Ok(());
        self.connect(stop, watch);
        if !self.interrupted && self.shared.standing().ready > 0 {
            prepared = self.prepare_storm(stop, watch).and_then(|()| self.sync_clocks());
            prepared = prepared.and_then(|()| self.wait_at_gate(stop, watch));
            if prepared.is_ok() && !self.interrupted {
                self.load(stop, watch);
                self.drain(stop, watch);
            }
        }
        self.close();
        let cleared = self.clear_storm();
        let synced = self.syncing.take().map_or(Ok(()), Syncing::finish);
        prepared?;
        let stolen = machine::stolen_ticks();
        let steal = (stolen.0 - stolen_before.0, stolen.1 - stolen_before.1);
        self.phases.warmup_s =
            seconds(self.shared.measure_from.load(Relaxed).min(self.shared.load_end.load(Relaxed)));
        let storm = self.storm.take().map(|storm| storm.finish(&self.collected, &self.phases));
        let kind = self.shared.plan.storm;
        let demands_steady = self.shared.plan.load.demands_steady;
        let mut result = self.collected.into_result(
            &self.shared,
            &super::collect::Run {
                phases: self.phases,
                clients: self.clients,
                started_ns: self.started_ns,
                resident_before: self.resident_before,
                resident: self.resident_connected,
                steal,
                interrupted: self.interrupted,
            },
        );
        if demands_steady {
            result.judge_steady();
        }
        if let (Some(storm), Some(kind)) = (storm, kind) {
            super::storm::tell(&mut result, storm, kind);
        }
        if let Err(error) = cleared {
            result.warnings.push(format!("what the storm left in the broker is still there: {error}"));
        }
        if let Err(error) = synced {
            result.warnings.push(format!("clocks could not be followed to the end: {error}"));
        }
        Ok(result)
    }

    /// Begins to ask others for their clocks, and to answer them.
    fn sync_clocks(&mut self) -> Result<(), SideError> {
        if self.shared.plan.load.syncs_clocks && !self.interrupted {
            self.syncing = Some(Syncing::start(&self.shared)?);
        }
        Ok(())
    }

    fn connect(&mut self, stop: &Stop, watch: &mut dyn FnMut(&Live)) {
        let began = self.shared.connect_from;
        loop {
            self.take_reports();
            let standing = self.shared.standing();
            watch(&self.live(Phase::Connect, began, None, &standing));
            if standing.ready + standing.failed >= self.clients {
                break;
            }
            if stop.is_set() {
                self.interrupted = true;
                break;
            }
        }
        let (now, last) = (self.now(), self.shared.standing().connected_at);
        self.phases.connect_s = seconds(last.saturating_sub(began));
        self.phases.subscribe_s = seconds(now.saturating_sub(last.max(began)));
        self.resident_connected = machine::resident_bytes();
    }

    /// Waits for the message that lets the load begin.
    fn wait_at_gate(&mut self, stop: &Stop, watch: &mut dyn FnMut(&Live)) -> Result<(), SideError> {
        let plan = &self.shared.plan;
        let Some(gate) = plan.load.gate.as_deref().filter(|_| !self.interrupted) else { return Ok(()) };
        let id = format!("bench-gate-{:06x}-{}", plan.run, plan.segment.0);
        let mut side = Side::connect(plan, plan.members().next(), &id)?;
        side.subscribe(gate)?;
        let began = self.now();
        while !side.hears(LOOK)? {
            self.take_reports();
            watch(&self.live(Phase::Connect, began, None, &self.shared.standing()));
            if stop.is_set() {
                self.interrupted = true;
                break;
            }
        }
        side.finish()
    }

    fn load(&mut self, stop: &Stop, watch: &mut dyn FnMut(&Live)) {
        let lead = self.lead_nanos();
        let start = self.now() + lead;
        self.started_ns = wall_clock_nanos() + lead;
        self.shared.start_at.store(start, Relaxed);
        self.wake();
        loop {
            self.take_reports();
            let standing = self.shared.standing();
            let since = self.now().saturating_sub(start);
            let (from, end) = (self.shared.measure_from.load(Relaxed), self.shared.load_end.load(Relaxed));
            let live = if since < from {
                let length = (from < u64::MAX).then(|| seconds(from));
                self.live(Phase::Warmup, start, length, &standing)
            } else {
                let length = (end < u64::MAX).then(|| seconds(end.saturating_sub(from)));
                self.live(Phase::Measure, start + from, length, &standing)
            };
            watch(&live);
            self.end_warm_up(since);
            if self.storm(&standing, since) {
                self.shared.load_end.store(since.min(end), Relaxed);
                self.wake();
                break;
            }
            let is_all_sent = self.sends_by_count() && self.has_sent_all(&standing);
            if since >= end {
                break;
            }
            if is_all_sent || stop.is_set() {
                self.interrupted = !is_all_sent;
                self.shared.load_end.store(since.min(end), Relaxed);
                self.wake();
                break;
            }
        }
        let (from, end) = (self.shared.measure_from.load(Relaxed), self.shared.load_end.load(Relaxed));
        self.phases.measure_s = seconds(end.saturating_sub(from));
    }

    /// Lets the measured phase begin when the load has settled, or has not for too long.
    fn end_warm_up(&mut self, since: u64) {
        if self.shared.measure_from.load(Relaxed) != u64::MAX {
            return;
        }
        let is_steady = steady::is_steady(self.collected.warm_up_windows());
        if !is_steady && since < WARM_UP_MAX {
            return;
        }
        self.phases.steady = Some(is_steady);
        self.phases.steady_after_s = is_steady.then(|| seconds(since));
        let from = since + MEASURE_LEAD;
        let length = u64::try_from(self.shared.plan.load.duration.as_nanos()).unwrap_or(u64::MAX);
        // The end first: a worker that sees only one of them goes on.
        self.shared.load_end.store(from.saturating_add(length), Relaxed);
        self.shared.measure_from.store(from, Relaxed);
        self.wake();
    }

    /// From now to the first due time, in nanoseconds.
    fn lead_nanos(&self) -> u64 {
        let wait = self.shared.plan.load.start_at.and_then(|at| at.duration_since(SystemTime::now()).ok());
        wait.map_or(LEAD, |wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX / 2).max(LEAD))
    }

    /// Whether the number of messages ends the load.
    fn sends_by_count(&self) -> bool {
        self.shared.plan.load.messages.is_some() && self.shared.plan.storm.is_none()
    }

    /// Whether no sender has anything left.
    fn has_sent_all(&self, standing: &Standing) -> bool {
        standing.begun == self.wakers.len() && standing.sending == 0
    }

    /// Waits until everything has arrived that can, or nothing more does.
    fn drain(&mut self, stop: &Stop, watch: &mut dyn FnMut(&Live)) {
        let began = self.now();
        let patience = u64::try_from(self.shared.plan.load.drain.as_nanos()).unwrap_or(u64::MAX);
        let start = self.shared.start_at.load(Relaxed);
        let mut last = (self.shared.standing(), began);
        loop {
            self.take_reports();
            let (standing, now) = (self.shared.standing(), self.now());
            watch(&self.live(Phase::Drain, began, None, &standing));
            // What others go on sending is no end to wait for.
            if standing != last.0 && self.shared.plan.mode != Mode::Subscribe {
                last = (standing, now);
            }
            let has_sent =
                self.has_sent_all(&standing) || now > start + self.shared.load_end.load(Relaxed) + GRACE;
            if has_sent && self.is_complete(&standing) {
                break;
            }
            if now - last.1 > patience || (stop.is_set() && !self.interrupted) {
                self.interrupted |= stop.is_set();
                break;
            }
        }
        self.phases.drain_s = seconds(self.now() - began);
    }

    fn is_complete(&self, standing: &Standing) -> bool {
        let plan = &self.shared.plan;
        let is_acknowledged = plan.message.qos == Qos::AtMostOnce || standing.acked >= standing.sent;
        match plan.mode {
            Mode::Connect => true,
            // Nobody knows how much others still send.
            Mode::Subscribe => false,
            Mode::Publish => is_acknowledged,
            Mode::Run | Mode::Request => is_acknowledged && standing.received >= standing.expected,
        }
    }

    fn close(&mut self) {
        self.shared.close.store(true, Relaxed);
        self.wake();
        while self.collected.done() < self.wakers.len() {
            match self.reports.recv() {
                Ok(report) => self.collected.take(report),
                // A worker that has failed tells its error when it is joined.
                Err(_) => break,
            }
        }
    }

    /// Takes what the workers tell, waiting for it a moment.
    pub(super) fn take_reports(&mut self) {
        match self.reports.recv_timeout(LOOK) {
            Ok(report) => {
                self.collected.take(report);
                while let Ok(report) = self.reports.try_recv() {
                    self.collected.take(report);
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }

    pub(super) fn live(&self, phase: Phase, began: u64, length: Option<f64>, standing: &Standing) -> Live {
        Live {
            phase,
            elapsed: seconds(self.now().saturating_sub(began)),
            length,
            clients: self.clients,
            ready: standing.ready,
            failed: standing.failed,
            connected: standing.connected.saturating_sub(standing.lost_connections),
            sent: standing.sent,
            acked: standing.acked,
            received: standing.received,
            expected: standing.expected,
            latency_us: self.collected.last_second(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.shared.clock.now().as_nanos()
    }

    pub(super) fn wake(&self) {
        for waker in &self.wakers {
            // A worker that has failed cannot be woken.
            let _ = waker.wake();
        }
    }
}

#[allow(clippy::cast_precision_loss)] // far below what an f64 holds
pub(super) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn wall_clock_nanos() -> u64 {
    let since = SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
