import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

interface ProjectOptions {
  readonly fileParallelism?: boolean;
  readonly testTimeout?: number;
  readonly hookTimeout?: number;
}

/** Projects run one after the other: what looks at the whole host must not meet the mounts of another test. */
let order = 0;
const project = (name: string, include: string[], options: ProjectOptions = {}): object => ({
  extends: true,
  test: { name, include, sequence: { groupOrder: order++ }, ...options },
});
const minutes = (count: number): number => count * 60_000;
const serial = { fileParallelism: false, testTimeout: minutes(5), hookTimeout: minutes(10) };

const rooms = '{oci,kubefile,sys,store,layer,transfer,cluster,emulation,build,kit,deploy,cli,support}';

/** Fetched by scripts/test.sh: programs every test may use, unlike a store, which each has its own of. */
const emulators =
  process.env['ARCH_BUILD_EMULATORS'] ?? join(import.meta.dirname, '.cache/test-store/emulators');

/**
 * unit: pure or plain-file code, no mounts. conformance: vectors that others wrote, fetched once. system: real
 * mounts, namespaces, emulators, one file at a time. e2e: the built program.
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    env: { ARCH_BUILD_EMULATORS: emulators },
    projects: [
      project('unit', [`test/${rooms}/**/*.test.ts`, 'test/*.test.ts'], { testTimeout: 20_000 }),
      project('conformance', ['test/conformance/**/*.test.ts'], {
        testTimeout: minutes(2),
        hookTimeout: minutes(10),
      }),
      project('system', ['test/system/**/*.test.ts'], serial),
      project('e2e', ['test/e2e/**/*.test.ts'], serial),
    ],
  },
});
