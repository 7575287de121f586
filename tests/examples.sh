#!/bin/sh
# Runs the examples for pytest and Jest against the built programs; scripts/install-peers.sh installs what they need.
set -eu
cd "$(dirname "$0")/.."
CULEX_BROKER=$PWD/${1:-target/debug}/culex-broker
export CULEX_BROKER
peers=$PWD/target/peers

PYTHONDONTWRITEBYTECODE=1 "$peers/venv/bin/python" -m pytest -q -p no:cacheprovider examples/pytest

# Where MQTT.js and Jest are installed, seen from where the example is.
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cp examples/jest/*.js examples/jest/package.json "$here"
ln -s "$peers/node_modules" "$here/node_modules"
cd "$here"
"$peers/node_modules/.bin/jest" --ci
