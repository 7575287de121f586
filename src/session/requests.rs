//! SUBSCRIBE and UNSUBSCRIBE: each waits for its answer on the same connection.

use super::config::check_properties;
use super::{Event, Session, SessionError, State, Traced};
use crate::packet::{
    Packet, PacketError, PacketIdentifier, PacketType, Place, Properties, PropertyIdentifier, ReasonCode,
    Suback, Subscribe, SubscriptionOptions, Text, Unsuback, Unsubscribe, topic,
};
use crate::time::Time;

/// A SUBSCRIBE or UNSUBSCRIBE without its answer.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) identifier: PacketIdentifier,
    packet_type: PacketType,
    filters: usize,
}

impl Session {
    /// Asks for subscriptions; the answer is [`Event::Subscribed`] with the same identifier.
    ///
    /// A subscription belongs to the session, but the request to its connection: when it ends before the answer, ask
    /// again on the next one.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotConnected`], [`SessionError::Invalid`], [`SessionError::NotSupported`] for wildcards, shared
    /// subscriptions and Subscription Identifiers that the server does not have, [`SessionError::TooLargeForServer`],
    /// [`SessionError::QueueFull`] when no identifier is free.
    pub fn subscribe(
        &mut self,
        now: Time,
        properties: Properties,
        filters: Vec<(Text, SubscriptionOptions)>,
    ) -> Result<PacketIdentifier, SessionError> {
        let invalid = SessionError::Invalid;
        check_properties(self.version(), properties.as_ref(), Place::Subscribe).map_err(invalid)?;
        for (filter, options) in &filters {
            topic::check_filter(filter).map_err(invalid)?;
            if options.no_local && topic::SharedFilter::split(filter).map_err(invalid)?.is_some() {
                return Err(invalid(PacketError::NoLocalOnShared));
            }
            self.check_filter_supported(filter)?;
        }
        if properties.as_ref().find(PropertyIdentifier::SubscriptionIdentifier).is_some()
            && !self.limits.subscription_identifier_available
        {
            return Err(SessionError::NotSupported(ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED));
        }
        let traced = if self.config.trace { filters.clone() } else { Vec::new() };
        let count = filters.len();
        let packet_identifier = self.request(now, PacketType::Subscribe, count, |packet_identifier| {
            Packet::Subscribe(Subscribe { packet_identifier, properties, filters })
        })?;
        self.trace(|| Event::Sent(Traced::Subscribe { packet_identifier, filters: traced }));
        Ok(packet_identifier)
    }

    /// Asks for the end of subscriptions; the answer is [`Event::Unsubscribed`] with the same identifier.
    ///
    /// # Errors
    ///
    /// As [`Session::subscribe`].
    pub fn unsubscribe(
        &mut self,
        now: Time,
        properties: Properties,
        filters: Vec<Text>,
    ) -> Result<PacketIdentifier, SessionError> {
        let invalid = SessionError::Invalid;
        check_properties(self.version(), properties.as_ref(), Place::Unsubscribe).map_err(invalid)?;
        filters.iter().try_for_each(|filter| topic::check_filter(filter)).map_err(invalid)?;
        let traced = if self.config.trace { filters.clone() } else { Vec::new() };
        let count = filters.len();
        let packet_identifier = self.request(now, PacketType::Unsubscribe, count, |packet_identifier| {
            Packet::Unsubscribe(Unsubscribe { packet_identifier, properties, filters })
        })?;
        self.trace(|| Event::Sent(Traced::Unsubscribe { packet_identifier, filters: traced }));
        Ok(packet_identifier)
    }

    fn check_filter_supported(&self, filter: &str) -> Result<(), SessionError> {
        let limits = &self.limits;
        if !limits.wildcard_subscription_available && filter.contains(['+', '#']) {
            return Err(SessionError::NotSupported(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED));
        }
        if !limits.shared_subscription_available && filter.starts_with("$share/") {
            return Err(SessionError::NotSupported(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED));
        }
        Ok(())
    }

    fn request(
        &mut self,
        now: Time,
        packet_type: PacketType,
        filters: usize,
        packet: impl FnOnce(PacketIdentifier) -> Packet,
    ) -> Result<PacketIdentifier, SessionError> {
        if self.state != State::Connected {
            return Err(SessionError::NotConnected);
        }
        if filters == 0 {
            return Err(SessionError::Invalid(PacketError::EmptyList));
        }
        let identifier = self.identifiers.take().ok_or(SessionError::QueueFull)?;
        if let Err(error) = self.write(now, &packet(identifier)) {
            self.identifiers.release(identifier);
            return Err(error);
        }
        self.requests.push(Request { identifier, packet_type, filters });
        Ok(identifier)
    }

    pub(super) fn handle_suback(&mut self, suback: Suback) -> Result<(), SessionError> {
        self.trace(|| Event::Received(Traced::Suback { packet_identifier: suback.packet_identifier }));
        let is_ours =
            self.answer(suback.packet_identifier, PacketType::Subscribe, Some(suback.reasons.len()))?;
        if is_ours {
            self.events.push_back(Event::Subscribed(suback));
        }
        Ok(())
    }

    pub(super) fn handle_unsuback(&mut self, unsuback: Unsuback) -> Result<(), SessionError> {
        self.trace(|| Event::Received(Traced::Unsuback { packet_identifier: unsuback.packet_identifier }));
        // Before MQTT 5 an UNSUBACK has no list.
        let reasons = Some(unsuback.reasons.len()).filter(|&count| count > 0);
        if self.answer(unsuback.packet_identifier, PacketType::Unsubscribe, reasons)? {
            self.events.push_back(Event::Unsubscribed(unsuback));
        }
        Ok(())
    }

    /// Ends the request with this identifier; an answer that nobody waits for is passed over, as mosquitto does.
    fn answer(
        &mut self,
        identifier: PacketIdentifier,
        packet_type: PacketType,
        reasons: Option<usize>,
    ) -> Result<bool, SessionError> {
        let is_it =
            |request: &Request| request.identifier == identifier && request.packet_type == packet_type;
        let Some(position) = self.requests.iter().position(is_it) else {
            return Ok(false);
        };
        let request = self.requests.remove(position);
        self.identifiers.release(identifier);
        if reasons.is_some_and(|count| count != request.filters) {
            return Err(SessionError::ReasonCountMismatch);
        }
        Ok(true)
    }
}
