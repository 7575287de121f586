//! The PROXY protocol, versions 1 and 2: a proxy tells whom it connects for, before anything else.
//!
//! The header is read to the byte, because what follows belongs to the layer above.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its end, in bytes.
const LINE_BYTES_MAX: usize = 107;

/// The longest body of version 2 that is read, in bytes: addresses, and extensions that are passed over.
const BODY_BYTES_MAX: usize = 4096;

/// The version that a listener demands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Reads the header from the front of `stream`; `None` when the proxy speaks for itself or does not know for whom.
///
/// # Errors
///
/// Those of the stream, and [`io::ErrorKind::InvalidData`] for everything that is no such header.
pub(super) async fn read<S>(stream: &mut S, version: ProxyProtocol) -> io::Result<Option<SocketAddr>>
where
    S: AsyncRead + Unpin,
{
    match version {
        ProxyProtocol::V1 => read_line(stream).await,
        ProxyProtocol::V2 => read_binary(stream).await,
    }
}

async fn read_line<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut line = Vec::with_capacity(LINE_BYTES_MAX);
    while !line.ends_with(b"\r\n") {
        let wanted = b"PROXY ";
        let is_other = line.iter().zip(wanted).any(|(byte, wanted)| byte != wanted);
        if is_other || line.len() >= LINE_BYTES_MAX {
            return Err(invalid());
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line[..line.len() - 2]).map_err(|_| invalid())?;
    parse_line(line).ok_or_else(invalid)
}

fn parse_line(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    if words.next() != Some("PROXY") {
        return None;
    }
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let mut address = || -> Option<IpAddr> {
        match family {
            "TCP4" => words.next()?.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => words.next()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, _destination) = (address()?, address()?);
    let mut port = || words.next()?.parse::<u16>().ok();
    let (source_port, _destination_port) = (port()?, port()?);
    words.next().is_none().then_some(Some(SocketAddr::new(source, source_port)))
}

async fn read_binary<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut head = [0; 16];
    // Another protocol is found out at its first byte, not after sixteen.
    for (at, byte) in head.iter_mut().enumerate() {
        *byte = stream.read_u8().await?;
        if SIGNATURE.get(at).is_some_and(|wanted| wanted != byte) {
            return Err(invalid());
        }
    }
    let [.., command, family, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > BODY_BYTES_MAX {
        return Err(invalid());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    parse_binary(command, family, &body).ok_or_else(invalid)
}

fn parse_binary(command: u8, family: u8, body: &[u8]) -> Option<Option<SocketAddr>> {
    match command {
        // LOCAL: the proxy itself, to see whether we are well.
        0x20 => return Some(None),
        0x21 => {}
        _ => return None,
    }
    let port = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    match family >> 4 {
        1 => {
            let octets: [u8; 4] = body.get(..4)?.try_into().ok()?;
            Some(Some(SocketAddr::new(IpAddr::from(octets), port(8).filter(|_| body.len() >= 12)?)))
        }
        2 => {
            let octets: [u8; 16] = body.get(..16)?.try_into().ok()?;
            Some(Some(SocketAddr::new(IpAddr::from(octets), port(32).filter(|_| body.len() >= 36)?)))
        }
        // Unspecified, or a unix socket, which has no address to speak of.
        0 | 3 => Some(None),
        _ => None,
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no valid PROXY protocol header")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the header says, and what is left behind it.
    fn header(version: ProxyProtocol, bytes: &[u8]) -> io::Result<(Option<SocketAddr>, Vec<u8>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut stream = bytes;
            let address = read(&mut stream, version).await?;
            Ok((address, stream.to_vec()))
        })
    }

    #[test]
    fn a_line_names_the_source_and_nothing_behind_it_is_touched() {
        let (address, rest) =
            header(ProxyProtocol::V1, b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 1883\r\n\x10\x0c").unwrap();
        assert_eq!(address, Some("192.0.2.1:56324".parse().unwrap()));
        assert_eq!(rest, b"\x10\x0c");
        let (address, _) = header(ProxyProtocol::V1, b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n").unwrap();
        assert_eq!(address, Some("[2001:db8::1]:1".parse().unwrap()));
        let unknown = header(ProxyProtocol::V1, b"PROXY UNKNOWN ffff::1 x\r\nrest").unwrap();
        assert_eq!(unknown, (None, b"rest".to_vec()));
    }

    #[test]
    fn a_line_that_lies_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_BYTES_MAX));
        for line in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
            "PROXY SCTP 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY\r\n",
            &long,
        ] {
            let error = header(ProxyProtocol::V1, line.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{line}");
        }
        let cut = header(ProxyProtocol::V1, b"PROXY TCP4 192").unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }

    fn binary(command: u8, family: u8, length: u16, body: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, family], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn the_binary_header_names_the_source_and_extensions_are_passed_over() {
        let body = [192, 0, 2, 1, 198, 51, 100, 1, 0xDC, 4, 7, 0x5B, 3, 0, 1, 9];
        let bytes = [binary(0x21, 0x11, 16, &body), b"rest".to_vec()].concat();
        let (address, rest) = header(ProxyProtocol::V2, &bytes).unwrap();
        assert_eq!((address, rest), (Some("192.0.2.1:56324".parse().unwrap()), b"rest".to_vec()));
        let mut body = [0; 36];
        body[15] = 1;
        body[33] = 9;
        let (address, _) = header(ProxyProtocol::V2, &binary(0x21, 0x21, 36, &body)).unwrap();
        assert_eq!(address, Some("[::1]:9".parse().unwrap()));
        let (address, _) = header(ProxyProtocol::V2, &binary(0x20, 0, 0, &[])).unwrap();
        assert_eq!(address, None);
    }

    #[test]
    fn a_binary_header_that_lies_is_refused() {
        let short = [1; 8];
        for bytes in [
            binary(0x21, 0x11, 8, &short),
            binary(0x21, 0x21, 8, &short),
            binary(0x31, 0x11, 0, &[]),
            binary(0x22, 0x11, 0, &[]),
            binary(0x21, 0x51, 0, &[]),
            binary(0x21, 0x11, u16::MAX, &[]),
            b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00".to_vec(),
        ] {
            let error = header(ProxyProtocol::V2, &bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:02x?}");
        }
        let cut = header(ProxyProtocol::V2, &binary(0x21, 0x11, 12, &short)).unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }
}
