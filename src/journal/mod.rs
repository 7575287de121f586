//! Typed facts about what happens inside, for log lines and machine-readable journals; nothing is rendered here.

mod fact;
mod record;

pub use fact::{CloseReason, Fact, PacketFact, Published, Severity, WillFact};
pub use record::{Fate, Happening, Journal, Record};

use crate::packet::Text;
use crate::time::Time;
use std::ops::BitOr;

/// Which kinds of facts are wanted; none by default, so that an unwanted fact costs one branch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Topics(u8);

impl Topics {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Connections that open and close.
    pub const CONNECTIONS: Self = Self(1);
    /// Each packet received and sent.
    pub const PACKETS: Self = Self(1 << 1);
    /// Subscriptions made and ended.
    pub const SUBSCRIPTIONS: Self = Self(1 << 2);
    /// Messages dropped, requests denied, limits reached.
    pub const NOTICES: Self = Self(1 << 3);
    /// Each message that is let in, whole.
    pub const MESSAGES: Self = Self(1 << 4);
    /// Everything.
    pub const ALL: Self = Self(0b1_1111);

    /// Whether all of `wanted` is in this.
    #[must_use]
    #[inline]
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

impl BitOr for Topics {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One fact, and when and to whom it happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When it happened.
    pub time: Time,
    /// The connection's serial number, counted from 1; 0 for what concerns none.
    pub connection: u64,
    /// The Client Identifier; empty before CONNECT.
    pub client_identifier: Text,
    /// What happened.
    pub fact: Fact,
}
