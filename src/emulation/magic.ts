/** Magic and mask of a binfmt entry, worked out from the ELF facts of a machine. */
import type { ArchitectureRow } from './architecture-table.ts';

const MACHINE_END = 20; // e_ident, e_type, e_machine
const FLAGS_OFFSET = 36; // of e_flags in a 32-bit header
const FLAGS_END = 40;

/** A header of ET_EXEC; the mask lets ET_DYN pass. */
export function magicOf({ elf, flagsMask }: ArchitectureRow): Buffer {
  const magic = Buffer.alloc(flagsMask === undefined ? MACHINE_END : FLAGS_END);
  const ident = [0x7f, 0x45, 0x4c, 0x46, elf.bits === 64 ? 2 : 1, elf.order === 'big' ? 2 : 1, 1];
  magic.set(ident);
  write(magic, elf.order).uint16(2, 16);
  write(magic, elf.order).uint16(elf.machine, 18);
  if (flagsMask === undefined) return magic;
  write(magic, elf.order).uint32(1, MACHINE_END); // e_version
  write(magic, elf.order).uint32((elf.flags & flagsMask) >>> 0, FLAGS_OFFSET);
  return magic;
}

/** All bits but EI_OSABI, the lowest one of e_type, and what the row excepts. */
export function maskOf({ elf, mask = {}, flagsMask }: ArchitectureRow): Buffer {
  const bytes = Buffer.alloc(flagsMask === undefined ? MACHINE_END : FLAGS_END);
  bytes.fill(0xff, 0, flagsMask === undefined ? MACHINE_END : MACHINE_END + 4);
  bytes[7] = 0;
  write(bytes, elf.order).uint16(0xfffe, 16);
  if (flagsMask !== undefined) write(bytes, elf.order).uint32(flagsMask, FLAGS_OFFSET);
  for (const [offset, byte] of Object.entries(mask)) bytes[Number(offset)] = byte;
  return bytes;
}

interface Writer {
  readonly uint16: (value: number, offset: number) => void;
  readonly uint32: (value: number, offset: number) => void;
}

function write(bytes: Buffer, order: 'little' | 'big'): Writer {
  const little = order === 'little';
  return {
    uint16: (value, offset) =>
      little ? bytes.writeUInt16LE(value, offset) : bytes.writeUInt16BE(value, offset),
    uint32: (value, offset) =>
      little ? bytes.writeUInt32LE(value, offset) : bytes.writeUInt32BE(value, offset),
  };
}
