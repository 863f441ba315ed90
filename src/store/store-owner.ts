/**
 * Whose store this is. Snapshots have real owners and overlayfs's marks, and both look different to the host's root, to
 * the root of a user namespace, and where a single id is mapped: a store serves one of them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import { hasSingleId, isHostRoot, isRoot } from '../sys/identity.ts';
import type { StoreLayout } from './layout.ts';

export type StoreOwner = 'root' | 'user' | 'single-user';

/** Undefined for an ordinary user: documents and blobs look the same to everybody. */
function currentOwner(): StoreOwner | undefined {
  if (isHostRoot()) return 'root';
  if (!isRoot()) return undefined;
  return hasSingleId() ? 'single-user' : 'user';
}

/** The first who can unpack layers owns the store. Throws STORE when it is another's. */
export function claimStore(layout: StoreLayout, owner: StoreOwner | undefined = currentOwner()): void {
  if (owner === undefined) return;
  const recorded = recordedOwner(layout);
  if (recorded === owner) return;
  if (recorded !== undefined) throw foreignStore(layout.root, recorded, owner);
  writeFileAtomic(layout.owner, `${owner}\n`);
}

/** Stores with snapshots and without the file are from a time when only root could make them. */
function recordedOwner({ owner, snapshots }: StoreLayout): string | undefined {
  if (existsSync(owner)) return readFileSync(owner, 'utf8').trim();
  return existsSync(snapshots) ? 'root' : undefined;
}

const NAMES: Readonly<Record<string, string>> = {
  root: 'root',
  user: 'a user with subordinate ids',
  'single-user': 'a user without subordinate ids',
};

const foreignStore = (root: string, recorded: string, owner: StoreOwner): ArchBuildError =>
  new ArchBuildError(
    'STORE',
    `the store ${root} was made by ${NAMES[recorded] ?? recorded}, and its files have other owners than ${NAMES[owner] ?? owner} gives them`,
    { hint: 'name another directory with --root; images move between stores with `save` and `load`' },
  );
