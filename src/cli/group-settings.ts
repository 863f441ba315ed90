/** Options that limit the control group of a command, as docker and buildah have them. */
import { DEFAULT_GROUP, type GroupSettings } from '../build/step-settings.ts';
import { ArchBuildError } from '../errors.ts';
import { listNumbers, type GroupLimits } from '../sys/cgroup/limits.ts';
import type { GroupFlags } from './flags.ts';
import { bytesOf } from './size.ts';

/** Throws USAGE. What docker calls unlimited is as if nothing had been said. */
export function groupSettingsOf(flags: GroupFlags): GroupSettings {
  const limits: GroupLimits = {
    ...memoryOf(flags),
    cpuShares: numberOf('--cpu-shares', flags.cpuShares, [2, 262_144]),
    cpuPeriod: numberOf('--cpu-period', flags.cpuPeriod, [1000, 1_000_000]),
    cpuQuota: numberOf('--cpu-quota', flags.cpuQuota, [1000, Number.MAX_SAFE_INTEGER]),
    cpus: listOf('--cpuset-cpus', flags.cpusetCpus),
    mems: listOf('--cpuset-mems', flags.cpusetMems),
    pids: numberOf('--pids-limit', flags.pidsLimit, [1, 4_194_304]),
  };
  const said = Object.entries(limits).filter(([, value]) => value !== undefined);
  return {
    ...DEFAULT_GROUP,
    limits: Object.fromEntries(said),
    namespace: flags.cgroupns,
    ...(flags.cgroupParent === undefined ? {} : { parent: parentOf(flags.cgroupParent) }),
  };
}

function memoryOf({ memory, memorySwap }: GroupFlags): GroupLimits {
  const memoryBytes = memory === undefined || memory === '0' ? undefined : bytesOf('--memory', memory);
  if (memorySwap === undefined || memorySwap === '0') return { memoryBytes };
  if (memoryBytes === undefined) {
    if (memorySwap === '-1') return {}; // swap has no limit of its own where memory has none
    throw usage(
      '--memory-swap needs --memory',
      'it is memory and swap together; write --memory 1g --memory-swap 2g',
    );
  }
  const memorySwapBytes = memorySwap === '-1' ? Infinity : bytesOf('--memory-swap', memorySwap);
  if (memorySwapBytes >= memoryBytes) return { memoryBytes, memorySwapBytes };
  throw usage(
    `--memory-swap ${memorySwap} is less than --memory ${memory ?? ''}`,
    'it is memory and swap together',
  );
}

function numberOf(
  option: string,
  word: string | undefined,
  [least, most]: readonly [number, number],
): number | undefined {
  if (word === undefined || /^(?:-1|0)$/.test(word)) return undefined;
  const number = /^\d{1,15}$/.test(word) ? Number(word) : NaN;
  if (number >= least && number <= most) return number;
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`;
  throw usage(`${option} ${word} is no number ${range}`);
}

function listOf(option: string, word: string | undefined): string | undefined {
  if (word === undefined || word === '') return undefined;
  if (listNumbers(word) !== undefined) return word;
  throw usage(`${option} ${word} is no list such as 0-2,5`);
}

function parentOf(word: string): string {
  if (word !== '' && !word.includes('\0')) return word;
  throw usage('--cgroup-parent names no control group', 'write a path such as /builds or a slice of systemd');
}

const usage = (message: string, hint?: string): ArchBuildError =>
  new ArchBuildError('USAGE', message, hint === undefined ? {} : { hint });
