/** How the program starts: its packs with the code that was compiled when it was built, and nothing that is not asked for. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
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
const { version: VERSION } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
) as { version: string };

/** The program, and what `--version` says when it was started there, by Node with these options. */
async function openCopy(): Promise<Scratch & { version(...options: string[]): Promise<string> }> {
  const scratch = await openScratch('start');
  const dist = scratch.path('dist');
  await mkdir(dist);
  for (const name of ['main.js', 'package.json', 'program.js', `program.js${CODE}`])
    await cp(join(DIST, name), join(dist, name), { preserveTimestamps: true });
  const version = async (...options: string[]): Promise<string> =>
    (await promisify(execFile)(process.execPath, [...options, join(dist, 'main.js'), '--version'])).stdout;
  return { ...scratch, version };
}

/** As scripts/seal.cjs writes it: the code, the code, the text. */
async function codeIn(directory: string, pack: string): Promise<{ text: Buffer; code: Buffer }> {
  const [text, file] = await Promise.all(
    [pack, pack + CODE].map(async (name) => readFile(join(directory, name))),
  );
  const code = file!.subarray(0, (file!.length - text!.length) / 2);
  expect(Buffer.concat([code, code, text!]).equals(file!)).toBe(true);
  return { text: text!, code };
}

it('has code that V8 takes for every pack', async () => {
  const names = await readdir(DIST);
  const packs = names.filter((name) => name.endsWith('.js') && name !== 'main.js');
  expect(packs).toEqual(expect.arrayContaining(['program.js', 'build.js']));
  for (const pack of packs) {
    const { text, code } = await codeIn(DIST, pack);
    const script = new Script(text.toString('utf8'), { cachedData: code });
    expect([pack, script.cachedDataRejected]).toEqual([pack, false]);
  }
});

it('runs what a pack says when it was changed after it was compiled, though length and time are the same', async () => {
  await using copy = await openCopy();
  const built = await copy.version();
  const pack = copy.path('dist/program.js');
  const { atime, mtime } = await stat(pack);
  const text = await readFile(pack, 'utf8');
  const changed = text.replaceAll(`"${built.trim()}"`, `"${built.trim().replaceAll(/\d/g, '9')}"`);
  expect(changed).not.toBe(text);
  await writeFile(pack, changed);
  await utimes(pack, atime, mtime);
  expect(await copy.version()).toBe('9.9.9\n');
});

type Spoil = (file: Buffer, sizes: { readonly code: number; readonly text: number }) => Buffer;

const flipped =
  (at: (sizes: { readonly code: number; readonly text: number }) => number): Spoil =>
  (file, sizes) => {
    const copy = Buffer.from(file);
    copy[at(sizes)]! ^= 0x10;
    return copy;
  };
/** In both copies: V8 has to find out itself. */
const flippedTwice =
  (at: number): Spoil =>
  (file, sizes) =>
    flipped(({ code }) => code + at)(flipped(() => at)(file, sizes), sizes);

it.each<[string, Spoil]>([
  ['cut off', (file) => file.subarray(0, -100)],
  ['cut off after the code', (file, { code }) => file.subarray(0, 2 * code)],
  ['cut off to one copy', (file, { code }) => file.subarray(0, code)],
  ['cut off to the length of the text', (file, { text }) => file.subarray(0, text)],
  ['longer', (file) => Buffer.concat([file, Buffer.alloc(2)])],
  ['something else', () => Buffer.from('not code at all')],
  ['all zeros', (file) => Buffer.alloc(file.length)],
  ['empty', () => Buffer.alloc(0)],
  ['damaged at its first byte', flipped(() => 0)],
  ['damaged in its middle', flipped(({ code }) => code >> 1)],
  ['damaged in the middle of its copy', flipped(({ code }) => code + (code >> 1))],
  ['damaged at the end of the code', flipped(({ code }) => code - 1)],
  ['damaged in the text', flipped(({ code, text }) => 2 * code + (text >> 1))],
  ['of another version of V8', flippedTwice(4)],
  ['of a text of another length', flippedTwice(8)],
  ['of other flags', flippedTwice(12)],
])('compiles for itself where the code is %s', async (_what, spoil) => {
  await using copy = await openCopy();
  const { text, code } = await codeIn(copy.path('dist'), 'program.js');
  const path = copy.path(`dist/program.js${CODE}`);
  await writeFile(path, spoil(await readFile(path), { code: code.length, text: text.length }));
  expect(await copy.version()).toBe(`${VERSION}\n`);
});

it('compiles for itself where there is no code, and under other flags of V8', async () => {
  await using copy = await openCopy();
  expect(await copy.version('--no-opt')).toBe(`${VERSION}\n`);
  await rm(copy.path(`dist/program.js${CODE}`));
  expect(await copy.version()).toBe(`${VERSION}\n`);
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
