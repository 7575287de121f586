"""A lamp on paho-mqtt, tested without a sleep."""

import json

import paho.mqtt.client as paho
import pytest

from conftest import CheckFailed


@pytest.fixture
def lamp(mqtt):
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="lamp", protocol=paho.MQTTv5)

    def on_message(client, _, message):
        client.publish("state/lamp", json.dumps({"on": json.loads(message.payload)["on"], "power_w": 7.6}), qos=1)

    client.on_connect = lambda client, *_: client.subscribe("cmd/lamp", qos=1)
    client.on_message = on_message
    client.will_set("state/lamp", "gone", qos=1)
    client.connect(mqtt.host, mqtt.port)
    client.loop_start()
    mqtt.wait_for("subscribe", client="lamp", topic="cmd/lamp")
    yield client
    client.disconnect()
    client.loop_stop()


def test_the_lamp_answers(mqtt, lamp):
    mqtt.publish("cmd/lamp", json={"on": True}, qos=1, acked_by="lamp")
    state = mqtt.expect("state/{id}", json={"subset": {"on": True}}, at={"/power_w": {"near": 7.5, "tol": 0.2}}, qos=1)
    assert state["client"] == "lamp"


def test_a_wrong_state_is_told_with_what_came(mqtt, lamp):
    mqtt.publish("cmd/lamp", json={"on": False}, qos=1)
    with pytest.raises(CheckFailed, match="/on: is false, must be true"):
        mqtt.expect("state/lamp", json={"subset": {"on": True}}, within="200ms")


def test_a_lost_puback_brings_the_message_again(mqtt, lamp):
    mqtt.fault("drop", name="lost", to="lamp", packet="puback", nth=1)
    lamp.publish("event/lamp", "pressed", qos=1)
    mqtt.step(fault={"fired": {"name": "lost"}})
    mqtt.step(broker={"cut": {"client": "lamp"}})
    mqtt.expect("event/lamp", since="start", at_least=2)


def test_its_will_speaks_for_it(mqtt, lamp):
    mqtt.step(broker={"cut": {"client": "lamp"}})
    assert mqtt.expect("state/lamp", will=True)["payload"] == "gone"
