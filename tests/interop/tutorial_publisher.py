"""Publishes a random number every two seconds, as a tutorial would write it."""
import os
import random
import time

import paho.mqtt.client as mqtt

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.connect(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]), 60)
client.loop_start()

while True:
    number = random.randint(1, 100)
    client.publish("example/basic", payload=number, retain=True)
    print(f"Published {number}")
    time.sleep(2)
