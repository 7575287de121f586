//! Clients that were let in and no longer may be here, after users or rights have changed.

use super::connection::Phase;
use super::receive::Fault;
use super::{Broker, Client};
use crate::packet::ReasonCode;
use crate::time::Time;

impl Broker {
    /// Ends the connections of clients that `is_dismissed` names: MQTT 5 is told 0x87, wills are published.
    ///
    /// Clients whom the transport vouches for are not asked about.
    pub fn dismiss(&mut self, now: Time, is_dismissed: &dyn Fn(Client<'_>) -> bool) {
        self.advance(now);
        let is_named = |connection: &&super::connection::Connection| {
            let details = &connection.details;
            connection.phase == Phase::Connected
                && details.info.identity.is_none()
                && is_dismissed(Client {
                    client_identifier: &details.client_identifier,
                    user_name: details.user_name.as_deref(),
                    listener: details.info.listener,
                })
        };
        let dismissed: Vec<_> =
            self.connections.iter().filter(is_named).map(|connection| connection.id).collect();
        for id in dismissed {
            self.close_with(id, Fault::Reason(ReasonCode::NOT_AUTHORIZED));
        }
    }
}
