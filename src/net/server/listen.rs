//! Sockets that accept.

use super::handshake::Layers;
use super::proxy_protocol::ProxyProtocol;
use crate::net::Stream;
#[cfg(feature = "tls")]
use crate::net::tls::{TlsError, TlsServer, TlsServerSettings};
#[cfg(feature = "websocket")]
use crate::net::websocket::WebSocketPlan;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// How often a free port is looked for that both loopback addresses have.
const FREE_PORT_TRIES_MAX: usize = 32;

/// Where to listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListenAddress {
    /// 127.0.0.1 and ::1, where the machine has it.
    Loopback {
        /// TCP port; 0 takes a free one, the same for both.
        port: u16,
    },
    /// One host name or address, or every address of the machine.
    Tcp {
        /// Name, IPv4 or IPv6 address; `None` is every address.
        host: Option<String>,
        /// TCP port; 0 takes a free one.
        port: u16,
    },
    /// A unix domain socket; a socket that is there already is replaced, and the file goes when the listener does.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback { port } => write!(f, "localhost:{port}"),
            Self::Tcp { host: Some(host), port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{}:{port}", host.as_deref().unwrap_or("*")),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A listener before it is bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenPlan {
    /// Where to listen.
    pub address: ListenAddress,
    /// Send small packets at once (`TCP_NODELAY`) on what is accepted.
    pub nodelay: bool,
    /// Only addresses of this family, where the address does not say; both by default.
    pub family: Option<AddressFamily>,
    /// Only connections that come by this network interface; by any by default.
    pub interface: Option<String>,
    /// Connections begin with a PROXY protocol header; not by default.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Speak TLS; not by default.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsServerSettings>,
    /// Speak WebSocket; not by default.
    #[cfg(feature = "websocket")]
    pub websocket: Option<WebSocketPlan>,
}

/// A family of network addresses (`socket_domain`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl ListenPlan {
    /// A plain listener at `address` that sends small packets at once.
    #[must_use]
    pub const fn plain(address: ListenAddress) -> Self {
        Self {
            address,
            nodelay: true,
            family: None,
            interface: None,
            proxy_protocol: None,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "websocket")]
            websocket: None,
        }
    }
}

/// Why a listener could not be bound.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("{address}: {error}")]
    Address {
        /// What was to be bound.
        address: String,
        /// Why it could not be.
        error: io::Error,
    },
    /// Its certificates cannot be used.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A bound socket; the index is that of its [`ListenPlan`].
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) plan: usize,
    pub(super) nodelay: bool,
    /// What its connections go through first.
    pub(super) layers: Layers,
    socket: ListenSocket,
}

#[derive(Debug)]
enum ListenSocket {
    Tcp(TcpListener),
    Unix {
        socket: UnixListener,
        #[allow(dead_code)] // kept for its end
        path: UnixPath,
    },
}

impl ListenSocket {
    fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix { .. } => None,
        }
    }
}

/// Removes the socket file when its listener is gone.
#[derive(Debug)]
struct UnixPath(PathBuf);

impl Drop for UnixPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The remote end of an accepted connection.
pub(super) type Peer = Option<SocketAddr>;

impl Listener {
    /// Takes no connection any more, whoever else holds the socket.
    pub(super) fn shut(&self) {
        // A system that has no such thing for listeners closes the socket a little later.
        let _ = match &self.socket {
            ListenSocket::Tcp(socket) => SockRef::from(socket).shutdown(Shutdown::Read),
            ListenSocket::Unix { socket, .. } => SockRef::from(socket).shutdown(Shutdown::Read),
        };
    }

    /// A second descriptor of the socket.
    pub(super) fn copy(&self) -> io::Result<std::os::fd::OwnedFd> {
        use std::os::fd::AsFd;
        match &self.socket {
            ListenSocket::Tcp(socket) => socket.as_fd().try_clone_to_owned(),
            ListenSocket::Unix { socket, .. } => socket.as_fd().try_clone_to_owned(),
        }
    }

