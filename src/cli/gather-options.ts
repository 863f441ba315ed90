/** What the command line says about container images, as options of a build. */
import { resolve } from 'node:path';
import type { GatherOptions } from '../build/options.ts';
import { ArchBuildError } from '../errors.ts';
import type { GatherFlags } from './flags.ts';

/** Throws USAGE. */
export function gatherOptions(flags: GatherFlags): GatherOptions {
  if (flags.locked === true && flags.imageLock === undefined)
    throw new ArchBuildError('USAGE', '--locked needs the lock: --image-lock FILE');
  return {
    imageLists: flags.imageList.map((path) => resolve(path)),
    ignoredLists: flags.ignoredImageList.map((path) => resolve(path)),
    authLists: flags.imageListWithAuth.map((path) => resolve(path)),
    sources: flags.imageSource,
    lock: flags.imageLock === undefined ? undefined : resolve(flags.imageLock),
    locked: flags.locked === true,
    chartValues: flags.chartValues.map(chartValuesOf),
    kubeVersion: flags.kubeVersion,
    listsOnly: flags.gather === 'list',
    names: flags.gatherNames === 'full' ? 'keep' : 'drop',
  };
}

/** `FILE` or `CHART=FILE`. */
function chartValuesOf(word: string): GatherOptions['chartValues'][number] {
  const [, chart = '', path = word] = /^([\w.-]+)=(.+)$/.exec(word) ?? [];
  return { chart, path: resolve(path) };
}
