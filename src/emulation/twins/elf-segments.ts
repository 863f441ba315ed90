/** The program headers of a 64-bit little-endian ELF file (elf(5)). Reads hostile bytes. */

export interface Segment {
  /** Where its program header is. */
  readonly at: number;
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
  /** Of its last byte in memory, and one more. */
  readonly end: number;
}

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_NOTE = 4;

const HEADER_BYTES = 64;
/** The kernel takes no other. */
const SEGMENT_BYTES = 56;

/** Undefined when they are not all within the bytes. */
export function segmentsOf(elf: Buffer): Segment[] | undefined {
  if (elf.length < HEADER_BYTES || elf.readUInt16LE(54) !== SEGMENT_BYTES) return undefined;
  const first = Number(elf.readBigUInt64LE(32));
  const count = elf.readUInt16LE(56);
  if (first + count * SEGMENT_BYTES > elf.length) return undefined;
  return Array.from({ length: count }, (_, index) => segmentAt(elf, first + index * SEGMENT_BYTES));
}

function segmentAt(elf: Buffer, at: number): Segment {
  const word = (field: number): number => Number(elf.readBigUInt64LE(at + field));
  const address = word(16);
  return {
    at,
    type: elf.readUInt32LE(at),
    offset: word(8),
    address,
    sizeBytes: word(32),
    end: address + word(40),
  };
}
