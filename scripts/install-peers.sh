#!/bin/sh
# Installs the independent peers that tests/interop.rs talks to: Debian's mosquitto and its clients (with apt-get, as root),
# PyPI's paho-mqtt and aiomqtt, npm's mqtt (both into target/peers, which the tests look into), and there too pytest and
# Jest for the examples.
# What is there already is left as it is. Each install is tried twice.
set -eu
cd "$(dirname "$0")/.."
peers=$PWD/target/peers
mkdir -p "$peers"

twice() {
    "$@" || { echo "again: $*" >&2; "$@"; }
}

need() { # need PROGRAM PACKAGE: apt-get installs PACKAGE unless PROGRAM is there
    PATH=$PATH:/usr/sbin command -v "$1" >/dev/null || missing="$missing $2"
}

missing=
need mosquitto mosquitto
need mosquitto_pub mosquitto-clients
need python3 python3
need node nodejs
need npm npm
need shellcheck shellcheck
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    twice apt-get update -q
    # shellcheck disable=SC2086 # a list of words
    twice apt-get install -q -y --no-install-recommends $missing
fi

if ! "$peers/venv/bin/python" -c 'import paho.mqtt, aiomqtt' 2>/dev/null; then
    rm -rf "$peers/venv"
    python3 -m venv "$peers/venv" || {
        twice apt-get update -q
        twice apt-get install -q -y --no-install-recommends python3-venv
        python3 -m venv "$peers/venv"
    }
    twice "$peers/venv/bin/pip" install -q --disable-pip-version-check 'paho-mqtt>=2,<3' 'aiomqtt>=2,<3'
fi

if [ ! -d "$peers/node_modules/mqtt" ]; then
    twice npm install --silent --no-fund --no-audit --no-save --prefix "$peers" mqtt@5
fi

# The test runners of examples/pytest and examples/jest.
"$peers/venv/bin/python" -c 'import pytest' 2>/dev/null ||
    twice "$peers/venv/bin/pip" install -q --disable-pip-version-check 'pytest>=8,<10'
[ -d "$peers/node_modules/jest" ] ||
    twice npm install --silent --no-fund --no-audit --no-save --prefix "$peers" mqtt@5 jest@29

mosquitto_pub --version | head -n 1 || true # its status is 1
"$peers/venv/bin/python" -c 'import importlib.metadata as m; print(*(f"{n} {m.version(n)}" for n in ("paho-mqtt", "aiomqtt")), sep="\n")'
NODE_PATH=$peers/node_modules node -e 'console.log("npm mqtt", require("mqtt/package.json").version)'
