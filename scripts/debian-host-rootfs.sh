#!/bin/sh
# debian-host-rootfs.sh OUT.tar: a minimal Debian for this machine, complete: a host that has nothing installed.
#
# Both stages of debootstrap, in a mount namespace of its own. Needs root. DEBIAN_SUITE as for debian-rootfs.sh.
set -eu
here=$(dirname "$0")
# shellcheck source=scripts/debian-mirror.sh
. "$here/debian-mirror.sh"

[ $# = 1 ] || fail 'usage: debian-host-rootfs.sh OUT.tar' 2
need_commands dpkg tar unshare
output=$1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

sh "$here/debian-rootfs.sh" "$(dpkg --print-architecture)" "$scratch/first.tar"
mkdir "$scratch/rootfs"
tar -xf "$scratch/first.tar" -C "$scratch/rootfs" --numeric-owner
rm "$scratch/first.tar"
if ! unshare --mount --propagation private env container=lxc \
  chroot "$scratch/rootfs" /debootstrap/debootstrap --second-stage >"$scratch/log" 2>&1; then
  tail -n 20 "$scratch/log" >&2
  fail 'the second stage of debootstrap went wrong'
fi
rm -rf "$scratch/rootfs"/var/cache/apt/archives/*.deb "$scratch/rootfs"/var/lib/apt/lists/*
tar --create --file "$scratch/rootfs.tar" --directory "$scratch/rootfs" --format=posix --sort=name --numeric-owner \
  --exclude=./dev/\* --exclude=./proc/\* --exclude=./sys/\* .
mkdir -p "$(dirname "$output")"
mv "$scratch/rootfs.tar" "$output"
