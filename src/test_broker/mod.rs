//! A broker for tests, in the test's own process: it sees everything, forgets nothing, and fails on purpose.
//!
//! [`TestBroker::start`] gives a broker that listens on a free port of loopback. Whatever happens is in its
//! [`Journal`](crate::journal::Journal); waits are for events, never for time; a wait that fails says what did happen.
//!
//! ```
//! use culex::test_broker::TestBroker;
//! use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let broker = TestBroker::start().await;
//!
//! // The device under test: answers each command with its state.
//! let mut options = MqttOptions::new("lamp-1", broker.host(), broker.port());
//! options.set_keep_alive(Duration::from_secs(60));
//! let (client, mut events) = AsyncClient::new(options, 10);
//! client.subscribe("cmd/lamp-1/#", QoS::AtLeastOnce).await.unwrap();
//! tokio::spawn(async move {
//!     while let Ok(event) = events.poll().await {
//!         if let Event::Incoming(Packet::Publish(command)) = event {
//!             client.publish("state/lamp-1", QoS::AtLeastOnce, false, command.payload).await.unwrap();
//!         }
//!     }
//! });
//!
//! broker.client("lamp-1").subscribed("cmd/lamp-1/#").await;
//! broker.publish("cmd/lamp-1/power").payload(r#"{"on":true}"#).qos(1).await.acked_by("lamp-1").await;
//! let state = broker.expect("state/lamp-1").json_subset(r#"{"on":true}"#).one().await;
//! assert_eq!(state.publisher(), "lamp-1");
//! broker.expect("error/#").none_when_settled().await;
//! broker.assert_clean();
//! # }
//! ```

mod actor;
pub mod blocking;
mod builder;
mod capture;
mod clients;
mod clock;
mod end;
mod expect;
mod faults;
mod gate;
mod hub;
mod inspect;
mod life;
pub mod matcher;
mod observer;
mod player;
mod publish;
mod record_json;
mod seen;
mod shared;
mod sockets;
mod state;
#[cfg(feature = "check")]
mod steps;
mod stream;
mod timeline;
mod upstream;

pub use actor::{ActorId, Told};
pub use builder::{Builder, StartError};
pub use capture::{Capture, capture};
pub use clients::ClientHandle;
pub use clock::Clock;
#[cfg(feature = "check")]
pub(crate) use expect::nearest_text;
pub use expect::{Expectation, Received};
pub use faults::{FaultGuard, FaultId};
pub use gate::Access;
pub use life::Keep;
pub use matcher::json;
pub use player::{Player, PlayerError};
pub use publish::{Delivery, Publication};
pub use record_json::{packet_value, record_value, snapshot_value};
pub use stream::TestStream;
#[cfg(feature = "check")]
pub(crate) use timeline::printable;
pub use timeline::{describe, line as timeline_line, timeline};
pub use upstream::UpstreamError;
#[cfg(feature = "check")]
pub(crate) use upstream::check_url;

use crate::fault::Rule;
use crate::net::tls::CaFile;
use hub::Hub;
use shared::{Cursor, Shared};
use std::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long waits take at most unless they are told otherwise.
pub const WAIT: Duration = Duration::from_secs(5);

/// Records that a failed wait shows.
const SHOWN_RECORDS: usize = 25;

/// Where a test broker listens.
#[derive(Clone, Debug)]
pub struct Address {
    /// The number of its listener.
    pub(crate) plan: usize,
    /// What it speaks: `tcp`, `tls`, `ws`, `wss`.
    pub(crate) kind: &'static str,
    pub(crate) socket: SocketAddr,
}

impl Address {
    /// The URL that a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        let (scheme, path) = match self.kind {
            "tls" => ("mqtts", ""),
            "ws" => ("ws", "/mqtt"),
            "wss" => ("wss", "/mqtt"),
            _ => ("mqtt", ""),
        };
        format!("{scheme}://{}{path}", self.socket)
    }
}

/// A broker for tests; dropped with its last clone, it stops at once.
///
/// It has a thread of its own, so that a test on a runtime of one thread, or of paused time, cannot starve it.
#[derive(Clone, Debug)]
pub struct TestBroker {
    shared: Arc<Shared>,
}

impl TestBroker {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Starts a broker on a free port of 127.0.0.1, with nothing in its memory.
    ///
    /// # Panics
    ///
    /// When no socket or thread can be had; [`Builder::start`] tells instead.
    pub async fn start() -> Self {
        match Self::builder().start().await {
            Ok(broker) => broker,
            Err(error) => panic!("the test broker cannot start: {error}"),
        }
    }

    /// A broker with other listeners, users, limits, or a clock that is turned by hand.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A proxy that looks like a broker: whatever connects goes on to the broker at `url`
    /// (`mqtt://`, `mqtts://`, `ws://`, `wss://`), seen and, when a rule fires, tampered with.
    ///
    /// # Errors
    ///
    /// [`StartError::Upstream`] for a wrong URL, [`StartError::Observer`] when our observer is not let in.
    pub async fn in_front_of(url: &str) -> Result<Self, StartError> {
        Self::builder().in_front_of(url).start().await
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.shared.hub
    }

