//! Opening a transport to a broker.

use super::Stream;
#[cfg(feature = "socks")]
use super::socks::{self, Proxy, SocksError};
#[cfg(feature = "srv")]
use super::srv::{self, NameServers};
#[cfg(any(feature = "socks", feature = "tls", feature = "websocket"))]
use super::stream::Layered;
#[cfg(feature = "tls")]
use super::tls::TlsClient;
#[cfg(feature = "websocket")]
use super::websocket::{self, WebSocketError};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tokio::net::{TcpSocket, UnixStream};

/// The longest path of a unix socket, in bytes: the system's field without its closing zero.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// Where a broker listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// A host name or address and a TCP port.
    Tcp {
        /// Name, IPv4 or IPv6 address (without brackets).
        host: String,
        /// TCP port.
        port: u16,
    },
    /// The path of a unix domain socket, at most 107 bytes.
    Unix(PathBuf),
}

/// An endpoint and how to get there.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to.
    pub endpoint: Endpoint,
    /// Local name or address to connect from; the system's choice by default.
    pub bind: Option<String>,
    /// Send small packets at once instead of gathering them while one is unacknowledged (`TCP_NODELAY`).
    pub nodelay: bool,
    /// Acknowledge at once what arrives by TCP, for peers that hold their next packet until then; not by default.
    #[cfg(feature = "test-broker")]
    pub quickack: bool,
    /// Take the endpoint's host for a domain and find its brokers by SRV records, asked of these; not by default.
    #[cfg(feature = "srv")]
    pub srv: Option<NameServers>,
    /// The proxy to go through; none by default.
    #[cfg(feature = "socks")]
    pub proxy: Option<Proxy>,
    /// Speak TLS; not by default.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsClient>,
    /// Speak WebSocket, asking for this path; not by default.
    #[cfg(feature = "websocket")]
    pub websocket: Option<String>,
}

impl Target {
    /// The plain way to `endpoint`.
    #[must_use]
    pub const fn plain(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            bind: None,
            nodelay: false,
            #[cfg(feature = "test-broker")]
            quickack: false,
            #[cfg(feature = "srv")]
            srv: None,
            #[cfg(feature = "socks")]
            proxy: None,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "websocket")]
            websocket: None,
        }
    }
}

/// A name that has no address; found inside the [`io::Error`] of [`dial`].
#[derive(Debug)]
pub struct LookupError {
    /// The name that was asked for.
    pub name: String,
    /// What the resolver said.
    pub reason: String,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "looking up {}: {}", self.name, self.reason)
    }
}

impl std::error::Error for LookupError {}

impl LookupError {
    /// Whether `error`, from [`dial`], means that a name could not be looked up.
    #[must_use]
    pub fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }

    pub(super) fn because(name: &str, reason: impl fmt::Display) -> io::Error {
        let error = Self { name: name.to_owned(), reason: reason.to_string() };
        io::Error::new(io::ErrorKind::NotFound, error)
    }
}

/// Connects to `target`, trying all its brokers and all addresses of each name one after the other, and adds the layers
/// that it asks for.
///
/// # Errors
///
/// That of the last address tried, with the system's number; one that holds a [`LookupError`] when a name has no
/// address; [`io::ErrorKind::InvalidInput`] for a socket path that is empty or too long. A layer that could not be added
/// leaves its own error inside: a `SocksError`, a [`rustls::Error`], a `WebSocketError`.
pub async fn dial(target: &Target) -> io::Result<Stream> {
    #[cfg(feature = "srv")]
    if let (Some(name_servers), Endpoint::Tcp { host, .. }) = (&target.srv, &target.endpoint) {
        #[cfg(feature = "tls")]
        let is_secure = target.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let is_secure = false;
        let mut last_error = LookupError::because(host, "no broker");
        for (host, port) in srv::look_up(host, is_secure, name_servers).await? {
            match dial_one(&Endpoint::Tcp { host, port }, target).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = error,
            }
        }
        return Err(last_error);
    }
    dial_one(&target.endpoint, target).await
}

/// Connects to one broker, with the layers of `target`.
async fn dial_one(endpoint: &Endpoint, target: &Target) -> io::Result<Stream> {
    let host = match endpoint {
        Endpoint::Tcp { host, .. } => host.as_str(),
        // What a certificate or a Host header could name.
        Endpoint::Unix(_) => "localhost",
    };
    let stream = dial_proxy(endpoint, target).await?;
    #[cfg(feature = "tls")]
    let stream = match &target.tls {
        Some(tls) => Stream::Layered(Layered::new(tls.connect(host, stream.into_transport()).await?)),
        None => stream,
    };
    #[cfg(feature = "websocket")]
    let stream = match &target.websocket {
        Some(path) => {
            let opened = websocket::connect(stream.into_transport(), host, path).await;
            let opened = opened.map_err(|error| match error {
                WebSocketError::Io(error) => given_up(error),
                refused => io::Error::other(refused),
            })?;
            Stream::Layered(Layered::new(Box::new(opened)))
        }
        None => stream,
    };
    let _ = host;
    Ok(stream)
}

/// The far end took the connection and gave it up before it could be used, whatever the system calls that.
#[cfg(any(feature = "socks", feature = "websocket"))]
fn given_up(error: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, error)
}

