#!/bin/sh
# quickstart.sh (`npm run quickstart`): from a fresh clone to an arm64 image that was built and run on this host.
#
# Everything it makes is below .cache/: the store, the emulator, and the example's base, made from a Debian package
# so that no registry is needed. Only a missing C compiler is installed on the host, and only as root.
set -eu
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$1" >&2; }

arch_build() {
  echo "\$ arch-build $*" >&2
  node dist/main.js "$@"
}

need_compiler() {
  [ ! -e "$(cc -print-file-name=libc.a 2>/dev/null)" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo 'quickstart: a C compiler with static libc is needed for the sandbox helper; install it first' >&2
    echo '  (Debian: apt-get install --no-install-recommends gcc libc6-dev)' >&2
    exit 1
  fi
  say 'installing a C compiler (gcc libc6-dev)'
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update >&2
  apt-get -qq -y --no-install-recommends install gcc libc6-dev >&2
}

cache=$PWD/.cache/quickstart
base=$cache/busybox-arm64.tar
export ARCH_BUILD_ROOT="$cache/store"

need_compiler
say 'building arch-build'
sh scripts/install-packages.sh
npm run --silent build

say 'fetching the emulator'
arch_build emulators fetch aarch64

if [ ! -e "$base" ]; then
  say 'making a base image from the Debian package busybox-static:arm64'
  sh scripts/busybox-rootfs.sh aarch64 "$base"
fi
arch_build import "$base" busybox:latest --platform linux/arm64

say 'building fixtures/quickstart for arm64'
arch_build --emulate aarch64 -t hello:v1 fixtures/quickstart

say 'running it'
arch_build run hello:v1
arch_build run hello:v1 uname -m
