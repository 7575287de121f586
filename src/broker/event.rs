//! What the broker tells its owner: facts for the journal, and requests that are answered later.

use super::change::Change;
use super::connection::ConnectionId;
use crate::journal;
use crate::packet::{ReasonCode, Text};
use bytes::Bytes;
use std::ops::BitOr;

/// Which events are given; requests for authentication always are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EventMask {
    /// Facts for the journal.
    pub journal: journal::Topics,
    /// The change log.
    pub changes: bool,
}

impl EventMask {
    /// Nothing but requests.
    pub const NONE: Self = Self { journal: journal::Topics::NONE, changes: false };

    /// These facts for the journal.
    #[must_use]
    pub const fn journal(topics: journal::Topics) -> Self {
        Self { journal: topics, changes: false }
    }
}

impl BitOr for EventMask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { journal: self.journal | other.journal, changes: self.changes || other.changes }
    }
}

/// What [`super::Broker::poll_event`] gives.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A fact for the journal.
    Journal(journal::Entry),
    /// Something that must survive a restart has changed; see [`super::Broker::handle_committed`].
    Change {
        /// Counts the changes from 1.
        sequence: u64,
        /// What changed.
        change: Change,
    },
    /// A client wants in, or goes on with an authentication; answer with [`super::Broker::handle_authenticated`].
    Authenticate {
        /// The connection to answer for.
        connection: ConnectionId,
        /// What the client has shown.
        request: Box<Authentication>,
    },
}

/// What a client has shown of itself.
#[derive(Clone, Eq, PartialEq)]
pub struct Authentication {
    /// The Client Identifier.
    pub client_identifier: Text,
    /// The number of the listener the client came by.
    pub listener: usize,
    /// The User Name, if one was given.
    pub user_name: Option<Text>,
    /// The Password, if one was given.
    pub password: Option<Bytes>,
    /// The Authentication Method of an enhanced authentication.
    pub method: Option<Text>,
    /// The Authentication Data of this step.
    pub data: Option<Bytes>,
    /// Whether the client is connected already and authenticates anew.
    pub is_again: bool,
}

impl std::fmt::Debug for Authentication {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authentication")
            .field("client_identifier", &self.client_identifier)
            .field("user_name", &self.user_name)
            .field("method", &self.method)
            .field("is_again", &self.is_again)
            .finish_non_exhaustive()
    }
}

/// The answer to [`Event::Authenticate`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authenticated {
    /// The client is who it says.
    Accept {
        /// The User Name to judge it by; `None` keeps the one it gave.
        user_name: Option<Text>,
        /// Authentication Data for the last packet of an enhanced authentication.
        data: Option<Bytes>,
    },
    /// An enhanced authentication goes on: AUTH with this data is sent.
    Continue {
        /// Authentication Data.
        data: Bytes,
    },
    /// The client is refused with this code.
    Refuse(ReasonCode),
}
