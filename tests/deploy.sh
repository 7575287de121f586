#!/bin/sh
# The files of deploy/ do what they say: the manifest is valid, a load in three segments under GNU parallel adds up to the same
# counts as the load in one piece, and so it does under Slurm where there is one.
set -eu
cd "$(dirname "$0")/.."
venv=$PWD/target/peers/venv
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT

fail() { echo "deploy: $1" >&2; exit 1; }

command -v parallel >/dev/null || {
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends parallel >/dev/null
}
[ -x "$venv/bin/kubernetes-validate" ] || "$venv/bin/python" -m pip install -q --disable-pip-version-check kubernetes-validate
"$venv/bin/kubernetes-validate" --strict deploy/kubernetes.yaml || fail 'the manifest is not valid'

cargo build --quiet --release --locked --bin culex
PATH=$PWD/target/release:$PATH
load='run -c 6 --rate 600/s -q 1 -L 1200 -W 60s --warmup 0s --topic load/%i'

# counts FILE: what must not depend on how the load was shared
counts() {
    culex bench report "$1" --json - | "$venv/bin/python" -c '
import json, sys
counts = json.load(sys.stdin)["counts"]
print({name: counts[name] for name in ("asked", "sent", "acked", "expected", "received", "lost", "duplicate", "reordered")})'
}

export load here
# shellcheck disable=SC2016 # expanded by that shell, which has the broker
culex broker --exec -- sh -c '
    culex bench $load --quiet --out "$here/one.mbr" >/dev/null &&
    deploy/parallel.sh 3 "$here/three" $load >/dev/null' || fail 'a load failed'
whole=$(counts "$here/one.mbr")
merged=$(counts "$here/three/all.mbr")
[ "$whole" = "$merged" ] || fail "three segments say $merged, one run says $whole"
echo "deploy: three segments and one run agree: $whole"

if command -v sbatch >/dev/null && sinfo >/dev/null 2>&1; then
    culex broker --exec -- sbatch --wait deploy/slurm.sh || fail 'the Slurm job failed'
else
    echo 'deploy: skipped Slurm, which is not here'
fi
