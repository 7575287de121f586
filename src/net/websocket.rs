//! MQTT over WebSocket (MQTT 5, section 6): a byte stream made of binary frames.

mod server;

pub use server::{WebSocketPlan, accept};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        error::ProtocolError,
        handshake::client::{Request, generate_key},
        protocol::WebSocketConfig,
    },
};

/// The subprotocol that both sides must name [MQTT-6.0.0-3].
pub const SUBPROTOCOL: &str = "mqtt";

/// One write becomes one frame of at most this many bytes.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// What waits to be written at most, in bytes: a frame and the pongs that a peer asks for without taking them.
const WRITE_BUFFER_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// How many frames without content are taken at once: a peer that sends nothing but pings must not keep us from the others.
const EMPTY_FRAMES_MAX: usize = 64;

/// The largest frame that is taken from the peer, in bytes: a whole MQTT packet of the largest size.
const MESSAGE_BYTES_MAX: usize = 5 + 268_435_455;

/// Why a WebSocket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum WebSocketError {
    /// The transport below failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer did not answer with 101 and the subprotocol.
    #[error("the WebSocket handshake was refused: {0}")]
    Refused(String),
}

/// A WebSocket as a byte stream: what is read are the contents of binary frames, what is written becomes one each.
///
/// A write may leave its frame in a buffer when the transport is full, so a writer must flush before it waits.
#[derive(Debug)]
pub struct WebSocket<S> {
    inner: WebSocketStream<S>,
    /// The rest of the frame that is being read.
    rest: Bytes,
}

/// Opens a WebSocket over `stream` with `GET path`, the headers that mosquitto's clients send, and the subprotocol
/// `mqtt` [MQTT-6.0.0-3].
///
/// `host` goes into the Host header, without the port.
///
/// # Errors
///
/// [`WebSocketError::Io`] of the stream, [`WebSocketError::Refused`] for every other answer than an upgrade to `mqtt`.
pub async fn connect<S>(stream: S, host: &str, path: &str) -> Result<WebSocket<S>, WebSocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(host, path)?;
    let config = client_config().max_write_buffer_size(WRITE_BUFFER_BYTES_MAX);
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((inner, _response)) => Ok(WebSocket { inner, rest: Bytes::new() }),
        Err(tungstenite::Error::Io(error)) => Err(WebSocketError::Io(error)),
        Err(tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete)) => {
            Err(WebSocketError::Io(io::ErrorKind::UnexpectedEof.into()))
        }
        Err(error) => Err(WebSocketError::Refused(error.to_string())),
    }
}

/// The request that opens a WebSocket for MQTT.
pub(crate) fn request(host: &str, path: &str) -> Result<Request, WebSocketError> {
    Request::builder()
        .method("GET")
        // Only the path goes over the wire; the crate wants to see a scheme.
        .uri(format!("ws://mqtt{path}"))
        .header("Host", host)
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", generate_key())
        .header("Sec-WebSocket-Protocol", SUBPROTOCOL)
        .header("Sec-WebSocket-Version", "13")
        .body(())
        .map_err(|error| WebSocketError::Refused(error.to_string()))
}

/// The limits of a client's side.
pub(crate) fn client_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        .write_buffer_size(0)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut empty_frames = 0;
        while self.rest.is_empty() {
            empty_frames += 1;
            if empty_frames > EMPTY_FRAMES_MAX {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut self.inner).poll_next(cx)) {
                Some(Ok(Message::Binary(content))) => self.rest = content,
                // Pings are answered below us; what else may come between carries nothing.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                // [MQTT-6.0.0-1]: a frame that is not binary ends the connection.
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return closed(error),
            }
        }
        let count = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// An end without a closing handshake is an end all the same.
fn closed(error: tungstenite::Error) -> Poll<io::Result<()>> {
    match error {
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Poll::Ready(Ok(())),
        error => Poll::Ready(Err(into_io(error))),
    }
}

fn into_io(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = buf.len().min(FRAME_BYTES_MAX);
        // Pongs that wait leave less room than a frame may need.
        ready!(Pin::new(&mut self.inner).poll_flush(cx)).map_err(into_io)?;
        ready!(Pin::new(&mut self.inner).poll_ready(cx)).map_err(into_io)?;
        let frame = Message::Binary(Bytes::copy_from_slice(&buf[..count]));
        Pin::new(&mut self.inner).start_send(frame).map_err(into_io)?;
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(into_io(error))),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx).map_err(into_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.inner).poll_close(cx)) {
            Ok(()) | Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => {
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(into_io(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_tungstenite::{
        accept_hdr_async,
        tungstenite::handshake::server::{Request as ServerRequest, Response},
    };

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn bytes_travel_both_ways_whatever_the_frames() {
        block_on(async {
            let (near, far) = tokio::io::duplex(1000);
            let server = async {
                let mut seen = None;
                #[allow(clippy::result_large_err)] // the signature is the crate's
                let accept = |request: &ServerRequest, mut response: Response| {
                    seen = request.headers().get("Sec-WebSocket-Protocol").cloned();
                    let host = request.headers().get("Host").and_then(|host| host.to_str().ok());
                    assert_eq!((host, request.uri().path()), (Some("broker"), "/mqtt"));
                    response.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
                    Ok(response)
                };
                let inner = accept_hdr_async(far, accept).await.unwrap();
                let mut echo = WebSocket { inner, rest: Bytes::new() };
                let mut buffer = vec![0; 333];
                let mut total = 0;
                while total < 200_000 {
                    let count = echo.read(&mut buffer).await.unwrap();
                    echo.write_all(&buffer[..count]).await.unwrap();
                    echo.flush().await.unwrap();
                    total += count;
                }
                echo.shutdown().await.unwrap();
                seen
            };
            let client = async {
                let socket = connect(near, "broker", "/mqtt").await.unwrap();
                let (mut reading, mut writing) = tokio::io::split(socket);
                let sent: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
                let mut received = Vec::new();
                let write = async {
                    writing.write_all(&sent).await?;
                    writing.flush().await
                };
                let (written, read) = tokio::join!(write, reading.read_to_end(&mut received));
                written.unwrap();
                read.unwrap();
                assert_eq!(received, sent);
            };
            let (seen, ()) = tokio::join!(server, client);
            assert_eq!(seen.unwrap(), "mqtt");
        });
    }

    #[test]
    fn a_server_that_does_not_upgrade_is_a_refusal() {
        block_on(async {
            let (near, mut far) = tokio::io::duplex(1000);
            let server = async {
                let mut request = [0; 900];
                let count = far.read(&mut request).await.unwrap();
                assert!(count > 0);
                far.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            };
            let ((), result) = tokio::join!(server, connect(near, "broker", "/mqtt"));
            assert!(matches!(result, Err(WebSocketError::Refused(_))), "{result:?}");
        });
    }
}
