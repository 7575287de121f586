//! `client`: clients that the scenario plays.

use super::engine::{Failure, Play};
use super::scenario::{ClientSpec, ConnectOptions, ConnectSpec, ExpectSpec, SubscribeSpec};
use super::{compile, start};
use crate::journal::Published;
use crate::packet::{
    Connect, Disconnect, Properties, Property, PropertyIdentifier, ProtocolVersion, Publish, Qos, ReasonCode,
    SubscriptionOptions, Text, Will,
};
use crate::test_broker::{Player, PlayerError};
use serde_json::Value;

impl Play {
    pub(super) async fn play_client(&mut self, spec: &ClientSpec) -> Result<(), Failure> {
        let id = self.variables.fill(&spec.id)?;
        let is_looking = spec.connect.is_none()
            && spec.subscribe.is_none()
            && spec.unsubscribe.is_empty()
            && spec.publish.is_none()
            && spec.disconnect.is_none()
            && !spec.kill;
        if !is_looking {
            self.set_off();
        }
        match &spec.connect {
            Some(ConnectSpec::Plain(true)) => {
                self.connect_player(&id, None).await?;
            }
            Some(ConnectSpec::With(options)) => self.connect_player(&id, Some(options)).await?,
            Some(ConnectSpec::Plain(false)) | None => {}
        }
        if let Some(subscribe) = &spec.subscribe {
            self.subscribe_player(&id, subscribe).await?;
        }
        if !spec.unsubscribe.is_empty() {
            let filters =
                spec.unsubscribe.iter().map(|filter| self.text(filter)).collect::<Result<Vec<_>, _>>()?;
            self.player(&id)?.unsubscribe(filters, self.within).await.map_err(|error| told(&id, &error))?;
        }
        if let Some(publish) = &spec.publish {
            let mut publish = publish.clone();
            publish.client = Some(id.clone());
            self.publish(&publish).await?;
        }
        if let Some(receive) = &spec.receive {
            self.receive(&id, receive).await?;
        }
        if spec.receive_nothing {
            self.let_come(None).await?;
            let mut left = self.passed_over.remove(&id).unwrap_or_default();
            left.extend(self.player(&id)?.take_messages());
            if let Some(message) = left.first() {
                return Err(Failure::failed(format!(
                    "{id} received a message on {} that it must not: {}",
                    message.topic,
                    crate::test_broker::matcher::shown(&message.payload)
                )));
            }
        }
        match &spec.disconnect {
            None | Some(Value::Bool(false)) => {}
            Some(reason) => {
                let reason = match reason {
                    Value::Bool(true) => ReasonCode::SUCCESS,
                    other => {
                        serde_json::from_value::<crate::fault::spec::ReasonSpec>(other.clone())
                            .map_err(|error| format!("disconnect: {error}"))?
                            .0
                    }
                };
                self.player(&id)?.disconnect(Disconnect { reason, properties: Properties::EMPTY });
            }
        }
        if spec.kill {
            self.player(&id)?.kill();
        }
        Ok(())
    }

    pub(super) fn player(&self, id: &str) -> Result<&Player, Failure> {
        self.players.get(id).ok_or_else(|| {
            let known = self.players.keys().map(String::as_str);
            let suggestion = super::load::suggestion(id, known);
            Failure::broken(format!("the client '{id}' has not connected{suggestion}"))
        })
    }

    fn text(&self, text: &str) -> Result<Text, String> {
        let text = self.variables.fill(text)?;
        Text::try_from(text.as_str()).map_err(|error| format!("{text:?}: {error}"))
    }

    async fn connect_player(&mut self, id: &str, options: Option<&ConnectOptions>) -> Result<(), Failure> {
        if options.is_some() || !self.players.contains_key(id) {
            let connect = self.connect_packet(id, options)?;
            let player = self.broker.player(connect);
            self.players.insert(id.to_owned(), player);
        }
        let refusal = options.and_then(|options| options.refused).map(|reason| reason.0);
        let connected = self.player(id)?.connect(self.within).await;
        match (connected, refusal) {
            (Ok(connack), None) => {
                let wanted = options.and_then(|options| options.session_present);
                if let Some(wanted) = wanted.filter(|wanted| *wanted != connack.session_present) {
                    let is = connack.session_present;
                    return Err(Failure::failed(format!(
                        "{id} is connected, session present is {is}, must be {wanted}"
                    )));
                }
                Ok(())
            }
            (Ok(_), Some(reason)) => {
                Err(Failure::failed(format!("{id} is connected, must be refused with 0x{:02x}", reason.0)))
            }
            (Err(PlayerError::Refused(reason)), Some(wanted)) if reason == wanted => Ok(()),
            (Err(error), _) => Err(told(id, &error)),
        }
    }

