"""aiomqtt as publisher and subscriber in MQTT 3.1.1 and 5."""
import asyncio
import os

import aiomqtt


def connect(version, **options):
    host, port = os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"])
    return aiomqtt.Client(host, port, protocol=version, **options)


async def roles(version):
    will = aiomqtt.Will("lights/will", "gone", qos=1)
    async with connect(version) as subscriber, connect(version, will=will) as publisher:
        await publisher.publish("lights/retained", "kept", qos=1, retain=True)
        await subscriber.subscribe("lights/#", qos=2)
        messages = aiter(subscriber.messages)
        first = await anext(messages)
        assert (str(first.topic), first.payload, first.retain) == ("lights/retained", b"kept", True), first
        for qos in range(3):
            await publisher.publish("lights/kitchen", f"qos {qos}", qos=qos)
            message = await anext(messages)
            assert (str(message.topic), message.payload, message.qos) == ("lights/kitchen", b"qos %d" % qos, qos)
        await publisher.publish("lights/retained", None, qos=1, retain=True)
        cleared = await anext(messages)
        assert (str(cleared.topic), cleared.payload) == ("lights/retained", b""), cleared


async def main():
    for version in (aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5):
        await asyncio.wait_for(roles(version), 30)


asyncio.run(main())
