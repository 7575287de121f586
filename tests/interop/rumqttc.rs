//! rumqttc's clients against our broker: a library that people deploy, which shares no line with ours.

use crate::support::{Broker, DEADLINE_SECONDS};
use std::time::Duration;

fn deadline() -> Duration {
    Duration::from_secs(DEADLINE_SECONDS.parse().unwrap())
}

/// rumqttc has its clients twice, under the same names: `rumqttc` speaks 3.1.1 and `rumqttc::v5` speaks 5.
macro_rules! suite {
    ($topic:expr, $durable:expr) => {
        struct Peer {
            client: AsyncClient,
            event_loop: EventLoop,
            session_present: bool,
        }

        impl Peer {
            async fn connect(broker: &Broker, id: &str, configure: impl FnOnce(&mut MqttOptions)) -> Self {
                let mut options = MqttOptions::new(id, "127.0.0.1", broker.port);
                configure(&mut options);
                let (client, event_loop) = AsyncClient::new(options, 100);
                let mut peer = Self { client, event_loop, session_present: false };
                peer.session_present = peer
                    .until(|event| match event {
                        Event::Incoming(Packet::ConnAck(connack)) => Some(connack.session_present),
                        _ => None,
                    })
                    .await;
                peer
            }

            async fn until<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
                tokio::time::timeout(deadline(), async {
                    loop {
                        if let Some(found) = wanted(self.event_loop.poll().await.unwrap()) {
                            return found;
                        }
                    }
                })
                .await
                .expect("what was waited for did not come")
            }

            async fn subscribe(&mut self, filter: &str, qos: QoS) {
                self.client.subscribe(filter, qos).await.unwrap();
                self.until(|event| matches!(event, Event::Incoming(Packet::SubAck(_))).then_some(())).await;
            }

            /// Publishes, and returns when the QoS's last acknowledgement is there.
            async fn publish(&mut self, topic: &str, qos: QoS, retain: bool, payload: &str) {
                self.client.publish(topic, qos, retain, payload.to_owned()).await.unwrap();
                self.until(|event| match (qos, event) {
                    (QoS::AtMostOnce, Event::Outgoing(Outgoing::Publish(_)))
                    | (QoS::AtLeastOnce, Event::Incoming(Packet::PubAck(_)))
                    | (QoS::ExactlyOnce, Event::Incoming(Packet::PubComp(_))) => Some(()),
                    _ => None,
                })
                .await;
            }

            /// The next message: topic, QoS, retain and payload.
            async fn message(&mut self) -> (String, u8, bool, String) {
                let message = self
                    .until(|event| match event {
                        Event::Incoming(Packet::Publish(message)) => Some(message),
                        _ => None,
                    })
                    .await;
                let payload = String::from_utf8(message.payload.to_vec()).unwrap();
                ($topic(&message.topic), message.qos as u8, message.retain, payload)
            }

            async fn disconnect(mut self) {
                self.client.disconnect().await.unwrap();
                while self.event_loop.poll().await.is_ok() {}
            }
        }

        fn message(topic: &str, qos: u8, retain: bool, payload: &str) -> (String, u8, bool, String) {
            (topic.to_owned(), qos, retain, payload.to_owned())
        }

        #[tokio::test]
        async fn every_qos_travels() {
            let broker = Broker::ours();
            let mut subscriber = Peer::connect(&broker, "subscriber", |_| {}).await;
            let mut publisher = Peer::connect(&broker, "publisher", |_| {}).await;
            subscriber.subscribe("qos/#", QoS::ExactlyOnce).await;
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                for count in 0..50 {
                    publisher.publish("qos/x", qos, false, &count.to_string()).await;
                }
                for count in 0..50 {
                    let expected = message("qos/x", qos as u8, false, &count.to_string());
                    assert_eq!(subscriber.message().await, expected);
                }
            }
        }

        #[tokio::test]
        async fn a_retained_message_waits_for_a_late_subscriber() {
            let broker = Broker::ours();
            let mut publisher = Peer::connect(&broker, "publisher", |_| {}).await;
            publisher.publish("retained/a", QoS::AtLeastOnce, true, "first").await;
            publisher.publish("retained/a", QoS::ExactlyOnce, true, "second").await;
            publisher.publish("retained/b", QoS::ExactlyOnce, true, "to be cleared").await;
            publisher.publish("retained/b", QoS::ExactlyOnce, true, "").await;
            let mut subscriber = Peer::connect(&broker, "subscriber", |_| {}).await;
            subscriber.subscribe("retained/+", QoS::AtLeastOnce).await;
            assert_eq!(subscriber.message().await, message("retained/a", 1, true, "second"));
            publisher.publish("retained/b", QoS::AtLeastOnce, true, "live").await;
            assert_eq!(subscriber.message().await, message("retained/b", 1, false, "live"));
        }

        #[tokio::test]
        async fn a_durable_session_collects_while_its_client_is_away() {
            let broker = Broker::ours();
            let mut away = Peer::connect(&broker, "durable", $durable).await;
            assert!(!away.session_present);
            away.subscribe("away/#", QoS::ExactlyOnce).await;
            away.disconnect().await;
            let mut publisher = Peer::connect(&broker, "publisher", |_| {}).await;
            publisher.publish("away/x", QoS::AtLeastOnce, false, "one").await;
            publisher.publish("away/x", QoS::ExactlyOnce, false, "two").await;
            let mut back = Peer::connect(&broker, "durable", $durable).await;
            assert!(back.session_present);
            assert_eq!(back.message().await, message("away/x", 1, false, "one"));
            assert_eq!(back.message().await, message("away/x", 2, false, "two"));
            back.disconnect().await;
            let clean = Peer::connect(&broker, "durable", |_| {}).await;
            assert!(!clean.session_present);
        }

        #[tokio::test]
        async fn a_will_speaks_for_a_client_that_dies() {
            let broker = Broker::ours();
            let mut watcher = Peer::connect(&broker, "watcher", |_| {}).await;
            watcher.subscribe("will/#", QoS::AtLeastOnce).await;
            let polite = Peer::connect(&broker, "polite", |options| {
                options.set_last_will(will("will/polite"));
            })
            .await;
            polite.disconnect().await;
            let victim = Peer::connect(&broker, "victim", |options| {
                options.set_last_will(will("will/victim"));
            })
            .await;
            drop(victim);
            assert_eq!(watcher.message().await, message("will/victim", 1, false, "gone"));
        }
    };
}

