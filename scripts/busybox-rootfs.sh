#!/bin/sh
# busybox-rootfs.sh ARCH OUT.tar: a root file system of a few megabytes for any architecture Debian has.
#
# It is Debian's busybox-static of that architecture with its applet links. Nothing foreign is run, no root is needed,
# nothing of the host changes, and the result depends on the version of the package alone.
# DEBIAN_SUITE names another release; without it the host's own is used, else the next one that has ARCH.
set -eu
here=$(dirname "$0")
# shellcheck source=scripts/debian-mirror.sh
. "$here/debian-mirror.sh"

[ $# = 2 ] || fail 'usage: busybox-rootfs.sh ARCH OUT.tar' 2
need_commands apt-get dpkg dpkg-deb tar
architecture=$(debian_architecture "$1")
native=$(dpkg --print-architecture)
output=$2

scratch=$(mktemp -d)
chmod 711 "$scratch" # apt downloads as a user of its own
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# Downloads the package of both architectures: only the native one can be asked for its applets.
fetch_from() {
  mkdir "$scratch/$1"
  # shellcheck disable=SC2046 # one word or two: the native architecture is named once
  open_private_apt "$scratch/$1" "$1" $(printf '%s\n' "$architecture" "$native" | uniq) || return 1
  private_apt download "busybox-static:$architecture"
  [ "$architecture" = "$native" ] || private_apt download "busybox-static:$native"
}

suites=${DEBIAN_SUITE:-$(host_codename) trixie forky}
for suite in $suites; do
  if fetch_from "$suite"; then found=$suite && break; fi
done
[ -n "${found-}" ] || fail "busybox-static for $architecture is not to be had from $(debian_mirror) (tried: $suites)"

packages=$scratch/$found/packages
dpkg-deb -x "$packages"/busybox-static_*_"$architecture".deb "$scratch/foreign"
dpkg-deb -x "$packages"/busybox-static_*_"$native".deb "$scratch/native"
rootfs=$scratch/rootfs
busybox() { find "$scratch/$1" -type f -name busybox -perm /111; }

umask 022
mkdir -p "$rootfs"
(cd "$rootfs" && mkdir -p bin sbin usr/bin usr/sbin etc dev proc sys run home var/tmp tmp root)
chmod 1777 "$rootfs/tmp" "$rootfs/var/tmp"
chmod 700 "$rootfs/root"
cp -p "$(busybox foreign)" "$rootfs/bin/busybox"
"$(busybox native)" --list-full | while read -r applet; do
  [ "$applet" = bin/busybox ] || ln -sf /bin/busybox "$rootfs/$applet"
done
cat >"$rootfs/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
END
cat >"$rootfs/etc/group" <<'END'
root:x:0:
daemon:x:1:
tty:x:5:
nogroup:x:65534:
END

tar --create --file "$scratch/rootfs.tar" --directory "$rootfs" --format=posix \
  --pax-option=delete=atime,delete=ctime --sort=name --numeric-owner --owner=0 --group=0 \
  --mtime="@$(stat -c %Y "$rootfs/bin/busybox")" .
mkdir -p "$(dirname "$output")"
mv "$scratch/rootfs.tar" "$output"
