//! A DNS server on a port of its own that answers questions for SRV records from a table.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

/// One record: priority, weight, port, target.
pub(crate) type Record = (u16, u16, u16, &'static str);

/// Answers `name` with `records` over UDP, everything else with "no such name"; ends with the process.
pub(crate) fn start(name: &'static str, records: Vec<Record>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut packet) {
            socket.send_to(&answer(&packet[..length], name, &records), client).unwrap();
        }
    });
    address
}

/// As [`start`], but over TCP: over UDP every answer is cut short.
pub(crate) fn start_cutting(name: &'static str, records: Vec<Record>) -> SocketAddr {
    // A port that is free for both.
    let (listener, socket) = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").unwrap())
        .find_map(|listener| {
            let socket = UdpSocket::bind(listener.local_addr().unwrap()).ok()?;
            Some((listener, socket))
        })
        .unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut packet) {
            let mut cut = packet[..length].to_vec();
            // A response that is truncated.
            cut[2] |= 0x82;
            socket.send_to(&cut, client).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let mut prefix = [0; 2];
            stream.read_exact(&mut prefix).unwrap();
            let mut query = vec![0; u16::from_be_bytes(prefix).into()];
            stream.read_exact(&mut query).unwrap();
            let answer = answer(&query, name, &records);
            stream.write_all(&[&(answer.len() as u16).to_be_bytes()[..], &answer].concat()).unwrap();
        }
    });
    address
}

/// The answer to one query with one question (RFC 1035, section 4).
fn answer(query: &[u8], name: &str, records: &[Record]) -> Vec<u8> {
    let question_end = 12 + query[12..].iter().position(|&byte| byte == 0).unwrap() + 1 + 4;
    let asked = labels(&query[12..question_end - 4]);
    let is_srv = query[question_end - 4..question_end - 2] == [0, 33];
    let found = if is_srv && asked.eq_ignore_ascii_case(name) { records } else { &[] };
    let code = if found.is_empty() { 3 } else { 0 };
    let mut answer = query[..2].to_vec();
    // A response that recurses, with one question and so many answers.
    answer.extend([0x81, 0x80 | code, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
    answer.extend(&query[12..question_end]);
    for (priority, weight, port, target) in found {
        let mut data = [priority.to_be_bytes(), weight.to_be_bytes(), port.to_be_bytes()].concat();
        for label in target.split('.') {
            data.push(label.len() as u8);
            data.extend(label.bytes());
        }
        data.push(0);
        // The name of the question again, SRV, IN, a minute.
        answer.extend([0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        answer.extend(data);
    }
    answer
}

fn labels(mut wire: &[u8]) -> String {
    let mut labels = Vec::new();
    while let Some((length, rest)) = wire.split_first().filter(|(length, _)| **length > 0) {
        let (label, rest) = rest.split_at(usize::from(*length));
        labels.push(String::from_utf8_lossy(label).into_owned());
        wire = rest;
    }
    labels.join(".")
}
