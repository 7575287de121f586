//! What all workers and their coordinator see of each other.

use super::clock::Clock;
use super::socket::{Encryption, Layering, Remote};
use super::tally::{Outcome, Tally};
use crate::bench::plan::{Member, Plan};
use crate::bench::sync::Peers;
use crate::net::tls::{TlsClient, TlsSettings};
use rustls::ClientConfig;
use rustls::client::Resumption;
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed},
};

/// Entries of all rings of writing times together, 8 bytes each.
const RING_ENTRIES: usize = 1 << 20;
const RING_ENTRIES_MIN: usize = 16;
const RING_ENTRIES_MAX: usize = 1 << 16;

/// TLS sessions that a client keeps: that of its broker.
const SESSIONS_MAX: usize = 1;

/// The plan, and what changes while it runs; times are nanoseconds from the start of the load unless said otherwise.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) remote: Remote,
    /// What lies over the sockets, where it is the same for all.
    pub(crate) layering: Layering,
    pub(crate) clock: Clock,
    /// When the first client may connect, by the clock.
    pub(crate) connect_from: u64,
    /// When the load starts, by the clock; `u64::MAX` until that is known.
    pub(crate) start_at: AtomicU64,
    /// From when on messages are measured; those due before belong to the warm-up.
    pub(crate) measure_from: AtomicU64,
    /// When the load ends.
    pub(crate) load_end: AtomicU64,
    /// The clients of a storm leave, so that their sessions wait for them.
    pub(crate) leave: AtomicBool,
    /// Nothing is waited for any more: close.
    pub(crate) close: AtomicBool,
    /// When messages were written, where their receivers are in this process.
    pub(crate) written: Option<Rings>,
    /// The first message of each stream that is measured, for streams without due times.
    pub(crate) first_measured: Vec<AtomicU64>,
    /// Deliveries that a message of each stream brings; empty where nobody of this process subscribes.
    pub(crate) receivers: Vec<u32>,
    /// For topics that change: each distinct filter and how many deliveries it brings.
    pub(crate) filters: Vec<(String, u32)>,
    pub(crate) gauges: Vec<Gauge>,
    /// The clocks of others whose messages come here, where they are asked for.
    pub(crate) peers: Option<Peers>,
}

/// Where a worker stands, read now and then.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    pub(crate) connected: AtomicU32,
    pub(crate) ready: AtomicU32,
    /// When the last connection came to be, by the clock.
    pub(crate) connected_at: AtomicU64,
    pub(crate) failed: AtomicU32,
    pub(crate) lost_connections: AtomicU32,
    pub(crate) sent: AtomicU64,
    pub(crate) acked: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) expected: AtomicU64,
    /// Clients of a storm that have all they waited for.
    pub(crate) served: AtomicU32,
    /// Clients that are offline before a storm.
    pub(crate) away: AtomicU32,
    /// Senders that may still send, once the worker has begun.
    pub(crate) sending: AtomicU32,
    pub(crate) has_begun: AtomicBool,
}

/// Reads the files of `settings`.
///
/// # Errors
///
/// What is wrong with them; an encrypted key, for there is nobody to ask.
pub(crate) fn encryption(settings: &TlsSettings) -> io::Result<Encryption> {
    let nobody =
        || io::Error::other("an encrypted key cannot be used here: there is nobody to ask its pass phrase");
    let client = TlsClient::new(settings, &mut || Err(nobody())).map_err(io::Error::other)?;
    #[cfg(feature = "psk")]
    if let Some(context) = client.psk_context() {
        return Ok(Encryption::PreSharedKey(context));
    }
    let config = client.config().ok_or(io::ErrorKind::Unsupported)?;
    // One client's session is not another's: each handshake is a full one, unless clients keep sessions of their own.
    let mut config = ClientConfig::clone(&config);
    config.resumption = Resumption::disabled();
    Ok(Encryption::Certificates(Arc::new(config)))
}

/// What workers tell.
#[derive(Debug)]
pub(crate) enum Report {
    /// A second has passed, or a phase.
    Tally(Box<Tally>),
    /// The worker has ended.
    Done(Box<Outcome>),
}

/// The sum of all gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Standing {
    pub(crate) connected: u32,
    pub(crate) connected_at: u64,
    pub(crate) ready: u32,
    pub(crate) failed: u32,
    pub(crate) lost_connections: u32,
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    pub(crate) received: u64,
    pub(crate) expected: u64,
    pub(crate) served: u32,
    pub(crate) away: u32,
    pub(crate) sending: u32,
    /// Workers that have begun the load.
    pub(crate) begun: usize,
}

