import { lstatSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { commitUpper, type Committed } from '../../src/layer/commit.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { setTimes } from '../../src/sys/special-file.ts';
import { readXattr } from '../../src/sys/xattr.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import {
  describeTree,
  dir,
  file,
  hardLink,
  makeTree,
  OLD,
  opaque,
  symlink,
  whiteout,
  type Item,
} from '../support/tree-spec.ts';

type Items = Readonly<Record<string, Item>>;

interface Fixture {
  readonly upper: string;
  readonly commit: (epochSeconds?: number) => Committed;
}

async function withUpper(
  lowers: readonly Items[],
  items: Items,
  check: (fixture: Fixture) => void | Promise<void>,
): Promise<void> {
  await using scratch = await openScratch('commit');
  const tree = new MergedTree(lowers.map((lower, index) => makeTree(scratch.path(`l${index}`), lower)));
  const upper = makeTree(scratch.path('upper'), items);
  const commit = (epochSeconds?: number): Committed =>
    commitUpper(upper, tree, { overlay: 'trusted', ...(epochSeconds === undefined ? {} : { epochSeconds }) });
  await check({ upper, commit });
}

const UNCHANGED = { changed: false, rootChanged: false };
const CHANGED = { changed: true, rootChanged: false };
const LATER = OLD + 5n;

describeWithRoot('a commit removes what is no change', () => {
  it.each<[string, Items, Items]>([
    ['nothing', {}, {}],
    ['a whiteout of what was never there', { d: dir() }, { 'd/x': whiteout }],
    ['a whiteout in a directory that is new', {}, { 'd/x': whiteout }],
    [
      'a file copied up',
      { 'd/f': file('x', { mode: 0o4755, uid: 3, xattrs: { 'user.a': 'b' } }) },
      {
        'd/f': file('x', { mode: 0o4755, uid: 3, xattrs: { 'user.a': 'b', 'trusted.overlay.origin': 'o' } }),
      },
    ],
    ['a symlink copied up', { s: symlink('t') }, { s: symlink('t') }],
    [
      'a fifo and a device copied up',
      { p: { type: 'fifo' }, n: { type: 'char' } },
      { p: { type: 'fifo' }, n: { type: 'char' } },
    ],
    ['a directory whose time alone changed', { d: dir() }, { d: dir({ mtimeNs: LATER }) }],
    [
      'a directory with overlay marks',
      { d: dir() },
      { d: dir({ xattrs: { 'trusted.overlay.impure': 'y' } }) },
    ],
    [
      'hard links that are all as they were',
      { a: file('x'), b: hardLink('a') },
      { a: file('x'), b: hardLink('a') },
    ],
  ])('%s', (name, lower, upper) =>
    withUpper([lower], upper, ({ commit, upper: root }) => {
      expect(commit()).toEqual(name === 'a whiteout in a directory that is new' ? CHANGED : UNCHANGED);
      expect(Object.values(describeTree(root)).filter((line) => line !== 'dir 0755')).toEqual([]);
    }),
  );

  it('a socket', () =>
    withUpper([{ d: dir() }], { d: dir() }, async ({ commit, upper }) => {
      const server = createServer().listen(join(upper, 'd/socket'));
      await once(server, 'listening');
      expect(commit()).toEqual(UNCHANGED);
      expect(describeTree(upper)).toEqual({});
      await new Promise((resolve) => server.close(resolve));
    }));

  it('and leaves the time of the directory as the step left it', () =>
    withUpper(
      [{ 'd/f': file('x') }],
      { 'd/f': file('x'), 'd/new': file('n'), 'd/gone': whiteout, d: dir({ mtimeNs: LATER }) },
      ({ commit, upper }) => {
        expect(commit()).toEqual(CHANGED);
        expect(describeTree(upper)).toEqual({ d: 'dir 0755', 'd/new': 'file 0644 n' });
        expect(lstatSync(join(upper, 'd'), { bigint: true }).mtimeNs).toBe(LATER);
      },
    ));
});

