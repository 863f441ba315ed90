/**
 * Archives that try to get out of the directory they are unpacked into: the cases of containerd's TestBreakouts
 * (and its TestApplyTar) by name. What counts is the merged view, layer over base, and that the host is untouched.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { expect, it } from 'vitest';
import { applyLayer } from '../../src/layer/apply-layer.ts';
import { toBytePath } from '../../src/layer/byte-path.ts';
import { MergedTree, readLink } from '../../src/layer/merged-tree.ts';
import type { TreeNode } from '../../src/layer/tree-node.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { dir, file, hardLink, makeTree, symlink, type Item } from '../support/tree-spec.ts';
import { dirEntry, fileEntry, inChunks, linkEntry, symlinkEntry, tarOf, type Entry } from './tar-fixtures.ts';

interface Case {
  readonly base?: Readonly<Record<string, Item>>;
  readonly tar: readonly Entry[];
  /** Paths and their content; undefined where nothing may be. */
  readonly content?: Readonly<Record<string, string | undefined>>;
  readonly same?: readonly [string, string];
  readonly different?: readonly [string, string];
  readonly links?: readonly string[];
  readonly directories?: readonly string[];
  readonly error?: 'LAYER_INVALID';
}

const UNBROKEN = { 'etc/unbroken': 'unbroken' };
const ETC = [dirEntry('etc', 0o770), fileEntry('/etc/passwd', 'inside')];
const BASE = { 'etc/passwd': file('inside'), localetc: dir() };
const LINKED = { 'etc/passwd': file('all users'), 'etc/whitedout': file('ahhhh'), localetc: symlink('/etc') };
const HIDDEN = { 'etc/passwd': file('inside') };
const passwdAs = (path: string): readonly [string, string] => [path, '/etc/passwd'];

