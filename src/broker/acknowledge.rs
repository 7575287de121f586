//! PUBACK, PUBREC, PUBREL and PUBCOMP both ways (MQTT 5, sections 3.4 to 3.7 and 4.3).

use super::Broker;
use super::connection::ConnectionId;
use super::encode::push_property;
use super::in_flight::Found;
use crate::journal::{Fact, PacketFact, Topics};
use crate::packet::{
    Acknowledgement, PacketIdentifier, PacketType, Property, PropertyIdentifier, ProtocolVersion, ReasonCode,
};

impl Broker {
    /// Takes one step of an acknowledgement.
    #[inline]
    pub(super) fn receive_acknowledgement(
        &mut self,
        id: ConnectionId,
        packet_type: PacketType,
        packet: &Acknowledgement,
    ) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let key = connection.session;
        let identifier = packet.packet_identifier;
        if self.config.events.journal.contains(Topics::PACKETS) {
            self.tell_identified(id, packet_type, identifier, packet.reason);
        }
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        match packet_type {
            PacketType::Puback => {
                if let Some(entry) = session.in_flight.puback(identifier) {
                    self.record_done(key, entry.number);
                    self.pump(key);
                }
            }
            PacketType::Pubrec => match session.in_flight.pubrec(identifier, packet.reason.is_error()) {
                Found::Ended(number) => {
                    self.record_done(key, number);
                    self.pump(key);
                }
                Found::GoesOn(number) => {
                    self.record_released(key, number);
                    self.acknowledge(id, PacketType::Pubrel, identifier, ReasonCode::SUCCESS, "");
                }
                Found::Unknown => {
                    // An identifier that ended already: PUBREL lets the client end it too [MQTT-4.3.3-4].
                    if !packet.reason.is_error() {
                        let reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
                        self.acknowledge(id, PacketType::Pubrel, identifier, reason, "no such delivery");
                    }
                }
            },
            PacketType::Pubrel => {
                let is_known = session.received.close(identifier);
                if is_known {
                    self.record_received(key, identifier, false);
                }

                let reason =
                    if is_known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
                self.acknowledge(id, PacketType::Pubcomp, identifier, reason, "no such publish");
            }
            _ => {
                if let Some(entry) = session.in_flight.pubcomp(identifier) {
                    self.record_done(key, entry.number);
                    self.pump(key);
                }
            }
        }
    }

    /// Queues one step of an acknowledgement; `why` goes with an error as its Reason String, where allowed.
    #[inline]
    pub(super) fn acknowledge(
        &mut self,
        id: ConnectionId,
        packet_type: PacketType,
        identifier: PacketIdentifier,
        reason: ReasonCode,
        why: &str,
    ) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let version = connection.version;
        let mut packet = Acknowledgement::new(identifier, reason);
        if reason.is_error() && version == ProtocolVersion::V5 && self.config.reason_strings {
            let text = if why.is_empty() { reason.name() } else { why };
            push_property(&mut packet.properties, Property::text(PropertyIdentifier::ReasonString, text));
            let length = 2 + 3 + packet.properties.as_ref().encoded_length();
            if !connection.wants_problems || length > connection.packet_bytes_max as usize {
                packet.properties = crate::packet::Properties::EMPTY;
            }
        }
        connection.answer_bytes += 5 + packet.properties.as_ref().wire().len();
        self.output.to(connection).write(|out| packet.encode(packet_type, version, out));
        self.statistics.packets_sent += 1;
        if self.config.events.journal.contains(Topics::PACKETS) {
            self.tell(Topics::PACKETS, id, || {
                Fact::Sent(PacketFact::Identified {
                    packet_type,
                    packet_identifier: identifier.get(),
                    reason,
                })
            });
        }
    }
}
