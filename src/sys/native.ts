/** Where our own small C programs are: built from `emulators/native` and `emulators/front` into `dist/native`. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ArchBuildError } from '../errors.ts';

/** Beside the bundle (dist/), or in dist/ when running from source. */
const DIRECTORIES = ['native', '../native', '../../dist/native'];

/** Throws SANDBOX when it was never built: a host without a C compiler and not the packed release. */
export function nativeProgram(name: 'sandbox' | 'namespace' | 'front'): string {
  const path = find(name);
  if (path !== undefined) return path;
  throw new ArchBuildError('SANDBOX', `the helper program ${name} is not there`, {
    hint: 'install a C compiler with static libc (Debian: gcc libc6-dev) and run `npm run build`, or use the packed release',
  });
}

/** Undefined where it was never built: what it does can be done without it. */
export const nativeLibrary = (name: 'files'): string | undefined => find(`${name}.so`);

function find(name: string): string | undefined {
  const paths = DIRECTORIES.map((directory) =>
    fileURLToPath(new URL(`${directory}/${name}`, import.meta.url)),
  );
  return paths.find((path) => existsSync(path));
}
