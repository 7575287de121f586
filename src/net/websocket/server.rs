//! The server's side of the WebSocket handshake.

use super::{SUBPROTOCOL, WRITE_BUFFER_BYTES_MAX, WebSocket, WebSocketError};
use bytes::Bytes;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::{
    self,
    handshake::server::{ErrorResponse, Request, Response},
    http::{HeaderValue, StatusCode, header},
    protocol::WebSocketConfig,
};

/// What is read from a WebSocket at once, in bytes; idle connections hold a buffer of this size.
const READ_BUFFER_BYTES: usize = 4096;

/// What may lie in one frame beside the largest packet, in bytes: clients put small packets together.
const FRAME_BYTES_BESIDE_PACKET: usize = 64 * 1024;

/// What MQTT 3.1 was spoken under before the subprotocol was registered; some libraries still ask for it.
const OLD_SUBPROTOCOL: &str = "mqttv3.1";

/// How a listener accepts WebSockets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebSocketPlan {
    /// The origins that may connect; empty for every one, and for none named.
    pub origins: Vec<String>,
    /// The longest request, in bytes; 0 for the most that is ever read, 65,536.
    pub header_bytes_max: usize,
    /// The longest frame, in bytes.
    pub frame_bytes_max: usize,
}

impl Default for WebSocketPlan {
    fn default() -> Self {
        Self { origins: Vec::new(), header_bytes_max: 0, frame_bytes_max: 2_000_000 }
    }
}

impl WebSocketPlan {
    /// Takes connections from everywhere, for packets of at most `bytes`.
    #[must_use]
    pub fn for_packets(bytes: u32) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self { frame_bytes_max: bytes.saturating_add(FRAME_BYTES_BESIDE_PACKET), ..Self::default() }
    }
}

/// Answers the handshake on `stream`; also tells for whom a proxy says that it connects (`X-Forwarded-For`).
///
/// The subprotocol must be `mqtt` (or the older `mqttv3.1`), and the origin one of the plan's [MQTT-6.0.0-3],
/// [MQTT-6.0.0-4]. A request that is refused is answered with 400, 403 or 431.
///
/// # Errors
///
/// [`WebSocketError::Io`] of the stream, [`WebSocketError::Refused`] for every other request than that.
pub async fn accept<S>(
    stream: S,
    plan: &WebSocketPlan,
) -> Result<(WebSocket<S>, Option<IpAddr>), WebSocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(plan.frame_bytes_max))
        .max_frame_size(Some(plan.frame_bytes_max))
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX);
    let mut forwarded_for = None;
    #[allow(clippy::result_large_err)] // the signature is the crate's
    let judge = |request: &Request, response| judge(plan, request, response, &mut forwarded_for);
    match accept_hdr_async_with_config(stream, judge, Some(config)).await {
        Ok(inner) => Ok((WebSocket { inner, rest: Bytes::new() }, forwarded_for)),
        Err(tungstenite::Error::Io(error)) => Err(WebSocketError::Io(error)),
        Err(tungstenite::Error::Http(response)) => Err(WebSocketError::Refused(match response.body() {
            Some(body) => String::from_utf8_lossy(body).into_owned(),
            None => response.status().to_string(),
        })),
        Err(tungstenite::Error::Protocol(tungstenite::error::ProtocolError::HandshakeIncomplete)) => {
            Err(WebSocketError::Io(io::ErrorKind::UnexpectedEof.into()))
        }
        Err(error) => Err(WebSocketError::Refused(error.to_string())),
    }
}

/// Reads the request's headers.
#[allow(clippy::result_large_err)] // the signature is the crate's
fn judge(
    plan: &WebSocketPlan,
    request: &Request,
    mut response: Response,
    forwarded_for: &mut Option<IpAddr>,
) -> Result<Response, ErrorResponse> {
    let headers = request.headers();
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let limit = plan.header_bytes_max;
    if limit > 0 && size > limit {
        return Err(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long"));
    }
    let origins = &plan.origins;
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes).unwrap_or_default();
    if !origins.is_empty() && !origins.iter().any(|allowed| allowed.as_bytes() == origin) {
        return Err(refusal(StatusCode::FORBIDDEN, "this origin may not connect"));
    }
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offers = offers.iter().filter_map(|offer| offer.to_str().ok());
    let offered: Vec<_> = offers.flat_map(|offer| offer.split(',')).map(str::trim).collect();
    let chosen = [SUBPROTOCOL, OLD_SUBPROTOCOL].into_iter().find(|known| offered.contains(known));
    let Some(chosen) = chosen else {
        return Err(refusal(StatusCode::BAD_REQUEST, "the subprotocol mqtt was not offered"));
    };
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen));
    let forwarded = headers.get("X-Forwarded-For").and_then(|value| value.to_str().ok());
    *forwarded_for = forwarded.and_then(first_address);
    Ok(response)
}

