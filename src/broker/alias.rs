//! Topic Aliases both ways (MQTT 5, section 3.3.2.3.4); a connection without any holds no memory for them.

use crate::packet::{ReasonCode, Text};
use rustc_hash::FxHashMap;

/// What a client's aliases stand for.
#[derive(Debug, Default)]
pub(super) struct IncomingAliases(Vec<Text>);

impl IncomingAliases {
    /// Resolves a PUBLISH's topic: sets the alias when a topic came with it, looks it up otherwise.
    ///
    /// `maximum` is what the server told the client.
    pub(super) fn resolve(&mut self, alias: u16, topic: &str, maximum: u16) -> Result<Text, ReasonCode> {
        if alias == 0 || alias > maximum {
            return Err(ReasonCode::TOPIC_ALIAS_INVALID);
        }
        let place = usize::from(alias) - 1;
        if topic.is_empty() {
            let known = self.0.get(place);
            return known.filter(|topic| !topic.is_empty()).cloned().ok_or(ReasonCode::PROTOCOL_ERROR);
        }
        let topics = &mut self.0;
        if topics.len() <= place {
            topics.resize(place + 1, Text::EMPTY);
        }
        if topics[place] != topic {
            topics[place] = Text::detached(topic);
        }
        Ok(topics[place].clone())
    }
}

/// Aliases that the broker has given out to one client: 1, 2, ... in order of first use.
#[derive(Debug, Default)]
pub(super) struct OutgoingAliases(Option<Box<Given>>);

#[derive(Debug)]
struct Given {
    maximum: u16,
    by_topic: FxHashMap<Text, u16>,
}

/// How a topic is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TopicForm {
    /// In full, without alias.
    Plain,
    /// In full, and from now on known by this alias.
    First(u16),
    /// By its alias alone.
    Alias(u16),
}

impl OutgoingAliases {
    /// Allows that many aliases; 0 for none.
    pub(super) fn allow(&mut self, maximum: u16) {
        self.0 = (maximum > 0).then(|| Box::new(Given { maximum, by_topic: FxHashMap::default() }));
    }

    /// Whether aliases may be used at all.
    #[inline]
    pub(super) const fn is_allowed(&self) -> bool {
        self.0.is_some()
    }

    /// The form in which `topic` may be sent next; a new alias is taken only with [`OutgoingAliases::take`].
    pub(super) fn form(&self, topic: &str) -> TopicForm {
        let Some(given) = &self.0 else {
            return TopicForm::Plain;
        };
        match given.by_topic.get(topic) {
            Some(&alias) => TopicForm::Alias(alias),
            None if given.by_topic.len() < usize::from(given.maximum) => {
                TopicForm::First(u16::try_from(given.by_topic.len() + 1).unwrap_or(given.maximum))
            }
            None => TopicForm::Plain,
        }
    }

    /// Remembers that `topic` was sent with this new alias.
    pub(super) fn take(&mut self, topic: &Text, alias: u16) {
        if let Some(given) = &mut self.0 {
            given.by_topic.insert(topic.clone(), alias);
        }
    }
}
