//! `sub --retained --purge`: what is to be cleared, and its backup.

use super::printer::wall_time;
use crate::compat::Failure;
use crate::flags::plan::PurgePlan;
use crate::output::{LocalTime, Message, ndjson};
use crate::packet::{PublishRef, Text};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

/// The backup is written in pieces of this many bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Retained messages that have come, until all of them have.
pub(super) struct Purge {
    plan: PurgePlan,
    topics: Vec<Text>,
    backup: Option<Backup>,
}

impl Purge {
    pub(super) fn new(plan: PurgePlan) -> Self {
        // Of what stays nothing need be kept.
        let backup = plan.backup.clone().filter(|_| !plan.is_dry).map(Backup::new);
        Self { plan, topics: Vec::new(), backup }
    }

    /// Takes a message down; in a dry run `said` gets its name.
    pub(super) fn note(&mut self, publish: &PublishRef<'_>, said: &mut String) {
        if self.plan.is_dry {
            said.push_str(&format!("would clear {} ({} bytes)\n", publish.topic, publish.payload.len()));
            return;
        }
        self.topics.push(Text::detached(publish.topic));
        if let Some(backup) = &mut self.backup {
            backup.append(publish);
        }
    }

    /// The topics to be cleared, once their messages are on the disk.
    pub(super) fn finish(self) -> Result<Vec<Text>, Failure> {
        if let Some(backup) = self.backup {
            let path = backup.path.clone();
            backup.finish().map_err(|error| Failure::of_backup(&path, &error))?;
        }
        // They are taken from the end.
        Ok(self.topics.into_iter().rev().collect())
    }
}

/// A new file of lines that `pub --json-lines` sends again.
struct Backup {
    path: PathBuf,
    /// Opened with the first message; then the first error ends the writing.
    file: io::Result<Option<File>>,
    utc: LocalTime,
    lines: Vec<u8>,
}

impl Backup {
    fn new(path: PathBuf) -> Self {
        Self { path, file: Ok(None), utc: LocalTime::utc(), lines: Vec::new() }
    }

    fn append(&mut self, publish: &PublishRef<'_>) {
        ndjson::put_line(
            &Message { publish: *publish, received: wall_time() },
            &mut self.utc,
            &mut self.lines,
        );
        if self.lines.len() >= PIECE_BYTES {
            self.write();
        }
    }

    fn write(&mut self) {
        let Ok(file) = &mut self.file else { return };
        let written = match file {
            Some(file) => file.write_all(&self.lines),
            // What is there may be the only copy of something.
            None => File::options().write(true).create_new(true).open(&self.path).and_then(|mut new| {
                new.write_all(&self.lines)?;
                *file = Some(new);
                Ok(())
            }),
        };
        self.lines.clear();
        if let Err(error) = written {
            self.file = Err(error);
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.write();
        self.file?.map_or(Ok(()), |file| file.sync_all())
    }
}
