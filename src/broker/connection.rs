//! One connection: what is known of it from its first byte to its last.

use super::alias::OutgoingAliases;
use super::subscriptions::SessionKey;
use crate::packet::{
    FixedHeader, FrameReader, PacketError, PacketType, ProtocolVersion, Qos, Text, Transmit, Verdict, Will,
};
use crate::session::alias::IncomingAliases;
use crate::time::Time;
use slab::Slab;
use std::time::Duration;

/// Names a connection for as long as it lives; never given twice within four billion connections.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl ConnectionId {
    /// A small number that no other open connection has, for tables beside the broker's.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// The connection's serial number, from 1.
    #[must_use]
    pub const fn serial(self) -> u32 {
        self.generation
    }
}

/// What the driver knows of a new connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConnectionInfo {
    /// Which of [`super::Config::listeners`] accepted it.
    pub listener: usize,
    /// The peer's address, as log lines have it; empty on a unix socket.
    pub address: Text,
    /// The peer's port; 0 on a unix socket.
    pub port: u16,
    /// A User Name that the transport vouches for (a client certificate's); it needs no password.
    pub identity: Option<Text>,
}

/// What [`super::Broker::poll_transmit`] leaves behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// All that was ready has been handed over.
    Idle,
    /// More waits; ask again when the socket has taken this.
    More,
    /// Write what was handed over, then close the transport; the broker has forgotten the connection.
    Close,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// CONNECT has not come.
    Opened,
    /// CONNECT waits for [`super::Broker::handle_authenticated`].
    Judged,
    /// AUTH was sent and the client's answer has not come.
    Challenged,
    /// CONNACK with success was sent.
    Connected,
    /// What is in `outgoing` is the last.
    Closing,
}

/// Whether the driver knows that there is something to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ready {
    /// There is nothing.
    Idle,
    /// In the ready list: the driver will hear of it before this turn is over.
    Listed,
    /// The driver knows and has not asked: the socket is full.
    Told,
}

/// What only some connections need, or only for a short time.
#[derive(Debug, Default)]
pub(super) struct Details {
    pub(super) info: ConnectionInfo,
    pub(super) client_identifier: Text,
    pub(super) user_name: Option<Text>,
    /// Published when the connection ends uncleanly [MQTT-3.1.2-8].
    pub(super) will: Option<Box<Will>>,
    pub(super) is_identifier_assigned: bool,
    /// The method of the enhanced authentication that this connection began with.
    pub(super) method: Option<Text>,
    /// What stands before its topics, unseen by the client.
    pub(super) mount_point: Option<Text>,
    /// The CONNECT that waits for its verdict.
    pub(super) connect: Option<Box<crate::packet::Connect>>,
    /// What arrived while the verdict was awaited; copied, so that no read block stays alive for a few bytes.
    pub(super) held: Vec<u8>,
    /// Bytes whose promise has been committed; they go before `outgoing`.
    pub(super) released: Transmit,
    /// How many parts of what was to go out wait for a commit.
    pub(super) sealed_count: usize,
    /// Whether a re-authentication is under way.
    pub(super) is_authenticating_again: bool,
}

/// One connection.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) session: SessionKey,
    pub(super) phase: Phase,
    pub(super) version: ProtocolVersion,
    pub(super) ready: Ready,
    /// Whether its topics have a mount point before them.
    pub(super) is_mounted: bool,
    /// Request Problem Information.
    pub(super) wants_problems: bool,
    /// The highest QoS that its CONNACK allows it.
    pub(super) maximum_qos: Qos,
    /// The Topic Alias Maximum that its CONNACK tells.
    pub(super) max_topic_alias: u16,
    /// Bytes of answers queued since `outgoing` was last taken; a client that never reads them is cut off.
    pub(super) answer_bytes: usize,
    /// Seconds; 0 for none.
    pub(super) keep_alive: u16,
    /// The client's Receive Maximum within the configured window.
    pub(super) window: u16,
    /// The client's Maximum Packet Size; [`u32::MAX`] for none.
    pub(super) packet_bytes_max: u32,
    pub(super) reader: FrameReader,
    pub(super) outgoing: Transmit,
    /// The change that must be committed before `outgoing` may go.
    pub(super) promise: u64,
    pub(super) last_received: Time,
    /// The moment for which a timer is armed.
    pub(super) timer: Time,
    pub(super) incoming_aliases: IncomingAliases,
    pub(super) outgoing_aliases: OutgoingAliases,
    pub(super) details: Box<Details>,
}

/// How many times the bound of a slow reader one turn may bring.
const TURN_FACTOR: usize = 16;

/// Stands for the session of a connection that has none.
pub(super) const NO_SESSION: SessionKey = SessionKey(u32::MAX);