    fn connect_packet(&self, id: &str, options: Option<&ConnectOptions>) -> Result<Connect, String> {
        let default = ConnectOptions::default();
        let options = options.unwrap_or(&default);
        let version = options.version.as_ref().map_or(Ok(ProtocolVersion::V5), start::version)?;
        let compiler = self.compiler();
        let mut properties = compiler.properties(&options.props)?;
        if let Some(expiry) = options.session_expiry {
            let seconds = u32::try_from(expiry.0.as_secs()).unwrap_or(u32::MAX);
            let property = Property::number(PropertyIdentifier::SessionExpiryInterval, seconds);
            properties.push(property).map_err(|error| error.to_string())?;
        }
        let will = match &options.will {
            None => None,
            Some(spec) => {
                let mut properties = Properties::EMPTY;
                if let Some(delay) = spec.delay {
                    let seconds = u32::try_from(delay.0.as_secs()).unwrap_or(u32::MAX);
                    let property = Property::number(PropertyIdentifier::WillDelayInterval, seconds);
                    properties.push(property).map_err(|error| error.to_string())?;
                }
                Some(Will {
                    topic: self.text(&spec.topic)?,
                    payload: compiler.will_payload(spec)?,
                    qos: spec.qos.map_or(Ok(Qos::AtMostOnce), compile::qos)?,
                    retain: spec.retain,
                    properties,
                })
            }
        };
        Ok(Connect {
            version,
            clean_start: options.clean.unwrap_or(true),
            keep_alive: options.keep_alive.unwrap_or(60),
            properties,
            client_identifier: self.text(id)?,
            will,
            user_name: options.username.as_ref().map(|name| self.text(name)).transpose()?,
            password: match &options.password {
                Some(password) => Some(self.variables.fill(password)?.into()),
                None => None,
            },
        })
    }

    async fn subscribe_player(&mut self, id: &str, spec: &SubscribeSpec) -> Result<(), Failure> {
        let (names, qos, reason) = match spec {
            SubscribeSpec::One(filter) => (std::slice::from_ref(filter), None, None),
            SubscribeSpec::Many(filters) => (filters.as_slice(), None, None),
            SubscribeSpec::With(options) => (options.filters.as_slice(), options.qos, options.reason),
        };
        let maximum_qos = qos.map_or(Ok(Qos::ExactlyOnce), compile::qos)?;
        let options = SubscriptionOptions { maximum_qos, ..SubscriptionOptions::default() };
        let mut filters = Vec::new();
        for name in names {
            filters.push((self.text(name)?, options));
        }
        let player = self.player(id)?;
        let subscribed = player.subscribe(Properties::EMPTY, filters, self.within).await;
        let reasons = subscribed.map_err(|error| told(id, &error))?;
        for (name, is) in names.iter().zip(reasons) {
            let is_right = reason.map_or(!is.is_error(), |wanted| wanted.0 == is);
            if !is_right {
                let wanted = reason.map_or("granted".to_owned(), |wanted| format!("0x{:02x}", wanted.0.0));
                let text =
                    format!("{id} subscribes to {name}: 0x{:02x} {}, must be {wanted}", is.0, is.name());
                return Err(Failure::failed(text));
            }
        }
        Ok(())
    }

    /// Waits for a message that a played client receives, in the order in which they come; those before it are passed over,
    /// but not by `receive_nothing`.
    async fn receive(&mut self, id: &str, spec: &ExpectSpec) -> Result<(), Failure> {
        let matcher = self.compiler().matcher(spec)?;
        let within = spec.within.map_or(self.within, |within| within.0);
        let deadline = tokio::time::Instant::now() + within;
        let mut misses = String::new();
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let Some(message) = self.player(id)?.next_message(left).await else {
                let what = super::text::expectation(spec);
                return Err(Failure::failed(format!("{id} received no {what} within {within:?}{misses}")));
            };
            match matcher.check("", &as_published(&message)) {
                Ok(captures) => {
                    self.variables.extend(captures);
                    return Ok(());
                }
                Err(differences) => {
                    misses.push_str(&format!("\n  received: {}", message.topic));
                    differences.iter().for_each(|difference| misses.push_str(&format!("\n    {difference}")));
                    self.passed_over.entry(id.to_owned()).or_default().push(message);
                }
            }
        }
    }
}

fn as_published(publish: &Publish) -> Published {
    Published {
        topic: publish.topic.clone(),
        payload: publish.payload.clone(),
        qos: publish.qos,
        retain: publish.retain,
        dup: publish.dup,
        properties: publish.properties.clone(),
        is_will: false,
    }
}

pub(super) fn told(id: &str, error: &PlayerError) -> Failure {
    Failure::failed(format!("{id}: {error}"))
}
