import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChmod } from '../../src/build/chmod.ts';
import { openScratch } from '../support/scratch.ts';

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

describe('--chmod', () => {
  it.each([
    ['755', '0600', '0755', '0755'],
    ['4711', '0600', '4711', '4711'],
    ['00644', '0600', '0644', '0644'],
    ['u=rwX,go=rX', '0640', '0644', '0755'],
    ['u=rwX,go=rX', '0700', '0755', '0755'],
    ['a+x', '0640', '0751', '0751'],
    ['+x', '0640', '0751', '0751'],
    ['+w', '0444', '0666', '0666'],
    ['g-w', '0664', '0644', '0644'],
    ['u=g', '0640', '0440', '0440'],
    ['u+s', '0755', '4755', '4755'],
    ['g+s', '0755', '2755', '2755'],
    ['+t', '0755', '1755', '1755'],
    ['u=rwx', '6755', '2755', '6755'],
    ['ug=rx,o=', '6755', '0550', '6550'],
    ['u=rwxs,g=u', '0000', '4770', '4770'],
    ['u+x-w', '0600', '0500', '0500'],
    ['a=', '7777', '0000', '6000'],
  ])('%s makes of %s a file %s and a directory %s', (text, from, file, directory) => {
    const change = parseChmod(text);
    const mode = parseInt(from, 8);
    expect([octal(change(mode, false)), octal(change(mode, true))]).toEqual([file, directory]);
  });

  it.each([
    '',
    ',',
    'u',
    'x',
    'q+r',
    'u+q',
    'u=rw,',
    ',u=rw',
    'u+gr',
    'u+ug',
    'a+r ',
    '9',
    '10000',
    '-1',
    '0x1ff',
    '755,u+x',
  ])('refuses %j', (text) => {
    expect(() => parseChmod(text)).toThrow(`--chmod=${text} is`);
  });

  it('changes what chmod(1) changes', async () => {
    await using scratch = await openScratch('chmod');
    const [file, directory] = [scratch.path('file'), scratch.path('directory')];
    writeFileSync(file, '');
    mkdirSync(directory);
    const operand = fc.oneof(fc.constantFrom('u', 'g', 'o'), fc.stringMatching(/^[rwxXst]{0,4}$/));
    const action = fc.tuple(fc.constantFrom('+', '-', '='), operand).map((parts) => parts.join(''));
    const who = fc.stringMatching(/^[ugoa]{0,2}$/);
    const clause = fc.tuple(who, fc.array(action, { minLength: 1, maxLength: 2 }));
    const text = fc
      .array(
        clause.map(([classes, actions]) => classes + actions.join('')),
        { minLength: 1, maxLength: 3 },
      )
      .map((clauses) => clauses.join(','));
    const check = (words: string, mode: number): void => {
      for (const path of [file, directory]) chmodSync(path, mode);
      execFileSync('sh', ['-c', 'umask 0; exec chmod -- "$@"', 'sh', words, file, directory]);
      const seen = [file, directory].map((path) => octal(statSync(path).mode & 0o7777));
      const change = parseChmod(words);
      expect([octal(change(mode, false)), octal(change(mode, true))], `${words} of ${octal(mode)}`).toEqual(
        seen,
      );
    };
    fc.assert(fc.property(text, fc.integer({ min: 0, max: 0o7777 }), check), { numRuns: 100 });
  });
});
