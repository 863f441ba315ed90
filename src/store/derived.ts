/**
 * Directories that are made of what the store has and take a while to make: by a key that changes with all they are made
 * of, so one is never out of date. `prune` removes them all; whoever needs one makes it again.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';

export class DerivedDirectories {
  readonly #root: string;
  readonly #makeDirectory: (prefix: string) => string;

  constructor(root: string, makeDirectory: (prefix: string) => string) {
    this.#root = root;
    this.#makeDirectory = makeDirectory;
  }

  /** `key` is a file name. Undefined when there is none. */
  find(key: string): string | undefined {
    const path = join(this.#root, key);
    return existsSync(path) ? path : undefined;
  }

  /** The directory of the key, whole under its name: `make` fills a new one elsewhere. Others may make the same. */
  async make(key: string, make: (directory: string) => Promise<void>): Promise<string> {
    const path = join(this.#root, key);
    const directory = this.#makeDirectory('derived');
    await make(directory);
    mkdirSync(this.#root, { recursive: true });
    try {
      renameSync(directory, path);
    } catch (error) {
      if (!['EEXIST', 'ENOTEMPTY'].includes(systemErrorCode(error) ?? '')) throw error;
      rmSync(directory, { recursive: true, force: true });
    }
    return path;
  }

  /** Needs the store's exclusive lock. */
  clear(): void {
    if (!existsSync(this.#root)) return;
    const aside = this.#makeDirectory('derived');
    for (const name of readdirSync(this.#root)) renameSync(join(this.#root, name), join(aside, name));
    rmSync(aside, { recursive: true, force: true });
  }
}
