//! The real program as a server, over WebSocket: every packet that is sent is one frame, as most clients have it.

use crate::harness::{Lab, Server};
use crate::tcp::Tcp;
use std::io::{Read, Write};

/// Frames over TCP; what has come of a frame waits until the rest has.
struct WebSocket {
    tcp: Tcp,
    inboxes: Vec<Vec<u8>>,
}

impl Server for WebSocket {
    fn open(&mut self) -> usize {
        let connection = self.tcp.open();
        let stream = &mut self.tcp.connections[connection];
        let request = "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: mqtt\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("an answer to the upgrade");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", answer.escape_ascii());
        self.inboxes.push(Vec::new());
        connection
    }

    fn send(&mut self, connection: usize, bytes: &[u8]) {
        let length = bytes.len();
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [0x5A, 0x00, 0xFF, 0x13];
        frame.extend(mask);
        frame.extend(bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.tcp.send(connection, &frame);
    }

    fn receive(&mut self, connection: usize) -> Option<Vec<u8>> {
        let mut contents = Vec::new();
        loop {
            while let Some((kind, content)) = take_frame(&mut self.inboxes[connection]) {
                match kind {
                    0x82 => contents.extend(content),
                    0x88 => {
                        // The closing handshake: what came before it still counts.
                        self.inboxes[connection] = vec![0x88, 0];
                        return (!contents.is_empty()).then_some(contents);
                    }
                    other => panic!("a frame of kind {other:#x}"),
                }
            }
            if !contents.is_empty() {
                return Some(contents);
            }
            let bytes = self.tcp.receive(connection)?;
            self.inboxes[connection].extend(bytes);
        }
    }

    fn close(&mut self, connection: usize) {
        self.tcp.close(connection);
    }
}

/// The first whole frame of `inbox`: its first byte and its content.
fn take_frame(inbox: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (head, length) = match *inbox.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(inbox.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(inbox.get(2..10)?.try_into().ok()?) as usize),
        length => (2, usize::from(length)),
    };
    if inbox.len() < head + length {
        return None;
    }
    let kind = inbox[0];
    let content = inbox[head..head + length].to_vec();
    inbox.drain(..head + length);
    Some((kind, content))
}

#[test]
fn every_rule_holds_over_websocket() {
    for (section, rules) in crate::sections() {
        for (name, rule) in rules {
            println!("{section}::{name}");
            let tcp = Tcp::start_with(&["--ws-port", "0"], "${MQTT_WS_URL#ws://*:}");
            rule(&Lab::of(WebSocket { tcp, inboxes: Vec::new() }));
        }
    }
}
