# Sourced, not run: where this host gets its Debian packages, and how to get packages of another architecture there.
#
# Everything is derived from the host's own apt configuration (a host with a local mirror keeps using it), and
# nothing of the host is changed. Overrides: DEBIAN_MIRROR, DEBIAN_SUITE, DEBIAN_KEYRING.
# shellcheck shell=sh

debian_keyring=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

# fail MESSAGE [STATUS]
fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit "${2:-1}"
}

need_commands() {
  for command; do
    command -v "$command" >/dev/null || fail "$command is not there (sh scripts/setup-test-host.sh installs it)"
  done
}

# Debian's name for a machine (aarch64), a platform (linux/arm/v7) or its own architecture names.
debian_architecture() {
  case ${1#linux/} in
    x86_64 | amd64) echo amd64 ;;
    aarch64 | arm64 | arm64/v8) echo arm64 ;;
    armv7l | arm | arm/v7 | armhf) echo armhf ;;
    armv5l | arm/v5 | armel) echo armel ;;
    i386 | i686 | 386) echo i386 ;;
    ppc64le | ppc64el) echo ppc64el ;;
    mips64le | mips64el) echo mips64el ;;
    mipsle | mipsel) echo mipsel ;;
    loongarch64 | loong64) echo loong64 ;;
    s390x | riscv64) echo "${1#linux/}" ;;
    *) fail "unknown architecture: $1" 2 ;;
  esac
}

host_codename() {
  # shellcheck source=/dev/null
  (. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME-}") || true
}

# The base URI of the repository that holds the host's own release, without a slash at the end.
debian_mirror() {
  if [ -n "${DEBIAN_MIRROR-}" ]; then
    echo "${DEBIAN_MIRROR%/}"
    return
  fi
  # shellcheck disable=SC2016 # the placeholders are apt's own
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$(host_codename)" '$1 == release { print $2; exit }')
  [ -n "$mirror" ] || fail 'no Debian mirror in the apt configuration of this host: set DEBIAN_MIRROR'
  echo "${mirror%/}"
}

# open_private_apt DIRECTORY SUITE ARCHITECTURE...
# Fetches and verifies package lists into DIRECTORY; `private_apt download NAME:ARCHITECTURE` then works.
# Returns 1, after apt's own words, when the suite cannot be had or lacks the first architecture.
open_private_apt() {
  private=$1 private_suite=$2
  shift 2
  private_architectures=$(echo "$*" | tr ' ' ,)
  mkdir -p "$private/lists/partial" "$private/cache/archives/partial" "$private/parts" "$private/packages"
  : >"$private/status"
  # apt drops to its own user to download: it must reach the folders and own the one it writes to
  chmod 755 "$private"
  [ "$(id -u)" != 0 ] || ! id _apt >/dev/null 2>&1 || chown _apt "$private/packages"
  private_mirror=$(debian_mirror) || exit 1
  signed_by=
  [ ! -e "$debian_keyring" ] || signed_by=" signed-by=$debian_keyring"
  echo "deb [arch=$private_architectures$signed_by] $private_mirror $private_suite main" >"$private/sources.list"
  cat >"$private/apt.conf" <<END
APT::Architecture "$1";
#clear APT::Architectures;
APT::Architectures { $(printf '"%s"; ' "$@")};
Dir::State "$private";
Dir::State::lists "$private/lists";
Dir::State::status "$private/status";
Dir::Cache "$private/cache";
Dir::Etc::sourcelist "$private/sources.list";
Dir::Etc::sourceparts "$private/parts";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
  private_apt update || return 1
  private_apt indextargets --format 'found' 'Created-By: Packages' "Architecture: $1" | grep -q found
}

private_apt() {
  (cd "$private/packages" && apt-get -qq -c "$private/apt.conf" "$@")
}
