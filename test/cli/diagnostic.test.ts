import { expect, it } from 'vitest';
import { formatDiagnostic } from '../../src/cli/diagnostic.ts';
import { ArchBuildError, type ErrorDetails } from '../../src/errors.ts';

const format = (details: ErrorDetails = {}): string =>
  formatDiagnostic(new ArchBuildError('KUBEFILE_SYNTAX', 'unknown instruction "CPOY"', details));
const at = (column: number, sourceLine?: string): ErrorDetails => ({
  location: { file: 'Kubefile', line: 7, column, ...(sourceLine === undefined ? {} : { sourceLine }) },
});

it('is one line when nothing more is known', () => {
  expect(format()).toBe('error[KUBEFILE_SYNTAX] unknown instruction "CPOY"');
  expect(format({ hint: 'Say COPY' })).toBe(
    'error[KUBEFILE_SYNTAX] unknown instruction "CPOY"\nhint: Say COPY',
  );
  expect(format(at(6))).toBe('error[KUBEFILE_SYNTAX] Kubefile:7:6: unknown instruction "CPOY"');
  expect(format(at(1, ''))).toBe('error[KUBEFILE_SYNTAX] Kubefile:7:1: unknown instruction "CPOY"');
});

it('lists what it is about, each thing on its line and none of them hostile', () => {
  expect(format({ items: ['image a', 'image \u001b[2Jb'], hint: 'Bring them' }).split('\n')).toEqual([
    'error[KUBEFILE_SYNTAX] unknown instruction "CPOY"',
    '  image a',
    '  image \ufffd[2Jb',
    'hint: Bring them',
  ]);
});

it('shows the line and marks the word', () => {
  expect(format({ ...at(6, 'DONT CPOY a b'), hint: 'did you mean COPY?' }).split('\n')).toEqual([
    'error[KUBEFILE_SYNTAX] Kubefile:7:6: unknown instruction "CPOY"',
    '  7 | DONT CPOY a b',
    '    |      ^^^^',
    'hint: did you mean COPY?',
  ]);
});

it.each([
  ['\tCPOY', 2, '\tCPOY', '\t^^^^'],
  ['CPOY', 99, 'CPOY', '    ^'],
  ['a  b', 2, 'a  b', ' ^'],
  ['é🚀 x', 5, 'é🚀 x', '   ^'],
])('marks %j at column %d', (...row) => {
  const [sourceLine, column, line, carets] = row;
  expect(format(at(column, sourceLine)).split('\n').slice(1)).toEqual([`  7 | ${line}`, `    | ${carets}`]);
});

it('cuts a long line around the place', () => {
  const line = `${'a '.repeat(200)}HERE${' b'.repeat(200)}`;
  const [, shown = '', carets = ''] = format(at(401, line)).split('\n');
  expect(shown.length).toBeLessThan(120);
  expect(shown).toMatch(/^ {2}7 \| ….*HERE.*…$/);
  expect(shown.indexOf('HERE')).toBe(carets.indexOf('^^^^'));
});

it('lets no control character through', () => {
  const hostile = '\u001b[2J\u0007\u009b\u202e\r';
  const text = formatDiagnostic(
    new ArchBuildError('IO', `bad ${hostile}`, {
      hint: hostile,
      location: { file: hostile, line: 1, column: 1, sourceLine: hostile },
    }),
  );
  expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
});
