#!/bin/sh
# debian-program.sh ARCH PACKAGE PATH OUT: one file of a Debian package for any architecture, as it is.
#
# Nothing is run or installed, no root is needed, and nothing of the host changes. DEBIAN_SUITE names another release.
set -eu
here=$(dirname "$0")
# shellcheck source=scripts/debian-mirror.sh
. "$here/debian-mirror.sh"

[ $# = 4 ] || fail 'usage: debian-program.sh ARCH PACKAGE PATH OUT' 2
need_commands apt-get dpkg-deb
architecture=$(debian_architecture "$1")
package=$2 path=$3 output=$4
suite=${DEBIAN_SUITE:-$(host_codename)}

scratch=$(mktemp -d)
chmod 711 "$scratch" # apt downloads as a user of its own
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

open_private_apt "$scratch/apt" "$suite" "$architecture" ||
  fail "no packages of $suite for $architecture are to be had from $(debian_mirror)"
private_apt download "$package:$architecture"
dpkg-deb -x "$scratch/apt/packages/$package"_*_"$architecture".deb "$scratch/tree"
[ -f "$scratch/tree/$path" ] || fail "$package has no $path"
mkdir -p "$(dirname "$output")"
cp -p "$scratch/tree/$path" "$output.part"
mv "$output.part" "$output"
