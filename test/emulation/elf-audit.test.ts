import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ARCHITECTURES } from '../../src/emulation/architecture.ts';
import { inspectBinary, platformRuns } from '../../src/emulation/elf-audit.ts';
import { elfHeader } from '../../src/emulation/probe.ts';
import { surveyLayer } from '../../src/layer/verify-entries.ts';
import { readLayer } from '../../src/layer/write-layer.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { fileEntry, inChunks, tarOf } from '../layer/tar-fixtures.ts';
import { openScratch } from '../support/scratch.ts';

const headerOf = (arch: string, type = 2): Buffer => {
  const row = ARCHITECTURES.find((each) => each.arch === arch);
  if (row === undefined) throw new Error(`no ${arch}`);
  const header = Buffer.concat([elfHeader(row, { type: 2, osabi: 0 }), Buffer.alloc(64)]);
  if (row.elf.order === 'big') header.writeUInt16BE(type, 16);
  else header.writeUInt16LE(type, 16);
  return header;
};

describe('inspectBinary', () => {
  it.each([
    ['a program', headerOf('s390x'), { machine: 's390x', kind: 'program' }],
    ['a library', headerOf('aarch64', 3), { machine: 'arm64', kind: 'program' }],
    ['a kernel module', headerOf('ppc64le', 1), { machine: 'ppc64le', kind: 'object' }],
    ['a core dump', headerOf('x86_64', 4), undefined],
    ['a script', Buffer.from(`#!/bin/sh\n${' '.repeat(64)}`), undefined],
  ])('knows %s', (_name, head, expected) => {
    expect(inspectBinary(head)).toEqual(expected);
  });

  it('takes no program of a graphics card for one of Linux', () => {
    const head = headerOf('x86_64');
    head.writeUInt16LE(190, 18);
    expect(inspectBinary(head)).toBeUndefined();
  });
});

it.each<[string, string, boolean]>([
  ['linux/arm64', 'arm64', true],
  ['linux/arm64', 'arm', true],
  ['linux/arm64', 'amd64', false],
  ['linux/arm/v6', 'arm', true],
  ['linux/arm/v7', 'arm64', false],
  ['linux/amd64/v3', 'amd64', true],
  ['linux/amd64', '386', true],
  ['linux/386', 'amd64', false],
  ['linux/mips64le', 'mips64', false],
  ['windows/amd64', 'arm64', true],
])('%s runs %s: %s', (platform, machine, runs) => {
  expect(platformRuns(parsePlatform(platform), machine)).toBe(runs);
});

describe('binaries', () => {
  const FOUND = [
    { path: 'bin/large', machine: 's390x', kind: 'program' },
    { path: 'bin/small', machine: 'arm64', kind: 'program' },
  ];
  const large = Buffer.concat([headerOf('s390x'), Buffer.alloc(300 << 10)]);
  const small = headerOf('aarch64');

  it('are found in a tar, large files included', async () => {
    const tar = tarOf([
      { path: 'bin/large', content: large },
      fileEntry('bin/text', 'x'.repeat(100)),
      { path: 'bin/small', content: small },
    ]);
    const { binaries } = await surveyLayer(inChunks(tar, 1000), { inspect: inspectBinary });
    expect(binaries).toEqual(FOUND);
  });

  it('are found in the layer of a directory, symlinks not followed', async () => {
    await using scratch = await openScratch('elf-audit');
    mkdirSync(scratch.path('bin'));
    writeFileSync(scratch.path('bin/large'), large);
    writeFileSync(scratch.path('bin/small'), small);
    writeFileSync(scratch.path('bin/empty'), '');
    symlinkSync('large', scratch.path('bin/link'));
    const { binaries } = await surveyLayer(readLayer(scratch.directory), { inspect: inspectBinary });
    expect(binaries).toEqual(FOUND);
  });
});
