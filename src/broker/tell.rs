//! Facts for the journal; each costs one branch while nobody wants it.

use super::Broker;
use super::connection::ConnectionId;
use super::event::Event;
use super::message::MessageRef;
use super::subscriptions::SessionKey;
use crate::journal::{Entry, Fact, PacketFact, Topics};
use crate::packet::{Qos, Text};

impl Broker {
    /// Tells what happened on a connection.
    #[inline]
    pub(super) fn tell(&mut self, topic: Topics, id: ConnectionId, fact: impl FnOnce() -> Fact) {
        if self.config.events.journal.contains(topic) {
            self.push_connection_fact(id, fact());
        }
    }

    /// Tells what happened to a client whose session may be gone.
    #[inline]
    pub(super) fn tell_client(&mut self, topic: Topics, client: &Text, fact: impl FnOnce() -> Fact) {
        if self.config.events.journal.contains(topic) {
            let (client_identifier, fact) = (client.clone(), fact());
            let entry = Entry { time: self.now, connection: 0, client_identifier, fact };
            self.events.push_back(Event::Journal(entry));
        }
    }

    /// Tells what happened to a session.
    #[inline]
    pub(super) fn tell_session(&mut self, topic: Topics, key: SessionKey, fact: impl FnOnce() -> Fact) {
        if self.config.events.journal.contains(topic) {
            self.push_session_fact(key, fact());
        }
    }

    #[cold]
    fn push_connection_fact(&mut self, id: ConnectionId, fact: Fact) {
        let details = self.connections.get(id).map(|connection| &connection.details);
        let client_identifier = details.map_or(Text::EMPTY, |details| details.client_identifier.clone());
        let connection = u64::from(id.serial());
        self.events.push_back(Event::Journal(Entry { time: self.now, connection, client_identifier, fact }));
    }

    #[cold]
    fn push_session_fact(&mut self, key: SessionKey, fact: Fact) {
        let session = self.sessions.get(key);
        let client_identifier = session.map_or(Text::EMPTY, |session| session.client_identifier.clone());
        let connection =
            session.and_then(|session| session.connection).map_or(0, |id| u64::from(id.serial()));
        self.events.push_back(Event::Journal(Entry { time: self.now, connection, client_identifier, fact }));
    }

    #[cold]
    pub(super) fn tell_sent_publish(
        &mut self,
        id: ConnectionId,
        message: &MessageRef<'_>,
        qos: Qos,
        retain: bool,
        dup: bool,
        packet_identifier: u16,
    ) {
        self.tell(Topics::PACKETS, id, || {
            Fact::Sent(PacketFact::Publish {
                dup,
                qos,
                retain,
                packet_identifier,
                topic: Text::detached(message.topic),
                payload_length: message.payload.len(),
            })
        });
    }
}
