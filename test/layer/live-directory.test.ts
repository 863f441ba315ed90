import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { expect, it } from 'vitest';
import { toBytePath } from '../../src/layer/byte-path.ts';
import { readLiveDirectory } from '../../src/layer/live-directory.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { openSource, withSourceFile } from '../../src/layer/source-file.ts';
import { makeNode } from '../../src/sys/special-file.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { file, makeTree } from '../support/tree-spec.ts';

async function withTree(use: (scratch: Scratch, tree: MergedTree) => void): Promise<void> {
  await using scratch = await openScratch('live');
  makeTree(scratch.directory, {
    'c/d/e/f': file('mine'),
    'secret/e/f': file('theirs'),
    'secret/e/g': file('more'),
  });
  use(scratch, new MergedTree([scratch.path('c')], { plain: true }));
}

/** `c/d` becomes a symlink out of the tree. */
function swap(scratch: Scratch): void {
  renameSync(scratch.path('c/d'), scratch.path('was'));
  symlinkSync('../secret', scratch.path('c/d'));
}

const refused = (read: () => unknown): void =>
  expect(read).toThrow(expect.objectContaining({ code: 'CONTEXT' }));

describeWithRoot('a directory that changes while it is read', () => {
  it('is not listed through a symlink that took the place of a parent', () =>
    withTree((scratch, tree) => {
      const directory = tree.openDirectory(toBytePath('d/e'));
      swap(scratch);
      refused(() => directory?.names());
      refused(() => readLiveDirectory(Buffer.from(scratch.path('c/d/e'))));
    }));

  it('has no files opened through such a symlink', () =>
    withTree((scratch, tree) => {
      const directory = tree.openDirectory(toBytePath('d/e'));
      swap(scratch);
      const node = directory?.lookup('g');
      expect(node?.isLive).toBe(true);
      refused(() => openSource(node!));
      refused(() => withSourceFile(node!, () => undefined));
    }));

  it('has no files opened that are others than those listed', () =>
    withTree((scratch, tree) => {
      const directory = tree.openDirectory(toBytePath('d/e'));
      expect(directory?.names()).toEqual(['f']);
      const node = directory?.lookup('f');
      swap(scratch);
      refused(() => openSource(node!));
      refused(() => withSourceFile(node!, () => undefined));
    }));

  it('is no trap when a file becomes a fifo', () =>
    withTree((scratch, tree) => {
      const node = tree.lookup(toBytePath('d/e/f'));
      rmSync(scratch.path('c/d/e/f'));
      makeNode(scratch.path('c/d/e/f'), 0o010666);
      refused(() => openSource(node!));
    }));

  it.each(['c/d/e', 'c/d', 'c'])('may lose %s', (lost) =>
    withTree((scratch, tree) => {
      const directory = tree.openDirectory(toBytePath('d/e'));
      rmSync(scratch.path(lost), { recursive: true });
      expect(() => directory?.names()).toThrow(expect.objectContaining({ code: 'IO' }));
    }),
  );

  it('is found by its real path', async () => {
    await using scratch = await openScratch('live');
    mkdirSync(scratch.path('real'));
    makeTree(scratch.path('real'), { f: file('x') });
    symlinkSync('real', scratch.path('link'));
    const node = new MergedTree([scratch.path('link')], { plain: true }).lookup(toBytePath('f'));
    expect(node?.host.toString()).toBe(scratch.path('real/f'));
    expect(() => new MergedTree([scratch.path('none')], { plain: true }).root).toThrow(
      expect.objectContaining({ code: 'IO' }),
    );
    expect(() => new MergedTree([scratch.path('none')]).root).toThrow(
      expect.objectContaining({ code: 'IO' }),
    );
  });
});