const CASES: Readonly<Record<string, Case>> = {
  SymlinkAbsolute: {
    tar: [dirEntry('etc'), symlinkEntry('localetc', '/etc'), fileEntry('/localetc/unbroken', 'unbroken')],
    content: UNBROKEN,
  },
  SymlinkUpAndOut: {
    tar: [
      dirEntry('etc'),
      dirEntry('dummy'),
      symlinkEntry('localetc', '/dummy/../etc'),
      fileEntry('/localetc/unbroken', 'unbroken'),
    ],
    content: UNBROKEN,
  },
  SymlinkMultipleAbsolute: {
    tar: [
      dirEntry('etc'),
      dirEntry('dummy'),
      symlinkEntry('/dummy/etc', '/etc'),
      symlinkEntry('localetc', '/dummy/etc'),
      fileEntry('/dummy/etc/unbroken', 'unbroken'),
    ],
    content: UNBROKEN,
  },
  SymlinkMultipleRelative: {
    tar: [
      dirEntry('etc'),
      dirEntry('dummy'),
      symlinkEntry('/dummy/etc', '/etc'),
      symlinkEntry('localetc', './dummy/etc'),
      fileEntry('/dummy/etc/unbroken', 'unbroken'),
    ],
    content: UNBROKEN,
  },
  SymlinkEmptyFile: {
    tar: [
      dirEntry('etc'),
      fileEntry('etc/emptied', 'notempty'),
      symlinkEntry('localetc', '/etc'),
      fileEntry('/localetc/emptied'),
    ],
    content: { 'etc/emptied': '' },
  },
  HardlinkRelative: {
    tar: [
      ...ETC,
      dirEntry('breakouts'),
      symlinkEntry('breakouts/d1', '../../etc'),
      linkEntry('breakouts/mypasswd', '/breakouts/d1/passwd'),
    ],
    same: passwdAs('breakouts/mypasswd'),
  },
  HardlinkDownAndOut: {
    tar: [
      ...ETC,
      dirEntry('breakouts'),
      dirEntry('downandout'),
      symlinkEntry('breakouts/d1', '../downandout/../../etc'),
      linkEntry('breakouts/mypasswd', '/breakouts/d1/passwd'),
    ],
    same: passwdAs('breakouts/mypasswd'),
  },
  HardlinkAbsolute: {
    tar: [...ETC, symlinkEntry('localetc', '/etc'), linkEntry('localpasswd', '/localetc/passwd')],
    same: passwdAs('localpasswd'),
  },
  HardlinkRelativeLong: {
    tar: [
      ...ETC,
      symlinkEntry('localetc', '../../../../../../../etc'),
      linkEntry('localpasswd', '/localetc/passwd'),
    ],
    same: passwdAs('localpasswd'),
  },
  HardlinkRelativeUpAndOut: {
    tar: [
      ...ETC,
      symlinkEntry('localetc', 'upandout/../../../etc'),
      linkEntry('localpasswd', '/localetc/passwd'),
    ],
    same: passwdAs('localpasswd'),
  },
  HardlinkDirectRelative: {
    tar: [...ETC, linkEntry('localpasswd', '../../../../../etc/passwd')],
    same: passwdAs('localpasswd'),
  },
  HardlinkDirectAbsolute: {
    tar: [...ETC, linkEntry('localpasswd', '/etc/passwd')],
    same: passwdAs('localpasswd'),
  },
  // Two that containerd takes by leaving an entry out: a symlink in the place of the root is refused here.
  SymlinkParentDirectory: {
    tar: [...ETC, symlinkEntry('..', '/etc/'), linkEntry('localpasswd', '/etc/passwd')],
    error: 'LAYER_INVALID',
  },
  SymlinkEmptyFilename: {
    tar: [...ETC, symlinkEntry('', '/etc/'), linkEntry('localpasswd', '/etc/passwd')],
    error: 'LAYER_INVALID',
  },
  SymlinkParentRelative: {
    tar: [
      ...ETC,
      symlinkEntry('localetc/sub/..', '/etc/'),
      linkEntry('/localetc/localpasswd', '/etc/passwd'),
    ],
    same: passwdAs('localetc/localpasswd'),
  },
  SymlinkSlashEnded: {
    tar: [...ETC, dirEntry('localetc', 0o770), linkEntry('/localetc/localpasswd', '/etc/passwd')],
    same: passwdAs('localetc/localpasswd'),
  },
  SymlinkOverrideDirectory: {
    base: BASE,
    tar: [symlinkEntry('localetc', '/etc'), linkEntry('/localetc/localpasswd', '/etc/passwd')],
    same: passwdAs('localetc/localpasswd'),
  },
  SymlinkOverrideDirectoryRelative: {
    base: BASE,
    tar: [symlinkEntry('localetc', '../../etc'), linkEntry('/localetc/localpasswd', '/etc/passwd')],
    same: passwdAs('localetc/localpasswd'),
  },
  DirectoryOverrideSymlink: {
    base: { 'etc/passwd': file('inside'), localetc: symlink('/etc') },
    tar: [dirEntry('/localetc'), linkEntry('/localetc/localpasswd', '/etc/passwd')],
    same: passwdAs('localetc/localpasswd'),
  },
  DirectoryOverrideSymlinkAndHardlink: {
    base: {
      'etc/passwd': file('inside'),
      localetc: symlink('etc'),
      'etc/localpasswd': hardLink('etc/passwd'),
    },
    tar: [dirEntry('/localetc'), fileEntry('/localetc/localpasswd', 'different')],
    different: passwdAs('localetc/localpasswd'),
    content: { 'etc/passwd': 'inside' },
  },
  WhiteoutRootParent: { base: HIDDEN, tar: [fileEntry('.wh...')], error: 'LAYER_INVALID' },
  WhiteoutParent: { base: HIDDEN, tar: [fileEntry('etc/.wh...')], error: 'LAYER_INVALID' },
  WhiteoutRoot: { base: HIDDEN, tar: [fileEntry('.wh..')], error: 'LAYER_INVALID' },
  WhiteoutCurrentDirectory: { base: HIDDEN, tar: [fileEntry('etc/.wh..')], error: 'LAYER_INVALID' },
  WhiteoutSymlink: {
    base: LINKED,
    tar: [fileEntry('.wh.localetc')],
    content: { 'etc/passwd': 'all users', localetc: undefined },
  },
  WhiteoutSymlinkPath: {
    base: LINKED,
    tar: [fileEntry('localetc/.wh.whitedout')],
    content: { 'etc/passwd': 'all users', 'etc/whitedout': undefined },
  },
  WhiteoutDirectoryName: {
    base: LINKED,
    tar: [fileEntry('.wh.etc/somefile', 'non-empty')],
    content: { 'etc/passwd': 'all users', '.wh.etc/somefile': 'non-empty' },
  },
  WhiteoutDeadSymlinkParent: {
    base: { 'etc/passwd': file('all users'), localetc: symlink('/dne') },
    tar: [fileEntry('localetc/.wh.etc')],
    content: { 'etc/passwd': 'all users' },
  },
  WhiteoutRelativePath: {
    base: { 'etc/passwd': file('all users'), localetc: symlink('/dne') },
    tar: [fileEntry('dne/../.wh.etc')],
    content: { 'etc/passwd': undefined },
  },
  DirectoryCreation: {
    base: { etc: dir() },
    tar: [
      '/etc/subdir',
      '/etc/subdir2',
      '/etc/subdir2/more',
      '/other/noparent-1/1',
      '/other/noparent-2/2',
    ].map((path) => dirEntry(path)),
    directories: [
      'etc/subdir',
      'etc/subdir2',
      'etc/subdir2/more',
      'other/noparent-1/1',
      'other/noparent-2/2',
    ],
  },
  HardlinkSymlinkBeforeCreateTarget: {
    tar: [
      dirEntry('etc', 0o770),
      symlinkEntry('localpasswd', '/etc/passwd'),
      linkEntry('localpasswd-dup', 'localpasswd'),
      fileEntry('/etc/passwd', 'after'),
    ],
    same: passwdAs('localpasswd-dup'),
  },
  HardlinkSymlinkRelative: {
    tar: [
      ...ETC,
      symlinkEntry('passwdlink', '../../../../../etc/passwd'),
      linkEntry('localpasswd', '/passwdlink'),
    ],
    same: passwdAs('localpasswd'),
    links: ['localpasswd', 'passwdlink'],
  },
  HardlinkSymlinkAbsolute: {
    tar: [...ETC, symlinkEntry('passwdlink', '/etc/passwd'), linkEntry('localpasswd', '/passwdlink')],
    same: passwdAs('localpasswd'),
    links: ['localpasswd', 'passwdlink'],
  },
};

