/** The root file system of what was built, as files of the host or as the trees a tar is made of. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { applyLayer } from '../../layer/apply-layer.ts';
import { MergedTree } from '../../layer/merged-tree.ts';
import { rootfsTar, type EntryChange, type Rootfs } from '../../layer/rootfs-tar.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { chainIdsOf } from '../../oci/digest.ts';
import { parseImageConfig } from '../../oci/image-config.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { formatPlatform, platformOfConfig, type Platform } from '../../oci/platform.ts';
import { isHostRoot, overlayNamespace } from '../../sys/identity.ts';
import { ensureRootfs } from '../base-image.ts';
import type { Job } from '../options.ts';
import type { Built } from './built.ts';
import type { Output } from './output.ts';
import { openStaging } from './staging.ts';

/** The layers are unpacked when they are not yet. A folder's name is the platform's, as docker buildx has it. */
export async function openTrees(
  { job, manifests }: Pick<Built, 'job' | 'manifests'>,
  { isSplit = manifests.length > 1 }: { readonly isSplit: boolean | undefined },
): Promise<Rootfs[]> {
  const trees: Rootfs[] = [];
  for (const manifest of manifests) {
    const { tree, platform } = await openTree(job, manifest);
    trees.push(isSplit ? { tree, folder: folderOf(platform) } : { tree });
  }
  return trees;
}

async function openTree(
  job: Job,
  { digest }: Descriptor,
): Promise<{ readonly tree: MergedTree; readonly platform: Platform }> {
  const { blobs, snapshots } = job.store;
  const manifest = parseManifest(blobs.readDocument(digest));
  const config = parseImageConfig(blobs.readDocument(manifest.config.digest));
  await ensureRootfs(job, { config, layers: manifest.layers });
  const tree = new MergedTree(snapshots.trees(chainIdsOf(config.rootfs.diff_ids)));
  return { tree, platform: platformOfConfig(config) };
}

const folderOf = (platform: Platform): string => formatPlatform(platform).replaceAll('/', '_');

/** As root everything is as in the image; an ordinary user gets files of their own, without what only root may have. */
export async function writeRootfs(
  { job, manifests }: Built,
  { directory, isSplit }: Extract<Output, { readonly type: 'local' }>,
): Promise<void> {
  const trees = await openTrees({ job, manifests }, { isSplit });
  await using staging = openStaging(directory);
  const left = new Set<string>();
  for (const { tree, folder = '.' } of trees) {
    const target = join(staging.directory, folder);
    mkdirSync(target, { recursive: true });
    const tar = rootfsTar([{ tree, folder: '.' }], isHostRoot() ? undefined : withoutPrivileges(left));
    await applyLayer(tar, target, { lowers: [], overlay: overlayNamespace(), singleOwner: !isHostRoot() });
    job.signal.throwIfAborted();
  }
  if (left.size > 0) {
    const text = `only root can make device nodes: ${[...left].join(', ')} left out of ${directory}`;
    job.report({ type: 'warning', text });
  }
  staging.commit();
}

const SET_ID = 0o6000;

/** A setuid bit would be about the user now, and a capability is worth nothing outside the user's own namespaces. */
function withoutPrivileges(left: Set<string>): EntryChange {
  return (header) => {
    if (header.type === 'char' || header.type === 'block') {
      left.add(`/${header.path}`);
      return undefined;
    }
    const xattrs = [...(header.xattrs ?? [])].filter(([name]) => name !== 'security.capability');
    return { ...header, mode: header.mode & ~SET_ID, xattrs: new Map(xattrs) };
  };
}
