//! Result files: the published JSON, and the private form (`.mbr`) from which segments merge exactly.
//!
//! The private form is JSON Lines: the result first, then its seconds and its streams, then an end line, so that a file
//! that was cut short is known to be. [`read_all`] tells the two forms apart by
//! themselves.

use super::{Interval, RunResult, SCHEMA, StreamCount};
use crate::bench::histogram::HistogramError;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};

/// A file of more bytes is not read: 100,000 streams and a day of seconds stay below.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// How many streams are in one line.
const STREAMS_PER_LINE: usize = 1000;

/// A line of the private form.
#[derive(Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // there is one at a time
enum Line<'a> {
    Result { result: Cow<'a, RunResult> },
    Interval { interval: Cow<'a, Interval> },
    Streams { streams: Vec<[u64; 7]> },
    End { intervals: usize, streams: usize },
}

/// Why a result file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file itself.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not JSON, or not of this form.
    #[error("line {line}: {error}")]
    Json {
        /// From 1.
        line: usize,
        /// What serde has to say.
        error: serde_json::Error,
    },
    /// A later or another form.
    #[error("schema is '{0}', not '{SCHEMA}'")]
    Schema(String),
    /// A histogram of a second.
    #[error("line {line}: {error}")]
    Histogram {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        error: HistogramError,
    },
    /// The end line is missing or does not agree with what came before.
    #[error("file is cut short")]
    Truncated,
    /// More than [`FILE_BYTES_MAX`].
    #[error("file is larger than {} MiB", FILE_BYTES_MAX >> 20)]
    TooLarge,
    /// Nothing in it.
    #[error("file is empty")]
    Empty,
}

/// Writes the published form: one JSON object, indented.
///
/// # Errors
///
/// When `out` fails.
pub fn write_json(result: &RunResult, mut out: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, result)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes the private form.
///
/// # Errors
///
/// When `out` fails.
pub fn write(result: &RunResult, mut out: impl Write) -> io::Result<()> {
    let mut line = |line: &Line<'_>| -> io::Result<()> {
        serde_json::to_writer(&mut out, line)?;
        out.write_all(b"\n")
    };
    line(&Line::Result { result: Cow::Borrowed(result) })?;
    for interval in &result.intervals {
        line(&Line::Interval { interval: Cow::Borrowed(interval) })?;
    }
    for streams in result.streams.chunks(STREAMS_PER_LINE) {
        line(&Line::Streams { streams: streams.iter().map(row).collect() })?;
    }
    line(&Line::End { intervals: result.intervals.len(), streams: result.streams.len() })?;
    out.flush()
}

/// Reads one result in either form.
///
/// # Errors
///
/// [`FileError`] when it is neither, was cut short, is too large, or there is more than one.
#[cfg(test)]
pub(crate) fn read(input: impl BufRead) -> Result<RunResult, FileError> {
    let mut all = read_all(input)?;
    if all.len() > 1 { Err(FileError::Truncated) } else { all.pop().ok_or(FileError::Empty) }
}

/// Reads all results of a file, one after the other in either form; at least one.
///
/// # Errors
///
/// [`FileError`] when it is neither, was cut short, or is too large.
pub fn read_all(input: impl BufRead) -> Result<Vec<RunResult>, FileError> {
    let mut input = input.take(FILE_BYTES_MAX);
    let mut lines = Lines { number: 0, text: Vec::new() };
    if !lines.next(&mut input)? || lines.text.trim_ascii().is_empty() {
        return Err(FileError::Empty);
    }
    let mut all = Vec::new();
    loop {
        match serde_json::from_slice::<Line<'_>>(&lines.text) {
            Ok(Line::Result { result }) => all.push(read_lines(result.into_owned(), &mut lines, &mut input)?),
            Ok(_) => return Err(FileError::Truncated),
            Err(_) if all.is_empty() => all = read_json(std::mem::take(&mut lines.text), &mut input)?,
            Err(error) => return Err(FileError::Json { line: lines.number, error }),
        }
        if !lines.next(&mut input)? {
            break;
        }
    }
    match all.iter().find(|result| result.schema != SCHEMA) {
        Some(other) => Err(FileError::Schema(other.schema.clone())),
        None => Ok(all),
    }
}

/// The current line of a file.
struct Lines {
    /// From 1.
    number: usize,
    text: Vec<u8>,
}

