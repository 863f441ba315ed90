/** The libraries that twins are started with: all they need, and what the C library loads while it runs. */
import { basename } from 'node:path/posix';
import type { OwnedFile, PackageRoot } from './package-root.ts';

/** The same image for two machines. */
export interface RootPair {
  readonly foreign: PackageRoot;
  readonly native: PackageRoot;
}

export interface Library {
  readonly name: string;
  readonly hostPath: string;
}

export class LibraryShelf {
  readonly #roots: RootPair;
  /** Its real path, which is what libraries that need it mean as well. */
  readonly #loader: OwnedFile;
  /** By name: the library and what it needs; undefined when it cannot be had. */
  readonly #known = new Map<string, { hostPath: string; needed: readonly string[] } | undefined>();

  constructor(roots: RootPair, loader: OwnedFile) {
    this.#roots = roots;
    this.#loader = loader;
  }

  /** These and all that they need; undefined when one of them cannot be had. */
  closure(names: readonly string[]): readonly Library[] | undefined {
    const [found, pending] = [new Map<string, Library>(), [...names]];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (found.has(name) || this.#isLoader(name)) continue;
      const library = this.#find(name);
      if (library === undefined) return undefined;
      found.set(name, { name, hostPath: library.hostPath });
      pending.push(...library.needed);
    }
    return [...found.values()];
  }

  #isLoader(name: string): boolean {
    return name === basename(this.#loader.path);
  }

  #find(name: string): { hostPath: string; needed: readonly string[] } | undefined {
    if (!this.#known.has(name)) this.#known.set(name, this.#look(name));
    return this.#known.get(name);
  }

  /** Both roots have it from the same version of the same package. */
  #look(name: string): { hostPath: string; needed: readonly string[] } | undefined {
    const [ours, theirs] = [this.#roots.native.library(name), this.#roots.foreign.library(name)];
    if (ours === undefined || theirs === undefined) return undefined;
    if (ours.owner.name !== theirs.owner.name || ours.owner.version !== theirs.owner.version)
      return undefined;
    const elf = this.#roots.native.linked(ours);
    return elf === undefined ? undefined : { hostPath: ours.file.hostPath, needed: elf.needed };
  }
}
