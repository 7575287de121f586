//! A client beside the load, for what has to be so before it begins and after it has ended: one connection, no hurry.

use super::plan::{Address, Member, Plan};
use crate::net::tls::{TlsClient, TlsError};
use crate::net::{Client, ClientError, Clock, Endpoint, Target, dial};
use crate::packet::{Connect, Disconnect, Properties, Publish, ReasonCode, SubscriptionOptions, Text};
use crate::session::{Config, Event, Session, SessionError};
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::Runtime;

/// Messages that wait for their acknowledgement at once; the session's own window lies below.
const PENDING_MAX: usize = 500;

/// Messages that wait to be listened to.
const HEARD_MAX: usize = 1024;

/// Why the client beside the load could not do its part.
#[derive(Debug, Error)]
pub enum SideError {
    /// No connection.
    #[error("connecting beside the load: {0}")]
    Io(#[from] io::Error),
    /// The files for TLS.
    #[error("connecting beside the load: {0}")]
    Tls(#[from] TlsError),
    /// The connection was lost.
    #[error("beside the load: {0}")]
    Client(#[from] ClientError),
    /// The session refused a command.
    #[error("beside the load: {0}")]
    Session(#[from] SessionError),
    /// The broker refused us, or what we published.
    #[error("the broker refused what prepares the load with reason {}", .0.0)]
    Refused(ReasonCode),
}

/// The connected client.
pub struct Side {
    runtime: Runtime,
    client: Client,
    /// Messages that came and were not asked for yet.
    heard: Vec<Publish>,
}

impl Side {
    /// Connects to the plan's broker with the version, name and password of `like`, under the identifier `id` and with a
    /// clean session.
    ///
    /// # Errors
    ///
    /// [`SideError`].
    pub fn connect(plan: &Plan, like: Option<Member>, id: &str) -> Result<Self, SideError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let like = like.map_or_else(Connect::default, |member| plan.connect(member));
        let connect = Connect {
            version: like.version,
            user_name: like.user_name,
            password: like.password,
            // Nobody answers its pings while it has nothing to do.
            keep_alive: 0,
            client_identifier: Text::new(id.to_owned()).unwrap_or(Text::EMPTY),
            ..Connect::default()
        };
        let target = target(plan)?;
        let client = runtime.block_on(async {
            let mut client =
                Client::new(Session::new(Config { connect, ..Config::default() }), Clock::start());
            client.attach(dial(&target).await?);
            while !client.session().is_connected() {
                turn(&mut client, &mut Vec::new()).await?;
            }
            Ok::<_, SideError>(client)
        })?;
        Ok(Self { runtime, client, heard: Vec::new() })
    }

    /// Subscribes to `filter`.
    ///
    /// # Errors
    ///
    /// [`SideError`], also when the broker does not let us.
    pub fn subscribe(&mut self, filter: &str) -> Result<(), SideError> {
        let filters =
            vec![(Text::new(filter.to_owned()).unwrap_or(Text::EMPTY), SubscriptionOptions::default())];
        let now = self.client.now();
        self.client.session().subscribe(now, Properties::EMPTY, filters)?;
        Ok(())
    }

    /// Waits for a message, no longer than this; whether one came.
    ///
    /// # Errors
    ///
    /// [`SideError`].
    pub fn hears(&mut self, patience: Duration) -> Result<bool, SideError> {
        self.hear(patience).map(|messages| !messages.is_empty())
    }

    /// Waits for messages, no longer than this.
    ///
    /// # Errors
    ///
    /// [`SideError`].
    pub fn hear(&mut self, patience: Duration) -> Result<Vec<Publish>, SideError> {
        let Self { runtime, client, heard } = self;
        if heard.is_empty() {
            runtime.block_on(async {
                tokio::time::timeout(patience, turn(client, heard)).await.map_or(Ok(0), |turned| turned)
            })?;
        }
        Ok(std::mem::take(heard))
    }

    /// Publishes a message of QoS 0, as soon as the socket takes it, without waiting for that.
    ///
    /// # Errors
    ///
    /// [`SideError`].
    pub fn send(&mut self, message: Publish) -> Result<(), SideError> {
        let Self { runtime, client, .. } = self;
        let now = client.now();
        client.session().publish(now, message)?;
        runtime.block_on(async { client.flush() })?;
        Ok(())
    }

    /// Publishes all of `messages`, of QoS 1 or 2, and waits until the broker has each of them.
    ///
    /// # Errors
    ///
    /// [`SideError`], with the first message that the broker refuses.
    pub fn publish(&mut self, messages: impl Iterator<Item = Publish>) -> Result<(), SideError> {
        let Self { runtime, client, heard } = self;
        runtime.block_on(async {
            let mut pending = 0;
            for message in messages {
                let now = client.now();
                client.session().publish(now, message)?;
                pending += 1;
                while pending >= PENDING_MAX {
                    pending -= turn(client, heard).await?;
                }
            }
            while pending > 0 {
                pending -= turn(client, heard).await?;
            }
            Ok(())
        })
    }

    /// Ends the connection in order.
    ///
    /// # Errors
    ///
    /// When that cannot be told to the broker.
    pub fn finish(mut self) -> Result<(), SideError> {
        let now = self.client.now();
        let client = &mut self.client;
        client.session().disconnect(now, Disconnect::default());
        self.runtime.block_on(async {
            client.flush()?;
            client.shutdown();
            Ok(())
        })
    }
}

/// Takes one step; how many of our messages are done. Messages that come are `heard`, as long as somebody listens.
async fn turn(client: &mut Client, heard: &mut Vec<Publish>) -> Result<usize, SideError> {
    client.turn().await?;
    let mut done = 0;
    while let Some(event) = client.session().poll_event() {
        match event {
            Event::Acknowledged { reason, .. } if reason.is_error() => {
                return Err(SideError::Refused(reason));
            }
            Event::Acknowledged { .. } => done += 1,
            Event::Message(message) if heard.len() < HEARD_MAX => heard.push(message),
            Event::Subscribed(suback) => {
                if let Some(reason) = suback.reasons.iter().find(|reason| reason.is_error()) {
                    return Err(SideError::Refused(*reason));
                }
            }
            Event::Refused(connack) => return Err(SideError::Refused(connack.reason)),
            Event::Disconnected(disconnect) => return Err(SideError::Refused(disconnect.reason)),
            _ => {}
        }
    }
    Ok(done)
}

/// Ends the session of a client: connects under its identifier with a clean one.
///
/// # Errors
///
/// [`SideError`].
pub fn forget(plan: &Plan, member: Member) -> Result<(), SideError> {
    Side::connect(plan, Some(member), &plan.connect(member).client_identifier)?.finish()
}

/// Where the clients of `plan` connect to, for a client of [`crate::net`].
///
/// # Errors
///
/// When the files for TLS cannot be used.
pub(super) fn target(plan: &Plan) -> Result<Target, TlsError> {
    let transport = &plan.transport;
    let endpoint = match &transport.address {
        Address::Tcp(host, port) => Endpoint::Tcp { host: host.clone(), port: *port },
        Address::Unix(path) => Endpoint::Unix(path.clone()),
    };
    let settings = match plan.members().next().and_then(|member| plan.own_tls(member)) {
        Some(own) => Some(own),
        None => transport.layers.tls.clone(),
    };
    let mut no_pass_phrase = || Err(io::Error::other("the key is encrypted"));
    let tls = settings.map(|settings| TlsClient::new(&settings, &mut no_pass_phrase)).transpose()?;
    Ok(Target { tls, websocket: transport.layers.websocket.clone(), ..Target::plain(endpoint) })
}
