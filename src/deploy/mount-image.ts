/** `mount` and `umount`: an image's tree on a directory of the host, for as long as the user wants it there. */
import { chmodSync, chownSync, linkSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { hostPath, type BytePath } from '../layer/byte-path.ts';
import { permissionsOf } from '../layer/tree-node.ts';
import { chainIdsOf, type ChainId } from '../oci/digest.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { ImageDetails, PlatformImage } from '../store/image-details.ts';
import { mountIdOf, mountNameOf, type MountRecord } from '../store/mount-records.ts';
import type { Store } from '../store/store.ts';
import { mountOverlay } from '../sys/lasting-mount.ts';
import { tryLockDirectory, type Lock } from '../sys/lock.ts';
import { mountTable } from '../sys/mount-table.ts';
import { treeOf, unpackPlatforms } from './platform-tree.ts';
import { registryUnion } from './registry-files.ts';

export interface MountRequest {
  readonly store: Store;
  readonly signal: AbortSignal;
  /** As the user named it. */
  readonly name: string;
  readonly image: ImageDetails;
  readonly target: string;
  /** Changes go to a directory of the mount's own, which is gone with it. */
  readonly writable: boolean;
}

/** Mounts one platform's tree. Throws USAGE for a target that is no empty directory, SANDBOX. */
export async function mountRootfs(request: MountRequest, platform: PlatformImage): Promise<MountRecord> {
  const { store } = request;
  const target = emptyDirectory(request.target);
  await unpackPlatforms(request, [platform]);
  const trees = store.snapshots.trees(chainIdsOf(platform.config.rootfs.diff_ids));
  return mountOn(request, { target, kind: 'rootfs', platforms: [platform] }, (directory) => {
    const { stat } = treeOf(store, platform).root.node;
    if (request.writable) {
      chownSync(join(directory, 'upper'), Number(stat.uid), Number(stat.gid));
      chmodSync(join(directory, 'upper'), permissionsOf(stat));
    }
    return trees;
  });
}

/** Mounts the `registry/` of all platforms as one. Throws as `mountRootfs` does, and CLUSTER. */
export async function mountRegistry(request: MountRequest): Promise<MountRecord> {
  const { store, image } = request;
  const target = emptyDirectory(request.target);
  await unpackPlatforms(request, image.platforms);
  const files = registryUnion(store, image.platforms);
  if (files.length === 0) {
    throw new ArchBuildError('CLUSTER', `${request.name} holds no container images: it has no registry/`);
  }
  return mountOn(request, { target, kind: 'registry', platforms: image.platforms }, (directory) => {
    const union = join(directory, 'union');
    mkdirSync(union, { mode: 0o755 });
    for (const { path, host } of files) {
      const place = hostPath(union, path as BytePath);
      mkdirSync(dirname(place.toString('utf8')), { recursive: true, mode: 0o755 });
      linkSync(host, place);
    }
    return [union];
  });
}

interface Place {
  readonly target: string;
  readonly kind: MountRecord['kind'];
  readonly platforms: readonly PlatformImage[];
}

/** `lowersIn` fills the directory of the mount and tells what is mounted, topmost first. */
function mountOn(
  { store, name, image, writable }: MountRequest,
  { target, kind, platforms }: Place,
  lowersIn: (directory: string) => readonly string[],
): MountRecord {
  const chain = new Set<ChainId>(platforms.flatMap(({ config }) => chainIdsOf(config.rootfs.diff_ids)));
  const wanted = {
    kind,
    image: image.image.name ?? name,
    digest: image.image.root.digest,
    platforms: platforms.map(({ platform }) => formatPlatform(platform)),
    writable,
    target,
    chain: [...chain],
  };
  using _turn = takeTurn(target);
  let lowerCount = 0;
  using place = store.mounts.create(wanted, (directory) => {
    for (const folder of ['l', 'empty', 'nothing', 'upper', 'work']) mkdirSync(join(directory, folder));
    const lowers = lowersIn(directory).map((lower) =>
      lower.startsWith(directory) ? `..${lower.slice(directory.length)}` : lower,
    );
    // the kernel wants two of them, and those at the bottom say nothing
    const all = [...lowers, '../empty', '../nothing'];
    all.forEach((lower, index) => symlinkSync(lower, join(directory, 'l', String(index))));
    lowerCount = all.length;
  });
  const { record, directory } = place;
  mountOverlay({ target, source: mountNameOf(record), directory, lowerCount, writable });
  return record;
}

/** Of two commands that want the same directory at the same time one gets it, whatever their stores. Throws USAGE. */
function takeTurn(target: string): Lock {
  const turn = tryLockDirectory(target);
  if (turn === undefined) {
    throw new ArchBuildError('USAGE', `another command is about to mount on ${target}`, {
      hint: 'name another directory',
    });
  }
  try {
    refuseMounted(target, target); // since it was looked at
    return turn;
  } catch (error) {
    turn[Symbol.dispose]();
    throw error;
  }
}

function refuseMounted(real: string, shown: string): void {
  const mounted = mountTable().findLast(({ directory }) => directory === real);
  if (mounted === undefined || mountIdOf(mounted.source) === undefined) return;
  throw new ArchBuildError('USAGE', `${shown} has an image mounted on it already`, {
    hint: `take it away with \`arch-build umount ${shown}\``,
  });
}

/** Its real path. Throws USAGE: what is in a directory is hidden by a mount on it. */
function emptyDirectory(target: string): string {
  const real = realDirectory(target);
  refuseMounted(real, target);
  if (readdirSync(real).length === 0) return real;
  throw new ArchBuildError('USAGE', `${target} is not empty`, { hint: 'name an empty directory' });
}

function realDirectory(target: string): string {
  try {
    const real = realpathSync(target);
    readdirSync(real);
    return real;
  } catch (cause) {
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'does not exist',
      ENOTDIR: 'is no directory',
    };
    const code = systemErrorCode(cause) ?? '';
    throw new ArchBuildError('USAGE', `${target} ${reasons[code] ?? `cannot be read: ${code}`}`, {
      hint: 'name an empty directory',
      cause,
    });
  }
}
