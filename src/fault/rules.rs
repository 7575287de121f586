//! The rules in force, asked about each packet.

use super::fit::applies;
use super::random::Random;
use super::rule::{Action, Match, Rule, fits};
use crate::packet::{Packet, PacketType, ProtocolVersion, ReasonCode, Sender, Text, topic};
use crate::time::Time;

/// Names a rule for as long as its [`Rules`] live.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RuleId(u64);

/// A rule and how often it was asked and fired.
#[derive(Clone, Debug)]
struct Armed {
    id: RuleId,
    rule: Rule,
    made: Time,
    seen: u64,
    hits: u64,
}

/// All rules, oldest first; of those that fire at a packet, the first one's action is done.
#[derive(Clone, Debug)]
pub struct Rules {
    armed: Vec<Armed>,
    made: u64,
    /// How often removed rules had fired.
    random: Random,
}

/// A rule that fires.
#[derive(Clone, Debug)]
pub(super) struct Fired {
    pub(super) id: RuleId,
    pub(super) name: Text,
    pub(super) action: Action,
    /// Whether the rule names no direction, so that what it does to a connection is done to both.
    pub(super) is_for_both: bool,
}

impl Rules {
    /// None yet; `seed` decides about probabilities, jitter and which byte is corrupted.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { armed: Vec::new(), made: 0, random: Random::new(seed) }
    }

    /// Adds a rule, which counts from `now` on.
    pub fn add(&mut self, now: Time, rule: Rule) -> RuleId {
        self.made += 1;
        let id = RuleId(self.made);
        self.armed.push(Armed { id, rule, made: now, seen: 0, hits: 0 });
        id
    }

    /// Takes a rule back; false when it is gone already.
    pub fn remove(&mut self, id: RuleId) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    /// Takes all rules back.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// How often a rule has fired; `None` when it was taken back.
    #[must_use]
    pub fn hits(&self, id: RuleId) -> Option<u64> {
        self.armed.iter().find(|armed| armed.id == id).map(|armed| armed.hits)
    }

    /// The rules that were found by name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RuleId> {
        self.armed.iter().find(|armed| armed.rule.name == name).map(|armed| armed.id)
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.armed.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// What is to be done to a connection that was just accepted.
    pub(super) fn judge_accept(&mut self, now: Time) -> Option<Fired> {
        self.judge(now, |rule| rule.matching.is_accept)
    }

    /// What is to be done to a packet of `client`'s connection; `packet` is `None` for one too long to be read.
    pub(super) fn judge_packet(
        &mut self,
        now: Time,
        sender: Sender,
        client: &str,
        packet_type: PacketType,
        packet: Option<&Packet>,
        version: ProtocolVersion,
    ) -> Option<Fired> {
        self.judge(now, |rule| {
            // What could not change anything has not happened.
            applies(&rule.action, packet_type)
                && !(matches!(rule.action, Action::Reason(_))
                    && packet.is_some_and(|packet| !has_reason(packet, version)))
                && is_match(&rule.matching, sender, client, packet_type, packet)
        })
    }

    fn judge(&mut self, now: Time, is_match: impl Fn(&Rule) -> bool) -> Option<Fired> {
        let Self { armed, random, .. } = self;
        let mut fired = None;
        for armed in armed {
            if is_match(&armed.rule) {
                armed.seen += 1;
                if fired.is_none() && armed.fires(now, random) {
                    armed.hits += 1;
                    fired = Some(armed.fired());
                }
            }
        }
        fired
    }

    pub(super) const fn random(&mut self) -> &mut Random {
        &mut self.random
    }
}

impl Armed {
    fn fires(&self, now: Time, random: &mut Random) -> bool {
        let trigger = &self.rule.trigger;
        trigger.nth.is_none_or(|nth| self.seen == nth)
            && trigger.every.is_none_or(|every| every != 0 && self.seen.is_multiple_of(every))
            && trigger.times.is_none_or(|times| self.hits < times)
            && trigger.after.is_none_or(|after| now >= self.made + after)
            && trigger.probability.is_none_or(|probability| random.happens(probability))
    }

    fn fired(&self) -> Fired {
        let name = match self.rule.name.as_str() {
            "" => Text::detached(&format!("rule {}", self.id.0)),
            name => Text::detached(name),
        };
        let is_for_both = self.rule.matching.sender.is_none();
        Fired { id: self.id, name, action: self.rule.action.clone(), is_for_both }
    }
}

/// Whether a packet has a Reason Code on the wire: before MQTT 5 only CONNACK and SUBACK do.
const fn has_reason(packet: &Packet, version: ProtocolVersion) -> bool {
    matches!(version, ProtocolVersion::V5) || matches!(packet, Packet::Connack(_) | Packet::Suback(_))
}

fn is_match(
    matching: &Match,
    sender: Sender,
    client: &str,
    packet_type: PacketType,
    packet: Option<&Packet>,
) -> bool {
    if matching.is_accept
        || matching.sender.is_some_and(|wanted| wanted != sender)
        || matching.packet_type.is_some_and(|wanted| wanted != packet_type)
        || matching.client.as_ref().is_some_and(|pattern| !fits(pattern, client))
    {
        return false;
    }
    let asks_more = matching.topic.is_some()
        || matching.qos.is_some()
        || matching.retain.is_some()
        || matching.dup.is_some()
        || matching.reason.is_some()
        || matching.packet_identifier.is_some();
    !asks_more || packet.is_some_and(|packet| has_wanted_fields(matching, packet))
}

fn has_wanted_fields(matching: &Match, packet: &Packet) -> bool {
    let publish = match packet {
        Packet::Publish(publish) => Some(publish),
        _ => None,
    };
    let is_topic = |filter: &String| match packet {
        Packet::Publish(publish) => topic::matches(filter, &publish.topic),
        Packet::Subscribe(subscribe) => subscribe.filters.iter().any(|(name, _)| name == filter.as_str()),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.filters.iter().any(|name| name == filter.as_str()),
        _ => false,
    };
    matching.topic.as_ref().is_none_or(is_topic)
        && matching.qos.is_none_or(|qos| publish.is_some_and(|publish| publish.qos == qos))
        && matching.retain.is_none_or(|retain| publish.is_some_and(|publish| publish.retain == retain))
        && matching.dup.is_none_or(|dup| publish.is_some_and(|publish| publish.dup == dup))
        && matching.reason.is_none_or(|reason| reason_of(packet) == Some(reason))
        && matching.packet_identifier.is_none_or(|wanted| identifier_of(packet) == Some(wanted))
}

/// The first Reason Code of a packet that has one.
pub(super) fn reason_of(packet: &Packet) -> Option<ReasonCode> {
    match packet {
        Packet::Connack(connack) => Some(connack.reason),
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => Some(packet.reason),
        Packet::Suback(suback) => suback.reasons.first().copied(),
        Packet::Unsuback(unsuback) => unsuback.reasons.first().copied(),
        Packet::Disconnect(disconnect) => Some(disconnect.reason),
        Packet::Auth(auth) => Some(auth.reason),
        _ => None,
    }
}

/// The Packet Identifier of a packet that has one.
pub(super) fn identifier_of(packet: &Packet) -> Option<u16> {
    let identifier = match packet {
        Packet::Publish(publish) => publish.packet_identifier?,
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => packet.packet_identifier,
        Packet::Subscribe(packet) => packet.packet_identifier,
        Packet::Suback(packet) => packet.packet_identifier,
        Packet::Unsubscribe(packet) => packet.packet_identifier,
        Packet::Unsuback(packet) => packet.packet_identifier,
        _ => return None,
    };
    Some(identifier.get())
}
