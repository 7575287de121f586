//! Sockets that are joined to lines.

use super::end::End;
use super::hub::Hub;
use super::state::{Admission, Arrival};
use crate::fault::Ending;
use crate::net::server::{Arriving, Incoming};
use crate::net::{Prompt, Transport};
use crate::packet::Sender;
use socket2::SockRef;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// How long a listener rests after the system refused to accept.
const PAUSE: Duration = Duration::from_millis(50);

/// How long TLS and WebSocket handshakes may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(30);

/// Takes connections for ever; `kind` is what the listener speaks.
pub(super) async fn serve(hub: Arc<Hub>, incoming: Incoming, kind: &'static str) {
    loop {
        match incoming.accept().await {
            Ok(arriving) => drop(tokio::spawn(carry(Arc::clone(&hub), arriving, kind))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Carries one connection from its first byte to its last.
async fn carry(hub: Arc<Hub>, arriving: Arriving, kind: &'static str) {
    let socket = arriving.socket().map(Arc::new);
    let peer = arriving.peer();
    let arrival = Arrival {
        listener: arriving.plan(),
        kind,
        address: peer.map(|peer| peer.ip().to_string()).unwrap_or_default(),
        port: peer.map_or(0, |peer| peer.port()),
        socket: socket.clone(),
        actor: None,
        is_inside: false,
    };
    let Some(line) = hub.with(|state| state.accept(&arrival)) else {
        return;
    };
    let mut end = End::new(Arc::clone(&hub), line, Sender::Client);
    let admission = hub.lock().admission(line);
    match admission {
        Admission::Granted => {}
        Admission::Silent => return swallow(arriving.into_transport()).await,
        Admission::Ended(ending) => return close(socket.as_deref(), ending),
    }
    // The rules saw the connection before its handshake, the broker sees it behind it.
    let Ok(Ok((stream, identity))) = tokio::time::timeout(HANDSHAKE_MAX, arriving.climb()).await else {
        return;
    };
    hub.with(|state| state.attach(line, &arrival, identity));
    drop(arrival);
    let mut stream = Prompt::new(stream, socket.clone());
    let carried = tokio::io::copy_bidirectional(&mut stream, &mut end).await;
    if carried.is_err() && hub.lock().is_reset(line) {
        close(socket.as_deref(), Ending::Reset);
    }
}

/// Reads and says nothing, until the peer has had enough.
async fn swallow(mut stream: Box<dyn Transport>) {
    let mut block = [0; 4096];
    while stream.read(&mut block).await.is_ok_and(|count| count > 0) {}
}

/// Lets a socket end with RST where that is wanted; it is closed when its last descriptor is dropped.
fn close(socket: Option<&OwnedFd>, ending: Ending) {
    if let (Some(socket), Ending::Reset) = (socket, ending) {
        // A socket that has no such option ends in order.
        let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }
}
