//! TLS with a pre-shared key (RFC 4279), by OpenSSL because rustls has none; TLS 1.2 only, as in
//! mosquitto.

use super::{PreSharedKey, TlsError, TlsSettings, append_secret};
use crate::net::Transport;
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslMode, SslVerifyMode, SslVersion};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use tokio_openssl::SslStream;

/// The suites that are offered unless the user names others: both sides must prove that they know the key.
pub(super) const CIPHERS: &str = "PSK:!kRSAPSK:!eNULL";

/// What a socket does not take at once is written again from wherever it lies then, and may be more by then.
pub(super) const WRITE_MODE: SslMode =
    SslMode::ACCEPT_MOVING_WRITE_BUFFER.union(SslMode::ENABLE_PARTIAL_WRITE);

/// A key's bytes as mosquitto reads its digits, as a big number behind its leading `00` pairs; `None` for what is not
/// hexadecimal.
pub(super) fn key_bytes(key: &str) -> Option<Vec<u8>> {
    let zeros = key.as_bytes().chunks(2).take_while(|pair| *pair == b"00").count();
    let digits = key.trim_start_matches('0');
    let padded = if digits.len().is_multiple_of(2) { digits.to_owned() } else { format!("0{digits}") };
    let pairs = padded.as_bytes().chunks(2);
    let number = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    std::iter::repeat_n(Some(0), zeros).chain(number).collect()
}

pub(super) fn refused(error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Psk(error.to_string())
}

/// Why a handshake failed, without the place in OpenSSL's sources.
pub(crate) fn reason(error: &openssl::ssl::Error) -> TlsError {
    let last = error.ssl_error().and_then(|stack| stack.errors().last());
    match last.and_then(openssl::error::Error::reason) {
        Some(reason) => refused(&reason),
        None => refused(error),
    }
}

/// What shakes hands with the key of `settings`.
pub(super) fn context(psk: &PreSharedKey, settings: &TlsSettings) -> Result<SslContext, TlsError> {
    build(psk, settings)
        .map_err(|error| refused(&error))?
        .ok_or_else(|| refused(&"the key is not hexadecimal"))
}

fn build(psk: &PreSharedKey, settings: &TlsSettings) -> Result<Option<SslContext>, ErrorStack> {
    let Some(key) = key_bytes(&psk.key) else { return Ok(None) };
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_mode(WRITE_MODE);
    let lowest = if settings.requires_tls13 { SslVersion::TLS1_3 } else { SslVersion::TLS1_2 };
    builder.set_min_proto_version(Some(lowest))?;
    // Keys of this kind end with TLS 1.2.
    builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_cipher_list(settings.ciphers.as_deref().unwrap_or(CIPHERS))?;
    // A server that chooses a suite with a certificate instead has to be known to the system.
    builder.set_verify(SslVerifyMode::PEER);
    builder.set_default_verify_paths()?;
    if let Some(protocol) = &settings.alpn {
        let mut wire = vec![u8::try_from(protocol.len()).unwrap_or(u8::MAX)];
        wire.extend(protocol.bytes().take(usize::from(u8::MAX)));
        builder.set_alpn_protos(&wire)?;
    }
    let identity = psk.identity.clone().into_bytes();
    builder.set_psk_client_callback(move |_ssl, _hint, identity_out, key_out| {
        // The identity ends with a zero byte; what does not fit means no key.
        if identity.len() >= identity_out.len() || key.len() > key_out.len() {
            return Ok(0);
        }
        identity_out[..identity.len()].copy_from_slice(&identity);
        identity_out[identity.len()] = 0;
        key_out[..key.len()].copy_from_slice(&key);
        Ok(key.len())
    });
    if let Some(path) = settings.key_log.clone() {
        builder.set_keylog_callback(move |_ssl, line| append_secret(&path, line));
    }
    Ok(Some(builder.build()))
}

/// Shakes hands over `stream` with the server named `host`.
///
/// # Errors
///
/// One that holds a [`TlsError`].
pub(super) async fn connect<S: Transport + 'static>(
    context: &SslContext,
    host: &str,
    stream: S,
) -> io::Result<Box<dyn Transport>> {
    let failed = |error: &dyn std::fmt::Display| io::Error::other(refused(error));
    let mut ssl = Ssl::new(context).map_err(|error| failed(&error))?;
    if host.parse::<IpAddr>().is_err() {
        ssl.set_hostname(host).map_err(|error| failed(&error))?;
    }
    let mut stream = SslStream::new(ssl, stream).map_err(|error| failed(&error))?;
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(Box::new(stream)),
        Err(error) if error.ssl_error().is_some() => Err(io::Error::other(reason(&error))),
        Err(error) => {
            let error =
                error.into_io_error().map(TlsError::Handshake).unwrap_or_else(|error| refused(&error));
            Err(io::Error::other(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_number_behind_pairs_of_zeros() {
        assert_eq!(key_bytes("0000ff01"), Some(vec![0, 0, 0xff, 0x01]));
        assert_eq!(key_bytes("f01"), Some(vec![0x0f, 0x01]));
        assert_eq!(key_bytes("0"), Some(vec![]));
        assert_eq!(key_bytes("xy"), None);
    }

    #[test]
    fn the_key_is_not_shown() {
        let psk = PreSharedKey { identity: "me".to_owned(), key: "c0ffee".to_owned() };
        assert!(!format!("{psk:?}").contains("c0ffee"));
    }
}
