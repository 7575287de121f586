//! Messages that wait for a client: away, slow, or with a full window. Always bounded.

use super::in_flight::Delivery;
use crate::packet::Qos;
use crate::time::Time;
use std::collections::VecDeque;

/// A session's queue, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
    /// How many are QoS 0.
    at_most_once: usize,
    /// Nothing that waits expires before.
    earliest_deadline: Time,
}

/// How much may wait; 0 for no limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) messages_max: usize,
    pub(super) bytes_max: usize,
}

impl Bounds {
    const fn allow(self, messages: usize, bytes: usize) -> bool {
        (self.messages_max == 0 || messages <= self.messages_max)
            && (self.bytes_max == 0 || bytes <= self.bytes_max)
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.deliveries.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Whether a QoS 0 message waits, so that a later one must not overtake it.
    #[inline]
    pub(super) const fn has_at_most_once(&self) -> bool {
        self.at_most_once > 0
    }

    /// Whether `bytes` more may wait.
    pub(super) fn has_room(&self, bytes: usize, bounds: Bounds) -> bool {
        bounds.allow(self.len() + 1, self.bytes + bytes)
    }

    /// Drops what has expired by `now`; the numbers of that in the change log.
    pub(super) fn take_expired(&mut self, now: Time) -> Vec<u64> {
        // Asked for every message that a full queue does not take, so it must not look at each that waits.
        if now < self.earliest_deadline {
            return Vec::new();
        }
        let is_expired = |delivery: &&Delivery| delivery.message.is_expired(now);
        let expired = self.deliveries.iter().filter(is_expired).map(|delivery| delivery.number).collect();
        self.retain(|delivery| !delivery.message.is_expired(now));
        let deadlines = self.deliveries.iter().map(|delivery| delivery.message.deadline);
        self.earliest_deadline = deadlines.min().unwrap_or(Time::MAX);
        expired
    }

    /// Appends `delivery`.
    pub(super) fn push(&mut self, delivery: Delivery) {
        let deadline = delivery.message.deadline;
        self.earliest_deadline =
            if self.is_empty() { deadline } else { self.earliest_deadline.min(deadline) };
        self.bytes += delivery.message.bytes();
        self.at_most_once += usize::from(delivery.qos == Qos::AtMostOnce);
        self.deliveries.push_back(delivery);
    }

    pub(super) fn front(&self) -> Option<&Delivery> {
        self.deliveries.front()
    }

    pub(super) fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.deliveries.pop_front()?;
        self.bytes -= delivery.message.bytes();
        self.at_most_once -= usize::from(delivery.qos == Qos::AtMostOnce);
        Some(delivery)
    }

    /// Drops what is not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&Delivery) -> bool) {
        let Self { deliveries, bytes, at_most_once, .. } = self;
        deliveries.retain(|delivery| {
            let is_kept = keep(delivery);
            if !is_kept {
                *bytes -= delivery.message.bytes();
                *at_most_once -= usize::from(delivery.qos == Qos::AtMostOnce);
            }
            is_kept
        });
    }

    /// Takes out the delivery with this number in the change log.
    pub(super) fn take(&mut self, number: u64) -> Option<Delivery> {
        let place = self.deliveries.iter().position(|delivery| delivery.number == number)?;
        let delivery = self.deliveries.remove(place)?;
        self.bytes -= delivery.message.bytes();
        Some(delivery)
    }

    /// Gives the buffer back while nothing waits.
    pub(super) fn release(&mut self) {
        if self.deliveries.is_empty() {
            self.deliveries = VecDeque::new();
        }
    }

    /// Everything that waits, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter()
    }

    /// Takes everything out: the session has ended.
    pub(super) fn drain(&mut self) -> VecDeque<Delivery> {
        self.bytes = 0;
        self.at_most_once = 0;
        std::mem::take(&mut self.deliveries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::message::Message;
    use crate::packet::{PropertiesRef, Text};
    use bytes::Bytes;
    use std::sync::Arc;
    use std::time::Duration;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn delivery(number: u64, deadline: Time) -> Delivery {
        let (topic, payload) = (Text::detached("t"), Bytes::from_static(b"x"));
        let message = Message::new(topic, payload, PropertiesRef::EMPTY, Qos::AtLeastOnce, false, deadline);
        Delivery { message: Arc::new(message), origin: None, number, qos: Qos::AtLeastOnce, retain: false }
    }

    #[test]
    fn what_has_expired_is_found_whatever_came_and_went_meanwhile() {
        let mut queue = Queue::default();
        queue.push(delivery(1, at(20)));
        queue.push(delivery(2, Time::MAX));
        queue.push(delivery(3, at(10)));
        assert!(queue.take_expired(at(9)).is_empty());
        assert_eq!(queue.take_expired(at(10)), [3]);
        queue.push(delivery(4, at(15)));
        assert!(queue.take_expired(at(14)).is_empty());
        assert_eq!(queue.take_expired(at(20)), [1, 4]);
        assert_eq!(queue.pop().map(|delivery| delivery.number), Some(2));
        queue.push(delivery(5, at(30)));
        assert!(queue.take_expired(at(29)).is_empty());
        assert_eq!(queue.take_expired(at(30)), [5]);
        assert!(queue.is_empty() && queue.bytes == 0);
    }
}