mod v4 {
    use super::{Broker, deadline};
    use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS};

    fn will(topic: &str) -> LastWill {
        LastWill::new(topic, "gone", QoS::AtLeastOnce, false)
    }

    suite!(String::clone, |options: &mut MqttOptions| {
        options.set_clean_session(false);
    });
}

mod v5 {
    use super::{Broker, deadline};
    use rumqttc::Outgoing;
    use rumqttc::v5::mqttbytes::{
        QoS,
        v5::{LastWill, Packet, PublishProperties, SubscribeProperties},
    };
    use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

    fn will(topic: &str) -> LastWill {
        LastWill::new(topic, "gone", QoS::AtLeastOnce, false, None)
    }

    suite!(|topic: &[u8]| String::from_utf8(topic.to_vec()).unwrap(), |options: &mut MqttOptions| {
        options.set_clean_start(false).set_session_expiry_interval(Some(600));
    });

    #[tokio::test]
    async fn properties_travel_unchanged() {
        let broker = Broker::ours();
        let mut subscriber = Peer::connect(&broker, "subscriber", |_| {}).await;
        let identifier = SubscribeProperties { id: Some(7), user_properties: vec![] };
        subscriber
            .client
            .subscribe_with_properties("properties", QoS::AtLeastOnce, identifier)
            .await
            .unwrap();
        subscriber.until(|event| matches!(event, Event::Incoming(Packet::SubAck(_))).then_some(())).await;

        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let sent = PublishProperties {
            payload_format_indicator: Some(1),
            message_expiry_interval: None,
            topic_alias: None,
            response_topic: Some("answers/here".into()),
            correlation_data: Some(vec![0, 1, 0xFF].into()),
            user_properties: vec![pair("b", "1"), pair("a", "2"), pair("b", "3")],
            subscription_identifiers: vec![],
            content_type: Some("text/plain".into()),
        };
        let mut publisher = Peer::connect(&broker, "publisher", |_| {}).await;
        publisher
            .client
            .publish_with_properties("properties", QoS::AtLeastOnce, false, "grüße", sent.clone())
            .await
            .unwrap();
        publisher.until(|event| matches!(event, Event::Incoming(Packet::PubAck(_))).then_some(())).await;
        let received = subscriber
            .until(|event| match event {
                Event::Incoming(Packet::Publish(message)) => Some(message.properties.unwrap()),
                _ => None,
            })
            .await;
        assert_eq!(received, PublishProperties { subscription_identifiers: vec![7], ..sent });
    }
}
