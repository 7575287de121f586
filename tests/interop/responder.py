"""paho-mqtt as the far side of request and response: answers in capitals, to where and with what the request says."""
import os
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

version = {"5": mqtt.MQTTv5, "311": mqtt.MQTTv311}[sys.argv[1]]


def on_message(client, _userdata, message):
    topic, properties = "response/fixed", None
    if version == mqtt.MQTTv5:
        topic = message.properties.ResponseTopic
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = ("answered-by", "paho")
        if hasattr(message.properties, "CorrelationData"):
            properties.CorrelationData = message.properties.CorrelationData
    client.publish(topic, message.payload.upper(), message.qos, properties=properties)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
client.on_message = on_message
client.on_connect = lambda client, *_: client.subscribe("request/#", 2)
client.on_subscribe = lambda *_: print("ready", flush=True)
client.connect(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]))
client.loop_forever()
