#!/bin/sh
# MQTT in a minute: real commands against a real broker, and every answer is checked.
#
#     cargo run --release --bin culex -- broker --exec -- sh examples/tour.sh
#
# `culex broker --exec` binds a free port, puts `culex` on the PATH and MQTT_HOST and MQTT_PORT into the environment, where
# `culex pub` and `culex sub` find the broker. Nothing here waits for time to pass: a listener says when it is subscribed.
set -eu

pub=${TOUR_PUB:-culex pub}
sub=${TOUR_SUB:-culex sub}
deadline=20 # seconds after which a listener gives up
folder=$(mktemp -d)
children=
trap 'stop' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

stop() {
    # shellcheck disable=SC2086 # a list of process ids
    [ -z "$children" ] || kill $children 2>/dev/null || :
    rm -r "$folder"
}

fail() {
    printf 'tour: %s\n' "$*" >&2
    exit 1
}

chapter() {
    printf '\n# %s\n\n' "$*"
}

# show COMMAND...: prints it as one would type it
show() {
    line='$'
    for word; do
        case $word in
        '&' | %[0-9]) line="$line $word" ;;
        *[!A-Za-z0-9_./:=,-]*) line="$line '$word'" ;;
        *) line="$line $word" ;;
        esac
    done
    printf '%s\n' "$line"
}

publish() {
    show culex pub "$@"
    $pub "$@" || fail "culex pub ended with status $?"
}

# subscribe ARGUMENTS...: listens in the foreground; what it prints is left in $heard
subscribe() {
    show culex sub "$@"
    heard=$($sub -W "$deadline" "$@") || fail "culex sub ended with status $?"
    [ -z "$heard" ] || printf '%s\n' "$heard"
}

# listen FD ARGUMENTS...: starts a listener whose output can be read from FD, and returns when the broker has accepted its
# subscription, which `-d` tells; its process id is left in $listener
listen() {
    fd=$1
    shift
    show culex sub "$@" '&'
    mkfifo "$folder/$fd"
    $sub -d -W "$deadline" "$@" >"$folder/$fd" &
    listener=$!
    children="$children $listener"
    eval "exec $fd<'$folder/$fd'"
    rm "$folder/$fd"
    while read -r line <&"$fd"; do
        case $line in Subscribed*) return ;; esac
    done
    fail 'culex sub ended before its subscription was accepted'
}

# collect FD PROCESS: waits for the listener to end; the messages it printed are left in $heard
collect() {
    heard=$(grep '^<-' <&"$1") || fail 'the listener heard nothing'
    wait "$2" || fail "culex sub ended with status $?"
    printf '%s\n' "$heard"
}

# expect WHAT LINES: the last listener must have heard exactly that
expect() {
    [ "$heard" = "$2" ] || fail "$1: expected
$2
but heard
$heard"
}

command -v "${sub%% *}" >/dev/null || fail "there is no ${sub%% *} on the PATH; start me with: culex broker --exec -- sh $0"

chapter 'Three qualities of service: at most once, at least once, exactly once'
listen 3 -q 2 -t 'home/+/light' -F '<- %t %p (QoS %q)' -C 3
publish -q 0 -t home/kitchen/light -m on
publish -q 1 -t home/hall/light -m off
publish -q 2 -t home/attic/light -m dim
collect 3 "$listener"
expect 'three QoS levels' '<- home/kitchen/light on (QoS 0)
<- home/hall/light off (QoS 1)
<- home/attic/light dim (QoS 2)'

chapter 'A retained message waits for those who come late'
publish -r -t home/temperature -m 20.5
publish -r -t home/temperature -m 21.0
subscribe -t home/temperature -F '<- %t %p (retained %r)' -C 1
expect 'a retained message' '<- home/temperature 21.0 (retained 1)'
publish -r -n -t home/temperature

chapter 'A durable session collects while its client is away'
subscribe -c -i diary -q 1 -t 'door/#' -E
subscribe -i passer-by -q 1 -t 'door/#' -E
publish -q 1 -t door/front -m opened
publish -q 1 -t door/front -m closed
publish -q 1 -r -t door/bell -m rang
subscribe -c -i diary -q 1 -t 'door/#' -F '<- %t %p' -C 3
expect 'a durable session' '<- door/front opened
<- door/front closed
<- door/bell rang'

chapter 'A clean session remembers nothing: it only finds what is retained'
subscribe -i passer-by -q 1 -t 'door/#' -F '<- %t %p' -C 1
expect 'a clean session' '<- door/bell rang'
publish -r -n -t door/bell

chapter 'A last will speaks for a client that dies, not for one that says goodbye'
listen 3 -t 'status/#' -F '<- %t %p' -C 3
watcher=$listener
publish -t status/kettle -m boiling --will-topic status/kettle --will-payload 'lost without a word'
listen 4 -t 'tea/#' --will-topic status/toaster --will-payload 'lost without a word'
publish -t status/toaster -m hot
show kill -9 '%2'
kill -9 "$listener"
collect 3 "$watcher"
expect 'a last will' '<- status/kettle boiling
<- status/toaster hot
<- status/toaster lost without a word'

printf '\ntour: every message arrived as it should\n'