    /// Where it listens; plain TCP first.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.shared.addresses
    }

    /// The host of the first listener, without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        self.shared.addresses.first().map_or_else(String::new, |address| address.socket.ip().to_string())
    }

    /// The port of the first listener.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.shared.addresses.first().map_or(0, |address| address.socket.port())
    }

    /// The URL of the first listener, `mqtt://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.addresses.first().map_or_else(String::new, Address::url)
    }

    /// The URL of the first listener of a kind: `tcp`, `tls`, `ws`, `wss`.
    #[must_use]
    pub fn url_of(&self, kind: &str) -> Option<String> {
        self.shared.addresses.iter().find(|address| address.kind == kind).map(Address::url)
    }

    /// The certificate authority of [`Builder::tls_ephemeral`], a PEM file that lives as long as the broker.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.shared.ca_file.as_ref().map(CaFile::path)
    }

    /// The users that may connect, by name and password; empty when anybody may.
    #[must_use]
    pub fn users(&self) -> &[(String, String)] {
        &self.shared.users
    }

    /// Turns the clock of the broker's timers forward: keep alive, expiry, delays of wills and faults that fall into
    /// that time happen now, in their order.
    pub fn advance(&self, distance: Duration) {
        self.hub().with(|state| state.advance(distance));
    }

    /// Whether nothing is on its way any more: every connected client has been given all that it is to have and has
    /// acknowledged it, and all that clients have sent was read. What waits for absent clients does not count.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.hub().lock().is_settled()
    }

    /// Waits until [`TestBroker::is_settled`].
    ///
    /// # Panics
    ///
    /// When that takes longer than [`WAIT`].
    pub async fn settled(&self) {
        if !self.settled_within(WAIT).await {
            self.fail("the broker has not settled");
        }
    }

    /// Waits until [`TestBroker::is_settled`]; false when that takes longer than `within`.
    pub async fn settled_within(&self, within: Duration) -> bool {
        self.comes_true(within, state::State::is_settled).await
    }

    /// Waits until all that clients have sent was read, and the end of those that are gone was seen; false when that takes
    /// longer than `within`. Whoever has ended a device does so before what follows from its end is looked for.
    pub async fn read_out_within(&self, within: Duration) -> bool {
        self.comes_true(within, state::State::is_read_out).await
    }

    async fn comes_true(&self, within: Duration, is_so: fn(&state::State) -> bool) -> bool {
        // What lies in a socket is not told by anyone, so it is looked for now and then.
        const LOOK_AGAIN: Duration = Duration::from_millis(2);
        let mut over = self.hub().deadline(within);
        loop {
            let look = |state: &mut state::State| is_so(state).then_some(());
            let is_over = !matches!(over.try_recv(), Err(oneshot::error::TryRecvError::Empty));
            // What it looks like from here may be on its way to the state just now.
            if self.hub().wait(LOOK_AGAIN, look).await.is_ok()
                && self.hub().look_between_turns(is_so).await.unwrap_or(true)
            {
                return true;
            }
            if is_over {
                return false;
            }
        }
    }

    /// Adds a rule; it is taken back when the guard is dropped.
    pub fn fault(&self, rule: Rule) -> FaultGuard {
        FaultGuard::new(self.clone(), rule)
    }

    /// A client by its Client Identifier, to wait for what it does.
    #[must_use]
    #[track_caller]
    pub fn client(&self, client_identifier: &str) -> ClientHandle {
        ClientHandle::new(self.clone(), client_identifier)
    }

    /// Begins a message from the broker itself.
    #[track_caller]
    pub fn publish(&self, topic: &str) -> Publication {
        Publication::new(self.clone(), topic)
    }

    /// Begins an expectation about messages under `filter`, in which `{name}` stands for one level.
    #[track_caller]
    pub fn expect(&self, filter: &str) -> Expectation {
        Expectation::new(self.clone(), filter)
    }

    /// A connection without a socket, for clients that take a stream. With the embedded broker, each write is answered
    /// before it returns.
    #[must_use]
    pub fn connect_stream(&self) -> TestStream {
        TestStream::new(self)
    }

    /// A client that the test plays itself, packet by packet.
    #[must_use]
    pub fn player(&self, connect: crate::packet::Connect) -> Player {
        Player::new(self.clone(), connect)
    }

    /// Fails a test with `text` and the end of the journal.
    #[track_caller]
    fn fail(&self, text: &str) -> ! {
        self.fail_at(Location::caller(), text)
    }

    /// As [`TestBroker::fail`], for a wait that was begun at `at`.
    fn fail_at(&self, at: &Location<'_>, text: &str) -> ! {
        self.shared.is_told.store(true, Ordering::Relaxed);
        let records = self.journal();
        self.shared.keep_artifacts(&records);
        let shown = &records[records.len().saturating_sub(SHOWN_RECORDS)..];
        panic!("{text}\n  at {at}\n\nWhat happened last:\n{}", timeline(shown));
    }

    fn cursor(&self) -> MutexGuard<'_, Cursor> {
        self.shared.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
