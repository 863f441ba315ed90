import { describe, expect, it } from 'vitest';
import { toBytePath } from '../../src/layer/byte-path.ts';
import type { EntryType } from '../../src/layer/tar-format.ts';
import { surveyLayer, type LayerSurvey } from '../../src/layer/verify-entries.ts';
import { hardLinkFindings, idleWhiteoutFindings } from '../../src/layer/verify-stack.ts';
import { dirEntry, fileEntry, inChunks, linkEntry, symlinkEntry, tarOf, type Entry } from './tar-fixtures.ts';

const survey = (entries: readonly Entry[]): Promise<LayerSurvey> => surveyLayer(inChunks(tarOf(entries)));
const codes = ({ findings }: LayerSurvey): string[] => findings.map(({ code }) => code);

describe('entries', () => {
  it.each<[string, readonly Entry[], string[]]>([
    ['a hard link to a file', [fileEntry('a'), linkEntry('b', 'a')], []],
    ['a hard link to a hard link', [fileEntry('a'), linkEntry('b', 'a'), linkEntry('c', './b')], []],
    ['a hard link to a symlink', [symlinkEntry('a', 'x'), linkEntry('b', 'a')], []],
    ['a hard link with an absolute target', [fileEntry('a'), linkEntry('b', '/a')], ['layer-hard-link']],
    ['a hard link to a later entry', [linkEntry('b', 'a'), fileEntry('a')], ['layer-hard-link']],
    ['a hard link to itself', [linkEntry('a', 'a')], ['layer-hard-link']],
    ['a hard link to a directory', [dirEntry('a'), linkEntry('b', 'a')], ['layer-hard-link']],
    ['a hard link to a whiteout', [fileEntry('.wh.a'), linkEntry('b', '.wh.a')], ['layer-hard-link']],
    ['a hard link to nothing', [linkEntry('b', '')], ['layer-hard-link']],
    ['a symlink to nothing', [symlinkEntry('a', '')], ['layer-symlink']],
    ['a file below a file', [fileEntry('a'), fileEntry('a/b/c')], ['layer-parent']],
    ['a file below a symlink', [symlinkEntry('a', 'b'), fileEntry('a/c')], ['layer-through-symlink']],
    ['a whiteout with content', [fileEntry('.wh.a', 'x')], ['layer-whiteout']],
    ['a whiteout that is a directory', [dirEntry('.wh.a')], ['layer-whiteout']],
    ['an opaque mark', [dirEntry('a'), fileEntry('a/.wh..wh..opq'), fileEntry('a/b')], []],
    ['a whiteout of what is there', [fileEntry('.wh.a'), fileEntry('a')], ['layer-whiteout-sibling']],
    ['what AUFS kept', [dirEntry('.wh..wh.plnk'), fileEntry('.wh..wh.aufs')], []],
  ])('%s', async (_name, entries, expected) => {
    expect(codes(await survey(entries))).toEqual(expected);
  });

  it('tell a warning from an error', async () => {
    const { findings } = await survey([symlinkEntry('a', 'b'), fileEntry('a/c'), linkEntry('d', '/c')]);
    expect(findings.map(({ severity }) => severity)).toEqual(['warning', 'error']);
  });
});

describe('a layer on others', () => {
  const layer = (entries: Record<string, EntryType>): Pick<LayerSurvey, 'entries'> => ({
    entries: new Map(Object.entries(entries).map(([path, type]) => [toBytePath(path), type])),
  });
  const base = layer({ 'a/f': 'file', 'a/d': 'directory', lib: 'symlink', 'o/f': 'file' });

  it.each<[string, string, (Pick<LayerSurvey, 'entries'> | undefined)[], boolean]>([
    ['to a file below', 'a/f', [base], true],
    ['to a file two layers below', 'a/f', [base, layer({ x: 'file' })], true],
    ['to nothing', 'a/g', [base], false],
    ['to a directory below', 'a/d', [base], false],
    ['without layers below', 'a/f', [], false],
    ['to a deleted file', 'a/f', [base, layer({ 'a/.wh.f': 'file' })], false],
    ['to a file that came back', 'a/f', [base, layer({ 'a/.wh.f': 'file' }), layer({ 'a/f': 'file' })], true],
    ['to a file in a deleted directory', 'a/f', [base, layer({ '.wh.a': 'file' })], false],
    ['to a file in an opaque directory', 'o/f', [base, layer({ 'o/.wh..wh..opq': 'file' })], false],
    ['to a file below an opaque root', 'a/f', [base, layer({ '.wh..wh..opq': 'file' })], false],
    ['to a file whose directory was replaced', 'a/f', [base, layer({ a: 'file' })], false],
    ['through a symlink, which is not followed', 'lib/x', [base], true],
    ['below which a layer is unreadable', 'a/g', [base, undefined], true],
  ])('has hard links %s', async (_name, target, below, good) => {
    const top = await survey([linkEntry('link', target)]);
    expect(codes(top)).toEqual([]);
    expect(hardLinkFindings(top, below).map(({ code }) => code)).toEqual(good ? [] : ['layer-hard-link']);
  });

  it('deletes what is there, and is found out when nothing is', async () => {
    const top = await survey([fileEntry('a/.wh.f'), fileEntry('a/.wh.nothing')]);
    expect(idleWhiteoutFindings(top, [base])).toMatchObject([
      { code: 'layer-whiteout-idle', severity: 'warning', path: 'a/.wh.nothing' },
    ]);
  });
});
