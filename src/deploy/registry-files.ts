/** The container images in an image's platforms: the files of their `registry/`, and where each is on this host. */
import { readFileSync } from 'node:fs';
import { unionOf, type StorageFile } from '../cluster/registry-storage.ts';
import { ArchBuildError } from '../errors.ts';
import { toBytePath } from '../layer/byte-path.ts';
import type { TreeDirectory } from '../layer/tree-directory.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { PlatformImage } from '../store/image-details.ts';
import type { Store } from '../store/store.ts';
import { treeOf } from './platform-tree.ts';

export const REGISTRY = 'registry';

export interface RegistryFile extends StorageFile {
  /** The file in a snapshot. */
  readonly host: Buffer;
}

/** Empty when no platform has any. Throws CLUSTER when they contradict each other. */
export function registryUnion(store: Store, platforms: readonly PlatformImage[]): RegistryFile[] {
  return unionOf(
    platforms.map((image) => {
      const top = treeOf(store, image).openDirectory(toBytePath(REGISTRY));
      return {
        platform: formatPlatform(image.platform),
        files: top === undefined ? [] : [...walk(top, REGISTRY.length + 1)],
      };
    }),
  );
}

function* walk(directory: TreeDirectory, skip: number): Generator<RegistryFile> {
  for (const name of directory.names()) {
    const node = directory.lookup(name);
    const below = directory.open(name);
    if (below !== undefined) yield* walk(below, skip);
    if (node === undefined || node.type === 'directory') continue;
    if (node.type !== 'file')
      throw new ArchBuildError('CLUSTER', `${node.path} is a ${node.type}: no registry stores such a thing`);
    const path = node.path.slice(skip);
    const size = Number(node.stat.size);
    const link = name === 'link' && size <= LINK_LIMIT ? readFileSync(node.host, 'latin1') : undefined;
    yield { path, size, host: node.host, ...(link === undefined ? {} : { link }) };
  }
}

/** Of a link file: `sha512:` and 128 digits. */
const LINK_LIMIT = 160;
