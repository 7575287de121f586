//! Seeing the messages of a broker elsewhere: what to subscribe to there, and whether that still works.

use super::actor::Told;
use super::player::{Player, PlayerError};
use super::state::Observer;
use super::{TestBroker, WAIT};
use crate::packet::topic::{covers, overlap};
use crate::packet::{Connack, Properties, Property, PropertyIdentifier, ProtocolVersion, ReasonCode, Text};
use std::sync::PoisonError;
use std::time::Duration;

/// The CONNACK code of MQTT 3 for a version that the server does not speak.
const UNACCEPTABLE_PROTOCOL_VERSION: ReasonCode = ReasonCode(1);

impl TestBroker {
    /// A client of our own at the broker, connected: with MQTT 5, or 3.1.1 where the broker behind knows no other.
    pub(super) async fn insider(&self, name: &str) -> Result<(Player, Connack), PlayerError> {
        let known = *self.shared.version.lock().unwrap_or_else(PoisonError::into_inner);
        let connect = async |version| {
            let config = super::builder::inside_config(name, version, self.shared.credentials.as_ref());
            let player = Player::inside(self.clone(), config);
            let connack = player.connect(WAIT).await?;
            Ok((player, connack))
        };
        let refusal = match connect(known).await {
            Err(error) if known == ProtocolVersion::V5 && self.hub().lock().is_in_front => error,
            connected => return connected,
        };
        let is_about_version = match &refusal {
            PlayerError::Refused(reason) => {
                [UNACCEPTABLE_PROTOCOL_VERSION, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION].contains(reason)
            }
            // Some brokers say no word to what they do not know.
            PlayerError::Closed(_) => true,
            _ => false,
        };
        if !is_about_version {
            return Err(refusal);
        }
        if let Some(reason) = self.hub().lock().unreachable.take() {
            return Err(PlayerError::Unreachable(reason));
        }
        let connected = connect(ProtocolVersion::V311).await.map_err(|_| refusal)?;
        *self.shared.version.lock().unwrap_or_else(PoisonError::into_inner) = ProtocolVersion::V311;
        Ok(connected)
    }

    /// Lets an observer subscribe at the broker behind.
    pub(super) async fn begin_observing(&self) -> Result<(), String> {
        let name = format!("culex-observer-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let (player, connack) = self.insider(&name).await.map_err(|error| error.to_string())?;
        let version = *self.shared.version.lock().unwrap_or_else(PoisonError::into_inner);
        let available = PropertyIdentifier::SubscriptionIdentifierAvailable;
        let tells_subscriptions =
            version == ProtocolVersion::V5 && connack.properties.as_ref().number(available) != Some(0);
        let mut filters = without_covered(&self.shared.observed);
        if !tells_subscriptions {
            // Nothing would tell the copies of a message from several messages.
            filters = without_overlaps(filters);
        }
        for (number, filter) in (1..).zip(&filters) {
            let mut properties = Properties::EMPTY;
            if tells_subscriptions {
                let property = Property::number(PropertyIdentifier::SubscriptionIdentifier, number);
                properties.push(property).map_err(|error| error.to_string())?;
            }
            let name = Text::try_from(filter.as_str()).map_err(|error| format!("{filter}: {error}"))?;
            let asked = vec![(name, super::builder::observing())];
            let subscribed = player.subscribe(properties, asked, WAIT).await;
            let reasons = subscribed.map_err(|error| error.to_string())?;
            if let Some(reason) = reasons.iter().find(|reason| reason.is_error()) {
                return Err(format!("subscribing to '{filter}': {}", reason.name()));
            }
        }
        let observer = Observer { actor: player.id(), version, filters, received: 0, blind: None };
        self.hub().with(|state| state.observer = Some(observer));
        Ok(())
    }

    /// In front of another broker, sees that our observer still sees, and that what was published before has reached it.
    /// An observer that is not wanted, or of our own broker, always does.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub(crate) async fn check_observer(&self, within: Duration) -> Result<(), String> {
        let asked = self.hub().with(|state| {
            let observer = state.observer.as_ref()?;
            let (id, received) = (observer.actor, observer.received);
            let now = state.now();
            // What it cannot ask, it will be found blind for.
            let _ = state.actor(id).map(|actor| actor.fence(now));
            state.stir(id);
            Some((id, received))
        });
        let Some((id, received)) = asked else {
            return Ok(());
        };
        let found = self.hub().wait(within, |state| {
            if let Some(blind) = state.observer.as_ref().and_then(|observer| observer.blind.clone()) {
                return Some(Err(blind));
            }
            let told = &mut state.actor(id)?.told;
            let at = told.iter().position(|told| matches!(told, Told::Quiet))?;
            told.remove(at);
            Some(Ok(()))
        });
        let seen = match found.await {
            Ok(seen) => seen,
            // One that is never quiet sees well enough.
            Err(_) => {
                let state = self.hub().lock();
                let is_busy = state.observer.as_ref().is_some_and(|observer| observer.received > received);
                if is_busy { Ok(()) } else { Err(format!("no answer within {within:?}")) }
            }
        };
        seen.map_err(|reason| format!("our observer at the broker behind sees nothing any more: {reason}"))
    }
}

