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
                turn(&mut client).await?;
            }
            Ok::<_, SideError>(client)
        })?;
        Ok(Self { runtime, client })
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
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let turn = tokio::time::timeout(patience, turn(client)).await;
            turn.map_or(Ok(false), |heard| heard.map(|step| step.messages > 0))
        })
    }

    /// Publishes all of `messages` and waits until the broker has each of them; QoS 0 ones until they are written.
    ///
    /// # Errors
    ///
    /// [`SideError`], with the first message that the broker refuses.
    pub fn publish(&mut self, messages: impl Iterator<Item = Publish>) -> Result<(), SideError> {
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let mut pending = 0;
            for message in messages {
                let now = client.now();
                client.session().publish(now, message)?;
                pending += 1;
                while pending >= PENDING_MAX {
                    pending -= turn(client).await?.done;
                }
            }
            while pending > 0 {
                pending -= turn(client).await?.done;
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

/// What one step brought.
#[derive(Default)]
struct Step {
    /// Our messages that are done.
    done: usize,
    /// Messages that came.
    messages: usize,
}

async fn turn(client: &mut Client) -> Result<Step, SideError> {
    client.turn().await?;
    let mut step = Step::default();
    while let Some(event) = client.session().poll_event() {
        match event {
            Event::Acknowledged { reason, .. } if reason.is_error() => {
                return Err(SideError::Refused(reason));
            }
            Event::Acknowledged { .. } => step.done += 1,
            Event::Message(_) => step.messages += 1,
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
    Ok(step)
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
