#!/bin/sh
# The release archive and the Debian package hold programs that run, pages and completions, and are the same when made again.
set -eu
cd "$(dirname "$0")/.."
tour=$PWD/examples/tour.sh

fail() { echo "package: $1" >&2; exit 1; }

scripts/package.sh ${1+"$1"} >/dev/null
archive=$(echo target/package/*.tar.gz)
first=$(sha256sum <"$archive")
scripts/package.sh ${1+"$1"}
[ "$first" = "$(sha256sum <"$archive")" ] || fail 'the same commit made another archive'

# installed PREFIX: what a user finds there
installed() {
    for program in culex culex-pub culex-sub culex-rr culex-record culex-replay culex-bench culex-broker culex-check; do
        "$1/bin/$program" --version | grep -q "^$program " || fail "$1/bin/$program does not know its name"
        [ -e "$1/share/man/man1/$program.1" ] || [ -e "$1/share/man/man1/$program.1.gz" ] || fail "no page of $program"
        for script in "bash-completion/completions/$program" "zsh/site-functions/_$program" "fish/vendor_completions.d/$program.fish"; do
            [ -e "$1/share/$script" ] || fail "no $script"
        done
    done
    PATH=$1/bin:$PATH "$1/bin/culex" broker --exec -- sh "$tour" >/dev/null || fail "the tour failed with $1"
}

here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
tar --extract --gzip --file "$archive" --strip-components=1 --directory "$here"
installed "$here"
if [ "${1:-}" = --deb ]; then
    dpkg-deb --extract target/package/deb/*.deb "$here/deb"
    installed "$here/deb/usr"
    dpkg-deb --field target/package/deb/*.deb Depends | grep -q '^libc6' || fail 'the Debian package does not name what it needs'
fi

# What goes into small images and devices alone.
cargo build --quiet --release --locked --bin culex-pub
size=$(wc -c <target/release/culex-pub)
[ "$size" -lt 4000000 ] || fail "culex-pub has $size bytes, 4 MB are promised"
echo "package: as it should be, culex-pub with $size bytes"
