#!/bin/sh
# make-oracle.sh [DIRECTORY]: measures fixtures/oracle anew with BuildKit, as Debian's docker has it.
#
# Debian trixie with docker.io, docker-buildx and buildah is unpacked into DIRECTORY (default: .cache/oracle) with debootstrap;
# its daemon runs in a mount and pid namespace, without network and with storage of its own, and is gone with them.
# Needs root, debootstrap and a Debian mirror. ORACLE_CASES=a,b measures these cases alone and drops the others.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian-mirror.sh
. scripts/debian-mirror.sh

[ "$(id -u)" = 0 ] || fail 'make-oracle.sh needs root'
need_commands debootstrap unshare chroot
directory=$(realpath -m "${1:-.cache/oracle}")
machine=$directory/trixie

if [ ! -e "$machine/usr/bin/buildah" ]; then
  rm -rf "$machine"
  mkdir -p "$directory"
  debootstrap --variant=minbase --include=docker.io,docker-buildx,docker-cli,buildah,netavark,ca-certificates \
    trixie "$machine" "$(debian_mirror)" >"$directory/debootstrap.log"
fi

storage=$machine/var/lib/docker
trap 'rm -rf "$storage"' EXIT
# Mounts and processes end with these namespaces, whatever the daemon leaves.
export machine
# shellcheck disable=SC2016 # for the inner shell
unshare --mount --pid --fork --mount-proc --kill-child --propagation private sh -eu -c '
  mount -t tmpfs -o mode=1777 tmpfs /tmp
  shared=/tmp/oracle
  mkdir -p "$shared" "$machine/work"
  mount --bind "$machine" "$machine"
  mount -t proc proc "$machine/proc"
  mount -t sysfs sysfs "$machine/sys"
  mount -t cgroup2 cgroup2 "$machine/sys/fs/cgroup"
  mount --rbind /dev "$machine/dev"
  mount -t tmpfs tmpfs "$machine/run"
  mount -t tmpfs tmpfs "$machine/tmp"
  mount --bind "$shared" "$machine/work"
  chroot "$machine" dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=overlay2 \
    --exec-root /run/docker >"$shared/dockerd.log" 2>&1 &
  tries=0
  until chroot "$machine" docker info >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 120 ] || { cat "$shared/dockerd.log" >&2; exit 1; }
    sleep 0.5
  done
  ORACLE_MACHINE=$machine ORACLE_SHARED=$shared \
    node_modules/.bin/vitest run --config test/conformance/buildah/oracle.vitest.ts
'
