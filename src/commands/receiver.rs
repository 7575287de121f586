//! What `sub` does with each message: which are passed over, printed, counted, and which is the last.

use super::printer::{Display, wall_time};
use super::purge::Purge;
use crate::compat::{Face, Failure};
use crate::flags::plan::SubscribePlan;
use crate::output::{Filter, Message};
use crate::packet::{PublishRef, Text, topic};

/// Larger payloads are not copied when they are printed as they are: 1 MiB.
const COPIED_BYTES_MAX: usize = 1024 * 1024;

/// Takes messages; what it prints and complains about is to be fetched after each turn.
pub(super) struct Receiver {
    filter_out: Vec<Text>,
    no_retain: bool,
    retained_only: bool,
    /// Only what is retained is taken.
    is_snapshot: bool,
    purge: Option<Purge>,
    remove_retained: bool,
    message_rate: bool,
    count_max: Option<u32>,
    count: u32,
    display: Display,
    /// Compiled when the options were read, and so again.
    until: Option<Filter>,
    /// Messages go to a command instead of the output.
    is_executed: bool,
    /// The last message is one for the command.
    pub(super) is_for_command: bool,
    /// For the standard output.
    pub(super) printed: Vec<u8>,
    /// Where in it the last message's payload belongs, if it is so large that it was left out.
    pub(super) left_out_at: Option<usize>,
    /// For the standard error.
    pub(super) complaints: String,
    /// Messages since the last line of `--message-rate`.
    pub(super) rate: u64,
    /// The program is to end; messages are ignored from now on.
    pub(super) is_done: bool,
}

impl Receiver {
    /// Ready for the first message.
    pub(super) fn new(plan: &SubscribePlan, face: Face) -> Self {
        let mut printed = Vec::new();
        let display = Display::new(plan, face, &mut printed);
        Self {
            filter_out: plan.filter_out.clone(),
            no_retain: plan.no_retain,
            retained_only: plan.retained_only,
            is_snapshot: plan.retained,
            purge: plan.purge.clone().map(Purge::new),
            remove_retained: plan.remove_retained,
            message_rate: plan.message_rate,
            count_max: plan.count,
            count: 0,
            display,
            until: plan.until.as_deref().and_then(|text| Filter::parse(text).ok()),
            is_executed: plan.exec.is_some(),
            is_for_command: false,
            printed,
            left_out_at: None,
            complaints: String::new(),
            rate: 0,
            is_done: false,
        }
    }

    /// How many messages have been printed.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// All that is retained has come: what is to be cleared now.
    ///
    /// # Errors
    ///
    /// Why the backup could not be written; nothing is to be cleared then.
    pub(super) fn end_of_snapshot(&mut self) -> Result<Vec<Text>, Failure> {
        self.is_done = true;
        self.purge.take().map_or(Ok(Vec::new()), Purge::finish)
    }

    /// From now on what is retained is passed over.
    pub(super) const fn pass_over_retained(&mut self) {
        self.no_retain = true;
    }

    /// Whether `publish` may be handed to [`Receiver::receive`] as it is read, because it does not make the connection do
    /// anything, and nothing of it is to be kept.
    pub(super) const fn only_prints(&self, publish: &PublishRef<'_>) -> bool {
        !self.remove_retained && !self.is_executed && !self.leaves_out(publish)
    }

    /// Whether the payload is left out of what is printed, because its owner can print it without a copy.
    const fn leaves_out(&self, publish: &PublishRef<'_>) -> bool {
        publish.payload.len() >= COPIED_BYTES_MAX && self.display.is_raw()
    }

    /// Whether `publish` is what `--until` waits for.
    fn ends(&mut self, publish: &PublishRef<'_>) -> bool {
        let Some(until) = &mut self.until else { return false };
        until.holds(&Message { publish: *publish, received: wall_time() })
    }

    /// In the reference's order: retained-only, `-R`, `-T`, remove-retained, print, count. True when the retained
    /// message is to be cleared.
    #[inline]
    pub(super) fn receive(&mut self, publish: &PublishRef<'_>) -> bool {
        self.is_for_command = false;
        self.left_out_at = None;
        if self.is_done || self.count_max == Some(0) {
            return false;
        }
        self.rate += 1;
        if publish.retain && self.no_retain {
            return false;
        }
        if !publish.retain && self.retained_only {
            self.is_done = true;
            return false;
        }
        if !publish.retain && self.is_snapshot {
            return false;
        }
        if self.filter_out.iter().any(|filter| topic::matches(filter, publish.topic)) {
            return false;
        }
        if let Some(purge) = &mut self.purge {
            purge.note(publish, &mut self.complaints);
        }
        if !self.message_rate {
            if self.is_executed {
                self.is_for_command = self.display.is_chosen();
            } else if self.leaves_out(publish) {
                self.left_out_at = self.display.show_around(publish.topic, &mut self.printed);
            } else {
                self.display.show(publish, &mut self.printed, &mut self.complaints);
            }
            self.count += 1;
            self.is_done = self.count_max == Some(self.count) || self.ends(publish);
        }
        publish.retain && self.remove_retained
    }
}
