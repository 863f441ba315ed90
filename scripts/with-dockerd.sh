#!/bin/sh
# with-dockerd.sh DIRECTORY COMMAND…: runs COMMAND beside a docker daemon, as Debian trixie has it.
#
# Debian trixie with docker.io, docker-buildx and buildah is unpacked into DIRECTORY/trixie with debootstrap; its
# daemon runs in a mount and pid namespace with storage of its own, and is gone with them. COMMAND is told
# DOCKER_MACHINE, what to chroot to for `docker`, and DOCKER_SHARED, a directory that is /work in there.
# Needs root, debootstrap and a Debian mirror.
set -eu
here=$(dirname "$0")
# shellcheck source=scripts/debian-mirror.sh
. "$here/debian-mirror.sh"

[ $# -ge 2 ] || fail 'usage: with-dockerd.sh DIRECTORY COMMAND…' 2
[ "$(id -u)" = 0 ] || fail 'only root can start a daemon of its own'
need_commands debootstrap unshare chroot
mkdir -p "$1"
directory=$(realpath "$1")
shift
DOCKER_MACHINE=$directory/trixie

if [ ! -e "$DOCKER_MACHINE/usr/bin/buildah" ]; then
  rm -rf "$DOCKER_MACHINE"
  debootstrap --variant=minbase --include=docker.io,docker-buildx,docker-cli,buildah,netavark,ca-certificates \
    trixie "$DOCKER_MACHINE" "$(debian_mirror)" >"$directory/debootstrap.log"
fi

trap 'rm -rf "$DOCKER_MACHINE/var/lib/docker" "$DOCKER_MACHINE/var/lib/containers"' EXIT
# Mounts and processes end with these namespaces, whatever the daemon leaves.
export DOCKER_MACHINE
# shellcheck disable=SC2016 # for the inner shell
unshare --mount --pid --fork --mount-proc --kill-child --propagation private sh -eu -c '
  mount -t tmpfs -o mode=1777 tmpfs /tmp
  DOCKER_SHARED=/tmp/shared
  export DOCKER_SHARED
  mkdir -p "$DOCKER_SHARED" "$DOCKER_MACHINE/work"
  mount --bind "$DOCKER_MACHINE" "$DOCKER_MACHINE"
  mount -t proc proc "$DOCKER_MACHINE/proc"
  mount -t sysfs sysfs "$DOCKER_MACHINE/sys"
  mount -t cgroup2 cgroup2 "$DOCKER_MACHINE/sys/fs/cgroup"
  mount --rbind /dev "$DOCKER_MACHINE/dev"
  mount -t tmpfs tmpfs "$DOCKER_MACHINE/run"
  mount -t tmpfs tmpfs "$DOCKER_MACHINE/tmp"
  mount --bind "$DOCKER_SHARED" "$DOCKER_MACHINE/work"
  chroot "$DOCKER_MACHINE" dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=overlay2 \
    --exec-root /run/docker >"$DOCKER_SHARED/dockerd.log" 2>&1 &
  tries=0
  until chroot "$DOCKER_MACHINE" docker info >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 120 ] || { cat "$DOCKER_SHARED/dockerd.log" >&2; exit 1; }
    sleep 0.5
  done
  "$@"
' sh "$@"
