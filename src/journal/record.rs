//! What a test broker or a proxy saw, in order: one numbered [`Record`] after another, within a bound.

use super::fact::{Fact, Published};
use crate::packet::{Packet, PacketError, PacketType, ProtocolVersion, Qos, ReasonCode, Sender, Text};
use crate::time::Time;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that a [`Journal`] keeps before it forgets its oldest records.
const BYTES_MAX: usize = 256 << 20;

/// What a record takes beside its packet, in bytes, roughly.
const RECORD_BYTES: usize = 320;

/// One thing that happened, when and on whose connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Counts the records from 1.
    pub sequence: u64,
    /// Since the journal began; never turned by anyone.
    pub time: Time,
    /// The connection's number, from 1; 0 for what concerns none.
    pub connection: u64,
    /// The Client Identifier; empty before CONNECT and for what concerns none.
    pub client_identifier: Text,
    /// What happened.
    pub happening: Happening,
}

/// What became of a packet that arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It went on as it came.
    Passed,
    /// A rule, or a line that swallows everything, kept it: for now, for good, or in this form.
    Stopped,
    /// It was made by a rule.
    Made,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A transport was accepted.
    Opened {
        /// The peer's address and port, `memory` without a socket.
        peer: Text,
        /// What it was accepted by: `tcp`, `tls`, `ws`, `wss`, `unix`, `memory`.
        listener: Text,
    },
    /// A whole packet arrived, or was made by a rule.
    Packet {
        /// Who sent it.
        sender: Sender,
        /// The connection's version; for a CONNECT its own.
        version: ProtocolVersion,
        /// The packet from its first byte to its last; a password in it is replaced by `***`.
        bytes: Bytes,
        /// What became of it.
        fate: Fate,
    },
    /// Bytes arrived that are no packet; they went on as they were, as does all behind them.
    Malformed {
        /// Who sent them.
        sender: Sender,
        /// Their beginning.
        bytes: Bytes,
        /// What is wrong.
        error: PacketError,
    },
    /// A rule fired.
    Fault {
        /// The rule's name, or its number from 1.
        rule: Text,
        /// What it did, in the words of the fault vocabulary.
        action: Text,
        /// The packet that it fired at, if it was one.
        packet_type: Option<PacketType>,
    },
    /// CONNACK let the client in.
    Connected {
        /// The client's version.
        version: ProtocolVersion,
        /// Clean Start, before MQTT 5 Clean Session.
        clean_start: bool,
        /// The Keep Alive asked for, in seconds.
        keep_alive: u16,
        /// The User Name, if one was given.
        user_name: Option<Text>,
        /// Whether an earlier session goes on.
        session_present: bool,
        /// Whether the client left a will.
        has_will: bool,
    },
    /// CONNACK refused the client.
    Refused(ReasonCode),
    /// SUBACK answered for one filter.
    Subscribed {
        /// The Topic Filter.
        filter: Text,
        /// The granted QoS, or the refusal.
        reason: ReasonCode,
    },
    /// UNSUBACK answered for one filter.
    Unsubscribed {
        /// The Topic Filter.
        filter: Text,
    },
    /// A connection came to its end.
    Closed {
        /// Who ended it; `None` when a rule did.
        by: Option<Sender>,
        /// The Reason Code of a DISCONNECT that was sent before; `None` without one.
        disconnect: Option<ReasonCode>,
    },
    /// The embedded broker tells more than packets show.
    Fact(Fact),
    /// A message was let in by the broker, or reached the observer of a broker that is not ours.
    Message(Box<Published>),
    /// A named place, for those who look from there on.
    Mark(Text),
    /// What somebody says who is neither client nor broker: a step of a scenario, what becomes of a device.
    Note {
        /// Who says it.
        source: Text,
        /// What it says.
        text: Text,
    },
    /// A line that a device printed.
    Output {
        /// The device.
        source: Text,
        /// The line, without its end.
        text: Text,
    },
    /// The clock was turned forward by this much.
    ClockTurned(Duration),
    /// The broker stopped.
    Stopped,
    /// The broker started (again).
    Started,
}

