"""paho-mqtt in MQTT 3.1, 3.1.1 and 5: QoS 0 to 2, retained, durable session, will, and the properties of MQTT 5."""
import os
import queue
import socket

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

DEADLINE = 30  # seconds


class Peer:
    def __init__(self, version, name, durable=False, will=None):
        clean = {} if version == mqtt.MQTTv5 else {"clean_session": not durable}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **clean)
        self.version, self.messages, self.signals = version, queue.Queue(), queue.Queue()
        self.client.on_connect = lambda c, u, flags, reason, p: self.signals.put((reason.value, flags.session_present))
        self.client.on_subscribe = lambda c, u, mid, reasons, p: self.signals.put([r.value for r in reasons])
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        if will:
            self.client.will_set(will, "gone", qos=1)
        options = {}
        if version == mqtt.MQTTv5:
            connect = Properties(PacketTypes.CONNECT)
            connect.SessionExpiryInterval = 600 if durable else 0
            options = {"clean_start": not durable, "properties": connect}
        self.client.connect(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]), 60, **options)
        self.client.loop_start()
        reason, self.session_present = self.signals.get(timeout=DEADLINE)
        assert reason == 0, reason

    def subscribe(self, filter, qos):
        self.client.subscribe(filter, qos)
        granted = self.signals.get(timeout=DEADLINE)
        assert granted == [qos], granted

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        self.client.publish(topic, payload, qos, retain, properties).wait_for_publish(DEADLINE)

    def message(self):
        return self.messages.get(timeout=DEADLINE)

    def next(self):
        message = self.message()
        return message.topic, message.qos, message.retain, message.payload.decode()

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

    def die(self):
        """Closes the socket without a DISCONNECT."""
        self.client.loop_stop()
        self.client.socket().shutdown(socket.SHUT_RDWR)


def expect(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def guarantees(version):
    watcher = Peer(version, "watcher")
    publisher = Peer(version, "publisher")
    watcher.subscribe("qos/#", 2)
    for qos in range(3):
        for count in range(100):
            publisher.publish(f"qos/{qos}", str(count), qos)
        for count in range(100):
            expect(watcher.next(), (f"qos/{qos}", qos, False, str(count)))

    publisher.publish("retained/x", "first", 1, True)
    publisher.publish("retained/x", "second", 2, True)
    watcher.subscribe("retained/#", 1)
    expect(watcher.next(), ("retained/x", 1, True, "second"))
    publisher.publish("retained/x", "", 1, True)
    expect(watcher.next(), ("retained/x", 1, False, ""))

    away = Peer(version, "durable", durable=True)
    away.subscribe("away/#", 2)
    away.leave()
    for qos in (1, 2):
        publisher.publish("away/x", str(qos), qos)
    back = Peer(version, "durable", durable=True)
    if version != mqtt.MQTTv31:  # which has no session present flag
        expect((away.session_present, back.session_present), (False, True))
    expect(back.next(), ("away/x", 1, False, "1"))
    expect(back.next(), ("away/x", 2, False, "2"))
    back.leave()
    Peer(version, "durable").leave()

    watcher.subscribe("will/#", 1)
    Peer(version, "polite", will="will/polite").leave()
    Peer(version, "victim", will="will/victim").die()
    expect(watcher.next(), ("will/victim", 1, False, "gone"))

    watcher.leave()
    publisher.leave()


def properties():
    subscriber, publisher = Peer(mqtt.MQTTv5, "subscriber"), Peer(mqtt.MQTTv5, "publisher")
    subscriber.subscribe("properties", 1)
    sent = Properties(PacketTypes.PUBLISH)
    sent.PayloadFormatIndicator = 1
    sent.ContentType = "text/plain"
    sent.ResponseTopic = "answers/here"
    sent.CorrelationData = b"\x00\x01\xff"
    sent.MessageExpiryInterval = 600
    sent.UserProperty = [("b", "1"), ("a", "2"), ("b", "3")]
    publisher.publish("properties", "hello", 1, properties=sent)
    received = subscriber.message().properties
    assert 590 <= received.MessageExpiryInterval <= 600, received.MessageExpiryInterval
    for name in ("PayloadFormatIndicator", "ContentType", "ResponseTopic", "CorrelationData", "UserProperty"):
        expect(getattr(received, name), getattr(sent, name))
    subscriber.leave()
    publisher.leave()


for version in (mqtt.MQTTv31, mqtt.MQTTv311, mqtt.MQTTv5):
    guarantees(version)
properties()
