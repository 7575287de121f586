#!/usr/bin/env bash
# Skips one check of the decoder at a time and shows that the row of the table of vectors named for it fails then.
#
#     tests/mutations.sh [PATTERN]      only the mutations whose line contains PATTERN
#
# The packet room is built on its own, in target/mutations, so that a mutation costs a second or two.
set -euo pipefail
cd "$(dirname "$0")/.."

room=$PWD/target/mutations
mkdir -p "$room/src" "$room/tests"
rm -rf "$room/src/packet" "$room/tests/support" "$room/tests/vectors"
cp -r src/packet "$room/src/"
cp -r tests/support tests/vectors tests/vectors.rs "$room/tests/"
cp Cargo.lock "$room/"
printf 'pub mod packet;\n' >"$room/src/lib.rs"
cat >"$room/Cargo.toml" <<'MANIFEST'
[package]
name = "culex"
version = "0.1.0"
edition = "2024"

[dependencies]
bytes = "1.12"
thiserror = "2.0"

[profile.dev]
debug = false

[workspace]
MANIFEST

# walk: the rows that fail, or "does not build"
walk() {
    local output
    if ! cargo test --quiet --manifest-path "$room/Cargo.toml" --target-dir "$room/target" \
        --test vectors --no-run >"$room/build.log" 2>&1; then
        echo 'does not build'
        return
    fi
    output=$(VECTORS_SHOWN=100000 cargo test --quiet --manifest-path "$room/Cargo.toml" \
        --target-dir "$room/target" --test vectors -- bytes_become packets_become 2>&1) || printf '%s\n' "$output"
}

if [ -n "$(walk)" ]; then
    echo 'the rows do not hold before anything is skipped:'
    walk | head -20
    exit 1
fi

caught=0 missed=0
while IFS= read -r line; do
    case $line in '' | '#'*) continue ;; esac
    case $line in *"${1:-}"*) ;; *) continue ;; esac
    export LINE=$line
    file=${line%% ~~ *} row=${line##* ~~ }
    row=${row# }
    # The text must stand there exactly once, else the mutation has gone stale.
    if ! perl -0777 -pi -e '
        my (undef, $from, $to) = split / ~~ ?/, $ENV{LINE};
        s/\\n/\n/g for $from, $to;
        s/\Q$from\E/$to/g == 1 or die "stale\n";' "$room/src/packet/$file" 2>"$room/perl.log"; then
        result='is stale: its text does not stand there once'
    else
        result=$(walk)
        case $result in
            *"$row ("*) result='' ;;
            'does not build') result=$(grep -m1 '^error' "$room/build.log") ;;
            '') result='no row fails' ;;
            *) result="row $row holds; others fail" ;;
        esac
    fi
    cp "src/packet/$file" "$room/src/packet/$file"
    if [ -z "$result" ]; then
        caught=$((caught + 1))
    else
        missed=$((missed + 1))
        printf '%s\n    %s\n' "$line" "$result"
    fi
done <tests/mutations.txt

echo "mutations: $caught caught, $missed missed"
[ "$missed" -eq 0 ]
