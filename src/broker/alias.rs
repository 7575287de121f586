//! Topic Aliases both ways (MQTT 5, section 3.3.2.3.4): the client's tables, kept small for many connections.

use crate::packet::{ReasonCode, Text};
use crate::session::alias::{AssignedAliases, IncomingAliases, TopicForm};

/// Resolves a PUBLISH's topic: sets the alias when a topic came with it, looks it up otherwise.
///
/// `maximum` is what the server told the client.
pub(super) fn resolve(
    aliases: &mut IncomingAliases,
    alias: u16,
    topic: &str,
    maximum: u16,
) -> Result<Text, ReasonCode> {
    if alias == 0 || alias > maximum {
        return Err(ReasonCode::TOPIC_ALIAS_INVALID);
    }
    if topic.is_empty() {
        return aliases.topic(alias).cloned().ok_or(ReasonCode::PROTOCOL_ERROR);
    }
    Ok(aliases.set(alias, topic).clone())
}

/// Aliases that the broker has given out to one client; a connection without any holds no memory for them.
#[derive(Debug, Default)]
pub(super) struct OutgoingAliases(Option<Box<(u16, AssignedAliases)>>);

impl OutgoingAliases {
    /// Allows that many aliases; 0 for none.
    pub(super) fn allow(&mut self, maximum: u16) {
        self.0 = (maximum > 0).then(|| Box::new((maximum, AssignedAliases::default())));
    }

    /// Whether aliases may be used at all.
    #[inline]
    pub(super) const fn is_allowed(&self) -> bool {
        self.0.is_some()
    }

    /// The form in which `topic` may be sent next; a new alias is taken only with [`OutgoingAliases::take`].
    pub(super) fn form(&self, topic: &str) -> TopicForm {
        match self.0.as_deref() {
            Some((maximum, assigned)) => assigned.form(topic, *maximum),
            None => TopicForm::Plain,
        }
    }

    /// Remembers that `topic` was sent with this new alias.
    pub(super) fn take(&mut self, topic: &Text, alias: u16) {
        if let Some((_, assigned)) = self.0.as_deref_mut() {
            assigned.take(topic.clone(), alias);
        }
    }
}
