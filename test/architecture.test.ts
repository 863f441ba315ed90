/** The imports of `src/` keep to the rooms; made-up trees show that each rule can be broken. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkArchitecture, type Rule, type SourceTree } from './support/architecture.ts';

const SOURCE = join(import.meta.dirname, '../src');

function readSourceTree(): SourceTree {
  const paths = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  return new Map(paths.sort().map((path) => [path, readFileSync(join(SOURCE, path), 'utf8')]));
}

/** A small tree without fault, to which each case adds its fault. */
const SOUND: Readonly<Record<string, string>> = {
  'main.ts': `import { run } from './cli/run.ts'; console.log(await run());`,
  'cli/run.ts': `import { Command } from 'commander'; import { build } from '../build/build.ts'; process.stderr.write('');`,
  'build/build.ts': `import type { Layer } from '../layer/layer.ts'; import { start } from '../sys/start.ts';`,
  'cluster/images.ts': `import { copy } from '../transfer/copy.ts'; import { parse } from 'yaml';`,
  'transfer/copy.ts': `import { blobs } from '../store/blobs.ts'; const { fetch } = await import('undici');`,
  'layer/layer.ts': `import { readFile } from 'node:fs/promises'; export type Layer = import('../oci/digest.ts').Digest;`,
  'store/blobs.ts': `import { start } from '../sys/start.ts'; export { digest } from '../oci/digest.ts';`,
  'sys/start.ts': `import { spawn } from 'node:child_process'; const koffi = createRequire(import.meta.url)('koffi');`,
  'oci/digest.ts': `import { createHash } from 'node:crypto'; import { join } from 'node:path/posix'; import '../errors.ts';`,
  'kubefile/parse.ts': `import type { Event } from '../events.ts';`,
  'errors.ts': `export class E extends Error {} // a console.log in a comment, and 'process.stdout' in a string`,
  'events.ts': `import type { E } from './errors.ts';`,
};

function treeWith(changes: Readonly<Record<string, string>>): SourceTree {
  return new Map(Object.entries({ ...SOUND, ...changes }));
}

