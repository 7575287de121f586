//! The packets of one connection, cut out of a read block that all connections share: an idle one holds no buffer.

use crate::packet::Connack;
use crate::packet::{
    Acknowledgement, FixedHeader, Frame, Packet, PacketError, PacketIdentifier, PacketType, ProtocolVersion,
    PublishRef, ReasonCode, Sender, Suback, Unsuback,
};
use bytes::Bytes;

/// The largest packet that is taken from a server, in bytes.
pub const PACKET_BYTES_MAX: usize = 64 << 20;

/// What a server sends.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// The answer to CONNECT.
    Connack(Connack),
    /// The answer to SUBSCRIBE.
    Suback(Suback),
    /// The answer to UNSUBSCRIBE.
    Unsuback(Unsuback),
    /// A message.
    Publish(PublishRef<'a>),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Acknowledgement(PacketType, PacketIdentifier, ReasonCode),
    /// The answer to PINGREQ.
    Pingresp,
    /// The server ends the connection.
    Disconnect(ReasonCode),
}

/// Cuts a stream into packets; keeps the beginning of one that is split and nothing else.
#[derive(Debug, Default)]
pub struct Splitter {
    partial: Vec<u8>,
}

impl Splitter {
    /// Hands each whole packet of `block`, the next bytes of the stream, to `each`.
    ///
    /// # Errors
    ///
    /// What `each` returns, and faults of a fixed header; [`PacketError::PacketTooLarge`] above [`PACKET_BYTES_MAX`].
    #[inline]
    pub fn take<E: From<PacketError>>(
        &mut self,
        mut block: &[u8],
        mut each: impl FnMut(&FixedHeader, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.partial.is_empty() {
            block = self.complete(block, &mut each)?;
        }
        while let Some(header) = header(block)? {
            let Some((packet, rest)) = block.split_at_checked(header.packet_length()) else { break };
            each(&header, packet)?;
            block = rest;
        }
        // Bytes before the split one's fixed header ends are kept as well.
        self.partial.extend_from_slice(block);
        Ok(())
    }

    /// Goes on with the packet that began in an earlier block; returns what lies behind it.
    #[cold]
    fn complete<'a, E: From<PacketError>>(
        &mut self,
        mut block: &'a [u8],
        each: &mut impl FnMut(&FixedHeader, &[u8]) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        loop {
            let wanted = match header(&self.partial)? {
                Some(header) if self.partial.len() >= header.packet_length() => {
                    // Taken out, so that an idle connection keeps no buffer.
                    let packet = std::mem::take(&mut self.partial);
                    each(&header, &packet)?;
                    return Ok(block);
                }
                Some(header) => header.packet_length() - self.partial.len(),
                None => 1,
            };
            if block.is_empty() {
                return Ok(block);
            }
            let (taken, rest) = block.split_at(wanted.min(block.len()));
            self.partial.extend_from_slice(taken);
            block = rest;
        }
    }

    /// Forgets what it holds: the connection is another one.
    pub fn clear(&mut self) {
        self.partial = Vec::new();
    }
}

#[inline]
fn header(bytes: &[u8]) -> Result<Option<FixedHeader>, PacketError> {
    match FixedHeader::decode(bytes)? {
        Some(header) if header.packet_length() > PACKET_BYTES_MAX => Err(PacketError::PacketTooLarge),
        other => Ok(other),
    }
}

/// Reads one whole packet of a server's.
///
/// # Errors
///
/// Every fault that [`Packet::decode`] finds; [`PacketError::UnexpectedPacket`] for what only clients send.
#[inline]
pub fn decode<'a>(
    header: &FixedHeader,
    packet: &'a [u8],
    version: ProtocolVersion,
) -> Result<Incoming<'a>, PacketError> {
    let body = &packet[usize::from(header.header_length)..];
    match header.packet_type {
        PacketType::Publish => {
            header.check(version, Sender::Server)?;
            PublishRef::decode(header, body, version, Sender::Server).map(Incoming::Publish)
        }
        kind @ (PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp) => {
            header.check(version, Sender::Server)?;
            if let [high, low] = *body {
                let identifier = PacketIdentifier::new(u16::from_be_bytes([high, low]));
                let identifier = identifier.ok_or(PacketError::ZeroIdentifier)?;
                return Ok(Incoming::Acknowledgement(kind, identifier, ReasonCode::SUCCESS));
            }
            let block = Bytes::copy_from_slice(body);
            let acknowledgement = Acknowledgement::decode(kind, &block, &block, version)?;
            Ok(Incoming::Acknowledgement(kind, acknowledgement.packet_identifier, acknowledgement.reason))
        }
        _ => decode_rare(header, packet, version),
    }
}

