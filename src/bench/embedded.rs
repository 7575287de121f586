//! A broker of our own on a free port of the loopback address, in a thread of this process.

use crate::broker::{self, Broker, Config, ListenerConfig};
use crate::net::Clock;
use crate::net::server::{Control, ListenAddress, ListenPlan, Listeners, Observer, Server};
use crate::time::Time;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// A broker that serves until this is dropped.
#[derive(Debug)]
pub struct Embedded {
    ports: Vec<u16>,
    control: Control,
    thread: Option<JoinHandle<()>>,
}

/// Nobody watches.
struct Unobserved;

impl Observer for Unobserved {
    fn event(&mut self, _: Time, _: &mut Broker, _: broker::Event) {}

    fn out_of_descriptors(&mut self, _: Time) {}
}

impl Embedded {
    /// Starts it with limits that a load does not meet: no bound on what is queued or in flight.
    ///
    /// # Errors
    ///
    /// When no thread, runtime or port is to be had.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&[ListenPlan::plain(ListenAddress::Loopback { port: 0 })])
    }

    /// As [`Embedded::start`], listening as `plans` say.
    ///
    /// # Errors
    ///
    /// As [`Embedded::start`], and when a listener cannot be bound.
    pub fn start_with(plans: &[ListenPlan]) -> io::Result<Self> {
        let (told, hear) = mpsc::channel();
        let plans = plans.to_vec();
        let thread = thread::Builder::new().name("broker".to_owned()).spawn(move || {
            if let Err(error) = serve(&plans, &told) {
                // Whoever waits for the port is told why there is none; later nobody does.
                let _ = told.send(Err(error));
            }
        })?;
        let (ports, control) = hear.recv().map_err(io::Error::other)??;
        Ok(Self { ports, control, thread: Some(thread) })
    }

    /// The TCP port of its first listener.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.first().copied().unwrap_or(0)
    }

    /// The TCP ports of its listeners.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.control.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the broker's thread has been reported when it happened.
            let _ = thread.join();
        }
    }
}

fn serve(plans: &[ListenPlan], told: &mpsc::Sender<io::Result<(Vec<u16>, Control)>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock = Clock::start();
        let listeners = Listeners::bind(plans).map_err(io::Error::other)?;
        let mut addresses = listeners.local_addresses();
        addresses.dedup_by_key(|(plan, _)| *plan);
        let ports = addresses.iter().map(|(_, address)| address.port()).collect();
        let config = Config {
            listeners: vec![ListenerConfig::default(); plans.len()],
            max_inflight_messages: 0,
            max_queued_messages: 0,
            ..Config::default()
        };
        let server = Server::new(Broker::new(config, clock.now()), listeners, clock, Unobserved);
        // Whoever asked may have given up meanwhile; then the handle that stops it is gone too.
        if told.send(Ok((ports, server.control()))).is_ok() {
            let served = tokio::spawn(server.run());
            served.await.map_err(io::Error::other)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn serves_until_it_is_dropped() {
        let broker = Embedded::start().unwrap();
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
        socket.write_all(b"\x10\x0C\x00\x04MQTT\x04\x02\x00\x3C\x00\x00").unwrap();
        let mut connack = [0; 4];
        socket.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        let port = broker.port();
        drop(broker);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
