/** The header of a 64-bit little-endian program for a machine by its ELF number; ASCII, so that it survives in a text. */
export function elfProgram(machine: number): string {
  const header = Buffer.alloc(128);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  return header.toString('latin1');
}