impl Happening {
    /// The packet, read; `None` when this is none.
    #[must_use]
    pub fn packet(&self) -> Option<Packet> {
        let Self::Packet { sender, version, bytes, .. } = self else {
            return None;
        };
        Packet::decode_one(bytes, *version, *sender).ok()
    }

    /// Which packet type this is, if it is a packet.
    #[must_use]
    pub fn packet_type(&self) -> Option<PacketType> {
        match self {
            Self::Packet { bytes, .. } => bytes.first().copied().and_then(PacketType::from_first_byte),
            _ => None,
        }
    }

    /// Whether this is a fault of a peer's: malformed bytes, or a connection that the broker ended for one.
    #[must_use]
    pub fn is_protocol_error(&self) -> bool {
        match self {
            Self::Malformed { .. } => true,
            Self::Fact(Fact::Closed { reason, .. }) => {
                matches!(reason, super::CloseReason::Fault(_))
            }
            _ => false,
        }
    }

    /// The message, if this is one.
    #[must_use]
    pub fn message(&self) -> Option<&Published> {
        match self {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }

    /// Bytes that the journal keeps for it, roughly.
    fn bytes(&self) -> usize {
        RECORD_BYTES
            + match self {
                Self::Packet { bytes, .. } | Self::Malformed { bytes, .. } => bytes.len(),
                Self::Message(message) => message.payload.len() + message.topic.len(),
                Self::Note { text, .. } | Self::Output { text, .. } => text.len(),
                _ => 0,
            }
    }
}

impl Published {
    /// Whether `filter`, which is no shared one, matches its topic.
    #[must_use]
    pub fn matches(&self, filter: &str) -> bool {
        crate::packet::topic::matches(filter, &self.topic)
    }

    /// Its payload as text, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.payload).ok()
    }

    /// Whether it was published at least at `qos`.
    #[must_use]
    pub fn is_at_least(&self, qos: Qos) -> bool {
        self.qos >= qos
    }
}

/// All records, oldest first; beyond 256 MiB the oldest are forgotten, and counted.
#[derive(Debug, Default)]
pub struct Journal {
    records: VecDeque<Arc<Record>>,
    bytes: usize,
    forgotten: u64,
}

impl Journal {
    /// Appends what happened.
    pub fn push(
        &mut self,
        time: Time,
        connection: u64,
        client_identifier: &Text,
        happening: Happening,
    ) -> &Arc<Record> {
        let sequence = self.next_sequence();
        self.bytes += happening.bytes();
        let client_identifier = client_identifier.clone();
        self.records.push_back(Arc::new(Record { sequence, time, connection, client_identifier, happening }));
        while self.bytes > BYTES_MAX && self.records.len() > 1 {
            if let Some(oldest) = self.records.pop_front() {
                self.bytes -= oldest.happening.bytes();
                self.forgotten += 1;
            }
        }
        &self.records[self.records.len() - 1]
    }

    /// The number that the next record will have.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.forgotten + self.records.len() as u64 + 1
    }

    /// How many of the oldest records are gone.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The records from number `sequence` on.
    pub fn since(&self, sequence: u64) -> impl DoubleEndedIterator<Item = &Arc<Record>> {
        let skipped = sequence.saturating_sub(self.forgotten + 1);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.records.len());
        self.records.range(skipped..)
    }

    /// All records.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Record>> {
        self.records.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_records_are_forgotten_and_numbers_go_on() {
        let mut journal = Journal::default();
        let big = Bytes::from(vec![0; BYTES_MAX / 3]);
        for _ in 0..5 {
            let happening = Happening::Malformed {
                sender: Sender::Client,
                bytes: big.clone(),
                error: PacketError::Truncated,
            };
            journal.push(Time::ZERO, 1, &Text::EMPTY, happening);
        }
        assert_eq!(journal.forgotten(), 3);
        assert_eq!(journal.iter().map(|record| record.sequence).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(journal.since(5).count(), 1);
        assert_eq!(journal.since(1).count(), 2);
        assert_eq!(journal.since(9).count(), 0);
        assert_eq!(journal.next_sequence(), 6);
    }
}
