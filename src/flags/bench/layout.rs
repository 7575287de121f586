//! How many clients of which kind, and who hears whom.

use super::Bench;
use crate::bench::plan::Mode;

/// Who there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Layout {
    pub(super) mode: Mode,
    pub(super) publishers: u32,
    pub(super) subscribers: u32,
    /// Every subscriber hears every publisher.
    pub(super) is_mesh: bool,
}

impl Layout {
    pub(super) fn of(flags: &Bench) -> Self {
        let mode = flags.mode.mode();
        let clients = flags.load.clients;
        let subscribers = &flags.subscribers;
        let (publishers, subscribers, is_mesh) = match (mode, subscribers.fan_out, subscribers.fan_in) {
            (Mode::Run, Some(count), _) => (1, count, true),
            (Mode::Run, _, Some(count)) => (clients, count, true),
            (Mode::Request, ..) if flags.mode == super::ModeWord::Reflect => (0, clients, false),
            // Each request has one responder, which answers those of several requesters when there are fewer.
            (Mode::Request, ..) => {
                (clients, subscribers.subs.unwrap_or(clients), subscribers.share.is_some())
            }
            (Mode::Run, ..) => {
                let count = subscribers.subs.unwrap_or(clients);
                // A shared subscription's members share one filter, and unequal numbers leave nobody unheard.
                (clients, count, count != clients || subscribers.share.is_some())
            }
            (Mode::Subscribe, ..) => (0, clients, false),
            // One that counts the wills.
            (Mode::Connect, ..) if flags.kind == Some(super::StormWord::Will) => (clients, 1, true),
            (Mode::Publish | Mode::Connect, ..) => (clients, 0, false),
        };
        Self { mode, publishers, subscribers, is_mesh }
    }
}

/// The filter of subscribers unless they have their own: the topic, in which places become wildcards where one
/// subscriber hears many.
pub(super) fn default_filter(layout: &Layout, topic: &str) -> String {
    let changes = |level: &str| {
        let mut rest = level.replace("%%", "").replace("%h", "");
        if !layout.is_mesh {
            rest = rest.replace("%i", "").replace("%g", "").replace("%c", "").replace("%u", "");
        }
        rest.contains('%')
    };
    let levels: Vec<&str> = topic.split('/').map(|level| if changes(level) { "+" } else { level }).collect();
    levels.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(topic: &str, is_mesh: bool) -> String {
        let layout = Layout { mode: Mode::Run, publishers: 2, subscribers: 2, is_mesh };
        default_filter(&layout, topic)
    }

    #[test]
    fn pairs_share_their_topic_and_meshes_hear_all() {
        assert_eq!(filter("bench/%i", false), "bench/%i");
        assert_eq!(filter("bench/%i", true), "bench/+");
        assert_eq!(filter("bench/%i/%s/x", false), "bench/%i/+/x");
        assert_eq!(filter("a/100%%/b", true), "a/100%%/b");
    }
}
