//! What `pub` is to send, read before it connects.

use crate::compat::{Face, Failure};
use crate::flags::MessageSource;
use bytes::Bytes;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

const PAYLOAD_BYTES_MAX: u64 = 268_435_455;

/// The payloads of a run.
#[derive(Debug)]
pub(super) enum Source {
    /// One, published as often as asked.
    Payload(Bytes),
    /// A line each of this file or else of the standard input, read while running.
    Lines(Option<fs::File>),
}

impl Source {
    /// Reads what can be read beforehand.
    ///
    /// # Errors
    ///
    /// A file or an input that cannot be read, or that is too large or empty.
    pub(super) fn load(chosen: &MessageSource, face: Face) -> Result<Self, Failure> {
        Ok(match chosen {
            MessageSource::Text(payload) => Self::Payload(payload.clone()),
            MessageSource::Null => Self::Payload(Bytes::new()),
            MessageSource::Lines | MessageSource::JsonLines | MessageSource::Tsv => Self::Lines(None),
            MessageSource::WholeInput => Self::Payload(whole_input()?),
            MessageSource::File(path) => Self::Payload(file(path, face)?),
        })
    }
}

fn whole_input() -> Result<Bytes, Failure> {
    let payload = read_all(&mut io::stdin().lock()).map_err(|error| Failure::of_input(&error))?;
    if payload.len() as u64 > PAYLOAD_BYTES_MAX {
        return Err(Failure::input_too_long());
    }
    if payload.is_empty() { Err(Failure::input_empty()) } else { Ok(payload.into()) }
}

/// A regular file; under our own names also `-` and whatever can be read to its end.
fn file(path: &Path, face: Face) -> Result<Bytes, Failure> {
    if face == Face::Friendly && path == Path::new("-") {
        let payload =
            read_all(&mut io::stdin().lock()).map_err(|error| Failure::of_file(path, &error, true))?;
        return check_length(payload, path);
    }
    let unreadable = |error: &io::Error| Failure::of_file(path, error, true);
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() && (face == Face::Strict || metadata.is_dir()) {
        return Err(Failure::of_file(path, &io::Error::from_raw_os_error(libc::ENOENT), false));
    }
    if metadata.is_file() && metadata.len() > PAYLOAD_BYTES_MAX {
        return Err(Failure::file_too_long(path));
    }
    let mut file = fs::File::open(path).map_err(|error| unreadable(&error))?;
    check_length(read_all(&mut file).map_err(|error| unreadable(&error))?, path)
}

fn check_length(payload: Vec<u8>, path: &Path) -> Result<Bytes, Failure> {
    if payload.len() as u64 > PAYLOAD_BYTES_MAX {
        Err(Failure::file_too_long(path))
    } else {
        Ok(payload.into())
    }
}

/// One byte more than fits is enough to know that it is too much.
fn read_all(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    from.take(PAYLOAD_BYTES_MAX + 1).read_to_end(&mut payload)?;
    Ok(payload)
}
