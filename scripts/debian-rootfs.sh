#!/bin/sh
# debian-rootfs.sh ARCH OUT.tar: the first stage of a Debian root file system for a foreign architecture.
#
# debootstrap's first stage only unpacks packages, so nothing is emulated here. The second stage is for the build
# that imports the result: `RUN container=lxc /debootstrap/debootstrap --second-stage` (the variable spares it the
# trial mknod, which a step in its own user namespace is refused). Needs root for owners and devices.
# DEBIAN_SUITE names the release (default: bookworm).
set -eu
here=$(dirname "$0")
# shellcheck source=scripts/debian-mirror.sh
. "$here/debian-mirror.sh"

[ $# = 2 ] || fail 'usage: debian-rootfs.sh ARCH OUT.tar' 2
need_commands apt-get apt-config debootstrap tar
[ "$(id -u)" = 0 ] || fail 'only root can unpack packages with their owners'
[ -e "$debian_keyring" ] || fail "the keyring $debian_keyring is not there: set DEBIAN_KEYRING"
architecture=$(debian_architecture "$1")
output=$2
suite=${DEBIAN_SUITE:-bookworm}
mirror=$(debian_mirror)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
rootfs=$scratch/rootfs

# A proxy and the date checks are settings of the host that reaching its mirror may depend on, here and inside.
apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-(Date|Valid-Until)) ' >"$scratch/host.conf" || true
proxy=$(apt-config dump --no-empty --format '%v%n' Acquire::http::Proxy)
[ -z "$proxy" ] || export http_proxy="$proxy"

if ! debootstrap --foreign --variant=minbase --arch="$architecture" --keyring="$debian_keyring" \
  "$suite" "$rootfs" "$mirror" >"$scratch/log" 2>&1; then
  tail -n 20 "$scratch/log" "$rootfs/debootstrap/debootstrap.log" >&2 || true
  fail "debootstrap could not unpack $suite for $architecture from $mirror"
fi

# In a container debootstrap leaves /proc as a link to itself, for its second stage to repair.
if [ -L "$rootfs/proc" ]; then
  rm "$rootfs/proc"
  mkdir "$rootfs/proc"
fi

# Copies of the host's own, which are no part of a root file system.
rm -f "$rootfs/etc/resolv.conf" "$rootfs/etc/hostname"
[ ! -s "$scratch/host.conf" ] || cp "$scratch/host.conf" "$rootfs/etc/apt/apt.conf.d/90-build-host"

tar --create --file "$scratch/rootfs.tar" --directory "$rootfs" --format=posix \
  --pax-option=delete=atime,delete=ctime --sort=name --numeric-owner --xattrs --xattrs-include='*' .
mkdir -p "$(dirname "$output")"
mv "$scratch/rootfs.tar" "$output"
