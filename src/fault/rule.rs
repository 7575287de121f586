//! A rule: which packets it is about, what it does to them, and when.

use super::edit::ConnackEdit;
use crate::packet::{PacketType, Qos, ReasonCode, Sender};
use std::fmt;
use std::time::Duration;

/// Match -> action -> trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What the journal calls it; its number when empty.
    pub name: String,
    /// Which packets, or which connections.
    pub matching: Match,
    /// What is done.
    pub action: Action,
    /// To which of those that match.
    pub trigger: Trigger,
}

impl Rule {
    /// Does `action` to everything that `matching` names.
    #[must_use]
    pub fn new(matching: Match, action: Action) -> Self {
        Self { name: String::new(), matching, action, trigger: Trigger::default() }
    }
}

/// What a rule is about; `None` is anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// Connections as they are accepted, not packets.
    pub is_accept: bool,
    /// Who sent the packet.
    pub sender: Option<Sender>,
    /// The Client Identifier; `*` stands for any characters, `?` for one.
    pub client: Option<String>,
    /// The packet type.
    pub packet_type: Option<PacketType>,
    /// A Topic Filter that a PUBLISH, or a filter that a SUBSCRIBE or UNSUBSCRIBE, must match.
    pub topic: Option<String>,
    /// The QoS of a PUBLISH.
    pub qos: Option<Qos>,
    /// The RETAIN flag of a PUBLISH.
    pub retain: Option<bool>,
    /// The DUP flag of a PUBLISH.
    pub dup: Option<bool>,
    /// The Reason Code of an acknowledgement, CONNACK or DISCONNECT.
    pub reason: Option<ReasonCode>,
    /// The Packet Identifier.
    pub packet_identifier: Option<u16>,
}

/// To which of the packets that match a rule's action is done; all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trigger {
    /// Only the n-th that matches, from 1.
    pub nth: Option<u64>,
    /// Only each n-th that matches.
    pub every: Option<u64>,
    /// At most so often; for ever by default.
    pub times: Option<u64>,
    /// With this probability, 0 to 1, by the seed.
    pub probability: Option<f64>,
    /// Not before this long after the rule was made.
    pub after: Option<Duration>,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// The packet does not go on.
    Drop,
    /// The packet goes on later; those behind it do not wait.
    Delay(Duration),
    /// The packet goes on twice; the second PUBLISH at QoS 1 or 2 with DUP.
    Duplicate,
    /// The packet is kept until it is released.
    Hold,
    /// The packet goes on behind the next one of the same direction.
    Swap,
    /// The packet goes on with this Reason Code.
    Reason(ReasonCode),
    /// The packet goes on with this Packet Identifier.
    Identifier(u16),
    /// One byte of the payload, chosen by the seed, is changed; without a payload, of the packet's body.
    Corrupt,
    /// The payload of a PUBLISH is cut to this many bytes.
    Truncate(usize),
    /// A CONNACK is changed.
    Connack(Box<ConnackEdit>),
    /// A PINGREQ, SUBSCRIBE, PUBLISH... is not passed on, and the connection is ended with DISCONNECT (MQTT 5) and FIN.
    Disconnect(ReasonCode),
    /// After this many bytes of the packet the connection ends, with FIN or, if set, with RST.
    Cut {
        /// How many bytes of the packet still go through.
        after: usize,
        /// RST instead of FIN.
        reset: bool,
    },
    /// The connection ends with FIN before the packet.
    Close,
    /// The connection ends with RST before the packet.
    Reset,
    /// From here on nothing goes through in either direction, and no end is told: half-open.
    Silence,
    /// From here on packets of this direction arrive this much later, in order; jitter is added by the seed.
    Latency {
        /// At least this long.
        delay: Duration,
        /// And up to this much longer.
        jitter: Duration,
    },
    /// From here on this direction carries so many bytes a second.
    Bandwidth(u64),
}

impl Action {
    /// Its word in the fault vocabulary.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Delay(_) => "delay",
            Self::Duplicate => "duplicate",
            Self::Hold => "hold",
            Self::Swap => "swap",
            Self::Reason(_) => "reason",
            Self::Identifier(_) => "identifier",
            Self::Corrupt => "corrupt",
            Self::Truncate(_) => "truncate",
            Self::Connack(_) => "connack",
            Self::Disconnect(_) => "disconnect",
            Self::Cut { .. } => "cut",
            Self::Close => "close",
            Self::Reset => "reset",
            Self::Silence => "silence",
            Self::Latency { .. } => "latency",
            Self::Bandwidth(_) => "bandwidth",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Delay(delay) => write!(f, " {delay:?}"),
            Self::Reason(reason) | Self::Disconnect(reason) => write!(f, " 0x{:02x}", reason.0),
            Self::Identifier(identifier) => write!(f, " {identifier}"),
            Self::Truncate(length) => write!(f, " {length}"),
            Self::Cut { after, reset } => write!(f, " after {after}{}", if *reset { " (reset)" } else { "" }),
            Self::Latency { delay, .. } => write!(f, " {delay:?}"),
            Self::Bandwidth(bytes) => write!(f, " {bytes} bytes/s"),
            _ => Ok(()),
        }
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters and `?` for one.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut position) = (0, 0);
    // Where the last star stands, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                position = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, text) in
            [("lamp-1", "lamp-1"), ("lamp-*", "lamp-"), ("*", ""), ("l*p-?", "lamp-7"), ("*a*b", "xaybab")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("lamp-1", "lamp-2"), ("lamp-?", "lamp-"), ("", "x"), ("a*b", "ab c")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
