/**
 * Buildah's own tests of `buildah build`, with arch-build in its place: those that take no more than a second or two
 * and ask most. All of them run with `node scripts/bud-bats.mjs`.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { standInRootfs } from './buildah/stand-in.ts';
import { debianSource } from './debian-data.ts';

const RUNNER = join(import.meta.dirname, '../../scripts/bud-bats.mjs');

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

describeWith(['root', 'overlay', 'command:bats', 'command:umoci', 'command:skopeo'], 'bud.bats', () => {
  it('passes the sample', async () => {
    const source = await debianSource('golang-github-containers-buildah', 'trixie');
    const rootfs = await standInRootfs();
    const options = ['--only', SAMPLE, '--source', join(source, 'orig'), '--rootfs', rootfs];
    const printed = await runTool(process.execPath, [RUNNER, ...options]);
    console.log(printed.trimEnd());
    expect(printed).toMatch(/^bud\.bats: [1-9]\d+ passed, 0 failed, /m);
  });
});
