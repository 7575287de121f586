//! Records of a test broker as they come: to the standard output for people, to a file for programs.

use super::say;
use crate::journal::Happening;
use crate::test_broker::{TestBroker, record_value, timeline_line};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a wait for records is; it is woken by each anyway.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The record behind which nothing is written.
const END: &str = "the end";

/// Writes a broker's records until it is finished.
#[derive(Debug)]
pub(super) struct Records {
    broker: TestBroker,
    writing: JoinHandle<anyhow::Result<()>>,
}

impl Records {
    /// Begins; `is_logged` prints lines for people, `journal` is given a JSON object a line.
    pub(super) fn write(broker: &TestBroker, is_logged: bool, journal: Option<File>) -> Self {
        let writing = tokio::spawn(write(broker.clone(), is_logged, journal));
        Self { broker: broker.clone(), writing }
    }

    /// Writes what there is, and ends.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        self.broker.mark(END);
        self.writing.await?
    }
}

async fn write(broker: TestBroker, is_logged: bool, journal: Option<File>) -> anyhow::Result<()> {
    let mut journal = journal.map(BufWriter::new);
    let mut at = 1;
    loop {
        let _ = broker.wait_for(at, PATIENCE, |_| true).await;
        let records = broker.records_since(at);
        let mut is_over = false;
        let mut log = String::new();
        for record in &records {
            at = record.sequence + 1;
            is_over |= matches!(&record.happening, Happening::Mark(name) if *name == END);
            if is_over {
                break;
            }
            if is_logged {
                log.push_str(&timeline_line(record));
                log.push('\n');
            }
            if let Some(journal) = &mut journal {
                serde_json::to_writer(&mut *journal, &record_value(record))?;
                journal.write_all(b"\n")?;
            }
        }
        if !log.is_empty() {
            say(&log);
        }
        journal.as_mut().map(BufWriter::flush).transpose()?;
        if is_over {
            return Ok(());
        }
    }
}
