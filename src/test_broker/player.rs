//! Clients that a test or a scenario plays itself.

use super::TestBroker;
use super::actor::{ActorId, Told};
use crate::packet::{
    Connack, Connect, Disconnect, Properties, Publish, ReasonCode, SubscriptionOptions, Text,
};
use crate::session::{self, SessionError};
use std::time::Duration;
use thiserror::Error;

/// Why a player's wish was not fulfilled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlayerError {
    /// The broker is stopped.
    #[error("the broker is stopped")]
    Stopped,
    /// CONNACK refused it.
    #[error("refused: {} (0x{:02x})", .0.refusal_name(), .0.0)]
    Refused(ReasonCode),
    /// The connection ended before the answer.
    #[error("the connection ended{}", .0.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Closed(Option<String>),
    /// The broker behind cannot be reached.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// No answer came in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The session did not take it.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// A client with a session of its own, which may connect more than once.
#[derive(Debug)]
pub struct Player {
    broker: TestBroker,
    id: ActorId,
    listener: usize,
    is_inside: bool,
}

impl Player {
    pub(super) fn new(broker: TestBroker, connect: Connect) -> Self {
        Self::with(broker, session::Config { connect, ..session::Config::default() }, false)
    }

    /// One that neither rules nor journal concern.
    pub(super) fn inside(broker: TestBroker, config: session::Config) -> Self {
        Self::with(broker, config, true)
    }

    fn with(broker: TestBroker, config: session::Config, is_inside: bool) -> Self {
        let id = broker.hub().with(|state| state.make_actor(config));
        let listener = if is_inside { broker.shared.inside } else { 0 };
        Self { broker, id, listener, is_inside }
    }

    pub(super) const fn id(&self) -> ActorId {
        self.id
    }

    /// Connects and waits for the CONNACK.
    ///
    /// # Errors
    ///
    /// Every [`PlayerError`] but the last.
    pub async fn connect(&self, within: Duration) -> Result<Connack, PlayerError> {
        let (id, listener, is_inside) = (self.id, self.listener, self.is_inside);
        self.broker
            .hub()
            .with(|state| state.connect_actor(id, listener, is_inside))
            .ok_or(PlayerError::Stopped)?;
        self.wait(within, |told| match told {
            Told::Connected(connack) => Some(Ok(connack.clone())),
            Told::Refused(connack) => Some(Err(PlayerError::Refused(connack.reason))),
            Told::Closed(fault) => Some(Err(PlayerError::Closed(fault.clone()))),
            _ => None,
        })
        .await?
    }

    /// Subscribes and waits for the SUBACK: the granted QoS or refusal of each filter.
    ///
    /// # Errors
    ///
    /// Every [`PlayerError`].
    pub async fn subscribe(
        &self,
        properties: Properties,
        filters: Vec<(Text, SubscriptionOptions)>,
        within: Duration,
    ) -> Result<Vec<ReasonCode>, PlayerError> {
        let id = self.id;
        let asked = self.broker.hub().with(|state| {
            let now = state.now();
            let actor = state.actor(id).ok_or(PlayerError::Stopped)?;
            let asked = actor.subscribe(now, properties, filters)?;
            state.stir(id);
            Ok::<_, PlayerError>(asked)
        })?;
        self.wait(within, |told| match told {
            Told::Subscribed(suback) if suback.packet_identifier == asked => Some(Ok(suback.reasons.clone())),
            Told::Closed(fault) => Some(Err(PlayerError::Closed(fault.clone()))),
            _ => None,
        })
        .await?
    }

    /// Unsubscribes and waits for the UNSUBACK.
    ///
    /// # Errors
    ///
    /// Every [`PlayerError`].
    pub async fn unsubscribe(&self, filters: Vec<Text>, within: Duration) -> Result<(), PlayerError> {
        let id = self.id;
        let asked = self.broker.hub().with(|state| {
            let now = state.now();
            let actor = state.actor(id).ok_or(PlayerError::Stopped)?;
            let asked = actor.unsubscribe(now, filters)?;
            state.stir(id);
            Ok::<_, PlayerError>(asked)
        })?;
        self.wait(within, |told| match told {
            Told::Unsubscribed(identifier) if *identifier == asked => Some(Ok(())),
            Told::Closed(fault) => Some(Err(PlayerError::Closed(fault.clone()))),
            _ => None,
        })
        .await?
    }