impl Shared {
    /// What lies over the socket of a client: its own certificate, where each has one, and its own TLS sessions, which are
    /// kept in `own` where it shall resume them.
    ///
    /// # Errors
    ///
    /// When the files of its certificate cannot be used.
    pub(crate) fn layering(
        &self,
        member: Member,
        own: &mut Option<Encryption>,
    ) -> io::Result<Cow<'_, Layering>> {
        let with = |tls| Cow::Owned(Layering { tls: Some(tls), ..self.layering.clone() });
        if let Some(own) = own {
            return Ok(with(own.clone()));
        }
        let listed = self.plan.own_tls(member).map(|settings| encryption(&settings)).transpose()?;
        let config = match (listed, &self.layering.tls) {
            (Some(config), _) => config,
            (None, Some(config)) if self.plan.transport.layers.resumes_tls => config.clone(),
            (None, _) => return Ok(Cow::Borrowed(&self.layering)),
        };
        if !self.plan.transport.layers.resumes_tls {
            return Ok(with(config));
        }
        let resuming = match config {
            Encryption::Certificates(config) => {
                let mut config = ClientConfig::clone(&config);
                config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
                Encryption::Certificates(Arc::new(config))
            }
            // Refused with the flags.
            #[cfg(feature = "psk")]
            other @ Encryption::PreSharedKey(_) => other,
        };
        Ok(with(own.insert(resuming).clone()))
    }

    /// Where all workers stand together.
    pub(crate) fn standing(&self) -> Standing {
        let mut sum = Standing::default();
        for gauge in &self.gauges {
            sum.connected += gauge.connected.load(Relaxed);
            sum.connected_at = sum.connected_at.max(gauge.connected_at.load(Relaxed));
            sum.ready += gauge.ready.load(Relaxed);
            sum.failed += gauge.failed.load(Relaxed);
            sum.lost_connections += gauge.lost_connections.load(Relaxed);
            sum.sent += gauge.sent.load(Relaxed);
            sum.acked += gauge.acked.load(Relaxed);
            sum.received += gauge.received.load(Relaxed);
            sum.expected += gauge.expected.load(Relaxed);
            sum.served += gauge.served.load(Relaxed);
            sum.away += gauge.away.load(Relaxed);
            // Stored last: a worker that says so has told what it sends.
            sum.begun += usize::from(gauge.has_begun.load(Acquire));
            sum.sending += gauge.sending.load(Relaxed);
        }
        sum
    }
}

/// For each stream the times at which its last messages were written, each with a part of its sequence number.
#[derive(Debug)]
pub(crate) struct Rings {
    entries: Box<[AtomicU64]>,
    /// Entries a stream; a power of two.
    each: usize,
}

impl Rings {
    pub(crate) fn new(streams: usize) -> Self {
        let each = (RING_ENTRIES / streams.max(1)).clamp(RING_ENTRIES_MIN, RING_ENTRIES_MAX);
        let each = if each.is_power_of_two() { each } else { each.next_power_of_two() / 2 };
        Self { entries: (0..streams * each).map(|_| AtomicU64::new(u64::MAX)).collect(), each }
    }

    /// Message `sequence` of `stream` is written at `at`, in nanoseconds from the start of the load.
    #[inline]
    pub(crate) fn put(&self, stream: u32, sequence: u64, at: u64) {
        let entry = (sequence & 0xFFFF_FFFF) << 32 | ((at / 1000) & 0xFFFF_FFFF);
        if let Some(slot) = self.entries.get(self.index(stream, sequence)) {
            slot.store(entry, Relaxed);
        }
    }

    /// Microseconds from the writing of a message to `now`; `None` when later ones have taken its place.
    #[inline]
    pub(crate) fn microseconds_since(&self, stream: u32, sequence: u64, now: u64) -> Option<u64> {
        let entry = self.entries.get(self.index(stream, sequence))?.load(Relaxed);
        if entry >> 32 != sequence & 0xFFFF_FFFF {
            return None;
        }
        // The difference of what both are after 71 minutes have been taken off as often as possible.
        Some((now / 1000).wrapping_sub(entry & 0xFFFF_FFFF) & 0xFFFF_FFFF)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation)] // masked
    fn index(&self, stream: u32, sequence: u64) -> usize {
        stream as usize * self.each + (sequence as usize & (self.each - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_times_are_found_until_later_ones_take_their_place() {
        let rings = Rings::new(2);
        rings.put(1, 5, 1_000_000);
        assert_eq!(rings.microseconds_since(1, 5, 3_500_000), Some(2500));
        assert_eq!(rings.microseconds_since(0, 5, 3_500_000), None, "another stream");
        rings.put(1, 5 + RING_ENTRIES_MAX as u64, 2_000_000);
        assert_eq!(rings.microseconds_since(1, 5, 3_500_000), None);
        assert_eq!(rings.microseconds_since(9, 0, 0), None, "no such stream");
    }

    #[test]
    fn time_since_writing_survives_the_wrap_of_its_clock() {
        let rings = Rings::new(1);
        let wrap = (1_u64 << 32) * 1000;
        rings.put(0, 1, wrap - 1000);
        assert_eq!(rings.microseconds_since(0, 1, wrap + 1000), Some(2));
    }
}
