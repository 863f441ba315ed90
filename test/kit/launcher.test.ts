/** The launcher of a package, with a loader that says what it was given. */
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { LAUNCHER, LOADER } from '../../src/kit/launcher.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

const SAY = '#!/bin/sh\nprintf "%s\\n" "$@" "NODE_OPTIONS=${NODE_OPTIONS-unset}" "$ARCH_BUILD_LAUNCHER"\n';

async function openPackage(scratch: Scratch, folder: string): Promise<string> {
  await scratch.write(`${folder}/arch-build`, LAUNCHER);
  await scratch.write(`${folder}/lib/${LOADER}`, SAY);
  for (const name of ['arch-build', `lib/${LOADER}`]) await chmod(scratch.path(folder, name), 0o755);
  return scratch.path(folder);
}

const call = (
  file: string,
  args: string[],
  cwd = '/',
): { status: number | null; lines: string[]; stderr: string } => {
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], NODE_OPTIONS: '--of-another' },
  });
  return { status, lines: stdout.trimEnd().split('\n'), stderr };
};

const startOf = (root: string, ...args: string[]): string[] => [
  '--inhibit-cache',
  '--library-path',
  `${root}/lib`,
  `${root}/lib/node`,
  `${root}/dist/main.js`,
  ...args,
  'NODE_OPTIONS=unset',
  `${root}/arch-build`,
];

it('finds its folder from anywhere, through links of both kinds', async () => {
  await using scratch = await openScratch('launcher');
  const root = await openPackage(scratch, 'two words');
  await mkdir(scratch.path('bin'));
  await symlink(`${root}/arch-build`, scratch.path('bin/absolute'));
  await symlink('../two words/arch-build', scratch.path('bin/relative'));
  await symlink('relative', scratch.path('bin/twice'));
  await symlink('two words', scratch.path('folder'));
  const args = ['run', 'a b', '', '*'];
  for (const name of [
    'two words/arch-build',
    'bin/absolute',
    'bin/relative',
    'bin/twice',
    'folder/arch-build',
  ])
    expect(call(scratch.path(name), args).lines).toEqual(startOf(root, ...args));
  expect(call('sh', ['arch-build', 'x'], root).lines).toEqual(startOf(root, 'x'));
  expect(call('../two words/arch-build', ['x'], root).lines).toEqual(startOf(root, 'x'));
});

it.each(['a:b', 'a;b', 'a$b'])('says why it does not run from %s', async (folder) => {
  await using scratch = await openScratch('launcher');
  const root = await openPackage(scratch, folder);
  const { status, stderr } = call(`${root}/arch-build`, []);
  expect(status).toBe(3);
  expect(stderr).toContain(`: ; or $ in its path: ${root}`);
});