describeWithRoot('a commit keeps', () => {
  it.each<[string, readonly Items[], Items]>([
    ['a new file', [{}], { 'd/f': file('x') }],
    ['an empty new directory', [{}], { d: dir() }],
    ['other content of the same size and time', [{ f: file('a') }], { f: file('b') }],
    ['another size', [{ f: file('a') }], { f: file('aa') }],
    ['another time', [{ f: file('a') }], { f: file('a', { mtimeNs: LATER }) }],
    ['another mode', [{ f: file('a') }], { f: file('a', { mode: 0o600 }) }],
    ['another owner', [{ f: file('a') }], { f: file('a', { gid: 1 }) }],
    ['another xattr', [{ f: file('a') }], { f: file('a', { xattrs: { 'user.a': '1' } }) }],
    [
      'another value of an xattr',
      [{ f: file('a', { xattrs: { 'user.a': '1' } }) }],
      { f: file('a', { xattrs: { 'user.a': '2' } }) },
    ],
    ['another target', [{ s: symlink('a') }], { s: symlink('b') }],
    ['another type', [{ s: symlink('a') }], { s: file('a') }],
    ['a file in place of a directory', [{ 's/t': file() }], { s: file('a') }],
    ['another mode of a directory', [{ d: dir() }], { d: dir({ mode: 0o700 }) }],
    ['another xattr of a directory', [{ d: dir() }], { d: dir({ xattrs: { 'user.a': '1' } }) }],
    ['a deletion', [{ 'd/f': file() }], { 'd/f': whiteout }],
    ['a deletion of what a lower layer has', [{ d: dir() }, { 'd/f': file() }], { 'd/f': whiteout }],
    [
      'a deletion in the newer form',
      [{ 'd/f': file() }],
      { d: dir({ xattrs: { 'trusted.overlay.opaque': 'x' } }), 'd/f': { type: 'xwhiteout' } },
    ],
    ['an opaque directory', [{ 'd/f': file() }], { d: opaque() }],
    ['an opaque directory with the same content', [{ 'd/f': file('x') }], { d: opaque(), 'd/f': file('x') }],
    ['a new link to an old file, and the old name', [{ a: file('x') }], { a: file('x'), b: hardLink('a') }],
    [
      'a link between files that were two',
      [{ a: file('x'), b: file('x') }],
      { a: file('x'), b: hardLink('a') },
    ],
  ])('%s', (_, lowers, items) =>
    withUpper(lowers, items, ({ commit, upper }) => {
      const before = describeTree(upper);
      expect(commit()).toEqual(CHANGED);
      expect(describeTree(upper)).toEqual(before);
    }),
  );

  it('whiteouts of visible names only', () =>
    withUpper(
      [{ 'd/hidden': whiteout }, { 'd/hidden': file(), 'd/seen': file() }],
      { 'd/hidden': whiteout, 'd/seen': whiteout },
      ({ commit, upper }) => {
        expect(commit()).toEqual(CHANGED);
        expect(describeTree(upper)).toEqual({ d: 'dir 0755', 'd/seen': 'whiteout' });
      },
    ));

  it('whiteouts below an opaque directory never', () =>
    withUpper([{ 'd/f': file() }], { d: opaque(), 'd/f': whiteout }, ({ commit, upper }) => {
      expect(commit()).toEqual(CHANGED);
      expect(describeTree(upper)).toEqual({ d: 'dir 0755' });
      expect(readXattr(join(upper, 'd'), 'trusted.overlay.opaque')?.toString()).toBe('y');
    }));

  it('no opaque mark that hides nothing', () =>
    withUpper([{}], { d: opaque(), 'd/f': file() }, ({ commit, upper }) => {
      expect(commit()).toEqual(CHANGED);
      expect(readXattr(join(upper, 'd'), 'trusted.overlay.opaque')).toBeUndefined();
    }));

  it('the links of a group of which one name changed its place', () =>
    withUpper(
      [{ 'd/a': file('x'), 'd/b': hardLink('d/a'), e: dir() }],
      { 'd/a': file('x'), 'd/b': hardLink('d/a'), 'e/c': hardLink('d/a') },
      ({ commit, upper }) => {
        expect(commit()).toEqual(CHANGED);
        expect(Object.keys(describeTree(upper))).toEqual(['d', 'd/a', 'd/b', 'e', 'e/c']);
      },
    ));
});

describeWithRoot('a commit', () => {
  it.each<[string, Item]>([
    ['mode', dir({ mode: 0o700 })],
    ['owner', dir({ uid: 1 })],
    ['xattr', dir({ xattrs: { 'user.a': '1' } })],
  ])('notices another %s of the root', (_, root) =>
    withUpper([{}], { '.': root }, ({ commit }) =>
      expect(commit()).toEqual({ changed: true, rootChanged: true }),
    ),
  );

  it('compares with an empty root when there is nothing below', () =>
    withUpper([], {}, ({ commit }) => expect(commit()).toEqual(UNCHANGED)));

  it.each(['.wh.x', '.wh..wh..opq', 'd/e/.wh.'])('refuses the name %s', (name) =>
    withUpper([{}], { [name]: file() }, ({ commit }) =>
      expect(() => commit()).toThrow(
        expect.objectContaining({
          code: 'LAYER_INVALID',
          message: expect.stringContaining(`/${name}`) as string,
        }),
      ),
    ),
  );

  it('clamps newer times only', () =>
    withUpper(
      [{ d: dir() }],
      {
        'd/new': file('', { mtimeNs: LATER }),
        'd/old': file('', { mtimeNs: 3n }),
        d: dir({ mtimeNs: LATER }),
        l: symlink('x', { mtimeNs: LATER }),
      },
      ({ commit, upper }) => {
        setTimes(upper, LATER);
        expect(commit(Number(OLD / 1_000_000_000n))).toEqual(CHANGED);
        const times = ['d/new', 'd/old', 'd', 'l', '.'].map(
          (name) => lstatSync(join(upper, name), { bigint: true }).mtimeNs,
        );
        expect(times).toEqual([OLD, 3n, OLD, OLD, OLD]);
      },
    ));

  it('does the same a second time', () =>
    withUpper(
      [{ a: file('x'), b: hardLink('a') }],
      { a: file('x'), b: hardLink('a'), c: file() },
      ({ commit, upper }) => {
        expect(commit()).toEqual(CHANGED);
        const first = describeTree(upper);
        expect(first).toEqual({ c: 'file 0644' });
        expect(commit()).toEqual(CHANGED);
        expect(describeTree(upper)).toEqual(first);
      },
    ));
});