    /// Publishes and waits until the message is acknowledged, at QoS 0 until it is sent.
    ///
    /// # Errors
    ///
    /// Every [`PlayerError`].
    pub async fn publish(&self, publish: Publish, within: Duration) -> Result<ReasonCode, PlayerError> {
        let sent = self.send(publish)?;
        self.wait(within, |told| match told {
            Told::Acknowledged(number, reason) if *number == sent => Some(Ok(*reason)),
            _ => None,
        })
        .await?
    }

    /// Publishes and does not wait.
    ///
    /// # Errors
    ///
    /// [`PlayerError::Session`] when the session does not take it.
    pub fn send(&self, publish: Publish) -> Result<session::PublishId, PlayerError> {
        let id = self.id;
        self.broker.hub().with(|state| {
            let now = state.now();
            let actor = state.actor(id).ok_or(PlayerError::Stopped)?;
            let sent = actor.publish(now, publish)?;
            state.stir(id);
            Ok(sent)
        })
    }

    /// Leaves with DISCONNECT; its will is not published, unless the Reason Code asks for it.
    pub fn disconnect(&self, disconnect: Disconnect) {
        let id = self.id;
        self.broker.hub().with(|state| {
            let now = state.now();
            if let Some(actor) = state.actor(id) {
                actor.disconnect(now, disconnect);
            }
            state.stir(id);
        });
    }

    /// Is gone without a word, as a process that was killed.
    pub fn kill(&self) {
        let id = self.id;
        self.broker.hub().with(|state| state.kill_actor(id));
    }

    /// Whether it is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let id = self.id;
        self.broker.hub().lock().actor(id).is_some_and(|actor| actor.is_connected())
    }

    /// The messages that came and were not taken yet.
    pub fn take_messages(&self) -> Vec<Publish> {
        let id = self.id;
        let mut state = self.broker.hub().lock();
        let Some(actor) = state.actor(id) else {
            return Vec::new();
        };
        let mut messages = Vec::new();
        actor.told.retain(|told| match told {
            Told::Message(publish) => {
                messages.push(publish.clone());
                false
            }
            _ => true,
        });
        messages
    }

    /// Waits for the next message; `None` when none comes within `within`.
    pub async fn next_message(&self, within: Duration) -> Option<Publish> {
        let take = |told: &Told| match told {
            Told::Message(publish) => Some(publish.clone()),
            _ => None,
        };
        self.wait(within, take).await.ok()
    }

    /// Waits for something that it is told, and takes that alone.
    async fn wait<T>(
        &self,
        within: Duration,
        mut wanted: impl FnMut(&Told) -> Option<T>,
    ) -> Result<T, PlayerError> {
        let id = self.id;
        let found = self.broker.hub().wait(within, |state| {
            let told = &mut state.actor(id)?.told;
            let at = told.iter().position(|told| wanted(told).is_some())?;
            let found = told.remove(at)?;
            wanted(&found)
        });
        found.await.map_err(|_| PlayerError::TimedOut(within))
    }
}

impl TestBroker {
    /// The client that publishes for the broker itself, connected.
    pub(super) async fn publisher(&self) -> Result<Player, PlayerError> {
        let shared = &self.shared;
        let known = *shared.publisher.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(id) = known {
            let player = Player { broker: self.clone(), id, listener: shared.inside, is_inside: true };
            if player.is_connected() {
                return Ok(player);
            }
        }
        let name = format!("culex-test-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let name = if self.hub().lock().is_in_front { name } else { "culex-test".to_owned() };
        let (player, _) = self.insider(&name).await?;
        *shared.publisher.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(player.id());
        Ok(player)
    }
}
