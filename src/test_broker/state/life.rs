//! What a test does to the broker: rules, cuts, standing still, stopping and starting.

use super::{Server, Slot, State};
use crate::broker::{self, Broker, ConnectionId};
use crate::fault::{Ending, Rule, RuleId};
use crate::journal::Happening;

impl State {
    pub(in crate::test_broker) fn add_rule(&mut self, rule: Rule) -> RuleId {
        self.rules.add(self.timepiece.now(), rule)
    }

    /// Lets go what a rule holds; how many packets that were.
    pub(in crate::test_broker) fn release(&mut self, rule: RuleId) -> usize {
        let numbers: Vec<u64> = self.lines.keys().copied().collect();
        let release =
            |number: u64| self.with_line(number, |line, context| line.release(context, rule)).unwrap_or(0);
        let released = numbers.into_iter().map(release).sum();
        self.pump();
        released
    }

    pub(in crate::test_broker) fn remove_rule(&mut self, rule: RuleId) {
        self.rules.remove(rule);
        self.release(rule);
    }

    /// Ends the connections of a client, as a broken network would.
    pub(in crate::test_broker) fn cut_client(&mut self, client: &str, ending: Ending) -> usize {
        // What has ended at one side already, a broken network cannot end.
        let is_named = |slot: &&Slot| {
            !slot.line.is_inside()
                && !slot.is_client_gone
                && slot.line.ending().is_none()
                && slot.line.client_identifier() == client
        };
        let numbers: Vec<u64> = self.lines.values().filter(is_named).map(|slot| slot.line.number()).collect();
        for number in &numbers {
            self.with_line(*number, |line, context| line.end(context, ending));
        }
        self.pump();
        numbers.len()
    }

    /// Whether a client has a connection that CONNACK has let in.
    pub(in crate::test_broker) fn connection_of(&self, client: &str) -> Option<ConnectionId> {
        let broker = self.broker.as_ref()?;
        broker.sessions().find(|view| view.client_identifier == client)?.connection
    }

    /// The broker stands still: nothing is read, answered or timed.
    pub(in crate::test_broker) fn freeze(&mut self, is_frozen: bool) {
        self.is_frozen = is_frozen;
        if !is_frozen {
            self.touched.extend(self.lines.keys().copied());
            self.pump();
        }
    }

    /// Ends all connections and the broker; what it remembers is in the answer, in its own words.
    pub(in crate::test_broker) fn stop(&mut self) -> Vec<broker::Change> {
        let mut remembered = Vec::new();
        self.is_stopped = true;
        self.observer = None;
        if let Some(broker) = self.broker.take() {
            broker.snapshot(|change| remembered.push(change));
        }
        self.by_serial.clear();
        let numbers: Vec<u64> = self.lines.keys().copied().collect();
        for number in numbers {
            if let Some(slot) = self.lines.get_mut(&number) {
                slot.server = Server::Gone;
            }
            self.with_line(number, |line, context| line.end(context, Ending::Finish));
        }
        self.is_frozen = false;
        self.write(Happening::Stopped);
        self.pump();
        remembered
    }

    /// A broker again, which remembers this.
    pub(in crate::test_broker) fn start(&mut self, config: broker::Config, remembered: Vec<broker::Change>) {
        let now = self.now();
        let mut broker = Broker::new(config, now);
        for change in remembered {
            broker.restore(now, change);
        }
        self.broker = Some(broker);
        self.write(Happening::Started);
        self.pump();
    }
}
