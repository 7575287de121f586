//! A storm, from what it needs in the broker beforehand to what it left there.

use super::collect::Collected;
use super::phases::{Coordinator, Live, Stop, seconds};
use crate::bench::plan::Role;
use crate::bench::result::{Phase, Phases, RunResult, Storm};
use crate::bench::side::{self, Side, SideError};
use crate::bench::storm::StormKind;
use crate::bench::worker::shared::Standing;
use crate::packet::{ProtocolVersion, Publish};
use std::sync::atomic::Ordering::Relaxed;

/// How long the clients of a storm may take to leave, in nanoseconds.
const LEAVE_WAIT: u64 = 10_000_000_000;

/// A storm under way.
pub(super) struct StormWatch {
    /// Connections that had been made before it.
    before: u64,
    result: Storm,
}

impl StormWatch {
    /// What came of it, with the figures of its clients.
    pub(super) fn finish(mut self, collected: &Collected, phases: &Phases) -> Storm {
        let completion = collected.completion();
        if !completion.is_empty() {
            #[allow(clippy::cast_precision_loss)] // microseconds of a run
            let at = |percent| completion.percentile(percent) as f64 / 1e6;
            let figures =
                [("client p50 s", at(50.0)), ("client p99 s", at(99.0)), ("client max s", at(100.0))];
            self.result.figures.extend(figures.map(|(name, figure)| (name.to_owned(), figure)));
        }
        if self.result.drained_s.is_none() {
            self.result.unfinished_s = Some(phases.measure_s);
        }
        self.result
    }
}

/// Adds a storm to the result of its run.
pub(super) fn tell(result: &mut RunResult, mut storm: Storm, kind: StormKind) {
    "storm".clone_into(&mut result.run.mode);
    // Everything at once is no rate.
    result.rates.asked = None;
    let counts = &mut result.counts;
    let (unit, count) = match kind {
        StormKind::Reconnect => ("connections", storm.served),
        StormKind::Subscribe => ("subscriptions", counts.acked),
        StormKind::Will | StormKind::Retain | StormKind::Resume => {
            counts.expected = storm.awaited;
            counts.lost = storm.awaited.saturating_sub(counts.received);
            ("messages", counts.received)
        }
    };
    if let Some(length) = storm.drained_s.filter(|length| *length > 0.0) {
        #[allow(clippy::cast_precision_loss)] // a rate
        storm.figures.insert(format!("{unit} per second"), (count as f64 / length).round());
    }
    result.storm = Some(storm);
}

impl Coordinator {
    /// Brings into the broker what a storm begins from, once everybody is there.
    pub(super) fn prepare_storm(
        &mut self,
        stop: &Stop,
        watch: &mut dyn FnMut(&Live),
    ) -> Result<(), SideError> {
        let Some(kind) = self.shared.plan.storm else { return Ok(()) };
        let standing = self.shared.standing();
        let plan = &self.shared.plan;
        let idle = plan.members().filter(|member| member.role == Role::Idle);
        let watchers = plan.members().count().saturating_sub(idle.clone().count()) as u64;
        let clients = u64::from(standing.ready).saturating_sub(watchers);
        let awaited = match kind {
            StormKind::Reconnect => 0,
            StormKind::Will => clients,
            StormKind::Retain | StormKind::Subscribe | StormKind::Resume => {
                idle.filter_map(|member| plan.attendance(member)).map(|attendance| attendance.awaited()).sum()
            }
        };
        let result = Storm { kind: kind.word().to_owned(), clients, awaited, ..Storm::default() };
        self.storm = Some(StormWatch { before: u64::from(standing.connected), result });
        if kind == StormKind::Resume {
            self.send_away(stop, watch);
        }
        if !kind.delivers() || self.interrupted {
            return Ok(());
        }
        let plan = &self.shared.plan;
        let mut side = Side::connect(plan, plan.members().next(), &side_identifier(plan.run))?;
        side.publish(plan.storm_messages())?;
        side.finish()
    }

    /// Waits until the clients of a storm have left.
    fn send_away(&mut self, stop: &Stop, watch: &mut dyn FnMut(&Live)) {
        let began = self.now();
        let clients = self.shared.plan.members().filter(|member| member.role == Role::Idle).count();
        self.shared.leave.store(true, Relaxed);
        self.wake();
        loop {
            self.take_reports();
            let standing = self.shared.standing();
            watch(&self.live(Phase::Connect, began, None, &standing));
            if standing.away as usize >= clients || self.now() > began + LEAVE_WAIT {
                return;
            }
            if stop.is_set() {
                self.interrupted = true;
                return;
            }
        }
    }

    /// Takes out of the broker what the storm brought there and its clients could not take with them.
    pub(super) fn clear_storm(&self) -> Result<(), SideError> {
        let plan = &self.shared.plan;
        if self.storm.is_none() {
            return Ok(());
        }
        match plan.storm {
            Some(StormKind::Retain) => {
                let mut side = Side::connect(plan, plan.members().next(), &side_identifier(plan.run))?;
                let empty = |message: Publish| Publish {
                    payload: bytes::Bytes::new(),
                    properties: crate::packet::Properties::EMPTY,
                    ..message
                };
                side.publish(plan.storm_messages().map(empty))?;
                side.finish()
            }
            // With MQTT 5 their last DISCONNECT has ended their sessions.
            Some(StormKind::Resume) if plan.identity.connect.version != ProtocolVersion::V5 => {
                plan.members().try_for_each(|member| side::forget(plan, member))
            }
            _ => Ok(()),
        }
    }

    /// Notes how far the system has come back after a storm; whether it is over.
    pub(super) fn storm(&mut self, standing: &Standing, since: u64) -> bool {
        let Some(storm) = &mut self.storm else { return false };
        let served = match self.shared.plan.storm {
            Some(StormKind::Reconnect) => u64::from(standing.connected).saturating_sub(storm.before),
            Some(StormKind::Will) => standing.received,
            _ => u64::from(standing.served),
        };
        let storm = &mut storm.result;
        storm.served = served.min(storm.clients);
        if since > 0 && served * 100 >= storm.clients * 99 {
            storm.recovered_s.get_or_insert(seconds(since));
        }
        let is_over = since > 0 && served >= storm.clients;
        if is_over {
            storm.drained_s = Some(seconds(since));
        }
        is_over
    }
}

fn side_identifier(run: u32) -> String {
    format!("bench-side-{run:06x}")
}
