//! Packets as bytes, written from the standard and not with the library's own codec, so that both cannot be wrong alike.

/// Property identifiers by the standard's table 2-4.
pub(crate) mod property {
    pub(crate) const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
    pub(crate) const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
    pub(crate) const CONTENT_TYPE: u8 = 0x03;
    pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
    pub(crate) const CORRELATION_DATA: u8 = 0x09;
    pub(crate) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    pub(crate) const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
    pub(crate) const ASSIGNED_CLIENT_IDENTIFIER: u8 = 0x12;
    pub(crate) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(crate) const AUTHENTICATION_METHOD: u8 = 0x15;
    pub(crate) const AUTHENTICATION_DATA: u8 = 0x16;
    pub(crate) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub(crate) const WILL_DELAY_INTERVAL: u8 = 0x18;
    pub(crate) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub(crate) const RESPONSE_INFORMATION: u8 = 0x1A;
    pub(crate) const REASON_STRING: u8 = 0x1F;
    pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(crate) const TOPIC_ALIAS: u8 = 0x23;
    pub(crate) const MAXIMUM_QOS: u8 = 0x24;
    pub(crate) const RETAIN_AVAILABLE: u8 = 0x25;
    pub(crate) const USER_PROPERTY: u8 = 0x26;
    pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
}
pub(crate) use property::*;

/// A fixed header and its body.
pub(crate) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(variable(body.len()));
    packet.extend_from_slice(body);
    packet
}

/// A Variable Byte Integer in its shortest form.
pub(crate) fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value % 128).unwrap();
        value /= 128;
        bytes.push(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            return bytes;
        }
    }
}

/// Two bytes of length and the bytes.
pub(crate) fn binary(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut field = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    field.extend_from_slice(bytes);
    field
}

/// A property of one byte.
pub(crate) fn byte(identifier: u8, value: u8) -> Vec<u8> {
    vec![identifier, value]
}

/// A property with a Two Byte Integer.
pub(crate) fn two(identifier: u8, value: u16) -> Vec<u8> {
    [&[identifier][..], &value.to_be_bytes()].concat()
}

/// A property with a Four Byte Integer.
pub(crate) fn four(identifier: u8, value: u32) -> Vec<u8> {
    [&[identifier][..], &value.to_be_bytes()].concat()
}

/// A property with a Variable Byte Integer.
pub(crate) fn number(identifier: u8, value: usize) -> Vec<u8> {
    [vec![identifier], variable(value)].concat()
}

/// A property with a string or Binary Data.
pub(crate) fn string(identifier: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![identifier], binary(value)].concat()
}

/// A User Property.
pub(crate) fn user(name: &str, value: &str) -> Vec<u8> {
    [vec![USER_PROPERTY], binary(name), binary(value)].concat()
}

/// Properties with their length in front.
pub(crate) fn properties(wire: &[u8]) -> Vec<u8> {
    [variable(wire.len()), wire.to_vec()].concat()
}

/// MQTT versions as the Protocol Version byte has them.
pub(crate) const V31: u8 = 3;
pub(crate) const V311: u8 = 4;
pub(crate) const V5: u8 = 5;

/// A Will Message inside a CONNECT.
#[derive(Clone, Debug, Default)]
pub(crate) struct Will {
    pub(crate) topic: &'static str,
    pub(crate) payload: &'static str,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<u8>,
}

/// A CONNECT, by default clean, with Keep Alive 0.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) version: u8,
    pub(crate) id: String,
    pub(crate) is_clean: bool,
    pub(crate) keep_alive: u16,
    pub(crate) properties: Vec<u8>,
    pub(crate) will: Option<Will>,
    pub(crate) user_name: Option<&'static str>,
    pub(crate) password: Option<&'static str>,
}

/// A plain CONNECT.
pub(crate) fn connect(version: u8, id: &str) -> Connect {
    Connect {
        version,
        id: id.to_owned(),
        is_clean: true,
        keep_alive: 0,
        properties: Vec::new(),
        will: None,
        user_name: None,
        password: None,
    }
}

