/** `prune`. */
import { ArchBuildError } from '../../errors.ts';
import { prune as pruneStore } from '../../store/prune.ts';
import { printJson } from '../answer.ts';
import type { PruneFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { AGES } from '../options.ts';
import { requireRoot } from '../require-root.ts';
import { formatBytes } from '../reporter.ts';

export async function prune(globals: Globals, flags: PruneFlags): Promise<void> {
  const { dryRun = false, all = false, keepBytes } = flags;
  const madeBefore = untilOf(flags.filter, Date.now());
  requireRoot(globals);
  await using store = await storeFor(globals, 'exclusive');
  const options = { cache: true, unnamed: true, named: all, madeBefore, keepBytes, dryRun };
  const result = await pruneStore(store, options);
  if (flags.json === true) {
    printJson({ ...result, dryRun });
    return;
  }
  const { images, blobs, snapshots, bytes } = result;
  const what = `${images} ${all ? 'images' : 'nameless images'}, ${blobs} blobs and ${snapshots} snapshots`;
  process.stdout.write(`${dryRun ? 'would remove' : 'removed'} ${what}: ${formatBytes(bytes)}\n`);
}

/** `until=24h` or `until=2024-01-31T12:00:00Z`, the earliest of several. Throws USAGE. */
function untilOf(filters: readonly string[], now: number): number | undefined {
  const times = filters.map((text) => {
    const [, value = ''] = /^until=(.+)$/.exec(text) ?? [];
    const [, number = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(value) ?? [];
    const time = number === '' ? Date.parse(value) : now - Number(number) * (AGES[unit] ?? 0);
    if (!Number.isNaN(time)) return time;
    throw new ArchBuildError('USAGE', `not a filter: ${JSON.stringify(text.slice(0, 160))}`, {
      hint: 'write until=24h (s, m, h or d), or until= and a time such as 2024-01-31T12:00:00Z',
    });
  });
  return times.length === 0 ? undefined : Math.min(...times);
}
