//! SUBSCRIBE and UNSUBSCRIBE (MQTT 5, sections 3.8 and 3.10).

use super::Broker;
use super::connection::ConnectionId;
use super::in_flight::Delivery;
use super::receive::Fault;
use super::subscriptions::{SessionKey, Subscription};
use crate::journal::{Fact, PacketFact, Topics};
use crate::packet::topic::SharedFilter;
use crate::packet::{
    Packet, PacketType, Properties, PropertyIdentifier, ProtocolVersion, Qos, ReasonCode, RetainHandling,
    Suback, Subscribe, SubscriptionOptions, Text, Unsuback, Unsubscribe,
};

impl Broker {
    /// Makes the subscriptions, answers, then sends what is retained.
    pub(super) fn receive_subscribe(&mut self, id: ConnectionId, subscribe: &Subscribe) -> Result<(), Fault> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        let (key, version, maximum_qos) = (connection.session, connection.version, connection.maximum_qos);
        self.tell_identified(id, PacketType::Subscribe, subscribe.packet_identifier, ReasonCode::SUCCESS);
        let identifier = subscribe.properties.as_ref().number(PropertyIdentifier::SubscriptionIdentifier);
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut retained = Vec::new();
        for (wanted, options) in &subscribe.filters {
            let filter = &*self.mounted_filter(id, wanted);
            self.tell_filter(id, wanted, Some(options.maximum_qos));
            let options =
                SubscriptionOptions { maximum_qos: options.maximum_qos.min(maximum_qos), ..*options };
            let reason = self.judge_subscription(key, filter, options);
            self.tell(Topics::SUBSCRIPTIONS, id, || Fact::Subscribed {
                filter: Text::detached(wanted),
                reason,
            });
            reasons.push(refusal_for(version, reason, options.maximum_qos));
            if reason.is_error() {
                continue;
            }
            let is_new = self.subscribe(key, filter, Subscription { options, identifier });
            let is_shared = matches!(SharedFilter::split(filter), Ok(Some(_)));
            let wants_retained = match options.retain_handling {
                RetainHandling::Always => true,
                RetainHandling::IfNew => is_new,
                RetainHandling::Never => false,
            };
            if wants_retained && !is_shared {
                retained.push((Text::detached(filter), options, is_new));
            }
        }
        let suback =
            Suback { packet_identifier: subscribe.packet_identifier, properties: Properties::EMPTY, reasons };
        self.send_packet(id, &Packet::Suback(suback));
        self.tell(Topics::PACKETS, id, || {
            Fact::Sent(PacketFact::Identified {
                packet_type: PacketType::Suback,
                packet_identifier: subscribe.packet_identifier.get(),
                reason: ReasonCode::SUCCESS,
            })
        });
        for (filter, options, is_new) in retained {
            if !is_new {
                self.forget_walk(key, &filter);
            }
            self.send_retained(key, &filter, options, identifier);
        }
        Ok(())
    }

    fn tell_filter(&mut self, id: ConnectionId, filter: &Text, qos: Option<Qos>) {
        self.tell(Topics::PACKETS, id, || Fact::FilterNamed { filter: Text::detached(filter), qos });
    }

    /// The granted QoS, or why the subscription is refused.
    fn judge_subscription(&self, key: SessionKey, filter: &str, options: SubscriptionOptions) -> ReasonCode {
        let Some(session) = self.sessions.get(key) else {
            return ReasonCode::UNSPECIFIED;
        };
        let plain = match SharedFilter::split(filter) {
            Ok(Some(shared)) => shared.filter,
            _ => filter,
        };
        if let Some(authorizer) = &self.config.authorizer
            && !authorizer.subscribe(session.as_client(), plain, options.maximum_qos)
        {
            return ReasonCode::NOT_AUTHORIZED;
        }
        let limit = self.config.max_subscriptions;
        if limit != 0 && session.filters.len() >= limit && !session.filters.contains(filter) {
            return ReasonCode::QUOTA_EXCEEDED;
        }
        ReasonCode(options.maximum_qos as u8)
    }

    /// Makes or replaces one subscription; returns whether it is new.
    pub(super) fn subscribe(&mut self, key: SessionKey, filter: &str, subscription: Subscription) -> bool {
        self.subscriptions.subscribe(key, filter, subscription);
        self.record_subscription(key, filter, Some(subscription));
        self.sessions.get_mut(key).is_some_and(|session| session.filters.insert(filter))
    }

    /// Ends subscriptions; what is on its way or queued still arrives.
    pub(super) fn receive_unsubscribe(
        &mut self,
        id: ConnectionId,
        unsubscribe: &Unsubscribe,
    ) -> Result<(), Fault> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        let key = connection.session;
        self.tell_identified(id, PacketType::Unsubscribe, unsubscribe.packet_identifier, ReasonCode::SUCCESS);
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for wanted in &unsubscribe.filters {
            let filter = &*self.mounted_filter(id, wanted);
            self.tell_filter(id, wanted, None);
            let existed = self.subscriptions.unsubscribe(key, filter);
            if existed && let Some(session) = self.sessions.get_mut(key) {
                session.filters.remove(filter);
                self.forget_walk(key, filter);
                self.record_subscription(key, filter, None);
            }
            self.tell(Topics::SUBSCRIPTIONS, id, || Fact::Unsubscribed { filter: Text::detached(wanted) });
            reasons.push(if existed { ReasonCode::SUCCESS } else { ReasonCode::NO_SUBSCRIPTION_EXISTED });
        }
        let unsuback = Unsuback {
            packet_identifier: unsubscribe.packet_identifier,
            properties: Properties::EMPTY,
            reasons,
        };
        self.send_packet(id, &Packet::Unsuback(unsuback));
        self.tell(Topics::PACKETS, id, || {
            Fact::Sent(PacketFact::Identified {
                packet_type: PacketType::Unsuback,
                packet_identifier: unsubscribe.packet_identifier.get(),
                reason: ReasonCode::SUCCESS,
            })
        });
        Ok(())
    }

    /// Sends a delivery to a connected client, or lets it wait for its turn.
    pub(super) fn give(&mut self, key: SessionKey, delivery: Delivery) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let Some(connection) = session.connection.and_then(|id| self.connections.get(id)) else {
            if session.is_durable() && (delivery.qos != Qos::AtMostOnce || self.config.queue_qos0_messages) {
                self.enqueue_delivery(key, delivery);
            }
            return;
        };
        let may_send = connection.may_grow(self.config.max_outgoing_bytes)
            && match delivery.qos {
                Qos::AtMostOnce => !session.queue.has_at_most_once(),
                _ => {
                    session.queue.is_empty()
                        && !session.in_flight.has_unsent()
                        && session.in_flight.has_room(connection.window, self.config.max_inflight_bytes)
                }
            };
        if may_send {
            self.send_delivery(key, delivery);
        } else {
            self.enqueue_delivery(key, delivery);
        }
    }
}

/// What a client of `version` is told: 3.1.1 knows 0x80 only, 3.1 knows no failure at all.
const fn refusal_for(version: ProtocolVersion, reason: ReasonCode, qos: Qos) -> ReasonCode {
    match version {
        _ if !reason.is_error() => reason,
        ProtocolVersion::V5 => reason,
        ProtocolVersion::V311 => ReasonCode(0x80),
        ProtocolVersion::V31 => ReasonCode(qos as u8),
    }
}
