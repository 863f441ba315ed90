/** The store: everything kept on disk between runs, opened for one command. */
import { existsSync, mkdirSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import { acquireLock, type Lock } from '../sys/lock.ts';
import { openSession, type Session } from '../sys/scratch.ts';
import { Blobs } from './blobs.ts';
import { CacheRecords } from './cache-records.ts';
import { DerivedDirectories } from './derived.ts';
import { FactsOfDocuments } from './document-facts.ts';
import { Images } from './images.ts';
import { storeLayout, type StoreLayout } from './layout.ts';
import { MountCaches } from './mount-caches.ts';
import { PackedLayers } from './packed-layers.ts';
import { MountRecords } from './mount-records.ts';
import { PartialBlobs } from './partial-blobs.ts';
import { Snapshots } from './snapshots.ts';
import { claimStore } from './store-owner.ts';

export interface Store extends AsyncDisposable {
  readonly layout: StoreLayout;
  readonly blobs: Blobs;
  readonly partials: PartialBlobs;
  readonly images: Images;
  readonly facts: FactsOfDocuments;
  readonly snapshots: Snapshots;
  readonly packed: PackedLayers;
  readonly cache: CacheRecords;
  readonly mountCaches: MountCaches;
  readonly derived: DerivedDirectories;
  /** Images that are mounted, by this command or an earlier one. */
  readonly mounts: MountRecords;
  /** A new empty directory on the store's file system, gone at the end of the command at the latest. */
  makeDirectory(prefix: string): string;
}

const LOCK_WAIT_MS = 60_000;

/**
 * Opens the store at `root`, making it when it is not there. `shared` is for everything that reads or adds;
 * `exclusive` (prune) keeps others out, so that nothing is removed under a build.
 * The caller disposes it. Throws STORE, STORE_BUSY after `waitMs`.
 */
export async function openStore(
  root: string,
  mode: 'shared' | 'exclusive' = 'shared',
  { waitMs = LOCK_WAIT_MS }: { readonly waitMs?: number } = {},
): Promise<Store> {
  const layout = storeLayout(root);
  initialise(layout);
  claimStore(layout);
  const lock = await acquireLock(layout.lock, mode, { waitMs });
  return openWith(layout, lock);
}

function openWith(layout: StoreLayout, lock: Lock): Store {
  let session: Session | undefined;
  const makeDirectory = (prefix: string): string => {
    session ??= openSession(layout.temporary); // commands that only read never need one
    return session.makeDirectory(prefix);
  };
  let staging: string | undefined;
  const blobs = new Blobs(layout, () => (staging ??= makeDirectory('blobs')));
  return {
    layout,
    blobs,
    partials: new PartialBlobs(layout),
    images: new Images(layout),
    facts: new FactsOfDocuments(layout, blobs),
    snapshots: new Snapshots(layout, () => makeDirectory('removed')),
    packed: new PackedLayers(layout),
    cache: new CacheRecords(layout),
    mountCaches: new MountCaches(layout.mountCaches, makeDirectory),
    derived: new DerivedDirectories(layout.derived, makeDirectory),
    mounts: new MountRecords(layout.mounts, makeDirectory),
    makeDirectory,
    [Symbol.asyncDispose]: async () => {
      try {
        await session?.[Symbol.asyncDispose]();
      } finally {
        lock[Symbol.dispose]();
      }
    },
  };
}

function initialise(layout: StoreLayout): void {
  try {
    mkdirSync(layout.root, { recursive: true, mode: 0o700 });
    if (!existsSync(layout.ociLayout)) writeFileAtomic(layout.ociLayout, '{"imageLayoutVersion":"1.0.0"}\n');
  } catch (cause) {
    const code = systemErrorCode(cause) ?? '';
    throw new ArchBuildError('STORE', `cannot use the store ${layout.root}: ${code}`, {
      hint:
        code === 'EACCES'
          ? 'run as root, or name a directory of yours with --root'
          : 'name another directory with --root',
      cause,
    });
  }
}
