//! A connection's socket: never waits, and knows whether the way to the broker is open yet.

use crate::bench::plan::Transport;
use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Type};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;

/// Where all clients connect to, with its name looked up.
#[derive(Clone, Debug)]
pub(crate) enum Remote {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a unix domain socket.
    Unix(PathBuf),
}

/// A socket on its way, or there.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Starts to connect to `remote` from `source`; the socket becomes writable when that has come to an end.
    pub(super) fn connect(
        remote: &Remote,
        source: Option<IpAddr>,
        transport: &Transport,
    ) -> io::Result<Self> {
        match remote {
            Remote::Unix(path) => UnixStream::connect(path).map(Self::Unix),
            Remote::Tcp(address) => connect_tcp(*address, source, transport).map(Self::Tcp),
        }
    }

    /// Lets `registry` tell whenever something can be read or written.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.descriptor()), token, Interest::READABLE | Interest::WRITABLE)
    }

    fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(socket) => socket.as_raw_fd(),
            Self::Unix(socket) => socket.as_raw_fd(),
        }
    }

    /// Whether the connection is up.
    ///
    /// # Errors
    ///
    /// Why it never will be.
    pub(super) fn is_open(&self) -> io::Result<bool> {
        match self {
            Self::Unix(_) => Ok(true),
            Self::Tcp(socket) => {
                if let Some(error) = socket.take_error()? {
                    return Err(error);
                }
                match socket.peer_addr() {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Reads once; 0 at the end of the stream.
    #[inline]
    pub(super) fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(block),
            Self::Unix(socket) => socket.read(block),
        }
    }

    /// Writes what the socket takes now.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    /// Ends the writing direction.
    pub(super) fn shutdown(&mut self) {
        // A peer that is gone already is no fault.
        let _ = match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
        };
    }

    /// Asks the kernel to acknowledge now what was read, instead of after its 40 ms.
    pub(super) fn acknowledge_quickly(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(socket) = self {
            // A hint only: a socket that does not know it works all the same.
            let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
        }
    }
}

fn connect_tcp(remote: SocketAddr, source: Option<IpAddr>, transport: &Transport) -> io::Result<TcpStream> {
    let domain = Domain::for_address(remote);
    let socket = socket2::Socket::new(domain, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(transport.nodelay)?;
    if let Some(bytes) = transport.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = transport.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = source {
        bind_address_no_port(&socket);
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    }
    match socket.connect(&SockAddr::from(remote)) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// Lets the kernel choose the port when it knows the other end too, so that each source address has all its ports for
/// each broker.
fn bind_address_no_port(socket: &socket2::Socket) {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or_default();
    // SAFETY: the value is a whole c_int that outlives the call, and its length is given. Failing, the port is chosen
    // at once, which only makes ports scarcer.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            length,
        );
    }
}