function found(tree: MergedTree, path: string): TreeNode | undefined {
  return tree.resolve(path).node;
}

const contentOf = (node: TreeNode | undefined): string | undefined => node && readFileSync(node.host, 'utf8');

function check(tree: MergedTree, expected: Case): void {
  const { content = {}, same, different, links = [], directories = [] } = expected;
  for (const path of directories) expect(found(tree, path)?.type).toBe('directory');
  for (const [path, text] of Object.entries(content)) expect(contentOf(found(tree, path))).toBe(text);
  if (same !== undefined) {
    const [a, b] = same.map((path) => found(tree, path)?.stat.ino);
    expect(a).toBeDefined();
    expect(a).toBe(b);
  }
  if (different !== undefined) {
    const [a, b] = different.map((path) => found(tree, path)?.stat.ino);
    expect(a).toBeDefined();
    expect(a).not.toBe(b);
  }
  const targets = links.map((path) => tree.lookup(toBytePath(path))).map((node) => node && readLink(node));
  expect(new Set(targets).size).toBeLessThanOrEqual(1);
  expect(targets).not.toContain(undefined);
}

describeWithRoot('containerd breakouts', () => {
  it.each(Object.entries(CASES))('contains %s', async (_name, breakout) => {
    await using scratch = await openScratch('breakout');
    const base = makeTree(scratch.path('base'), breakout.base ?? {});
    const before = readdirSync(scratch.directory);
    mkdirSync(scratch.path('layer'));
    const applied = applyLayer(inChunks(tarOf(breakout.tar)), scratch.path('layer'), {
      lowers: [base],
      overlay: 'trusted',
    });
    if (breakout.error === undefined) await applied;
    else await expect(applied).rejects.toThrow(expect.objectContaining({ code: breakout.error }) as Error);
    check(new MergedTree(breakout.error === undefined ? [scratch.path('layer'), base] : [base]), breakout);
    if (breakout.error !== undefined)
      expect(
        readFileSync(
          scratch.path('base/etc/passwd').replace('/base/', breakout.base ? '/base/' : '/layer/'),
          'utf8',
        ),
      ).toBe('inside');
    expect(readdirSync(scratch.directory)).toEqual([...before, 'layer']);
  });

  it('contains HardlinkSymlinkChmod', async () => {
    await using scratch = await openScratch('breakout');
    const victim = await scratch.write('perm400', '...');
    chmodSync(victim, 0o400);
    const outside = await scratch.write('also-exists-outside-root', '...');
    mkdirSync(scratch.path('layer'));
    const tar = tarOf([symlinkEntry(outside, victim), { ...linkEntry('sketchylink', outside), mode: 0o777 }]);
    await applyLayer(inChunks(tar), scratch.path('layer'), { lowers: [], overlay: 'trusted' });
    expect(lstatSync(victim).mode & 0o777).toBe(0o400);
    expect(lstatSync(outside).isFile()).toBe(true);
    expect(lstatSync(scratch.path('layer/sketchylink')).isSymbolicLink()).toBe(true);
  });

  it('has them all', () => {
    expect(Object.keys(CASES)).toHaveLength(33);
  });
});

