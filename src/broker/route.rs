//! Who receives a topic: found once, kept while the subscriptions stay as they are.

use super::Broker;
use super::connection::NO_SESSION;
use super::in_flight::Origin;
use super::subscriptions::{GroupKey, Matches, SessionKey, Subscriber, Subscriptions};
use crate::packet::{Qos, Text};
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;
use std::sync::Arc;

/// One session's share of a route.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) session: SessionKey,
    /// The highest Maximum QoS of the subscriptions that match.
    pub(super) qos: Qos,
    pub(super) retain_as_published: bool,
    /// Only with Subscription Identifiers or for a shared subscription.
    pub(super) origin: Option<Arc<Origin>>,
}

impl Target {
    pub(super) fn of(subscriber: &Subscriber, shared_filter: Option<&Arc<str>>) -> Self {
        let subscription = subscriber.subscription;
        let identifiers = Vec::from_iter(subscription.identifier);
        let origin = (!identifiers.is_empty() || shared_filter.is_some())
            .then(|| Arc::new(Origin { identifiers, shared_filter: shared_filter.cloned() }));
        Self {
            session: subscriber.session,
            qos: subscription.options.maximum_qos,
            retain_as_published: subscription.options.retain_as_published,
            origin,
        }
    }
}

/// Who receives a topic.
#[derive(Debug, Default)]
pub(super) struct Route {
    pub(super) topic: Text,
    /// Its place among the routes kept.
    slot: usize,
    generation: u64,
    /// For whom it holds, when No Local makes it differ between publishers.
    publisher: Option<SessionKey>,
    pub(super) targets: Vec<Target>,
    pub(super) groups: Vec<GroupKey>,
}

impl Route {
    /// Whether nobody subscribes to the topic.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.groups.is_empty()
    }

    #[inline]
    fn is_for(&self, topic: &str, publisher: SessionKey, generation: u64) -> bool {
        self.generation == generation
            && self.topic == *topic
            && self.publisher.is_none_or(|known| known == publisher)
    }

    fn fill(
        &mut self,
        topic: &str,
        publisher: SessionKey,
        subscriptions: &Subscriptions,
        matches: &mut Matches,
        is_merged: bool,
    ) {
        subscriptions.matching(topic, matches);
        self.topic = Text::detached(topic);
        self.generation = subscriptions.generation();
        self.publisher = None;
        self.targets.clear();
        for subscriber in matches.subscribers() {
            if subscriber.subscription.options.no_local {
                self.publisher = Some(publisher);
                if subscriber.session == publisher {
                    continue;
                }
            }
            let target = Target::of(subscriber, None);
            match self.targets.last_mut() {
                Some(last) if is_merged && last.session == target.session => merge(last, target),
                _ => self.targets.push(target),
            }
        }
        self.groups.clear();
        self.groups.extend_from_slice(matches.groups());
    }
}

/// One copy for all subscriptions of a session: the highest QoS, all identifiers [MQTT-3.3.4-2], [MQTT-3.3.4-5].
fn merge(first: &mut Target, second: Target) {
    first.qos = first.qos.max(second.qos);
    first.retain_as_published |= second.retain_as_published;
    first.origin = match (first.origin.take(), second.origin) {
        (Some(first), Some(second)) => {
            let identifiers = [&first.identifiers[..], &second.identifiers[..]].concat();
            Some(Arc::new(Origin { identifiers, shared_filter: None }))
        }
        (one, other) => one.or(other),
    };
}

/// Routes lately used, by the hash of their topic. Bounded: [`ROUTES_MAX`] of at most [`TARGETS_MAX`] targets.
#[derive(Debug, Default)]
pub(super) struct Routes {
    slots: Vec<Option<Box<Route>>>,
    matches: Matches,
}

const ROUTES_MAX: usize = 256;
const TARGETS_MAX: usize = 4096;

#[inline]
fn slot(topic: &str) -> usize {
    // The upper bits are the better mixed ones.
    (FxBuildHasher.hash_one(topic) >> 32) as usize % ROUTES_MAX
}

impl Broker {
    /// Takes the route of `topic` for what `publisher` sends; give it back with [`Broker::keep_route`].
    #[inline]
    pub(super) fn take_route(&mut self, topic: &str, publisher: SessionKey) -> Box<Route> {
        if self.routes.slots.is_empty() {
            self.routes.slots.resize_with(ROUTES_MAX, || None);
        }
        let slot = slot(topic);
        let known = self.routes.slots[slot].take();
        match known {
            Some(route) if route.is_for(topic, publisher, self.subscriptions.generation()) => route,
            other => {
                let mut route = other.unwrap_or_default();
                route.slot = slot;
                self.find_route(route, topic, publisher)
            }
        }
    }

    #[cold]
    fn find_route(&mut self, mut route: Box<Route>, topic: &str, publisher: SessionKey) -> Box<Route> {
        let is_merged = !self.config.allow_duplicate_messages;
        route.fill(topic, publisher, &self.subscriptions, &mut self.routes.matches, is_merged);
        route
    }

    #[inline]
    pub(super) fn keep_route(&mut self, route: Box<Route>) {
        if route.targets.len() <= TARGETS_MAX {
            let slot = route.slot;
            self.routes.slots[slot] = Some(route);
        }
    }

    /// The member of a shared subscription that takes the next message of `packet_length` bytes.
    ///
    /// Members that can take it at once come before those whose session only queues it; one whose Maximum Packet Size
    /// is too small is passed over.
    pub(super) fn choose_member(
        &mut self,
        key: GroupKey,
        packet_length: usize,
        without: SessionKey,
    ) -> Option<Target> {
        let group = self.subscriptions.group(key)?;
        let mut chosen: Option<(Readiness, &Subscriber)> = None;
        for member in group.rotation() {
            if member.session == without {
                continue;
            }
            let Some(readiness) = self.readiness(member, packet_length) else {
                continue;
            };
            if chosen.is_none_or(|(best, _)| readiness > best) {
                chosen = Some((readiness, member));
            }
            if readiness == Readiness::Now {
                break;
            }
        }
        let (_, member) = chosen?;
        let session = member.session;
        let target = Target::of(member, Some(group.filter()));
        self.subscriptions.advance(key, session);
        Some(target)
    }

    fn readiness(&self, member: &Subscriber, packet_length: usize) -> Option<Readiness> {
        let session = self.sessions.get(member.session)?;
        let Some(connection) = session.connection.and_then(|id| self.connections.get(id)) else {
            return Some(Readiness::Away);
        };
        if packet_length > connection.packet_bytes_max as usize {
            return None;
        }
        let is_free = session.queue.is_empty()
            && session.in_flight.has_room(connection.window, self.config.max_inflight_bytes)
            && connection.may_grow(self.config.max_outgoing_bytes);
        Some(if is_free { Readiness::Now } else { Readiness::Later })
    }
}

/// How well a member of a shared subscription can take a message.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Readiness {
    Away,
    Later,
    Now,
}

/// Stands for a publisher that is no session, such as the broker itself.
pub(super) const NOBODY: SessionKey = NO_SESSION;
