//! What carries the bytes of a connection: a socket, or TLS over it; neither ever waits.

#[cfg(feature = "psk")]
use super::psk::PreSharedKey;
use mio::net::{TcpStream, UnixStream};
use rustls::{ClientConnection, HandshakeKind, StreamOwned};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

/// A connected (or connecting) socket.
#[derive(Debug)]
pub(super) enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Raw {
    pub(super) fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(socket) => socket.as_raw_fd(),
            Self::Unix(socket) => socket.as_raw_fd(),
        }
    }

    /// Whether the connection is up; an error tells why it never will be.
    pub(super) fn is_open(&self) -> io::Result<bool> {
        let Self::Tcp(socket) = self else { return Ok(true) };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the writing direction.
    pub(super) fn shutdown(&self) {
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

impl Read for Raw {
    #[inline]
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(block),
            Self::Unix(socket) => socket.read(block),
        }
    }
}

impl Write for Raw {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket, or TLS over it.
#[derive(Debug)]
pub(super) enum Pipe {
    Raw(Raw),
    Tls(Box<Tls>),
    #[cfg(feature = "psk")]
    PreSharedKey(Box<PreSharedKey>),
}

/// TLS over a socket.
#[derive(Debug)]
pub(super) struct Tls {
    stream: StreamOwned<ClientConnection, Raw>,
    /// When its handshake began.
    began: Option<Instant>,
    /// How long that took, until somebody asks.
    took: Option<Duration>,
}

impl Tls {
    pub(super) const fn new(stream: StreamOwned<ClientConnection, Raw>) -> Self {
        Self { stream, began: None, took: None }
    }
}

impl Pipe {
    pub(super) fn raw(&self) -> &Raw {
        match self {
            Self::Raw(raw) => raw,
            Self::Tls(tls) => &tls.stream.sock,
            #[cfg(feature = "psk")]
            Self::PreSharedKey(tls) => tls.raw(),
        }
    }

    /// Goes on with the handshake; whether it is over.
    pub(super) fn shake_hands(&mut self) -> io::Result<bool> {
        let tls = match self {
            Self::Raw(_) => return Ok(true),
            Self::Tls(tls) => tls,
            #[cfg(feature = "psk")]
            Self::PreSharedKey(tls) => return tls.shake_hands(),
        };
        let began = *tls.began.get_or_insert_with(Instant::now);
        let stream = &mut tls.stream;
        while stream.conn.is_handshaking() {
            match stream.conn.complete_io(&mut stream.sock) {
                Ok(_) => tls.took = Some(began.elapsed()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// How long the handshake took and whether it resumed a session, once, when it is over.
    pub(super) fn handshake(&mut self) -> Option<(Duration, bool)> {
        let tls = match self {
            Self::Raw(_) => return None,
            Self::Tls(tls) => tls,
            #[cfg(feature = "psk")]
            Self::PreSharedKey(tls) => return tls.handshake().map(|took| (took, false)),
        };
        if tls.stream.conn.is_handshaking() {
            return None;
        }
        let is_resumed = tls.stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
        tls.took.take().map(|took| (took, is_resumed))
    }

    /// Whether everything that was written has reached the socket.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::Raw(_) => true,
            Self::Tls(tls) => !tls.stream.conn.wants_write(),
            #[cfg(feature = "psk")]
            Self::PreSharedKey(tls) => tls.is_flushed(),
        }
    }

    /// Says goodbye in the layer's own way, then ends the writing direction.
    pub(super) fn shutdown(&mut self) {
        #[cfg(feature = "psk")]
        if let Self::PreSharedKey(tls) = self {
            tls.say_goodbye();
        }
        if let Self::Tls(tls) = self {
            let stream = &mut tls.stream;
            stream.conn.send_close_notify();
            // The end of the connection follows, with or without this alert.
            let _ = stream.conn.write_tls(&mut stream.sock);
        }
        self.raw().shutdown();
    }
}

impl Read for Pipe {
    #[inline]
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Raw(raw) => raw.read(block),
            Self::Tls(tls) => match tls.stream.read(block) {
                // An end without an alert is an end all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                other => other,
            },
            #[cfg(feature = "psk")]
            Self::PreSharedKey(tls) => tls.read(block),
        }
    }
}

impl Write for Pipe {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Raw(raw) => raw.write(bytes),
            Self::Tls(tls) => tls.stream.write(bytes),
            #[cfg(feature = "psk")]
            Self::PreSharedKey(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Raw(_) => Ok(()),
            Self::Tls(tls) => tls.stream.flush(),
            #[cfg(feature = "psk")]
            Self::PreSharedKey(tls) => tls.flush(),
        }
    }
}