/// Connects to the endpoint itself, or through the proxy.
async fn dial_proxy(endpoint: &Endpoint, target: &Target) -> io::Result<Stream> {
    #[cfg(feature = "socks")]
    if let (Some(proxy), Endpoint::Tcp { host, port }) = (&target.proxy, endpoint) {
        let endpoint = Endpoint::Tcp { host: proxy.host.clone(), port: proxy.port };
        let stream = dial_endpoint(&endpoint, target).await?;
        let opened = socks::connect(stream.into_transport(), proxy, host, *port).await;
        return opened.map(|stream| Stream::Layered(Layered::new(stream))).map_err(|error| match error {
            SocksError::Io(error) => given_up(error),
            refused => io::Error::other(refused),
        });
    }
    dial_endpoint(endpoint, target).await
}

async fn dial_endpoint(endpoint: &Endpoint, target: &Target) -> io::Result<Stream> {
    match endpoint {
        Endpoint::Unix(path) => {
            let length = path.as_os_str().len();
            if length == 0 || length > UNIX_PATH_BYTES_MAX {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            UnixStream::connect(path).await.map(Stream::Unix)
        }
        Endpoint::Tcp { host, port } => {
            let remotes = look_up(host, *port).await?;
            let locals = match &target.bind {
                Some(name) => look_up(name, 0).await?.into_iter().map(Some).collect(),
                None => vec![None],
            };
            let stream = connect_first(&remotes, &locals, target.nodelay).await?;
            #[cfg(feature = "test-broker")]
            if target.quickack {
                return Ok(prompt(stream));
            }
            Ok(stream)
        }
    }
}

#[cfg(feature = "test-broker")]
/// The same stream, which acknowledges at once.
fn prompt(stream: Stream) -> Stream {
    use std::os::fd::AsFd;
    let socket = match &stream {
        Stream::Tcp(stream) => stream.as_fd().try_clone_to_owned().ok().map(std::sync::Arc::new),
        _ => None,
    };
    Stream::Layered(Layered::new(Box::new(super::Prompt::new(stream.into_transport(), socket))))
}

async fn connect_first(
    remotes: &[SocketAddr],
    locals: &[Option<SocketAddr>],
    nodelay: bool,
) -> io::Result<Stream> {
    let mut last_error = None;
    for remote in remotes {
        let same_family =
            |local: &&Option<SocketAddr>| local.is_none_or(|at| at.is_ipv4() == remote.is_ipv4());
        for local in locals.iter().filter(same_family) {
            match connect(*remote, *local, nodelay).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = Some(error),
            }
        }
    }
    Err(last_error.unwrap_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)))
}

async fn connect(remote: SocketAddr, local: Option<SocketAddr>, nodelay: bool) -> io::Result<Stream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local {
        socket.bind(local)?;
    }
    socket.set_nodelay(nodelay)?;
    socket.connect(remote).await.map(Stream::Tcp)
}

/// All addresses of `host`, in the resolver's order.
async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found: io::Result<Vec<_>> = if host == "localhost" {
        // Answered from a file: asking here saves the start of a thread, which costs more than the answer.
        std::net::ToSocketAddrs::to_socket_addrs(&(host, port)).map(Iterator::collect)
    } else {
        tokio::net::lookup_host((host, port)).await.map(Iterator::collect)
    };
    match found {
        Ok(addresses) if addresses.is_empty() => Err(LookupError::because(host, "no address")),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(LookupError::because(host, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, UnixListener};

    fn tcp(host: &str, port: u16) -> Target {
        Target { nodelay: true, ..Target::plain(Endpoint::Tcp { host: host.to_owned(), port }) }
    }

    #[tokio::test]
    async fn refusal_keeps_the_number_of_the_system() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = dial(&tcp("127.0.0.1", port)).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
        assert!(!LookupError::is_in(&error));
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let bad = {
            let taken = TcpListener::bind("127.0.0.2:0").await.unwrap();
            taken.local_addr().unwrap()
        };
        let stream = connect_first(&[bad, good], &[None], false).await.unwrap();
        assert!(matches!(stream, Stream::Tcp(stream) if stream.peer_addr().unwrap() == good));
    }

    #[tokio::test]
    async fn connection_comes_from_the_bind_address_of_the_same_family() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let from = Target { bind: Some("127.0.0.3".to_owned()), ..tcp("127.0.0.1", port) };
        let _stream = dial(&from).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), IpAddr::from([127, 0, 0, 3]));

        let other_family = Target { bind: Some("::1".to_owned()), ..tcp("127.0.0.1", port) };
        let error = dial(&other_family).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL));
    }

    #[tokio::test]
    async fn unknown_name_is_a_lookup_error() {
        // A label of more than 63 characters cannot be asked for, so no resolver is needed to refuse it.
        let error = dial(&tcp(&"x".repeat(64), 1883)).await.unwrap_err();
        assert!(LookupError::is_in(&error), "{error}");
    }

    #[tokio::test]
    async fn unix_path_has_a_longest_length() {
        let folder = std::env::temp_dir().join(format!("culex-dial-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let length = UNIX_PATH_BYTES_MAX - folder.as_os_str().len() - 1;
        let path = folder.join("s".repeat(length));
        let _listener = UnixListener::bind(&path).unwrap();
        let target = |path| Target::plain(Endpoint::Unix(path));
        assert!(matches!(dial(&target(path)).await, Ok(Stream::Unix(_))));
        for wrong in [PathBuf::new(), folder.join("s".repeat(length + 1))] {
            let error = dial(&target(wrong)).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
