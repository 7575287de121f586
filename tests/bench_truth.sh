#!/bin/sh
# What culex-bench says of brokers that misbehave: a mosquitto that is stopped for two seconds, one with Nagle's algorithm on, a
# generator that is asked for more than it can do, and its HTML report in a browser, where there is one.
# usage: tests/bench_truth.sh [PROGRAM]
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
here=$(mktemp -d)
broker='' load=''
trap 'kill -CONT $broker 2>/dev/null || :; kill $load $broker 2>/dev/null || :; rm -rf "$here"' EXIT

if [ $# -gt 0 ]; then
    bench=$1
else
    cargo build --quiet --release --locked --bin culex
    ln -s "$PWD/target/release/culex" "$here/culex-bench"
    bench=$here/culex-bench
fi

fail() { echo "bench: $1" >&2; exit 1; }

# value FILE EXPRESSION: from a result in JSON, r
value() {
    python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}

# mosquitto CONFIGURATION: on a free port, which is the system's choice and then given back
serve() {
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    { printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port"; printf '%s' "$1"; } >"$here/conf"
    mosquitto -c "$here/conf" 2>"$here/log" &
    broker=$!
    until "$bench" conn --quiet -h 127.0.0.1 -p "$port" -c 1 -W 1ms >/dev/null 2>&1; do
        kill -0 "$broker" || { cat "$here/log" >&2; fail 'mosquitto does not serve'; }
    done
}

end_broker() {
    kill "$broker"
    wait "$broker" || :
    broker=''
}

# -- Two seconds of standstill under 100 messages a second for twenty seconds: what was due meanwhile waited, and 2.5 % of all
# messages for at least 1.5 s. A generator that waits for answers before it sends would show milliseconds.
serve 'set_tcp_nodelay true
'
mkfifo "$here/progress"
"$bench" pub --progress plain -h 127.0.0.1 -p "$port" -q 1 -w 0 -c 10 --rate 100 --warmup 0 -W 20s --json "$here/stall.json" \
    >"$here/summary" 2>"$here/progress" &
load=$!
seconds=0 stopped='' gone_on=''
while read -r word _; do
    [ "$word" = measure ] || continue
    # A line comes every second.
    seconds=$((seconds + 1))
    case $seconds in
        8) kill -STOP "$broker"; stopped=$(date +%s.%N) ;;
        10) kill -CONT "$broker"; gone_on=$(date +%s.%N) ;;
    esac
done <"$here/progress"
wait "$load" || { cat "$here/summary"; fail 'the load under the standstill failed'; }
load=''
python3 - "$here/stall.json" "$stopped" "$gone_on" <<'EOF' || fail 'the standstill does not show in the percentiles'
import json, math, sys
result = json.load(open(sys.argv[1]))
length = float(sys.argv[3]) - float(sys.argv[2])
latency = result["latency_us"]["ack"]
total = latency["count"]
assert total == 2000, total
# The waiting times are evenly spread from 0 to the length of the standstill; the rest is nothing beside them.
for name, percent in (("p99", 99.0), ("p99_9", 99.9)):
    behind = total * (1 - percent / 100)
    truth = (length - behind / 100) * 1e6
    error = latency[name] / truth - 1
    print(f"{name}: {latency[name] / 1e3:.0f} ms, truly {truth / 1e3:.0f} ms, error {error:+.2%}")
    assert abs(error) < 0.05, name
EOF
end_broker

# -- A mosquitto with Nagle's algorithm on holds a reply back until its PUBACK of the request is acknowledged, which ordinary
# clients do after 40 ms.
serve 'set_tcp_nodelay false
'
trips='rr -q 1 -c 3 --rate 60 --warmup 0 -W 5s'
blames='any("Nagle" in text for text in r.get("warnings", []))'
# shellcheck disable=SC2086 # a list of words
"$bench" $trips --quiet -h 127.0.0.1 -p "$port" --no-quickack --json "$here/nagle.json" >"$here/summary" || :
[ "$(value "$here/nagle.json" "$blames")" = True ] || { cat "$here/summary"; fail 'nothing is said about Nagle'; }
# shellcheck disable=SC2086
"$bench" $trips --quiet -h 127.0.0.1 -p "$port" --json "$here/quick.json" >"$here/summary"
[ "$(value "$here/quick.json" "$blames")" = False ] || fail 'Nagle is blamed though every read is acknowledged at once'
end_broker

# -- A generator at its limit says so, and --strict makes that a status: messages that are dear to make, to a sink that takes all.
: >"$here/sink"
"$bench" sink >"$here/sink" &
broker=$!
until read -r address <"$here/sink"; do kill -0 "$broker" || fail 'the sink does not serve'; done
printf '{{uuid}} {{uuid}} {{gauss 20 5}} {{rand 1 100}}' >"$here/template"
status=0
"$bench" pub --quiet --strict -h 127.0.0.1 -p "${address##*:}" -c 4 --threads 1 --template "$here/template" --rate 5M -W 2s \
    --warmup 0 --drain 0 --json "$here/limit.json" >"$here/summary" || status=$?
[ "$status" = 5 ] || { cat "$here/summary"; fail "a saturated generator ended with $status under --strict"; }
[ "$(value "$here/limit.json" 'r["generator"]["status"]')" = saturated ] || fail 'a saturated generator does not say so'
end_broker

# -- The report, as a browser shows it.
"$bench" --quiet --embedded -c 5 --rate 500 -W 5s --html "$here/report.html" >/dev/null
browser=$(command -v chromium || command -v chromium-browser || :)
if [ -z "$browser" ] && [ "$(id -u)" = 0 ]; then
    apt-get update -q >/dev/null 2>&1 || :
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium >/dev/null 2>&1 || :
    browser=$(command -v chromium || :)
fi
if [ -z "$browser" ]; then
    echo 'bench: SKIPPED the report in a browser: chromium is not here and cannot be installed'
else
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --window-size=1000,1400 --user-data-dir="$here/profile" \
        --screenshot="$here/report.png" "file://$here/report.html" >"$here/browser.log" 2>&1 || { cat "$here/browser.log"; fail 'chromium does not show the report'; }
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$here/profile" --dump-dom "file://$here/report.html" \
        >"$here/dom.html" 2>>"$here/browser.log"
    python3 - "$here/report.png" "$here/dom.html" <<'EOF' || fail 'the report is not what it should be'
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
width, height = struct.unpack(">II", data[16:24])
at, packed, colour = 8, b"", data[25]
while at < len(data):
    length, kind = struct.unpack(">I4s", data[at : at + 8])
    packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
    at += 12 + length
inked = len(set(zlib.decompress(packed)))
dom = open(sys.argv[2]).read()
assert width == 1000 and inked > 30, (width, height, inked)
assert dom.count("<svg") >= 2 and "<path" in dom and "p99" in dom, dom[:500]
print(f"report: {width}x{height}, {dom.count('<svg')} curves")
EOF
fi
echo 'bench: stall, Nagle and saturation are told as they are'
