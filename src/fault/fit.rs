//! Rules that could never do anything: what a scenario or a flag asks for must be able to happen.

use super::rule::{Action, Match, Rule, Trigger};
use crate::packet::{PacketType, Sender};

impl Rule {
    /// Refuses what can never fire, and what would fire and change nothing.
    ///
    /// # Errors
    ///
    /// What does not go together, in words.
    pub fn check(&self) -> Result<(), String> {
        check_trigger(&self.trigger)?;
        if self.matching.is_accept {
            return check_accept(self);
        }
        let Some(packet_type) = self.matching.packet_type else {
            return needs_type(&self.action);
        };
        check_match(&self.matching, packet_type)?;
        check_action(&self.action, packet_type)
    }
}

fn check_trigger(trigger: &Trigger) -> Result<(), String> {
    for (name, count) in [("nth", trigger.nth), ("every", trigger.every), ("times", trigger.times)] {
        if count == Some(0) {
            return Err(format!("'{name}: 0' is never; it counts from 1"));
        }
    }
    match (trigger.nth, trigger.every) {
        (Some(_), Some(_)) => Err("either 'nth' or 'every'".to_owned()),
        _ => Ok(()),
    }
}

/// A connection that has just been accepted has no packet and no client.
fn check_accept(rule: &Rule) -> Result<(), String> {
    let only_accept = Match { is_accept: true, ..Match::default() };
    if rule.matching != only_accept {
        return Err("'accept' is about connections, of which nothing else is known".to_owned());
    }
    match rule.action {
        Action::Close | Action::Reset | Action::Silence => Ok(()),
        ref other => Err(format!(
            "'{}' is done to packets; with 'accept' there are close, reset and silence",
            other.word()
        )),
    }
}

/// Actions that change one kind of packet.
fn needs_type(action: &Action) -> Result<(), String> {
    let wanted = match action {
        Action::Reason(_) => "a packet that has a reason code",
        Action::Identifier(_) => "a packet that has an identifier",
        _ => return Ok(()),
    };
    Err(format!("'{}' needs 'packet': {wanted}", word(action)))
}

fn check_match(matching: &Match, packet_type: PacketType) -> Result<(), String> {
    use PacketType::{
        Connack, Connect, Pingreq, Pingresp, Publish, Suback, Subscribe, Unsuback, Unsubscribe,
    };
    let name = packet_type.name();
    let is_publish = packet_type == Publish;
    let has_topic = matches!(packet_type, Publish | Subscribe | Unsubscribe);
    let asked = [
        (matching.topic.is_some() && !has_topic, "topic"),
        (matching.qos.is_some() && !is_publish, "QoS"),
        (matching.retain.is_some() && !is_publish, "RETAIN flag"),
        (matching.dup.is_some() && !is_publish, "DUP flag"),
        (matching.reason.is_some() && !has_reason(packet_type), "reason code"),
        (matching.packet_identifier.is_some() && !has_identifier(packet_type), "identifier"),
    ];
    if let Some((_, what)) = asked.iter().find(|(is_wrong, _)| *is_wrong) {
        return Err(format!("{name} has no {what}"));
    }
    match (matching.sender, packet_type) {
        (Some(Sender::Client), Connack | Suback | Unsuback | Pingresp) => {
            Err(format!("no client sends {name}; 'to' is the one that is sent it"))
        }
        (Some(Sender::Server), Connect | Subscribe | Unsubscribe | Pingreq) => {
            Err(format!("no client is sent {name}; 'from' is the one that sends it"))
        }
        _ => Ok(()),
    }
}

fn check_action(action: &Action, packet_type: PacketType) -> Result<(), String> {
    if applies(action, packet_type) {
        return Ok(());
    }
    Err(format!("'{}' changes nothing of {}", word(action), packet_type.name()))
}

/// Whether there is something in packets of this type that `action` could change.
pub(super) const fn applies(action: &Action, packet_type: PacketType) -> bool {
    match action {
        Action::Truncate(_) => matches!(packet_type, PacketType::Publish),
        Action::Connack(_) => matches!(packet_type, PacketType::Connack),
        Action::Reason(_) => has_reason(packet_type),
        Action::Identifier(_) => has_identifier(packet_type),
        _ => true,
    }
}

/// As rules are written.
fn word(action: &Action) -> &'static str {
    match action {
        Action::Identifier(_) => "id",
        other => other.word(),
    }
}

const fn has_reason(packet_type: PacketType) -> bool {
    use PacketType::{Auth, Connack, Disconnect, Puback, Pubcomp, Pubrec, Pubrel, Suback, Unsuback};
    matches!(
        packet_type,
        Connack | Puback | Pubrec | Pubrel | Pubcomp | Suback | Unsuback | Disconnect | Auth
    )
}

const fn has_identifier(packet_type: PacketType) -> bool {
    use PacketType::{Puback, Pubcomp, Publish, Pubrec, Pubrel, Suback, Subscribe, Unsuback, Unsubscribe};
    matches!(
        packet_type,
        Publish | Puback | Pubrec | Pubrel | Pubcomp | Subscribe | Suback | Unsubscribe | Unsuback
    )
}
