/** What a control group allows, as the files of both versions say it. Pure. */

export interface GroupLimits {
  readonly memoryBytes?: number | undefined;
  /** Memory and swap together; Infinity for no limit. Twice the memory unless said. */
  readonly memorySwapBytes?: number | undefined;
  /** From 2 to 262144, where 1024 is usual. */
  readonly cpuShares?: number | undefined;
  /** Microseconds. */
  readonly cpuPeriod?: number | undefined;
  /** Microseconds of each period. */
  readonly cpuQuota?: number | undefined;
  /** `0-2,5` */
  readonly cpus?: string | undefined;
  readonly mems?: string | undefined;
  readonly pids?: number | undefined;
}

export const CONTROLLERS = ['memory', 'cpu', 'cpuset', 'pids'] as const;
export type Controller = (typeof CONTROLLERS)[number];

export interface LimitFile {
  readonly name: string;
  readonly value: string;
  /** Nobody asked for it, and not every kernel has it. */
  readonly isOptional?: true;
}

type Files = (limits: GroupLimits) => LimitFile[];

/** In the order in which they are written. */
const FILES: Readonly<Record<Controller, Readonly<Record<1 | 2, Files>>>> = {
  memory: {
    1: (limits) => [
      ...file('memory.limit_in_bytes', limits.memoryBytes),
      ...swapFile('memory.memsw.limit_in_bytes', limits, (total) => (total === Infinity ? -1 : total)),
    ],
    2: (limits) => [
      ...file('memory.max', limits.memoryBytes),
      ...swapFile('memory.swap.max', limits, (total, memory) =>
        total === Infinity ? 'max' : total - memory,
      ),
    ],
  },
  cpu: {
    1: ({ cpuShares, cpuPeriod, cpuQuota }) => [
      ...file('cpu.shares', cpuShares),
      ...file('cpu.cfs_period_us', cpuPeriod),
      ...file('cpu.cfs_quota_us', cpuQuota),
    ],
    2: ({ cpuShares, cpuPeriod, cpuQuota }) => [
      ...file('cpu.weight', cpuShares === undefined ? undefined : weightOf(cpuShares)),
      ...file(
        'cpu.max',
        cpuPeriod === undefined && cpuQuota === undefined
          ? undefined
          : `${cpuQuota ?? 'max'} ${cpuPeriod ?? USUAL_PERIOD}`,
      ),
    ],
  },
  cpuset: { 1: cpusetFiles, 2: cpusetFiles },
  pids: {
    1: ({ pids }) => file('pids.max', pids),
    2: ({ pids }) => file('pids.max', pids),
  },
};

const USUAL_PERIOD = 100_000;

/** The whole range of shares onto the whole range of weights (1 to 10000), as OCI runtimes do. */
const weightOf = (shares: number): number => 1 + Math.floor(((shares - 2) * 9999) / 262142);

function cpusetFiles({ cpus, mems }: GroupLimits): LimitFile[] {
  return [...file('cpuset.cpus', cpus), ...file('cpuset.mems', mems)];
}

function file(name: string, value: string | number | undefined): LimitFile[] {
  return value === undefined ? [] : [{ name, value: String(value) }];
}

function swapFile(
  name: string,
  { memoryBytes, memorySwapBytes }: GroupLimits,
  valueOf: (total: number, memory: number) => string | number,
): LimitFile[] {
  if (memoryBytes === undefined) return [];
  const value = String(valueOf(memorySwapBytes ?? 2 * memoryBytes, memoryBytes));
  return [{ name, value, ...(memorySwapBytes === undefined ? { isOptional: true } : {}) }];
}

/** What is to be written to one controller's files. */
export const limitFiles = (limits: GroupLimits, controller: Controller, version: 1 | 2): LimitFile[] =>
  FILES[controller][version](limits);

/** Those that have something to do. */
export const controllersFor = (limits: GroupLimits): Controller[] =>
  CONTROLLERS.filter((controller) => limitFiles(limits, controller, 2).length > 0);

/** The numbers of a list such as `0-2,5`, as the kernel writes them; undefined for what is none. */
export function listNumbers(text: string): number[] | undefined {
  const numbers: number[] = [];
  for (const part of text.trim().split(',')) {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first)) return undefined;
    for (let each = Number(first); each <= Number(last); each++) numbers.push(each);
  }
  return numbers;
}