impl Lines {
    /// Reads the next line; `false` at the end.
    fn next(&mut self, input: &mut io::Take<impl BufRead>) -> Result<bool, FileError> {
        self.text.clear();
        self.number += 1;
        input.read_until(b'\n', &mut self.text)?;
        if self.text.is_empty() && input.limit() == 0 {
            return Err(FileError::TooLarge);
        }
        Ok(!self.text.is_empty())
    }
}

/// Published results, one after the other.
fn read_json(mut bytes: Vec<u8>, input: &mut io::Take<impl BufRead>) -> Result<Vec<RunResult>, FileError> {
    input.read_to_end(&mut bytes)?;
    if input.limit() == 0 {
        return Err(FileError::TooLarge);
    }
    let all = serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<Vec<_>, _>>();
    all.map_err(|error| FileError::Json { line: error.line(), error })
}

fn read_lines(
    mut result: RunResult,
    lines: &mut Lines,
    input: &mut io::Take<impl BufRead>,
) -> Result<RunResult, FileError> {
    while lines.next(input)? {
        let line = lines.number;
        match serde_json::from_slice(&lines.text) {
            Ok(Line::Interval { interval }) => {
                interval.latency.check().map_err(|error| FileError::Histogram { line, error })?;
                result.intervals.push(interval.into_owned());
            }
            Ok(Line::Streams { streams }) => result.streams.extend(streams.iter().map(stream)),
            Ok(Line::End { intervals, streams }) => {
                let whole = intervals == result.intervals.len() && streams == result.streams.len();
                return if whole { Ok(result) } else { Err(FileError::Truncated) };
            }
            Ok(Line::Result { .. }) => return Err(FileError::Truncated),
            // A writer that was killed leaves a line without its end.
            Err(_) if !lines.text.ends_with(b"\n") => return Err(FileError::Truncated),
            Err(error) => return Err(FileError::Json { line, error }),
        }
    }
    Err(FileError::Truncated)
}

fn row(count: &StreamCount) -> [u64; 7] {
    let StreamCount { stream, sent, expected, received, duplicate, duplicate_flagged, reordered } = *count;
    [u64::from(stream), sent, expected, received, duplicate, duplicate_flagged, reordered]
}

fn stream(row: &[u64; 7]) -> StreamCount {
    let [stream, sent, expected, received, duplicate, duplicate_flagged, reordered] = *row;
    let stream = u32::try_from(stream).unwrap_or(u32::MAX);
    StreamCount { stream, sent, expected, received, duplicate, duplicate_flagged, reordered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::result::sample;

    fn private(result: &RunResult) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(result, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_private_form_brings_everything_back() {
        let result = sample::run();
        assert_eq!(read(private(&result).as_slice()).unwrap(), result);
    }

    #[test]
    fn repeated_runs_share_a_file() {
        let result = sample::run();
        let twice = private(&result).repeat(2);
        assert_eq!(read_all(twice.as_slice()).unwrap(), [result.clone(), result.clone()]);
        let mut published = Vec::new();
        write_json(&result, &mut published).unwrap();
        assert_eq!(read_all(published.repeat(3).as_slice()).unwrap().len(), 3);
    }

    #[test]
    fn the_published_form_brings_back_what_it_shows() {
        let mut result = sample::run();
        let mut bytes = Vec::new();
        write_json(&result, &mut bytes).unwrap();
        result.intervals.clear();
        result.streams.clear();
        assert_eq!(read(bytes.as_slice()).unwrap(), result);
    }

    #[test]
    fn a_file_that_was_cut_short_anywhere_is_refused() {
        let bytes = private(&sample::run());
        let result_line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        // Not at the last byte: a missing line end loses nothing.
        for end in (result_line + 1..bytes.len() - 1).step_by(bytes.len() / 25) {
            let error = read(&bytes[..end]).unwrap_err();
            assert!(matches!(error, FileError::Truncated), "{end}: {error}");
        }
        for end in (0..result_line).step_by(result_line / 10) {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let reason = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(reason(""), "file is empty");
        assert_eq!(reason("{\"schema\":\"bench/2\"}"), "schema is 'bench/2', not 'bench/1'");
        assert_eq!(reason("{}"), "schema is '', not 'bench/1'");
        assert!(reason("hello").starts_with("line 1: expected value"));
        let mut text = String::from_utf8(private(&sample::run())).unwrap();
        text = text.replacen("\"e2e\":\"H", "\"e2e\":\"?", 1);
        assert_eq!(read(text.as_bytes()).unwrap_err().to_string(), "line 2: histogram is not base64");
    }
}
