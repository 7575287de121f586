#!/bin/sh
# What the load generator costs: processor seconds for a million messages against `culex-bench sink`, beside the same load on the
# library rumqttc and beside mosquitto_pub -l and mosquitto_sub. Prints tables in Markdown.
# usage: benches/generator.sh [PROGRAM [PART...]], the parts being publish, receive and connect; all of them by default
set -eu
cd "$(dirname "$0")/.."
program=${1:-$PWD/target/release/culex-bench}
[ $# -gt 0 ] || cargo build --quiet --release --locked --bin culex-bench
[ $# -eq 0 ] || shift
exec python3 - "$program" "$@" <<'EOF'
import json, os, resource, statistics, subprocess, sys, tempfile, time

bench, runs = sys.argv[1], 3
parts = sys.argv[2:] or ["publish", "receive", "connect"]
json_file = tempfile.mktemp(suffix=".json")
sink = subprocess.Popen([bench, "sink"], stdout=subprocess.PIPE, text=True)
port = sink.stdout.readline().strip().rsplit(":", 1)[1]
at = ["-h", "127.0.0.1", "-p", port]


def load(words):
    """Runs the generator; its result."""
    command = [bench, *words.split(), "--quiet", *at, "-V", "311", "--threads", "1", "--json", json_file]
    subprocess.run(command, stdout=subprocess.DEVNULL)
    return json.load(open(json_file))


def cost(words):
    """Median processor seconds a million messages, and the rate."""
    results = [load(words) for _ in range(runs)]
    each = statistics.median(result["generator"]["cpu_s_per_million"] for result in results)
    # On a busy machine what is due gathers, and a write holds more than one message, which is cheaper.
    gathered = statistics.median(result["generator"].get("messages_per_write") or 0 for result in results)
    print(f"{words}: {gathered} messages a write", file=sys.stderr)
    return each, statistics.median(result["rates"]["sent"] for result in results)


def spent(command, **options):
    """Processor and wall seconds of another program."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - began


def lines(words, count):
    """mosquitto_pub -l, with this many lines of 16 bytes."""
    with tempfile.TemporaryFile() as text:
        text.write(b"0123456789abcdef\n" * count)
        each = []
        for _ in range(runs):
            text.seek(0)
            cpu, wall = spent(["mosquitto_pub", "-l", "-t", "bench/0", *words.split(), *at], stdin=text)
            each.append((cpu / count * 1e6, count / wall))
        return statistics.median(cpu for cpu, _ in each), statistics.median(rate for _, rate in each)


def shown(figures):
    each, rate = figures
    unit = f"{rate / 1e6:.1f} M/s" if rate >= 1e6 else f"{rate / 1e3:.0f} k/s"
    return f"{each:.2g} ({unit})" if each < 10 else f"{each:.0f} ({unit})"


def row(name, must, words, library=True, other=None):
    own = shown(cost("pub -s 16 -W 3s --warmup 500ms " + words))
    peer = shown(cost("pub -s 16 -W 2s --warmup 500ms --engine rumqttc " + words)) if library else "–"
    print(f"| {name} | {must} | {own} | {peer} | {shown(other) if other else '–'} |", flush=True)


HEADING = "| load, 16 bytes, MQTT 3.1.1, one thread | must | culex bench | --engine rumqttc | mosquitto_pub -l, one client |"


def publish():
    print(HEADING)
    print("|---|---|---|---|---|")
    row("QoS 0 as fast as it goes, 10 clients", "0.30", "-c 10 --rate max", other=lines("-q 0", 500_000))
    row("QoS 0 as fast as it goes, 100 clients", "0.5", "-c 100 --rate max")
    row("QoS 0, 1,000 clients with 100 messages a second each", "5", "-c 1000 --rate-per-client 100")
    row("QoS 1, window 1, 100 clients", "10", "-q 1 -w 1 -c 100 --rate max")
    row("QoS 1, window 20, 10 clients", "1.5", "-q 1 -w 20 -c 10 --rate max", other=lines("-q 1", 100_000))


def receive():
    # What is received comes from a second generator, through the sink.
    feed = [bench, "pub", "--quiet", *at, "-c", "1", "-s", "16", "--rate", "20k", "-W", "600s", "-t", "feed/0"]
    source = subprocess.Popen(feed, stdout=subprocess.DEVNULL)
    results = [load("sub -c 10 --filter feed/0 --stamp seq -W 3s --warmup 500ms --drain 0") for _ in range(runs)]
    received = statistics.median(result["generator"]["cpu_s_per_million"] for result in results)
    rate = statistics.median(result["rates"]["received"] for result in results)
    command = ["mosquitto_sub", "-t", "feed/0", "-C", "50000", *at]
    other = statistics.median(spent(command)[0] / 0.05 for _ in range(runs))
    source.kill()
    source.wait()
    print(f"| receiving and checking, 10 subscribers | 0.25 | {shown((received, rate))} | – | {other:.2g} (mosquitto_sub) |")


def connect():
    print("\n| | must | culex bench |\n|---|---|---|")
    whole = []
    for _ in range(runs):
        words = ["conn", "-c", "5000", "-W", "1ms", "--threads", "1", "--quiet", "--json", json_file]
        cpu, _ = spent([bench, *words, *at])
        whole.append((5000 / json.load(open(json_file))["phases"]["connect_s"], cpu / 5))
    print(f"| connections a second, 5,000 clients | 20,000 | {statistics.median(rate for rate, _ in whole):,.0f} |")
    print(f"| processor seconds for 1,000 of them, from start to end | 0.07 | {statistics.median(cpu for _, cpu in whole):.3f} |")
    small, large = (load(f"conn -c {count} -W 100ms")["generator"]["rss_bytes"] for count in (1000, 15000))
    print(f"| memory of an idle client, from 1,000 to 15,000 | 3 kB | {(large - small) / 14000 / 1000:.2f} kB |")
    starts = [spent([bench, "conn", "-c", "1", "-W", "1ms", "--quiet", *at])[1] for _ in range(20)]
    print(f"| start, one connection, end | 10 ms | {statistics.median(starts) * 1000:.0f} ms |")


for part in parts:
    {"publish": publish, "receive": receive, "connect": connect}[part]()
sink.terminate()
counts = sink.stdout.read().split()
print(f"\n{int(counts[counts.index('published') + 1]):,} messages reached the sink.")
if os.path.exists(json_file):
    os.unlink(json_file)
EOF