    /// Accepts one connection; registers the waker of `context` when there is none.
    pub(super) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Stream, Peer)>> {
        Poll::Ready(Ok(match &self.socket {
            ListenSocket::Tcp(socket) => {
                let (stream, peer) = ready!(socket.poll_accept(context))?;
                if self.nodelay {
                    // A peer that has gone already is found out by the first read.
                    let _ = stream.set_nodelay(true);
                }
                (Stream::Tcp(stream), Some(peer))
            }
            ListenSocket::Unix { socket, .. } => {
                let (stream, _) = ready!(socket.poll_accept(context))?;
                (Stream::Unix(stream), None)
            }
        }))
    }
}

/// Bound listeners, not yet served.
#[derive(Debug)]
pub struct Listeners {
    pub(super) sockets: Vec<Listener>,
}

impl Listeners {
    /// Binds all of `plans` and reads their certificates; connections wait in the system's queue from then on.
    ///
    /// Must be called within the runtime that will serve them.
    ///
    /// # Errors
    ///
    /// The first that cannot be bound.
    pub fn bind(plans: &[ListenPlan]) -> Result<Self, ListenError> {
        let mut sockets = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            let layers = Layers {
                proxy_protocol: plan.proxy_protocol,
                #[cfg(feature = "tls")]
                tls: plan.tls.as_ref().map(TlsServer::new).transpose()?,
                #[cfg(feature = "websocket")]
                websocket: plan.websocket.clone(),
            };
            let bound = bind(plan)
                .map_err(|error| ListenError::Address { address: plan.address.to_string(), error })?;
            let listener =
                |socket| Listener { plan: index, nodelay: plan.nodelay, layers: layers.clone(), socket };
            sockets.extend(bound.into_iter().map(listener));
        }
        Ok(Self { sockets })
    }

    /// The TCP addresses that are bound, each with the index of its plan.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<(usize, SocketAddr)> {
        let address = |listener: &Listener| Some((listener.plan, listener.socket.local_address()?));
        self.sockets.iter().filter_map(address).collect()
    }
}

fn bind(plan: &ListenPlan) -> io::Result<Vec<ListenSocket>> {
    let interface = plan.interface.as_deref();
    match &plan.address {
        ListenAddress::Unix(path) => Ok(vec![bind_unix(path)?]),
        ListenAddress::Loopback { port } => bind_loopback(*port, plan.family, interface),
        ListenAddress::Tcp { host: None, port } => {
            let v4 = || Ok(vec![bind_tcp((Ipv4Addr::UNSPECIFIED, *port).into(), false, interface)?]);
            if plan.family == Some(AddressFamily::V4) {
                return v4();
            }
            // One socket for both families where there is IPv6, else IPv4 alone.
            let only_v6 = plan.family == Some(AddressFamily::V6);
            match bind_tcp((Ipv6Addr::UNSPECIFIED, *port).into(), only_v6, interface) {
                Err(error) if has_no_ipv6(&error) && !only_v6 => v4(),
                bound => Ok(vec![bound?]),
            }
        }
        ListenAddress::Tcp { host: Some(host), port } => {
            let mut addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
                Ok(address) => vec![(address, *port).into()],
                Err(_) => (host.as_str(), *port).to_socket_addrs()?.collect(),
            };
            let is_wanted = |address: &SocketAddr| match plan.family {
                None => true,
                Some(AddressFamily::V4) => address.is_ipv4(),
                Some(AddressFamily::V6) => address.is_ipv6(),
            };
            addresses.retain(is_wanted);
            if addresses.is_empty() {
                return Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL));
            }
            addresses.into_iter().map(|address| bind_tcp(address, true, interface)).collect()
        }
    }
}

fn bind_loopback(
    port: u16,
    family: Option<AddressFamily>,
    interface: Option<&str>,
) -> io::Result<Vec<ListenSocket>> {
    let v4: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    match family {
        None => {}
        Some(AddressFamily::V4) => return Ok(vec![bind_tcp(v4, true, interface)?]),
        Some(AddressFamily::V6) => {
            return Ok(vec![bind_tcp((Ipv6Addr::LOCALHOST, port).into(), true, interface)?]);
        }
    }
    let mut result = Err(io::ErrorKind::AddrInUse.into());
    // A free port of one family may be taken in the other.
    for _ in 0..if port == 0 { FREE_PORT_TRIES_MAX } else { 1 } {
        let first = bind_tcp(v4, true, interface)?;
        let bound_port = first.local_address().map_or(port, |address| address.port());
        match bind_tcp((Ipv6Addr::LOCALHOST, bound_port).into(), true, interface) {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if has_no_ipv6(&error) => return Ok(vec![first]),
            Err(error) => result = Err(error),
        }
    }
    result
}

