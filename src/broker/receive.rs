//! From bytes to packets to the room that handles each.

use super::Broker;
use super::connection::{ConnectionId, Limits, Phase};
use crate::journal::{CloseReason, Fact, PacketFact, Topics};
use crate::packet::{
    Acknowledgement, Frame, FrameReader, Packet, PacketError, PacketIdentifier, PacketType, ProtocolVersion,
    ReasonCode, Sender,
};
use crate::time::Time;
use bytes::Bytes;

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// A malformed or misplaced packet.
    Packet(PacketError),
    /// What the server says in DISCONNECT.
    Reason(ReasonCode),
}

impl From<PacketError> for Fault {
    fn from(error: PacketError) -> Self {
        Self::Packet(error)
    }
}

impl Fault {
    pub(super) const fn reason(self) -> ReasonCode {
        match self {
            Self::Packet(error) => error.reason_code(),
            Self::Reason(reason) => reason,
        }
    }

    pub(super) const fn close_reason(self) -> CloseReason {
        match self {
            Self::Packet(error) => CloseReason::Fault(error),
            Self::Reason(reason) => CloseReason::Refused(reason),
        }
    }
}

/// What may arrive while a verdict about CONNECT is awaited, in bytes.
const HELD_BYTES_MAX: usize = 128 * 1024;
/// Bytes of answers to its own packets that a client may leave unread before it is cut off: two million PUBACKs.
const UNREAD_ANSWER_BYTES_MAX: usize = 8_000_000;

impl Broker {
    /// Takes a block as it was read from connection `id`; unknown and closing connections are ignored.
    pub fn handle_bytes(&mut self, now: Time, id: ConnectionId, block: Bytes) {
        self.advance(now);
        self.statistics.bytes_received += block.len() as u64;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match connection.phase {
            Phase::Closing => return,
            Phase::Judged => {
                connection.details.held.extend_from_slice(&block);
                if connection.details.held.len() > HELD_BYTES_MAX {
                    self.close_with(id, Fault::Reason(ReasonCode::QUOTA_EXCEEDED));
                }
                return;
            }
            Phase::Opened | Phase::Challenged | Phase::Connected => {}
        }
        let mut reader = std::mem::take(&mut connection.reader);
        reader.push(block);
        let sequence = self.sequence;
        self.read_packets(id, reader);
        self.promise(id, sequence);
    }

    /// Handles whole packets until the block is used up, the connection ends or a verdict is awaited.
    pub(super) fn read_packets(&mut self, id: ConnectionId, mut reader: FrameReader) {
        loop {
            let Some(limits) = self.limits(id) else {
                return;
            };
            let outcome = match reader.next_frame(|header| limits.judge(header)) {
                Ok(Some(frame)) => self.handle_frame(id, limits.phase, &frame),
                Ok(None) => break,
                Err(error) => Err(Fault::Packet(error)),
            };
            if let Err(fault) = outcome {
                self.close_with(id, fault);
                return;
            }
            match self.connections.get(id).map(|connection| connection.phase) {
                None | Some(Phase::Closing) => return,
                Some(Phase::Judged) => break,
                Some(_) => {}
            }
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.reader = reader;
            if connection.answer_bytes > UNREAD_ANSWER_BYTES_MAX {
                self.close_with(id, Fault::Reason(ReasonCode::QUOTA_EXCEEDED));
            }
        }
    }

    #[inline]
    fn limits(&self, id: ConnectionId) -> Option<Limits> {
        let connection = self.connections.get(id)?;
        let payload_bytes_max = match self.config.message_size_limit {
            0 => usize::MAX,
            limit => limit,
        };
        Some(Limits {
            phase: connection.phase,
            packet_bytes_max: self.config.packet_bytes_max(),
            payload_bytes_max,
        })
    }

    #[inline]
    fn handle_frame(&mut self, id: ConnectionId, phase: Phase, frame: &Frame<'_>) -> Result<(), Fault> {
        self.statistics.packets_received += 1;
        if phase != Phase::Connected {
            return self.handle_early_frame(id, phase, frame);
        }
        let Some(connection) = self.connections.get_mut(id) else {
            return Ok(());
        };
        connection.last_received = self.now;
        match frame.header.packet_type {
            PacketType::Publish => self.receive_publish(id, frame),
            PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp => {
                let version = connection.version;
                frame.header.check(version, Sender::Client)?;
                let packet_type = frame.header.packet_type;
                let packet = Acknowledgement::decode(packet_type, frame.block, frame.body, version)?;
                self.receive_acknowledgement(id, packet_type, &packet);
                Ok(())
            }
            _ => self.handle_other_frame(id, frame),
        }
    }

    fn handle_other_frame(&mut self, id: ConnectionId, frame: &Frame<'_>) -> Result<(), Fault> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        match Packet::decode(frame, connection.version, Sender::Client)? {
            Packet::Subscribe(subscribe) => self.receive_subscribe(id, &subscribe),
            Packet::Unsubscribe(unsubscribe) => self.receive_unsubscribe(id, &unsubscribe),
            Packet::Pingreq => {
                self.tell_other(id, PacketType::Pingreq);
                self.receive_pingreq(id);
                Ok(())
            }
            Packet::Disconnect(disconnect) => {
                self.tell_other(id, PacketType::Disconnect);
                self.receive_disconnect(id, &disconnect)
            }
            Packet::Auth(auth) => self.receive_auth(id, &auth),
            // A second CONNECT [MQTT-3.1.0-2]; whatever only a server sends was refused by `decode`.
            _ => Err(Fault::Packet(PacketError::UnexpectedPacket)),
        }
    }

    #[cold]
    fn handle_early_frame(&mut self, id: ConnectionId, phase: Phase, frame: &Frame<'_>) -> Result<(), Fault> {
        if phase == Phase::Opened {
            self.receive_connect(id, frame);
            return Ok(());
        }
        match Packet::decode(frame, ProtocolVersion::V5, Sender::Client)? {
            Packet::Auth(auth) => self.receive_auth(id, &auth),
            Packet::Disconnect(_) => {
                self.close(id, CloseReason::Disconnected);
                Ok(())
            }
            _ => Err(Fault::Packet(PacketError::UnexpectedPacket)),
        }
    }

    fn receive_pingreq(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.answer_bytes += 2;
        self.output.to(connection).put(&[0xD0, 0]);
        self.statistics.packets_sent += 1;
        // Who pings is idle, and idle connections hold no buffers.
        let session = connection.session;
        if let Some(session) = self.sessions.get_mut(session) {
            session.release();
        }
        self.tell(Topics::PACKETS, id, || Fact::Sent(PacketFact::Other(PacketType::Pingresp)));
    }

    pub(super) fn tell_other(&mut self, id: ConnectionId, packet_type: PacketType) {
        self.tell(Topics::PACKETS, id, || Fact::Received(PacketFact::Other(packet_type)));
    }

    pub(super) fn tell_identified(
        &mut self,
        id: ConnectionId,
        packet_type: PacketType,
        packet_identifier: PacketIdentifier,
        reason: ReasonCode,
    ) {
        self.tell(Topics::PACKETS, id, || {
            Fact::Received(PacketFact::Identified {
                packet_type,
                packet_identifier: packet_identifier.get(),
                reason,
            })
        });
    }
}