/// A CONNECT whose session stays: Clean Session 0, or Clean Start 0 with a Session Expiry Interval of an hour.
pub(crate) fn durable(version: u8, id: &str) -> Connect {
    let properties = if version == V5 { four(SESSION_EXPIRY_INTERVAL, 3600) } else { Vec::new() };
    Connect { is_clean: false, properties, ..connect(version, id) }
}

impl Connect {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.is_clean) << 1;
        if let Some(will) = &self.will {
            flags |= 4 | will.qos << 3 | u8::from(will.retain) << 5;
        }
        flags |= u8::from(self.user_name.is_some()) << 7 | u8::from(self.password.is_some()) << 6;
        let mut body = binary(if self.version == V31 { "MQIsdp" } else { "MQTT" });
        body.extend([self.version, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        if self.version == V5 {
            body.extend(properties(&self.properties));
        }
        body.extend(binary(&self.id));
        if let Some(will) = &self.will {
            if self.version == V5 {
                body.extend(properties(&will.properties));
            }
            body.extend(binary(will.topic));
            body.extend(binary(will.payload));
        }
        for field in [self.user_name, self.password].into_iter().flatten() {
            body.extend(binary(field));
        }
        frame(0x10, &body)
    }
}

/// A PUBLISH; its identifier stands on the wire from QoS 1 on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Publish {
    pub(crate) version: u8,
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) topic: String,
    pub(crate) id: u16,
    pub(crate) properties: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// A plain QoS 0 PUBLISH.
pub(crate) fn publish(version: u8, topic: &str, payload: impl AsRef<[u8]>) -> Publish {
    Publish { version, topic: topic.to_owned(), payload: payload.as_ref().to_vec(), ..Publish::default() }
}

impl Publish {
    pub(crate) fn qos(self, qos: u8, id: u16) -> Self {
        Self { qos, id, ..self }
    }

    pub(crate) fn retain(self) -> Self {
        Self { retain: true, ..self }
    }

    pub(crate) fn dup(self) -> Self {
        Self { dup: true, ..self }
    }

    pub(crate) fn properties(self, properties: &[u8]) -> Self {
        Self { properties: properties.to_vec(), ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = binary(&self.topic);
        if self.qos > 0 {
            body.extend(self.id.to_be_bytes());
        }
        if self.version == V5 {
            body.extend(properties(&self.properties));
        }
        body.extend_from_slice(&self.payload);
        frame(0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain), &body)
    }

    /// Reads a PUBLISH back.
    pub(crate) fn parse(version: u8, packet: &[u8]) -> Self {
        assert_eq!(packet[0] >> 4, 3, "a PUBLISH was expected: {packet:02x?}");
        let (_, mut rest) = header(packet).expect("a whole packet");
        let mut take = |count: usize| {
            let (head, tail) = rest.split_at(count);
            rest = tail;
            head
        };
        let length = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        let topic_length = length(take(2));
        let topic = String::from_utf8(take(topic_length).to_vec()).unwrap();
        let qos = packet[0] >> 1 & 3;
        let id = if qos > 0 { u16::try_from(length(take(2))).unwrap() } else { 0 };
        let mut properties = Vec::new();
        if version == V5 {
            let mut count = 0;
            for place in 0.. {
                let byte = take(1)[0];
                count |= usize::from(byte & 0x7F) << (7 * place);
                if byte & 0x80 == 0 {
                    break;
                }
            }
            properties = take(count).to_vec();
        }
        Self {
            version,
            dup: packet[0] & 8 != 0,
            qos,
            retain: packet[0] & 1 != 0,
            topic,
            id,
            properties,
            payload: rest.to_vec(),
        }
    }
}