/** The hostile names of every way in, against a host directory beside the target. */
describeWithRoot('names that lead out', () => {
  const OUT = [
    '../victim',
    '/../victim',
    'a/../../victim',
    '../../../../../../../../../../../victim',
    './../victim',
  ];
  const writers: Readonly<Record<string, (path: string, scratch: string) => Entry[]>> = {
    'a file': (path) => [fileEntry(path, 'evil')],
    'a symlink': (path) => [symlinkEntry(path, '/etc/shadow')],
    'a fifo': (path) => [{ path, type: 'fifo' }],
    'a whiteout': (path) => [fileEntry(path.replace('victim', '.wh.victim'))],
    'a hard link': (path) => [fileEntry('victim', 'mine'), linkEntry('link', path), fileEntry('link2', 'x')],
    'a directory': (path) => [{ ...dirEntry(path), mode: 0o777 }],
    'a file through an absolute symlink': (path, scratch) => [
      symlinkEntry('way', scratch),
      fileEntry(`way/${path}`, 'evil'),
    ],
    'a file through a relative symlink': (path) => [
      symlinkEntry('way', '../../../../..'),
      fileEntry(`way/${path}`, 'evil'),
    ],
    'a file through a chain of symlinks': (path) => [
      symlinkEntry('a', '..'),
      symlinkEntry('b', 'a/..'),
      symlinkEntry('way', 'b/../..'),
      fileEntry(`way/${path}`, 'evil'),
    ],
  };
  const cases = Object.keys(writers).flatMap((name) => OUT.map((path) => [name, path] as const));
  it.each(cases)('stay inside for %s called %s', async (name, path) => {
    await using scratch = await openScratch('outside');
    const victim = await scratch.write('victim', 'untouched');
    mkdirSync(scratch.path('layer'));
    writeFileSync(scratch.path('layer.sibling'), '');
    const before = statSync(victim, { bigint: true });
    const tar = tarOf(writers[name]!(path, scratch.directory));
    await applyLayer(inChunks(tar), scratch.path('layer'), { lowers: [], overlay: 'trusted' });
    expect(statSync(victim, { bigint: true })).toEqual(before);
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect(readdirSync(scratch.directory).sort()).toEqual(['layer', 'layer.sibling', 'victim']);
    expect(existsSync('/victim')).toBe(false);
  });
});
