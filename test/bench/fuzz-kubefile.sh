#!/bin/sh
# fuzz-kubefile.sh [TIMES]: a campaign of the parser's and linter's property tests with TIMES (default 10) times the
# inputs of `npm test`, 225,000 of them, other ones each time: grammar-aware, raw bytes, raw UTF-16. A failure prints
# the seed and the smallest input that shows it.
set -eu
cd "$(dirname "$0")/../.."
FUZZ_TIMES=${1:-10} exec node_modules/.bin/vitest run --project unit test/kubefile/fuzz.test.ts
