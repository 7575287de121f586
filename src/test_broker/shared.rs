//! What outlives every handle of a test broker.

use super::actor::ActorId;
use super::builder::StartError;
use super::hub::Hub;
use super::record_json::record_value;
use super::timeline::timeline;
use super::{Address, SHOWN_RECORDS};
use crate::broker;
use crate::journal::Record;
use crate::net::tls::CaFile;
use crate::packet::{ProtocolVersion, Text};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

/// What is asked of the broker's thread.
#[derive(Debug)]
pub(super) enum Restart {
    Stop(oneshot::Sender<Result<(), StartError>>),
    Start(oneshot::Sender<Result<(), StartError>>),
    Quit,
}

/// Where expectations look from.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    /// The last message that the test published.
    pub(super) trigger: u64,
    /// Behind the last message that was expected and came.
    pub(super) matched: u64,
    /// The messages since the trigger that were expected and came.
    pub(super) taken: BTreeSet<u64>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { trigger: 1, matched: 1, taken: BTreeSet::new() }
    }
}

/// What outlives every handle.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) hub: Arc<Hub>,
    pub(super) addresses: Vec<Address>,
    /// The listener of our own client.
    pub(super) inside: usize,
    pub(super) config: broker::Config,
    pub(super) users: Vec<(String, String)>,
    /// Who we are at the broker behind.
    pub(super) credentials: Option<(Text, Option<bytes::Bytes>)>,
    /// What our observer subscribes to there.
    pub(super) observed: Vec<String>,
    /// What our own clients speak.
    pub(super) version: Mutex<ProtocolVersion>,
    pub(super) ca_file: Option<CaFile>,
    pub(super) restart: mpsc::UnboundedSender<Restart>,
    /// Where the journal of a test that fails is kept.
    pub(super) artifacts: Option<PathBuf>,
    /// What a stopped broker remembers.
    pub(super) remembered: Mutex<Vec<broker::Change>>,
    /// Where the next expectation looks from.
    pub(super) cursor: Mutex<Cursor>,
    pub(super) publisher: Mutex<Option<ActorId>>,
    /// Whether a failure has told already what happened.
    pub(super) is_told: AtomicBool,
}

impl Shared {
    #[allow(clippy::too_many_arguments)] // each is a field
    pub(super) fn new(
        hub: Arc<Hub>,
        addresses: Vec<Address>,
        inside: usize,
        config: broker::Config,
        users: Vec<(String, String)>,
        credentials: Option<(Text, Option<bytes::Bytes>)>,
        observed: Vec<String>,
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
            observed,
            version: Mutex::new(ProtocolVersion::V5),
            ca_file,
            restart,
            artifacts,
            remembered: Mutex::new(Vec::new()),
            cursor: Mutex::new(Cursor::default()),
            publisher: Mutex::new(None),
            is_told: AtomicBool::new(false),
        }
    }

    pub(super) const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// A test fails for a reason of its own: what the broker saw may tell why; the whole journal is kept where
    /// [`super::Builder::artifacts`] says.
    fn tell_what_happened(&self) {
        let records: Vec<_> = self.hub.lock().journal.iter().cloned().collect();
        let shown = &records[records.len().saturating_sub(SHOWN_RECORDS)..];
        // A standard error that is closed cannot be told anything.
        let _ = writeln!(io::stderr(), "What the test broker saw last:\n{}", timeline(shown));
        self.keep_artifacts(&records);
    }

    /// Keeps the whole journal where [`super::Builder::artifacts`] says.
    pub(super) fn keep_artifacts(&self, records: &[Arc<Record>]) {
        if let Some(folder) = &self.artifacts {
            let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
            let path = folder.join(format!("{name}-{}.ndjson", uuid::Uuid::new_v4().simple()));
            let lines: String = records.iter().map(|record| format!("{}\n", record_value(record))).collect();
            if let Err(error) = fs::write(&path, lines) {
                let _ = writeln!(io::stderr(), "{}: {error}", path.display());
            }
        }
    }

    pub(super) fn addresses(&self) -> &[Address] {
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
