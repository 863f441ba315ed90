/** From a directory of changes to a snapshot in the store: clean, hash, rename. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { commitUpper } from '../layer/commit.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { hashLayer } from '../layer/write-layer.ts';
import type { ChainId } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { overlayNamespace } from '../sys/identity.ts';
import type { Job } from './options.ts';

interface LayerPlace {
  readonly platform: Platform;
  readonly chain: readonly ChainId[];
  readonly epochSeconds: number | undefined;
}

/**
 * Takes `directory` (in overlay form, on the store's file system) as the layer above `chain`. Undefined when it
 * changes nothing. `epochSeconds` clamps newer timestamps. Throws HOST_INCAPABLE for a platform with layers of another form.
 */
export async function commitLayer(
  job: Job,
  directory: string,
  { platform, chain, epochSeconds }: LayerPlace,
): Promise<Snapshot | undefined> {
  if (platform.os === 'windows') {
    throw new ArchBuildError(
      'HOST_INCAPABLE',
      'layers of Windows images have a form that is not written here',
      {
        hint: 'what only changes the configuration can be built: ENV, LABEL, CMD, …',
      },
    );
  }
  const { store } = job;
  const lower = new MergedTree(store.snapshots.trees(chain));
  const cleaned = commitUpper(directory, lower, {
    overlay: overlayNamespace(),
    ...(epochSeconds === undefined ? {} : { epochSeconds }),
  });
  if (!cleaned.changed) return undefined;
  const { diffId, size } = await hashLayer(directory, { includeRoot: cleaned.rootChanged });
  const staged = store.makeDirectory('commit');
  renameSync(directory, join(staged, 'fs'));
  const parent = chain.at(-1);
  const layer = {
    diffId,
    size,
    includeRoot: cleaned.rootChanged,
    ...(parent === undefined ? {} : { parent }),
  };
  return store.snapshots.commit(staged, layer, { regenerable: true });
}
