//! A client's session: what survives its connections (MQTT 5, section 4.1).

use super::authorize::Client;
use super::connection::ConnectionId;
use super::filters::Filters;
use super::in_flight::InFlight;
use super::queue::Queue;
use super::received::Received;
use super::subscriptions::SessionKey;
use super::walk::Walk;
use crate::packet::{ProtocolVersion, Text, Will};
use crate::time::Time;
use rustc_hash::FxHashMap;
use slab::Slab;
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::time::Duration;

/// Session Expiry Interval that never ends.
pub(super) const NEVER: u32 = u32::MAX;

/// A will whose Will Delay Interval is running.
#[derive(Debug)]
pub(super) struct DelayedWill {
    pub(super) will: Will,
    pub(super) due: Time,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client_identifier: Text,
    pub(super) user_name: Option<Text>,
    /// The connection that carries it now.
    pub(super) connection: Option<ConnectionId>,
    /// The version of its last connection.
    pub(super) version: ProtocolVersion,
    /// The listener of its last connection.
    pub(super) listener: u16,
    /// Whether the change log knows of it.
    pub(super) is_recorded: bool,
    /// Whether the loss of messages was told since the queue was last empty.
    pub(super) is_dropping: bool,
    /// Session Expiry Interval in seconds, before MQTT 5 zero or [`NEVER`].
    pub(super) expiry_interval: u32,
    /// Tells sessions with the same key apart.
    pub(super) serial: u32,
    /// When it ends, while no connection carries it.
    pub(super) ends: Time,
    /// The moment for which a timer is armed.
    pub(super) timer: Time,
    pub(super) will: Option<Box<DelayedWill>>,
    /// Its subscriptions; options are in `Subscriptions`.
    pub(super) filters: Filters,
    pub(super) in_flight: InFlight,
    pub(super) queue: Queue,
    /// Retained messages that it has still to be given.
    pub(super) walks: VecDeque<Walk>,
    pub(super) received: Received,
}

impl Session {
    /// Whether it outlives its connection.
    pub(super) const fn is_durable(&self) -> bool {
        self.expiry_interval > 0
    }

    /// Whether something waits to be sent.
    pub(super) fn has_more(&self) -> bool {
        !self.queue.is_empty() || !self.walks.is_empty() || self.in_flight.has_unsent()
    }

    /// When a session that loses its connection at `now` ends.
    pub(super) fn end_after(&self, now: Time, cap: Option<Duration>) -> Time {
        let interval = match self.expiry_interval {
            NEVER => Duration::MAX,
            seconds => Duration::from_secs(u64::from(seconds)),
        };
        now + cap.map_or(interval, |cap| cap.min(interval))
    }

    /// The next moment at which something is due.
    pub(super) fn deadline(&self) -> Time {
        self.will.as_ref().map_or(self.ends, |will| will.due.min(self.ends))
    }

    /// Itself, for the authorizer.
    pub(super) fn as_client(&self) -> Client<'_> {
        Client {
            client_identifier: &self.client_identifier,
            user_name: self.user_name.as_deref(),
            listener: usize::from(self.listener),
        }
    }

    /// Gives unused buffers back.
    pub(super) fn release(&mut self) {
        self.in_flight.release();
        self.queue.release();
        self.received.release();
    }
}

/// All sessions, connected or not.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Slab<Session>,
    by_client_identifier: FxHashMap<Text, SessionKey>,
    created: u32,
}

impl Sessions {
    pub(super) fn find(&self, client_identifier: &str) -> Option<SessionKey> {
        self.by_client_identifier.get(client_identifier).copied()
    }

    /// A fresh session of a client that has none.
    pub(super) fn create(&mut self, client_identifier: Text) -> SessionKey {
        self.created = self.created.wrapping_add(1);
        let entry = self.slots.vacant_entry();
        let key = SessionKey(u32::try_from(entry.key()).unwrap_or(u32::MAX));
        entry.insert(Session {
            client_identifier: client_identifier.clone(),
            user_name: None,
            connection: None,
            version: ProtocolVersion::V311,
            listener: 0,
            is_recorded: false,
            is_dropping: false,
            expiry_interval: 0,
            serial: self.created,
            ends: Time::MAX,
            timer: Time::MAX,
            will: None,
            filters: Filters::default(),
            in_flight: InFlight::default(),
            queue: Queue::default(),
            walks: VecDeque::new(),
            received: Received::default(),
        });
        self.by_client_identifier.insert(client_identifier, key);
        key
    }

    pub(super) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.slots.try_remove(key.0 as usize)?;
        self.by_client_identifier.remove(&session.client_identifier);
        Some(session)
    }

    #[inline]
    pub(super) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.slots.get(key.0 as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.slots.get_mut(key.0 as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionKey, &Session)> {
        self.slots.iter().map(|(key, session)| (SessionKey(u32::try_from(key).unwrap_or(u32::MAX)), session))
    }
}

impl Index<SessionKey> for Sessions {
    type Output = Session;

    fn index(&self, key: SessionKey) -> &Session {
        &self.slots[key.0 as usize]
    }
}

impl IndexMut<SessionKey> for Sessions {
    fn index_mut(&mut self, key: SessionKey) -> &mut Session {
        &mut self.slots[key.0 as usize]
    }
}
