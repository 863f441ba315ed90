/** What an ELF header says about a program. Reads hostile bytes: every offset is checked, nothing is trusted. */
import { ARCHITECTURES, type Architecture } from './architecture.ts';

export interface ElfFacts {
  readonly bits: 32 | 64;
  readonly order: 'little' | 'big';
  readonly machine: number;
  /** e_type: 2 is ET_EXEC, 3 is ET_DYN (position independent programs and libraries). */
  readonly type: number;
  readonly flags: number;
  readonly osabi: number;
  /**
   * `dynamic` has PT_INTERP, `static` has none; `unknown` when the program headers are not within the given bytes or
   * make no sense.
   */
  readonly linking: 'static' | 'dynamic' | 'unknown';
  /** The path in PT_INTERP, when it is within the given bytes. */
  readonly interpreter: string | undefined;
  /** ET_DYN: loaded at any address. */
  readonly positionIndependent: boolean;
}

const ET_DYN = 3;
const PT_INTERP = 3;
const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/** `bytes` is the beginning of a file (4 KiB do for usual programs). Undefined when it is no ELF header. */
export function inspectElf(bytes: Uint8Array): ElfFacts | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < 52 || !view.subarray(0, 4).equals(MAGIC)) return undefined;
  const [bits, order] = [BITS[view[4] ?? 0], ORDER[view[5] ?? 0]];
  if (bits === undefined || order === undefined || view.length < LAYOUT[bits].headerSize) return undefined;
  const reader = readerOf(view, order);
  const type = reader.uint16(16);
  return {
    bits,
    order,
    machine: reader.uint16(18),
    type,
    flags: reader.uint32(LAYOUT[bits].flags),
    osabi: view[7] ?? 0,
    ...linkingOf(reader, LAYOUT[bits]),
    positionIndependent: type === ET_DYN,
  };
}

/** The row of the table whose programs look like this; undefined for machines qemu does not run. */
export function architectureOfElf(facts: ElfFacts): Architecture | undefined {
  return ARCHITECTURES.find(
    ({ elf, flagsMask }) =>
      elf.bits === facts.bits &&
      elf.order === facts.order &&
      elf.machine === facts.machine &&
      ((elf.flags ^ facts.flags) & flagsMask) === 0,
  );
}

const BITS: Readonly<Record<number, 32 | 64>> = { 1: 32, 2: 64 };
const ORDER: Readonly<Record<number, 'little' | 'big'>> = { 1: 'little', 2: 'big' };

interface Layout {
  readonly headerSize: number;
  readonly programHeaders: number; // where e_phoff is
  readonly flags: number;
  readonly entrySize: number; // where e_phentsize is; e_phnum follows
  readonly smallestEntry: number;
  readonly segmentOffset: number; // p_offset and p_filesz within a program header
  readonly segmentSize: number;
  readonly word: 'uint32' | 'uint64';
}

const LAYOUT: Readonly<Record<32 | 64, Layout>> = {
  32: {
    headerSize: 52,
    programHeaders: 28,
    flags: 36,
    entrySize: 42,
    smallestEntry: 32,
    segmentOffset: 4,
    segmentSize: 16,
    word: 'uint32',
  },
  64: {
    headerSize: 64,
    programHeaders: 32,
    flags: 48,
    entrySize: 54,
    smallestEntry: 56,
    segmentOffset: 8,
    segmentSize: 32,
    word: 'uint64',
  },
};

interface Reader {
  readonly view: Buffer;
  readonly uint16: (offset: number) => number;
  readonly uint32: (offset: number) => number;
  /** Values beyond 2^53 lose precision, which only makes them further out of range. */
  readonly uint64: (offset: number) => number;
}

function readerOf(view: Buffer, order: 'little' | 'big'): Reader {
  return order === 'big'
    ? {
        view,
        uint16: (offset) => view.readUInt16BE(offset),
        uint32: (offset) => view.readUInt32BE(offset),
        uint64: (offset) => Number(view.readBigUInt64BE(offset)),
      }
    : {
        view,
        uint16: (offset) => view.readUInt16LE(offset),
        uint32: (offset) => view.readUInt32LE(offset),
        uint64: (offset) => Number(view.readBigUInt64LE(offset)),
      };
}

function linkingOf(reader: Reader, layout: Layout): Pick<ElfFacts, 'linking' | 'interpreter'> {
  const unknown = { linking: 'unknown', interpreter: undefined } as const;
  const start = reader[layout.word](layout.programHeaders);
  const [size, count] = [reader.uint16(layout.entrySize), reader.uint16(layout.entrySize + 2)];
  if (count > 0 && (size < layout.smallestEntry || start + size * count > reader.view.length)) return unknown;
  for (let index = 0; index < count; index++) {
    const at = start + size * index;
    if (reader.uint32(at) !== PT_INTERP) continue;
    const from = reader[layout.word](at + layout.segmentOffset);
    const end = from + reader[layout.word](at + layout.segmentSize);
    const path = end <= reader.view.length ? reader.view.toString('utf8', from, end) : undefined;
    return { linking: 'dynamic', interpreter: path?.split('\0', 1)[0] };
  }
  return { linking: 'static', interpreter: undefined };
}
