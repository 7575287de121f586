//! A client's way to the broker, layer by layer: socket, TLS, WebSocket.

use super::pipe::{Pipe, Raw, Tls};
#[cfg(feature = "psk")]
use super::psk::PreSharedKey;
use crate::bench::plan::Transport;
use crate::net::websocket::{client_config, request};
use bytes::{Buf, Bytes};
use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Protocol, SockAddr, Type};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::handshake::client::ClientHandshake;
use tokio_tungstenite::tungstenite::handshake::{HandshakeError, MidHandshake};
use tokio_tungstenite::tungstenite::protocol::WebSocket;
use tokio_tungstenite::tungstenite::{self, Message, client};

/// Where all clients connect to, with its name looked up.
#[derive(Clone, Debug)]
pub(crate) enum Remote {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a unix domain socket.
    Unix(PathBuf),
}

/// What lies between MQTT and the socket, ready for use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layering {
    /// The host as the user names it, for certificates and the Host header.
    pub(crate) host: String,
    pub(crate) tls: Option<Encryption>,
    pub(crate) websocket: Option<String>,
}

/// How TLS proves who is who.
#[derive(Clone)]
pub(crate) enum Encryption {
    Certificates(Arc<ClientConfig>),
    #[cfg(feature = "psk")]
    PreSharedKey(openssl::ssl::SslContext),
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encryption")
    }
}

/// A way to the broker, open or being opened.
#[derive(Debug)]
pub(super) enum Socket {
    Pipe(Pipe),
    /// The WebSocket has not been asked for yet.
    Before(Option<Pipe>, Box<(String, String)>),
    Upgrading(Option<Box<MidHandshake<ClientHandshake<Pipe>>>>),
    Web(Box<Web>),
}

/// An open WebSocket.
#[derive(Debug)]
pub(super) struct Web {
    inner: WebSocket<Pipe>,
    /// What is left of the frame that was read last.
    rest: Bytes,
    is_flushed: bool,
}

impl Socket {
    /// Starts to connect to `remote` from `source`; the socket becomes writable when that has come to an end.
    pub(super) fn connect(
        remote: &Remote,
        source: Option<IpAddr>,
        transport: &Transport,
        layering: &Layering,
    ) -> io::Result<Self> {
        let raw = match remote {
            Remote::Unix(path) => Raw::Unix(UnixStream::connect(path)?),
            Remote::Tcp(address) => Raw::Tcp(connect_tcp(*address, source, transport)?),
        };
        let pipe = match &layering.tls {
            None => Pipe::Raw(raw),
            #[cfg(feature = "psk")]
            Some(Encryption::PreSharedKey(context)) => {
                Pipe::PreSharedKey(Box::new(PreSharedKey::new(context, &layering.host, raw)?))
            }
            Some(Encryption::Certificates(config)) => {
                let wrong = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
                let name = ServerName::try_from(layering.host.clone()).map_err(wrong)?;
                let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                Pipe::Tls(Box::new(Tls::new(StreamOwned::new(connection, raw))))
            }
        };
        Ok(match &layering.websocket {
            Some(path) => Self::Before(Some(pipe), Box::new((layering.host.clone(), path.clone()))),
            None => Self::Pipe(pipe),
        })
    }

