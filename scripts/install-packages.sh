#!/bin/sh
# install-packages.sh: `npm ci`, unless node_modules is what package-lock.json says already.
set -eu
cd "$(dirname "$0")/.."
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ -n "$(find package-lock.json -newer "$installed")" ]; then
  npm ci --no-audit --no-fund --loglevel=error
fi