const BROKEN: readonly { name: string; rule: Rule; changes: Record<string, string>; what: string }[] = [
  {
    name: 'a new folder that is no room',
    rule: 'files live in a room',
    changes: { 'plugins/load.ts': '' },
    what: 'plugins/load.ts',
  },
  {
    name: 'a barrel',
    rule: 'no barrels',
    changes: { 'oci/index.ts': `export * from './digest.ts';` },
    what: 'oci/index.ts',
  },
  {
    name: 'a file of utils',
    rule: 'no utils',
    changes: { 'store/path-utils.ts': '' },
    what: 'store/path-utils.ts',
  },
  {
    name: 'a long file',
    rule: 'files have at most 300 lines',
    changes: { 'store/long.ts': 'export {};\n'.repeat(301) },
    what: 'store/long.ts has 301',
  },
  {
    name: 'an import without extension',
    rule: 'own modules are imported by relative path with .ts',
    changes: { 'build/build.ts': `import { start } from '../sys/start';` },
    what: 'build/build.ts imports ../sys/start',
  },
  {
    name: 'an import from outside of src',
    rule: 'own modules are imported by relative path with .ts',
    changes: { 'cli/run.ts': `import manifest from '../../package.json';` },
    what: 'cli/run.ts imports ../../package.json',
  },
  {
    name: 'an import upwards',
    rule: 'a file imports from its own folder and folders below',
    changes: { 'store/blobs.ts': `import { readLayer } from '../layer/layer.ts';` },
    what: 'store/blobs.ts imports ../layer/layer.ts',
  },
  {
    name: 'an upward import of a type alone',
    rule: 'a file imports from its own folder and folders below',
    changes: { 'oci/digest.ts': `import type { Start } from '../sys/start.ts';` },
    what: 'oci/digest.ts imports ../sys/start.ts',
  },
  {
    name: 'an upward import type',
    rule: 'a file imports from its own folder and folders below',
    changes: { 'sys/start.ts': `export type L = import('../store/lock.ts').Lock;`, 'store/lock.ts': '' },
    what: 'sys/start.ts imports ../store/lock.ts',
  },
  {
    name: 'a lazy import upwards',
    rule: 'a file imports from its own folder and folders below',
    changes: { 'emulation/fetch.ts': `const cli = await import('../cli/run.ts');` },
    what: 'emulation/fetch.ts imports ../cli/run.ts',
  },
  {
    name: 'a re-export from above',
    rule: 'a file imports from its own folder and folders below',
    changes: { 'errors.ts': `export type { Step } from './build/step.ts';`, 'build/step.ts': '' },
    what: 'errors.ts imports ./build/step.ts',
  },
  {
    name: 'an import of main',
    rule: 'a file imports from its own folder and folders below',
    changes: { 'cli/help.ts': `import { version } from '../main.ts';` },
    what: 'cli/help.ts imports ../main.ts',
  },
  {
    name: 'an import sideways',
    rule: 'a file imports from its own folder and folders below',
    changes: { 'layer/layer.ts': `import { probe } from '../emulation/probe.ts';`, 'emulation/probe.ts': '' },
    what: 'layer/layer.ts imports ../emulation/probe.ts',
  },
  {
    name: 'an import of the room that fetches with it',
    rule: 'a file imports from its own folder and folders below',
    changes: {
      'cluster/images.ts': '',
      'transfer/copy.ts': `import { images } from '../cluster/images.ts';`,
    },
    what: 'transfer/copy.ts imports ../cluster/images.ts',
  },
  {
    name: 'the front end and the image values mixed',
    rule: 'a file imports from its own folder and folders below',
    changes: { 'kubefile/parse.ts': `import { digest } from '../oci/digest.ts';` },
    what: 'kubefile/parse.ts imports ../oci/digest.ts',
  },
  {
    name: 'two files in a circle',
    rule: 'no import cycles',
    changes: { 'build/a.ts': `import './b.ts';`, 'build/b.ts': `import type { A } from './a.ts';` },
    what: 'build/a.ts -> build/b.ts -> build/a.ts',
  },
  {
    name: 'three files in a circle with a lazy import',
    rule: 'no import cycles',
    changes: {
      'oci/x.ts': `import './y.ts';`,
      'oci/y.ts': `export * from './z.ts';`,
      'oci/z.ts': `await import('./x.ts');`,
    },
    what: 'oci/x.ts -> oci/y.ts -> oci/z.ts -> oci/x.ts',
  },
  {
    name: 'a package outside of its home',
    rule: 'each third-party package has one home',
    changes: { 'build/build.ts': `import { execa } from 'execa';` },
    what: 'build/build.ts imports execa',
  },
  {
    name: 'a package nobody has a home for',
    rule: 'each third-party package has one home',
    changes: { 'cli/run.ts': `import map from 'lodash/map.js';` },
    what: 'cli/run.ts imports lodash/map.js',
  },
  {
    name: 'a package by require',
    rule: 'each third-party package has one home',
    changes: { 'store/blobs.ts': `const koffi = createRequire(import.meta.url)('koffi');` },
    what: 'store/blobs.ts imports koffi',
  },
  {
    name: 'a builtin without node:',
    rule: 'each third-party package has one home',
    changes: { 'build/build.ts': `import { spawn } from 'child_process';` },
    what: 'build/build.ts imports child_process',
  },
  {
    name: 'a module that is computed',
    rule: 'each third-party package has one home',
    changes: { 'build/build.ts': `await import(name);` },
    what: 'build/build.ts imports name',
  },
  {
    name: 'a disk in the image values',
    rule: 'oci and kubefile are pure',
    changes: { 'oci/digest.ts': `import { readFileSync } from 'node:fs';` },
    what: 'oci/digest.ts imports node:fs',
  },
  {
    name: 'the paths of the host in the front end',
    rule: 'oci and kubefile are pure',
    changes: { 'kubefile/parse.ts': `import { join } from 'node:path';` },
    what: 'kubefile/parse.ts imports node:path',
  },
  {
    name: 'a process started above sys',
    rule: 'only sys starts processes',
    changes: { 'emulation/probe.ts': `import { spawnSync } from 'node:child_process';` },
    what: 'emulation/probe.ts imports node:child_process',
  },
  {
    name: 'a console below cli',
    rule: 'only cli prints',
    changes: { 'build/build.ts': `console.warn('slow');` },
    what: 'build/build.ts uses console.warn',
  },
  {
    name: 'a standard stream below cli',
    rule: 'only cli prints',
    changes: { 'sys/start.ts': `process.stderr.write('mounted');` },
    what: 'sys/start.ts uses process.stderr',
  },
];

describe('the source tree', () => {
  it('keeps to the rules of the house', () => {
    const tree = readSourceTree();
    expect(tree.size).toBeGreaterThan(10);
    expect(checkArchitecture(tree).map(({ rule, what }) => `${rule}: ${what}`)).toEqual([]);
  });
});

describe('the rules', () => {
  it('find no fault in a sound tree', () => {
    expect(checkArchitecture(treeWith({}))).toEqual([]);
  });

  it.each(BROKEN)('name $name', ({ rule, changes, what }) => {
    expect(checkArchitecture(treeWith(changes))).toEqual([{ rule, what }]);
  });
});
