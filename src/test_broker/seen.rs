//! What a test broker saw, and waiting for it.

use super::record_json::record_value;
use super::{TestBroker, state, timeline};
use crate::journal::{Happening, Journal, Record};
use crate::packet::Text;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

impl TestBroker {
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

    /// Writes a line that a device has printed into the journal.
    pub fn output(&self, device: &str, line: &str) {
        self.hub().with(|state| {
            let (source, text) = (Text::detached(device), Text::detached(line));
            state.write(Happening::Output { source, text });
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
}
