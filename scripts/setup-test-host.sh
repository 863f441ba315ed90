#!/bin/sh
# setup-test-host.sh: installs what the tests use besides Node, only when something is missing.
#
# The tests compare with other people's tools (skopeo, umoci, buildah, podman, docker-registry, GNU tar), build the
# helper and test programs in C and make root file systems from Debian packages. As root it uses apt-get; else it says what to install.
set -eu

# command or file, and the Debian package that has it
wanted='
cc gcc
aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
/usr/aarch64-linux-gnu/lib/libc.a libc6-dev-arm64-cross
arm-linux-gnueabihf-gcc gcc-arm-linux-gnueabihf
/usr/arm-linux-gnueabihf/lib/libc.a libc6-dev-armhf-cross
g++ g++
make make
python3 python3
unshare util-linux
mount mount
ip iproute2
ps procps
setfattr attr
setcap libcap2-bin
newuidmap uidmap
git git
openssl openssl
wget wget
gpgv gpgv
debootstrap debootstrap
xz xz-utils
zstd zstd
bzip2 bzip2
bsdtar libarchive-tools
skopeo skopeo
umoci umoci
/bin/busybox busybox-static
buildah buildah
podman podman
docker-registry docker-registry
sshd openssh-server
ssh openssh-client
htpasswd apache2-utils
tmux tmux
bats bats
zsh zsh
fish fish
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
'

missing_packages() {
  echo "$wanted" | while read -r thing package; do
    case $thing in
      '') ;;
      /*) [ -e "$thing" ] || echo "$package" ;;
      *) command -v "$thing" >/dev/null || [ -x "/usr/sbin/$thing" ] || [ -x "/sbin/$thing" ] || echo "$package" ;;
    esac
  done
  [ -e "$(cc -print-file-name=libc.a 2>/dev/null)" ] || echo libc6-dev
}

missing=$(missing_packages | tr '\n' ' ')
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "setup-test-host: the tests need these Debian packages, which root can install:" >&2
  echo "  apt-get install --no-install-recommends $missing" >&2
  exit 1
fi

echo "setup-test-host: installing $missing" >&2
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
cleanup() {
  rm -f "$log"
  [ -z "${own_policy-}" ] || rm -f "$policy"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
# the packages bring services (a registry open to the network among them) that no test wants started
if [ ! -e "$policy" ]; then
  own_policy=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! { apt-get -qq update && apt-get -qq -y --no-install-recommends install $missing; } >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  echo "setup-test-host: apt-get could not install $missing" >&2
  exit 1
fi
still_missing=$(missing_packages | tr '\n' ' ')
if [ -n "$still_missing" ]; then
  echo "setup-test-host: still missing after the installation: $still_missing" >&2
  exit 1
fi
