//! A broker that plays the script of a case, for one connection after another.
//!
//! ```text
//! serve                          take everything as a broker would, until the client leaves
//! expect PUBLISH                 read packets until one of that kind; a connection that ends instead is a fault
//! connack 5 [present]            codes are decimal
//! suback 0 128                   answers the SUBSCRIBE read last
//! unsuback
//! publish 1 retain a/b hello     QoS, flags (`-`, `retain`), topic, payload
//! puback [code], pubrec [code], pubrel, pubcomp      for the PUBLISH read or sent last
//! disconnect 142
//! hex 20020000                   these bytes
//! close                          ends the connection; a later step waits for the next one
//! refuse                         closes the listening socket
//! signal                         lets the runner send the signal of the case
//! ```

use bytes::Bytes;
use culex::packet::{
    Acknowledgement, Connack, Disconnect, Frame, FrameReader, Packet, PacketIdentifier, PacketType,
    Properties, ProtocolVersion, Publish, Qos, ReasonCode, Sender, Suback, Text, Unsuback, Verdict,
};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// A guard against a client that hangs; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Player {
    listener: Option<TcpListener>,
    connection: Option<Connection>,
    signal: mpsc::Sender<()>,
    pub(crate) seen: Vec<String>,
}

struct Connection {
    stream: TcpStream,
    reader: FrameReader,
    version: ProtocolVersion,
    /// Packets that have been read and not yet looked at.
    packets: std::collections::VecDeque<Packet>,
    identifier: PacketIdentifier,
    requested: Vec<u8>,
}

impl Player {
    pub(crate) fn new(listener: TcpListener, signal: mpsc::Sender<()>) -> Self {
        Self { listener: Some(listener), connection: None, signal, seen: Vec::new() }
    }

    /// Plays all of `script` and stops there.
    pub(crate) fn advance(&mut self, script: &[String]) -> Result<(), String> {
        script
            .iter()
            .try_for_each(|line| self.step(line).map_err(|fault| format!("broker, at `{line}`: {fault}")))
    }

    /// Another end of the present connection, for sending from a thread of its own.
    pub(crate) fn sender(&mut self) -> Self {
        let connection = self.connection().unwrap();
        let sender = Connection {
            stream: connection.stream.try_clone().unwrap(),
            reader: FrameReader::default(),
            version: connection.version,
            packets: std::collections::VecDeque::new(),
            identifier: connection.identifier,
            requested: Vec::new(),
        };
        Self { listener: None, connection: Some(sender), signal: self.signal.clone(), seen: Vec::new() }
    }

    /// Plays all of `script`, then listens to what the client still has to say.
    pub(crate) fn play(&mut self, script: &[String]) -> Result<(), String> {
        self.advance(script)?;
        while let Some(connection) = &mut self.connection {
            match connection.next_packet() {
                Ok(Some(packet)) => self.seen.push(describe(&packet)),
                _ => self.connection = None,
            }
        }
        Ok(())
    }

