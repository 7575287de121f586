//! Records of a test broker as they come: to the standard output for people, to a file for programs.

use super::say;
use crate::journal::{Happening, Record};
use crate::test_broker::{Capture, TestBroker, record_value, timeline_line};
use anyhow::Context as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a wait for records is; it is woken by each anyway.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The record behind which nothing is written.
const END: &str = "the end";

/// Where records go.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    is_logged: bool,
    journal: Option<BufWriter<File>>,
    pcap: Option<(Capture, BufWriter<File>)>,
}

impl Sinks {
    /// Makes the files: `is_logged` prints lines for people, `journal` is given a JSON object a line, `pcap` is a capture.
    pub(super) fn create(
        is_logged: bool,
        journal: Option<&Path>,
        pcap: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let create =
            |path: &Path| File::create(path).map(BufWriter::new).with_context(|| path.display().to_string());
        let journal = journal.map(create).transpose()?;
        let mut pcap = pcap.map(create).transpose()?.map(|file| (Capture::default(), file));
        if let Some((_, file)) = &mut pcap {
            file.write_all(&Capture::header())?;
        }
        Ok(Self { is_logged, journal, pcap })
    }

    fn write(&mut self, record: &Record, log: &mut String) -> anyhow::Result<()> {
        if self.is_logged {
            log.push_str(&timeline_line(record));
            log.push('\n');
        }
        if let Some(journal) = &mut self.journal {
            serde_json::to_writer(&mut *journal, &record_value(record))?;
            journal.write_all(b"\n")?;
        }
        if let Some((capture, file)) = &mut self.pcap {
            let mut bytes = Vec::new();
            capture.append(record, &mut bytes);
            file.write_all(&bytes)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.journal.as_mut().map(BufWriter::flush).transpose()?;
        self.pcap.as_mut().map(|(_, file)| file.flush()).transpose()?;
        Ok(())
    }
}

/// Writes a broker's records until it is finished.
#[derive(Debug)]
pub(super) struct Records {
    broker: TestBroker,
    writing: JoinHandle<anyhow::Result<()>>,
}

impl Records {
    /// Begins.
    pub(super) fn write(broker: &TestBroker, sinks: Sinks) -> Self {
        let writing = tokio::spawn(write(broker.clone(), sinks));
        Self { broker: broker.clone(), writing }
    }

    /// Writes what there is, and ends.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        self.broker.mark(END);
        self.writing.await?
    }
}

async fn write(broker: TestBroker, mut sinks: Sinks) -> anyhow::Result<()> {
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
            sinks.write(record, &mut log)?;
        }
        if !log.is_empty() {
            say(&log);
        }
        sinks.flush()?;
        if is_over {
            return Ok(());
        }
    }
}
