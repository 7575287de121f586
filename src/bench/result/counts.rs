//! What is counted: whole numbers, which add.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was counted in the measured phase; connections are counted over the whole run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Counts {
    /// Messages due by the schedule; the same as `sent` when there is none.
    pub asked: u64,
    /// Messages written to sockets.
    pub sent: u64,
    /// Messages acknowledged (PUBACK or PUBCOMP).
    pub acked: u64,
    /// Deliveries that the messages sent must bring, by the topic matcher.
    pub expected: u64,
    /// Deliveries, each message once for each receiver.
    pub received: u64,
    /// Expected and never delivered.
    pub lost: u64,
    /// Delivered again.
    pub duplicate: u64,
    /// Of `duplicate`, those with the DUP flag.
    pub duplicate_flagged: u64,
    /// Delivered after a later message of the same stream.
    pub reordered: u64,
    /// Due and never sent.
    pub unsent: u64,
    /// Dropped by the generator because they were too late (`--max-lag`); a part of `unsent`.
    pub dropped_late: u64,
    /// Messages on our topics that are not of this run.
    pub foreign: u64,
    /// Bytes written, of whole packets.
    pub bytes_out: u64,
    /// Bytes read, of whole packets.
    pub bytes_in: u64,
    /// Connections that the broker accepted.
    pub connect_ok: u64,
    /// Connections that failed, by reason: `refused`, `timeout`, `rc_135` ...
    pub connect_fail: BTreeMap<String, u64>,
    /// Connections that ended before the run did.
    pub disconnects: u64,
    /// Of those, how many came back.
    pub reconnects: u64,
    /// TLS handshakes that resumed a session.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub tls_resumed: u64,
}

/// What became of the messages of one publisher at all its receivers; the parts of different segments add.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct StreamCount {
    /// The publisher's index in the whole run.
    pub stream: u32,
    /// Messages sent in the measured phase; counted where the publisher is.
    pub sent: u64,
    /// Deliveries that they must bring in all segments; counted where the publisher is.
    pub expected: u64,
    /// Deliveries, each message once for each receiver; counted where the receiver is.
    pub received: u64,
    /// Deliveries again.
    pub duplicate: u64,
    /// Of those, with the DUP flag.
    pub duplicate_flagged: u64,
    /// Deliveries after a later message.
    pub reordered: u64,
}

/// What went wrong, how often, and one example.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ErrorCount {
    /// A word for all of its kind.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// The text of the first.
    pub example: String,
}

impl Counts {
    /// Connections that failed, for whatever reason.
    #[must_use]
    pub fn connect_failures(&self) -> u64 {
        self.connect_fail.values().sum()
    }

    /// Adds what another thread or segment counted.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            asked,
            sent,
            acked,
            expected,
            received,
            lost,
            duplicate,
            duplicate_flagged,
            reordered,
            unsent,
            dropped_late,
            foreign,
            bytes_out,
            bytes_in,
            connect_ok,
            connect_fail,
            disconnects,
            reconnects,
            tls_resumed,
        } = self;
        let pairs = [
            (asked, other.asked),
            (sent, other.sent),
            (acked, other.acked),
            (expected, other.expected),
            (received, other.received),
            (lost, other.lost),
            (duplicate, other.duplicate),
            (duplicate_flagged, other.duplicate_flagged),
            (reordered, other.reordered),
            (unsent, other.unsent),
            (dropped_late, other.dropped_late),
            (foreign, other.foreign),
            (bytes_out, other.bytes_out),
            (bytes_in, other.bytes_in),
            (connect_ok, other.connect_ok),
            (disconnects, other.disconnects),
            (reconnects, other.reconnects),
            (tls_resumed, other.tls_resumed),
        ];
        for (mine, theirs) in pairs {
            *mine = mine.saturating_add(theirs);
        }
        for (reason, count) in &other.connect_fail {
            let mine = connect_fail.entry(reason.clone()).or_default();
            *mine = mine.saturating_add(*count);
        }
    }
}

impl StreamCount {
    /// Deliveries that are missing once all segments are added.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// Adds what another segment counted of the same stream.
    pub fn merge(&mut self, other: &Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.expected = self.expected.saturating_add(other.expected);
        self.received = self.received.saturating_add(other.received);
        self.duplicate = self.duplicate.saturating_add(other.duplicate);
        self.duplicate_flagged = self.duplicate_flagged.saturating_add(other.duplicate_flagged);
        self.reordered = self.reordered.saturating_add(other.reordered);
    }
}

impl ErrorCount {
    /// Adds `more` to the error of the same kind in `all`, or as a new one.
    pub fn merge_into(all: &mut Vec<Self>, more: &Self) {
        match all.iter_mut().find(|error| error.kind == more.kind) {
            Some(error) => error.count = error.count.saturating_add(more.count),
            None => all.push(more.clone()),
        }
    }
}
