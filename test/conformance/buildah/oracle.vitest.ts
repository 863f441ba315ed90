/** For scripts/make-oracle.sh: what it starts is no test of ours, so the suite's configuration does not name it. */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { root: join(import.meta.dirname, '../../..'), include: ['test/conformance/buildah/make-oracle.ts'] },
});
