//! What scenarios need beside the public API.

use super::publish::Acknowledging;
use super::{TestBroker, WAIT};
use crate::packet::{Properties, Publish, Qos, ReasonCode, SubscriptionOptions, Text};
use bytes::Bytes;
use std::time::Duration;

impl TestBroker {
    /// Publishes a packet through the broker's own client; what the server said. With `is_hasty` its answer is not
    /// waited for.
    pub(crate) async fn publish_packet(
        &self,
        publish: Publish,
        is_hasty: bool,
    ) -> Result<ReasonCode, String> {
        let player = self.publisher().await.map_err(|error| error.to_string())?;
        if is_hasty {
            return player.send(publish).map(|_| ReasonCode::SUCCESS).map_err(|error| error.to_string());
        }
        player.publish(publish, WAIT).await.map_err(|error| error.to_string())
    }

    /// Whether `client` acknowledges a message, published after record `since`, in time.
    pub(crate) async fn acknowledged(
        &self,
        since: u64,
        publish: &Publish,
        client: &str,
        within: Duration,
    ) -> bool {
        let mut seen = Acknowledging { topic: &publish.topic, payload: &publish.payload, client, open: None };
        self.wait_for(since, within, |record| seen.look(record)).await.is_ok()
    }

    /// The topics of what is retained under `filters`, also at the broker behind.
    pub(crate) async fn retained_behind(&self, filters: &[String]) -> Result<Vec<String>, String> {
        let name = format!("culex-retained-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let (player, _) = self.insider(&name).await.map_err(|error| error.to_string())?;
        let options = SubscriptionOptions { maximum_qos: Qos::AtLeastOnce, ..SubscriptionOptions::default() };
        let text = |text: &str| Text::try_from(text).map_err(|error| format!("{text}: {error}"));
        // What is retained comes before a message of our own that was sent later.
        let fence = format!("culex/fence/{name}");
        let mut asked = vec![(text(&fence)?, options)];
        for filter in filters {
            asked.push((text(filter)?, options));
        }
        player.subscribe(Properties::EMPTY, asked, WAIT).await.map_err(|error| error.to_string())?;
        let publish = Publish {
            dup: false,
            qos: Qos::AtLeastOnce,
            retain: false,
            topic: text(&fence)?,
            packet_identifier: None,
            properties: Properties::EMPTY,
            payload: Bytes::new(),
        };
        player.send(publish).map_err(|error| error.to_string())?;
        let mut topics = Vec::new();
        while let Some(message) = player.next_message(WAIT).await {
            if message.topic == fence.as_str() {
                player.disconnect(crate::packet::Disconnect::default());
                return Ok(topics);
            }
            if message.retain {
                topics.push(message.topic.to_string());
            }
        }
        Err("retained messages cannot be told from others: a message of our own did not come back".to_owned())
    }
}
