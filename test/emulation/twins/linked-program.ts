/** Dynamically linked ELF files of 64-bit little-endian machines, as far as a loader reads them before it maps them. */
import { architectureByName } from '../../../src/emulation/architecture.ts';

export interface LinkedProgram {
  readonly arch?: string;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  readonly runpath?: string;
  /** Other entries of the dynamic section. */
  readonly dynamic?: readonly (readonly [tag: number, value: number])[];
  /** Makes it differ from others. */
  readonly content?: string;
}

const HEADER = 64;
const SEGMENT = 56;
const BASE = 0x10000n;

/** Without `needed` it has no dynamic section: it is static. */
export function linkedProgram(program: LinkedProgram): Buffer {
  const { arch = 'x86_64', interpreter, needed, runpath, dynamic = [], content = '' } = program;
  const strings = ['', ...(needed ?? []), ...(runpath === undefined ? [] : [runpath])];
  const offsetOf = (name: string): number =>
    strings.slice(0, strings.indexOf(name)).reduce((sum, each) => sum + each.length + 1, 0);
  const count = 1 + Number(interpreter !== undefined) + Number(needed !== undefined);
  const stringsAt = HEADER + SEGMENT * count;
  const stringBytes = Buffer.from(strings.map((each) => `${each}\0`).join(''));
  const interpreterAt = stringsAt + stringBytes.length;
  const interpreterBytes = Buffer.from(interpreter === undefined ? '' : `${interpreter}\0`);
  const dynamicAt = interpreterAt + interpreterBytes.length;
  const entries = [
    [5, Number(BASE) + stringsAt],
    ...(needed ?? []).map((name) => [1, offsetOf(name)]),
    ...(runpath === undefined ? [] : [[29, offsetOf(runpath)]]),
    ...dynamic,
    [0, 0],
  ] as [number, number][];
  const dynamicBytes = Buffer.alloc(needed === undefined ? 0 : entries.length * 16);
  if (needed !== undefined)
    entries.forEach(([tag, value], index) => {
      dynamicBytes.writeBigUInt64LE(BigInt(tag), index * 16);
      dynamicBytes.writeBigUInt64LE(BigInt(value), index * 16 + 8);
    });
  const end = dynamicAt + dynamicBytes.length;
  return Buffer.concat([
    headerOf(arch, count),
    segment(1, 0, end),
    ...(interpreter === undefined ? [] : [segment(3, interpreterAt, interpreterBytes.length)]),
    ...(needed === undefined ? [] : [segment(2, dynamicAt, dynamicBytes.length)]),
    ...[stringBytes, interpreterBytes, dynamicBytes, Buffer.from(content)],
  ]);
}

function headerOf(arch: string, segments: number): Buffer {
  const { machine, flags } = architectureByName(arch)!.elf;
  const header = Buffer.alloc(HEADER);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(3, 16);
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(HEADER), 32);
  header.writeUInt32LE(flags, 48);
  header.writeUInt16LE(HEADER, 52);
  header.writeUInt16LE(SEGMENT, 54);
  header.writeUInt16LE(segments, 56);
  return header;
}

function segment(type: number, offset: number, size: number): Buffer {
  const bytes = Buffer.alloc(SEGMENT);
  bytes.writeUInt32LE(type, 0);
  bytes.writeBigUInt64LE(BigInt(offset), 8);
  bytes.writeBigUInt64LE(BASE + BigInt(offset), 16);
  bytes.writeBigUInt64LE(BigInt(size), 32);
  return bytes;
}
