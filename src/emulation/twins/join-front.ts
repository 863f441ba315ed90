/**
 * Puts our front (emulators/front) before an emulator, in one program: the kernel starts it, and where it comes back
 * the emulator begins as if it were alone. One file, because binfmt_misc holds one open (`F`): a step that changes its
 * root has no path that leads to a second one.
 *
 * The front's bytes follow the emulator's; a segment is made for them of a note that only tools read, and the entry
 * leads there (elf(5)).
 */
import { PT_LOAD, PT_NOTE, segmentsOf } from './elf-segments.ts';

const READ_EXECUTE = 5;
const PAGE = 0x1000;
/** Where a process's own memory ends. */
const HIGHEST = 2 ** 47;

/** Where the front begins: before it stands how far the emulator's entry is away. */
const FRONT_ENTRY = 8;

/** The program, or why the emulator cannot have a front (continues "the emulator …"). Takes a 64-bit little-endian ELF. */
export function joinFront(emulator: Buffer, front: Buffer): Buffer | string {
  const segments = segmentsOf(emulator);
  if (segments === undefined || segments.some(({ end }) => end >= HIGHEST))
    return 'has no program headers that could be read';
  const note = segments.findLast(({ type }) => type === PT_NOTE);
  const lastLoad = segments.findLast(({ type }) => type === PT_LOAD);
  if (lastLoad === undefined) return 'has nothing to load';
  // Segments are loaded in the order of their headers, which has to be that of their addresses.
  if (note === undefined || note.at < lastLoad.at) return 'has no program header to spare';
  const offset = roundUp(emulator.length);
  const address = roundUp(Math.max(...segments.map(({ end }) => end)));
  const joined = Buffer.concat([emulator, Buffer.alloc(offset - emulator.length), front]);
  joined.writeBigInt64LE(BigInt.asIntN(64, joined.readBigUInt64LE(24) - BigInt(address)), offset);
  joined.writeBigUInt64LE(BigInt(address + FRONT_ENTRY), 24);
  const { at } = note;
  joined.writeUInt32LE(PT_LOAD, at);
  joined.writeUInt32LE(READ_EXECUTE, at + 4);
  for (const [field, value] of [offset, address, address, front.length, front.length, PAGE].entries())
    joined.writeBigUInt64LE(BigInt(value), at + 8 + 8 * field);
  return joined;
}

const roundUp = (value: number): number => Math.ceil(value / PAGE) * PAGE;
