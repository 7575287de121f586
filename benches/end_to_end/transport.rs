//! What a load travels over: TCP, TLS, or WebSocket.

use mio::{Interest, Registry, Token, net::TcpStream};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::CertificateDer};
use std::{
    fs,
    io::{self, Read, Write},
    net,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    WebSocket,
}

/// A self-signed certificate for `localhost`, and where it lies for a broker.
struct Certificate {
    der: CertificateDer<'static>,
    folder: PathBuf,
}

fn certificate() -> &'static Certificate {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = std::env::temp_dir().join(format!("culex-bench-{}-tls", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
        fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
        Certificate { der: certificate.der().clone(), folder }
    })
}

fn unused_socket(number: usize) -> PathBuf {
    std::env::temp_dir().join(format!("culex-bench-{}-{number}.sock", std::process::id()))
}

/// Removes what was written for brokers.
pub(crate) fn clean_up() {
    (0..).map(unused_socket).take_while(|path| fs::remove_file(path).is_ok()).for_each(drop);
    let _ = fs::remove_dir_all(std::env::temp_dir().join(format!("culex-bench-{}-tls", std::process::id())));
}

impl Transport {
    /// The options of a listener that speaks it.
    pub(crate) fn options(self) -> String {
        match self {
            Self::Tcp => String::new(),
            Self::WebSocket => {
                // mosquitto 2.0.11 refuses to start with listeners for WebSocket alone.
                static NUMBER: AtomicUsize = AtomicUsize::new(0);
                let socket = unused_socket(NUMBER.fetch_add(1, Ordering::Relaxed));
                format!("protocol websockets\nlistener 0 {}\n", socket.display())
            }
            Self::Tls => {
                let folder = certificate().folder.display();
                format!("certfile {folder}/server.pem\nkeyfile {folder}/server.key\n")
            }
        }
    }
}

/// A connection; it blocks until it is registered.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    WebSocket(WebSocket),
}

fn tls_session() -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(certificate().der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

impl Stream {
    pub(crate) fn open(port: u16, transport: Transport) -> Self {
        let stream = net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = TcpStream::from_std(stream);
        match transport {
            Transport::Tcp => Self::Tcp(stream),
            Transport::Tls => Self::Tls(Box::new(StreamOwned::new(tls_session(), stream))),
            Transport::WebSocket => Self::WebSocket(WebSocket::upgrade(stream)),
        }
    }

    fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => &mut stream.sock,
            Self::WebSocket(stream) => &mut stream.socket,
        }
    }

    /// From here on it does not block.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token, interest: Interest) {
        let socket = self.socket();
        socket2::SockRef::from(&*socket).set_nonblocking(true).unwrap();
        registry.register(socket, token, interest).unwrap();
    }
}

impl Read for Stream {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(block),
            Self::Tls(stream) => stream.read(block),
            Self::WebSocket(stream) => stream.read(block),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::WebSocket(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
            Self::WebSocket(stream) => stream.flush(),
        }
    }
}

/// As little of RFC 6455 as a load needs.
pub(crate) struct WebSocket {
    socket: TcpStream,
    /// Bytes as they came, not yet taken.
    came: Vec<u8>,
    /// Of the frame at the front of `came`, what is left of its content.
    frame_left: usize,
    /// Frames that the socket has not taken.
    pending: Vec<u8>,
}

impl WebSocket {
    fn upgrade(mut socket: TcpStream) -> Self {
        let request = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: mqtt\r\n\r\n";
        socket.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut byte) = (Vec::new(), [0]);
        while !answer.ends_with(b"\r\n\r\n") {
            assert_eq!(socket.read(&mut byte).unwrap(), 1, "the broker closed the connection");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self { socket, came: Vec::new(), frame_left: 0, pending: Vec::new() }
    }

    /// The bytes of the header at the front and those of the content behind it, once it is there.
    fn header(&self) -> Option<(usize, usize)> {
        let short = *self.came.get(1)?;
        match short {
            127 => {
                let long = self.came.get(2..10)?;
                Some((10, usize::try_from(u64::from_be_bytes(long.try_into().unwrap())).unwrap()))
            }
            126 => {
                let long = self.came.get(2..4)?;
                Some((4, usize::from(u16::from_be_bytes([long[0], long[1]]))))
            }
            length => Some((2, usize::from(length))),
        }
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame_left > 0 && !self.came.is_empty() {
                let count = self.frame_left.min(self.came.len()).min(block.len());
                block[..count].copy_from_slice(&self.came[..count]);
                self.came.drain(..count);
                self.frame_left -= count;
                return Ok(count);
            }
            if self.frame_left == 0
                && let Some((header, content)) = self.header()
            {
                assert_eq!(self.came[0] & 0x0F, 2, "a frame of another kind than binary");
                self.came.drain(..header);
                self.frame_left = content;
                continue;
            }
            let mut part = [0; 1 << 16];
            match self.socket.read(&mut part)? {
                0 => return Ok(0),
                count => self.came.extend_from_slice(&part[..count]),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let bytes = &bytes[..bytes.len().min(65_535)];
        let length = u16::try_from(bytes.len()).unwrap();
        if length < 126 {
            self.pending.extend([0x82, 0x80 | bytes.len() as u8]);
        } else {
            self.pending.extend([0x82, 0x80 | 126]);
            self.pending.extend(length.to_be_bytes());
        }
        // A mask of zeros leaves the content as it is.
        self.pending.extend([0; 4]);
        self.pending.extend_from_slice(bytes);
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let count = self.socket.write(&self.pending)?;
            self.pending.drain(..count);
        }
        Ok(())
    }
}
