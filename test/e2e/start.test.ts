/** How the program starts: its packs with the code that was compiled when it was built, and nothing that is not asked for. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Script } from 'node:vm';
import { expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { writeFiles } from './projects.ts';

const DIST = join(import.meta.dirname, '../../dist');
const CODE = `.v8-${process.versions.v8}`;

/** The program, and what `--version` says when it was started there. */
async function openCopy(): Promise<Scratch & { version(): Promise<string> }> {
  const scratch = await openScratch('start');
  const dist = scratch.path('dist');
  await mkdir(dist);
  for (const name of ['main.js', 'package.json', 'program.js', `program.js${CODE}`])
    await cp(join(DIST, name), join(dist, name), { preserveTimestamps: true });
  const version = async (): Promise<string> =>
    (await promisify(execFile)(process.execPath, [join(dist, 'main.js'), '--version'])).stdout;
  return { ...scratch, version };
}

it('has code that V8 takes for every pack', async () => {
  const names = await readdir(DIST);
  const packs = names.filter((name) => name.endsWith('.js') && name !== 'main.js');
  expect(packs).toEqual(expect.arrayContaining(['program.js', 'build.js']));
  for (const pack of packs) {
    const cachedData = await readFile(join(DIST, pack + CODE));
    const script = new Script(await readFile(join(DIST, pack), 'utf8'), { cachedData });
    expect([pack, script.cachedDataRejected]).toEqual([pack, false]);
  }
});

it('runs what a pack says when it was changed after it was compiled, though its length is the same', async () => {
  await using copy = await openCopy();
  const built = await copy.version();
  const pack = copy.path('dist/program.js');
  const text = await readFile(pack, 'utf8');
  const changed = text.replaceAll(`"${built.trim()}"`, `"${built.trim().replaceAll(/\d/g, '9')}"`);
  expect(changed).not.toBe(text);
  await writeFile(pack, changed);
  const later = new Date(Date.now() + 1000);
  await utimes(pack, later, later);
  expect(await copy.version()).toBe('9.9.9\n');
});

it.each([
  ['missing', async (path: string): Promise<void> => rm(path)],
  [
    'cut off',
    async (path: string): Promise<void> => writeFile(path, (await readFile(path)).subarray(0, -100)),
  ],
  ['something else', async (path: string): Promise<void> => writeFile(path, 'not code at all')],
  ['empty', async (path: string): Promise<void> => writeFile(path, '')],
])('compiles for itself where the code is %s', async (_what, spoil) => {
  await using copy = await openCopy();
  const built = await copy.version();
  await spoil(copy.path(`dist/program.js${CODE}`));
  expect(await copy.version()).toBe(built);
});

/** Loaded before the program: tells at its end which files of dist/ it has opened and which of Node's modules it has. */
const WITNESS = `
const fs = require('node:fs');
const opened = [];
const { openSync } = fs;
fs.openSync = (path, ...rest) => { opened.push(String(path)); return openSync(path, ...rest); };
process.on('exit', () => {
  fs.writeFileSync(process.env.WITNESSED, JSON.stringify({ opened, modules: process.moduleLoadList }));
});
`;

async function loadedBy(cli: Cli, args: readonly string[]): Promise<{ packs: string[]; modules: string[] }> {
  const witness = await cli.scratch.write('witness.cjs', WITNESS);
  const path = cli.scratch.path('witnessed.json');
  await cli.run(args, { env: { NODE_OPTIONS: `--require ${witness}`, WITNESSED: path } });
  const { opened, modules } = JSON.parse(await readFile(path, 'utf8')) as Record<string, string[]>;
  const ours = opened!.filter((name) => dirname(name) === DIST && !name.endsWith(CODE));
  return {
    packs: ours.map((name) => basename(name)),
    modules: modules!.map((name) => name.replace(/^NativeModule /, '')),
  };
}

/** What starts programs, packs, speaks to hosts, or works beside us. */
const LATE = ['child_process', 'zlib', 'worker_threads', 'http', 'https', 'tls', 'dns'];

it('loads one pack and no cryptography to say its version', async () => {
  await using cli = await openCli();
  const { packs, modules } = await loadedBy(cli, ['--version']);
  expect(packs).toEqual(['program.js']);
  expect(modules).toContain('vm');
  expect(modules.filter((name) => [...LATE, 'crypto'].includes(name))).toEqual([]);
});

describeWith(['root'], 'a build that finds everything as it was', () => {
  it('loads packs and no chunk besides, starts no program and compresses nothing', async () => {
    await using cli = await openCli();
    const context = cli.scratch.path('context');
    await writeFiles(context, { Dockerfile: 'FROM scratch\nCOPY file /file\nENV A=1\n', file: 'file\n' });
    const build = ['build', '--platform', 'linux/arm64', '-t', 'it', context];
    const made = await loadedBy(cli, build);
    expect(made.modules).toContain('child_process');
    const { packs, modules } = await loadedBy(cli, build);
    expect(packs.sort()).toEqual([
      'build.js',
      'emulators.js',
      'images.js',
      'inspect.js',
      'program.js',
      'store.js',
    ]);
    expect(modules).toContain('crypto');
    expect(modules.filter((name) => LATE.includes(name))).toEqual([]);
  });
});
