//! Every rule once more, with the bytes coming in small pieces.

use crate::harness::{Lab, Server};
use crate::pure::Pure;
use culex::broker::Config;

/// Bytes of one send that come one by one; what is behind them comes whole, so that large payloads stay quick.
const SINGLE_BYTES: usize = 64;

struct Fragments(Pure);

impl Server for Fragments {
    fn open(&mut self) -> usize {
        self.0.open()
    }

    fn send(&mut self, connection: usize, bytes: &[u8]) {
        let (single, rest) = bytes.split_at(bytes.len().min(SINGLE_BYTES));
        for byte in single {
            self.0.send(connection, &[*byte]);
        }
        self.0.send(connection, rest);
    }

    fn receive(&mut self, connection: usize) -> Option<Vec<u8>> {
        self.0.receive(connection)
    }

    fn close(&mut self, connection: usize) {
        self.0.close(connection);
    }
}

#[test]
fn every_rule_holds_when_bytes_come_one_by_one() {
    for (section, rules) in crate::sections() {
        for (name, rule) in rules {
            println!("{section}::{name}");
            rule(&Lab::of(Fragments(Pure::new(Config::default()))));
        }
    }
}
