/** A directory of a test's own: `await using scratch = await openScratch()`. */
import { randomBytes } from 'node:crypto';
import { mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Scratch extends AsyncDisposable {
  /** Absolute, free of symbolic links. */
  readonly directory: string;
  path(...parts: string[]): string;
  /** Writes a file, with the folders above it; its path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
}

/** The caller disposes it, and what is mounted under it before. */
export async function openScratch(prefix = 'test'): Promise<Scratch> {
  // in lower case, because buildah makes image names from paths
  const name = `arch-build-${prefix}-${randomBytes(6).toString('hex')}`;
  const directory = join(await realpath(tmpdir()), name);
  await mkdir(directory, { mode: 0o700 });
  return {
    directory,
    path: (...parts) => join(directory, ...parts),
    write: async (name, content) => {
      const path = join(directory, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      return path;
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true, maxRetries: 3 }),
  };
}
