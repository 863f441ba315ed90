import { expect, it } from 'vitest';
import { openContext } from '../../src/build/context.ts';
import { toBytePath } from '../../src/layer/byte-path.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { dir, file, makeTree, symlink, type Item } from '../support/tree-spec.ts';

type Items = Readonly<Record<string, Item>>;

async function opened(items: Items, check: (scratch: Scratch) => void): Promise<void> {
  await using scratch = await openScratch('context');
  makeTree(scratch.directory, items);
  check(scratch);
}

const failing = (open: () => unknown, code: string): void =>
  expect(open).toThrow(expect.objectContaining({ code }));

describeWithRoot('the build context', () => {
  it.each<[string, Items, string | undefined]>([
    ['none', { 'c/f': file() }, undefined],
    ['its own', { 'c/.dockerignore': file('x') }, 'c/.dockerignore'],
    [
      'the other name first',
      { 'c/.dockerignore': file('x'), 'c/.containerignore': file('y') },
      'c/.containerignore',
    ],
    [
      "the Kubefile's first of all",
      { 'c/.dockerignore': file('x'), 'Kubefile.dockerignore': file('y') },
      'Kubefile.dockerignore',
    ],
    [
      'one behind a symlink',
      { 'c/.dockerignore': symlink('../shared'), shared: file('x') },
      'c/.dockerignore',
    ],
  ])('uses %s as ignore file', (_, items, expected) =>
    opened(items, (scratch) => {
      const context = openContext(scratch.path('c'), { kubefilePath: scratch.path('Kubefile') });
      expect(context.ignoreFile).toBe(expected === undefined ? undefined : scratch.path(expected));
    }),
  );

  it('may be a symlink to a directory', () =>
    opened({ 'real/f': file(), link: symlink('real') }, (scratch) => {
      const context = openContext(scratch.path('link'), { kubefilePath: 'Kubefile' });
      expect(context.directory).toBe(scratch.path('real'));
      expect(context.tree.lookup(toBytePath('f'))?.type).toBe('file');
    }));

  it('keeps what the ignore file hides for explanations only', () =>
    opened({ 'c/f': file(), ignore: file('f') }, (scratch) => {
      const context = openContext(scratch.path('c'), {
        kubefilePath: 'Kubefile',
        ignoreFile: scratch.path('ignore'),
      });
      expect(context.tree.lookup(toBytePath('f'))).toBeUndefined();
      expect(context.unfiltered.lookup(toBytePath('f'))?.type).toBe('file');
    }));

  it.each<[string, Items]>([
    ['is missing', {}],
    ['is a file', { c: file() }],
    ['is a symlink to itself', { c: symlink('c') }],
    ['is below a file', { 'c/..': dir(), c: file() }],
    ['has a directory for an ignore file', { 'c/.dockerignore': dir() }],
    ['has a fifo for an ignore file', { 'c/.dockerignore': { type: 'fifo' } }],
  ])('is refused when it %s', (_, items) =>
    opened(items, (scratch) =>
      failing(() => openContext(scratch.path('c'), { kubefilePath: 'Kubefile' }), 'CONTEXT'),
    ),
  );

  it('is refused when the ignore file asked for is missing', () =>
    opened({ c: dir() }, (scratch) =>
      failing(
        () => openContext(scratch.path('c'), { kubefilePath: 'Kubefile', ignoreFile: scratch.path('none') }),
        'CONTEXT',
      ),
    ));

  it('is refused with the line of a bad pattern', () =>
    opened({ 'c/.dockerignore': file('ok\n[') }, (scratch) =>
      expect(() => openContext(scratch.path('c'), { kubefilePath: 'Kubefile' })).toThrow(
        expect.objectContaining({
          code: 'IGNORE_PATTERN',
          location: expect.objectContaining({ line: 2 }) as object,
        }),
      ),
    ));
});
