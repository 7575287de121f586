//! Clients of our own on their way through the state.

use super::super::actor::{Actor, ActorId};
use super::{Arrival, State};
use crate::packet::Sender;
use crate::session;

impl State {
    /// A new client of ours, without a connection.
    pub(in crate::test_broker) fn make_actor(&mut self, config: session::Config) -> ActorId {
        self.actors_made += 1;
        let id = ActorId(self.actors_made);
        self.actors.insert(id, Actor::new(config));
        id
    }

    pub(in crate::test_broker) fn actor(&mut self, id: ActorId) -> Option<&mut Actor> {
        self.actors.get_mut(&id)
    }

    /// Opens a connection for an actor; `None` while the broker is stopped.
    pub(in crate::test_broker) fn connect_actor(
        &mut self,
        id: ActorId,
        listener: usize,
        is_inside: bool,
    ) -> Option<u64> {
        let arrival = Arrival {
            listener,
            kind: "memory",
            address: String::new(),
            port: 0,
            socket: None,
            actor: Some(id),
            is_inside,
        };
        let number = self.accept(&arrival)?;
        self.attach(number, &arrival, None);
        let now = self.now();
        self.actors.get_mut(&id)?.open(now, number);
        self.touched.insert(number);
        self.pump();
        Some(number)
    }

    /// An actor has something to say.
    pub(in crate::test_broker) fn stir(&mut self, id: ActorId) {
        let line = self.actors.get(&id).and_then(|actor| actor.line);
        self.touched.extend(line);
        self.pump();
    }

    /// An actor is gone without a word, as a process that was killed.
    pub(in crate::test_broker) fn kill_actor(&mut self, id: ActorId) {
        let now = self.now();
        if let Some(actor) = self.actors.get_mut(&id)
            && let Some(number) = actor.line
        {
            actor.handle_closed(now);
            self.closed(number, Sender::Client);
            self.pump();
        }
    }
}
