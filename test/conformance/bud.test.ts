/**
 * Buildah's own tests of `buildah build`, with arch-build in its place: those that take no more than a second or two
 * and ask most. All of them run with `node scripts/bud-bats.mjs`.
 */
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { busyboxRootfs } from '../e2e/bases.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { debianSource } from './debian-data.ts';

const RUNNER = join(import.meta.dirname, '../../scripts/bud-bats.mjs');

const BASES = ['--platform', 'linux/amd64', '--image', '/(?:alpine|busybox|ubuntu)$'];

/** Names of tests, as a regular expression. */
const SAMPLE = `^(${[
  'bud-from-scratch',
  'bud-from-scratch-annotation',
  'bud-from-scratch-remove-identity-label',
  'bud-from-multiple-files-two-froms',
  'bud-shell during build in Docker format',
  'bud-shell during build in OCI format',
  'bud copy with .dockerignore #[12]',
  'bud-copy-dockerignore-hardlinks',
  'bud-from-stdin',
  'bud with Dockerfile from stdin',
  'bud with .dockerignore - unmatched',
  'build with custom build output.*',
].join('|')})$`;

const NEEDS = ['bats', 'umoci', 'skopeo', 'docker-registry', 'openssl', 'git'].map(
  (name) => `command:${name}` as const,
);

describeWith(['root', 'overlay', ...NEEDS], 'bud.bats', () => {
  it('passes the sample', async () => {
    const source = await debianSource('golang-github-containers-buildah', 'trixie');
    const bases = dirname(await busyboxRootfs('amd64'));
    const options = ['--only', SAMPLE, '--source', join(source, 'orig'), '--bases', bases];
    const printed = await runTool(process.execPath, [RUNNER, ...options, ...BASES]);
    console.log(printed.trimEnd());
    expect(printed).toMatch(/^bud\.bats: [1-9]\d+ passed, 0 failed, /m);
  });
});
