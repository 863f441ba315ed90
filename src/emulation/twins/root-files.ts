/** A root file system as far as twins look at it. What it holds is hostile: links run in circles, files are huge. */
import { readFileSync } from 'node:fs';

export interface RootFile {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  /** Permission bits; more of st_mode may be there. */
  readonly mode: number;
  readonly sizeBytes: number;
  /** Where its bytes are on the host. */
  readonly hostPath: string;
  readonly linkTarget?: string;
  /** It has `security.capability`. */
  readonly hasCapabilities?: boolean;
}

/** Paths are absolute; no symlink is followed, not even in the middle. */
export interface RootFiles {
  lstat(path: string): RootFile | undefined;
}

export interface PlacedFile {
  /** Without symlinks. */
  readonly path: string;
  readonly file: RootFile;
}

/** The kernel's own limits. */
const MAX_LINKS = 40;
const MAX_PATH = 4096;

/** The same files, each looked at once. */
export function remembering(root: RootFiles): RootFiles {
  const seen = new Map<string, RootFile | undefined>();
  return {
    lstat: (path) => {
      if (!seen.has(path)) seen.set(path, root.lstat(path));
      return seen.get(path);
    },
  };
}

/** Where a path leads within the root, as after chroot; undefined when nothing is there or links run in a circle. */
export function resolveInRoot(root: RootFiles, path: string): PlacedFile | undefined {
  if (path.length > MAX_PATH || path.includes('\0')) return undefined;
  const pending = path.split('/').reverse();
  let [at, links] = ['', 0];
  let found: RootFile | undefined;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || name === '.') continue;
    if (found !== undefined && found.kind !== 'directory') return undefined;
    if (name === '..') {
      at = at.slice(0, Math.max(at.lastIndexOf('/'), 0));
      found = at === '' ? undefined : root.lstat(at);
      continue;
    }
    const next = root.lstat(`${at}/${name}`);
    if (next === undefined) return undefined;
    if (next.kind === 'symlink') {
      if (++links > MAX_LINKS || next.linkTarget === undefined) return undefined;
      if (next.linkTarget.startsWith('/')) [at, found] = ['', undefined];
      pending.push(...next.linkTarget.split('/').reverse());
    } else [at, found] = [`${at}/${name}`, next];
  }
  return found === undefined ? undefined : { path: at, file: found };
}

/** The path with its directory resolved, its last name as it is; undefined when the directory is not there. */
export function resolveParent(root: RootFiles, path: string): string | undefined {
  const cut = path.lastIndexOf('/');
  const name = path.slice(cut + 1);
  if (!path.startsWith('/') || name === '' || name === '.' || name === '..') return undefined;
  if (cut === 0) return path;
  const parent = resolveInRoot(root, path.slice(0, cut));
  return parent?.file.kind === 'directory' ? `${parent.path}/${name}` : undefined;
}

/** Undefined when it is no regular file, larger than `maxBytes`, or cannot be read. */
export function readInRoot(root: RootFiles, path: string, maxBytes: number): Buffer | undefined {
  const file = resolveInRoot(root, path)?.file;
  if (file?.kind !== 'file' || file.sizeBytes > maxBytes) return undefined;
  try {
    return readFileSync(file.hostPath);
  } catch {
    return undefined;
  }
}
