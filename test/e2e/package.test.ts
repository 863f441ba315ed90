/** What `npm pack` would publish: everything the program needs, nothing of the workshop, and it works where it is installed. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs } from './bases.ts';
import { writeFiles } from './projects.ts';

const ROOT = join(import.meta.dirname, '../..');

async function packedPaths(): Promise<string[]> {
  const json = await runTool('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT });
  const [packed] = JSON.parse(json) as { files: { path: string }[] }[];
  return packed!.files.map(({ path }) => path);
}

it('has the program, its helpers, the pins and the licence, and no sources or tests', async () => {
  const paths = await packedPaths();
  expect(paths).toEqual(
    expect.arrayContaining(['dist/main.js', 'dist/native/sandbox', 'emulators/pinned.json', 'LICENSE']),
  );
  expect(paths.filter((path) => /^(src|test|scripts|fixtures)\//.test(path))).toEqual([]);
});

describeWith(['root', 'private-binfmt'], 'the installed package', () => {
  it('says its version, examines the host, builds and runs, where node-pty is missing too', async () => {
    await using cli = await openCli();
    const [packed, prefix] = [cli.scratch.path('packed'), cli.scratch.path('prefix')];
    await mkdir(packed);
    const name = await runTool('npm', ['pack', '--ignore-scripts', '--pack-destination', packed], {
      cwd: ROOT,
    });
    const from = [
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--omit=optional',
      `${packed}/${name.trim()}`,
    ];
    await runTool('npm', ['install', '--global', '--prefix', prefix, ...from], {
      cwd: cli.scratch.directory,
    });
    const context = cli.scratch.path('context');
    await writeFiles(context, { Kubefile: 'FROM busybox\nRUN uname -m > /machine\nCMD cat /machine\n' });
    const installed = (...args: string[]): Promise<string> =>
      runTool(`${prefix}/bin/arch-build`, args, {
        cwd: '/',
        env: { ARCH_BUILD_ROOT: cli.root, TMPDIR: cli.temporary },
      });
    expect(await installed('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(JSON.parse(await installed('doctor', '--json', '--platform', 'linux/arm64'))).toBeTypeOf('object');
    await installed('import', await busyboxRootfs(), 'busybox', '--platform', 'linux/arm64');
    expect(await installed('--emulate', 'aarch64', '-t', 'it', context)).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(await installed('run', 'it')).toBe('aarch64\n');
    await rm(`${prefix}/lib/node_modules/arch-build/node_modules/node-pty`, { recursive: true, force: true });
    await expect(installed('run', '-t', 'it')).rejects.toThrow(
      /node-pty is not installed[^]*hint: run without -t/,
    );
  });
});
