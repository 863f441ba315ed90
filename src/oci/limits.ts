/**
 * How much an image may ask of whoever reads it. One table for everything that reads images: load, pull, import, ADD,
 * unpacking and verify.
 *
 * The values belong to the process, as those of `ulimit` do, and are set once, before anything is read: an image that
 * one reader refuses must not get through another one of the same command.
 */
import { ArchBuildError, type ErrorCode } from '../errors.ts';

const KIB = 1 << 10;
const MIB = 1 << 20;
const GIB = 1 << 30;

/** Far above any image, far below what would take the machine down. */
export const LIMITS = {
  'manifest-bytes': { value: 4 * MIB, about: 'a manifest or an index, as registries have it' },
  'config-bytes': { value: 8 * MIB, about: 'an image config: histories make them larger than manifests' },
  'documents-bytes': { value: 64 * MIB, about: 'all manifests and indexes of an image together' },
  'index-depth': { value: 8, about: 'indexes within indexes' },
  'index-children': { value: 4096, about: 'entries of an index, layers of a manifest' },
  descriptors: { value: 50_000, about: 'everything an image names' },
  'archive-files': { value: 200_000, about: 'files in an image archive' },
  'expansion-ratio': {
    value: 200,
    about: 'unpacked bytes for one packed; compressors make 1000 of zeros alone',
  },
  'expansion-free': { value: GIB, about: 'bytes that may be unpacked whatever the ratio' },
  'layer-bytes': { value: 128 * GIB, about: 'contents of one layer, holes of sparse files included' },
  'layer-entries': { value: 2_000_000, about: 'headers in the tar of one layer' },
  'path-bytes': { value: 4095, about: 'one path, as the kernel has it' },
  'path-depth': { value: 512, about: 'directories one below the other' },
  'header-bytes': { value: MIB, about: 'one extension header of a tar, as GNU tar and Go have it' },
  'xattr-bytes': { value: 256 * KIB, about: 'extended attributes of one file' },
} as const satisfies Readonly<Record<string, { readonly value: number; readonly about: string }>>;

export type LimitName = keyof typeof LIMITS;

const isLimitName = (text: string): text is LimitName => Object.hasOwn(LIMITS, text);

let changed: ReadonlyMap<LimitName, number> = new Map();

/** Once in a process, by whoever reads the command line; what is not named has its default. */
export function setLimits(limits: ReadonlyMap<LimitName, number>): void {
  changed = limits;
}

export const limitOf = (name: LimitName): number => changed.get(name) ?? LIMITS[name].value;

/** All of them lifted. */
export const NO_LIMITS: ReadonlyMap<LimitName, number> = new Map(
  Object.keys(LIMITS).map((name) => [name as LimitName, Infinity]),
);

/** `code` is that of anything else wrong with what was read. */
export function beyondLimit(code: ErrorCode, name: LimitName, message: string): ArchBuildError {
  return new ArchBuildError(code, message, {
    hint: `if you trust the image, raise the limit: --limit ${name}=N (or $ARCH_BUILD_LIMITS)`,
  });
}

/** `layer-entries=5000000`, `layer-bytes=1T`, `path-depth=none`. Throws USAGE. */
export function parseLimit(text: string): readonly [LimitName, number] {
  const [, name = '', digits = '', unit = ''] = /^([a-z-]+)=(?:(\d{1,12})([KMGT]?)|none)$/.exec(text) ?? [];
  if (isLimitName(name)) return [name, digits === '' ? Infinity : Number(digits) * (UNITS[unit] ?? 1)];
  throw new ArchBuildError('USAGE', `not a limit: ${JSON.stringify(text.slice(0, 160))}`, {
    hint: `write NAME=NUMBER[K|M|G|T] or NAME=none, with one of ${Object.keys(LIMITS).join(', ')}`,
  });
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: KIB, M: MIB, G: GIB, T: 1024 * GIB };
