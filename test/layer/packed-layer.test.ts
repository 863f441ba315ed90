/** A layer is the same, whether its plain files go together or each for itself. */
import { execFileSync } from 'node:child_process';
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { rootfsTar } from '../../src/layer/rootfs-tar.ts';
import { readLayer } from '../../src/layer/write-layer.ts';
import { PackedFiles } from '../../src/sys/packed-files.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { dir, file, makeTree, opaque, symlink, whiteout, type Item } from '../support/tree-spec.ts';
import { collect, readAll } from './tar-fixtures.ts';

/** What of the layer was packed: how many entries, and the tar of all. */
async function together(root: string): Promise<{ tar: Buffer; packed: number }> {
  const pack = vi.spyOn(PackedFiles.prototype, 'pack');
  try {
    const tar = await collect(readLayer(root, { includeRoot: true }));
    const packed = pack.mock.results.reduce(
      (sum, { value }) => sum + (value as { entries: number }).entries,
      0,
    );
    return { tar, packed };
  } finally {
    pack.mockRestore();
  }
}

async function oneByOne(root: string): Promise<Buffer> {
  const open = vi.spyOn(PackedFiles, 'open').mockReturnValue(undefined);
  try {
    return await collect(readLayer(root, { includeRoot: true }));
  } finally {
    open.mockRestore();
  }
}

/** The root file system of these layers, topmost first. */
const rootfsOf = (...layers: string[]): Promise<Buffer> =>
  collect(rootfsTar([{ tree: new MergedTree(layers, { overlay: 'trusted' }), folder: '.' }]));

async function expectSameRootfs(...layers: string[]): Promise<void> {
  const tar = await rootfsOf(...layers);
  const open = vi.spyOn(PackedFiles, 'open').mockReturnValue(undefined);
  try {
    expect(tar.equals(await rootfsOf(...layers))).toBe(true);
  } finally {
    open.mockRestore();
  }
}

async function expectSame(root: string): Promise<number> {
  const { tar, packed } = await together(root);
  expect(tar.equals(await oneByOne(root))).toBe(true);
  return packed;
}

const at = (length: number): string => `${'d'.repeat(length - 1)}/`;

const PLAIN: readonly [string, Readonly<Record<string, Item>>][] = [
  ['an empty file', { f: file() }],
  ['a block less one', { f: file('x'.repeat(511)) }],
  ['a block', { f: file('x'.repeat(512)) }],
  ['a block and one', { f: file('x'.repeat(513)) }],
  ['bits of the mode', { f: file('x', { mode: 0o7777 }), g: file('x', { mode: 0 }) }],
  ['the highest owner of a header', { f: file('x', { uid: 0o7777777, gid: 0o7777777 }) }],
  ['the first second', { f: file('x', { mtimeNs: 0n }) }],
  ['part of a second', { f: file('x', { mtimeNs: 1_999_999_999n }) }],
  ['a late time', { f: file('x', { mtimeNs: 5_000_000_000_000_000_000n }) }],
  ['a name as long as the field', { ['n'.repeat(100)]: file('x') }],
  ['a path that is cut', { [`${at(155)}${'n'.repeat(100)}`]: file('x') }],
  ['a path that is cut at its first slash', { [`d/${'e'.repeat(90)}/${'n'.repeat(40)}`]: file('x') }],
  ['a symlink', { l: symlink('../target') }],
  ['a symlink of the longest target', { l: symlink('t'.repeat(100)) }],
  [
    'attributes that no layer has',
    { f: file('x', { xattrs: { 'trusted.k': 'v', 'security.selinux': 'v' } }) },
  ],
];

const OTHERS: readonly [string, Readonly<Record<string, Item>>][] = [
  ['an attribute', { f: file('x', { xattrs: { 'user.k': '' } }) }],
  ['a stand-in for a device', { f: file('', { xattrs: { 'user.arch-build.device': 'c 1 3' } }) }],
  ['a higher owner', { f: file('x', { uid: 0o10000000 }), g: file('x', { gid: 0o10000000 }) }],
  ['a time before 1970', { f: file('x', { mtimeNs: -1n }) }],
  ['a time after the field', { f: file('x', { mtimeNs: 9_000_000_000_000_000_000n }) }],
  ['a name that is longer than the field', { ['n'.repeat(101)]: file('x') }],
  ['a path that cannot be cut', { [`${at(157)}${'n'.repeat(99)}`]: file('x') }],
  ['a path of two hundred and fifty-seven', { [`${at(157)}${'n'.repeat(100)}`]: file('x') }],
  ['a name that is not ASCII', { é: file('x') }],
  ['a directory that is not ASCII', { 'é/f': file('x') }],
  ['a longer target', { l: symlink('t'.repeat(101)) }],
  ['a target that is not ASCII', { l: symlink('é') }],
  ['a fifo', { p: { type: 'fifo' } }],
  ['a device', { c: { type: 'char' } }],
  ['whiteouts', { a: whiteout, b: whiteout }],
  ['an opaque directory', { d: opaque() }],
  [
    'the newer whiteouts',
    { d: dir({ xattrs: { 'trusted.overlay.opaque': 'x' } }), 'd/a': { type: 'xwhiteout' } },
  ],
];

