/** What starts a packed program: any POSIX shell will do, and nothing of the host's own C library is used. */

/** Below the package's root. */
export const RUNTIME_FOLDER = 'lib';
export const LOADER = 'ld-linux-x86-64.so.2';

/**
 * Node runs under the loader and the libraries that came along, so that it does not matter which ones the host has.
 * The loader takes `:` and `;` in its path for separators and `$` for a variable of its own.
 */
export const LAUNCHER = `#!/bin/sh
# Starts arch-build with the Node and the C library beside this file. Links to it work from anywhere.
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=$(dirname "$self")/$link ;;
  esac
done
root=$(CDPATH= cd -P "$(dirname "$self")" && pwd -P) || exit 3
case $root in
  *[:\\;\\$]*)
    echo "arch-build: it cannot run from a folder with : ; or \\$ in its path: $root" >&2
    exit 3
    ;;
esac
unset NODE_OPTIONS # of another Node
export ARCH_BUILD_LAUNCHER="$root/arch-build" # how it starts itself again
lib=$root/${RUNTIME_FOLDER}
exec "$lib/${LOADER}" --inhibit-cache --library-path "$lib" "$lib/node" "$root/dist/main.js" "$@"
`;
