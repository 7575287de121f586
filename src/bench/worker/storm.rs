//! A client's part in a storm.

use super::client::{Client, Fault, Stage};
use super::core::Core;
use crate::bench::plan::Role;
use crate::bench::stamp::Stamp;
use crate::bench::storm::StormKind;
use crate::bench::stream::Seen;
use crate::packet::{
    Disconnect, Packet, PacketIdentifier, Property, PropertyIdentifier, ProtocolVersion, PublishRef, Suback,
    Subscribe, Text,
};
use std::cmp::Reverse;

impl Client {
    /// The storm begins.
    pub(super) fn begin_storm(&mut self, core: &mut Core, token: usize, kind: StormKind) {
        if self.member.role != Role::Idle {
            return;
        }
        if self.attendance.as_ref().is_some_and(|attendance| attendance.is_complete()) {
            // It waits for nothing.
            core.served(true);
        }
        match (kind, self.stage) {
            (StormKind::Will, Stage::Ready) => self.drop_socket(),
            (StormKind::Reconnect, Stage::Ready) => {
                self.drop_socket();
                core.reconnects.push(Reverse((core.now(), token)));
            }
            (StormKind::Resume, _) if self.has_connected() => {
                // Who has not seen the end of its first connection does not wait for it any longer.
                self.drop_socket();
                core.reconnects.push(Reverse((core.now(), token)));
            }
            (StormKind::Retain | StormKind::Subscribe, Stage::Ready) => {
                let asked =
                    if kind == StormKind::Retain { self.subscribe(core) } else { self.subscribe_all(core) };
                if let Err(fault) = asked.and_then(|()| self.flush(core)) {
                    self.lost(core, token, &fault);
                }
            }
            _ => {}
        }
    }

    /// Leaves, so that its session waits for it.
    pub(super) fn leave(&mut self, core: &mut Core) {
        if self.member.role == Role::Idle {
            self.close(core, false);
        }
    }

    /// One SUBSCRIBE for each answer that is awaited, all at once.
    fn subscribe_all(&mut self, core: &mut Core) -> Result<(), Fault> {
        let shared = core.shared.clone();
        let plan = &shared.plan;
        let awaited = self.attendance.as_ref().map_or(0, |attendance| attendance.awaited());
        for (sequence, identifier) in (0..awaited).zip((1..=u16::MAX).filter_map(PacketIdentifier::new)) {
            let options = plan.subscription.options;
            let filters = plan.storm_filters(self.member, sequence).into_iter();
            let subscribe = Subscribe {
                packet_identifier: identifier,
                properties: plan.subscription.properties.clone(),
                filters: filters
                    .map(|filter| Text::new(filter).map(|filter| (filter, options)))
                    .collect::<Result<_, _>>()?,
            };
            Packet::Subscribe(subscribe).encode(core.version, &mut core.out)?;
            core.outcome.counts.asked += 1;
            core.outcome.counts.sent += 1;
            core.tally_of(true).sent += 1;
        }
        core.count_subscriptions(awaited);
        Ok(())
    }

    /// The answer to one SUBSCRIBE of many; false when it is not one of those.
    pub(super) fn attend_suback(&mut self, core: &mut Core, suback: &Suback) -> bool {
        let is_storm = core.shared.plan.storm == Some(StormKind::Subscribe);
        let Some(attendance) = self.attendance.as_mut().filter(|_| is_storm) else { return false };
        let number = u64::from(suback.packet_identifier.get()) - 1;
        if attendance.take(number).is_none_or(|seen| seen == Seen::Duplicate) {
            core.outcome.error("unexpected_suback", || format!("SUBACK for identifier {}", number + 1));
            return true;
        }
        let is_complete = attendance.is_complete();
        core.acked += 1;
        core.outcome.counts.acked += 1;
        let since = core.since_start();
        let tally = core.tally_of(true);
        tally.acked += 1;
        tally.latency.ack.record_nanoseconds(since);
        core.served(is_complete);
        true
    }

    /// A message in a storm; false when this client waits for none.
    pub(super) fn attend(&mut self, core: &mut Core, publish: &PublishRef<'_>) -> bool {
        let shared = core.shared.clone();
        let plan = &shared.plan;
        let is_retained = plan.storm == Some(StormKind::Retain);
        let Some(attendance) =
            self.attendance.as_mut().filter(|_| plan.storm.is_some_and(StormKind::delivers))
        else {
            return false;
        };
        let own = self.member.index;
        let is_ours = |stamp: &Stamp| stamp.run == plan.run && (is_retained || stamp.stream == own);
        let stamp = Stamp::read_full(publish.payload).filter(is_ours);
        let seen = stamp.and_then(|stamp| attendance.take(stamp.sequence));
        let is_complete = attendance.is_complete();
        let counts = &mut core.outcome.counts;
        match seen {
            None => {
                counts.foreign += 1;
                return true;
            }
            Some(Seen::Duplicate | Seen::Late) => {
                counts.duplicate += 1;
                counts.duplicate_flagged += u64::from(publish.dup);
                return true;
            }
            // Retained messages of different topics have no order.
            Some(Seen::Reordered) if !is_retained => counts.reordered += 1,
            Some(_) => {}
        }
        counts.received += 1;
        core.received += 1;
        let since = core.since_start();
        let tally = core.tally_of(true);
        tally.received += 1;
        tally.latency.e2e.record_nanoseconds(since);
        core.served(is_complete);
        true
    }

    /// The DISCONNECT with which a client ends: what a storm has left in the broker goes with it.
    pub(super) fn farewell(core: &Core, is_last: bool) -> Disconnect {
        let properties = core.shared.plan.disconnect.clone();
        let mut disconnect = Disconnect { properties, ..Disconnect::default() };
        let keeps = core.shared.plan.storm == Some(StormKind::Resume) && core.version == ProtocolVersion::V5;
        if keeps && is_last {
            // Where the user has said how long it is to live, it stays so.
            let _ =
                disconnect.properties.push(Property::number(PropertyIdentifier::SessionExpiryInterval, 0));
        }
        disconnect
    }
}
