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

    /// Appends `delivery` unless the bounds are reached, even without what has expired by `now`.
    ///
    /// The numbers of those are appended to `expired`.
    pub(super) fn push(
        &mut self,
        delivery: Delivery,
        bounds: Bounds,
        now: Time,
        expired: &mut Vec<u64>,
    ) -> Result<(), Delivery> {
        let length = delivery.message.bytes();
        if !bounds.allow(self.len() + 1, self.bytes + length) {
            let is_expired = |delivery: &&Delivery| delivery.message.is_expired(now);
            expired.extend(self.deliveries.iter().filter(is_expired).map(|delivery| delivery.number));
            self.retain(|delivery| !delivery.message.is_expired(now));
            if !bounds.allow(self.len() + 1, self.bytes + length) {
                return Err(delivery);
            }
        }
        self.bytes += length;
        self.at_most_once += usize::from(delivery.qos == Qos::AtMostOnce);
        self.deliveries.push_back(delivery);
        Ok(())
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
        let Self { deliveries, bytes, at_most_once } = self;
        deliveries.retain(|delivery| {
            let is_kept = keep(delivery);
            if !is_kept {
                *bytes -= delivery.message.bytes();
                *at_most_once -= usize::from(delivery.qos == Qos::AtMostOnce);
            }
            is_kept
        });
    }

    /// Puts back what a store remembers, whatever the bounds are now.
    pub(super) fn restore(&mut self, delivery: Delivery) {
        self.bytes += delivery.message.bytes();
        self.deliveries.push_back(delivery);
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
