//! TLS with a pre-shared key over a socket that never waits, by OpenSSL as in the clients.

use super::pipe::Raw;
use crate::net::tls::psk_reason;
use openssl::ssl::{ErrorCode, Ssl, SslContext, SslStream};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A connection whose ends know one key.
#[derive(Debug)]
pub(super) struct PreSharedKey {
    stream: SslStream<Raw>,
    /// When its handshake began.
    began: Option<Instant>,
    is_open: bool,
    /// How long that took, until somebody asks.
    took: Option<Duration>,
    /// What OpenSSL has begun to write and the socket did not take: it wants to be given the same bytes again.
    pending: Vec<u8>,
}

/// Bytes of one record, the most that is given to OpenSSL at once: of several it may have begun any number.
const RECORD_BYTES_MAX: usize = 16 << 10;

impl PreSharedKey {
    pub(super) fn new(context: &SslContext, host: &str, raw: Raw) -> io::Result<Self> {
        let mut ssl = Ssl::new(context)?;
        if host.parse::<IpAddr>().is_err() {
            ssl.set_hostname(host)?;
        }
        let stream = SslStream::new(ssl, raw)?;
        Ok(Self { stream, began: None, is_open: false, took: None, pending: Vec::new() })
    }

    pub(super) fn raw(&self) -> &Raw {
        self.stream.get_ref()
    }

    /// Goes on with the handshake; whether it is over.
    pub(super) fn shake_hands(&mut self) -> io::Result<bool> {
        if self.is_open {
            return Ok(true);
        }
        let began = *self.began.get_or_insert_with(Instant::now);
        match self.stream.connect() {
            Ok(()) => {
                (self.is_open, self.took) = (true, Some(began.elapsed()));
                Ok(true)
            }
            Err(error) if is_waiting(&error) => Ok(false),
            Err(error) if error.ssl_error().is_some() => {
                Err(io::Error::new(io::ErrorKind::InvalidData, psk_reason(&error)))
            }
            // The broker went away in the middle of it.
            Err(error) => {
                Err(error.into_io_error().unwrap_or_else(|_| io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    /// How long the handshake took, once, when it is over.
    pub(super) const fn handshake(&mut self) -> Option<Duration> {
        self.took.take()
    }

    pub(super) fn say_goodbye(&mut self) {
        // The end of the connection follows, with or without this alert.
        let _ = self.stream.shutdown();
    }

    pub(super) fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(block) {
            // An end without an alert is an end all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let record = &bytes[..bytes.len().min(RECORD_BYTES_MAX)];
        match self.stream.write(record) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.pending.extend_from_slice(record);
                Ok(record.len())
            }
            other => other,
        }
    }

    /// Whether everything that was written has reached the socket.
    pub(super) const fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    /// Writes again what the socket did not take.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let written = self.stream.write(&self.pending)?;
            self.pending.drain(..written);
        }
        Ok(())
    }
}

fn is_waiting(error: &openssl::ssl::Error) -> bool {
    matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
}
