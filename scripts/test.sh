#!/bin/sh
# test.sh (`npm test`): everything, from a fresh clone to the last test.
#
# The host is set up, the program built, types, lint and unused code checked, an emulator fetched, and all of the
# tests run. The last line of the output is `N passed, N failed, N skipped`. Arguments go to vitest.
set -eu
cd "$(dirname "$0")/.."

sh scripts/setup-test-host.sh
sh scripts/install-packages.sh
npm run --silent build

# Fetched while the source is checked; kept between runs, and found there by the tests (vitest.config.ts). All are there
# before the first test, so that what a test finds does not depend on which ran before it.
fetch_emulators() {
  for version in $(node -p 'require("./emulators/pinned.json").packages.map(({ version }) => version).join(" ")'); do
    node dist/main.js --root .cache/test-store emulators fetch --emulator-version "$version" all >/dev/null
  done
}
fetch_emulators &
fetching=$!
npm run --silent static
wait "$fetching"

exec node_modules/.bin/vitest run "$@"
