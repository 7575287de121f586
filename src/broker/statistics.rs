//! Counters of everything since the start; what the `$SYS` topics say.

/// What happened since the start, and what there is now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)] // each is what its name says
pub struct Statistics {
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub packets_received: u64,
    pub packets_sent: u64,
    pub publishes_received: u64,
    pub publishes_sent: u64,
    pub publish_bytes_received: u64,
    pub publish_bytes_sent: u64,
    /// Messages that found no room: queue bounds, Maximum Packet Size, denied publishes.
    pub messages_dropped: u64,
    /// Messages whose expiry passed while they waited.
    pub messages_expired: u64,
    pub sessions_expired: u64,
    pub connections_opened: u64,
    pub connections_refused: u64,
    /// CONNECTs that were accepted.
    pub clients_connected_ever: u64,
    /// Open connections, with or without CONNECT.
    pub connections: u64,
    pub sessions_connected: u64,
    pub sessions_connected_maximum: u64,
    pub sessions: u64,
    pub subscriptions: u64,
    pub shared_subscriptions: u64,
    pub retained_messages: u64,
    /// Payload bytes of retained messages.
    pub retained_bytes: u64,
    /// What the process has allocated; 0 when it was not told.
    pub heap_bytes: u64,
    pub heap_bytes_maximum: u64,
}

impl Statistics {
    #[inline]
    pub(super) fn count_publish_sent(&mut self, payload_length: usize) {
        self.publishes_sent += 1;
        self.packets_sent += 1;
        self.publish_bytes_sent += payload_length as u64;
    }
}
