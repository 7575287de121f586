//! Runs mosquitto_sub against a listener that plays broker for one connection and one message.

use crate::table::{Expected, Row};
use bytes::Bytes;
use culex::output::{Fault, FormatError};
use culex::packet::{
    Acknowledgement, Connack, FrameReader, Packet, Properties, ProtocolVersion, Qos, ReasonCode, Sender,
    Suback, Verdict,
};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
};

/// mosquitto_sub, of a version that the table was compared with.
pub(crate) struct MosquittoSub;

/// `None`, and a line that says so, where there is nothing to compare with.
pub(crate) fn mosquitto_sub_2_0() -> Option<MosquittoSub> {
    let version = Command::new("mosquitto_sub").arg("--version").output();
    let found = version.is_ok_and(|version| version.stdout.starts_with(b"mosquitto_sub version 2.0."));
    assert!(found || std::env::var_os("CULEX_REQUIRE_PEERS").is_none(), "mosquitto_sub 2.0 is missing");
    if !found {
        eprintln!("skipped: mosquitto_sub 2.0 is missing");
    }
    found.then_some(MosquittoSub)
}

impl MosquittoSub {
    /// What it makes of the row's message and format.
    pub(crate) fn print(&self, row: &Row, zone: &str) -> Expected {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let refuses = matches!(row.expected, Expected::Refused(_));
        let server = (!refuses).then(|| {
            let (publish, version) = (row.publish.clone(), row.version);
            std::thread::spawn(move || serve(&listener, Packet::Publish(publish), version))
        });
        let mut command = Command::new("mosquitto_sub");
        command.env("TZ", zone).env("XDG_CONFIG_HOME", "/nonexistent").stdin(Stdio::null());
        command.args(["-p", &port, "-C", "1", "-W", "10", "-t", "#", "-q", "2", "-V"]);
        command.arg(match row.version {
            ProtocolVersion::V31 => "31",
            ProtocolVersion::V311 => "311",
            ProtocolVersion::V5 => "5",
        });
        for (option, flag) in [("verbose", "-v"), ("pretty", "--pretty"), ("no-line-end", "-N")] {
            if row.has(option) {
                command.arg(flag);
            }
        }
        if !row.has("plain") && !row.has("verbose") {
            command.args(["-F", row.format]);
        }
        let output = command.output().unwrap();
        if let Some(server) = server {
            // A refused format never connects; this lets the listener go.
            drop(TcpStream::connect(format!("127.0.0.1:{port}")));
            server.join().unwrap();
        }
        read_output(output)
    }
}

fn read_output(output: Output) -> Expected {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let quoted = |after: &str| stderr.strip_prefix(after).and_then(|rest| rest.bytes().next());
    if stderr.starts_with("Error: Incomplete format specifier.") {
        return Expected::Refused(FormatError::IncompleteSpecifier);
    }
    if stderr.starts_with("Error: Incomplete escape specifier.") {
        return Expected::Refused(FormatError::IncompleteEscape);
    }
    if let Some(letter) = quoted("Error: Invalid format specifier '") {
        return Expected::Refused(FormatError::InvalidSpecifier(letter));
    }
    if let Some(letter) = quoted("Error: Invalid escape specifier '") {
        return Expected::Refused(FormatError::InvalidEscape(letter));
    }
    let faults = stderr.matches("Error: Message payload is not valid JSON").map(|_| Fault::NotJson).collect();
    Expected::Printed(output.stdout, faults)
}

/// Accepts one client and answers it until it disconnects; the message follows the SUBACK.
fn serve(listener: &TcpListener, message: Packet, version: ProtocolVersion) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = FrameReader::default();
    let mut block = vec![0; 65_536];
    loop {
        let length = stream.read(&mut block).unwrap_or(0);
        if length == 0 {
            return;
        }
        reader.push(Bytes::copy_from_slice(&block[..length]));
        while let Some(frame) = reader.next_frame(|_| Verdict::Accept).unwrap() {
            let packet = Packet::decode(&frame, version, Sender::Client).unwrap();
            if matches!(packet, Packet::Disconnect(_)) {
                return;
            }
            answer(&mut stream, packet, &message, version);
        }
    }
}

fn answer(stream: &mut TcpStream, packet: Packet, message: &Packet, version: ProtocolVersion) {
    let properties = Properties::EMPTY;
    let answers = match packet {
        Packet::Connect(_) => {
            vec![Packet::Connack(Connack { session_present: false, reason: ReasonCode::SUCCESS, properties })]
        }
        Packet::Subscribe(subscribe) => {
            let packet_identifier = subscribe.packet_identifier;
            let granted = ReasonCode(Qos::ExactlyOnce as u8);
            vec![
                Packet::Suback(Suback { packet_identifier, properties, reasons: vec![granted] }),
                message.clone(),
            ]
        }
        Packet::Pubrec(received) => {
            vec![Packet::Pubrel(Acknowledgement::new(received.packet_identifier, ReasonCode::SUCCESS))]
        }
        _ => Vec::new(),
    };
    let mut bytes = Vec::new();
    for answer in answers {
        answer.encode(version, &mut bytes).unwrap();
    }
    stream.write_all(&bytes).unwrap();
}
