#!/bin/sh
# Makes target/package/culex-VERSION-TARGET.tar.gz, to be unpacked into /usr/local or any other prefix: the program, the names it
# is called by as links, man pages and completions. With `--deb` also a Debian package, by cargo-deb, of the same files.
#
# Built for musl where the toolchain has that target (`rustup target add x86_64-unknown-linux-musl`), and needs no library of
# the system then. Else it is built for this machine and needs its C library alone, which is checked.
set -eu
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${TARGET:-}
if [ -z "$target" ]; then
    musl=$(echo "$host" | sed 's/-gnu$/-musl/')
    target=$host
    if [ -d "$(rustc --print sysroot)/lib/rustlib/$musl" ]; then
        target=$musl
    elif [ "$musl" != "$host" ]; then
        echo "package: the toolchain lacks $musl, building for $host" >&2
    fi
fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=culex-$version-$target
root=target/package/$name

if [ "$target" = "$host" ]; then
    # In the folder of ordinary builds, so that nothing is built twice.
    cargo build --quiet --release --locked --bin culex
    program=target/release/culex
else
    cargo build --quiet --release --locked --bin culex --target "$target"
    program=target/$target/release/culex
fi

rm -rf "$root"
mkdir -p "$root/bin" "$root/share/man/man1" "$root/share/man/man5" "$root/share/doc/culex" \
    "$root/share/bash-completion/completions" "$root/share/zsh/site-functions" "$root/share/fish/vendor_completions.d" \
    "$root/share/culex/completions"
install -m 755 "$program" "$root/bin/culex"
for script in completions/bash/*.bash; do
    called=$(basename "$script" .bash)
    [ "$called" = culex ] || ln -s culex "$root/bin/$called"
    install -m 644 "$script" "$root/share/bash-completion/completions/$called"
done
install -m 644 completions/zsh/_* "$root/share/zsh/site-functions/"
install -m 644 completions/fish/*.fish "$root/share/fish/vendor_completions.d/"
install -m 644 completions/elvish/*.elv completions/nushell/*.nu completions/powershell/*.ps1 "$root/share/culex/completions/"
install -m 644 man/*.1 "$root/share/man/man1/"
install -m 644 man/*.5 "$root/share/man/man5/"
install -m 644 README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$root/share/doc/culex/"

# Nothing beside the C library, which every system has.
if command -v ldd >/dev/null; then
    foreign=$(ldd "$program" 2>/dev/null | grep '=>' | grep -vE '^[[:space:]]*lib(c|m|dl|pthread|rt)\.so' || true)
    [ -z "$foreign" ] || { echo "package: $program needs more than the C library:" >&2; echo "$foreign" >&2; exit 1; }
fi

# The same commit makes the same archive.
date=$(git log -1 --format=%ct 2>/dev/null || date +%s)
tar --create --sort=name --mtime="@$date" --owner=0 --group=0 --numeric-owner --directory=target/package "$name" |
    gzip -n -9 >"target/package/$name.tar.gz"
(cd target/package && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "target/package/$name.tar.gz"

if [ "${1:-}" = --deb ]; then
    rm -rf target/package/deb target/package/root
    cp -a "$root" target/package/root
    cargo deb --quiet --no-build --no-strip --output target/package/deb/
    echo target/package/deb/*.deb
fi
