//! What a run has counted so far, for Prometheus: the text form and a small server for it.
//!
//! The server answers one request after another on a thread of its own, reads at most 8 KiB of each, and gives a peer two
//! seconds, so that nobody who talks to it can disturb the run.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const REQUEST_BYTES_MAX: usize = 8 * 1024;
const PEER_TIMEOUT: Duration = Duration::from_secs(2);

/// The figures of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Connections accepted and not lost.
    pub connected: u64,
    /// Connections that failed.
    pub connect_failed: u64,
    /// Messages sent since the start.
    pub sent: u64,
    /// Messages acknowledged since the start.
    pub acked: u64,
    /// Messages received since the start.
    pub received: u64,
    /// Deliveries expected since the start.
    pub expected: u64,
    /// Median of the last second's latencies in microseconds.
    pub p50_us: u64,
    /// 99th percentile of them.
    pub p99_us: u64,
    /// The largest of them.
    pub max_us: u64,
}

/// The endpoint; it ends with the process.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    current: Arc<Mutex<Snapshot>>,
}

impl Endpoint {
    /// Serves `http://ADDRESS/metrics`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, or the thread not started.
    pub fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let current = Arc::new(Mutex::new(Snapshot::default()));
        let shown = current.clone();
        thread::Builder::new().name("prometheus".into()).spawn(move || serve(&listener, &shown))?;
        Ok(Self { address, current })
    }

    /// Where it serves, with the port that the system gave for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows these figures from now on.
    pub fn show(&self, snapshot: Snapshot) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

/// Reads `PORT`, `ADDRESS:PORT` or `:PORT`; without an address it is the loopback's.
///
/// # Errors
///
/// A sentence, when it is neither.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    text.parse()
        .map_err(|_| format!("'{text}' is neither a port nor an address and a port, such as 127.0.0.1:9100"))
}

fn serve(listener: &TcpListener, current: &Mutex<Snapshot>) {
    for stream in listener.incoming() {
        match stream {
            // A peer that goes away gets no answer; the next one does.
            Ok(stream) => drop(answer(stream, current)),
            // Out of descriptors, most likely; not a reason to spin.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn answer(mut stream: TcpStream, current: &Mutex<Snapshot>) -> io::Result<()> {
    stream.set_read_timeout(Some(PEER_TIMEOUT))?;
    stream.set_write_timeout(Some(PEER_TIMEOUT))?;
    let mut request = Vec::new();
    let mut block = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        match stream.read(&mut block)? {
            0 => break,
            length => request.extend_from_slice(&block[..length]),
        }
    }
    let (status, body) = if request.starts_with(b"GET /metrics ") || request.starts_with(b"GET / ") {
        let snapshot = *current.lock().unwrap_or_else(PoisonError::into_inner);
        ("200 OK", render(&snapshot))
    } else if request.starts_with(b"GET ") {
        ("404 Not Found", "the figures are at /metrics\n".to_owned())
    } else {
        ("405 Method Not Allowed", "only GET is answered\n".to_owned())
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.flush()
}

/// The text form, version 0.0.4.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(&str, f64)]| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP culex_bench_{name} {help}\n# TYPE culex_bench_{name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(out, "culex_bench_{name}{labels} {value}");
        }
    };
    let seconds = |microseconds: u64| microseconds as f64 / 1e6;
    metric("connections", "gauge", "Clients connected now", &[("", snapshot.connected as f64)]);
    metric(
        "connect_failures_total",
        "counter",
        "Connections that failed",
        &[("", snapshot.connect_failed as f64)],
    );
    metric("messages_sent_total", "counter", "Messages written", &[("", snapshot.sent as f64)]);
    metric("messages_acknowledged_total", "counter", "Messages acknowledged", &[("", snapshot.acked as f64)]);
    metric(
        "messages_received_total",
        "counter",
        "Messages delivered, each once",
        &[("", snapshot.received as f64)],
    );
    metric(
        "deliveries_expected_total",
        "counter",
        "Deliveries that must come",
        &[("", snapshot.expected as f64)],
    );
    metric(
        "latency_seconds",
        "gauge",
        "Latency from the due time, in the last second",
        &[
            ("{quantile=\"0.5\"}", seconds(snapshot.p50_us)),
            ("{quantile=\"0.99\"}", seconds(snapshot.p99_us)),
            ("{quantile=\"1\"}", seconds(snapshot.max_us)),
        ],
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(endpoint: &Endpoint, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(endpoint.address()).unwrap();
        stream.write_all(request).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_figures_of_the_moment_are_served() {
        let endpoint = Endpoint::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        endpoint.show(Snapshot { sent: 5, p99_us: 1500, ..Snapshot::default() });
        let text = ask(&endpoint, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("\nculex_bench_messages_sent_total 5\n"), "{text}");
        assert!(text.contains("\nculex_bench_latency_seconds{quantile=\"0.99\"} 0.0015\n"), "{text}");
        assert!(ask(&endpoint, b"GET /other HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(&endpoint, b"POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        drop(TcpStream::connect(endpoint.address()).unwrap());
        assert!(ask(&endpoint, &[b'x'; REQUEST_BYTES_MAX]).starts_with("HTTP/1.1 405 "), "no end in sight");
    }

    #[test]
    fn an_address_is_the_loopback_unless_it_says_more() {
        let parsed = |text| parse_address(text).map(|address| address.to_string());
        assert_eq!(parsed("9100"), Ok("127.0.0.1:9100".into()));
        assert_eq!(parsed(":9100"), Ok("127.0.0.1:9100".into()));
        assert_eq!(parsed("0.0.0.0:9100"), Ok("0.0.0.0:9100".into()));
        assert!(parsed("host").unwrap_err().contains("neither a port"));
    }
}
