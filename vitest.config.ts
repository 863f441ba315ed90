import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

interface ProjectOptions {
  /** Those of one group run at the same time, as many files as there are workers; groups one after the other. */
  readonly group: number;
  readonly testTimeout: number;
  readonly hookTimeout?: number;
}

/** One more than there are processors: some tests wait for a network or a clock. */
const workers = Math.min(availableParallelism() + 1, 8);

const project = (name: string, include: string[], { group, ...timeouts }: ProjectOptions): object => ({
  extends: true,
  test: {
    ...{ name, include, sequence: { groupOrder: group }, maxWorkers: workers, ...timeouts },
    setupFiles: ['./test/support/own-temporary.ts'],
  },
});
const minutes = (count: number): number => count * 60_000;
const patient = { testTimeout: minutes(5), hookTimeout: minutes(10) };

const rooms = '{oci,kubefile,sys,store,layer,transfer,cluster,emulation,build,kit,deploy,cli,support}';

/** Fetched by scripts/test.sh: programs every test may use, unlike a store, which each has its own of. */
const emulators =
  process.env['ARCH_BUILD_EMULATORS'] ?? join(import.meta.dirname, '.cache/test-store/emulators');

/**
 * unit: pure or plain-file code, no mounts. conformance: vectors that others wrote, fetched once. system: real
 * mounts, namespaces, emulators. e2e: the built program. host: what changes the binfmt_misc or mount table of the host, which
 * all the others look at: one file at a time, when nothing else runs.
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    env: { ARCH_BUILD_EMULATORS: emulators },
    projects: [
      project('unit', [`test/${rooms}/**/*.test.ts`, 'test/*.test.ts'], { group: 0, testTimeout: 20_000 }),
      project('conformance', ['test/conformance/**/*.test.ts'], {
        ...patient,
        testTimeout: minutes(2),
        group: 1,
      }),
      project('system', ['test/system/**/*.test.ts'], { ...patient, group: 1 }),
      project('e2e', ['test/e2e/**/*.test.ts'], { ...patient, group: 1 }),
      {
        extends: true,
        test: {
          ...{ name: 'host', include: ['test/host/**/*.test.ts'], sequence: { groupOrder: 2 } },
          ...{ fileParallelism: false, ...patient },
        },
      },
    ],
  },
});