#[cold]
fn decode_rare<'a>(
    header: &FixedHeader,
    packet: &[u8],
    version: ProtocolVersion,
) -> Result<Incoming<'a>, PacketError> {
    let block = Bytes::copy_from_slice(packet);
    let body = &block[usize::from(header.header_length)..];
    let frame = Frame { header: *header, body, block: &block, is_skipped: false };
    Ok(match Packet::decode(&frame, version, Sender::Server)? {
        Packet::Connack(connack) => Incoming::Connack(connack),
        Packet::Suback(suback) => Incoming::Suback(suback),
        Packet::Unsuback(unsuback) => Incoming::Unsuback(unsuback),
        Packet::Pingresp => Incoming::Pingresp,
        Packet::Disconnect(disconnect) => Incoming::Disconnect(disconnect.reason),
        _ => return Err(PacketError::UnexpectedPacket),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Qos;

    fn cut(stream: &[u8], length: usize) -> Result<Vec<Vec<u8>>, PacketError> {
        let mut splitter = Splitter::default();
        let mut packets = Vec::new();
        for block in stream.chunks(length) {
            splitter.take(block, |_, packet| {
                packets.push(packet.to_vec());
                Ok::<_, PacketError>(())
            })?;
        }
        assert!(splitter.partial.is_empty());
        Ok(packets)
    }

    #[test]
    fn blocks_of_every_length_give_the_same_packets() {
        let mut stream = vec![0xD0, 0, 0x30, 0x85, 0x02];
        stream.extend_from_slice(&[7; 261]);
        stream.extend_from_slice(&[0x40, 2, 0, 1, 0xD0, 0]);
        let whole = cut(&stream, stream.len()).unwrap();
        assert_eq!(whole.len(), 4);
        for length in 1..stream.len() {
            assert_eq!(cut(&stream, length).unwrap(), whole, "blocks of {length}");
        }
    }

    #[test]
    fn announced_length_takes_no_memory_and_too_large_a_one_ends_the_connection() {
        let mut splitter = Splitter::default();
        splitter.take(&[0x30, 0xFF, 0xFF, 0x7F, 0, 1, b'a'], |_, _| Ok::<_, PacketError>(())).unwrap();
        assert!(splitter.partial.capacity() < 100);
        assert_eq!(cut(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 9), Err(PacketError::PacketTooLarge));
    }

    #[test]
    fn packets_of_a_server_are_read_and_those_of_clients_refused() {
        let read = |bytes: &[u8]| {
            let header = FixedHeader::decode(bytes).unwrap().unwrap();
            decode(&header, bytes, ProtocolVersion::V5).map(|incoming| format!("{incoming:?}"))
        };
        assert!(read(&[0x40, 2, 0, 9]).unwrap().contains("PacketIdentifier(9)"));
        let refused = FixedHeader::decode(&[0x40, 3, 0, 9, 0x97]).unwrap().unwrap();
        let refused = decode(&refused, &[0x40, 3, 0, 9, 0x97], ProtocolVersion::V5);
        let is_told = matches!(refused, Ok(Incoming::Acknowledgement(_, _, ReasonCode::QUOTA_EXCEEDED)));
        assert!(is_told, "a reason other than success");
        assert!(read(&[0x20, 3, 0, 0, 0]).unwrap().contains("Connack"));
        let publish = PublishRef {
            dup: false,
            qos: Qos::AtMostOnce,
            retain: false,
            topic: "a",
            packet_identifier: None,
            properties: crate::packet::PropertiesRef::EMPTY,
            payload: b"hi",
        };
        let mut bytes = Vec::new();
        publish.encode(ProtocolVersion::V5, &mut bytes).unwrap();
        assert!(read(&bytes).unwrap().contains("Publish"));
        assert_eq!(read(&[0xC0, 0]), Err(PacketError::UnexpectedPacket), "PINGREQ");
        assert_eq!(read(&[0x40, 2, 0, 0]), Err(PacketError::ZeroIdentifier));
    }
}
