//! A port that stays ours while nobody listens on it, so that a server can die and come back without another test taking
//! its place.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A free port of 127.0.0.1, bound and not listened on: connections to it are refused until somebody [listens](Self::listen).
pub(crate) struct ReservedPort {
    _socket: Socket,
    pub(crate) port: u16,
}

impl ReservedPort {
    pub(crate) fn take() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Lets listeners bind the same port, which set it too.
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        Self { _socket: socket, port }
    }

    /// Listens; a program that another test is just starting holds the listener before for as long as it is not yet that
    /// program, so that the port may be in use for a moment.
    pub(crate) fn listen(&self) -> TcpListener {
        const TRIES_MAX: usize = 10_000_000;
        let mut bound = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port));
        for _ in 0..TRIES_MAX {
            if !matches!(&bound, Err(error) if error.kind() == std::io::ErrorKind::AddrInUse) {
                break;
            }
            std::thread::yield_now();
            bound = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port));
        }
        bound.unwrap()
    }
}
