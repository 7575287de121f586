//! The `$SYS` topics, as mosquitto names them: retained, and published when they have changed.

use super::Broker;
use super::message::{Forwarded, MessageRef};
use super::route::NOBODY;
use super::statistics::Statistics;
use super::timer::Owner;
use crate::packet::Qos;
use crate::time::Time;
use std::time::Duration;

/// What was published last.
#[derive(Debug, Default)]
pub(super) struct Sys {
    before: Statistics,
    published_at: Time,
    /// Averages a minute over 1, 5 and 15 minutes, in the order of [`LOADS`].
    averages: [[f64; 3]; LOADS.len()],
}

/// A topic below `$SYS/broker/` and what it tells.
type Value = (&'static str, fn(&Statistics) -> u64);

/// The counters of which load averages are kept.
const LOADS: [Value; 9] = [
    ("messages/received", |counted| counted.packets_received),
    ("messages/sent", |counted| counted.packets_sent),
    ("publish/received", |counted| counted.publishes_received),
    ("publish/sent", |counted| counted.publishes_sent),
    ("publish/dropped", |counted| counted.messages_dropped),
    ("bytes/received", |counted| counted.bytes_received),
    ("bytes/sent", |counted| counted.bytes_sent),
    ("sockets", |counted| counted.connections_opened),
    ("connections", |counted| counted.clients_connected_ever),
];

/// The spans of the averages, in minutes.
const SPANS: [(f64, &str); 3] = [(1.0, "1min"), (5.0, "5min"), (15.0, "15min")];

/// Counters and levels by their topic below `$SYS/broker/`.
const VALUES: [Value; 23] = [
    ("clients/total", |counted| counted.sessions),
    ("clients/maximum", |counted| counted.sessions_connected_maximum),
    ("clients/inactive", |counted| counted.sessions - counted.sessions_connected),
    ("clients/disconnected", |counted| counted.sessions - counted.sessions_connected),
    ("clients/active", |counted| counted.sessions_connected),
    ("clients/connected", |counted| counted.sessions_connected),
    ("clients/expired", |counted| counted.sessions_expired),
    ("messages/received", |counted| counted.packets_received),
    ("messages/sent", |counted| counted.packets_sent),
    ("messages/stored", |counted| counted.retained_messages),
    ("store/messages/count", |counted| counted.retained_messages),
    ("store/messages/bytes", |counted| counted.retained_bytes),
    ("subscriptions/count", |counted| counted.subscriptions),
    ("shared_subscriptions/count", |counted| counted.shared_subscriptions),
    ("retained messages/count", |counted| counted.retained_messages),
    ("publish/messages/dropped", |counted| counted.messages_dropped),
    ("publish/messages/received", |counted| counted.publishes_received),
    ("publish/messages/sent", |counted| counted.publishes_sent),
    ("publish/bytes/received", |counted| counted.publish_bytes_received),
    ("publish/bytes/sent", |counted| counted.publish_bytes_sent),
    ("bytes/received", |counted| counted.bytes_received),
    ("bytes/sent", |counted| counted.bytes_sent),
    ("connections/socket/count", |counted| counted.connections),
];

/// As [`VALUES`], when the process's memory is told.
const HEAP_VALUES: [Value; 2] =
    [("heap/current", |counted| counted.heap_bytes), ("heap/maximum", |counted| counted.heap_bytes_maximum)];

impl Broker {
    /// Begins to publish the `$SYS` topics, if an interval is configured.
    pub(super) fn start_sys(&mut self) {
        let interval = self.config.sys_interval;
        if interval > Duration::ZERO {
            self.timers.arm(self.now + interval, Owner::Sys);
        }
    }

    /// Publishes what has changed since the last time, and sets the next.
    pub(super) fn publish_sys(&mut self) {
        let counted = self.statistics();
        let before = std::mem::replace(&mut self.sys.before, counted);
        let elapsed = self.now.since(std::mem::replace(&mut self.sys.published_at, self.now));
        let is_first = self.retained.get("$SYS/broker/version").is_none();
        if is_first {
            let version = concat!("culex version ", env!("CARGO_PKG_VERSION"));
            self.publish_value("version", version);
        }
        self.publish_value("uptime", &format!("{} seconds", self.now.since(Time::ZERO).as_secs()));
        let is_heap_known = counted.heap_bytes_maximum > 0;
        let heap_values = HEAP_VALUES.into_iter().filter(|_| is_heap_known);
        for (topic, value) in VALUES.into_iter().chain(heap_values) {
            let (then, now) = (value(&before), value(&counted));
            if is_first || then != now {
                self.publish_value(topic, &now.to_string());
            }
        }
        self.publish_loads(&counted, &before, elapsed, is_first);
        self.start_sys();
    }

    fn publish_loads(
        &mut self,
        counted: &Statistics,
        before: &Statistics,
        elapsed: Duration,
        is_first: bool,
    ) {
        let minutes = elapsed.as_secs_f64() / 60.0;
        if minutes <= 0.0 {
            return;
        }
        for (place, (topic, value)) in LOADS.into_iter().enumerate() {
            #[allow(clippy::cast_precision_loss)] // an average for people
            let rate = (value(counted) - value(before)) as f64 / minutes;
            for (span, (length, name)) in SPANS.into_iter().enumerate() {
                let average = &mut self.sys.averages[place][span];
                let weight = f64::exp(-minutes / length);
                let updated = rate + weight * (*average - rate);
                let has_changed = format!("{updated:.2}") != format!("{:.2}", *average);
                *average = updated;
                if is_first || has_changed {
                    self.publish_value(&format!("load/{topic}/{name}"), &format!("{updated:.2}"));
                }
            }
        }
    }

    fn publish_value(&mut self, topic: &str, value: &str) {
        let topic = format!("$SYS/broker/{topic}");
        let message = MessageRef {
            topic: &topic,
            payload: value.as_bytes(),
            properties: Forwarded::EMPTY,
            qos: Qos::ExactlyOnce,
            retain: true,
            block: None,
        };
        self.route_message(NOBODY, message, |_, _| ());
    }
}