fn has_no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn bind_tcp(address: SocketAddr, only_v6: bool, interface: Option<&str>) -> io::Result<ListenSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the one before to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    if let Some(interface) = interface {
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        socket.bind_device(Some(interface.as_bytes()))?;
        #[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
        return Err(io::Error::new(io::ErrorKind::Unsupported, format!("bind_interface {interface}")));
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into()).map(ListenSocket::Tcp)
}

fn bind_unix(path: &Path) -> io::Result<ListenSocket> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    Ok(ListenSocket::Unix { socket: UnixListener::bind(path)?, path: UnixPath(path.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(address: ListenAddress) -> ListenPlan {
        ListenPlan::plain(address)
    }

    #[tokio::test]
    async fn a_free_loopback_port_is_the_same_in_both_families() {
        let listeners = Listeners::bind(&[plan(ListenAddress::Loopback { port: 0 })]).unwrap();
        let addresses = listeners.local_addresses();
        assert!(addresses.iter().all(|(plan, address)| *plan == 0 && address.ip().is_loopback()));
        assert!(addresses.iter().all(|(_, address)| address.port() == addresses[0].1.port()));
        assert_ne!(addresses[0].1.port(), 0);
    }

    #[tokio::test]
    async fn a_family_of_addresses_can_be_left_out() {
        for (family, is_v4) in [(AddressFamily::V4, true), (AddressFamily::V6, false)] {
            for address in [ListenAddress::Loopback { port: 0 }, ListenAddress::Tcp { host: None, port: 0 }] {
                let plan = ListenPlan { family: Some(family), ..plan(address) };
                let bound = match Listeners::bind(&[plan]) {
                    Ok(bound) => bound,
                    // A machine without IPv6.
                    Err(ListenError::Address { error, .. }) if !is_v4 && has_no_ipv6(&error) => continue,
                    Err(error) => panic!("{error}"),
                };
                assert!(bound.local_addresses().iter().all(|(_, address)| address.is_ipv4() == is_v4));
            }
        }
    }

    /// Nagle's algorithm would hold every other small packet back for 40 ms.
    #[tokio::test]
    async fn small_packets_are_sent_at_once_unless_configured_otherwise() {
        for nodelay in [true, false] {
            let plan = ListenPlan { nodelay, ..plan(ListenAddress::Loopback { port: 0 }) };
            let listeners = Listeners::bind(&[plan]).unwrap();
            let _client = std::net::TcpStream::connect(listeners.local_addresses()[0].1).unwrap();
            let accepted = std::future::poll_fn(|context| listeners.sockets[0].poll_accept(context)).await;
            let Ok((Stream::Tcp(stream), _)) = accepted else { panic!("{accepted:?}") };
            assert_eq!(stream.nodelay().unwrap(), nodelay);
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = Listeners::bind(&[plan(ListenAddress::Loopback { port: 0 })]).unwrap();
        let port = first.local_addresses()[0].1.port();
        let host = Some("127.0.0.1".to_owned());
        let refused = Listeners::bind(&[plan(ListenAddress::Tcp { host, port })]).unwrap_err();
        let ListenError::Address { address, error } = refused else { panic!("{refused}") };
        assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
        assert_eq!(address, format!("127.0.0.1:{port}"));
    }

    #[tokio::test]
    async fn a_left_over_socket_file_is_replaced_but_no_other_file() {
        let path = std::env::temp_dir().join(format!("culex-listen-{}", std::process::id()));
        let unix = [plan(ListenAddress::Unix(path.clone()))];
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listeners = Listeners::bind(&unix).unwrap();
        drop(listeners);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert!(Listeners::bind(&unix).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
    }
}