/// The narrowest filter that covers both.
fn union(one: &str, other: &str) -> String {
    let mut levels = Vec::new();
    let (mut ones, mut others) = (one.split('/'), other.split('/'));
    loop {
        match (ones.next(), others.next()) {
            (None, None) => break,
            (Some(level), Some(other)) if level == other => levels.push(level),
            (Some(level), Some(other)) if level != "#" && other != "#" => levels.push("+"),
            _ => {
                levels.push("#");
                break;
            }
        }
    }
    levels.join("/")
}

/// The filters that no other one covers, each once.
fn without_covered(filters: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for (at, filter) in filters.iter().enumerate() {
        let is_covered = filters.iter().enumerate().any(|(other, wide)| {
            other != at && covers(wide, filter) && (!covers(filter, wide) || other < at)
        });
        if !is_covered {
            kept.push(filter.clone());
        }
    }
    kept
}

/// Filters of which no two match the same name; together they match all that these do, and more.
fn without_overlaps(mut filters: Vec<String>) -> Vec<String> {
    loop {
        let pairs = (0..filters.len()).flat_map(|at| (0..at).map(move |before| (before, at)));
        let Some((one, other)) =
            pairs.into_iter().find(|(one, other)| overlap(&filters[*one], &filters[*other]))
        else {
            return filters;
        };
        let both = union(&filters[one], &filters[other]);
        filters.swap_remove(other);
        filters[one] = both;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::topic;

    fn strings(filters: &[&str]) -> Vec<String> {
        filters.iter().map(|filter| (*filter).to_owned()).collect()
    }

    #[test]
    fn what_another_filter_covers_is_left_out() {
        let asked = ["a/b", "a/#", "a/+", "c", "c", "+/d", "$SYS/x", "#/"];
        assert_eq!(without_covered(&strings(&asked[..7])), ["a/#", "c", "+/d", "$SYS/x"]);
        assert_eq!(without_covered(&strings(&["#", "a", "$SYS/#", "$SYS/x"])), ["#", "$SYS/#"]);
        assert!(covers("a/#", "a") && covers("a/#", "a/+/#") && !covers("a/+", "a/#") && !covers("a", "a/#"));
    }

    #[test]
    fn without_overlaps_every_name_is_matched_once() {
        let asked = strings(&["dev/+/state", "dev/42/+", "error/#", "x"]);
        let apart = without_overlaps(asked.clone());
        assert_eq!(apart, ["dev/+/+", "x", "error/#"]);
        for name in ["dev/1/state", "dev/42/y", "error", "error/a/b", "x"] {
            assert_eq!(apart.iter().filter(|filter| topic::matches(filter, name)).count(), 1, "{name}");
        }
        // `c/d/#` matches `c/d`, too.
        assert_eq!(without_overlaps(strings(&["a/+", "+/b", "$SYS/#", "c/d/#"])), ["+/+/#", "$SYS/#"]);
        assert_eq!(without_overlaps(strings(&["a/+/c", "a/#"])), ["a/#"]);
    }
}
