import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { importToolbox } from '../../src/emulation/import-toolbox.ts';
import { findToolbox, toolboxPath, type ToolboxPlaces } from '../../src/emulation/toolbox.ts';

const aarch64 = architectureByName('aarch64')!;
const s390x = architectureByName('s390x')!;
let root: string;
let places: ToolboxPlaces;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'toolbox-'));
  places = { environment: { ARCH_BUILD_TOOLBOX: join(root, 'own') }, storeDirectory: join(root, 'store') };
});
afterEach(() => rmSync(root, { recursive: true }));

/** An ELF header without program headers, and a banner. */
function busybox(version: string, { big = false, machine = 183 } = {}): Buffer {
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, big ? 2 : 1, 1]);
  if (big) header.writeUInt16BE(2, 16);
  else header.writeUInt16LE(2, 16);
  if (big) header.writeUInt16BE(machine, 18);
  else header.writeUInt16LE(machine, 18);
  return Buffer.concat([header, Buffer.from(`\0BusyBox v${version} (Debian 1:1)\0`)]);
}

function write(path: string, content: Buffer | string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

describe('findToolbox', () => {
  it('finds nothing where there is nothing', async () => {
    expect(await findToolbox(aarch64, places)).toBeUndefined();
  });

  it('prefers the environment to the store', async () => {
    write(toolboxPath(places.storeDirectory, aarch64), busybox('1.35.0'));
    expect(await findToolbox(aarch64, places)).toMatchObject({ version: '1.35.0', source: 'store' });
    write(join(root, 'own/busybox-aarch64'), busybox('1.37.0'));
    expect(await findToolbox(aarch64, places)).toMatchObject({ version: '1.37.0', source: 'environment' });
  });

  it.each([
    ['of another machine', busybox('1.35.0', { big: true, machine: 22 }), 'is a program for s390x, not for'],
    ['that is something else', busybox('x'), 'is not a busybox'],
    ['that is a script', '#!/bin/sh\n', 'is not an ELF program'],
  ])('refuses a file %s', async (_, content, why) => {
    write(join(root, 'own/busybox-aarch64'), content);
    await expect(findToolbox(aarch64, places)).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      message: expect.stringContaining(why) as string,
    });
  });
});

describe('importToolbox', () => {
  it('puts a busybox where it is looked for, by what it is and not by its name', async () => {
    const file = write(join(root, 'anything'), busybox('1.36.1', { big: true, machine: 22 }));
    const imported = await importToolbox(file, { storeDirectory: places.storeDirectory });
    expect(imported).toEqual(await findToolbox(s390x, places));
    expect(imported).toMatchObject({ arch: 's390x', version: '1.36.1' });
  });

  it('leaves what is no busybox to others', async () => {
    for (const content of [busybox('none'), '#!/bin/sh\n']) {
      const file = write(join(root, 'qemu'), content);
      expect(await importToolbox(file, { storeDirectory: places.storeDirectory })).toBeUndefined();
    }
  });

  it('refuses one that is linked dynamically', async () => {
    const program = busybox('1.36.1');
    program.writeBigUInt64LE(64n, 32); // e_phoff
    program.writeUInt16LE(56, 54);
    program.writeUInt16LE(1, 56);
    const interpreter = Buffer.alloc(56);
    interpreter.writeUInt32LE(3, 0); // PT_INTERP
    const file = write(
      join(root, 'b'),
      Buffer.concat([program.subarray(0, 64), interpreter, program.subarray(64)]),
    );
    await expect(importToolbox(file, { storeDirectory: places.storeDirectory })).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('is dynamically linked') as string,
    });
  });
});
