//! Topic Aliases (MQTT 5, section 3.3.2.3.4), one table a direction; both are forgotten with the connection. The broker uses
//! the same tables.

use crate::packet::Text;
use rustc_hash::FxHashMap;

/// The aliases that the other side has set.
#[derive(Debug, Default)]
pub(crate) struct IncomingAliases {
    /// By alias minus one; grows to the highest alias that was used.
    topics: Vec<Text>,
}

impl IncomingAliases {
    /// Sets the topic of `alias`, which the caller has compared with the maximum; returns it to be kept.
    pub(crate) fn set(&mut self, alias: u16, topic: &str) -> &Text {
        let index = usize::from(alias).saturating_sub(1);
        if index >= self.topics.len() {
            self.topics.resize(index + 1, Text::EMPTY);
        }
        if self.topics[index] != topic {
            self.topics[index] = Text::detached(topic);
        }
        &self.topics[index]
    }

    /// The topic of `alias`, if it was set.
    pub(crate) fn topic(&self, alias: u16) -> Option<&Text> {
        self.topics.get(usize::from(alias).checked_sub(1)?).filter(|topic| !topic.is_empty())
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.topics = Vec::new();
    }
}

/// Aliases that this side assigns by itself: 1, 2, ... in order of first use.
#[derive(Debug, Default)]
pub(crate) struct AssignedAliases {
    by_topic: FxHashMap<Text, u16>,
}

impl AssignedAliases {
    /// The form in which `topic` may be sent next, with at most `maximum` aliases; a new one is taken only with
    /// [`AssignedAliases::take`], since the packet may turn out not to be sent.
    pub(crate) fn form(&self, topic: &str, maximum: u16) -> TopicForm {
        if let Some(&alias) = self.by_topic.get(topic) {
            return TopicForm::Alias(alias);
        }
        match u16::try_from(self.by_topic.len() + 1) {
            Ok(alias) if alias <= maximum => TopicForm::Introduce(alias),
            _ => TopicForm::Plain,
        }
    }

    /// Remembers that `topic` was sent with this new alias.
    pub(crate) fn take(&mut self, topic: Text, alias: u16) {
        self.by_topic.insert(topic, alias);
    }
}

/// The aliases that this side has set, or assigns by itself.
#[derive(Debug, Default)]
pub(crate) struct OutgoingAliases {
    by_alias: IncomingAliases,
    assigned: AssignedAliases,
    /// The author chooses aliases, so none are assigned: they could collide.
    is_chosen: bool,
}

/// How a topic goes out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TopicForm {
    /// As it is, without an alias.
    Plain,
    /// With the alias beside it, which is set by this very packet.
    Introduce(u16),
    /// Only the alias.
    Alias(u16),
}

impl OutgoingAliases {
    /// Uses the alias that the message's author chose.
    pub(crate) fn chosen(&mut self, alias: u16, topic: &str) -> TopicForm {
        self.is_chosen = true;
        if self.by_alias.topic(alias).is_some_and(|set| set == topic) {
            return TopicForm::Alias(alias);
        }
        self.by_alias.set(alias, topic);
        TopicForm::Introduce(alias)
    }

    /// Assigns the next of `maximum` aliases to a new topic, as long as there are any.
    pub(crate) fn assign(&mut self, topic: &str, maximum: u16) -> TopicForm {
        if self.is_chosen {
            return TopicForm::Plain;
        }
        let form = self.assigned.form(topic, maximum);
        if let TopicForm::Introduce(alias) = form {
            let topic = self.by_alias.set(alias, topic).clone();
            self.assigned.take(topic, alias);
        }
        form
    }

    /// The topic that `alias` stands for.
    pub(crate) fn topic(&self, alias: u16) -> Option<&Text> {
        self.by_alias.topic(alias)
    }

    /// Whether the author has chosen an alias on this connection.
    pub(crate) fn is_chosen(&self) -> bool {
        self.is_chosen
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.by_alias.clear();
        self.assigned = AssignedAliases::default();
        self.is_chosen = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_names_the_last_topic_that_was_set() {
        let mut aliases = IncomingAliases::default();
        assert_eq!(aliases.topic(3), None);
        aliases.set(3, "a");
        assert_eq!(aliases.topic(3).map(Text::as_str), Some("a"));
        aliases.set(3, "b");
        assert_eq!(aliases.topic(3).map(Text::as_str), Some("b"));
        assert_eq!(aliases.topic(2), None);
        assert_eq!(aliases.topic(0), None);
        aliases.clear();
        assert_eq!(aliases.topic(3), None);
    }

    #[test]
    fn the_topic_goes_out_once_for_each_alias() {
        let mut aliases = OutgoingAliases::default();
        assert_eq!(aliases.chosen(7, "a"), TopicForm::Introduce(7));
        assert_eq!(aliases.chosen(7, "a"), TopicForm::Alias(7));
        assert_eq!(aliases.chosen(7, "b"), TopicForm::Introduce(7));
        aliases.clear();
        assert_eq!(aliases.chosen(7, "b"), TopicForm::Introduce(7));
    }

    #[test]
    fn no_more_aliases_are_assigned_than_allowed() {
        let mut aliases = OutgoingAliases::default();
        assert_eq!(aliases.assign("a", 2), TopicForm::Introduce(1));
        assert_eq!(aliases.assign("b", 2), TopicForm::Introduce(2));
        assert_eq!(aliases.assign("c", 2), TopicForm::Plain);
        assert_eq!(aliases.assign("a", 2), TopicForm::Alias(1));
        assert_eq!(aliases.chosen(1, "d"), TopicForm::Introduce(1));
        assert_eq!(aliases.assign("a", 2), TopicForm::Plain);
    }
}
