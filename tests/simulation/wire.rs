//! What both ends of a connection must keep to, read from the bytes between them.

use bytes::Bytes;
use culex::packet::{
    Frame, FrameReader, Packet, PacketType, PropertyIdentifier, ProtocolVersion, Qos, Sender, Verdict,
};
use std::collections::BTreeMap;

/// How far an exchange has come that one side began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Exchange {
    AtLeastOnce,
    ExactlyOnce,
    Released,
    Request,
}

/// The exchanges that one side of a session has begun; lives as long as the session.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    open: BTreeMap<u16, Exchange>,
    /// Messages sent on this connection and not yet acknowledged.
    in_flight: Vec<u16>,
}

impl Exchanges {
    /// The session is gone, and every exchange with it.
    pub(crate) fn session_lost(&mut self) {
        *self = Self::default();
    }

    /// The connection is gone: requests end with it, messages stay.
    pub(crate) fn connection_lost(&mut self) {
        self.in_flight.clear();
        self.open.retain(|_, exchange| *exchange != Exchange::Request);
    }

    /// Checks a packet that this side sends.
    fn sent(&mut self, packet: &Packet, receive_maximum: usize) -> Result<(), String> {
        match packet {
            Packet::Publish(publish) => {
                let Some(identifier) = publish.packet_identifier else {
                    return Ok(());
                };
                let number = identifier.get();
                let exchange = match publish.qos {
                    Qos::ExactlyOnce => Exchange::ExactlyOnce,
                    _ => Exchange::AtLeastOnce,
                };
                match (publish.dup, self.open.get(&number)) {
                    // With DUP the first time: what was ready when the last connection broke was never written.
                    (_, None) => {}
                    (true, Some(open)) if *open == exchange => {}
                    (dup, open) => {
                        return Err(format!("identifier {number} sent with dup {dup} while {open:?}"));
                    }
                }
                self.open.insert(number, exchange);
                self.in_flight.push(number);
                if self.in_flight.len() > receive_maximum {
                    return Err(format!(
                        "{} in flight, receive maximum {receive_maximum}",
                        self.in_flight.len()
                    ));
                }
            }
            Packet::Pubrel(pubrel) if !pubrel.reason.is_error() => {
                let number = pubrel.packet_identifier.get();
                if self.open.insert(number, Exchange::Released).is_none() {
                    return Err(format!("PUBREL {number} for nothing"));
                }
            }
            Packet::Subscribe(subscribe) => self.request(subscribe.packet_identifier.get())?,
            Packet::Unsubscribe(unsubscribe) => self.request(unsubscribe.packet_identifier.get())?,
            _ => {}
        }
        Ok(())
    }

    fn request(&mut self, number: u16) -> Result<(), String> {
        match self.open.insert(number, Exchange::Request) {
            None => Ok(()),
            Some(open) => Err(format!("identifier {number} of a request is in use: {open:?}")),
        }
    }

    /// Notes an answer that this side gets.
    fn answered(&mut self, packet: &Packet) {
        let number = match packet {
            Packet::Puback(packet) | Packet::Pubcomp(packet) => packet.packet_identifier.get(),
            Packet::Pubrec(packet) if packet.reason.is_error() => packet.packet_identifier.get(),
            Packet::Suback(packet) => packet.packet_identifier.get(),
            Packet::Unsuback(packet) => packet.packet_identifier.get(),
            _ => return,
        };
        self.open.remove(&number);
        self.in_flight.retain(|&other| other != number);
    }
}

/// Reads one direction of a connection as its receiver does.
#[derive(Default)]
pub(crate) struct Tap {
    reader: FrameReader,
}

impl Tap {
    pub(crate) fn packets(
        &mut self,
        bytes: Bytes,
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Vec<Packet>, String> {
        let mut packets = Vec::new();
        self.reader.push(bytes);
        loop {
            match self.reader.next_frame(|_| Verdict::Accept) {
                Ok(Some(frame)) => packets.push(decode(&frame, version, sender)?),
                Ok(None) => return Ok(packets),
                Err(error) => return Err(format!("{sender:?} sent bytes that are no packet: {error}")),
            }
        }
    }
}

fn decode(frame: &Frame<'_>, version: ProtocolVersion, sender: Sender) -> Result<Packet, String> {
    Packet::decode(frame, version, sender)
        .map_err(|error| format!("{sender:?} sent a {:?} that is wrong: {error}", frame.header.packet_type))
}

/// One client's session as both sides must see it, and what each allows the other.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) by_client: Exchanges,
    pub(crate) by_server: Exchanges,
    client_receive_maximum: usize,
    server_receive_maximum: usize,
}

impl Conversation {
    pub(crate) fn client_sent(&mut self, packets: &[Packet]) -> Result<(), String> {
        for packet in packets {
            if let Packet::Connect(connect) = packet {
                let maximum = connect.properties.as_ref().number(PropertyIdentifier::ReceiveMaximum);
                self.client_receive_maximum = maximum.unwrap_or(65_535) as usize;
            }
            self.by_client
                .sent(packet, self.server_receive_maximum)
                .map_err(|error| format!("client: {error}"))?;
        }
        Ok(())
    }

    pub(crate) fn server_sent(&mut self, packets: &[Packet]) -> Result<(), String> {
        for packet in packets {
            if packet.packet_type() == PacketType::Connack {
                continue;
            }
            self.by_server
                .sent(packet, self.client_receive_maximum)
                .map_err(|error| format!("broker: {error}"))?;
        }
        Ok(())
    }

    pub(crate) fn client_received(&mut self, packets: &[Packet]) {
        for packet in packets {
            if let Packet::Connack(connack) = packet {
                let maximum = connack.properties.as_ref().number(PropertyIdentifier::ReceiveMaximum);
                self.server_receive_maximum = maximum.unwrap_or(65_535) as usize;
            }
            self.by_client.answered(packet);
        }
    }

    pub(crate) fn server_received(&mut self, packets: &[Packet]) {
        packets.iter().for_each(|packet| self.by_server.answered(packet));
    }
}
