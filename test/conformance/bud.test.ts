/**
 * Buildah's own tests of `buildah build`, with arch-build in its place: those that take no more than a second or two
 * and ask most. All of them run with `node scripts/bud-bats.mjs`.
 */
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { busyboxRootfs } from '../e2e/bases.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { debianSource } from './debian-data.ts';

const RUNNER = join(import.meta.dirname, '../../scripts/bud-bats.mjs');

const BASES = ['--platform', 'linux/amd64', '--image', '/(?:alpine|busybox|ubuntu)$'];

interface Sample {
  readonly what: string;
  readonly count: number;
  /** Of tests, as regular expressions. */
  readonly names: readonly string[];
}

/** As many at a time as take some seconds. */
const SAMPLES: readonly Sample[] = [
  {
    what: 'stages and shells',
    count: 6,
    names: [
      'bud-from-scratch',
      'bud-from-scratch-annotation',
      'bud-from-scratch-remove-identity-label',
      'bud-from-multiple-files-two-froms',
      'bud-shell during build in Docker format',
      'bud-shell during build in OCI format',
    ],
  },
  {
    what: 'contexts',
    count: 6,
    names: [
      'bud copy with .dockerignore #[12]',
      'bud-copy-dockerignore-hardlinks',
      'bud-from-stdin',
      'bud with Dockerfile from stdin',
      'bud with .dockerignore - unmatched',
    ],
  },
  {
    what: 'what BuildKit does otherwise than buildah',
    count: 5,
    names: [
      'bud-shell changed during build in OCI format',
      'bud with CMD and empty RUN',
      'bud cache by format',
      'build-env-precedence',
      'build-with-inline-platform-and-variant',
    ],
  },
  { what: 'outputs', count: 8, names: ['build with custom build output.*'] },
];

const NEEDS = ['bats', 'umoci', 'skopeo', 'docker-registry', 'openssl', 'git'].map(
  (name) => `command:${name}` as const,
);

describeWith(['root', 'overlay', ...NEEDS], 'bud.bats', () => {
  let source: string;
  let bases: string;
  beforeAll(async () => {
    source = await debianSource('golang-github-containers-buildah', 'trixie');
    bases = dirname(await busyboxRootfs('amd64'));
  });

  it.each(SAMPLES)('passes $count tests of $what', async ({ count, names }) => {
    const only = `^(${names.join('|')})$`;
    const options = ['--only', only, '--source', join(source, 'orig'), '--bases', bases];
    const printed = await runTool(process.execPath, [RUNNER, ...options, ...BASES]);
    console.log(printed.trimEnd());
    expect(printed).toContain(`bud.bats: ${String(count)} passed, 0 failed, 0 skipped\n`);
  });
});
