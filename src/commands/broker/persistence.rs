//! What the broker remembers on disk, while it runs.

use super::log::Log;
use crate::broker::{self, Broker, Change};
use crate::compat::mosquitto_conf::LogTypes;
use crate::net::store::{Store, StoreError, StorePlan};
use crate::time::Time;
use std::time::Duration;

/// How much may wait for a disk that takes nothing before the broker gives up, in bytes: nobody who waits for an acknowledgement
/// sends that much.
const PENDING_BYTES_MAX: usize = 256 << 20;

/// A store, and how far it has come.
#[derive(Debug)]
pub(super) struct Persistence {
    store: Store,
    log: Log,
    /// The last change that was recorded and not committed.
    recorded: Option<u64>,
    /// Whether the last commit failed, which is told once.
    is_failing: bool,
}

impl Persistence {
    /// Opens the store and makes `broker`, which is empty, what it was.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub(super) fn open(
        plan: StorePlan,
        wall_clock: Duration,
        log: &Log,
        broker: &mut Broker,
        now: Time,
    ) -> Result<Self, StoreError> {
        let (mut store, losses) = Store::open(plan, wall_clock, |change| broker.restore(now, change))?;
        for loss in losses {
            log.line(LogTypes::WARNING, &format!("Warning: {loss}."));
        }
        store.rewrite(|tell| broker.snapshot(tell))?;
        Ok(Self { store, log: log.clone(), recorded: None, is_failing: false })
    }

    pub(super) fn record(&mut self, sequence: u64, change: &Change) {
        self.store.record(change);
        self.recorded = Some(sequence);
    }

    /// Writes what the turn has changed and sets free what was promised with it. False when the broker should give up.
    pub(super) fn commit(&mut self, now: Time, broker: &mut Broker) -> bool {
        let Some(sequence) = self.recorded else { return true };
        match self.store.commit() {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    self.tell(LogTypes::NOTICE, "The store can be written again.");
                }
                self.recorded = None;
                broker.handle_committed(now, sequence);
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let text = format!(
                        "Error: Unable to write {error}. What must survive a restart is not acknowledged until it can be written."
                    );
                    self.tell(LogTypes::ERROR, &text);
                }
                return self.store.pending() <= PENDING_BYTES_MAX;
            }
        }
        if self.store.is_long()
            && let Err(error) = self.store.rewrite(|tell| broker.snapshot(tell))
        {
            self.tell(LogTypes::ERROR, &format!("Error: Unable to shorten {error}."));
        }
        true
    }

    fn tell(&self, kind: LogTypes, text: &str) {
        self.log.gather(kind, |line| line.push_str(text));
    }
}

/// Adds to a configuration what a store needs.
pub(super) const fn prepare(config: &mut broker::Config) {
    config.durable = true;
    config.events.changes = true;
}