describeWith(['root', 'files-library'], 'files that go together', () => {
  it.each(PLAIN)('may have %s', async (_name, items) => {
    await using scratch = await openScratch('packed');
    expect(await expectSame(makeTree(scratch.path('fs'), items))).toBe(
      Object.values(items).filter(({ type }) => type === 'file' || type === 'symlink').length,
    );
  });

  it.each(OTHERS)('are not those with %s', async (_name, items) => {
    await using scratch = await openScratch('packed');
    expect(await expectSame(makeTree(scratch.path('fs'), items))).toBe(0);
  });

  it('fill block after block', async () => {
    await using scratch = await openScratch('packed');
    for (let n = 0; n < 400; n++) writeFileSync(scratch.path(`f${n}`), 'x'.repeat((n * 977) % 60_000));
    expect(await expectSame(scratch.directory)).toBe(400);
    for await (const block of readLayer(scratch.directory)) expect(block.length).toBeLessThanOrEqual(1 << 20);
  });

  it('are of a limited size', async () => {
    await using scratch = await openScratch('packed');
    for (const [name, size] of Object.entries({ a: 256 << 10, b: (256 << 10) + 1, c: 1 << 20, d: 3 << 20 })) {
      writeFileSync(scratch.path(name), '');
      truncateSync(scratch.path(name), size);
    }
    expect(await expectSame(scratch.directory)).toBe(1);
  });

  it('leave no directory open', async () => {
    await using scratch = await openScratch('packed');
    const deep = Array.from({ length: 200 }, (_, n) => `${'d/'.repeat(n + 1)}f`);
    makeTree(scratch.path('fs'), Object.fromEntries(deep.map((path) => [path, file('x')])));
    const open = (): number => readdirSync('/proc/self/fd').length;
    const before = open();
    let most = 0;
    for await (const _block of readLayer(scratch.path('fs'))) most = Math.max(most, open());
    expect(most).toBeLessThan(before + 20);
    expect(open()).toBe(before);
  });

  const item: fc.Arbitrary<Item> = fc.oneof(
    fc.record({
      type: fc.constant('file' as const),
      content: fc.nat(3000).map((size) => 'x'.repeat(size)),
      mode: fc.nat(0o7777),
      uid: fc.nat(3_000_000),
      mtimeNs: fc.bigInt(-(10n ** 10n), 10n ** 19n),
      xattrs: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, fc.constant({ 'user.k': 'v' })),
    }),
    fc.record({ type: fc.constant('symlink' as const), target: fc.string({ minLength: 1, maxLength: 120 }) }),
    fc.constant(whiteout),
    fc.constant(dir()),
  );
  const name = fc
    .stringMatching(/^[A-Za-zé \n:.-]{1,110}$/)
    .filter((text) => !/^\.{1,2}$|^\.wh\./.test(text));
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));

  it('are written as one by one, whatever is among them', async () => {
    const trees = fc.dictionary(path, item, { maxKeys: 25 });
    await fc.assert(
      fc.asyncProperty(trees, async (items) => {
        await using scratch = await openScratch('packed');
        const paths = Object.keys(items);
        const isFree = (mine: string): boolean => !paths.some((other) => other.startsWith(`${mine}/`));
        const known = Object.entries(items).filter(([mine]) => isFree(mine));
        const layer = makeTree(scratch.path('fs'), Object.fromEntries(known));
        await expectSame(layer);
        await expectSameRootfs(layer);
      }),
      { numRuns: 60 },
    );
  });

  it('are those of a root file system where one layer has the directory', async () => {
    await using scratch = await openScratch('packed');
    const lower = makeTree(scratch.path('lower'), {
      'a/old': file('old'),
      'a/gone': file('gone'),
      'b/kept': file('kept'),
      'b/sub/deep': file('deep'),
      plain: file('a name like any other'),
      'd/hidden': file('hidden'),
    });
    const upper = makeTree(scratch.path('upper'), {
      'a/new': file('new'),
      'a/gone': whiteout,
      'c/only': file('only'),
      'c/link': symlink('only'),
      'c/none': whiteout,
      d: opaque(),
      'd/shown': file('shown'),
    });
    await expectSameRootfs(upper, lower);
    await expectSameRootfs(lower);
    const files = (await readAll(await rootfsOf(upper, lower))).filter(({ type }) => type !== 'directory');
    expect(files.map(({ path }) => path)).toEqual([
      'a/new',
      'a/old',
      'b/kept',
      'b/sub/deep',
      'c/link',
      'c/only',
      'd/shown',
      'plain',
    ]);
  });

  it('end with what a step left by other means', async () => {
    await using scratch = await openScratch('packed');
    execFileSync(
      'sh',
      ['-c', 'printf x > "$(printf "\\\\377\\\\200 :")"; echo y > z; mkdir d; echo > d/.a'],
      {
        cwd: scratch.directory,
      },
    );
    await expectSame(scratch.directory);
    expect((await readAll((await together(scratch.directory)).tar)).length).toBe(5);
  });
});
