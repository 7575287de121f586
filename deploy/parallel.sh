#!/bin/sh
# A load shared by processes of this machine, or with PARALLEL_OPTIONS='--sshlogin host1,host2 --return {}.mbr' of several, by GNU
# parallel: deploy/parallel.sh SEGMENTS FOLDER [options of culex bench]. Adds the parts up in FOLDER/all.mbr.
set -eu
segments=$1 folder=$2
shift 2
start=$(date -u -d '+2 seconds' +%Y-%m-%dT%H:%M:%SZ)
mkdir -p "$folder"
last=$((segments - 1))
# shellcheck disable=SC2086 # options are words
seq 0 "$last" | parallel --jobs "$segments" --halt soon,fail=1 ${PARALLEL_OPTIONS:-} \
    culex bench "$@" --segment "{}/$segments" --start-at "$start" --quiet --out "$folder/{}.mbr" '>' /dev/null
# shellcheck disable=SC2046 # numbers
culex bench merge $(seq -f "$folder/%g.mbr" 0 "$last") --out "$folder/all.mbr"
