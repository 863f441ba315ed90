/** Layer tars packed for the way, the same bytes on every host that has the same compressor. */
import { versions } from 'node:process';
import { ArchBuildError } from '../errors.ts';
import { filterThrough, type FilterProgram } from '../sys/filter.ts';
import { availableParallelism } from 'node:os';
import { compressGzip } from './gzip.ts';

export interface Packing {
  readonly kind: 'gzip' | 'zstd';
  /** 1 (fast) to 9 for gzip, 19 for zstd (small). */
  readonly level: number;
}

const LEVELS = { gzip: { usual: 6, highest: 9 }, zstd: { usual: 3, highest: 19 } } as const;

/** Throws USAGE for a level that the kind does not have. */
export function packingOf(kind: Packing['kind'], level: number = LEVELS[kind].usual): Packing {
  const { highest } = LEVELS[kind];
  if (Number.isInteger(level) && level >= 1 && level <= highest) return { kind, level };
  throw new ArchBuildError('USAGE', `${kind} has the levels 1 to ${highest}, not ${level}`);
}

/** Throws TOOL_MISSING when zstd is wanted and not installed, and what the input throws. */
export function compress(input: AsyncIterable<Uint8Array>, { kind, level }: Packing): AsyncIterable<Buffer> {
  if (kind === 'gzip') return compressGzip(input, { level });
  return filterThrough(
    zstdProgram(level),
    input,
    (reason) => new ArchBuildError('IO', `zstd does not compress: ${reason}`),
  );
}

/** What the bytes depend on besides the input: two with the same name pack alike. */
export function packerName({ kind, level }: Packing): string {
  return `${kind} ${level} ${kind === 'gzip' ? versions.zlib : 'program'}`;
}

/** Of a packer's name, also of one that other versions of the programs have; undefined for no packer. */
export function kindOfPacker(name: string): Packing['kind'] | undefined {
  const [kind] = name.split(' ');
  return kind === 'gzip' || kind === 'zstd' ? kind : undefined;
}

/** With any number of threads zstd cuts its input into the same pieces; without threads it does not. */
const zstdProgram = (level: number): FilterProgram => ({
  program: 'zstd',
  args: ['-cq', `-${level}`, `-T${availableParallelism()}`],
  debianPackage: 'zstd',
});
