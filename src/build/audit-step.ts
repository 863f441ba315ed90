/** At the end of a build of a cluster image: are all programs in it for the platform it says it is for? */
import { auditImage, type Offender } from '../cluster/audit/audit-image.ts';
import { ArchBuildError } from '../errors.ts';
import { compileIgnore } from '../kubefile/ignore.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { CacheKey } from '../oci/digest.ts';
import { formatPlatform } from '../oci/platform.ts';
import { ensureRootfs } from './base-image.ts';
import type { PlatformBuild, PlatformState } from './build-platform.ts';
import { cacheKeyOf } from './cache-key.ts';

/** More are counted, not listed. */
const SHOWN = 50;

/** What has been found good stays good: it is looked at once. Throws AUDIT about all platforms at once. */
export async function auditStep(
  build: Pick<PlatformBuild, 'job' | 'options' | 'kubefile'>,
  states: readonly PlatformState[],
): Promise<void> {
  const { options, kubefile, job } = build;
  const { audit } = options;
  if (audit === undefined || kubefile.dialect === 'dockerfile') return;
  const rows: string[] = [];
  for (const each of states)
    rows.push(...(await offendersOf(build, each, audit.allow)).map((offender) => rowOf(offender, each)));
  if (rows.length === 0) return;
  const message = `${rows.length === 1 ? 'one program is' : `${rows.length} programs are`} for another machine than the image`;
  const items = [
    ...rows.slice(0, SHOWN),
    ...(rows.length > SHOWN ? [`and ${rows.length - SHOWN} more`] : []),
  ];
  if (audit.policy === 'warn') {
    job.report({ type: 'warning', text: `${message}: ${items.join('; ')}` });
    return;
  }
  throw new ArchBuildError('AUDIT', message, {
    items,
    hint: 'replace them, allow paths with --audit-allow, or see them as warnings with --audit warn',
  });
}

/**
 * Of an image on a base that is good only its own layers are looked at: what it shows of the base the base has shown.
 * A base that is not good may have lost its offenders since: then all is looked at.
 */
async function offendersOf(
  { job }: Pick<PlatformBuild, 'job'>,
  { platform, state }: PlatformState,
  allow: readonly string[],
): Promise<Offender[]> {
  const { store, signal } = job;
  const { chain, made } = state;
  const matcher = compileIgnore(allow);
  const isAllowed = (path: string): boolean => matcher.excludes(path.replace(/^\//, ''));
  const keyOf = (layers: number): CacheKey =>
    cacheKeyOf({
      platform: formatPlatform(platform),
      parent: chain[layers - 1],
      instruction: ['AUDIT', ...allow],
      context: [],
    });
  const isKnown = (layers: number): boolean => store.cache.get(keyOf(layers)) !== undefined;
  const look = async (from: number, to: number): Promise<Offender[]> => {
    const tree = new MergedTree(store.snapshots.trees(chain.slice(from, to)));
    const offenders = await auditImage(tree, platform, { isAllowed, signal });
    if (offenders.length === 0) store.cache.put(keyOf(to), { created: new Date(0).toISOString() });
    return offenders;
  };
  if (chain.length === 0 || isKnown(chain.length)) return [];
  await ensureRootfs(job, state);
  const base = chain.length - made.filter(({ layer }) => layer !== undefined).length;
  if (base <= 0 || base === chain.length) return look(0, chain.length);
  const isBaseGood = isKnown(base) || (await look(0, base)).length === 0;
  return look(isBaseGood ? base : 0, chain.length);
}

const rowOf = ({ path, machine }: Offender, { platform }: PlatformState): string =>
  `${formatPlatform(platform)}: ${path} is for ${machine}`;
