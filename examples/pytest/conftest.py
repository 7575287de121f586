"""A broker for each test: `mqtt` is on, empty, and sees everything.

Copy this file into your tests. It needs `culex-broker` on the PATH (or its name in CULEX_BROKER) and nothing else.
"""

import json
import os
import socket
import subprocess

import pytest


class CheckFailed(AssertionError):
    """Something was not as it must be; the text says what came nearest."""


class Mqtt:
    """A broker, told what to do over its control socket: one step of a scenario a line."""

    def __init__(self):
        program = os.environ.get("CULEX_BROKER", "culex-broker")
        words = [program, "--port", "0", "--control", "--print-env", "json", "--until-eof", "--quiet"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.environment = json.loads(self.process.stdout.readline())
        self.host, self.port = self.environment["MQTT_HOST"], int(self.environment["MQTT_PORT"])
        self.url = self.environment["MQTT_URL"]
        host, _, port = self.environment["CULEX_CONTROL"].rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.lines = self.socket.makefile("rw", encoding="utf-8")

    def step(self, **step):
        """Takes one step: publish={...}, expect={...}, fault={...}, client={...}, advance="1h", broker={...} ..."""
        answer = self._say(step)
        if not answer["ok"]:
            raise CheckFailed(answer["error"])
        return answer

    def publish(self, topic, **more):
        return self.step(publish={"topic": topic, **more})

    def expect(self, topic, **more):
        """Waits for a message; its record, with `payload` and `client`."""
        return self.step(expect={"topic": topic, **more}).get("record")

    def wait_for(self, event, **more):
        """Waits for an event of a client, since the start: connect, subscribe, close ..."""
        return self.step(expect={"event": event, "since": "start", **more}).get("record")

    def fault(self, do, name=None, **on):
        return self.step(fault={"do": do, "on": on, **({"name": name} if name else {})})

    def snapshot(self):
        return self._say({"ask": "snapshot"})

    def journal(self):
        return self._say({"ask": "journal"})["records"]

    def reset(self):
        self._say({"ask": "reset"})

    def close(self):
        self.socket.close()
        self.process.stdin.close()
        self.process.wait(10)

    def _say(self, request):
        self.lines.write(json.dumps(request) + "\n")
        self.lines.flush()
        return json.loads(self.lines.readline())


@pytest.fixture(scope="session")
def mqtt_broker():
    broker = Mqtt()
    yield broker
    broker.close()


@pytest.fixture
def mqtt(mqtt_broker):
    mqtt_broker.reset()
    yield mqtt_broker
    complaints = mqtt_broker._say({"ask": "complaints"})["complaints"]
    errors = [text for text in complaints if text.startswith("protocol error")]
    assert not errors, errors
