//! SOCKS5 proxies that look names up themselves (`socks5h://`, RFC 1928 and 1929).

use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_socks::{Error, tcp::Socks5Stream};

/// Where the proxy is, and as whom to speak to it.
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    /// Name, IPv4 or IPv6 address (without brackets) of the proxy.
    pub host: String,
    /// TCP port of the proxy; SOCKS uses 1080.
    pub port: u16,
    /// User name and password, each at most 255 bytes; none means that no authentication is offered.
    pub credentials: Option<(String, String)>,
}

impl std::fmt::Debug for Proxy {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| user);
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &user)
            .finish()
    }
}

/// Why a proxy did not open the way.
#[derive(Debug, thiserror::Error)]
pub enum SocksError {
    /// The connection to the proxy failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The proxy did not accept the user name and password, or wants some.
    #[error("the proxy refused the user name or password")]
    Unauthorised,
    /// The proxy could not reach the broker, or speaks another protocol.
    #[error("the proxy refused the connection: {0}")]
    Refused(String),
}

/// Asks the proxy at the other end of `stream` for a way to `host` and `port`; the bytes behind its answer are the
/// broker's. The proxy resolves the name.
///
/// # Errors
///
/// Every [`SocksError`].
pub async fn connect<S>(stream: S, proxy: &Proxy, host: &str, port: u16) -> Result<S, SocksError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = (host, port);
    let opened = match &proxy.credentials {
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, user, password).await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };
    opened.map(Socks5Stream::into_inner).map_err(|error| match error {
        Error::Io(error) => SocksError::Io(error),
        Error::PasswordAuthFailure(_) | Error::NoAcceptableAuthMethods | Error::InvalidAuthValues(_) => {
            SocksError::Unauthorised
        }
        error => SocksError::Refused(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    fn proxy(credentials: Option<(&str, &str)>) -> Proxy {
        let credentials = credentials.map(|(user, password)| (user.to_owned(), password.to_owned()));
        Proxy { host: "proxy".to_owned(), port: 1080, credentials }
    }

    /// Reads exactly what is expected and gives each answer.
    async fn play(mut far: DuplexStream, script: &[(&[u8], &[u8])]) {
        for (expected, answer) in script {
            let mut got = vec![0; expected.len()];
            far.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, expected);
            far.write_all(answer).await.unwrap();
        }
    }

    const CONNECT: &[u8] = b"\x05\x01\x00\x03\x06broker\x07\x5b";

    async fn run(proxy: Proxy, script: &[(&[u8], &[u8])]) -> Result<Vec<u8>, SocksError> {
        let (near, far) = duplex(1000);
        let (opened, ()) = tokio::join!(connect(near, &proxy, "broker", 1883), play(far, script));
        let mut rest = Vec::new();
        opened?.read_to_end(&mut rest).await?;
        Ok(rest)
    }

    #[tokio::test]
    async fn the_name_goes_to_the_proxy_and_the_broker_answers_behind_it() {
        let granted = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x07\x5bMQTT";
        let script: [(&[u8], &[u8]); 2] = [(b"\x05\x01\x00", b"\x05\x00"), (CONNECT, granted)];
        assert_eq!(run(proxy(None), &script).await.unwrap(), b"MQTT");
    }

    #[tokio::test]
    async fn wrong_credentials_are_told_apart() {
        let script: [(&[u8], &[u8]); 2] =
            [(b"\x05\x02\x00\x02", b"\x05\x02"), (b"\x01\x04user\x06secret", b"\x01\x01")];
        let refused = run(proxy(Some(("user", "secret"))), &script).await;
        assert!(matches!(refused, Err(SocksError::Unauthorised)), "{refused:?}");
    }

    #[tokio::test]
    async fn an_unreachable_broker_is_a_refusal() {
        let unreachable = b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00";
        let script: [(&[u8], &[u8]); 2] = [(b"\x05\x01\x00", b"\x05\x00"), (CONNECT, unreachable)];
        let refused = run(proxy(None), &script).await;
        assert!(matches!(refused, Err(SocksError::Refused(_))), "{refused:?}");
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", proxy(Some(("user", "secret")))).contains("secret"));
    }
}
