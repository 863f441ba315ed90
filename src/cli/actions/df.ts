/** `df`: what the store's space is used for. */
import { usageOf, type StoreUsage, type Usage } from '../../store/usage.ts';
import { printJson } from '../answer.ts';
import { wantsJson, type DfFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { formatBytes } from '../reporter.ts';
import { requireRoot } from '../require-root.ts';
import { formatAge, formatTable, shortDigest } from '../table.ts';

export async function df(globals: Globals, flags: DfFlags): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const usage = usageOf(store);
  store.facts.save();
  if (wantsJson(flags)) printJson(usageData(usage, flags));
  else process.stdout.write(usageText(usage, flags));
}

const ROWS: readonly (readonly [keyof Omit<StoreUsage, 'details'>, string])[] = [
  ['images', 'Images'],
  ['snapshots', 'Snapshots of images'],
  ['cache', 'Build cache'],
  ['mountCaches', 'Mount caches'],
];

function usageText(usage: StoreUsage, { verbose = false }: DfFlags): string {
  const rows = ROWS.map(([key, title]) => [title, ...cells(usage[key])]);
  const table = formatTable(['TYPE', 'COUNT', 'SIZE', 'RECLAIMABLE'], rows);
  return verbose ? `${table}\n${snapshotTable(usage)}\n${mountCacheTable(usage)}` : table;
}

function cells({ count, bytes, reclaimable }: Usage): string[] {
  const share = bytes === 0 ? 0 : Math.round((100 * reclaimable) / bytes);
  return [String(count), formatBytes(bytes), `${formatBytes(reclaimable)} (${share}%)`];
}

function snapshotTable({ details }: StoreUsage): string {
  const now = Date.now();
  const rows = details.snapshots.map(({ chainId, bytes, madeAt, isUsed }) => [
    shortDigest(chainId),
    formatAge(new Date(madeAt).toISOString(), now),
    formatBytes(bytes),
    isUsed ? 'image' : 'cache',
  ]);
  return formatTable(['SNAPSHOT', 'CREATED', 'SIZE', 'OF'], rows);
}

const mountCacheTable = ({ details }: StoreUsage): string =>
  formatTable(
    ['MOUNT CACHE', 'SIZE'],
    [...details.mountCaches].map(([id, bytes]) => [shortDigest(id), formatBytes(bytes)]),
  );

function usageData({ details, ...totals }: StoreUsage, { verbose = false }: DfFlags): object {
  if (!verbose) return totals;
  return {
    ...totals,
    details: {
      snapshots: details.snapshots.map(({ madeAt, ...snapshot }) => ({
        ...snapshot,
        created: new Date(madeAt).toISOString(),
      })),
      mountCaches: Object.fromEntries(details.mountCaches),
    },
  };
}