    /// Lets `registry` tell whenever something can be read or written.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let descriptor = match self.pipe() {
            Some(pipe) => pipe.raw().descriptor(),
            None => return Err(io::ErrorKind::NotConnected.into()),
        };
        registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Goes on with opening; whether MQTT can begin.
    ///
    /// # Errors
    ///
    /// Why it never will.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        match self {
            Self::Pipe(pipe) => Ok(pipe.raw().is_open()? && pipe.shake_hands()?),
            Self::Before(pipe, names) => {
                if let Some(open) = pipe
                    && !(open.raw().is_open()? && open.shake_hands()?)
                {
                    return Ok(false);
                }
                let Some(pipe) = pipe.take() else { return Err(io::ErrorKind::NotConnected.into()) };
                let request = request(&names.0, &names.1).map_err(io::Error::other)?;
                let begun = client::client_with_config(request, pipe, Some(client_config()));
                self.upgraded(begun)
            }
            Self::Upgrading(handshake) => {
                let Some(handshake) = handshake.take() else {
                    return Err(io::ErrorKind::NotConnected.into());
                };
                let gone_on = handshake.handshake();
                self.upgraded(gone_on)
            }
            Self::Web(_) => Ok(true),
        }
    }

    fn upgraded<R>(
        &mut self,
        result: Result<(WebSocket<Pipe>, R), HandshakeError<ClientHandshake<Pipe>>>,
    ) -> io::Result<bool> {
        match result {
            Ok((inner, _)) => {
                *self = Self::Web(Box::new(Web { inner, rest: Bytes::new(), is_flushed: true }));
                Ok(true)
            }
            Err(HandshakeError::Interrupted(handshake)) => {
                *self = Self::Upgrading(Some(Box::new(handshake)));
                Ok(false)
            }
            Err(HandshakeError::Failure(error)) => Err(into_io(error)),
        }
    }

    fn pipe(&self) -> Option<&Pipe> {
        match self {
            Self::Pipe(pipe) => Some(pipe),
            Self::Before(pipe, _) => pipe.as_ref(),
            Self::Upgrading(handshake) => handshake.as_ref().map(|handshake| handshake.get_ref().get_ref()),
            Self::Web(web) => Some(web.inner.get_ref()),
        }
    }

    /// How long its TLS handshake took and whether that resumed a session, once, when it is over.
    pub(super) fn handshake(&mut self) -> Option<(Duration, bool)> {
        match self {
            Self::Pipe(pipe) => pipe.handshake(),
            Self::Before(pipe, _) => pipe.as_mut()?.handshake(),
            Self::Upgrading(handshake) => handshake.as_mut()?.get_mut().get_mut().handshake(),
            Self::Web(web) => web.inner.get_mut().handshake(),
        }
    }

    /// Whether a short read means that nothing more is there; a layer may hold more back.
    #[inline]
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self, Self::Pipe(Pipe::Raw(_)))
    }

    /// Reads once; 0 at the end of the stream.
    #[inline]
    pub(super) fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.read(block),
            Self::Web(web) => web.read(block),
            Self::Before(..) | Self::Upgrading(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes what the way takes now.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.write(bytes),
            Self::Web(web) => web.write(bytes),
            Self::Before(..) | Self::Upgrading(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whether everything that was written has reached the socket.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::Pipe(pipe) => pipe.is_flushed(),
            Self::Web(web) => web.is_flushed,
            Self::Before(..) | Self::Upgrading(_) => true,
        }
    }

    /// Pushes on what a layer holds back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Pipe(pipe) => not_waiting(pipe.flush()),
            Self::Web(web) => web.flush(),
            Self::Before(..) | Self::Upgrading(_) => Ok(()),
        }
    }

    /// Ends the writing direction, each layer in its own way.
    pub(super) fn shutdown(&mut self) {
        match self {
            Self::Pipe(pipe) => pipe.shutdown(),
            Self::Web(web) => {
                // The end of the connection follows, with or without this frame.
                let _ = web.inner.close(None);
                let _ = web.inner.flush();
                web.inner.get_mut().shutdown();
            }
            Self::Before(..) | Self::Upgrading(_) => {}
        }
    }

    /// Asks the kernel to acknowledge now what was read, instead of after its 40 ms.
    pub(super) fn acknowledge_quickly(&self) {
        if let Some(pipe) = self.pipe() {
            pipe.raw().acknowledge_quickly();
        }
    }
}

impl Web {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.inner.read() {
                Ok(Message::Binary(content)) => self.rest = content,
                // [MQTT-6.0.0-1]: a frame that is not binary ends the connection.
                Ok(Message::Text(_)) => return Err(io::ErrorKind::InvalidData.into()),
                Ok(Message::Close(_))
                | Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => {
                    return Ok(0);
                }
                Ok(_) => {}
                Err(error) => return Err(into_io(error)),
            }
        }
        let count = self.rest.len().min(block.len());
        self.rest.copy_to_slice(&mut block[..count]);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_flushed {
            self.flush()?;
            if !self.is_flushed {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        match self.inner.write(Message::Binary(Bytes::copy_from_slice(bytes))).map_err(into_io) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            // A frame that the socket did not take is kept by the layer.
            _ => self.is_flushed = false,
        }
        self.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.inner.flush().map_err(into_io) {
            Ok(()) => {
                self.is_flushed = true;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn not_waiting(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

fn into_io(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::other(other),
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
