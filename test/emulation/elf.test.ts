import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHITECTURES } from '../../src/emulation/architecture.ts';
import { architectureOfElf, inspectElf } from '../../src/emulation/elf.ts';
import { elfHeader, probeProgram } from '../../src/emulation/probe.ts';
import { tinyProgram } from './tiny-program.ts';

const rows = ARCHITECTURES.map((row) => [row.arch, row] as const);
const shell = readFileSync('/bin/sh');

describe('inspectElf', () => {
  it.each(rows)('reads back a header of %s', (arch, row) => {
    const facts = inspectElf(elfHeader(row, { type: 3, osabi: 3 }))!;
    expect(facts).toMatchObject({
      ...row.elf,
      type: 3,
      osabi: 3,
      linking: 'static',
      positionIndependent: true,
    });
    expect(architectureOfElf(facts)?.arch).toBe(arch);
  });

  it('finds the loader of a dynamically linked program', () => {
    const facts = inspectElf(shell)!;
    expect(facts).toMatchObject({
      bits: 64,
      order: 'little',
      machine: 62,
      linking: 'dynamic',
      positionIndependent: true,
    });
    expect(facts.interpreter).toMatch(/^\/lib.*ld-linux/);
  });

  it('sees that it is dynamic also when the path of the loader lies beyond the bytes', () => {
    const program = tinyProgram({ prints: 'x'.repeat(5000), interpreter: '/lib/ld.so' });
    expect(inspectElf(program)).toMatchObject({ linking: 'dynamic', interpreter: '/lib/ld.so' });
    expect(inspectElf(program.subarray(0, 4096))).toMatchObject({
      linking: 'dynamic',
      interpreter: undefined,
    });
  });

  it('does not call a program static whose program headers it cannot see', () => {
    expect(inspectElf(shell.subarray(0, 100))?.linking).toBe('unknown');
  });

  const header = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(shell.subarray(0, 4096));
    change(bytes);
    return bytes;
  };

  it.each([
    ['program headers far beyond the file', (bytes: Buffer) => bytes.writeBigUInt64LE(2n ** 63n, 32)],
    ['program headers that wrap around', (bytes: Buffer) => bytes.writeBigUInt64LE(2n ** 64n - 8n, 32)],
    ['65535 program headers', (bytes: Buffer) => bytes.writeUInt16LE(0xffff, 56)],
    ['program headers of size 0', (bytes: Buffer) => bytes.writeUInt16LE(0, 54)],
    ['program headers of size 1', (bytes: Buffer) => bytes.writeUInt16LE(1, 54)],
  ])('calls it unknown with %s', (_, change) => {
    expect(inspectElf(header(change))?.linking).toBe('unknown');
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['only the magic', Buffer.from('\x7fELF')],
    ['51 bytes', shell.subarray(0, 51)],
    ['63 bytes of a 64-bit header', shell.subarray(0, 63)],
    ['a class that does not exist', header((bytes) => bytes.writeUInt8(3, 4))],
    ['a byte order that does not exist', header((bytes) => bytes.writeUInt8(0, 5))],
    ['a script', Buffer.from(`#!/bin/sh\n${' '.repeat(100)}`)],
  ])('finds no ELF header in %s', (_, bytes) => {
    expect(inspectElf(bytes)).toBeUndefined();
  });

  it('never throws, whatever follows the magic', () => {
    const bytes = fc.tuple(
      fc.constantFrom(1, 2),
      fc.constantFrom(1, 2),
      fc.uint8Array({ minLength: 60, maxLength: 300 }),
    );
    fc.assert(
      fc.property(bytes, ([bits, order, rest]) => {
        const facts = inspectElf(Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, bits, order]), rest]));
        if (facts !== undefined) architectureOfElf(facts);
      }),
      { numRuns: 2000 },
    );
  });

  it('reads a view into a larger buffer', () => {
    const shifted = Buffer.concat([Buffer.from('abc'), shell]);
    expect(inspectElf(new Uint8Array(shifted.buffer, shifted.byteOffset + 3, 4096))?.machine).toBe(62);
  });
});

describe('architectureOfElf', () => {
  it('tells o32 from n32 by one bit of the flags', () => {
    const mips = ARCHITECTURES.find(({ arch }) => arch === 'mipsel')!;
    const facts = inspectElf(elfHeader(mips))!;
    expect(architectureOfElf({ ...facts, flags: 0x70001007 })?.arch).toBe('mipsel');
    expect(architectureOfElf({ ...facts, flags: 0x80000027 })?.arch).toBe('mipsn32el');
  });

  it('does not take x32 programs for x86_64', () => {
    const facts = inspectElf(shell)!;
    expect(architectureOfElf({ ...facts, bits: 32 })).toBeUndefined();
  });
});

describe('probe programs', () => {
  it('are there for all machines that were tried', () => {
    const without = ARCHITECTURES.filter((row) => probeProgram(row) === undefined).map(({ arch }) => arch);
    expect(without).toEqual(['hexagon', 'i486', 'microblaze', 'microblazeel', 'or1k', 'xtensa', 'xtensaeb']);
  });

  it.each(rows.filter(([, row]) => row.probe !== undefined))(
    'of %s is a tiny static program of that machine',
    (arch, row) => {
      const program = probeProgram(row)!;
      const facts = inspectElf(program)!;
      expect(program.length).toBeLessThanOrEqual(136);
      expect(program.length).toBeGreaterThanOrEqual(90);
      expect(facts).toMatchObject({ type: 2, linking: 'static' });
      expect(architectureOfElf(facts)?.arch).toBe(arch);
    },
  );
});
