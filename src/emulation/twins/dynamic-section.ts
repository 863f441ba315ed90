/** What a dynamically linked ELF file of a 64-bit little-endian machine asks its loader for. Reads hostile bytes. */
import type { Architecture } from '../architecture.ts';
import { architectureOfElf, inspectElf } from '../elf.ts';
import { PT_DYNAMIC, PT_INTERP, PT_LOAD, segmentsOf, type Segment } from './elf-segments.ts';
import { openForReading, readPart, type ReadableFile } from './open-file.ts';

export interface LinkedElf {
  readonly machine: Architecture | undefined;
  /** PT_INTERP, wherever in the file it is. */
  readonly interpreter: string | undefined;
  /** DT_NEEDED. */
  readonly needed: readonly string[];
  /** DT_RUNPATH: directories that come after those the loader is given. */
  readonly runpath: readonly string[];
}

const HEAD_BYTES = 4096;
const MAX_DYNAMIC_BYTES = 64 << 10;
const MAX_NAME_BYTES = 256;

const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

const DT_RUNPATH = 29;

/** Places that come first, and libraries in front of or in place of those named. */
const DT_RPATH = 15;
const DT_CONFIG = 0x6ffffefa;
const DT_DEPAUDIT = 0x6ffffefb;
const DT_AUDIT = 0x6ffffefc;
const DT_AUXILIARY = 0x7ffffffd;
const DT_FILTER = 0x7fffffff;
const SPECIAL = new Set([DT_RPATH, DT_CONFIG, DT_DEPAUDIT, DT_AUDIT, DT_AUXILIARY, DT_FILTER]);

/** A plain name: a path would be looked for elsewhere. */
const LIBRARY_NAME = /^[A-Za-z0-9_+.~-]+$/;

/**
 * Undefined for what is no such file, makes no sense, or puts libraries before those the loader is given.
 * A static program has no dynamic section.
 */
export function readLinkedElf(hostPath: string): LinkedElf | undefined {
  try {
    using file = openForReading(hostPath);
    const head = readPart(file, 0, HEAD_BYTES);
    const facts = inspectElf(head);
    if (facts?.bits !== 64 || facts.order !== 'little' || facts.linking === 'unknown') return undefined;
    const segments = segmentsOf(head);
    if (segments === undefined) return undefined;
    const wanted = wantedBy(file, segments);
    if (wanted === undefined) return undefined;
    const interpreter = segments.find(({ type }) => type === PT_INTERP)?.offset;
    return {
      machine: architectureOfElf(facts),
      interpreter: interpreter === undefined ? undefined : nameAt(file, interpreter),
      ...wanted,
    };
  } catch {
    return undefined; // unreadable, or an offset beyond what was read
  }
}

/** Which machine any ELF file is for. */
export function machineOf(hostPath: string): Architecture | undefined {
  try {
    using file = openForReading(hostPath);
    const facts = inspectElf(readPart(file, 0, HEAD_BYTES));
    return facts && architectureOfElf(facts);
  } catch {
    return undefined;
  }
}

function wantedBy(
  file: ReadableFile,
  segments: readonly Segment[],
): Pick<LinkedElf, 'needed' | 'runpath'> | undefined {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined || dynamic.sizeBytes > MAX_DYNAMIC_BYTES) return undefined;
  const entries = entriesOf(readPart(file, dynamic.offset, dynamic.sizeBytes));
  if (entries.some(([tag]) => SPECIAL.has(tag))) return undefined;
  const address = entries.find(([tag]) => tag === DT_STRTAB)?.[1];
  const strings = address === undefined ? undefined : offsetOf(address, segments);
  if (strings === undefined) return undefined;
  const texts = (wanted: number): string[] =>
    entries.filter(([tag]) => tag === wanted).map(([, at]) => nameAt(file, strings + at));
  const needed = texts(DT_NEEDED);
  if (!needed.every((name) => LIBRARY_NAME.test(name))) return undefined;
  return { needed, runpath: texts(DT_RUNPATH).flatMap((text) => text.split(':')) };
}

function entriesOf(bytes: Buffer): [tag: number, value: number][] {
  const entries: [number, number][] = [];
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    const tag = Number(bytes.readBigUInt64LE(at));
    if (tag === DT_NULL) break;
    entries.push([tag, Number(bytes.readBigUInt64LE(at + 8))]);
  }
  return entries;
}

function offsetOf(address: number, segments: readonly Segment[]): number | undefined {
  const segment = segments.find(
    (each) => each.type === PT_LOAD && address >= each.address && address < each.address + each.sizeBytes,
  );
  return segment === undefined ? undefined : address - segment.address + segment.offset;
}

function nameAt(file: ReadableFile, offset: number): string {
  const bytes = readPart(file, offset, MAX_NAME_BYTES);
  const end = bytes.indexOf(0);
  return end === -1 ? '' : bytes.toString('latin1', 0, end);
}
