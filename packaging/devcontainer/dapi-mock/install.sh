#!/bin/sh
# Installs the program of a release into /usr/local/bin after verifying its checksum. The environment variables are the
# options of devcontainer-feature.json; DESTDIR is for tests.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=${VERSION:-$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$here/devcontainer-feature.json")}
releases=${RELEASES:-https://github.com/dapi-mock/dapi-mock/releases/download}
bin=${DESTDIR:-}/usr/local/bin

fail() {
  echo "dapi-mock: $1" >&2
  exit 1
}

case $(uname -s)-$(uname -m) in
  Linux-x86_64 | Linux-amd64) cpu=x86_64 ;;
  Linux-aarch64 | Linux-arm64) cpu=aarch64 ;;
  *) fail "no release for $(uname -s) on $(uname -m)" ;;
esac

# fetch URL FILE
fetch() {
  if command -v curl >/dev/null; then
    curl -fsSL --retry 3 -o "$2" "$1"
  elif command -v wget >/dev/null; then
    wget -q -O "$2" "$1"
  else
    fail "curl or wget is required"
  fi || fail "could not download $1"
}

if ! command -v curl >/dev/null && ! command -v wget >/dev/null && command -v apt-get >/dev/null; then
  apt-get update
  apt-get install -y --no-install-recommends ca-certificates curl
  rm -rf /var/lib/apt/lists/*
fi

# The static program runs with any C library.
name=dapi-mock-$version-$cpu-unknown-linux-musl
archive=$name.tar.gz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fetch "$releases/v$version/SHA256SUMS" SHA256SUMS
fetch "$releases/v$version/$archive" "$archive"
grep " [ *]$archive\$" SHA256SUMS >expected || fail "SHA256SUMS has no checksum for $archive"
sha256sum -c expected >/dev/null || fail "$archive does not have the checksum in SHA256SUMS"

tar -xzf "$archive"
mkdir -p "$bin"
# Replaces a running program, too.
cp "$name/dapi-mock" "$bin/.dapi-mock.new"
chmod 755 "$bin/.dapi-mock.new"
mv "$bin/.dapi-mock.new" "$bin/dapi-mock"
echo "installed $("$bin/dapi-mock" --version) in $bin"
