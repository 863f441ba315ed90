/** `prune`. */
import { prune as pruneStore } from '../../store/prune.ts';
import type { PruneFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';
import { formatBytes } from '../reporter.ts';

export async function prune(globals: Globals, { dryRun = false }: PruneFlags): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals, 'exclusive');
  const { images, blobs, snapshots, bytes } = await pruneStore(store, { cache: true, unnamed: true, dryRun });
  const what = `${images} nameless images, ${blobs} blobs and ${snapshots} snapshots`;
  process.stdout.write(`${dryRun ? 'would remove' : 'removed'} ${what}: ${formatBytes(bytes)}\n`);
}
