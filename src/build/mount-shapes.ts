/** What the mounts of RUN are in the plan of a sandbox, given where their content is. Pure: `--plan` shows the same. */
import { join, posix } from 'node:path';
import type { BindMount, CacheMount, RunMount, SecretMount, SshMount } from '../kubefile/run-mount.ts';
import type { StepMount } from '../sys/step-mounts.ts';
import type { MountSource } from './mount-sources.ts';

/** Where the content of one mount is. */
export interface MountPlace {
  /** A path of the step's scratch directory for this mount. */
  readonly place: string;
  /** The same, relative to the scratch directory. */
  readonly name: string;
  readonly source: MountSource | undefined;
}

export function bindShape({ target, writable }: BindMount, { source, place, name }: MountPlace): StepMount {
  const common = { target, kind: source?.kind ?? 'directory', readOnly: !writable } as const;
  if (source?.layers === undefined) return { type: 'bind', ...common, source: join(place, 'source') };
  const { trees, path } = source.layers;
  return { type: 'layers', ...common, directory: name, lowerCount: Math.max(1, trees.length), path };
}

/** What of a cache is shown: all of it, without one. */
export interface CachePart {
  readonly kind: 'file' | 'directory';
  /** Without symlinks. */
  readonly path: string;
}

export const cacheShape = (
  { target, writable }: CacheMount,
  source: string,
  { name, part }: Pick<MountPlace, 'name'> & { readonly part: CachePart | undefined },
): StepMount => ({
  type: 'bind',
  kind: part?.kind ?? 'directory',
  source,
  target,
  readOnly: !writable,
  ...(part && { inside: { directory: name, path: part.path } }),
});

/** Where `source=` of a cache of its own is in it, as written; undefined for all. */
export function partOf({ source, from }: CacheMount): string | undefined {
  const path = posix.resolve('/', source).slice(1);
  return from !== undefined || path === '' ? undefined : path;
}

/** None for a secret that is a variable only. */
export function secretShape({ target, mode, uid, gid }: SecretMount, content: Buffer): StepMount[] {
  return target === undefined ? [] : [{ type: 'content', kind: 'file', target, mode, uid, gid, content }];
}

export const sshShape = (mount: SshMount, { place }: MountPlace): StepMount => ({
  type: 'bind',
  kind: 'file',
  source: place,
  target: mount.target ?? `/run/buildkit/ssh_agent.${place.split('-').at(-1) ?? '0'}`,
  readOnly: false,
});

/** By names where only a step has values. `isGiven`: the command line has the secret or the agent. */
export function describeShape(mount: RunMount, where: MountPlace, isGiven: boolean): StepMount[] {
  switch (mount.type) {
    case 'bind':
      return [bindShape(mount, where)];
    case 'cache': {
      const path = partOf(mount);
      const part = path === undefined ? undefined : ({ kind: 'directory', path } as const);
      return [cacheShape(mount, `<cache ${mount.id}>`, { ...where, part })];
    }
    case 'tmpfs':
      return [{ ...mount, kind: 'directory' }];
    case 'secret':
      return isGiven ? secretShape(mount, Buffer.alloc(0)) : [];
    case 'ssh':
      return isGiven ? [sshShape(mount, where)] : [];
  }
}
