/** The files of the program itself, wherever it is installed: a source tree, node_modules of npm, or a package. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { TarFile } from '../transfer/tar-writer.ts';
import { diskFile, filesBelow, PROGRAM_MODE } from './tree-file.ts';

const OWN_FILES = [
  'package.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'emulators/README.md',
  'emulators/pinned.json',
];

/** Of packages with native code, what runs on this kind of machine under the C library that comes along. */
const MODULES: readonly {
  readonly name: string;
  readonly files: readonly string[];
  readonly optional?: true;
}[] = [
  {
    name: 'koffi',
    files: ['package.json', 'index.cjs', 'src/koffi/index.cjs', 'src/koffi/src/static.cjs', 'LICENSE.txt'],
  },
  { name: '@koromix/koffi-linux-x64', files: ['package.json', 'index.js', 'linux_x64/koffi.node'] },
  {
    name: 'node-pty',
    files: ['package.json', 'lib/utils.js', 'build/Release/pty.node', 'LICENSE'],
    optional: true,
  },
];

/** Throws TOOL_MISSING when the program was not built. */
export function programFiles(root: string): TarFile[] {
  for (const needed of ['dist/main.js', 'dist/native/sandbox', 'dist/native/namespace']) {
    if (existsSync(join(root, needed))) continue;
    throw new ArchBuildError('TOOL_MISSING', `${join(root, needed)} is not there`, {
      hint: 'run `npm run build` first; the helper needs a C compiler with static libc',
    });
  }
  const own = OWN_FILES.map((path) => diskFile(path, join(root, path)));
  const modeOf = (path: string): number =>
    path === 'dist/main.js' || path.startsWith('dist/native/') ? PROGRAM_MODE : 0o644;
  return [...own, ...filesBelow('dist', join(root, 'dist'), modeOf), ...moduleFiles(root)];
}

/** Shared objects in the packed modules. */
export const nativeModules = (root: string): string[] =>
  MODULES.flatMap(({ name, files }) => {
    const folder = moduleFolder(root, name);
    return files.filter((file) => file.endsWith('.node')).map((file) => join(folder ?? '', file));
  }).filter((path) => existsSync(path));

function moduleFiles(root: string): TarFile[] {
  return MODULES.flatMap(({ name, files, optional = false }) => {
    const folder = moduleFolder(root, name);
    const isWhole = folder !== undefined && files.every((file) => existsSync(join(folder, file)));
    if (!isWhole && optional) return [];
    if (!isWhole) {
      throw new ArchBuildError('TOOL_MISSING', `the package ${name} is not installed`, {
        hint: 'run `npm ci` first',
      });
    }
    return files.map((file) => diskFile(`node_modules/${name}/${file}`, join(folder, file)));
  });
}

/** As Node looks for it: npm may have put it beside us. */
function moduleFolder(root: string, name: string): string | undefined {
  for (let folder = root; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}
