//! Listeners whose clients prove with a shared key that they may connect (RFC 4279), by OpenSSL.

use super::psk::{CIPHERS, WRITE_MODE, key_bytes, reason, refused};
use super::{TlsError, TlsServerSettings, append_secret};
use crate::net::Transport;
use crate::packet::Text;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVersion,
};
use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::pin::Pin;
use std::{fs, io};
use tokio_openssl::SslStream;

/// The longest key that OpenSSL takes, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// The longest hint that a server may send, in bytes.
const HINT_BYTES_MAX: usize = 256;

unsafe extern "C" {
    // The `openssl` crate has no name for it.
    fn SSL_CTX_use_psk_identity_hint(context: *mut c_void, hint: *const c_char) -> c_int;
}

/// The keys of a file, by the identities that clients name.
type Keys = HashMap<Box<[u8]>, Box<[u8]>>;

/// Shakes hands with those who know a key.
#[derive(Clone)]
pub(super) struct PskAcceptor {
    context: SslContext,
    identity: Index<Ssl, Box<[u8]>>,
}

impl PskAcceptor {
    /// Reads the keys from `file`; `hint` tells clients which of their keys is meant.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, its first line that is wrong, or what OpenSSL does not take.
    pub(super) fn new(
        file: &Path,
        hint: Option<&str>,
        settings: &TlsServerSettings,
    ) -> Result<Self, TlsError> {
        let text = fs::read_to_string(file)
            .map_err(|error| TlsError::Unreadable { path: file.to_owned(), error })?;
        let wrong = |(line, fault)| TlsError::KeyLine { path: file.to_owned(), line, fault };
        let keys = parse(&text).map_err(wrong)?;
        let hint =
            hint.map(|hint| CString::new(hint).ok().filter(|hint| hint.count_bytes() <= HINT_BYTES_MAX));
        if hint == Some(None) {
            return Err(refused(&"the hint is too long"));
        }
        build(keys, hint.flatten(), settings).map_err(|error| refused(&error))
    }

    /// Shakes hands over `stream`; also tells the identity.
    ///
    /// # Errors
    ///
    /// Whatever the stream returns, and those with a [`TlsError`] inside for a failed handshake.
    pub(super) async fn accept<S: Transport + 'static>(
        &self,
        stream: S,
    ) -> io::Result<(Box<dyn Transport>, Option<Text>)> {
        let failed = |error: &dyn std::fmt::Display| io::Error::other(refused(error));
        let ssl = Ssl::new(&self.context).map_err(|error| failed(&error))?;
        let mut stream = SslStream::new(ssl, stream).map_err(|error| failed(&error))?;
        match Pin::new(&mut stream).accept().await {
            Ok(()) => {
                let identity = stream.ssl().ex_data(self.identity);
                let identity = identity.and_then(|identity| Text::new(identity.to_vec()).ok());
                Ok((Box::new(stream), identity))
            }
            Err(error) if error.ssl_error().is_some() => Err(io::Error::other(reason(&error))),
            Err(error) => Err(error.into_io_error().unwrap_or_else(|error| failed(&error))),
        }
    }
}

/// Lines of `IDENTITY:KEY`; those that are empty or begin with `#` say nothing.
fn parse(text: &str) -> Result<Keys, (usize, &'static str)> {
    let mut keys = Keys::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (identity, key) = line.split_once(':').ok_or((number, "a line has no ':'"))?;
        let (identity, key) = (identity.trim_end(), key.trim_start());
        let bytes = key_bytes(key).filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or((number, "the key is not hexadecimal"))?;
        if identity.is_empty() {
            return Err((number, "the identity is empty"));
        }
        if bytes.len() > KEY_BYTES_MAX {
            return Err((number, "the key is longer than 256 bytes"));
        }
        if keys.insert(identity.as_bytes().into(), bytes.into()).is_some() {
            return Err((number, "the identity is named twice"));
        }
    }
    Ok(keys)
}

fn build(keys: Keys, hint: Option<CString>, settings: &TlsServerSettings) -> Result<PskAcceptor, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_server())?;
    builder.set_mode(WRITE_MODE);
    let lowest = if settings.requires_tls13 { SslVersion::TLS1_3 } else { SslVersion::TLS1_2 };
    builder.set_min_proto_version(Some(lowest))?;
    builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_RENEGOTIATION);
    // A session that is resumed would not have to prove the key, nor name its identity.
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_num_tickets(0)?;
    builder.set_cipher_list(settings.ciphers.as_deref().unwrap_or(CIPHERS))?;
    if let Some(suites) = &settings.ciphers_tls13 {
        builder.set_ciphersuites(suites)?;
    }
    if let Some(hint) = hint {
        set_hint(&mut builder, &hint)?;
    }
    if let Some(path) = settings.key_log.clone() {
        builder.set_keylog_callback(move |_ssl, line| append_secret(&path, line));
    }
    let index = Ssl::new_ex_index()?;
    // Whoever names somebody unknown learns no more than whoever has a wrong key.
    let mut nobody = [0; 32];
    openssl::rand::rand_bytes(&mut nobody)?;
    builder.set_psk_server_callback(move |ssl, identity, key_out| {
        let identity = identity.unwrap_or_default();
        let known = keys.get(identity);
        let key = known.map_or(&nobody[..], |key| key);
        if key.len() > key_out.len() {
            return Ok(0);
        }
        key_out[..key.len()].copy_from_slice(key);
        if known.is_some() {
            ssl.set_ex_data(index, identity.into());
        }
        Ok(key.len())
    });
    Ok(PskAcceptor { context: builder.build(), identity: index })
}

fn set_hint(builder: &mut SslContextBuilder, hint: &CString) -> Result<(), ErrorStack> {
    // SAFETY: both pointers are alive during the call, and OpenSSL copies the hint.
    let taken = unsafe { SSL_CTX_use_psk_identity_hint(builder.as_ptr().cast(), hint.as_ptr()) };
    if taken == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_identity_and_a_key() {
        let keys = parse("# keys\n\nme: c0ffee\r\n two :0001\n").unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys.get(&b"me"[..]).map(|key| &**key), Some(&[0xc0, 0xff, 0xee][..]));
        assert_eq!(keys.get(&b"two"[..]).map(|key| &**key), Some(&[0, 1][..]));
    }

    #[test]
    fn a_line_that_is_wrong_has_its_number() {
        let long = format!("a:{}", "ff".repeat(KEY_BYTES_MAX + 1));
        let table = [
            ("me", "a line has no ':'"),
            ("me:", "the key is not hexadecimal"),
            ("me:c0ffeg", "the key is not hexadecimal"),
            (":c0ffee", "the identity is empty"),
            ("a:01\na:02", "the identity is named twice"),
            (&long, "the key is longer than 256 bytes"),
        ];
        for (text, fault) in table {
            let line = 1 + text.lines().count();
            assert_eq!(parse(&format!("\n{text}\n")), Err((line, fault)), "{text}");
        }
    }
}
