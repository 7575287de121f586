//! Keep Alive (MQTT 5, section 3.1.2.10): when to send PINGREQ, and when to give the server up.

use crate::time::Time;
use std::time::Duration;

/// What is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Nothing,
    Pingreq,
    PingTimeout,
}

/// Watches both directions: mosquitto too sends a PINGREQ when only the server was silent for one Keep Alive, so that
/// a client that keeps publishing notices a dead server.
#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Option<Duration>,
    ping_timeout: Duration,
    last_sent: Time,
    last_received: Time,
    pingreq_sent: Option<Time>,
    is_reading: bool,
}

impl KeepAlive {
    /// Turned off until [`KeepAlive::start`].
    pub(super) const fn new() -> Self {
        Self {
            interval: None,
            ping_timeout: Duration::ZERO,
            last_sent: Time::ZERO,
            last_received: Time::ZERO,
            pingreq_sent: None,
            is_reading: true,
        }
    }

    /// Starts with the agreed interval; 0 seconds turn it off.
    pub(super) fn start(&mut self, now: Time, seconds: u16, ping_timeout: Option<Duration>) {
        let interval = Duration::from_secs(u64::from(seconds));
        self.interval = (seconds != 0).then_some(interval);
        self.ping_timeout = ping_timeout.unwrap_or(interval).min(interval);
        self.last_sent = now;
        self.last_received = now;
        self.pingreq_sent = None;
    }

    pub(super) fn stop(&mut self) {
        self.interval = None;
        self.pingreq_sent = None;
        self.is_reading = true;
    }

    #[inline]
    pub(super) fn sent(&mut self, now: Time) {
        self.last_sent = now;
    }

    #[inline]
    pub(super) fn received(&mut self, now: Time) {
        self.last_received = now;
    }

    pub(super) fn pingreq_sent(&mut self, now: Time) {
        self.last_sent = now;
        self.pingreq_sent = Some(now);
    }

    /// Whether a PINGREQ is unanswered.
    pub(super) const fn is_awaiting(&self) -> bool {
        self.pingreq_sent.is_some()
    }

    pub(super) fn pingresp_received(&mut self) {
        self.pingreq_sent = None;
    }

    /// While nobody reads, the server's silence says nothing; its time starts anew afterwards.
    pub(super) fn set_reading(&mut self, now: Time, is_reading: bool) {
        if is_reading && !self.is_reading {
            self.last_received = now;
            self.pingreq_sent = self.pingreq_sent.map(|_| now);
        }
        self.is_reading = is_reading;
    }

    /// When [`KeepAlive::due`] will have something.
    pub(super) fn deadline(&self) -> Option<Time> {
        let interval = self.interval?;
        Some(match (self.pingreq_sent, self.is_reading) {
            (Some(sent), true) => sent + self.ping_timeout,
            (None, true) => self.last_sent.min(self.last_received) + interval,
            (_, false) => self.last_sent + interval,
        })
    }

    pub(super) fn due(&self, now: Time) -> Due {
        match self.deadline() {
            Some(deadline) if now >= deadline => {
                if self.pingreq_sent.is_some() && self.is_reading {
                    Due::PingTimeout
                } else {
                    Due::Pingreq
                }
            }
            _ => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn started() -> KeepAlive {
        let mut timer = KeepAlive::new();
        timer.start(Time::ZERO, 60, None);
        timer
    }

    #[test]
    fn one_silent_interval_asks_and_a_second_one_gives_up() {
        let mut timer = started();
        let due = Time::ZERO + MINUTE;
        assert_eq!(timer.due(due - Duration::from_nanos(1)), Due::Nothing);
        assert_eq!(timer.due(due), Due::Pingreq);
        timer.pingreq_sent(due);
        assert_eq!(timer.due(due), Due::Nothing);
        assert_eq!(timer.due(due + MINUTE), Due::PingTimeout);
        timer.pingresp_received();
        timer.received(due + MINUTE);
        assert_eq!(timer.due(due + MINUTE), Due::Pingreq);
    }

    #[test]
    fn a_silent_server_is_asked_even_while_we_send() {
        let mut timer = started();
        timer.sent(Time::ZERO + MINUTE);
        assert_eq!(timer.due(Time::ZERO + MINUTE), Due::Pingreq);
        timer.received(Time::ZERO + MINUTE);
        assert_eq!(timer.due(Time::ZERO + MINUTE), Due::Nothing);
    }

    #[test]
    fn zero_turns_it_off() {
        let mut timer = KeepAlive::new();
        timer.start(Time::ZERO, 0, None);
        assert_eq!(timer.deadline(), None);
        assert_eq!(timer.due(Time::MAX), Due::Nothing);
    }

    #[test]
    fn nobody_is_given_up_while_we_do_not_read() {
        let mut timer = started();
        timer.pingreq_sent(Time::ZERO);
        timer.set_reading(Time::ZERO, false);
        let late = Time::ZERO + 3 * MINUTE;
        assert_eq!(timer.due(late), Due::Pingreq);
        timer.pingreq_sent(late);
        timer.set_reading(late, true);
        assert_eq!(timer.due(late + MINUTE - Duration::from_nanos(1)), Due::Nothing);
        assert_eq!(timer.due(late + MINUTE), Due::PingTimeout);
    }
}