    fn step(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<_> = line.split(' ').collect();
        let code = |at: usize| words.get(at).map_or(0, |code| code.parse().unwrap());
        match words[0] {
            "refuse" => self.listener = None,
            "signal" => self.signal.send(()).unwrap(),
            "close" => self.connection = None,
            "expect" => return self.expect(words[1]),
            "serve" => return self.serve(),
            "hex" => {
                let digits = words[1..].concat();
                let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
                let bytes: Vec<_> = (0..digits.len()).step_by(2).map(byte).collect();
                self.connection()?.stream.write_all(&bytes).map_err(|error| error.to_string())?;
            }
            "connack" => {
                let session_present = words.get(2) == Some(&"present");
                let reason = ReasonCode(code(1));
                self.send(Packet::Connack(Connack { session_present, reason, ..Connack::default() }))?;
            }
            "suback" => {
                let reasons = words[1..].iter().map(|code| ReasonCode(code.parse().unwrap())).collect();
                let packet_identifier = self.connection()?.identifier;
                self.send(Packet::Suback(Suback {
                    packet_identifier,
                    properties: Properties::EMPTY,
                    reasons,
                }))?;
            }
            "unsuback" => {
                let packet_identifier = self.connection()?.identifier;
                let reasons = vec![ReasonCode::SUCCESS];
                self.send(Packet::Unsuback(Unsuback {
                    packet_identifier,
                    properties: Properties::EMPTY,
                    reasons,
                }))?;
            }
            "publish" => {
                let qos = Qos::from_number(words[1].parse().unwrap()).unwrap();
                let connection = self.connection()?;
                connection.identifier = connection.identifier.next();
                let packet_identifier = (qos != Qos::AtMostOnce).then_some(connection.identifier);
                let payload = Bytes::from(words[4..].join(" ").into_bytes());
                let topic = Text::try_from(words[3]).unwrap();
                let retain = words[2] == "retain";
                self.send(Packet::Publish(Publish {
                    qos,
                    retain,
                    topic,
                    packet_identifier,
                    payload,
                    ..Publish::default()
                }))?;
            }
            "puback" | "pubrec" | "pubrel" | "pubcomp" => {
                let answer = Acknowledgement::new(self.connection()?.identifier, ReasonCode(code(1)));
                self.send(match words[0] {
                    "puback" => Packet::Puback(answer),
                    "pubrec" => Packet::Pubrec(answer),
                    "pubrel" => Packet::Pubrel(answer),
                    _ => Packet::Pubcomp(answer),
                })?;
            }
            "disconnect" => {
                let reason = ReasonCode(code(1));
                self.send(Packet::Disconnect(Disconnect { reason, properties: Properties::EMPTY }))?;
            }
            _ => return Err("no such step".to_owned()),
        }
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut Connection, String> {
        if self.connection.is_none() {
            let listener = self.listener.as_ref().ok_or("the listener is closed")?;
            let (stream, _) = listener.accept().map_err(|error| error.to_string())?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_nodelay(true).unwrap();
            self.connection = Some(Connection {
                stream,
                reader: FrameReader::default(),
                version: ProtocolVersion::V311,
                packets: std::collections::VecDeque::new(),
                identifier: PacketIdentifier::FIRST,
                requested: Vec::new(),
            });
        }
        Ok(self.connection.as_mut().unwrap())
    }

    fn send(&mut self, packet: Packet) -> Result<(), String> {
        let connection = self.connection()?;
        let mut bytes = Vec::new();
        packet.encode(connection.version, &mut bytes).unwrap();
        connection.stream.write_all(&bytes).map_err(|error| error.to_string())
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        loop {
            let packet = self.connection()?.next_packet().map_err(|error| error.to_string())?;
            let packet = packet.ok_or("the client left")?;
            let description = describe(&packet);
            let is_wanted = description.split(' ').next() == Some(wanted);
            self.seen.push(description);
            if is_wanted {
                return Ok(());
            }
        }
    }

    fn serve(&mut self) -> Result<(), String> {
        loop {
            let packet = match self.connection()?.next_packet() {
                Ok(Some(packet)) => packet,
                // A client that leaves without a DISCONNECT is the case's own affair.
                Ok(None) | Err(_) => break,
            };
            self.seen.push(describe(&packet));
            match &packet {
                Packet::Connect(_) => self.step("connack 0")?,
                Packet::Publish(publish) => match publish.qos {
                    Qos::AtMostOnce => {}
                    Qos::AtLeastOnce => self.step("puback")?,
                    Qos::ExactlyOnce => self.step("pubrec")?,
                },
                Packet::Pubrel(_) => self.step("pubcomp")?,
                Packet::Subscribe(_) => {
                    let granted = self.connection()?.requested.iter().map(u8::to_string);
                    let granted: Vec<_> = granted.collect();
                    self.step(&format!("suback {}", granted.join(" ")))?;
                }
                Packet::Unsubscribe(_) => self.step("unsuback")?,
                Packet::Pingreq => self.step("hex d000")?,
                Packet::Disconnect(_) => break,
                _ => {}
            }
        }
        self.connection = None;
        Ok(())
    }
}

impl Connection {
    /// The next packet; `None` when the client has closed.
    fn next_packet(&mut self) -> io::Result<Option<Packet>> {
        while self.packets.is_empty() {
            let mut block = vec![0; 64 * 1024];
            let count = match self.stream.read(&mut block) {
                Ok(0) => return Ok(None),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            };
            block.truncate(count);
            self.reader.push(block.into());
            loop {
                let frame = self.reader.next_frame(|_| Verdict::Accept).map_err(io::Error::other)?;
                let Some(frame) = frame else { break };
                let packet = decode(&frame, self.version).map_err(io::Error::other)?;
                if let Packet::Connect(connect) = &packet {
                    self.version = connect.version;
                }
                self.packets.push_back(packet);
            }
        }
        let packet = self.packets.pop_front();
        match &packet {
            Some(Packet::Publish(publish)) => {
                self.identifier = publish.packet_identifier.unwrap_or(self.identifier);
            }
            Some(Packet::Pubrel(pubrel)) => self.identifier = pubrel.packet_identifier,
            Some(Packet::Subscribe(subscribe)) => {
                self.identifier = subscribe.packet_identifier;
                let requested = subscribe.filters.iter().map(|(_, options)| options.maximum_qos as u8);
                self.requested = requested.collect();
            }
            Some(Packet::Unsubscribe(unsubscribe)) => self.identifier = unsubscribe.packet_identifier,
            _ => {}
        }
        Ok(packet)
    }
}

fn decode(frame: &Frame<'_>, version: ProtocolVersion) -> Result<Packet, culex::packet::PacketError> {
    Packet::decode(frame, version, Sender::Client)
}

/// One line a packet, with everything that an option can change.
fn describe(packet: &Packet) -> String {
    match packet {
        Packet::Connect(connect) => {
            let mut text = format!(
                "CONNECT v{} clean={} keepalive={} id='{}'",
                connect.version.level(),
                u8::from(connect.clean_start),
                connect.keep_alive,
                &*connect.client_identifier
            );
            if let Some(user_name) = &connect.user_name {
                text += &format!(" user='{}'", &**user_name);
            }
            if let Some(password) = &connect.password {
                text += &format!(" password='{}'", String::from_utf8_lossy(password));
            }
            if let Some(will) = &connect.will {
                let payload = String::from_utf8_lossy(&will.payload);
                let flags = format!("q{} r{}", will.qos as u8, u8::from(will.retain));
                text +=
                    &format!(" will='{}' '{payload}' {flags}{}", &*will.topic, properties(&will.properties));
            }
            text + &properties(&connect.properties)
        }
        Packet::Publish(publish) => format!(
            "PUBLISH d{} q{} r{} '{}' '{}'{}",
            u8::from(publish.dup),
            publish.qos as u8,
            u8::from(publish.retain),
            &*publish.topic,
            publish.payload.escape_ascii(),
            properties(&publish.properties)
        ),
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.iter();
            let filters: Vec<_> = filters
                .map(|(filter, options)| format!("'{}' 0x{:02x}", &**filter, options.byte()))
                .collect();
            format!("SUBSCRIBE {}{}", filters.join(" "), properties(&subscribe.properties))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<_> =
                unsubscribe.filters.iter().map(|filter| format!("'{}'", &**filter)).collect();
            format!("UNSUBSCRIBE {}{}", filters.join(" "), properties(&unsubscribe.properties))
        }
        Packet::Disconnect(disconnect) => {
            format!("DISCONNECT {}{}", disconnect.reason.0, properties(&disconnect.properties))
        }
        Packet::Puback(answer)
        | Packet::Pubrec(answer)
        | Packet::Pubrel(answer)
        | Packet::Pubcomp(answer) => {
            format!("{} {}", name(packet.packet_type()), answer.reason.0)
        }
        _ => name(packet.packet_type()),
    }
}

fn name(packet_type: PacketType) -> String {
    format!("{packet_type:?}").to_uppercase()
}

fn properties(properties: &Properties) -> String {
    use culex::packet::PropertyValue;
    let mut text = String::new();
    for property in properties.as_ref() {
        let value = match property.value {
            PropertyValue::Number(number) => number.to_string(),
            PropertyValue::Text(value) => format!("'{value}'"),
            PropertyValue::Binary(bytes) => format!("'{}'", bytes.escape_ascii()),
            PropertyValue::Pair(name, value) => format!("'{name}':'{value}'"),
        };
        text += &format!(" {}={value}", property.identifier.name());
    }
    text
}
