//! Brokers elsewhere, by their URL.

use crate::net::tls::{TlsClient, TlsSettings};
use crate::net::{Endpoint, Target};
use crate::packet::Text;
use bytes::Bytes;
use std::path::Path;
use thiserror::Error;

/// Why a URL names no broker.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// Another scheme, or none.
    #[error("{0}: a broker's URL begins with mqtt://, mqtts://, ws:// or wss://")]
    Scheme(String),
    /// No host, or no port where one should be.
    #[error("{0}: host or port is missing or wrong")]
    Address(String),
    /// The certificate authority's file cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::net::tls::TlsError),
    /// Name or password hold what MQTT does not allow.
    #[error("{0}: the user name is not one that MQTT allows")]
    UserName(String),
}

/// A broker elsewhere and who we are there.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) target: Target,
    pub(crate) user_name: Option<Text>,
    pub(crate) password: Option<Bytes>,
}

impl Upstream {
    /// Reads `scheme://[user[:password]@]host[:port][/path]`; the path is WebSocket's, `/mqtt` by default. With TLS,
    /// `ca_file` is trusted, without one the system's authorities are.
    pub(crate) fn parse(url: &str, ca_file: Option<&Path>) -> Result<Self, UpstreamError> {
        let hidden = || url.rsplit_once('@').map_or(url, |(_, behind)| behind).to_owned();
        let (scheme, rest) = url.split_once("://").ok_or_else(|| UpstreamError::Scheme(hidden()))?;
        let (default_port, is_secure, is_websocket) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => (1883, false, false),
            "mqtts" | "ssl" => (8883, true, false),
            "ws" => (80, false, true),
            "wss" => (443, true, true),
            _ => return Err(UpstreamError::Scheme(hidden())),
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, "/mqtt".to_owned()),
        };
        let (credentials, address) = match authority.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, authority),
        };
        let (host, port) =
            split_port(address, default_port).ok_or_else(|| UpstreamError::Address(hidden()))?;
        let mut target = Target::plain(Endpoint::Tcp { host: host.to_owned(), port });
        target.nodelay = true;
        target.quickack = true;
        if is_secure {
            let settings = TlsSettings {
                ca_file: ca_file.map(Path::to_owned),
                uses_system_roots: ca_file.is_none(),
                ..TlsSettings::default()
            };
            let no_passphrase = &mut || Err(std::io::ErrorKind::Unsupported.into());
            target.tls = Some(TlsClient::new(&settings, no_passphrase)?);
        }
        target.websocket = is_websocket.then_some(path);
        let (user_name, password) = match credentials.map(|both| both.split_once(':').unwrap_or((both, ""))) {
            None => (None, None),
            Some((user_name, password)) => {
                let user_name = Text::try_from(user_name).map_err(|_| UpstreamError::UserName(hidden()))?;
                let password = (!password.is_empty()).then(|| Bytes::copy_from_slice(password.as_bytes()));
                (Some(user_name), password)
            }
        };
        Ok(Self { target, user_name, password })
    }
}

/// Whether a URL names a broker, without what TLS would need.
///
/// # Errors
///
/// Those of [`Upstream::parse`] that are about the URL.
#[cfg(feature = "check")]
pub(crate) fn check_url(url: &str) -> Result<(), UpstreamError> {
    let plain = match url.split_once("://") {
        Some((scheme, rest)) if ["mqtts", "ssl", "wss"].contains(&scheme.to_ascii_lowercase().as_str()) => {
            format!("mqtt://{rest}")
        }
        _ => url.to_owned(),
    };
    Upstream::parse(&plain, None).map(drop)
}

fn split_port(address: &str, default: u16) -> Option<(&str, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(inside) => {
            let (host, behind) = inside.split_once(']')?;
            (host, behind.strip_prefix(':'))
        }
        None => match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => default,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_port_user_and_path() {
        let upstream = Upstream::parse("ws://joe:pa:ss@[::1]:9001/bus", None).unwrap();
        assert_eq!(upstream.target.endpoint, Endpoint::Tcp { host: "::1".to_owned(), port: 9001 });
        assert_eq!(upstream.target.websocket.as_deref(), Some("/bus"));
        assert_eq!(upstream.user_name.as_deref(), Some("joe"));
        assert_eq!(upstream.password.as_deref(), Some(&b"pa:ss"[..]));
        let plain = Upstream::parse("mqtt://host", None).unwrap();
        assert_eq!(plain.target.endpoint, Endpoint::Tcp { host: "host".to_owned(), port: 1883 });
    }

    #[test]
    fn a_wrong_url_is_named_without_its_password() {
        for url in ["http://u:secret@h", "mqtt://u:secret@h:0", "mqtt://u:secret@", "mqtt://u:secret@h:99999"]
        {
            let text = Upstream::parse(url, None).unwrap_err().to_string();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
