"""Prints topic and payload of what is published to example/basic, as a tutorial would write it."""
import os

import paho.mqtt.client as mqtt


def on_connect(client, userdata, flags, reason_code, properties):
    print(f"Connected: {reason_code}")
    client.subscribe("example/basic")


def on_subscribe(client, userdata, mid, reason_codes, properties):
    print("Subscribed")


def on_message(client, userdata, message):
    print(message.topic, message.payload.decode())


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.on_connect = on_connect
client.on_subscribe = on_subscribe
client.on_message = on_message
client.connect(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]), 60)
client.loop_forever()
