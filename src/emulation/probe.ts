/**
 * Probe programs: the smallest ELF program of a machine, about a hundred bytes, that does nothing but exit(42).
 *
 * Started in an empty chroot it tries registration, match, interpreter, flags and emulator in one go.
 */
import type { Architecture } from './architecture.ts';

/** The exit status of a probe that ran. */
export const PROBE_STATUS = 42;

/** The whole program. Undefined where the table has no probe code for the machine. */
export function probeProgram(architecture: Architecture): Buffer | undefined {
  if (architecture.probe === undefined) return undefined;
  const code = Buffer.from(architecture.probe, 'hex');
  const { headerSize, segmentSize } = SIZES[architecture.elf.bits];
  const codeAt = headerSize + segmentSize;
  const header = elfHeader(architecture, { codeAt });
  return Buffer.concat([header, segment(architecture, codeAt + code.length), code]);
}

export interface HeaderOptions {
  /** Offset of the first instruction; without it the header has no segments. */
  readonly codeAt?: number;
  /** e_type: 2 (ET_EXEC, the default) or 3 (ET_DYN). */
  readonly type?: 2 | 3;
  /** EI_OSABI: 0, or 3 as static glibc programs have it. */
  readonly osabi?: number;
}

/** An ELF header as programs of the machine have it: what a binfmt entry is asked to match. */
export function elfHeader(
  { arch, elf }: Architecture,
  { codeAt, type = 2, osabi = 0 }: HeaderOptions = {},
): Buffer {
  const { headerSize, segmentSize } = SIZES[elf.bits];
  const writer = new Fields(elf.order, elf.bits);
  const entry = codeAt === undefined ? 0n : baseOf(arch) + BigInt(codeAt);
  writer
    .bytes([0x7f, 0x45, 0x4c, 0x46, elf.bits / 32, elf.order === 'big' ? 2 : 1, 1, osabi])
    .bytes(Array(8).fill(0));
  writer.half(type).half(elf.machine).word(1);
  writer
    .address(entry)
    .address(BigInt(codeAt === undefined ? 0 : headerSize))
    .address(0n);
  writer
    .word(elf.flags)
    .half(headerSize)
    .half(segmentSize)
    .half(codeAt === undefined ? 0 : 1);
  writer.half(0).half(0).half(0);
  return writer.result();
}

const SIZES = {
  32: { headerSize: 52, segmentSize: 32 },
  64: { headerSize: 64, segmentSize: 56 },
} as const;

const PT_LOAD = 1;
const READ_EXECUTE = 5;
const PAGE = 0x10000n; // the largest page any of the machines uses

const baseOf = (arch: string): bigint => (arch === 'alpha' ? 0x120000000n : 0x400000n);

/** One segment that maps the whole file. */
function segment({ arch, elf }: Architecture, size: number): Buffer {
  const writer = new Fields(elf.order, elf.bits);
  const base = baseOf(arch);
  writer.word(PT_LOAD);
  if (elf.bits === 64) writer.word(READ_EXECUTE);
  writer.address(0n).address(base).address(base).address(BigInt(size)).address(BigInt(size));
  if (elf.bits === 32) writer.word(READ_EXECUTE);
  writer.address(PAGE);
  return writer.result();
}

/** Appends fields in the byte order and address width of a machine. */
class Fields {
  readonly #order: 'little' | 'big';
  readonly #bits: 32 | 64;
  readonly #bytes: number[] = [];

  constructor(order: 'little' | 'big', bits: 32 | 64) {
    this.#order = order;
    this.#bits = bits;
  }

  bytes(values: readonly number[]): this {
    this.#bytes.push(...values);
    return this;
  }

  half(value: number): this {
    return this.#number(BigInt(value), 2);
  }

  word(value: number): this {
    return this.#number(BigInt(value >>> 0), 4);
  }

  address(value: bigint): this {
    return this.#number(value, this.#bits / 8);
  }

  result(): Buffer {
    return Buffer.from(this.#bytes);
  }

  #number(value: bigint, size: number): this {
    const little = Array.from({ length: size }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
    return this.bytes(this.#order === 'big' ? little.reverse() : little);
  }
}