/// The length of the packet at the front of `bytes` and its body, once it is all there.
pub(crate) fn header(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    for (place, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            let start = 2 + place;
            return Some((start + length, bytes.get(start..start + length)?));
        }
    }
    None
}

pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;
pub(crate) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// PUBACK, PUBREC, PUBREL or PUBCOMP in its short form.
pub(crate) fn ack(first: u8, id: u16) -> Vec<u8> {
    frame(first, &id.to_be_bytes())
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with a Reason Code and no properties.
pub(crate) fn ack_with(first: u8, id: u16, reason: u8) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    frame(first, &[high, low, reason])
}

/// SUBSCRIBE with Packet Identifier 1; before MQTT 5 the options are the QoS.
pub(crate) fn subscribe(version: u8, filters: &[(&str, u8)]) -> Vec<u8> {
    subscribe_with(version, &[], filters)
}

/// SUBSCRIBE with Packet Identifier 1 and properties.
pub(crate) fn subscribe_with(version: u8, wire: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = vec![0, 1];
    if version == V5 {
        body.extend(properties(wire));
    }
    for (filter, options) in filters {
        body.extend(binary(filter));
        body.push(*options);
    }
    frame(0x82, &body)
}

/// The SUBACK to [`subscribe`].
pub(crate) fn suback(version: u8, codes: &[u8]) -> Vec<u8> {
    list_ack(0x90, version, codes)
}

/// UNSUBSCRIBE with Packet Identifier 1.
pub(crate) fn unsubscribe(version: u8, filters: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 1];
    if version == V5 {
        body.push(0);
    }
    for filter in filters {
        body.extend(binary(filter));
    }
    frame(0xA2, &body)
}

/// The UNSUBACK to [`unsubscribe`]; before MQTT 5 it has no codes.
pub(crate) fn unsuback(version: u8, codes: &[u8]) -> Vec<u8> {
    list_ack(0xB0, version, if version == V5 { codes } else { &[] })
}

fn list_ack(first: u8, version: u8, codes: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1];
    if version == V5 {
        body.push(0);
    }
    body.extend_from_slice(codes);
    frame(first, &body)
}

/// DISCONNECT of MQTT 5 with a Reason Code and no properties.
pub(crate) fn disconnect(reason: u8) -> Vec<u8> {
    vec![0xE0, 1, reason]
}

/// DISCONNECT of MQTT 5 with properties.
pub(crate) fn disconnect_with(reason: u8, wire: &[u8]) -> Vec<u8> {
    frame(0xE0, &[vec![reason], properties(wire)].concat())
}

/// AUTH with a method and data.
pub(crate) fn auth(reason: u8, method: &str, data: impl AsRef<[u8]>) -> Vec<u8> {
    let wire = [string(AUTHENTICATION_METHOD, method), string(AUTHENTICATION_DATA, data)].concat();
    frame(0xF0, &[vec![reason], properties(&wire)].concat())
}

/// A CONNACK of MQTT 5 without properties: what a refusal is.
pub(crate) fn refusal(reason: u8) -> Vec<u8> {
    vec![0x20, 3, 0, reason, 0]
}

/// A CONNACK before MQTT 5.
pub(crate) fn connack(session_present: bool, code: u8) -> Vec<u8> {
    vec![0x20, 2, u8::from(session_present), code]
}

/// What our CONNACK says of the server by default, in mosquitto's order; `assigned` stands in the middle.
pub(crate) fn server_properties(assigned: &[u8]) -> Vec<u8> {
    [
        two(TOPIC_ALIAS_MAXIMUM, 10),
        assigned.to_vec(),
        four(MAXIMUM_PACKET_SIZE, 2_000_000),
        two(RECEIVE_MAXIMUM, 20),
    ]
    .concat()
}

/// A CONNACK of MQTT 5 that lets a client in.
pub(crate) fn connack5(session_present: bool, wire: &[u8]) -> Vec<u8> {
    frame(0x20, &[vec![u8::from(session_present), 0], properties(wire)].concat())
}
