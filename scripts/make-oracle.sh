#!/bin/sh
# make-oracle.sh [DIRECTORY]: measures fixtures/oracle anew with BuildKit, as Debian's docker has it.
#
# DIRECTORY (default: .cache/oracle) keeps what with-dockerd.sh unpacks. No build there reaches a network.
# ORACLE_CASES=a,b measures these cases alone and drops the others.
set -eu
cd "$(dirname "$0")/.."

exec sh scripts/with-dockerd.sh "${1:-.cache/oracle}" \
  node_modules/.bin/vitest run --config test/conformance/buildah/oracle.vitest.ts