impl Connection {
    fn new(id: ConnectionId, info: ConnectionInfo, now: Time) -> Self {
        Self {
            id,
            session: NO_SESSION,
            phase: Phase::Opened,
            version: ProtocolVersion::V311,
            ready: Ready::Idle,
            is_mounted: false,
            wants_problems: true,
            maximum_qos: Qos::ExactlyOnce,
            max_topic_alias: 0,
            answer_bytes: 0,
            keep_alive: 0,
            window: 0,
            packet_bytes_max: u32::MAX,
            reader: FrameReader::default(),
            outgoing: Transmit::new(),
            promise: 0,
            last_received: now,
            timer: Time::MAX,
            incoming_aliases: IncomingAliases::default(),
            outgoing_aliases: OutgoingAliases::default(),
            details: Box::new(Details { info, ..Details::default() }),
        }
    }

    /// When silence becomes too long [MQTT-3.1.2-22]; [`Time::MAX`] without Keep Alive.
    pub(super) fn keep_alive_deadline(&self) -> Time {
        if self.keep_alive == 0 {
            return Time::MAX;
        }
        self.last_received + Duration::from_millis(1500 * u64::from(self.keep_alive))
    }

    /// Whether more may be added to what goes out, `bytes_max` being for a socket that is full.
    ///
    /// What one turn brings from many publishers is more than what a slow reader may keep.
    #[inline]
    pub(super) fn may_grow(&self, bytes_max: usize) -> bool {
        let factor = if self.ready == Ready::Told { 1 } else { TURN_FACTOR };
        self.outgoing.len() < bytes_max.saturating_mul(factor)
    }

    /// Whether messages look different for this client, by alias or mount point.
    #[inline]
    pub(super) fn needs_own_form(&self) -> bool {
        self.outgoing_aliases.is_allowed() || self.is_mounted
    }

    /// Whether the client speaks MQTT 5.
    #[inline]
    pub(super) fn is_v5(&self) -> bool {
        self.version == ProtocolVersion::V5
    }
}

/// What a fixed header is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) phase: Phase,
    pub(super) packet_bytes_max: u32,
    pub(super) payload_bytes_max: usize,
}

/// The longest CONNECT that is read in, in bytes.
const CONNECT_BYTES_MAX: usize = 100_000;
/// The longest acknowledgement or DISCONNECT that is read in, in bytes.
const SHORT_PACKET_BYTES_MAX: usize = 10_000;
/// The most that can stand before a payload without properties: topic with its length, identifier.
const PUBLISH_HEAD_BYTES_MAX: usize = 2 + 65_535 + 2;

impl Limits {
    /// Decides about a packet before its body arrives.
    #[inline]
    pub(super) fn judge(&self, header: &FixedHeader) -> Verdict {
        if self.phase != Phase::Connected {
            return self.judge_early(header);
        }
        let length = header.packet_length();
        if length > self.packet_bytes_max as usize {
            return Verdict::Refuse(PacketError::PacketTooLarge);
        }
        match header.packet_type {
            PacketType::Publish if length > self.payload_bytes_max => self.judge_large_publish(header),
            PacketType::Publish
            | PacketType::Subscribe
            | PacketType::Unsubscribe
            | PacketType::Pingreq
            | PacketType::Auth => Verdict::Accept,
            _ if length > SHORT_PACKET_BYTES_MAX => Verdict::Refuse(PacketError::PacketTooLarge),
            _ => Verdict::Accept,
        }
    }

    /// Nothing but CONNECT is read in before the client has connected, and AUTH and DISCONNECT where they belong.
    #[cold]
    fn judge_early(&self, header: &FixedHeader) -> Verdict {
        let length = header.packet_length();
        match (self.phase, header.packet_type) {
            (Phase::Opened, PacketType::Connect) if length > CONNECT_BYTES_MAX => {
                Verdict::Refuse(PacketError::PacketTooLarge)
            }
            (Phase::Opened, PacketType::Connect) => Verdict::Accept,
            (Phase::Challenged, PacketType::Auth | PacketType::Disconnect) if length <= CONNECT_BYTES_MAX => {
                Verdict::Accept
            }
            _ => Verdict::Refuse(PacketError::UnexpectedPacket),
        }
    }

    #[cold]
    fn judge_large_publish(&self, header: &FixedHeader) -> Verdict {
        // The payload's own length is known only with the topic; certainly too long is what exceeds both.
        if header.remaining_length as usize > self.payload_bytes_max.saturating_add(PUBLISH_HEAD_BYTES_MAX) {
            Verdict::Skip
        } else {
            Verdict::Accept
        }
    }
}

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Slab<Connection>,
    opened: u32,
}

impl Connections {
    pub(super) fn open(&mut self, info: ConnectionInfo, now: Time) -> ConnectionId {
        self.opened = self.opened.wrapping_add(1).max(1);
        let entry = self.slots.vacant_entry();
        let index = u32::try_from(entry.key()).unwrap_or(u32::MAX);
        let id = ConnectionId { index, generation: self.opened };
        entry.insert(Connection::new(id, info, now));
        id
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slots.get_mut(id.index as usize).filter(|connection| connection.id.generation == id.generation)
    }

    #[inline]
    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.slots.get(id.index as usize).filter(|connection| connection.id.generation == id.generation)
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        Some(self.slots.remove(id.index as usize))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// In the order of their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().map(|(_, connection)| connection)
    }
}
