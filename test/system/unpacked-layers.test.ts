/** Unpacked layers under a real overlay mount: what the kernel shows is what the archives said. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { applyLayer } from '../../src/layer/apply-layer.ts';
import { hashLayer, readLayer } from '../../src/layer/write-layer.ts';
import {
  dirEntry,
  fileEntry,
  inChunks,
  linkEntry,
  symlinkEntry,
  tarOf,
  type Entry,
} from '../layer/tar-fixtures.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

/** Unpacks each layer onto the ones before; their directories, topmost first. */
async function unpack(scratch: Scratch, layers: readonly (readonly Entry[])[]): Promise<string[]> {
  const lowers: string[] = [];
  for (const [index, entries] of layers.entries()) {
    const target = scratch.path(`layer${index}`);
    mkdirSync(target);
    await applyLayer(inChunks(tarOf(entries)), target, { lowers, overlay: 'trusted' });
    lowers.unshift(target);
  }
  return lowers;
}

/** Mounted where nobody else sees it; one line per path: type, mode, owner, content or target. */
function mounted(scratch: Scratch, lowers: readonly string[]): string[] {
  mkdirSync(scratch.path('empty'), { recursive: true });
  mkdirSync(scratch.path('merged'), { recursive: true });
  const script = `
    mount -t overlay overlay -o "lowerdir=$1" "$2" && cd "$2"
    find . -mindepth 1 -printf '%P %y %m %U:%G ' \\( -type l -printf '%l' -o -type f -exec cat {} \\; -o -true \\) -printf '\\n'`;
  const args = [
    '--mount',
    'sh',
    '-ec',
    script,
    'sh',
    [...lowers, scratch.path('empty')].join(':'),
    scratch.path('merged'),
  ];
  return execFileSync('unshare', args).toString().trim().split('\n').sort();
}

const BASE: Entry[] = [
  dirEntry('etc', 0o750),
  fileEntry('etc/passwd', 'base', { mode: 0o600, uid: 3, gid: 4 }),
  dirEntry('usr/lib'),
  fileEntry('usr/lib/old', 'old'),
  symlinkEntry('lib', 'usr/lib'),
];
const ETC = ['etc d 750 0:0', 'etc/passwd f 600 3:4 base'];
const USR = ['lib l 777 0:0 usr/lib', 'usr d 755 0:0', 'usr/lib d 755 0:0'];

describeWith(['root', 'overlay'], 'the kernel shows', () => {
  it.each<[string, Entry[][], string[]]>([
    ['the base', [BASE], [...ETC, ...USR, 'usr/lib/old f 644 0:0 old']],
    ['a deletion', [BASE, [fileEntry('usr/lib/.wh.old')]], [...ETC, ...USR]],
    [
      'parents as they were',
      [BASE, [fileEntry('etc/new', 'n')]],
      [...ETC, 'etc/new f 644 0:0 n', ...USR, 'usr/lib/old f 644 0:0 old'],
    ],
    [
      'an opaque directory',
      [BASE, [fileEntry('usr/lib/new', 'n'), fileEntry('usr/lib/.wh..wh..opq')]],
      [...ETC, ...USR, 'usr/lib/new f 644 0:0 n'],
    ],
    [
      'an opaque root',
      [BASE, [fileEntry('etc/new', 'n'), fileEntry('.wh..wh..opq')]],
      ['etc d 750 0:0', 'etc/new f 644 0:0 n'],
    ],
    [
      'a directory made anew',
      [BASE, [dirEntry('etc', 0o700), fileEntry('.wh.etc')]],
      ['etc d 700 0:0', ...USR, 'usr/lib/old f 644 0:0 old'],
    ],
    [
      'a file in the place of a directory',
      [BASE, [fileEntry('etc', 'f'), fileEntry('.wh.usr')]],
      ['etc f 644 0:0 f', 'lib l 777 0:0 usr/lib'],
    ],
    [
      'a directory in the place of a file',
      [BASE, [dirEntry('etc/passwd', 0o711)]],
      ['etc d 750 0:0', 'etc/passwd d 711 0:0', ...USR, 'usr/lib/old f 644 0:0 old'],
    ],
    [
      'a file that went through a symlink',
      [BASE, [fileEntry('lib/new', 'n')]],
      [...ETC, ...USR, 'usr/lib/new f 644 0:0 n', 'usr/lib/old f 644 0:0 old'],
    ],
    [
      'a hard link to a file below',
      [BASE, [linkEntry('passwd', 'etc/passwd'), fileEntry('.wh.usr')]],
      [...ETC, 'lib l 777 0:0 usr/lib', 'passwd f 600 3:4 base'],
    ],
    [
      'what a third layer brings back',
      [BASE, [fileEntry('.wh.etc')], [fileEntry('etc/new', 'n')]],
      ['etc d 755 0:0', 'etc/new f 644 0:0 n', ...USR, 'usr/lib/old f 644 0:0 old'],
    ],
  ])('%s, also after the layers were written and unpacked again', async (_name, layers, expected) => {
    await using scratch = await openScratch('overlay');
    const lowers = await unpack(scratch, layers);
    expect(mounted(scratch, lowers).map((line) => line.trim())).toEqual([...expected].sort());
    const again: string[] = [];
    for (const [index, lower] of [...lowers].reverse().entries()) {
      const target = scratch.path(`again${index}`);
      mkdirSync(target);
      const tar = readLayer(lower, { includeRoot: true });
      const { diffId } = await applyLayer(tar, target, { lowers: again, overlay: 'trusted' });
      expect((await hashLayer(target, { includeRoot: true })).diffId).toBe(diffId);
      again.unshift(target);
    }
    expect(mounted(scratch, again).map((line) => line.trim())).toEqual([...expected].sort());
  });
});

describeWith(['root'], 'a disk that is full', () => {
  it('is an error that says what to do', async () => {
    await using scratch = await openScratch('full');
    const target = scratch.path('small');
    mkdirSync(target);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', target]);
    try {
      const tar = tarOf([{ path: 'f', content: Buffer.alloc(4 << 20, 'x') }]);
      const full = { code: 'IO', hint: expect.stringContaining('prune') as string };
      const applied = applyLayer(inChunks(tar), target, { lowers: [], overlay: 'trusted' });
      await expect(applied).rejects.toThrow(expect.objectContaining(full) as Error);
    } finally {
      execFileSync('umount', [target]);
    }
  });
});
