//! The few packets of MQTT 3.1.1 that a load needs, written here so that the code under test does not measure itself.

use std::io::{self, Read};

pub(crate) const PAYLOAD_BYTES: usize = 16;
const TOPIC: &[u8] = b"bench";

/// CONNECT with a clean session or one that stays, keep alive off, and this client identifier of at most 100 bytes.
pub(crate) fn connect(identifier: &str, is_clean: bool) -> Vec<u8> {
    let length = u8::try_from(identifier.len()).unwrap();
    let flags = if is_clean { 2 } else { 0 };
    let mut packet = vec![0x10, 12 + length, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 0, 0, length];
    packet.extend(identifier.as_bytes());
    packet
}

/// SUBSCRIBE to the one topic of a load.
pub(crate) fn subscribe(qos: u8) -> Vec<u8> {
    let mut packet = vec![0x82, 10, 0, 1, 0, 5];
    packet.extend(TOPIC);
    packet.push(qos);
    packet
}

/// Appends a PUBLISH to the one topic of a load; `identifier` is written when the QoS has one.
pub(crate) fn publish(output: &mut Vec<u8>, qos: u8, identifier: u16, payload: [u8; PAYLOAD_BYTES]) {
    let identifier_bytes = if qos == 0 { 0 } else { 2 };
    let length = u8::try_from(2 + TOPIC.len() + identifier_bytes + PAYLOAD_BYTES).unwrap();
    output.extend([0x30 | qos << 1, length, 0, 5]);
    output.extend(TOPIC);
    if qos > 0 {
        output.extend(identifier.to_be_bytes());
    }
    output.extend(payload);
}

/// The number as decimal digits with leading zeros: the payload tells the order.
pub(crate) fn numbered(mut number: u64) -> [u8; PAYLOAD_BYTES] {
    let mut payload = [b'0'; PAYLOAD_BYTES];
    for digit in payload.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap();
        number /= 10;
    }
    payload
}

/// A packet as it lies in the read buffer.
pub(crate) struct Packet<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) body: &'a [u8],
}

impl Packet<'_> {
    pub(crate) fn qos(&self) -> u8 {
        self.flags >> 1 & 3
    }

    /// The identifier of a PUBLISH above QoS 0, or of an acknowledgement.
    pub(crate) fn identifier(&self) -> [u8; 2] {
        let at = if self.kind == 3 { 2 + self.topic_bytes() } else { 0 };
        [self.body[at], self.body[at + 1]]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        let identifier_bytes = if self.qos() == 0 { 0 } else { 2 };
        &self.body[2 + self.topic_bytes() + identifier_bytes..]
    }

    fn topic_bytes(&self) -> usize {
        usize::from(u16::from_be_bytes([self.body[0], self.body[1]]))
    }

    /// The answer that moves a QoS 1 or 2 exchange on, if this packet asks for one.
    pub(crate) fn answer(&self) -> Option<[u8; 4]> {
        let first = match (self.kind, self.qos()) {
            (3, 1) => 0x40, // PUBACK
            (3, 2) => 0x50, // PUBREC
            (5, _) => 0x62, // PUBREL
            (6, _) => 0x70, // PUBCOMP
            _ => return None,
        };
        let [high, low] = self.identifier();
        Some([first, 2, high, low])
    }
}

/// Bytes as they arrive, taken out packet by packet.
#[derive(Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Input {
    /// Reads once; 0 is the end.
    pub(crate) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.from > 0 && self.to == self.bytes.len() {
            self.bytes.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.to == self.bytes.len() {
            self.bytes.resize((self.bytes.len() * 2).max(1 << 16), 0);
        }
        let count = stream.read(&mut self.bytes[self.to..])?;
        self.to += count;
        Ok(count)
    }

    pub(crate) fn next(&mut self) -> Option<Packet<'_>> {
        let bytes = &self.bytes[self.from..self.to];
        let (mut length, mut header) = (0_usize, 1);
        loop {
            let byte = *bytes.get(header)?;
            length |= usize::from(byte & 0x7F) << (7 * (header - 1));
            header += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let body = bytes.get(header..header + length)?;
        self.from += header + length;
        Some(Packet { kind: bytes[0] >> 4, flags: bytes[0] & 15, body })
    }
}
