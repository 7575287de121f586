//! A broker for tests, in the test's own process: it sees everything, forgets nothing, and fails on purpose.
//!
//! [`TestBroker::start`] gives a broker that listens on a free port of loopback. Whatever happens is in its
//! [`Journal`]; waits are for events, never for time; a wait that fails says what did happen.
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
mod clients;
mod clock;
mod end;
mod expect;
mod faults;
mod gate;
mod hub;
pub mod matcher;
mod player;
mod publish;
mod record_json;
mod sockets;
mod state;
#[cfg(feature = "check")]
mod steps;
mod stream;
mod timeline;
mod upstream;

pub use actor::{ActorId, Told};
pub use builder::{Builder, StartError};
pub use clients::ClientHandle;
pub use clock::Clock;
#[cfg(feature = "check")]
pub(crate) use expect::nearest_text;
pub use expect::{Expectation, Received};
pub use faults::{FaultGuard, FaultId};
pub use gate::Access;
pub use matcher::json;
pub use player::{Player, PlayerError};
pub use publish::{Delivery, Publication};
pub use record_json::{packet_value, record_value, snapshot_value};
pub use stream::TestStream;
pub use timeline::{describe, line as timeline_line, timeline};
pub use upstream::UpstreamError;

use crate::broker::{self, Message, SessionView};
use crate::fault::{Ending, Rule};
use crate::journal::{Happening, Journal, Record};
use crate::net::tls::CaFile;
use crate::packet::Text;
use hub::Hub;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

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

/// What is asked of the broker's thread.
#[derive(Debug)]
enum Restart {
    Stop(oneshot::Sender<Result<(), StartError>>),
    Start(oneshot::Sender<Result<(), StartError>>),
    Quit,
}

/// What outlives every handle.
#[derive(Debug)]
struct Shared {
    hub: Arc<Hub>,
    addresses: Vec<Address>,
    /// The listener of our own client.
    inside: usize,
    config: broker::Config,
    users: Vec<(String, String)>,
    /// Who we are at the broker behind.
    credentials: Option<(Text, Option<bytes::Bytes>)>,
    ca_file: Option<CaFile>,
    restart: mpsc::UnboundedSender<Restart>,
    /// Where the journal of a test that fails is kept.
    artifacts: Option<PathBuf>,
    /// What a stopped broker remembers.
    remembered: Mutex<Vec<broker::Change>>,
    /// Where the next expectation looks from.
    cursor: Mutex<u64>,
    publisher: Mutex<Option<ActorId>>,
    /// Whether a failure has told already what happened.
    is_told: AtomicBool,
}

impl Shared {
    #[allow(clippy::too_many_arguments)] // each is a field
    fn new(
        hub: Arc<Hub>,
        addresses: Vec<Address>,
        inside: usize,
        config: broker::Config,
        users: Vec<(String, String)>,
        credentials: Option<(Text, Option<bytes::Bytes>)>,
        ca_file: Option<CaFile>,
        restart: mpsc::UnboundedSender<Restart>,
        artifacts: Option<PathBuf>,
    ) -> Self {
        Self {
            hub,
            addresses,
            inside,
            config,
            users,
            credentials,
            ca_file,
            restart,
            artifacts,
            remembered: Mutex::new(Vec::new()),
            cursor: Mutex::new(1),
            publisher: Mutex::new(None),
            is_told: AtomicBool::new(false),
        }
    }

    const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// A test fails for a reason of its own: what the broker saw may tell why; the whole journal is kept where
    /// [`Builder::artifacts`] says.
    fn tell_what_happened(&self) {
        let records: Vec<_> = self.hub.lock().journal.iter().cloned().collect();
        let shown = &records[records.len().saturating_sub(SHOWN_RECORDS)..];
        // A standard error that is closed cannot be told anything.
        let _ = writeln!(io::stderr(), "What the test broker saw last:\n{}", timeline(shown));
        if let Some(folder) = &self.artifacts {
            let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
            let path = folder.join(format!("{name}-{}.ndjson", uuid::Uuid::new_v4().simple()));
            let lines: String = records.iter().map(|record| format!("{}\n", record_value(record))).collect();
            if let Err(error) = fs::write(&path, lines) {
                let _ = writeln!(io::stderr(), "{}: {error}", path.display());
            }
        }
    }

    fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.is_told.load(Ordering::Relaxed) {
            self.tell_what_happened();
        }
        // The thread may have ended on its own.
        let _ = self.restart.send(Restart::Quit);
    }
}

/// What of a broker's memory outlives [`TestBroker::restart`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Keep {
    /// Durable sessions, their subscriptions and queues.
    pub sessions: bool,
    /// Retained messages.
    pub retained: bool,
}

impl Keep {
    /// Everything, as a broker with persistence does.
    pub const ALL: Self = Self { sessions: true, retained: true };
    /// Nothing, as a broker without persistence does.
    pub const NOTHING: Self = Self { sessions: false, retained: false };

    fn keeps(self, change: &broker::Change) -> bool {
        match change {
            broker::Change::Retained { .. } => self.retained,
            _ => self.sessions,
        }
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

    /// Looks at the journal: the records from `since` on, a copy at this moment; 1 is the first.
    #[must_use]
    pub fn records_since(&self, since: u64) -> Vec<Arc<Record>> {
        self.hub().lock().journal.since(since).cloned().collect()
    }

    /// All that has happened so far.
    #[must_use]
    pub fn journal(&self) -> Vec<Arc<Record>> {
        self.records_since(1)
    }

    /// Lends the journal to `look`, without a copy.
    pub fn with_journal<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.hub().lock().journal)
    }

    /// Writes a named place into the journal; its number.
    pub fn mark(&self, name: &str) -> u64 {
        self.hub().with(|state| {
            state.write(Happening::Mark(Text::detached(name)));
            state.journal.next_sequence() - 1
        })
    }

    /// Writes what somebody says into the journal, a device's output for instance.
    pub fn note(&self, source: &str, text: &str) {
        self.hub().with(|state| {
            let (source, text) = (Text::detached(source), Text::detached(text));
            state.write(Happening::Note { source, text });
        });
    }

    /// The number that the next record will have.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.hub().lock().journal.next_sequence()
    }

    /// Waits for a record from number `since` on that `is_wanted`; the records seen so far come back when none came
    /// within `within`.
    ///
    /// # Errors
    ///
    /// The records, oldest first.
    pub async fn wait_for(
        &self,
        since: u64,
        within: Duration,
        mut is_wanted: impl FnMut(&Record) -> bool,
    ) -> Result<Arc<Record>, Vec<Arc<Record>>> {
        let mut at = since;
        let mut deadline = self.hub().deadline(within);
        // Records are looked at without the lock: whoever looks may take its time, or ask the broker something.
        loop {
            let new = |state: &mut state::State| {
                let new: Vec<_> = state.journal.since(at).cloned().collect();
                (!new.is_empty()).then_some(new)
            };
            let Ok(records) = self.hub().wait_until(&mut deadline, new).await else {
                return Err(self.records_since(since));
            };
            for record in records {
                at = record.sequence + 1;
                if is_wanted(&record) {
                    return Ok(record);
                }
            }
        }
    }

    /// As [`TestBroker::wait_for`], but `is_enough` is shown each record once, until it says so.
    ///
    /// # Errors
    ///
    /// The records from number `since` on, when it never did.
    pub async fn wait_for_each(
        &self,
        since: u64,
        within: Duration,
        is_enough: impl FnMut(&Record) -> bool,
    ) -> Result<(), Vec<Arc<Record>>> {
        self.wait_for(since, within, is_enough).await.map(drop)
    }

    /// How long the journal has been kept.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.hub().lock().timepiece.stamp().since(crate::time::Time::ZERO)
    }

    /// Writes all records to `path`, one JSON object a line.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn save_journal(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut file = io::BufWriter::new(File::create(path)?);
        for record in self.journal() {
            serde_json::to_writer(&mut file, &record_value(&record))?;
            file.write_all(b"\n")?;
        }
        file.flush()
    }

    /// The journal as text for snapshot tests: one line a record, without what differs from run to run (times, ports,
    /// numbers of connections, assigned identifiers).
    #[must_use]
    pub fn journal_snapshot(&self) -> String {
        timeline::snapshot(&self.journal())
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
        // What lies in a socket is not told by anyone, so it is looked for now and then.
        const LOOK_AGAIN: Duration = Duration::from_millis(2);
        let mut over = self.hub().deadline(within);
        loop {
            let look = |state: &mut state::State| state.is_settled().then_some(());
            if self.hub().wait(LOOK_AGAIN, look).await.is_ok() {
                return true;
            }
            if !matches!(over.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                return self.is_settled();
            }
        }
    }

    /// The sessions that there are, but for our own.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionView> {
        let state = self.hub().lock();
        let sessions = state.broker.iter().flat_map(broker::Broker::sessions);
        sessions.filter(|view| view.listener != self.shared.inside).collect()
    }

    /// What is retained under `filter`, by topic.
    #[must_use]
    pub fn retained(&self, filter: &str) -> Vec<Arc<Message>> {
        let state = self.hub().lock();
        let now = state.now();
        state.broker.as_ref().map(|broker| broker.retained(filter, now)).unwrap_or_default()
    }

    /// Messages of QoS 1 and 2 that were sent to a client and not acknowledged.
    #[must_use]
    pub fn in_flight(&self, client: &str) -> usize {
        self.sessions().iter().find(|view| view.client_identifier == client).map_or(0, |view| view.in_flight)
    }

    /// Messages that wait for a client beyond those in flight.
    #[must_use]
    pub fn queue_len(&self, client: &str) -> usize {
        self.sessions().iter().find(|view| view.client_identifier == client).map_or(0, |view| view.queued)
    }

    /// Ends a client's connections from outside, as a network that breaks: with FIN, or with RST.
    pub fn cut(&self, client: &str, is_reset: bool) -> usize {
        let ending = if is_reset { Ending::Reset } else { Ending::Finish };
        self.hub().with(|state| state.cut_client(client, ending))
    }

    /// Ends a client's connection as the server does: DISCONNECT with this Reason Code (MQTT 5), and its will is
    /// published. False when it is not connected.
    pub fn disconnect(&self, client: &str, reason: crate::packet::ReasonCode) -> bool {
        self.hub().with(|state| {
            let now = state.now();
            let Some(id) = state.connection_of(client) else {
                return false;
            };
            state.broker.as_mut().map(|broker| broker.disconnect(now, id, reason, true)).is_some()
        })
    }

    /// The broker stands still: nothing is read, answered or timed until [`TestBroker::resume`].
    pub fn freeze(&self) {
        self.hub().with(|state| state.freeze(true));
    }

    /// Ends [`TestBroker::freeze`].
    pub fn resume(&self) {
        self.hub().with(|state| state.freeze(false));
    }

    /// Stops the broker: its connections end, new ones are refused, what it remembers waits for
    /// [`TestBroker::resume_from_stop`].
    ///
    /// # Errors
    ///
    /// When the broker's thread has ended.
    pub async fn stop(&self) -> Result<(), StartError> {
        let told = self.ask(Restart::Stop);
        told.await.map_err(|_| io::Error::other("the broker's thread has ended"))??;
        let remembered = self.hub().with(state::State::stop);
        *self.shared.remembered.lock().unwrap_or_else(PoisonError::into_inner) = remembered;
        *self.shared.publisher.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Starts a stopped broker on the same ports, with this much of what it knew.
    ///
    /// # Errors
    ///
    /// When a port was taken by another program meanwhile.
    pub async fn resume_from_stop(&self, keep: Keep) -> Result<(), StartError> {
        let mut remembered =
            self.shared.remembered.lock().unwrap_or_else(PoisonError::into_inner).split_off(0);
        remembered.retain(|change| keep.keeps(change));
        if !self.hub().lock().is_in_front {
            self.hub().with(|state| state.start(self.shared.config.clone(), remembered));
        }
        self.ask(Restart::Start).await.map_err(|_| io::Error::other("the broker's thread has ended"))?
    }

    /// Stops and starts the broker.
    ///
    /// # Errors
    ///
    /// Those of [`TestBroker::stop`] and [`TestBroker::resume_from_stop`].
    pub async fn restart(&self, keep: Keep) -> Result<(), StartError> {
        self.stop().await?;
        self.resume_from_stop(keep).await
    }

    fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), StartError>>) -> Restart,
    ) -> oneshot::Receiver<Result<(), StartError>> {
        let (tell, told) = oneshot::channel();
        // A thread that has ended is noticed by the answer that does not come.
        let _ = self.shared.restart.send(request(tell));
        told
    }

    /// Adds a rule; it is taken back when the guard is dropped.
    pub fn fault(&self, rule: Rule) -> FaultGuard {
        FaultGuard::new(self.clone(), rule)
    }

    /// A client by its Client Identifier, to wait for what it does.
    #[must_use]
    pub fn client(&self, client_identifier: &str) -> ClientHandle {
        ClientHandle::new(self.clone(), client_identifier)
    }

    /// Begins a message from the broker itself.
    pub fn publish(&self, topic: &str) -> Publication {
        Publication::new(self.clone(), topic)
    }

    /// Begins an expectation about messages under `filter`, in which `{name}` stands for one level.
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

    /// What is not clean: protocol errors, messages that nobody acknowledged, retained messages that were left.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.protocol_errors();
        complaints.extend(self.unacknowledged());
        complaints.extend(self.left_retained());
        complaints
    }

    /// Protocol errors of clients so far.
    #[must_use]
    pub fn protocol_errors(&self) -> Vec<String> {
        let state = self.hub().lock();
        let errors = state.journal.iter().filter(|record| record.happening.is_protocol_error());
        errors.map(|record| format!("protocol error: {}", describe(record))).collect()
    }

    /// Clients that have not acknowledged everything.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<String> {
        let owing = self.sessions().into_iter().filter(|view| view.in_flight + view.unreleased > 0);
        owing
            .map(|view| {
                format!(
                    "unacknowledged: {} messages in flight to {}, {} of its own without PUBREL",
                    view.in_flight, view.client_identifier, view.unreleased
                )
            })
            .collect()
    }

    /// Retained messages that there are.
    #[must_use]
    pub fn left_retained(&self) -> Vec<String> {
        self.retained("#").iter().map(|message| format!("retained: {}", message.topic())).collect()
    }

    /// # Panics
    ///
    /// When there are [`TestBroker::complaints`].
    #[track_caller]
    pub fn assert_clean(&self) {
        let complaints = self.complaints();
        if !complaints.is_empty() {
            self.fail(&complaints.join("\n"));
        }
    }

    /// Ends the broker in order: connections are closed, wills published.
    pub async fn shutdown(self) {
        // A thread that has ended has nothing left to close.
        let _ = self.stop().await;
    }

    /// Fails a test with `text` and the end of the journal.
    #[track_caller]
    fn fail(&self, text: &str) -> ! {
        self.shared.is_told.store(true, Ordering::Relaxed);
        let records = self.journal();
        let shown = &records[records.len().saturating_sub(SHOWN_RECORDS)..];
        panic!("{text}\n\nWhat happened last:\n{}", timeline(shown));
    }

    fn cursor(&self) -> u64 {
        *self.shared.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_cursor(&self, cursor: u64) {
        *self.shared.cursor.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
    }
}
