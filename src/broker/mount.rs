//! Mount points: what a listener puts before every topic of its clients, and takes off again towards them.

use super::connection::{Connection, ConnectionId};
use super::message::{Message, MessageRef};
use super::{Broker, Config};
use crate::packet::Text;
use crate::packet::topic::SharedFilter;
use std::borrow::Cow;

impl Connection {
    /// `message` as this client sees it.
    pub(super) fn view<'m>(&self, message: &'m Message) -> MessageRef<'m> {
        let mut view = message.borrowed();
        if let Some(mount_point) = &self.details.mount_point {
            view.topic = view.topic.strip_prefix(&**mount_point).unwrap_or(view.topic);
        }
        view
    }

    /// `filter` as the broker knows it: in a shared one the mount point stands before the filter proper.
    pub(super) fn mounted_filter<'f>(&self, filter: &'f str) -> Cow<'f, str> {
        match (&self.details.mount_point, SharedFilter::split(filter)) {
            (None, _) => Cow::Borrowed(filter),
            (Some(mount_point), Ok(Some(shared))) => {
                Cow::Owned(format!("$share/{}/{mount_point}{}", shared.share_name, shared.filter))
            }
            (Some(mount_point), _) => Cow::Owned(format!("{mount_point}{filter}")),
        }
    }
}

impl Broker {
    /// `filter` of this client as the broker knows it.
    pub(super) fn mounted_filter<'f>(&self, id: ConnectionId, filter: &'f str) -> Cow<'f, str> {
        self.connections.get(id).map_or(Cow::Borrowed(filter), |connection| connection.mounted_filter(filter))
    }

    /// `topic` of this client as the broker knows it; `None` without a mount point.
    #[cold]
    pub(super) fn mounted_topic(&self, id: ConnectionId, topic: &str) -> Option<Text> {
        let mount_point = self.connections.get(id)?.details.mount_point.as_ref()?;
        Some(Text::detached(&format!("{mount_point}{topic}")))
    }
}

impl Config {
    /// What the clients of this listener have before their topics.
    pub(super) fn mount_point(&self, listener: usize) -> Option<Text> {
        self.listener(listener)?.mount_point.clone().filter(|mount_point| !mount_point.is_empty())
    }
}
