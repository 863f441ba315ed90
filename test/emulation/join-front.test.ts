/** A front before an emulator: what it becomes, and emulators that cannot have one. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinFront } from '../../src/emulation/twins/join-front.ts';
import { nativeProgram } from '../../src/sys/native.ts';
import { openScratch } from '../support/scratch.ts';

const front = readFileSync(nativeProgram('front'));
/** A static program of this machine: what it is to the kernel, an emulator is too. */
const program = readFileSync(nativeProgram('sandbox'));

interface Header {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

function headersOf(elf: Buffer): Header[] {
  const first = Number(elf.readBigUInt64LE(32));
  return Array.from({ length: elf.readUInt16LE(56) }, (_, index) => {
    const at = first + 56 * index;
    const [offset = 0, address = 0, , size = 0] = [8, 16, 24, 32].map((field) =>
      Number(elf.readBigUInt64LE(at + field)),
    );
    return { type: elf.readUInt32LE(at), offset, address, size };
  });
}

const NOTE = 4;
const LOAD = 1;

function joined(): Buffer {
  const result = joinFront(program, front);
  if (typeof result === 'string') throw new Error(result);
  return result;
}

describe('joinFront', () => {
  it('changes the entry and one note, and adds the front behind everything', () => {
    const result = joined();
    const [before, after] = [headersOf(program), headersOf(result)];
    const added = after.findIndex((header, index) => header.type !== before[index]!.type);
    expect(before[added]!.type).toBe(NOTE);
    const { offset, address, size } = after[added]!;
    expect(offset % 4096).toBe(0);
    expect(result.subarray(offset + 8, offset + size)).toEqual(front.subarray(8));
    expect(Number(result.readBigUInt64LE(24))).toBe(address + 8);
    expect(address + Number(result.readBigInt64LE(offset))).toBe(Number(program.readBigUInt64LE(24)));
    const loads = after.filter(({ type }) => type === LOAD).map((each) => each.address);
    expect(loads).toEqual([...loads].sort((a, b) => a - b));
    const header = Number(program.readBigUInt64LE(32)) + 56 * added;
    const same = (elf: Buffer): Buffer =>
      Buffer.concat([
        elf.subarray(0, 24),
        elf.subarray(32, header),
        elf.subarray(header + 56, program.length),
      ]);
    expect(same(result).equals(same(program))).toBe(true);
  });

  it('leaves a program that is started by hand as it was', async () => {
    await using scratch = await openScratch('front');
    writeFileSync(scratch.path('joined'), joined(), { mode: 0o755 });
    const outcomes = [scratch.path('joined'), nativeProgram('sandbox')].map((path) => {
      try {
        return execFileSync(path, ['no', 'plan'], { input: '', stdio: 'pipe' }).toString();
      } catch (error) {
        const { status, stderr } = error as { status: number; stderr: Buffer };
        return [status, stderr.toString()];
      }
    });
    expect(outcomes[0]).toEqual(outcomes[1]);
  });

  it('says what an emulator lacks', () => {
    const headers = headersOf(program);
    const first = Number(program.readBigUInt64LE(32));
    const changed = (type: number): Buffer => {
      const copy = Buffer.from(program);
      headers.forEach((header, index) => {
        if (header.type === type) copy.writeUInt32LE(0, first + 56 * index);
      });
      return copy;
    };
    expect(joinFront(changed(NOTE), front)).toBe('has no program header to spare');
    expect(joinFront(changed(LOAD), front)).toBe('has nothing to load');
    expect(joinFront(program.subarray(0, 100), front)).toBe('has no program headers that could be read');
    expect(joinFront(Buffer.alloc(0), front)).toBe('has no program headers that could be read');
  });

  it('never throws on bytes that make no sense', () => {
    const changes = fc.array(fc.tuple(fc.nat({ max: 1023 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(changes, (those) => {
        const bytes = Buffer.from(program.subarray(0, 8192));
        for (const [at, byte] of those) bytes[at] = byte;
        const result = joinFront(bytes, front);
        return typeof result === 'string' || result.length > bytes.length;
      }),
      { numRuns: 500 },
    );
  });
});