fn refusal(status: StatusCode, text: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(text.to_owned()));
    *response.status_mut() = status;
    let length = HeaderValue::from(text.len());
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The client's own address: the first one of the list, which each proxy on the way adds to.
fn first_address(list: &str) -> Option<IpAddr> {
    let first = list.split(',').next()?.trim();
    let bare = first.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| first.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const MQTT: &str = "Sec-WebSocket-Protocol: mqtt";

    /// What the server answers to these headers, and what it makes of them.
    fn answer(plan: &WebSocketPlan, headers: &[&str]) -> (String, Result<Option<IpAddr>, String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut near, far) = tokio::io::duplex(65_536);
            let mut request =
                "GET /any HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    .to_owned();
            headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
            request.push_str("\r\n");
            near.write_all(request.as_bytes()).await.unwrap();
            let accepted = accept(far, plan).await;
            let result = accepted.map(|(_, forwarded)| forwarded).map_err(|error| error.to_string());
            let mut answer = String::new();
            near.read_to_string(&mut answer).await.unwrap();
            (answer.lines().next().unwrap_or_default().to_owned(), result)
        })
    }

    #[test]
    fn the_subprotocol_is_asked_for_in_every_form() {
        let plan = WebSocketPlan::default();
        for offer in [MQTT, "Sec-WebSocket-Protocol: chat, mqtt", "Sec-WebSocket-Protocol: mqttv3.1"] {
            let (status, result) = answer(&plan, &[offer]);
            assert_eq!((status.as_str(), result), ("HTTP/1.1 101 Switching Protocols", Ok(None)), "{offer}");
        }
        for offer in ["Sec-WebSocket-Protocol: chat", "X-Other: mqtt", "Sec-WebSocket-Protocol: mqtt5"] {
            let (status, result) = answer(&plan, &[offer]);
            assert_eq!(status, "HTTP/1.1 400 Bad Request", "{offer}");
            assert!(result.unwrap_err().contains("subprotocol"));
        }
    }

    #[test]
    fn only_the_origins_of_the_plan_may_connect() {
        let plan =
            WebSocketPlan { origins: vec!["https://a.example".to_owned()], ..WebSocketPlan::default() };
        assert!(answer(&plan, &[MQTT, "Origin: https://a.example"]).1.is_ok());
        for headers in [&[MQTT, "Origin: https://b.example"][..], &[MQTT]] {
            let (status, result) = answer(&plan, headers);
            assert_eq!(status, "HTTP/1.1 403 Forbidden");
            assert!(result.unwrap_err().contains("origin"));
        }
    }

    #[test]
    fn long_headers_are_refused() {
        let plan = WebSocketPlan { header_bytes_max: 400, ..WebSocketPlan::default() };
        assert!(answer(&plan, &[MQTT]).1.is_ok());
        let (status, _) = answer(&plan, &[MQTT, &format!("Cookie: {}", "x".repeat(400))]);
        assert_eq!(status, "HTTP/1.1 431 Request Header Fields Too Large");
    }

    #[test]
    fn the_first_address_that_was_forwarded_is_the_clients() {
        let plan = WebSocketPlan::default();
        let forwarded = |value: &str| answer(&plan, &[MQTT, &format!("X-Forwarded-For: {value}")]).1;
        let address = |text: &str| Ok(Some(text.parse().unwrap()));
        assert_eq!(forwarded("192.0.2.7"), address("192.0.2.7"));
        assert_eq!(forwarded("192.0.2.7:4711, 198.51.100.1"), address("192.0.2.7"));
        assert_eq!(forwarded("[2001:db8::1]:4711"), address("2001:db8::1"));
        assert_eq!(forwarded("[2001:db8::1]"), address("2001:db8::1"));
        assert_eq!(forwarded("nonsense\", 192.0.2.7"), Ok(None));
    }
}
