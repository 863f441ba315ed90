import {
  appendFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { digestSources } from '../../src/build/content-digest.ts';
import { selectSources } from '../../src/build/copy-sources.ts';
import { FileDigests } from '../../src/build/file-digests.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { dir, file, hardLink, makeTree, symlink, type Item } from '../support/tree-spec.ts';

type Items = Readonly<Record<string, Item>>;

async function digestOf(items: Items, { words = ['.'], keepsOwner = false } = {}): Promise<string> {
  await using scratch = await openScratch('digest');
  const tree = new MergedTree([makeTree(scratch.path('c'), items)], { plain: true });
  return await digestSources(await selectSources(tree, words), { keepsOwner });
}

const BASE: Items = { 'd/f': file('x'), 'd/g': file('y'), s: symlink('t') };

describeWithRoot('the digest of sources', () => {
  it.each<[string, Items]>([
    ['content', { ...BASE, 'd/f': file('z') }],
    ['a name', { 'd/e': file('x'), 'd/g': file('y'), s: symlink('t') }],
    ['a mode', { ...BASE, 'd/f': file('x', { mode: 0o755 }) }],
    ["a directory's mode", { ...BASE, d: dir({ mode: 0o700 }) }],
    ['a type', { ...BASE, 'd/f': symlink('x') }],
    ['a link target', { ...BASE, s: symlink('u') }],
    ['one more file', { ...BASE, 'd/h': file() }],
    ['one more directory', { ...BASE, e: dir() }],
    ['contents that changed places', { ...BASE, 'd/f': file('y'), 'd/g': file('x') }],
    ['a fifo', { ...BASE, p: { type: 'fifo' } }],
  ])('changes with %s', async (_, items) => expect(await digestOf(items)).not.toBe(await digestOf(BASE)));

  it('changes with a hard link in place of an equal file', async () => {
    expect(await digestOf({ a: file('x'), b: hardLink('a') })).not.toBe(
      await digestOf({ a: file('x'), b: file('x') }),
    );
  });

  it('does not change with place, time and owner', async () => {
    const moved = { ...BASE, 'd/f': file('x', { mtimeNs: 5n, uid: 7 }) };
    expect(await digestOf(moved)).toBe(await digestOf(BASE));
  });

  it('changes with the owner where it is kept', async () => {
    const options = { keepsOwner: true };
    expect(await digestOf({ a: file('x', { uid: 7 }) }, options)).not.toBe(
      await digestOf({ a: file('x') }, options),
    );
  });

  it('changes with extended attributes where they are kept, and only there', async () => {
    const plain: Items = { 'd/f': file('x') };
    const others: Items[] = [
      { 'd/f': file('x', { xattrs: { 'user.k': 'v' } }) },
      { 'd/f': file('x', { xattrs: { 'user.k': 'w' } }) },
      { ...plain, d: dir({ xattrs: { 'user.k': 'v' } }) },
    ];
    const kept = await Promise.all([plain, ...others].map((items) => digestOf(items, { keepsOwner: true })));
    expect(new Set(kept).size).toBe(4);
    expect(new Set(await Promise.all([plain, ...others].map((items) => digestOf(items)))).size).toBe(1);
  });

  it('changes with the order and the names of sources', async () => {
    const items = { a: file('x'), b: file('x') };
    const digests = await Promise.all(
      [['a', 'b'], ['b', 'a'], ['a'], ['b']].map((words) => digestOf(items, { words })),
    );
    expect(new Set(digests).size).toBe(4);
  });

  it('cannot be imitated by names', async () => {
    const digests = await Promise.all([
      digestOf({ 'a\n1:b': file('') }),
      digestOf({ a: file(''), b: file('') }),
      digestOf({ 'a/b': file('') }),
      digestOf({}),
    ]);
    expect(new Set(digests).size).toBe(4);
  });

  it('is the same for a large file whatever it is read in', async () => {
    const content = 'abc'.repeat(1 << 20);
    expect(await digestOf({ a: file(content) })).toBe(await digestOf({ a: file(content) }));
    expect(await digestOf({ a: file(content) })).not.toBe(await digestOf({ a: file(`${content}d`) }));
  });

  it('is refused when a file changes meanwhile', async () => {
    await using scratch = await openScratch('digest');
    const tree = new MergedTree([makeTree(scratch.path('c'), { a: file('x') })], { plain: true });
    const sources = await selectSources(tree, ['a']);
    truncateSync(scratch.path('c/a'), 100);
    await expect(digestSources(sources, { keepsOwner: false })).rejects.toMatchObject({ code: 'CONTEXT' });
  });
});

describeWithRoot('remembered digests', () => {
  /** As if the context had been left alone for a while: nothing is racy. */
  const ONE_MINUTE = 60_000;

  async function withContext(
    use: (context: string, memory: string, digest: () => Promise<string>) => Promise<void>,
  ): Promise<void> {
    await using scratch = await openScratch('memory');
    const context = makeTree(scratch.path('c'), { a: file('aaa'), 'd/b': file('bbb') });
    const memory = scratch.path('memory');
    const digest = async (): Promise<string> => {
      const sources = await selectSources(new MergedTree([context], { plain: true }), ['.']);
      return digestSources(sources, {
        keepsOwner: false,
        known: new FileDigests(memory, context, () => Date.now() + ONE_MINUTE),
      });
    };
    await use(context, memory, digest);
  }

  const forge = (memory: string): void => {
    const [name = ''] = readdirSync(memory);
    const path = join(memory, name);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/[0-9a-f]{64}/g, '0'.repeat(64)));
  };

  it('are used while nothing changed', () =>
    withContext(async (_, memory, digest) => {
      const first = await digest();
      expect(await digest()).toBe(first);
      forge(memory);
      expect(await digest()).not.toBe(first);
    }));

  it.each<[string, (context: string) => void]>([
    ['content of another size', (context) => appendFileSync(join(context, 'a'), 'x')],
    ['content of the same size', (context) => writeFileSync(join(context, 'a'), 'xyz')],
    [
      'content of the same size with the old time',
      (context) => {
        const { atime, mtime } = statSync(join(context, 'a'));
        writeFileSync(join(context, 'a'), 'xyz');
        utimesSync(join(context, 'a'), atime, mtime);
      },
    ],
    [
      'another file under the name',
      (context) => {
        writeFileSync(join(context, '../new'), 'xyz');
        renameSync(join(context, '../new'), join(context, 'a'));
      },
    ],
  ])('are not used after a change: %s', (_, change) =>
    withContext(async (context, memory, digest) => {
      const first = await digest();
      change(context);
      const second = await digest();
      expect(second).not.toBe(first);
      expect(readdirSync(memory)).toHaveLength(1);
    }),
  );

  it('do not hold what was touched just now', async () => {
    await using scratch = await openScratch('memory');
    const context = makeTree(scratch.path('c'), { a: file('aaa') });
    const sources = await selectSources(new MergedTree([context], { plain: true }), ['.']);
    await digestSources(sources, {
      keepsOwner: false,
      known: new FileDigests(scratch.path('memory'), context),
    });
    expect(() => readdirSync(scratch.path('memory'))).toThrow('ENOENT');
  });

  it.each([
    '',
    '{',
    '[]',
    'null',
    '{"format":"other","files":[]}',
    '{"format":"arch-build file digests 2","files":["d/b"]}',
    '{"format":"arch-build file digests 2","files":[["d/b"],1,"d/b",2]}',
    '{"format":"arch-build file digests 2","files":7}',
    '{"format":"arch-build file digests 2"}',
  ])('are forgotten when damaged: %s', (damage) =>
    withContext(async (_, memory, digest) => {
      const first = await digest();
      const [name = ''] = readdirSync(memory);
      writeFileSync(join(memory, name), damage);
      expect(await digest()).toBe(first);
      expect(readFileSync(join(memory, name), 'utf8')).toContain('"d/b"');
    }),
  );

  it('of files that are gone do not pile up', () =>
    withContext(async (context, memory, digest) => {
      for (let round = 0; round < 6; round++) {
        for (let index = 0; index < 10; index++) writeFileSync(join(context, `r${round}-${index}`), '');
        await digest();
        for (let index = 0; index < 10; index++)
          renameSync(join(context, `r${round}-${index}`), join(memory, `../gone${round}-${index}`));
      }
      const [name = ''] = readdirSync(memory);
      const { files } = JSON.parse(readFileSync(join(memory, name), 'utf8')) as { files: unknown[] };
      expect(files.length / 2).toBeLessThanOrEqual(24); // a path and what is known of it
    }));
});
